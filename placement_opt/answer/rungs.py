"""The rungs of the ladder that :mod:`placement_opt.answer.answer` climbs: what raises the bound, what lowers the best schedule.

Each rung is a small function that offers what it finds to the :class:`placement_opt.answer.standing.Standing` as it finds it,
so that nothing is lost however its turn ends. :data:`RUNGS` lists them; which one is next is for the climb to say.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.answer.costs import (
    free,
    layers_memory,
    layers_s,
    memory,
    of_method,
    of_refined,
    of_rounded,
    of_scheduler,
    of_search,
    runs_memory,
    runs_s,
    search_s,
    seconds,
)
from placement_opt.answer.rungs_prices import PRICES
from placement_opt.answer.rungs_stays import STAYS
from placement_opt.answer.turns import AT_ONCE_S
from placement_opt.answer.work import DUALITY, EXACT, Rung, Work, offer_prices
from placement_opt.base import clock
from placement_opt.base.cost import Cost
from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.stacked import Stacked
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler

if TYPE_CHECKING:
    from placement_opt.bounds.dual.evaluate import DualValue

#: Gap beyond which a search begins from nothing.
_FAR = 0.1
#: What the first bounds come from, whose prices say nothing of room.
_UNPRICED = ("", "roofline", "step")


def _always(_: Work) -> bool:
    return True


def _defined(cost: Callable[[], Cost[Size]]) -> Callable[[Work], bool]:
    return lambda work: cost().defined(work.size)


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
    from placement_opt.bounds.columns.kinds import LEVELS

    return _relax(work, limits, LEVELS)


def _relax(work: Work, limits: Limits, levels: Sequence[str]) -> bool:
    from placement_opt.bounds.compact import placed_s, relax
    from placement_opt.bounds.targets import from_compact

    began, long = clock.now(), METHODS["compact"].cost.expected_s(work.size) > AT_ONCE_S

    def take(found: DualValue) -> None:
        method = "compact" if found.prices.rent.any() else "step"  # which it begins with
        bound = Bound(method, Status.BOUND, found.value_s, clock.now() - began, DUALITY, prices=found.prices)
        work.standing.raise_to(bound, method)

    solution = relax(work.instance, limits=limits, gap=work.gap / EXACT, improved=take if long else None, levels=levels)
    if solution.program is not None and work.enough_s is None:  # ready for the schedules that wait for the prices
        work.targets, work.rounded = from_compact(work.instance, solution), False
    work.standing.raise_to(solution.bound, "compact")
    work.most_s = min(work.most_s, placed_s(solution.bound))
    return limits.reached


def _placed(work: Work) -> bool:
    """Whether there is a relaxed placement that was not rounded yet."""
    return work.targets is not None and not work.rounded


def _round(work: Work, limits: Limits) -> bool:
    """A relaxed placement made whole, where that is legal and comes in time."""
    from placement_opt.schedulers.candidates import Rounded

    assert work.targets is not None
    targets, work.rounded = work.targets, True
    with contextlib.suppress(ScheduleError):
        run = simulate(work.instance, Rounded(targets), record=True, limits=limits)
        assert run.schedule is not None
        work.standing.lower_to(run.schedule, run.cost_s, "lp-rounded")
    return True


def _method(method: str) -> Rung:
    cost = of_method(method)
    return Rung(method, "bound", _defined(cost), seconds(cost), partial(_bound, method), memory(cost))


def _layers(work: Work, limits: Limits) -> bool:
    """Both sides of a question whose layers are in rows, one at a time."""
    from placement_opt.answer.rungs_stacked import climb_stacked

    del limits  # it gets all the time that there is
    assert isinstance(work.question, Stacked)
    return climb_stacked(work, work.question)


def _scale(work: Work, limits: Limits) -> bool:
    """Both sides from the engine that works on runs; of a question in rows proven here block by block and step by step."""
    from placement_opt.answer.rungs_runs import climb_runs, solve_rows

    assert work.large is not None
    if not work.in_rows:
        return climb_runs(work, work.large)
    began = clock.now()
    prices, schedule = solve_rows(work.instance, work.large, gap=work.gap, limits=limits, jobs=work.jobs)
    if prices is not None:
        offer_prices(work, prices, "scale", began)
    run = simulate(work.instance, Replay(schedule))
    work.standing.lower_to(schedule, run.cost_s, "scale")
    return False


# ---- the schedule ------------------------------------------------------------------------------------------------------


def _schedule(spec: str, work: Work, limits: Limits) -> bool:
    """What one of the schedulers does."""
    run = simulate(work.instance, make_scheduler(spec), record=True, limits=limits)
    assert run.schedule is not None
    work.standing.lower_to(run.schedule, run.cost_s, spec)
    return False


def _kept_at_home(work: Work, limits: Limits) -> bool:
    """Belady with every block kept in the home tier, where the rule is free: what is legal inclusively is legal there."""
    from placement_opt.schedulers.home_kept import home_kept

    kept = home_kept(work.instance, make_scheduler("belady"))
    if kept is not None:
        run = simulate(work.instance, kept, record=True, limits=limits)
        assert run.schedule is not None
        work.standing.lower_to(run.schedule, run.cost_s, "belady, home kept")
    return False


def _branch(work: Work, limits: Limits) -> bool:
    """What branch and bound finds, a schedule like any other; its bound is a solver's word and no use here."""
    from placement_opt.schedulers.branch_and_bound import milp_schedule

    found = milp_schedule(work.instance, limits=limits)
    if found is not None:
        run = simulate(work.instance, Replay(found))
        work.standing.lower_to(found, run.cost_s, "milp")
    return limits.reached


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
        start=state.schedule if isinstance(state.schedule, Schedule) else None,
        enough=enough,
        seed=work.seed,
        improved=take,
    )
    take(*found, "")
    return limits.reached or work.standing.state.latency_s != state.latency_s


