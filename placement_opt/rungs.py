"""The rungs of the ladder that :mod:`placement_opt.answer` climbs: what raises the bound, what lowers the best schedule.

Each rung is a small function that offers what it finds to the :class:`placement_opt.standing.Standing` as it finds it, so that
nothing is lost however its turn ends. :data:`RUNGS` lists them; which one is next is for the climb to say.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from placement_opt import clock
from placement_opt.bounds import METHODS
from placement_opt.bounds.auto import Size, expected_bytes, expected_s
from placement_opt.bounds.classes import Classes, classify
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.shares import Backend
from placement_opt.errors import InputError, ScheduleError
from placement_opt.instance import Instance
from placement_opt.limits import Limits
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.replay import Replay
from placement_opt.schedulers.schedule import Schedule
from placement_opt.simulate import simulate
from placement_opt.standing import Standing

if TYPE_CHECKING:
    from placement_opt.bounds.ascent import Ascent
    from placement_opt.bounds.dual import DualValue
    from placement_opt.bounds.price_intervals import PriceIntervals
    from placement_opt.bounds.sample import SampleAscent
    from placement_opt.bounds.targets import Targets
    from placement_opt.large import Large

Side = Literal["bound", "schedule"]
#: The exact LP is approached until this share of the gap asked for is left: the rest is for the schedule.
_SHARE = 4.0
#: Reads of a first sample.
_SAMPLED = 30_000
#: Levels of prices on few intervals that are found in one turn, unless that took a quarter of the time.
_FIRST_LEVELS = 3
#: While softening hides more than this share of the gap, a climb goes on, in slices of so many seconds, for up to this share of
#: the time left.
_SHOWN, _SLICE_S, _PATIENT = 0.1, 0.5, 0.4
#: (Block, state, tier) triples up to which a search is told apart from one of bundles of blocks.
_BUNDLED = 10**7
#: Where other rungs proved more than this share above what a search for prices has, it begins again from there.
_ELSEWHERE = 1e-3
_DUALITY = "weak duality: the dual value at the prices found, every block's cheapest path evaluated without a solver"


@dataclass
class Work:
    """What the rungs share.

    Attributes
    ----------
    instance, standing
        The question, and what is proven of it.
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
    """

    instance: Instance
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

    def prove(self, prices: Prices) -> DualValue:
        """What prices prove, block by block: a short pass, done here where no time is left to ask other processes.

        LimitError where the limits of the whole climb end it in the middle.
        """
        if self.limits.reached:
            return Backend().evaluate(self.instance, prices, self.classes)
        return self.backend.evaluate(self.instance, prices, self.classes, limits=self.limits)

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
        return self.backend.jobs if self.backend.name == "local" else 1

    @cached_property
    def size(self) -> Size:
        return Size.of(self.instance)

    @cached_property
    def classes(self) -> Classes:
        return classify(self.instance)

    @cached_property
    def large(self) -> Large | None:
        """The question in runs, where it is one of those that the scale engine answers."""
        from placement_opt.large import large_of

        if self.instance.num_tiers != 2 or not self.instance.inclusive:
            return None
        try:
            return large_of(self.instance)
        except InputError:
            return None

    @property
    def enough(self) -> bool:
        """Whether both sides are as close as was asked for, or the bound as high."""
        state = self.standing.state
        if self.enough_s is not None:
            return state.lower_s >= self.enough_s
        return state.within(self.gap)


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
    ready
        Whether it has anything to work with yet.
    """

    name: str
    side: Side
    suits: Callable[[Work], bool]
    expected_s: Callable[[Work], float]
    climb: Callable[[Work, Limits], bool]
    memory: Callable[[Work], int] = lambda _: 0
    endless: bool = False
    early: bool = False
    ready: Callable[[Work], bool] = lambda _: True


def _always(_: Work) -> bool:
    return True


def _is_long(work: Work) -> bool:
    """Whether a sample is worth its while."""
    return work.size.reads > 4 * _SAMPLED


def offer_prices(work: Work, prices: Prices, source: str, began: float) -> None:
    """Prove prices and offer what they prove; ``began`` is by ``clock.now``."""
    dual = work.prove(prices)
    bound = Bound(source, Status.BOUND, dual.value_s, clock.now() - began, _DUALITY, prices=dual.prices)
    work.standing.raise_to(bound, source)


# ---- the bound ---------------------------------------------------------------------------------------------------------


def _bound(method: str, work: Work, limits: Limits) -> bool:
    """One of the methods of ``bound --method``."""
    found = METHODS[method](work.instance, limits=limits)
    work.standing.raise_to(found, method)
    return False


def _compact(work: Work, limits: Limits) -> bool:
    """Classes of blocks with the same future, told apart a little; its placement is what schedules are rounded from."""
    from placement_opt.bounds.compact import QUICK

    return _relax(work, limits, QUICK)


def _refined(work: Work, limits: Limits) -> bool:
    """The same, told apart until the exact LP is near."""
    from placement_opt.bounds.compact_kinds import LEVELS

    return _relax(work, limits, LEVELS)


