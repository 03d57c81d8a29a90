"""What the rungs of the ladder share: the question, what is proven of it, and what a rung is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from placement_opt.answer.standing import Standing, State
from placement_opt.base import clock
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.shares import evaluate_on
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.stacked import AnyQuestion, Stacked

if TYPE_CHECKING:
    from placement_opt.bounds.ascent import Ascent
    from placement_opt.bounds.dual.evaluate import DualValue
    from placement_opt.bounds.intervals import PriceIntervals
    from placement_opt.bounds.mirror import MirrorAscent
    from placement_opt.bounds.sample import SampleAscent
    from placement_opt.bounds.targets import Targets
    from placement_opt.layered.kept import KeptLayers
    from placement_opt.schedulers.search.bundles import Bundles

Side = Literal["bound", "schedule"]
DUALITY = "weak duality: the dual value at the prices found, every block's cheapest path evaluated without a solver"


@dataclass
class Work:
    """What the rungs share.

    Attributes
    ----------
    question, standing
        What is asked, in rows or in runs, and what is proven of it.
    gap
        Relative gap that is enough.
    backend
        Where prices are proven, and how many processes there are.
    enough_s
        A bound of so many seconds is enough; without it, the gap decides.
    limits
        Of the whole climb.
    notes
        What a reader should know of rungs that were passed over.
    seed
        Of the last search.
    targets, rounded
        What the relaxation last solved wants of every block; whether that was made a schedule.
    intervals, sampled, ascent
        Searches for prices, which go on where they stopped.
    folder
        Where moves of a question in runs are put; without it they are not kept.
    start
        Prices that a search in runs begins with.
    unfinished
        Whether the time was too short for layers of a question in runs.
    kept
        Layers that an earlier run has done, and where those of this one are kept.
    at_work, gone
        The sides that have turns left; the names of the rungs that have none.
    most_s
        No prices prove more seconds; infinite while nobody knows.
    raised
        Raises prices on a part of the question by the rungs of rows: the part, the gap that is enough, limits, prices to begin
        with, the names of the rungs; what is proven of the part then.
    """

    question: AnyQuestion
    standing: Standing
    gap: float
    backend: Backend = field(default_factory=Backend)
    enough_s: float | None = None
    limits: Limits = field(default_factory=Limits)
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    targets: Targets | None = None
    rounded: bool = False
    intervals: PriceIntervals | None = None
    sampled: SampleAscent | None = None
    ascent: Ascent | None = None
    mirror: MirrorAscent | None = None
    folder: Path | None = None
    start: Prices | None = None
    unfinished: bool = False
    kept: KeptLayers | None = None
    at_work: set[Side] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    most_s: float = math.inf
    raised: Callable[[Instance, float, Limits, Prices | None, Sequence[str]], State] | None = None

    @property
    def in_rows(self) -> bool:
        """Whether the question is one in rows, which most rungs work on."""
        return isinstance(self.question, Instance)

    @property
    def instance(self) -> Instance:
        """The question in rows."""
        assert isinstance(self.question, Instance)
        return self.question

    def prove(self, prices: Prices) -> DualValue:
        """What prices prove, block by block: a short pass, done here where no time is left to ask other processes.

        LimitError where the limits of the whole climb end it in the middle.
        """
        if self.limits.reached:
            return evaluate_on(Backend(), self.instance, prices, self.classes)
        return evaluate_on(self.backend, self.instance, prices, self.classes, limits=self.limits)

    @property
    def enough_bound_s(self) -> float:
        """A bound that need not be raised; infinite while nobody knows."""
        if self.enough_s is not None:
            return self.enough_s
        latency = self.standing.state.latency_s
        return math.inf if latency is None else latency / (1.0 + self.gap)

    @property
    def jobs(self) -> int:
        """Processes of this machine."""
        return 1 if self.backend.away else self.backend.jobs

    @property
    def has_rents(self) -> bool:
        """Whether the prices of the best bound charge for room."""
        prices = self.standing.state.prices
        return prices is not None and bool(prices.rent.any())

    @cached_property
    def size(self) -> Size:
        return Size.of(self.instance, self.classes)

    @cached_property
    def classes(self) -> Classes:
        return classify(self.instance)

    @cached_property
    def bundles(self) -> Bundles | None:
        """Blocks that are read alike, where they are to move together."""
        from placement_opt.schedulers.search.priced import priced_bundles

        return priced_bundles(self.instance)

    @cached_property
    def large(self) -> Layered | None:
        """The question in runs, where it is one of those that the scale engine answers."""
        if isinstance(self.question, Layered):
            return self.question
        if isinstance(self.question, Stacked):
            return None
        if self.instance.num_tiers != 2 or not self.instance.inclusive or not self.instance.timed:
            return None
        try:
            return layered_of(self.instance)
        except InputError:
            return None

    @property
    def exhausted(self) -> bool:
        """Whether so little is left for prices to prove that only a schedule closes the gap."""
        return self.standing.state.lower_s * (1.0 + self.gap / EXACT) >= self.most_s

    @property
    def enough(self) -> bool:
        """Whether both sides are as close as was asked for, the bound as high, or no schedule keeps the budgets."""
        state = self.standing.state
        if state.no_schedule is not None:
            return True
        if self.enough_s is not None:
            return state.lower_s >= self.enough_s
        return state.within(self.gap)


#: Prices are raised until this share of the gap asked for is left of what they can prove: the rest is for the schedule.
EXACT = 4.0


@dataclass(frozen=True)
class Rung:
    """One way forward.

    Attributes
    ----------
    name
        As progress and reports call it.
    side
        Which side it improves.
    suits
        Whether it is defined for the instance.
    expected_s
        Seconds that its next turn should take.
    climb
        Takes a turn within limits; whether another turn could bring more.
    memory
        Bytes that it takes at most, about.
    endless
        It goes on for as long as it is let, so that its turns last no longer than expected.
    early
        It has its first turn early, whatever that costs.
    first_s
        It has its first turn before all others of its side that are ready, where that should take fewer seconds than that and
        there is time for it.
    ready
        Whether it has anything to work with yet.
    runs
        Whether it works on questions in runs, too.
    """

    name: str
    side: Side
    suits: Callable[[Work], bool]
    expected_s: Callable[[Work], float]
    climb: Callable[[Work, Limits], bool]
    memory: Callable[[Work], int] = lambda _: 0
    endless: bool = False
    early: bool = False
    first_s: float = 0.0
    ready: Callable[[Work], bool] = lambda _: True
    runs: bool = False


def offer_prices(work: Work, prices: Prices, source: str, began: float) -> None:
    """Prove prices and offer what they prove; ``began`` is by ``clock.now``."""
    dual = work.prove(prices)
    bound = Bound(source, Status.BOUND, dual.value_s, clock.now() - began, DUALITY, prices=dual.prices)
    work.standing.raise_to(bound, source)