def _lives_long(work: Work) -> bool:
    """Whether paths are too long for the search to go over every block's, and may be found at prices."""
    from placement_opt.schedulers.optimised import PATHS
    from placement_opt.schedulers.search.game import searchable
    from placement_opt.schedulers.search.paths import num_states
    from placement_opt.schedulers.search.priced import MOST_STATES, priceable

    instance = work.instance
    if not instance.timed or num_states(instance) <= PATHS or not priceable(instance):
        return False
    if searchable(instance):
        return True
    return work.bundles is not None and searchable(work.bundles.instance, MOST_STATES)


def _priced_bytes(work: Work) -> int:
    """As a search takes, and of bundles the tables of their own."""
    from placement_opt.schedulers.search.game import searchable
    from placement_opt.schedulers.search.priced import priced_bytes

    bundles = None if searchable(work.instance) else work.bundles
    return memory(of_search)(work) if bundles is None else priced_bytes(bundles.instance)


def _priced(work: Work, limits: Limits) -> bool:
    """Best paths at the rents of the bound, from the best schedule; of bundles where blocks have too many states."""
    from placement_opt.bounds.dual.climb import needed_sets
    from placement_opt.bounds.dual.futures import merge_futures
    from placement_opt.schedulers.search.game import searchable
    from placement_opt.schedulers.search.paths import paths_of, schedule_of
    from placement_opt.schedulers.search.priced import priced_paths

    instance, state, work.seed = work.instance, work.standing.state, work.seed + 1
    assert state.prices is not None
    assert isinstance(state.schedule, Schedule)
    needed, _ = needed_sets(instance, merge_futures(work.classes), state.prices)
    left_out = np.logical_not(needed.has(instance.num_tiers).any(axis=0))
    bundles = None if searchable(instance) else work.bundles
    start: Schedule | None = state.schedule
    if bundles is not None:
        instance, start = bundles.instance, bundles.gather(state.schedule)
        if start is None:  # blocks of a bundle went different ways
            start = simulate(instance, make_scheduler("belady"), record=True, limits=limits).schedule
    assert start is not None
    paths = paths_of(instance, start)
    found = priced_paths(instance, paths, state.prices.rent, left_out, seed=work.seed, limits=limits)
    if found is not None:
        schedule = schedule_of(instance, found, "priced")
        schedule = schedule if bundles is None else bundles.spread(schedule)
        run = simulate(work.instance, Replay(schedule))
        work.standing.lower_to(schedule, run.cost_s, "priced")
    return work.standing.state.prices is not state.prices or work.standing.state.latency_s != state.latency_s


def _rents_known(work: Work) -> bool:
    return isinstance(work.standing.state.schedule, Schedule) and work.has_rents