def _relax(work: Work, limits: Limits, levels: Sequence[str]) -> bool:
    from placement_opt.bounds.compact import relax
    from placement_opt.bounds.targets import from_compact

    began = clock.now()

    def take(found: DualValue) -> None:
        bound = Bound("compact", Status.BOUND, found.value_s, clock.now() - began, _DUALITY, prices=found.prices)
        work.standing.raise_to(bound, "compact")

    solution = relax(work.instance, limits=limits, gap=work.gap / _SHARE, improved=take, levels=levels)
    work.standing.raise_to(solution.bound, "compact")
    if solution.program is not None and work.enough_s is None:
        work.targets, work.rounded = from_compact(work.instance, solution), False
    return limits.reached


def _round(work: Work, limits: Limits) -> bool:
    """A relaxed placement made whole, where that is legal and comes in time."""
    from placement_opt.schedulers.candidates import Rounded

    assert work.targets is not None
    targets, work.rounded = work.targets, True
    with contextlib.suppress(ScheduleError):
        run = simulate(work.instance, Rounded(targets), record=True, limits=limits)
        assert run.schedule is not None
        work.standing.lower_to(run.schedule, run.latency_s, "lp-rounded")
    return True


def _method(method: str) -> Rung:
    return Rung(
        method,
        "bound",
        suits=lambda work: expected_s(method, work.size) != float("inf"),
        expected_s=lambda work: expected_s(method, work.size),
        climb=partial(_bound, method),
        memory=lambda work: expected_bytes(method, work.size),
    )


def _scale(work: Work, limits: Limits) -> bool:
    """Both sides from the engine that works on runs, proven here block by block and step by step."""
    from placement_opt.rungs_scale import solve_runs

    assert work.large is not None
    began = clock.now()
    prices, schedule = solve_runs(work.instance, work.large, gap=work.gap, limits=limits, jobs=work.jobs)
    if prices is not None:
        offer_prices(work, prices, "scale", began)
    run = simulate(work.instance, Replay(schedule))
    work.standing.lower_to(schedule, run.latency_s, "scale")
    return False


def _hard(work: Work) -> bool:
    """Whether programs are slow and prices on few intervals strong: anything but two inclusive tiers, and requests."""
    instance = work.instance
    return instance.num_tiers > 2 or not instance.inclusive or instance.trace.step_token is None


def _intervals(work: Work, limits: Limits) -> bool:
    """Prices on few intervals of time, found on a sample where there are many futures, and proven on all blocks."""
    from placement_opt.bounds.price_intervals import PriceIntervals
    from placement_opt.bounds.sample import sampled_futures

    began = clock.now()
    search = work.intervals = work.intervals or PriceIntervals(work.instance, sampled_futures(work.instance, work.classes))

    def settled() -> None:
        if search.passes and not (search.exact and search.value_s <= work.standing.state.lower_s):
            offer_prices(work, search.prices, "intervals", began)

    enough = work.enough_bound_s if search.exact else math.inf
    if search.levels < _FIRST_LEVELS:  # before that it has nothing to show
        search.run(work.limits.within(work.limits.remaining / 4), enough=enough, levels=_FIRST_LEVELS, settled=settled)
    search.run(limits, enough=enough, settled=settled)
    settled()
    return not search.over


def _ascend(work: Work, limits: Limits) -> bool:
    """Better prices from the best there are."""
    from placement_opt.bounds.ascent import Ascent

    state, began = work.standing.state, clock.now()

    def take(found: DualValue) -> None:
        seconds = clock.now() - began
        bound = Bound("ascent", Status.BOUND, found.value_s, seconds, _DUALITY, prices=found.prices)
        work.standing.raise_to(bound, "ascent")

    assert state.prices is not None
    ascent = work.ascent
    if ascent is None or state.prices_s > ascent.best.value_s * (1.0 + _ELSEWHERE):
        ascent = work.ascent = Ascent(
            work.instance,
            state.prices,
            classes=work.classes,
            limits=work.limits,
            enough=work.enough_bound_s,
            improved=take,
            backend=work.backend,
        )
    ascent.enough = work.enough_bound_s
    ascent.run(limits)
    longest = work.limits.within(work.limits.remaining * _PATIENT)
    while not (ascent.over or longest.reached) and ascent.hidden > _SHOWN * ((work.standing.state.gap or 1.0) - work.gap):
        ascent.run(longest.within(_SLICE_S))
    take(ascent.best)
    return not ascent.over


def _sample(work: Work, limits: Limits) -> bool:
    """Prices raised on some of the blocks, proven on all."""
    from placement_opt.bounds.dual import DualValue
    from placement_opt.bounds.sample import SampleAscent

    state, began = work.standing.state, clock.now()
    assert state.prices is not None
    sampled = work.sampled
    if sampled is None or state.prices_s > sampled.best.value_s * (1.0 + _ELSEWHERE):
        share = _SAMPLED / work.size.reads if sampled is None else sampled.share
        start = DualValue(state.prices_s, np.zeros(0), state.prices)
        sampled = work.sampled = SampleAscent(
            work.instance, start, work.prove, share=share, classes=work.classes, limits=work.limits
        )
    sampled.run(limits)
    bound = Bound("sample", Status.BOUND, sampled.best.value_s, clock.now() - began, _DUALITY, prices=sampled.best.prices)
    work.standing.raise_to(bound, "sample")
    return not sampled.over


