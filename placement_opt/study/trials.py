"""A bound solved again with more room in a tier, or a higher rate of a resource."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from placement_opt.base.limits import Limits
from placement_opt.base.watch import LeftBehind, run_watched
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.layered.again import roofline_explained, solve_again
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.study.worths import RoomWorth, Trial

#: In rows or in runs.
Question = TypeVar("Question", bound=AnyQuestion)
#: What would save no more than this share of the bound, were there twice as much of it, is worth nothing.
DUST = 1e-4
#: Seconds for a trial, or this many times what the bound took where that is longer.
TRIAL_S, PATIENCE = 10.0, 3.0
_EARLY = (Status.LIMIT, Status.INTERRUPTED)


def more_room(instance: Question, tier: int, extra: int) -> Question:
    """The same with some bytes more for KV in one tier."""
    capacity = instance.capacity.copy()
    capacity[tier] += extra
    return replace(instance, capacity=capacity)


def more_rate(instance: Question, resource: int, extra: int) -> Question:
    """The same with some bytes/s more on one resource."""
    rates = instance.memory.rates.copy()
    rates[resource] += extra
    return replace(instance, memory=replace(instance.memory, rates=rates))


def solved_again(instance: AnyQuestion, bound: Bound, limits: Limits) -> Bound:
    """The same bound of an instance that has more of something; in runs prices are raised from those there are."""
    if isinstance(instance, Instance):
        return METHODS[bound.method](instance, limits=limits)
    assert isinstance(instance, Layered)
    if not isinstance(bound.prices, CertifiedPrices) or bound.prices.knots is None:
        return roofline_explained(instance)
    return solve_again(instance, bound.prices.knots, limits=limits)


@dataclass(frozen=True, eq=False)
class Trials:
    """Solves again with more of something."""

    instance: AnyQuestion
    base: Bound
    value: float
    shares: tuple[float, ...]
    limits: Limits
    report: Callable[[str], None]

    def is_dust(self, price: float, amount: int) -> bool:
        """Whether a price of so much room or such a rate is worth nothing, though it is not zero."""
        return 0.0 < price * amount <= DUST * self.value

    def of_room(self, tier: int, price: float) -> RoomWorth:
        name, capacity = self.instance.memory.tier_names[tier], int(self.instance.capacity[tier])
        if self.is_dust(price, capacity):
            return RoomWorth(name, capacity, 0.0, ())
        trials = []
        for share in self.shares if capacity else ():
            trial = self._try(f"room in {name}", capacity, share, price, lambda extra: more_room(self.instance, tier, extra))
            if trial.lower_bound_s is not None:  # what the prices prove without solving
                trial = replace(trial, lower_bound_s=max(trial.lower_bound_s, self.value - trial.predicted_s))
            trials.append(trial)
        return RoomWorth(name, capacity, price, tuple(trials))

    def of_rate(self, resource: int, price: float) -> tuple[Trial, ...]:
        name, rate = self.instance.memory.resources[resource], int(self.instance.memory.rates[resource])
        return tuple(
            self._try(f"rate of {name}", rate, share, price, lambda extra: more_rate(self.instance, resource, extra))
            for share in self.shares
        )

    def _try(self, what: str, amount: int, share: float, price: float, more: Callable[[int], AnyQuestion]) -> Trial:
        extra = math.ceil(round(amount * share, 6))
        if price == 0.0:
            return Trial(share, extra, 0.0, self.value, self.value, self.base.status, solved=False)
        found, status = None, Status.NONE
        if not self.limits.reached and self.base.status not in _EARLY:
            self.report(f"{self.base.method} again with {share:+.0%} {what}")
            limits = self.limits.within(max(TRIAL_S, PATIENCE * self.base.solve_s))
            with suppress(LeftBehind):
                again = run_watched(lambda: solved_again(more(extra), self.base, limits), limits, grace=2.0)
                if again.status not in _EARLY:
                    found, status = again.lower_bound_s, again.status
        return Trial(share, extra, price * extra, self.value, found, status, solved=found is not None)
