"""Both sides of one layer of a question whose layers are in rows (:mod:`placement_opt.instance.stacked`), at given prices.

A layer is drawn once: its dual value at the prices, the best of a few schedules within its share of the room, rounded from the
prices where the limits allow, and the file of its moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import signed_value
from placement_opt.bounds.result import Prices
from placement_opt.bounds.roofline import bound as roofline
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.search.paths import schedule_of
from placement_opt.schedulers.search.rounding import rounded_paths

#: Schedulers that cost one pass over a layer, for those that rounding leaves far off.
QUICK = ("belady", "static")
#: Beyond so many times the bound the quick ones are tried, too.
_FAR = 1.1


@dataclass(frozen=True, eq=False)
class LayerTask:
    """One layer, what it is priced at (float64[N, R], float64[N + 1, K], common to all layers), and what is near enough."""

    question: Stacked
    layer: int
    prices: Prices
    gap: float
    seed: int
    section: Path | None


@dataclass(frozen=True)
class LayerDone:
    """Seconds of a layer: ``lower_s`` of its part of the dual value (which may be negative), ``least_s`` of its roofline,
    ``upper_s`` of its best schedule (infinite where none was found in time), of whom; and the file of its moves."""

    lower_s: float
    least_s: float
    upper_s: float
    source: str
    section: Path | None


def both_sides(task: LayerTask, limits: Limits) -> LayerDone | None:
    """One layer, as far as the limits allow; None where it was not even priced."""
    instance = task.question.layer(task.layer, limits)
    if limits.reached:
        return None
    lower = signed_value(instance, task.prices, classify(instance)).value_s
    least = roofline(instance, limits=None).lower_bound_s or 0.0
    near = max(lower, least) * (1.0 + task.gap / 2)
    best, upper, source = None, float("inf"), ""
    for name, schedule, seconds in _schedules(instance, task, limits):
        if seconds < upper:
            best, upper, source = schedule, seconds, name
        if upper <= near or upper <= lower * _FAR:
            break
    section = task.section if best is not None else None
    if best is not None and section is not None:
        raise NotImplementedError
    return LayerDone(lower, least, upper, source, section)


def _schedules(instance: Instance, task: LayerTask, limits: Limits) -> Iterator[tuple[str, Schedule, float]]:
    """(name, schedule, seconds), the most promising first; what fails or comes too late is left out."""
    from placement_opt.schedulers.search.game import searchable

    if searchable(instance):
        paths = rounded_paths(instance, task.prices, seed=task.seed * task.question.layers + task.layer, limits=limits)
        if paths is not None:
            schedule = schedule_of(instance, paths, "rounded")
            yield "rounded", schedule, simulate(instance, Replay(schedule)).latency_s
    for name in QUICK:
        if limits.reached:
            return
        with suppress(PlacementError):
            run = simulate(instance, make_scheduler(name), record=True, limits=limits)
            assert run.schedule is not None
            yield name, run.schedule, run.latency_s
