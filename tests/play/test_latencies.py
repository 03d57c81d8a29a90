"""Waits and times to tokens: by hand on three requests, and as the commands tell them."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

import placement_opt as po
from placement_opt.cli import main
from placement_opt.play.latencies import clock, latencies
from placement_opt.play.run import Run
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.served import Served
from placement_opt.workload.trace import Trace
from tests.workload.traces import random_served

MEMORY = """schema = 1
name = "one"
processor = "p"
[tiers.ram]
capacity = "1 GB"
rate = "1 GB/s"
at = "p"
"""


def table(arrival_s: list[float], steps: list[list[int]], answers: list[int]) -> Served:
    arrival = (np.array(arrival_s) * 1e9).astype(np.int64)
    admitted, first, last = np.array(steps, dtype=np.int32)
    return Served(arrival, admitted, first, last, np.full(len(arrival), 5), np.array(answers))


#: Steps of 1, 2, 3, 1 and 2 seconds, the fourth of them idle: it waits 90 seconds where nothing else says how long.
READS = [[0], [0, 1], [0, 1, 2], [0], [0, 1]]
#: The first is there at once and has three tokens, the second comes in step 0, the third at 9 s.
SERVED = table([0.0, 0.5, 9.0], [[0, 1, 4], [0, 1, 4], [2, 1, 4]], [3, 1, 4])


def run_of(path: Path, served: Served, **tables: object) -> Run:
    (path / "one.toml").write_text(MEMORY)
    trace = Trace.from_reads(READS, sizes=10**9, floors=[0, 0, 0, 90 * 10**9, 0])
    trace = dataclasses.replace(trace, requests=served, size=np.array([10**9]))
    memory = {"file": str(path / "one.toml"), "ram.capacity": "4 GB", "ram.background_power": "1 W"}
    instance = po.build_instance(memory, trace, rules={"residency": "free"}, **tables)  # type: ignore[arg-type]
    return po.simulate(instance, po.make_scheduler("static"))


@pytest.mark.parametrize("tables", [{}, {"objective": {"time": 1, "energy": "1 s/J"}}])
def test_three_requests_by_hand(tmp_path: Path, tables: dict[str, object]) -> None:
    """Steps begin at 0, 1, 3, 6 (idle: what it reads, no floor) and 9, when the third request is there."""
    run = run_of(tmp_path, SERVED, **tables)
    assert run.step_s.tolist() == [1.0, 2.0, 3.0, 90.0, 2.0]
    found = run.latencies
    assert found is not None
    assert found.begin.tolist() == [0.0, 1.0, 3.0, 6.0, 9.0]
    assert found.end.tolist() == [1.0, 3.0, 6.0, 7.0, 11.0]
    assert found.waiting.tolist() == [0.0, 0.5, 0.0]
    assert found.ttft.tolist() == [1.0, 2.5, 2.0]
    assert found.tpot[0] == 2.5  # tokens at 1 and 6 s, two after the first
    assert np.isnan(found.tpot[1:]).all()  # one token; four of one step
    assert found.percentiles() == {"waiting": (0.0, 0.5, 0.5), "ttft": (2.0, 2.5, 2.5), "tpot": (2.5, 2.5, 2.5)}
    [row] = run.to_records()
    assert (row["ttft_p50_s"], row["waiting_p99_s"], row["tpot_p90_s"]) == (2.0, 0.5, 2.5)


def test_no_requests_no_times() -> None:
    """A trace that does not say has none, and rows of runs have no such columns."""
    run = po.simulate(po.build_instance("gh200", Trace.from_reads([[0]])), po.make_scheduler("static"))
    assert run.latencies is None
    assert not [key for key in run.to_records()[0] if "ttft" in key]
    alone = latencies(table([0.0], [[0], [0], [0]], [1]), np.ones(1)).percentiles()
    assert alone["tpot"] == (None, None, None)


@pytest.mark.parametrize("seed", range(10))
def test_the_clock_is_that_of_a_loop(seed: int) -> None:
    """One step after the other, none before its requests are there."""
    rng = np.random.default_rng(seed)
    served, seconds = random_served(rng, 12, 6), rng.random(12) * 0.2
    begin, end = clock(served, seconds)
    now = 0.0
    for step, takes in enumerate(seconds):
        now = max(now, *(when / 1e9 for when, at in zip(served.arrival, served.admitted, strict=True) if at == step), 0.0)
        assert math.isclose(begin[step], now, abs_tol=1e-12)
        now += takes
        assert math.isclose(end[step], now, abs_tol=1e-12)


def test_the_command_tells_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table and a key of JSON; null without requests."""
    (tmp_path / "one.toml").write_text(MEMORY)
    trace = Trace.from_reads(READS, sizes=10**6, floors=[0, 0, 0, 90 * 10**6, 0])
    text = 'schema = 1\nname = "q"\n[memory]\nfile = "one.toml"\n[trace]\nfile = "t.npz"\n[rules]\nresidency = "free"\n'
    (tmp_path / "q.toml").write_text(text)
    save_trace(
        dataclasses.replace(trace, requests=dataclasses.replace(SERVED, arrival=SERVED.arrival // 1000)), tmp_path / "t.npz"
    )
    assert main(["simulate", str(tmp_path / "q.toml"), "--scheduler", "static"]) == 0
    shown = capsys.readouterr().out
    assert "to the first token (TTFT)    2 ms  2.5 ms  2.5 ms\n" in shown
    assert main(["simulate", str(tmp_path / "q.toml"), "--scheduler", "static", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["requests"]
    assert (found["count"], found["tokens_apart"]) == (3, 1)
    assert math.isclose(found["tpot_s"]["p99"], 0.0025)
    save_trace(trace, tmp_path / "t.npz")
    assert main(["simulate", str(tmp_path / "q.toml"), "--scheduler", "static", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requests"] is None
