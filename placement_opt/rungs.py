"""The rungs of the ladder that :mod:`placement_opt.answer` climbs: what raises the bound, what lowers the best schedule.

Each rung is a small function that offers what it finds to the :class:`placement_opt.standing.Standing` as it finds it, so that
nothing is lost however its turn ends. :data:`RUNGS` lists them; which one is next is for the climb to say.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from placement_opt.bounds import METHODS
from placement_opt.bounds.auto import Size, expected_bytes, expected_s
from placement_opt.bounds.classes import Classes, classify
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.shares import Backend
from placement_opt.errors import InputError, Interrupted, LimitError, ScheduleError
from placement_opt.instance import Instance
from placement_opt.limits import Limits
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.replay import Replay
from placement_opt.schedulers.schedule import Schedule
from placement_opt.simulate import simulate
from placement_opt.standing import Standing

if TYPE_CHECKING:
    from placement_opt.bounds.dual import DualValue
    from placement_opt.bounds.targets import Targets
    from placement_opt.large import Large

Side = Literal["bound", "schedule"]
#: The exact LP is approached until this share of the gap asked for is left: the rest is for the schedule.
_SHARE = 4.0
#: Reads of a sample.
_SAMPLED = 30_000
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
    targets
        What the relaxation last solved wants of every block.
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

    def prove(self, prices: Prices) -> DualValue:
        """What prices prove, block by block; a short pass, whatever the limits of the search that found them."""
        return self.backend.evaluate(self.instance, prices, self.classes)

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
    """

    name: str
    side: Side
    suits: Callable[[Work], bool]
    expected_s: Callable[[Work], float]
    climb: Callable[[Work, Limits], bool]
    memory: Callable[[Work], int] = lambda _: 0
    endless: bool = False


def _always(_: Work) -> bool:
    return True


def _is_long(work: Work) -> bool:
    """Whether a sample is worth its while."""
    return work.size.reads > 4 * _SAMPLED


def offer_prices(work: Work, prices: Prices, source: str, began: float) -> None:
    """Prove prices and offer what they prove; ``began`` is by ``time.monotonic``."""
    dual = work.prove(prices)
    bound = Bound(source, Status.BOUND, dual.value_s, time.monotonic() - began, _DUALITY, prices=dual.prices)
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

    began = time.monotonic()

    def take(found: DualValue) -> None:
        bound = Bound("compact", Status.BOUND, found.value_s, time.monotonic() - began, _DUALITY, prices=found.prices)
        work.standing.raise_to(bound, "compact")

    solution = relax(work.instance, limits=limits, gap=work.gap / _SHARE, improved=take, levels=levels)
    work.standing.raise_to(solution.bound, "compact")
    if solution.program is not None:
        work.targets = from_compact(work.instance, solution)
        if work.enough_s is None:
            _round(work, work.targets, work.limits)  # it is worth more than what its turn has left
    return False


def _round(work: Work, targets: Targets, limits: Limits) -> None:
    """A relaxed placement made whole, where that is legal and comes in time."""
    from placement_opt.schedulers.candidates import Rounded

    with contextlib.suppress(ScheduleError, LimitError, Interrupted):
        run = simulate(work.instance, Rounded(targets), record=True, limits=limits)
        assert run.schedule is not None
        work.standing.lower_to(run.schedule, run.latency_s, "lp-rounded")


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
    began = time.monotonic()
    prices, schedule = solve_runs(work.instance, work.large, gap=work.gap, limits=limits, jobs=work.jobs)
    if prices is not None:
        offer_prices(work, prices, "scale", began)
    run = simulate(work.instance, Replay(schedule))
    work.standing.lower_to(schedule, run.latency_s, "scale")
    return False


def _ascend(work: Work, limits: Limits) -> bool:
    """Better prices from the best there are."""
    from placement_opt.bounds.ascent import ascend

    state, began = work.standing.state, time.monotonic()

    def take(found: DualValue) -> None:
        seconds = time.monotonic() - began
        bound = Bound("ascent", Status.BOUND, found.value_s, seconds, _DUALITY, prices=found.prices)
        work.standing.raise_to(bound, "ascent")

    prices = state.prices
    assert prices is not None
    enough = math.inf if state.latency_s is None else state.latency_s / (1.0 + work.gap)
    take(ascend(work.instance, prices, classes=work.classes, limits=limits, enough=enough, improved=take, backend=work.backend))
    return limits.reached


def _sample(work: Work, limits: Limits) -> bool:
    """Prices raised on some of the blocks, proven on all."""
    from placement_opt.bounds.sample import sample_prices

    began = time.monotonic()
    prices = sample_prices(work.instance, share=_SAMPLED / work.size.reads, limits=limits)
    offer_prices(work, prices, "sample", began)
    return False


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
        targets=work.targets,
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


def _ascent_s(work: Work) -> float:
    """Seconds that an ascent takes to come to its end."""
    return 1.5e-5 * work.size.reads * work.size.sets**2


def _sample_s(work: Work) -> float:
    return _ascent_s(work) * _SAMPLED / work.size.reads


def search_s(one_pass: float, triples: int) -> float:
    """Seconds of a first turn of the local search, where a pass takes so long."""
    return 3.0 * one_pass + 4e-7 * triples


def _search_s(work: Work) -> float:
    """Seconds of a first turn of the local search; where the engine on runs has a better start, that goes first."""
    seconds = search_s(_pass_s(work), work.size.triples)
    return seconds if work.large is None else max(seconds, 1.1 * _scale_s(work))


def _search_memory(work: Work) -> int:
    from placement_opt.schedulers.search_game import memory_needed

    return memory_needed(work.instance)


#: Everything there is, in the order in which equals are tried. Not branch and bound: its bound is a solver's word, and here
#: both sides can be certified.
RUNGS: tuple[Rung, ...] = (
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
    Rung("sample", "bound", _is_long, _sample_s, _sample, endless=True),
    Rung("ascent", "bound", _always, _ascent_s, _ascend, endless=True),
    _method("lp"),
    _scheduler("static", 0.1),
    _scheduler("belady", 1.0),
    Rung("optimised", "schedule", _always, _search_s, _optimise, _search_memory, endless=True),
)