def _scale_s(work: Work) -> float:
    return 0.2 + 6e-6 * work.instance.trace.num_reads


def _compact_s(work: Work) -> float:
    """Seconds of the compact LP, the rounding included; with three tiers and more fetch-back makes it slow in the steps."""
    slow = 0.0 if work.size.tiers == 2 else 1.3e-4 * work.size.steps**1.46
    return 0.05 + 3e-6 * work.size.reads + slow + 2.0 * _pass_s(work)


def _compact_memory(work: Work) -> int:
    return expected_bytes("compact", work.size)


def _refined_memory(work: Work) -> int:
    return 3 * _compact_memory(work)


def _scale_memory(work: Work) -> int:
    from placement_opt.scale.solve import memory_needed

    return 0 if work.large is None else memory_needed(work.large, work.jobs)


# ---- the schedule ------------------------------------------------------------------------------------------------------


def _schedule(spec: str, work: Work, limits: Limits) -> bool:
    """What one of the schedulers does."""
    run = simulate(work.instance, make_scheduler(spec), record=True, limits=limits)
    assert run.schedule is not None
    work.standing.lower_to(run.schedule, run.latency_s, spec)
    return False


def _optimise(work: Work, limits: Limits) -> bool:
    """Local search from the best schedule there is, with other luck at each turn."""
    from placement_opt.schedulers.optimised import optimise

    def take(schedule: Schedule, latency_s: float, where: str) -> None:
        del where
        work.standing.lower_to(schedule, latency_s, "optimised")

    state, work.seed = work.standing.state, work.seed + 1
    enough = state.lower_s * (1.0 + work.gap)
    found = optimise(
        work.instance,
        limits=limits,
        prices=state.prices,
        start=state.schedule,
        enough=enough,
        seed=work.seed,
        improved=take,
    )
    take(*found, "")
    return limits.reached or work.standing.state.latency_s != state.latency_s


def pass_s(steps: int, reads: int) -> float:
    """Seconds that a scheduler takes to go through a trace."""
    return 2e-4 * steps + 1e-6 * reads


def _pass_s(work: Work) -> float:
    return pass_s(work.size.steps, work.instance.trace.num_reads)


def _scheduler(spec: str, passes: float) -> Rung:
    return Rung(spec, "schedule", _always, lambda work: passes * _pass_s(work), partial(_schedule, spec))


def _intervals_s(work: Work) -> float:
    """Seconds of a first turn of prices on few intervals: none where they are to come before any program is built."""
    return 0.0 if _hard(work) else _ascent_s(work)


def _ascent_s(work: Work) -> float:
    """Seconds in which an ascent comes somewhere: some tens of passes."""
    return 4e-7 * work.size.reads * work.size.sets**2


def _sample_s(work: Work) -> float:
    return _ascent_s(work) * _SAMPLED / work.size.reads


def search_s(one_pass: float, triples: int) -> float:
    """Seconds of a first turn of the local search, where a pass takes so long."""
    return 3.0 * one_pass + 4e-7 * min(triples, _BUNDLED)


def _search_s(work: Work) -> float:
    """Seconds of a first turn of the local search; where the engine on runs has a better start, that goes first."""
    seconds = search_s(_pass_s(work), work.size.triples)
    return seconds if work.large is None else max(seconds, 1.1 * _scale_s(work))


def _search_memory(work: Work) -> int:
    from placement_opt.schedulers.search_game import memory_needed

    return memory_needed(work.instance)


#: Everything there is, in the order in which equals are tried. Not branch and bound for the bound: that is a solver's word, and
#: here both sides can be certified.
RUNGS: tuple[Rung, ...] = (
    Rung("intervals", "bound", _always, _intervals_s, _intervals, endless=True),
    _method("step"),
    Rung("scale", "bound", lambda work: work.large is not None, _scale_s, _scale, _scale_memory),
    Rung("compact", "bound", _always, _compact_s, _compact, _compact_memory),
    Rung(
        "refined",
        "bound",
        _always,
        lambda work: 8.0 * _compact_s(work),
        _refined,
        _refined_memory,
    ),
    Rung("sample", "bound", _is_long, _sample_s, _sample, endless=True, early=True),
    Rung("ascent", "bound", _always, _ascent_s, _ascend, endless=True, early=True),
    _method("lp"),
    _scheduler("static", 0.1),
    _scheduler("belady", 1.0),
    _scheduler("lru", 1.0),
    Rung(
        "lp-rounded",
        "schedule",
        _always,
        lambda _: 0.0,
        _round,
        ready=lambda work: work.targets is not None and not work.rounded,
    ),
    Rung("optimised", "schedule", _always, _search_s, _optimise, _search_memory, endless=True),
)
