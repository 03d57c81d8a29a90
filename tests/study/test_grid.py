"""The cells that compare and sweep lay out: what comes of each, what ends all of them, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.answer.prove import Proof, prove
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.study import grid as grid_module
from placement_opt.study.grid import Bounding, Cell, Grid, Question, Timing, all_scheduled
from placement_opt.study.scheduled import Outcome, Scheduled
from tests.cli.cases import write_drift
from tests.small import fetch_ahead


def roofline(instance: Instance, limits: Limits) -> Proof:
    return prove(instance, "roofline", limits=limits)


def too_large(instance: Instance, limits: Limits) -> Proof:
    del instance, limits
    raise LimitError("too many rows")


def refusing(instance: Instance, limits: Limits) -> Proof:
    del instance, limits
    raise InputError("found three tiers", "expected two")


def cells(path: Path) -> list[Cell]:
    at = [Question(path, None, (("memory.hbm.capacity", value),)) for value in ("1MiB", "2MiB")]
    return [Timing(at[0], "lru"), Bounding(at[0], roofline), Timing(at[1], "lru"), Bounding(at[1], roofline)]


def test_processes_change_nothing(tmp_path: Path) -> None:
    """Results are in the order of the cells and the same in one process and in two."""
    laid_out = cells(write_drift(tmp_path))

    def values(jobs: int) -> list[float | None]:
        found = Grid(4, jobs).run(laid_out, Limits())
        assert [type(one) for one in found] == [Scheduled, Proof, Scheduled, Proof]
        return [
            one.latency_s if isinstance(one, Scheduled) else one.bound.lower_bound_s
            for one in found
            if isinstance(one, Scheduled | Proof)
        ]

    assert values(1) == values(2)


def test_one_count_for_several_runs() -> None:
    """Lines go on counting from run to run, and show times as they are told to."""
    lines: list[str] = []
    grid, question = Grid(2, report=lines.append, seconds="{:.3f}".format), Question(fetch_ahead())
    grid.run([Timing(question, "static")], Limits())
    grid.run([Bounding(question, roofline)], Limits())
    assert lines == ["[1/2] small: static  0.067", "[2/2] small: bound  0.048 by roofline"]


def test_a_spared_bound_is_its_own_loss() -> None:
    """What it complains of is its outcome; one that is not spared ends the grid at once."""
    question = Question(fetch_ahead())
    found = Grid(2).run([Bounding(question, too_large, spared=True), Timing(question, "lru")], Limits())
    assert isinstance(found[0], LimitError)
    assert isinstance(found[1], Scheduled)
    with pytest.raises(LimitError, match="too many rows"):
        Grid(1, report=pytest.fail).run([Bounding(question, too_large)], Limits())


@pytest.mark.parametrize("spared", [False, True])
def test_bad_input_ends_the_grid(spared: bool, tmp_path: Path) -> None:
    """Spared or not, with the point at which it came up where there are several."""
    with pytest.raises(InputError, match=r"found three tiers, expected two$"):
        Grid(1).run([Bounding(Question(fetch_ahead()), refusing, spared)], Limits())
    point = Question(write_drift(tmp_path), None, (("trace.tokens", "12"), ("trace.seed", "2")))
    with pytest.raises(InputError, match=r"expected two \(at trace.tokens=12, trace.seed=2\)$"):
        Grid(1).run([Bounding(point, refusing, spared)], Limits())


def test_a_scheduler_gets_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the time that is left."""
    given: list[float] = []

    def timed(instance: Instance, spec: str, limits: Limits, **_: object) -> Scheduled:
        del instance
        given.append(limits.remaining)
        return Scheduled(spec, Outcome.TIMED, latency_s=1.0)

    monkeypatch.setattr(grid_module, "time_scheduler", timed)
    question = Question(fetch_ahead())
    Grid(2).run([Timing(question, "lru", 0.5), Timing(question, "lru")], Limits(3.6e6))
    assert [round(seconds / 3600) for seconds in given] == [500, 1000]


def test_a_stop_leaves_what_was_not_begun() -> None:
    """It is nothing, and nothing is told of it."""
    limits, lines = Limits(), []

    def told(line: str) -> None:
        lines.append(line)
        limits.interrupt()

    question = Question(fetch_ahead())
    first, second = Grid(2, report=told).run([Timing(question, "lru"), Timing(question, "sa")], limits)
    assert isinstance(first, Scheduled)
    assert (first.outcome, second, len(lines)) == (Outcome.TIMED, None, 1)


def test_what_was_not_begun_says_so() -> None:
    """After a stop request it is unfinished, else the limit came first."""
    done, limits = Scheduled("lru", Outcome.TIMED, latency_s=1.0), Limits()
    assert all_scheduled(["lru", "sa"], [done, None], limits) == [done, Scheduled("sa", Outcome.LIMIT, "not begun")]
    limits.interrupt()
    assert all_scheduled(["sa"], [None], limits)[0].outcome is Outcome.UNFINISHED
