"""What improves while a gap is closed, and the moments at which it may end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from placement_opt.answer.standing import Standing, State
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import load_layered
from placement_opt.instance.stacked import Stacked
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.layered.cases import write
from tests.stacking import both

KINDS = ("prices", "schedule")


_FOUND: dict[str, list[State]] = {}


def states(instance: Instance) -> list[State]:
    """Three improvements of both sides, one after the other; found once for each instance."""
    if instance.hash not in _FOUND:
        _FOUND[instance.hash] = _states(instance)
    return list(_FOUND[instance.hash])


def _states(instance: Instance) -> list[State]:
    standing, found = Standing(), []
    roofline, lp = METHODS["roofline"](instance).prices, METHODS["lp"](instance).prices
    assert roofline is not None
    assert lp is not None
    half = Prices(roofline.rho / 2, roofline.rent)
    for prices, scheduler in ((half, "reactive"), (roofline, "belady"), (lp, "lp-rounded")):
        run = simulate(instance, make_scheduler(scheduler), record=True)
        assert run.schedule is not None
        value = evaluate(instance, prices).value_s
        assert standing.raise_to(Bound("lp", Status.BOUND, value, 0.0, "", prices=prices), scheduler)
        assert standing.lower_to(run.schedule, run.latency_s, scheduler)
        found.append(standing.state)
    return found


#: (what is about to happen or has just happened, how many times it has): three states, two files each, are written.
MOMENTS = [
    *(("created", 1), ("created", 4)),
    *(("half written", 1), ("half written", 3), ("half written", 6)),
    *(("written", 2), ("written", 5)),
    *(("moved", 1), ("moved", 2), ("moved", 6)),
]


def question_of(folder: Path, kind: str) -> Layered | Stacked:
    """One by layer, in "runs" or with layers in "rows"."""
    return load_layered(write(folder, drift=0.3)) if kind == "runs" else both(folder, page_tokens=2)[1]


def roofline_state(part: Instance, gap: float, limits: Limits, start: Prices | None, names: Sequence[str]) -> State:
    """What the ladder proves of a part of a question, without any search: it does not depend on how long anything takes."""
    del gap, limits, start, names
    standing = Standing()
    standing.raise_to(METHODS["roofline"](part), "roofline")
    return standing.state
