"""Everything agrees: enumeration, the Pyomo statements, the engine's bounds, and every scheduler above them.

On every tiny instance of the repository and on 320 random ones: brute force = MILP engine = Pyomo MILP, LP engine = Pyomo LP,
roofline <= step <= lp <= milp <= every schedule, step --integer <= milp, compact and flow <= milp.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import horizon, roofline, step
from placement_opt.base.errors import InputError
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY, make_scheduler
from tests.brute import optimum
from tests.models.systems import any_instance

TINY = sorted((Path(__file__).parent.parent / "instances" / "tiny").glob("*.toml"))
SAME = 1e-9
#: Branch and bound over single steps is published a little below its own value, so that rounding cannot lift it.
STEP_INTEGER = 2e-8


def proven(instance: Instance, method: str) -> float:
    bound: Bound = METHODS[method](instance)
    assert bound.lower_bound_s is not None, (method, bound.note)
    if method in ("lp", "milp"):
        assert bound.status is Status.OPTIMAL, (method, bound.note)
    return bound.lower_bound_s


def at_most(low: float, high: float, slack: float = SAME) -> bool:
    return low <= high * (1 + slack) + 1e-300


def check(instance: Instance) -> None:
    """All of the above on one instance."""
    best = optimum(instance).seconds
    least, each, whole_steps = (proven(instance, method) for method in ("roofline", "step", "step-integer"))
    relaxed, decided = proven(instance, "lp"), proven(instance, "milp")
    assert decided == pytest.approx(best, rel=SAME, abs=1e-300)
    assert horizon.value(instance) == pytest.approx(best, rel=SAME, abs=1e-300)
    assert relaxed == pytest.approx(horizon.value(instance, relax=True), rel=SAME, abs=1e-300)
    assert least == pytest.approx(roofline.value(instance), rel=SAME, abs=1e-300)
    assert each == pytest.approx(step.value(instance), rel=SAME, abs=1e-300)
    assert whole_steps == pytest.approx(step.value(instance, integer=True), rel=STEP_INTEGER, abs=1e-300)
    assert at_most(least, each)
    assert at_most(each, relaxed)
    assert at_most(relaxed, decided)
    assert at_most(each, whole_steps, STEP_INTEGER)
    assert at_most(whole_steps, decided)
    for method in ("compact", "flow"):
        try:
            assert at_most(proven(instance, method), decided), method
        except InputError:  # two tiers, and for flow equal sizes, are all they are for
            assert instance.num_tiers != 2 or len(set(instance.size.tolist())) > 1
    check_schedules(instance, decided)


def check_schedules(instance: Instance, decided: float) -> None:
    """No scheduler is below the optimum, to the last bit of its exact latency up to the bound's own rounding."""
    for name in REGISTRY:
        run = simulate(instance, make_scheduler(name))
        assert at_most(decided, run.latency_s), name
        assert float(run.exact_latency()) == pytest.approx(run.latency_s, rel=1e-12, abs=1e-300), name


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_tiny_instances(path: Path) -> None:
    """Every instance of instances/tiny."""
    check(load_instance(path))


@pytest.mark.parametrize("part", range(8))
def test_random_instances(part: int) -> None:
    """Forty random instances a part: all rules, one to four tiers, sizes, shares, deaths, given starts, floors, wild loads."""

    @settings(derandomize=True, deadline=None, max_examples=40, database=None)
    @given(seed=st.integers(part * 2**28, (part + 1) * 2**28 - 1))
    def run(seed: int) -> None:
        check(any_instance(seed))

    run()
