"""``bound`` answers from both sides where a trace would not fit in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.limits import Limits
from placement_opt.cli import main
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.synth import params
from tests.cli.cases import MEMORY
from tests.layered.cases import write
from tests.layered.solved import solved
from tests.small import make_trace


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An instance file whose trace counts as too large for rows."""
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    return str(write(tmp_path))


def document(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 0) -> Any:
    """The JSON of a command."""
    assert main([*map(str, argv), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_bound_of_a_large_file_has_the_keys_of_any_other(
    large: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without --gap, and where no time is left; the numbers are those of the engine, and agree with those in rows."""
    reached = Limits.reached
    engine = solved(load_layered(large))
    for options in ((), ("--gap", "0%")):
        found = document(capsys, "bound", large, *options)
        assert found["method"] == "scale"
        assert found["lower_bound_s"] == engine.lower_s
        assert found["roofline_s"] == engine.roofline_s
        assert found["schedule_s" if options else "best_s"] == engine.schedule_s
        assert found["scheduler" if options else "best_from"] == "scale"
        assert (found["gap"] if options else found["known_to"]) == pytest.approx(engine.schedule_s / engine.lower_s - 1)
        assert found["details"]["layers_done"] == 2
        assert found["binds"][0]["share_of_steps"] > 0
        monkeypatch.setattr(Limits, "reached", True)
        early = document(capsys, "bound", large, *options)
        monkeypatch.setattr(Limits, "reached", reached)
        assert early["status"] == "limit reached"
        monkeypatch.setattr(params, "LARGEST_READS", 10**9)
        rows = document(capsys, "bound", large, *(("--gap", "3%") if options else ("--method", "compact")))
        monkeypatch.setattr(params, "LARGEST_READS", 100)
        assert set(rows) == set(found) == set(early)
        assert rows["lower_bound_s"] == pytest.approx(found["lower_bound_s"], rel=0.03)
        assert rows["roofline_s"] == pytest.approx(found["roofline_s"], rel=1e-12)
        for latency in ("schedule_s", "best_s"):
            if latency in rows:
                assert max(rows["lower_bound_s"], found["lower_bound_s"]) <= min(rows[latency], found[latency]) * (1 + 1e-9)
        for same in ("tokens_per_s", "most_tokens_per_s"):
            if same in rows:
                assert rows[same] == pytest.approx(found[same], rel=0.03)


def printed(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The stdout of a command that must succeed."""
    assert main([str(part) for part in argv]) == 0
    return capsys.readouterr().out


def test_bound_of_a_large_file_in_words(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(printed(capsys, "bound", large).split())
    assert "method scale" in text
    assert "No schedule takes less than" in text
    assert "it is known to" in text


def test_the_roofline_alone_is_a_method_of_a_large_file(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "bound", large, "--gap", "50%")
    assert document(capsys, "bound", large, "--method", "roofline")["lower_bound_s"] == found["roofline_s"]


def test_what_needs_rows_still_refuses_a_large_file(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says how many reads there are, and what needs them."""
    for options, what in (
        (["--method", "lp"], ""),
        (
            ["--schedule", f"{large}.npz", "--scheduler", "belady"],
            "; --scheduler (simulate --schedule writes its moves) needs the reads as rows",
        ),
    ):
        assert main(["bound", large, *options]) == 3
        err = capsys.readouterr().err
        assert "reads, expected at most" in err
        assert err.endswith(f"{what}\n")


def test_a_large_file_is_refused_where_memory_is_short(
    large: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 1000)
    assert main(["bound", large]) != 0
    assert "runs a layer" in capsys.readouterr().err


def test_certificates_of_a_large_file_are_written_and_verified(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides within the gap asked for, lines of progress in columns; then from the files alone."""
    files = [str(tmp_path / name) for name in ("prices", "plan")]
    command = ["bound", large, "--gap", "40%", "--certificate", files[0], "--schedule", files[1], "--json"]
    assert main(command) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert answer["status"] == "within gap"
    assert answer["gap_wanted"] == pytest.approx(0.4)
    lines = printed.err.splitlines()
    assert lines[0].split() == ["time", "[s]", "bound", "[ms]", "incumbent", "[ms]", "gap", "from"]
    assert lines[-1].split()[-1] == "scale"
    assert answer["certified"]["schedule"] == {
        "file": files[1],
        "scheduler": "scale",
        "moves": answer["certified"]["schedule"]["moves"],
    }
    assert main(["verify", large, *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hash"] == answer["hash"]
    assert answer["lower_bound_s"] * (1 - 1e-9) <= found["lower_bound_s"] <= answer["lower_bound_s"]
    assert found["upper_bound_s"] == pytest.approx(answer["schedule_s"], rel=1e-12)
    assert {key: found[key] for key in answer["certified"] if key in found} == {
        key: value for key, value in answer["certified"].items() if key in found
    }
    assert main(["verify", large, files[1]]) == 0
    assert "The schedule takes at most" in " ".join(capsys.readouterr().out.split())


def test_a_schedule_at_scale_is_refused_for_an_instance_that_is_none(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bound", large, "--schedule", str(tmp_path / "plan"), "--quiet"]) == 0
    capsys.readouterr()
    path = Path(large)
    path.write_text(path.read_text().replace('residency = "inclusive"', 'residency = "free"'))
    assert main(["verify", large, str(tmp_path / "plan")]) == 2
    assert "expected 'inclusive' at this size" in capsys.readouterr().err


def test_a_limit_of_no_time_leaves_both_certificates(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule that keeps nothing, and prices about as good as the roofline: both verify."""
    monkeypatch.setattr(Limits, "reached", True)
    files = [str(tmp_path / name) for name in ("prices", "plan")]
    assert main(["bound", large, "--certificate", files[0], "--schedule", files[1]]) == 0
    assert "limit reached" in capsys.readouterr().out
    monkeypatch.undo()
    assert main(["verify", large, *files]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instance.toml", "plan", "prices"]


def test_runs_are_written_from_rows_and_from_an_instance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same file either way; what is no layered trace of equal blocks is refused."""
    path = write(tmp_path)
    save_trace(load_instance(path).trace, tmp_path / "t.npz")
    for source, target in ((path, "a.runs"), (tmp_path / "t.npz", "b.runs")):
        assert main(["trace", "runs", str(source), "-o", str(tmp_path / target)]) == 0
        assert "2 layers of 30 turns, 1,764 reads" in capsys.readouterr().out
    assert (tmp_path / "a.runs").read_bytes() == (tmp_path / "b.runs").read_bytes()
    save_trace(make_trace([[0, 1], []], [-1, -1], sizes=[1, 2]), tmp_path / "mixed.npz")
    assert main(["trace", "runs", str(tmp_path / "mixed.npz"), "-o", str(tmp_path / "c.runs")]) == 2
    assert "mixed.npz: size: found blocks of sizes 1 and 2 in layer 0, expected one size in each" in capsys.readouterr().err
    assert main(["trace", "runs", str(path), "-o", str(path)]) == 2
    assert "found an input of this command" in capsys.readouterr().err


def test_a_trace_in_rows_that_runs_cannot_hold_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More layers than a file of runs has: the trace is named, and no file is left."""
    steps = 4097
    trace = make_trace([[step] for step in range(steps)], [-1] * steps, layers=steps)
    save_trace(trace, tmp_path / "wide.npz")
    assert main(["trace", "runs", str(tmp_path / "wide.npz"), "-o", str(tmp_path / "wide.runs")]) == 2
    found = "found 4097 layers, 1 turns and blocks of size 1, expected 1 to 4096 layers"
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'wide.npz'}: {found}")
    assert [path.name for path in tmp_path.iterdir()] == ["wide.npz"]


def test_runs_of_a_layer_without_blocks_are_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What trace runs writes an instance takes, with the answer of the rows."""
    trace = make_trace([[0], [], [0], []], [-1], layers=2)
    save_trace(trace, tmp_path / "t.npz")
    assert main(["trace", "runs", str(tmp_path / "t.npz"), "-o", str(tmp_path / "t.runs")]) == 0
    (tmp_path / "memory.toml").write_text(MEMORY)
    capsys.readouterr()
    bounds = []
    for name in ("t.npz", "t.runs"):
        case = f'schema = 1\nname = "c"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "{name}"\n'
        (tmp_path / "case.toml").write_text(case)
        assert main(["bound", str(tmp_path / "case.toml"), "--method", "lp", "--json"]) == 0
        bounds.append(json.loads(capsys.readouterr().out)["lower_bound_s"])
    assert bounds[0] == bounds[1] > 0
