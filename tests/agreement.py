"""What agrees on an instance that is small enough to enumerate: enumeration, statements, bounds, and schedules above them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from models import horizon, roofline, step
from placement_opt.base.errors import InputError
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import RECORDED, make_scheduler
from tests.brute import optimum

SAME = 1e-9
#: Branch and bound over single steps is published a little below its own value, so that rounding cannot lift it.
STEP_INTEGER = 2e-8
#: Schedulers that search, and take as long as all bounds together.
SEARCH = ("optimised", "sa", "myopic", "milp")


def proven(instance: Instance, method: str) -> float:
    bound: Bound = METHODS[method](instance)
    assert bound.lower_bound_s is not None, (method, bound.note)
    if method in ("lp", "milp"):
        assert bound.status is Status.OPTIMAL, (method, bound.note)
    return bound.lower_bound_s


def at_most(low: float, high: float, slack: float = SAME) -> bool:
    return low <= high * (1 + slack) + 1e-300


def check(instance: Instance, turn: int = 0) -> None:
    """All of the above on one instance; of several in turn the algebra of the horizon is asked for every second, that of single
    steps and the schedulers that search for every fourth."""
    best = optimum(instance).seconds
    least, each, whole_steps = (proven(instance, method) for method in ("roofline", "step", "step-integer"))
    relaxed, decided = proven(instance, "lp"), proven(instance, "milp")
    assert decided == pytest.approx(best, rel=SAME, abs=1e-300)
    assert at_most(least, each)
    assert at_most(each, relaxed)
    assert at_most(relaxed, decided)
    assert at_most(each, whole_steps, STEP_INTEGER)
    assert at_most(whole_steps, decided)
    for method in ("compact", "flow"):
        try:
            assert at_most(proven(instance, method), decided), method
        except InputError:  # two tiers, and for flow equal sizes, are all they are for
            assert instance.num_tiers != 2 or len(set(instance.size.tolist())) > 1 or not instance.memory.operations.plain
    if turn % 2 == 0:
        assert horizon.value(instance) == pytest.approx(best, rel=SAME, abs=1e-300)
        assert relaxed == pytest.approx(horizon.value(instance, relax=True), rel=SAME, abs=1e-300)
    if turn % 4 == 0:
        assert least == pytest.approx(roofline.value(instance), rel=SAME, abs=1e-300)
        assert each == pytest.approx(step.value(instance), rel=SAME, abs=1e-300)
        assert whole_steps == pytest.approx(step.value(instance, integer=True), rel=STEP_INTEGER, abs=1e-300)
    names = RECORDED if turn % 4 == 0 else [name for name in RECORDED if name not in SEARCH]
    check_schedules(instance, decided, names if turn == 0 else names[turn % 3 :: 3])


def check_all(drawn: Iterable[tuple[int, Instance]]) -> None:
    """One after the other; what fails says its seed."""
    for turn, (seed, instance) in enumerate(drawn):
        try:
            check(instance, turn)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


def check_schedules(instance: Instance, decided: float, names: Iterable[str]) -> None:
    """No scheduler is below the optimum, to the last bit of its exact latency up to the bound's own rounding."""
    for name in names:
        run = simulate(instance, make_scheduler(name))
        assert at_most(decided, run.latency_s), name
        assert float(run.exact_latency()) == pytest.approx(run.latency_s, rel=1e-12, abs=1e-300), name
