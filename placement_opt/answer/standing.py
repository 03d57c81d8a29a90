"""What is proven of an instance from both sides at some moment: the best bound, the best schedule, and where they come from.

The climb raises and lowers from its own thread while others look; a state never changes, so whoever holds one holds a bound and
a schedule that belong together.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from placement_opt.base import clock
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.certify.layered_files import LargeSchedule
from placement_opt.certify.stacked_files import StackedSchedule
from placement_opt.layered.plan import Plan
from placement_opt.layered.stacked_plan import StackedPlan
from placement_opt.play.schedule import Schedule

#: In rows, in runs, and layer by layer.
AnySchedule = Schedule | Plan | StackedPlan | LargeSchedule | StackedSchedule
#: Values that differ by no more than this, relatively, are the same: two sums of the same numbers.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class State:
    """Both sides at one moment.

    Attributes
    ----------
    since_s
        Seconds from the start to the last improvement.
    source
        What gave the last improvement.
    bound, bound_from
        The best bound, and what gave it ("" before there is any).
    prices, prices_s
        The prices that prove most, and what they prove.
    schedule, latency_s, schedule_from
        The best schedule, its time by the simulator (what it costs, by the instance's objective), and what gave it; None and ""
        before there is any. Of a question in runs the schedule is the files of its moves, None where they are not kept.
    no_schedule
        What proves that no schedule keeps the budgets, once it is proven; ``prices`` are then its.
    """

    since_s: float = 0.0
    source: str = ""
    bound: Bound | None = None
    bound_from: str = ""
    prices: Prices | None = None
    prices_s: float = 0.0
    schedule: AnySchedule | None = None
    latency_s: float | None = None
    schedule_from: str = ""
    no_schedule: Bound | None = None

    @property
    def lower_s(self) -> float:
        """The bound in seconds; 0 before there is any."""
        return 0.0 if self.bound is None or self.bound.lower_bound_s is None else self.bound.lower_bound_s

    @property
    def gap(self) -> float | None:
        """latency / lower bound - 1, never negative; None while a side is missing or the bound is 0."""
        if self.latency_s is None or self.lower_s <= 0.0:
            return 0.0 if self.latency_s == 0.0 else None
        return max(0.0, self.latency_s / self.lower_s - 1.0)

    def within(self, gap: float) -> bool:
        """Whether both sides are so close, but for rounding."""
        return self.gap is not None and self.gap <= gap + ROUNDING


class Standing:
    """The present state; each change only ever improves it.

    Attributes
    ----------
    changed
        Called after each change, by whoever made it.
    """

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._began = clock.now()
        self._lock = threading.Lock()
        self._closed = False
        self._state = State()

    @property
    def state(self) -> State:
        return self._state

    def raise_to(self, bound: Bound, source: str) -> bool:
        """Offer a bound, which its prices prove; whether it is better."""
        better = self._raise_to(bound, source)
        if better:
            self.changed()
        return better

    def _raise_to(self, bound: Bound, source: str) -> bool:
        value = bound.lower_bound_s
        with self._lock:
            state = self._state
            if bound.status is Status.INFEASIBLE and not self._closed and state.no_schedule is None:
                since = clock.now() - self._began
                found = replace(state, no_schedule=bound, prices=bound.prices, prices_s=math.inf)
                self._state = replace(found, since_s=since, source=source)
                return True
            if self._closed or value is None:
                return False
            if bound.prices is not None and (state.prices is None or value > state.prices_s):
                state = self._state = replace(state, prices=bound.prices, prices_s=value)
            better = state.bound is None or value > state.lower_s * (1.0 + ROUNDING)
            if better or value >= state.lower_s * (1.0 - ROUNDING):  # of equal values the later method says more of itself
                self._state = replace(state, bound=bound, bound_from=source)
            if better:
                self._state = replace(self._state, since_s=clock.now() - self._began, source=source)
            return better

    def lower_to(self, schedule: AnySchedule | None, latency_s: float, source: str) -> bool:
        """Offer a schedule and its time; whether it is better."""
        better = self._lower_to(schedule, latency_s, source)
        if better:
            self.changed()
        return better

    def _lower_to(self, schedule: AnySchedule | None, latency_s: float, source: str) -> bool:
        with self._lock:
            state = self._state
            if self._closed or (state.latency_s is not None and latency_s >= state.latency_s * (1.0 - ROUNDING)):
                return False
            since = clock.now() - self._began
            self._state = replace(
                state, since_s=since, source=source, schedule=schedule, latency_s=latency_s, schedule_from=source
            )
            return True

    def close(self) -> State:
        """Take nothing more; the final state."""
        with self._lock:
            self._closed = True
            return self._state
