"""Comparisons of instances at several settings: what comes back, where it is worked on, and going on after Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from placement_opt import compare, sweep
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.cli.console import Console
from placement_opt.report.comparison import comparison_csv, comparison_document
from placement_opt.study.auto_capacity import spelt_out
from placement_opt.study.comparison import Comparison
from tests.turns import turns

REPO = Path(__file__).parents[2]
SET = ["--set", "hbm.capacity=1MiB,2MiB"]
ASKED = [*SET, "--schedulers", "lru,static", "--method", "step"]


def timeless(document: Any) -> Any:
    """A document without what the clock says: seconds that this machine took."""
    if isinstance(document, dict):
        return {key: timeless(value) for key, value in document.items() if key not in ("wall_s", "solve_s")}
    return [timeless(value) for value in document] if isinstance(document, list) else document


def said(found: Comparison) -> Any:
    return timeless(comparison_document(found))


# ---- settings ----------------------------------------------------------------------------------------------------------


def test_every_instance_at_every_setting(drift: str, tmp_path: Path) -> None:
    """Instance by instance, the last key fastest; each as if its file said so, and as sweep finds it."""
    keys = ["hbm.capacity=1MiB,2MiB", "trace.seed=1,2"]
    other = tmp_path / "other.toml"
    other.write_text(Path(drift).read_text().replace("tokens = 12", "tokens = 9").replace('"drift"', '"other"', 1))
    found = compare([drift, other], "lru,static", keys=keys, method="step")
    settings = [("1MiB", "1"), ("1MiB", "2"), ("2MiB", "1"), ("2MiB", "2")]
    names = "memory.hbm.capacity", "trace.seed"
    assert [(one.proof.instance, one.setting) for one in found.instances] == [
        (name, tuple(zip(names, values, strict=True))) for name in ("drift", "other") for values in settings
    ]
    swept = sweep(drift, keys, "lru,static", method="roofline")
    for one, point in zip(found.instances, swept.points, strict=False):
        assert one.proof.hash == point.compared.proof.hash
        assert [row.latency_s for row in one.schedules] == [row.latency_s for row in point.compared.schedules]
    assert len({one.proof.hash for one in found.instances}) == 8


def test_rows_name_their_setting(drift: str) -> None:
    """In records, JSON, CSV and conditions; without settings there is no word of them."""
    found = compare(drift, "lru,static", keys="hbm.capacity=1MiB,2MiB", method="step")
    rows = found.to_records()
    assert [(row["memory.hbm.capacity"], row["scheduler"]) for row in rows] == [
        (value, name) for value in ("1MiB", "2MiB") for name in ("lru", "static")
    ]
    document = comparison_document(found)
    assert [one["setting"] for one in document["instances"]] == [
        {"memory.hbm.capacity": "1MiB"},
        {"memory.hbm.capacity": "2MiB"},
    ]
    table = list(csv.DictReader(comparison_csv(found).splitlines()))
    assert [row["memory.hbm.capacity"] for row in table] == ["1MiB", "1MiB", "2MiB", "2MiB"]
    assert [row["scheduler"] for row in table] == ["lru", "static"] * 2
    assert [one.label for one in found.instances] == ["drift, hbm.capacity=1MiB", "drift, hbm.capacity=2MiB"]
    plain = compare(drift, "lru", method="roofline")
    assert "setting" not in comparison_document(plain)["instances"][0]
    assert comparison_csv(plain).startswith("instance,hash,")
    assert plain.instances[0].label == "drift"


def test_shares_are_of_each_instance(drift: str, ahead: str) -> None:
    """``auto`` is spelt out for each of several instances."""
    found = compare([drift, ahead], "static", keys="hbm.capacity=auto:2", method="roofline")
    values = [value for one in found.instances for _, value in one.setting]
    assert [one.proof.instance for one in found.instances] == ["drift", "drift", "fetch-ahead", "fetch-ahead"]
    assert values == [*spelt(drift), *spelt(ahead)]


def spelt(file: str) -> list[str]:
    """The two values that ``auto`` is for a file."""
    (text,) = spelt_out(["hbm.capacity=auto:2"], file)
    return text.partition("=")[2].split(",")


def test_the_command_line_names_settings(drift: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In the table, in lines of progress, in conditions, in JUnit and in annotations, which are of the instance's file."""
    argv = ["compare", drift, *ASKED, "--follow", "--fail-if", "gap(static) > 1", "--junit", str(tmp_path / "out.xml")]
    assert main([*argv, "--annotations", "github"]) == 1
    out, err = capsys.readouterr()
    assert re.findall(r"^set +(.+)$", out, re.MULTILINE) == ["memory.hbm.capacity=1MiB", "memory.hbm.capacity=2MiB"]
    assert err.splitlines()[0] == "[1/6] memory.hbm.capacity=1MiB: lru  2.388 us"
    (line,) = [line for line in err.splitlines() if line.startswith("::")]
    assert line.startswith(f"::error file={drift},title=drift%2C hbm.capacity=1MiB%3A gap(static) > 1::gap(static) = 5.")
    assert 'testsuite name="drift, hbm.capacity=2MiB"' in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("hbm.capacity", "--set: found 'hbm.capacity', expected KEY=VALUE,VALUE,..."),
        ("hbm.capacitty=1MiB", "found unknown key 'capacitty', did you mean 'capacity'? (at memory.hbm.capacitty=1MiB)"),
        ("hbm.capacity=1..2", "--set: found '1..2', expected LOW..HIGH:COUNT such as 1GiB..4GiB:7"),
    ],
)
def test_keys_are_refused_as_in_sweep(keys: str, message: str, drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before any work, in the same words."""
    found = []
    for command in ("compare", "sweep"):
        assert main([command, drift, "--set", keys, "--schedulers", "lru", "--method", "roofline"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        found.append(err)
    assert found[0] == found[1]
    assert message in found[0]


def test_too_many_panels_are_refused(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is a panel of the picture."""
    assert main(["compare", drift, "--set", "trace.seed=1..65:65", "--schedulers", "lru", "--plot", "x.png"]) == 2
    assert "--plot: found 65 instances, each a panel of its own, expected at most 64" in capsys.readouterr().err


def test_an_instance_of_tests_has_no_keys() -> None:
    """One that came neither from a file nor from keys has nothing to set."""
    with pytest.raises(InputError, match="found an instance that came neither from a file nor from keys"):
        compare(turns(), "lru", keys="hbm.capacity=1MiB", method="roofline")


# ---- elsewhere ---------------------------------------------------------------------------------------------------------


def test_processes_and_a_cluster_say_the_same(cluster: Any, drift: str, ahead: str) -> None:
    """Whoever works on the cells; each result is told as it comes, and its state is kept here."""
    lines: list[str] = []
    wanted = {"keys": "hbm.capacity=1MiB,2MiB", "method": "step"}
    alone = compare([drift, ahead], "lru,static", **wanted)  # type: ignore[arg-type]
    assert said(compare([drift, ahead], "lru,static", jobs=2, **wanted)) == said(alone)  # type: ignore[arg-type]
    there, state = Backend("dask", address=cluster.scheduler_address), Path(drift).with_name("state")
    shared = compare([drift, ahead], "lru,static", backend=there, state=state, report=lines.append, **wanted)  # type: ignore[arg-type]
    assert said(shared) == said(alone)
    assert sorted(line.partition("/")[0] for line in lines) == sorted(f"[{n}" for n in range(1, 13))
    again = compare([drift, ahead], "lru,static", state=state, report=pytest.fail, **wanted)  # type: ignore[arg-type]
    assert said(again) == said(alone)


def test_a_sweep_on_a_cluster_says_the_same(cluster: Any, drift: str) -> None:
    """Point by point, the prices that neighbours lend each other included."""
    wanted = {"keys": "hbm.capacity=1MiB,2MiB", "schedulers": ["lru"], "method": "step"}
    there = Backend("dask", address=cluster.scheduler_address)
    assert sweep(drift, backend=there, **wanted).to_records() == sweep(drift, **wanted).to_records()  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backend", "dask"], "--dask-address: found none, expected that of a Dask scheduler, such as tcp://10.0.0.1:8786"),
        (["--dask-address", "tcp://a:1"], "--dask-address: found 'tcp://a:1', expected none with backend local"),
    ],
)
def test_options_of_a_cluster_go_together(
    options: list[str], message: str, drift: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for explore."""
    for command in (["compare", drift, "--schedulers", "lru"], ["sweep", drift, "--set", "hbm.capacity=1MiB"]):
        assert main([*command, *options]) == 2
        assert capsys.readouterr().err == f"error: {message}\n"


# ---- interrupted -------------------------------------------------------------------------------------------------------


def test_interrupted_and_resumed_it_is_the_same(drift: str, tmp_path: Path) -> None:
    """Ctrl-C from outside, after the first result and, having gone on, after two more: the third run has the whole document."""
    argv = [sys.executable, "-m", "placement_opt", "compare", drift, *ASKED, "--json", "--follow"]
    whole = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, check=True)
    argv += ["--resume", str(tmp_path / "state")]
    for lines in (1, 2):
        with subprocess.Popen(argv, cwd=REPO, stdout=-1, stderr=-1, text=True) as run:
            assert run.stderr is not None
            for _ in range(lines):
                run.stderr.readline()
            run.send_signal(signal.SIGINT)
            out, _ = run.communicate()
        # a slow reader's signal may come when all is done, or when nobody listens any more
        assert run.returncode in (130, 0, -signal.SIGINT)
        assert not out or json.loads(out)["interrupted"] == (run.returncode == 130)
    last = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, check=True)
    assert timeless(json.loads(last.stdout)) == timeless(json.loads(whole.stdout))


@pytest.mark.parametrize(("jobs", "moments"), [("1", range(1, 6)), ("2", (5,))])
def test_at_every_moment(
    jobs: str,
    moments: Sequence[int],
    drift: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C at each of the results in turn: what was told is not done again, and the document is the same in the end."""
    argv, true = ["compare", drift, *ASKED, "--json", "--follow"], Console.line
    assert main(argv) == 0
    whole = timeless(json.loads(capsys.readouterr().out))
    told: list[str] = []

    def hit(self: Console, text: str) -> None:
        told.append(text)
        if len(told) == moment:
            os.kill(os.getpid(), signal.SIGINT)
        true(self, text)

    for moment in moments:
        told.clear()
        state = str(tmp_path / f"state{moment}")
        with monkeypatch.context() as patch:
            patch.setattr(Console, "line", hit)
            assert main([*argv, "--resume", state, "--jobs", jobs]) == 130
            part = json.loads(capsys.readouterr().out)
        assert part["interrupted"]
        assert len(told) in range(moment, moment + int(jobs))  # what was at work comes back, too
        kept = sum('"kind"' in line for line in Path(state).read_text().splitlines())
        assert kept >= moment
        assert main([*argv, "--resume", state]) == 0
        out, err = capsys.readouterr()
        assert [line.partition("]")[0] for line in err.splitlines()] == [f"[{n}/{6 - kept}" for n in range(1, 7 - kept)]
        assert timeless(json.loads(out)) == whole
