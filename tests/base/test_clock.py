"""What is recorded or compared is limited by counted work: the same beside other work, whatever the clock says."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from placement_opt.answer.prove import prove
from placement_opt.base.limits import Limits
from placement_opt.bounds.bound import bound
from placement_opt.instance.load import load_instance
from placement_opt.play.simulate import simulate
from placement_opt.report.comparison import comparison_document, comparison_text
from placement_opt.report.simulation import simulation_document, simulation_text
from placement_opt.schedulers import RECORDED, REGISTRY, make_scheduler
from placement_opt.schedulers.classical.caching import Classical
from placement_opt.study import scheduled
from placement_opt.study.compare import compare
from placement_opt.study.comparison import Comparison
from placement_opt.study.record import measure
from placement_opt.study.regress import regress
from placement_opt.study.regression import Checked, Outcome
from placement_opt.study.sweep import sweep
from tests.small import random_instance

INSTANCES = Path(__file__).resolve().parents[2] / "instances"
#: One of each family, cheap to measure.
FAMILIES = ("tiny/two-free", "requests/gh200-ttl", "tiers3/cxl3-free", "seed/nvlink4-18gib-drift30")
#: Searched for longer.
SEARCHED = INSTANCES / "tiny/two-paged.toml"


def still() -> Callable[[], float]:
    """A clock that stands still: every time limit is infinitely far away."""
    return lambda: 1.0


def hasty() -> Callable[[], float]:
    """A clock that is an hour later whenever it is looked at: every time limit is over at once."""
    hours = itertools.count()
    return lambda: 3600.0 * next(hours)


CLOCKS = (still, hasty)


@contextlib.contextmanager
def clock(kind: Callable[[], Callable[[], float]]) -> Iterator[None]:
    """The package, and nobody else, sees another clock."""
    told = kind()
    fake = SimpleNamespace(monotonic=told, perf_counter=told, time=told)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == "placement_opt" and getattr(module, "time", None) is time:
                patch.setattr(module, "time", fake)
        yield


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Other work on this machine."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def values(comparison: Comparison) -> list[object]:
    """What a comparison says, but for how long it took."""
    return [
        (one.proof.bound.lower_bound_s, one.proof.bound.method, one.proof.bound.status, one.proof.bound.note)
        + tuple((row.scheduler, row.outcome, row.latency_s, row.effort) for row in one.schedules)
        for one in comparison.instances
    ]


# ---- the same whatever the clock says ----------------------------------------------------------------------------------


def measured(name: str) -> Checked:
    """What ``regress`` says of one file; values recorded with other releases of a solver may have changed."""
    (found,) = regress([INSTANCES / f"{name}.toml"]).files
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_recorded_values_do_not_depend_on_the_clock(name: str) -> None:
    """``regress`` finds the same values on a clock that stands still and on one that runs away, so on all between them."""
    found = []
    for kind in CLOCKS:
        with clock(kind):
            found.append(measured(name))
    assert (found[0].outcome, found[0].lines) == (found[1].outcome, found[1].lines)
    assert found[0].outcome in (Outcome.SAME, Outcome.CHANGED)
    listed = [name for name in RECORDED if name not in ("milp", "fifo") and not issubclass(REGISTRY[name], Classical)]
    assert [one.schedules for one in found] == 2 * [len(listed)]  # no file lists the others


def test_recorded_values_do_not_depend_on_the_load() -> None:
    """The same beside two processes that do nothing but run."""
    alone = measured("tiny/two-free")
    with busy(2):
        found = measured("tiny/two-free")
    assert (found.outcome, found.lines) == (alone.outcome, alone.lines)


def test_compared_values_do_not_depend_on_the_clock() -> None:
    """Every row and the bound by ``auto`` of ``compare`` are the same on both clocks."""
    found = []
    for kind in CLOCKS:
        with clock(kind):
            found.append(values(compare([SEARCHED], RECORDED)))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", CLOCKS)
def test_swept_values_do_not_depend_on_the_clock(kind: Callable[[], Callable[[], float]]) -> None:
    """The points of ``sweep`` are held against bounds that no clock has ended, and their schedulers end by themselves."""
    with clock(kind):
        found = sweep(INSTANCES / "tiny/two-free.toml", ["hbm.capacity=8B,9B"], ("optimised", "sa", "lp-rounded"))
    assert not found.of(*(set(scheduled.Outcome) - {scheduled.Outcome.TIMED}))
    assert {point.compared.proof.bound.method for point in found.points} == {"milp"}
    assert {str(point.compared.proof.bound.status) for point in found.points} == {"optimal"}


# ---- what a deadline ends, says so -------------------------------------------------------------------------------------


class Late(Limits):
    """Limits whose deadline comes when the package has looked at them so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def remaining(self) -> float:
        self.looks -= 1
        return 1000.0 if self.looks >= 0 else 0.0

    def within(self, seconds: float) -> Limits:
        """The search's own part of the time is over at once; the simulator's is not."""
        return Limits(0.0) if seconds < 1000.0 else self


