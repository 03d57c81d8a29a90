"""Both sides of one layer of a question whose layers are in rows (:mod:`placement_opt.instance.stacked`), at given prices.

A layer is drawn once: what the prices prove of it exactly, the best of a few schedules within its share of the room, rounded
from the prices where that is defined, and the file of its moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base.atomic import Part, write_part
from placement_opt.base.cost import Cost
from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size, possible_sets
from placement_opt.certify.files import pack_schedule
from placement_opt.certify.stacked import layer_bound
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY, make_scheduler
from placement_opt.schedulers.optimised import SEARCH, optimise
from placement_opt.schedulers.search.game import searchable
from placement_opt.schedulers.search.paths import schedule_of
from placement_opt.schedulers.search.rounding import rounded_paths

#: Schedulers that cost one pass over a layer, for those that rounding leaves far off: beyond so many times what is proven.
QUICK, _FAR = ("belady", "static"), 1.1
#: ... and those that look after budgets and weights, where they should take no more seconds than that.
CAREFUL, _MOST_S = ("lp-rounded", "optimised"), 60.0
#: Of the time that is left for each layer, rounding is done again for this share, so that the last one is scheduled, too.
_MINE = 0.7
#: A layer's schedule is near enough within this share of the gap: if all are, the whole is; the rest is for those that are not.
_NEAR = 0.9


class Asked(NamedTuple):
    """What all layers are expected to take depends on: the question, and in how many processes it is answered."""

    question: Stacked
    jobs: int

    @property
    def share(self) -> float:
        """Layers that one process does."""
        return self.question.layers / min(self.jobs, self.question.layers)

    @property
    def sets(self) -> int:
        """Tier sets in which a block may lie."""
        return possible_sets(self.question.residency, self.question.num_tiers)


COST = Cost[Asked](
    "layers",
    {
        "once": lambda asked: asked.share,
        "per_turn": lambda asked: asked.share * asked.question.turns,
        "per_read_and_set": lambda asked: asked.share * asked.question.reads * asked.sets,
        "per_state_and_set": lambda asked: asked.share * asked.question.states * asked.sets,
    },
)


@dataclass(frozen=True, eq=False)
class LayerTask:
    """One layer, the prices common to all layers (int64[N, R], int64[N + 1, K] in quanta, and floats), the gap that is near
    enough, the seed of its schedule, the file of its moves, None where they are not kept; whether it is scheduled at all, and
    for how many layers, itself among them, its process has to find time."""

    question: Stacked
    layer: int
    prices: CertifiedPrices
    gap: float
    seed: int
    section: Path | None
    scheduled: bool = True
    waiting: int = 1


@dataclass(frozen=True)
class LayerDone:
    """Seconds of a layer: ``lower`` of its part of the dual value (it may be negative), ``upper`` of its best schedule (None
    where none was found in time), of whom; the file of its moves, and how many they are."""

    lower: Fraction
    upper: Fraction | None
    source: str
    section: Path | None
    moves: int
    part: Part | None = None


def both_sides(task: LayerTask, limits: Limits) -> LayerDone | None:
    """One layer, as far as the limits allow; None where it was not even priced.

    A small one is searched for better schedules where the best is not near yet, for as long as others leave it time.
    """
    patience = limits.within(_MINE * limits.remaining / task.waiting)
    instance, made = task.question.layer(task.layer, limits), task.prices.certificate
    if limits.reached:
        return None
    lower = layer_bound(instance, made)
    if made.no_schedule or not task.scheduled:
        return LayerDone(lower, None, "", None, 0)
    best, upper, source, near = None, float("inf"), "", float(lower) * (1.0 + _NEAR * task.gap)
    for name, schedule, seconds in _schedules(instance, task, near, limits, patience):
        if seconds < upper:
            best, upper, source = schedule, seconds, name
        if upper <= max(near, float(lower) * _FAR):
            break
    if best is None:
        return LayerDone(lower, None, "", None, 0)
    if upper > near and instance.timed and SEARCH.expected_s(Size.of(instance)) <= _MOST_S:
        best, upper = optimise(instance, limits=patience, prices=task.prices, start=best, enough=near, seed=1 + task.seed)
        source = best.scheduler
    if task.section is None:
        return LayerDone(lower, Fraction(upper), source, None, 0)
    certificate = certify_schedule(instance, best)
    packed = pack_schedule(certificate)
    part = write_part(task.section, lambda handle: handle.write(packed))
    return LayerDone(lower, certificate.claim, source, part.path, certificate.moves, part)


def _schedules(
    instance: Instance, task: LayerTask, enough: float, limits: Limits, patience: Limits
) -> Iterator[tuple[str, Schedule, float]]:
    """(name, schedule, seconds), the most promising first; what fails or comes too late is left out.

    ``enough``: seconds that are near enough to what is proven; ``patience``: of rounding that is done once.
    """
    if searchable(instance):
        seed = task.seed * task.question.layers + task.layer
        paths = rounded_paths(instance, task.prices, seed=seed, limits=limits, patience=patience, enough=enough)
        if paths is not None:
            schedule = schedule_of(instance, paths, "rounded")
            with suppress(PlacementError):  # it knows of no budgets
                yield "rounded", schedule, simulate(instance, Replay(schedule)).cost_s
    size = None if instance.timed else Size.of(instance)
    for name in QUICK if instance.timed else QUICK + CAREFUL:
        if limits.reached:
            return
        if size is not None and REGISTRY[name].cost.expected_s(size) > _MOST_S:
            continue
        with suppress(PlacementError):
            run = simulate(instance, make_scheduler(name), record=True, limits=limits)
            assert run.schedule is not None
            yield name, run.schedule, run.cost_s
