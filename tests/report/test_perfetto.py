"""A run as a trace for Perfetto, read back: slices add up to steps and loads, counters are the occupancy."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import placement_opt as po
from placement_opt.base.errors import InputError, LimitError
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.play.occupancy import occupancy
from placement_opt.play.run import Run
from placement_opt.play.trail import trail_of_run
from placement_opt.report import perfetto
from placement_opt.report.perfetto import perfetto_chunks
from placement_opt.workload.synth import params
from tests.layered.cases import write as write_layered
from tests.small import make_instance, make_trace, random_instance, two_tier
from tests.stacking import written

REPO = Path(__file__).parents[2]


def played(instance: Instance, name: str = "lru") -> Run:
    return po.simulate(instance, po.make_scheduler(name), per_step=True, record=True)


def events(run: Run) -> dict[tuple[str, str], list[Any]]:
    """(group, kind) -> the events, groups by their names."""
    document = json.loads(b"".join(perfetto_chunks(run, trail_of_run(run))))
    names = {one["pid"]: one["args"]["name"] for one in document["traceEvents"] if one["name"] == "process_name"}
    found: dict[tuple[str, str], list[Any]] = {}
    for one in document["traceEvents"]:
        found.setdefault((names[one["pid"]], one["ph"]), []).append(one)
    return found


def check(run: Run) -> None:
    """All that a file says of a run."""
    instance, found = run.instance, events(run)
    assert isinstance(instance, Instance)
    assert run.schedule is not None
    steps = found[f"{run.scheduler} on {instance.name}", "X"]
    assert [one["args"]["seconds"] for one in steps[: instance.num_steps]] == run.step_s.tolist()
    for one, seconds in zip(steps, run.step_s.tolist(), strict=False):
        assert one["dur"] == pytest.approx(seconds * 1e6, abs=1.001e-3)
    assert sum(one["dur"] for one in steps) == pytest.approx(run.latency_s * 1e6, rel=1e-12, abs=2e-3)
    for track in (steps, *([one for one in found.get(("resources", "X"), []) if one["tid"] == r] for r in range(99))):
        for before, after in itertools.pairwise(track):  # as viewers round, nothing overlaps
            assert round(before["ts"] * 1000) + round(before["dur"] * 1000) <= round(after["ts"] * 1000)
    loads = dict.fromkeys(instance.memory.resources, 0.0)
    for one in found.get(("resources", "X"), []):
        assert one["dur"] == pytest.approx(one["args"]["seconds"] * 1e6, abs=1.001e-3)
        loads[one["name"]] += one["args"]["seconds"]
    assert list(loads.values()) == pytest.approx((run.loads / instance.memory.rates).tolist(), rel=1e-9)
    held, counted = occupancy(instance, run.schedule), dict[str, list[tuple[float, int]]]()
    for one in found["bytes in tiers", "C"]:
        counted.setdefault(one["name"], []).append((one["ts"], one["args"]["bytes"]))
    times = (np.rint(np.r_[0.0, np.cumsum(run.step_s)] * 1e9) / 1000).tolist()
    for tier, name in enumerate(instance.memory.tier_names):
        for state, time in enumerate(times):
            shown = [size for at, size in counted[name] if at <= time][-1]
            if state + 1 == len(times) or times[state + 1] > time:
                assert shown == held[state, tier]
    moved = dict.fromkeys(("blocks", "bytes"), 0)
    for one in found.get(("moves", "i"), []):
        moved = {name: moved[name] + one["args"][name] for name in moved}
    assert moved == {"blocks": run.schedule.num_moves, "bytes": int(instance.size[run.schedule.block].sum())}


def test_a_trace_read_back_is_the_run() -> None:
    """On random instances of every rule, for policies that move a lot or little."""
    for seed, rule in enumerate(("inclusive", "exclusive", "free")):
        instance = random_instance(np.random.default_rng(seed), 3, rule, blocks=6, steps=8, max_size=3, deaths=True)
        for name in ("lru", "static", "belady"):
            check(played(instance, name))


def test_requests_and_budgets() -> None:
    """Resources that count requests say so; a run that waits for its budgets has a slice for that."""
    check(played(po.load_instance(REPO / "tests/instance/examples/inflash.toml"), "static"))
    run = played(po.load_instance(REPO / "instances/budgets/two-budget.toml"), "belady")
    check(run)
    waits = [one for one in events(run)["belady on two-budget", "X"] if one["name"].startswith("waits")]
    assert sum(one["dur"] for one in waits) == pytest.approx(run.waited_s * 1e6)


def test_a_trace_by_hand() -> None:
    """Two blocks of 49 bytes at 4900, 450 and 500 bytes/s; lru stores block 0 at the first step, block 1 in its place after."""
    trace = make_trace([[0], [0], [1]], [-1, -1], sizes=[49, 49])
    start = np.array([[False, False], [True, True]])
    found = events(played(make_instance(two_tier(hbm=49), trace, initial=start)))
    step = found["lru on small", "X"]
    assert [one["name"] for one in step] == ["step 0", "step 1", "step 2"]
    assert step[0]["args"]["critical"] == "c2c.up"
    assert step[0]["dur"] == 108_888.889  # 49 / 450 s, in microseconds
    up = [one for one in found["resources", "X"] if one["name"] == "c2c.up"]
    assert up[0]["args"] == {"seconds": 49 / 450, "bytes": 49.0}
    assert up[0]["dur"] == step[0]["dur"]
    assert up[1]["dur"] == 9_158.878  # step 1 reads from both tiers at once
    moves = [(one["name"], one["ts"], one["args"]) for one in found["moves", "i"]]
    each = {"blocks": 1, "bytes": 49}
    last = step[2]["ts"]
    assert moves == [("store hbm", 0.0, each), ("store hbm", last, each), ("drop hbm", last, each)]
    hbm = [(one["ts"], one["args"]["bytes"]) for one in found["bytes in tiers", "C"] if one["name"] == "hbm"]
    assert hbm == [(0.0, 0), (step[1]["ts"], 49), (pytest.approx(last + step[2]["dur"]), 49)]


def test_the_command_writes_it(tmp_path: Path, ahead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside its answer; the same run gives the same bytes, whatever the instance is called."""
    out = tmp_path / "run.json"
    assert main(["simulate", ahead, "--scheduler", "lru", "--perfetto", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scheduler"] == "lru"
    first = out.read_bytes()
    found = json.loads(first)
    assert found["otherData"]["instance"] == "fetch-ahead"
    assert found["displayTimeUnit"] == "ns"
    assert main(["simulate", ahead, "--scheduler", "lru", "--perfetto", str(out)]) == 0
    assert out.read_bytes() == first


def test_too_many_events_are_refused(
    tmp_path: Path, ahead: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps before the work, all events before anything is written; what was simulated is still told."""
    out = tmp_path / "run.json"
    command = ["simulate", ahead, "--scheduler", "lru", "--perfetto", str(out)]
    monkeypatch.setattr(perfetto, "MOST_EVENTS", 10)
    assert main(command) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "found 22 steps, a file for Perfetto has at most 10: take fewer steps of the trace" in told.err
    monkeypatch.setattr(perfetto, "MOST_EVENTS", 30)
    assert main(command) == 3
    told = capsys.readouterr()
    assert "latency" in told.out
    assert "events, a file for Perfetto has at most 30" in told.err
    assert not out.exists()


def test_what_has_no_table_is_refused() -> None:
    """A run without its steps; too many of them."""
    run = po.simulate(make_instance(two_tier(), make_trace([[0]], [-1])), po.make_scheduler("lru"), record=True)
    with pytest.raises(InputError, match=r"^run: found a run without its table of steps, expected one with per_step=True$"):
        next(perfetto_chunks(run, trail_of_run(run)))
    with pytest.raises(LimitError, match="found 2,000,001 steps"):
        perfetto.check_events(2_000_001)


@pytest.mark.parametrize(("make", "most"), [(write_layered, 1000), (written, 300)], ids=["runs", "layers"])
def test_layers_have_the_events_of_rows(
    make: Callable[[Path], Path],
    most: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the reads do not fit as rows: every event but for the hash."""
    command = ["simulate", str(make(tmp_path)), "--scheduler", "lru", "--perfetto", str(tmp_path / "run.json")]
    found = []
    for largest in (2**30, most):
        monkeypatch.setattr(params, "LARGEST_READS", largest)
        assert main(command) == 0
        document = json.loads((tmp_path / "run.json").read_text())
        document["otherData"].pop("hash")
        found.append(document)
    assert found[0] == found[1]
    assert len(found[0]["traceEvents"]) > 100
    assert capsys.readouterr().err == ""