def _lives_shortly(work: Work) -> bool:
    """Whether a search may go over every block's path."""
    from placement_opt.schedulers.optimised import PATHS
    from placement_opt.schedulers.search.game import searchable
    from placement_opt.schedulers.search.paths import num_states

    return work.instance.timed and num_states(work.instance) <= PATHS and searchable(work.instance)


def _far_off(work: Work) -> bool:
    """Whether rents are known, and the best schedule is far above what is proven."""
    gap = work.standing.state.gap
    return work.has_rents and (gap is None or gap > _FAR)


def _worth_searching(work: Work) -> bool:
    """Whether rounding has had a chance to begin nearer, or has none: the first prices that charge for room are soon there."""
    state = work.standing.state
    far = state.gap is None or state.gap > _FAR
    if not far or "bound" not in work.at_work or state.bound_from not in _UNPRICED:
        return True
    return not (_lives_shortly(work) or STAYS.suits(work))


def _rounded(work: Work, limits: Limits) -> bool:
    """Best paths at the rents of the bound, from no schedule at all: elsewhere than where the local search would end."""
    from placement_opt.schedulers.search.paths import schedule_of
    from placement_opt.schedulers.search.rounding import rounded_paths

    instance, state, work.seed = work.instance, work.standing.state, work.seed + 1
    assert state.prices is not None
    enough = state.lower_s * (1.0 + work.gap)
    paths = rounded_paths(instance, state.prices, seed=work.seed, limits=limits, enough=enough)
    if paths is None:
        return False
    schedule = schedule_of(instance, paths, "rounded")
    return work.standing.lower_to(schedule, simulate(instance, Replay(schedule)).cost_s, "rounded")


def _scheduler(spec: str) -> Rung:
    cost = of_scheduler(spec)
    return Rung(
        spec, "schedule", _always, seconds(cost), partial(_schedule, spec), memory(cost), ready=partial(_has_its_time, cost)
    )


def _has_its_time(cost: Callable[[], Cost[Size]], work: Work) -> bool:
    """Whether it comes at once, or no better one is there or about to be: rents, which the best schedules begin at, are soon
    there."""
    state = work.standing.state
    if cost().expected_s(work.size) <= AT_ONCE_S or state.latency_s is None:
        return True
    if state.schedule_from == STAYS.name:
        return False
    return work.has_rents or "bound" not in work.at_work or not STAYS.suits(work)


def _is_stacked(work: Work) -> bool:
    return isinstance(work.question, Stacked)


def _is_free(work: Work) -> bool:
    return work.instance.residency == "free"


_MILP = of_scheduler("milp")
#: Everything there is, in the order in which equals are tried. Branch and bound is there for schedules only: its bound is a
#: solver's word, and here both sides can be certified.
RUNGS: tuple[Rung, ...] = (
    *PRICES,
    _method("step"),
    Rung("layers", "bound", _is_stacked, layers_s, _layers, layers_memory, runs=True),
    Rung("scale", "bound", lambda work: work.large is not None, runs_s, _scale, runs_memory, runs=True),
    Rung("compact", "bound", _always, seconds(of_method("compact")), _compact, memory(of_method("compact")), first_s=AT_ONCE_S),
    Rung("refined", "bound", _always, seconds(of_refined), _refined, memory(of_refined)),
    _method("lp"),
    _scheduler("static"),
    _scheduler("belady"),
    Rung(
        "home kept", "schedule", _is_free, seconds(of_scheduler("belady"), 2.0), _kept_at_home, memory(of_scheduler("belady"))
    ),
    Rung("milp", "schedule", _defined(_MILP), seconds(_MILP), _branch, memory(_MILP)),
    Rung("lp-rounded", "schedule", _always, free, _round, first_s=math.inf, ready=_placed),
    Rung(
        "rounded",
        "schedule",
        _lives_shortly,
        seconds(of_rounded),
        _rounded,
        memory(of_rounded),
        first_s=math.inf,
        ready=_far_off,
    ),
    STAYS,
    Rung("priced", "schedule", _lives_long, search_s, _priced, _priced_bytes, ready=_rents_known),
    Rung("optimised", "schedule", _always, search_s, _optimise, memory(of_search), endless=True, ready=_worth_searching),
)