def test_a_search_that_the_clock_ends_says_so() -> None:
    """The row of a comparison, the run, its text and its JSON say that the clock ended it, and after how much of its work."""
    instance = load_instance(SEARCHED)
    run = simulate(instance, make_scheduler("optimised"), limits=Late(10**6))
    assert run.effort is not None
    assert run.effort.cut_short
    proof = prove(instance, "roofline")
    document, text = simulation_document(run, proof), simulation_text(run, proof)
    assert (document["cut_short"], document["work_given"], document["work_taken"]) == (True, 150_000_000, run.effort.taken)
    assert "ended by the clock, another run may find another schedule" in " ".join(text.split())
    row = scheduled.time_scheduler(instance, "optimised", Late(10**6))
    assert row.outcome is scheduled.Outcome.CUT_SHORT
    assert row.latency_s == run.latency_s
    assert row.note == f"after {run.effort.taken:,} of 150,000,000 (block, state) pairs"
    comparison = Comparison((scheduled.held_against(proof, [row]),))
    assert "ended by the clock: after" in comparison_text(comparison)
    assert comparison_document(comparison)["instances"][0]["schedules"][0]["outcome"] == "ended by the clock"


def test_what_the_clock_ended_is_not_recorded() -> None:
    """A schedule that a deadline cut short is a trouble, not a value."""
    record, troubles, _ = measure(load_instance(SEARCHED), ("roofline",), ("belady", "optimised"), Late(10**6))
    assert list(record.schedules) == ["belady"]
    assert len(troubles) == 1
    assert troubles[0].startswith("scheduler optimised: ended by the clock: after ")


def test_work_is_said() -> None:
    """A scheduler that searches says what it was given and what it took, in its own unit; others say nothing."""
    (compared,) = compare([SEARCHED], RECORDED, method="roofline").instances
    told = {row.scheduler: (row.effort.unit, row.effort.given) for row in compared.schedules if row.effort is not None}
    assert told == {
        "sa": ("iterations of the annealing", 40),
        "myopic": ("nodes of branch and bound, most in a step", 200),
        "lp-rounded": ("(iteration, matrix entry) pairs", 60_000_000_000),
        "optimised": ("(block, state) pairs", 150_000_000),
        "milp": ("(iteration, matrix entry) pairs", 4_000_000_000),
    }
    assert all(0 < row.effort.taken <= row.effort.given for row in compared.schedules if row.effort is not None)
    instance = load_instance(SEARCHED)
    run, proof = simulate(instance, make_scheduler("optimised:budget=3")), prove(instance, "roofline")
    document = simulation_document(run, proof)
    assert "of 3,000,000 (block, state) pairs" in simulation_text(run, proof)
    assert (document["work_given"], document["cut_short"]) == (3_000_000, False)


def test_more_work_never_gives_a_slower_schedule() -> None:
    """The search spends its budget and no more than one block beyond, and what it had found is kept."""
    instance = random_instance(np.random.default_rng(1), 2, "exclusive", blocks=20, steps=15, max_size=3)
    runs = [simulate(instance, make_scheduler(f"optimised:budget={budget}")) for budget in (0, 1, 2)]
    assert [run.latency_s for run in runs] == sorted((run.latency_s for run in runs), reverse=True)
    for budget, run in zip((0, 1, 2), runs, strict=True):
        assert run.effort is not None
        assert run.effort.taken <= budget * 10**6 + 50_000


# ---- counted work of the solver ----------------------------------------------------------------------------------------


def test_counted_work_ends_a_bound_and_says_so() -> None:
    """``auto`` with little work proves less, says that a limit was reached, and proves the same a second time."""
    instance = load_instance(INSTANCES / "seed/nvlink4-25gib-drift30.toml")
    found = [bound(instance, "lp", limits=Limits().counted(work)) for work in (1e6, 1e6, 1e12)]
    assert [str(one.status) for one in found] == ["limit reached", "limit reached", "optimal"]
    assert found[0].lower_bound_s == found[1].lower_bound_s
    assert (found[0].lower_bound_s or 0.0) <= (found[2].lower_bound_s or 0.0)


def test_branch_and_bound_is_ended_by_its_questions() -> None:
    """So many questions whether to go on and no more, the best bound by then, and the status of a limit."""
    instance = random_instance(np.random.default_rng(0), 3, "exclusive", blocks=6, steps=9, max_size=3)
    one, two, whole = (bound(instance, "milp", limits=Limits().counted(work)) for work in (1e6, 1e6, 1e12))
    assert one.lower_bound_s == two.lower_bound_s
    assert (one.lower_bound_s or 0.0) < (whole.lower_bound_s or 0.0)
    assert [str(found.status) for found in (one, whole)] == ["limit reached", "optimal"]
    assert one.details["nodes"] < whole.details["nodes"]


def test_work_is_shared_and_bounded_apart() -> None:
    """A nearer deadline spends of the same work; counted work of its own does not, and ends nothing else."""
    limits = Limits().counted(100.0)
    limits.within(5.0).spend(60.0)
    assert limits.work_left == 40.0
    inner = limits.counted(10.0)
    inner.spend(10.0)
    assert (inner.reached, inner.cut_short, limits.reached) == (True, False, False)
    inner.interrupt()
    assert (limits.reached, limits.cut_short) == (True, True)
    assert not Limits().counted(1.0).reached
    assert Limits().work_left == float("inf")
