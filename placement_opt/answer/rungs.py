"""The rungs of the ladder that :mod:`placement_opt.answer.answer` climbs: what raises the bound, what lowers the best schedule.

Each rung is a small function that offers what it finds to the :class:`placement_opt.answer.standing.Standing` as it finds it,
so that nothing is lost however its turn ends. :data:`RUNGS` lists them; which one is next is for the climb to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from placement_opt.answer.rungs_prices import PRICES
from placement_opt.answer.work import DUALITY, Rung, Work, offer_prices
from placement_opt.base import clock
from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.auto import expected_bytes, expected_s
from placement_opt.bounds.result import Bound, Status
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler

if TYPE_CHECKING:
    from placement_opt.bounds.dual.evaluate import DualValue

#: The exact LP is approached until this share of the gap asked for is left: the rest is for the schedule.
_SHARE = 4.0
#: (Block, state, tier) triples up to which a search is told apart from one of bundles of blocks.
_BUNDLED = 10**7
#: (Block, state, tier) triples that branch and bound is tried on.
_BRANCHED = 20_000


def _always(_: Work) -> bool:
    return True


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
    from placement_opt.bounds.compact import relax
    from placement_opt.bounds.targets import from_compact

    began = clock.now()

    def take(found: DualValue) -> None:
        bound = Bound("compact", Status.BOUND, found.value_s, clock.now() - began, DUALITY, prices=found.prices)
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
    work.standing.lower_to(schedule, run.latency_s, "scale")
    return False


def _scale_s(work: Work) -> float:
    return 0.2 + 6e-6 * (work.instance.trace.num_reads if work.in_rows else 0)  # in runs it is alone


def _compact_s(work: Work) -> float:
    """Seconds of the compact LP, the rounding included; with three tiers and more fetch-back makes it slow in the steps."""
    slow = 0.0 if work.size.tiers == 2 else 1.3e-4 * work.size.steps**1.46
    return 0.05 + 3e-6 * work.size.reads + slow + 2.0 * _pass_s(work)


def _compact_memory(work: Work) -> int:
    return expected_bytes("compact", work.size)


def _refined_memory(work: Work) -> int:
    return 3 * _compact_memory(work)


def _scale_memory(work: Work) -> int:
    return 0 if work.large is None else work.large.memory_needed(work.jobs if work.in_rows else 1)


# ---- the schedule ------------------------------------------------------------------------------------------------------


def _schedule(spec: str, work: Work, limits: Limits) -> bool:
    """What one of the schedulers does."""
    run = simulate(work.instance, make_scheduler(spec), record=True, limits=limits)
    assert run.schedule is not None
    work.standing.lower_to(run.schedule, run.latency_s, spec)
    return False


def _kept_at_home(work: Work, limits: Limits) -> bool:
    """Belady with every block kept in the home tier, where the rule is free: what is legal inclusively is legal there."""
    from placement_opt.schedulers.home_kept import home_kept

    kept = home_kept(work.instance, make_scheduler("belady"))
    if kept is not None:
        run = simulate(work.instance, kept, record=True, limits=limits)
        assert run.schedule is not None
        work.standing.lower_to(run.schedule, run.latency_s, "belady, home kept")
    return False


def _branch(work: Work, limits: Limits) -> bool:
    """What branch and bound finds, a schedule like any other; its bound is a solver's word and no use here."""
    from placement_opt.schedulers.branch_and_bound import milp_schedule

    found = milp_schedule(work.instance, limits=limits)
    if found is not None:
        run = simulate(work.instance, Replay(found))
        work.standing.lower_to(found, run.latency_s, "milp")
    return limits.reached


def _branch_s(work: Work) -> float:
    return 0.2 + 5e-4 * work.size.triples


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


def pass_s(steps: int, reads: int) -> float:
    """Seconds that a scheduler takes to go through a trace."""
    return 2e-4 * steps + 1e-6 * reads


def _pass_s(work: Work) -> float:
    return pass_s(work.size.steps, work.instance.trace.num_reads)


def _scheduler(spec: str, passes: float) -> Rung:
    return Rung(spec, "schedule", _always, lambda work: passes * _pass_s(work), partial(_schedule, spec))


def search_s(one_pass: float, triples: int) -> float:
    """Seconds of a first turn of the local search, where a pass takes so long."""
    return 10.0 * one_pass + 4e-7 * min(triples, _BUNDLED)


def _search_s(work: Work) -> float:
    """Seconds of a first turn of the local search; where the engine on runs has a better start, that goes first."""
    seconds = search_s(_pass_s(work), work.size.triples)
    return seconds if work.large is None else max(seconds, 1.1 * _scale_s(work))


def _search_memory(work: Work) -> int:
    from placement_opt.schedulers.search.game import memory_needed

    return memory_needed(work.instance)


#: Everything there is, in the order in which equals are tried. Branch and bound is there for schedules only: its bound is a
#: solver's word, and here both sides can be certified.
RUNGS: tuple[Rung, ...] = (
    *PRICES,
    _method("step"),
    Rung("scale", "bound", lambda work: work.large is not None, _scale_s, _scale, _scale_memory, runs=True),
    Rung("compact", "bound", _always, _compact_s, _compact, _compact_memory),
    Rung(
        "refined",
        "bound",
        _always,
        lambda work: 8.0 * _compact_s(work),
        _refined,
        _refined_memory,
    ),
    _method("lp"),
    _scheduler("static", 0.1),
    _scheduler("belady", 1.0),
    Rung(
        "home kept", "schedule", lambda work: work.instance.residency == "free", lambda work: 3.0 * _pass_s(work), _kept_at_home
    ),
    Rung("milp", "schedule", lambda work: work.size.triples <= _BRANCHED, _branch_s, _branch),
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
