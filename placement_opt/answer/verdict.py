"""Whose fault a schedule's time is: the optimum lies in an interval, and what is said of a policy is said of all of it.

A lower bound alone judges no policy: a schedule far above it may be the optimum. Known is the interval from the bound to the
best schedule, and the optimum is somewhere in it. With latency L, optimum X and roofline R, a policy is judged by

    its own         L - X, above the optimum: another policy could win it back
    unavoidable     X - R, between roofline and optimum: room and moving data cost it, whatever the policy

and a part is small where it is no more than a tenth (``TOLERANCE``): its own part of X, the unavoidable one of L - R.

    capacity    its own part is small: what this takes, no policy can win back
    policy      its own part is not small, the unavoidable one is
    both        neither is small
    unknown     the word depends on where in the interval the optimum is

The first three change in one direction only as X grows (policy, both, capacity), so the word that both ends of the interval
agree on is the word of the truth, and raising the bound changes no word but ``unknown``. One border is not worth that word:
where a close interval (no wider than a tenth) leaves open only whether the unavoidable part is small, the word is ``policy``,
whose own part is proven not to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

#: Share that is small, and width (best schedule / bound - 1) beyond which an interval judges no policy.
TOLERANCE = 0.1
#: Relative room for rounding: two sums of the same numbers.
ROUNDING = 1e-9


class Verdict(StrEnum):
    """Whose fault a schedule's time is; see the module."""

    CAPACITY = "capacity"
    POLICY = "policy"
    BOTH = "both"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Interval:
    """Where the optimum lies, in seconds.

    Attributes
    ----------
    lower_s
        Proven: no schedule takes less.
    best_s
        A schedule takes this much; infinite while none is known, which says nothing of whether any exists.
    """

    lower_s: float
    best_s: float = math.inf

    @property
    def width(self) -> float | None:
        """best / lower - 1, at least 0: to what share the optimum is known; None where it is not known at all."""
        if math.isinf(self.best_s):
            return None
        if self.lower_s <= 0.0:
            return 0.0 if self.best_s <= 0.0 else None
        width = self.best_s / self.lower_s - 1.0
        return 0.0 if width <= ROUNDING else width

    @property
    def broken(self) -> bool:
        """Whether a schedule lies below the bound: one of the two is wrong, and nothing follows."""
        return self.best_s < self.lower_s * (1.0 - ROUNDING)

    @property
    def weak(self) -> bool:
        """Whether it is too wide to judge policies in general (single ones may lie so far off that it does)."""
        return self.width is None or self.width > TOLERANCE + ROUNDING


@dataclass(frozen=True)
class Judgement:
    """What an interval says of one schedule, each quantity as the least and the most that it can be.

    Attributes
    ----------
    verdict
        See :class:`Verdict`.
    above_least, above_most
        latency / optimum - 1: how far it is above the optimum. The most is None where the bound is zero.
    unavoidable_least, unavoidable_most
        (optimum - roofline) / (latency - roofline): the share of its time above the roofline that no policy can avoid; None
        where it is at the roofline, or the roofline is not known.
    """

    verdict: Verdict
    above_least: float
    above_most: float | None
    unavoidable_least: float | None
    unavoidable_most: float | None


def judge(latency_s: float, interval: Interval, roofline_s: float | None) -> Judgement:
    """Judge a schedule by the interval, narrowed by the schedule itself.

    Parameters
    ----------
    latency_s
        What it takes; at least ``interval.lower_s`` but for rounding.
    roofline_s
        The roofline of the same instance; without it only ``capacity`` and ``unknown`` are said.
    """
    low, high = min(interval.lower_s, latency_s), min(interval.best_s, latency_s)
    words = {_word(latency_s, optimum, roofline_s) for optimum in (low, high)}
    if words == {Verdict.POLICY, Verdict.BOTH} and not Interval(low, high).weak:
        words = {Verdict.POLICY}
    least, most = _above(latency_s, high), _above(latency_s, low)
    return Judgement(
        verdict=words.pop() if len(words) == 1 else Verdict.UNKNOWN,
        above_least=0.0 if least is None else least,
        above_most=most,
        unavoidable_least=_unavoidable(latency_s, low, roofline_s),
        unavoidable_most=_unavoidable(latency_s, high, roofline_s),
    )


def _word(latency: float, optimum: float, roofline: float | None) -> Verdict:
    """The word if the optimum were this."""
    above = _above(latency, optimum)
    if above is not None and above <= TOLERANCE + ROUNDING:
        return Verdict.CAPACITY
    unavoidable = _unavoidable(latency, optimum, roofline)
    if unavoidable is None:
        return Verdict.UNKNOWN
    return Verdict.POLICY if unavoidable <= TOLERANCE + ROUNDING else Verdict.BOTH


def _above(latency: float, optimum: float) -> float | None:
    """latency / optimum - 1; None where it has no limit."""
    if optimum > 0.0:
        share = latency / optimum - 1.0
        return 0.0 if share <= ROUNDING else share
    return 0.0 if latency <= 0.0 else None


def _unavoidable(latency: float, optimum: float, roofline: float | None) -> float | None:
    """The share of the distance from the roofline that lies below the optimum, within [0, 1]."""
    if roofline is None or latency - roofline <= ROUNDING * latency:
        return None
    return min(1.0, max(0.0, (optimum - roofline) / (latency - roofline)))
