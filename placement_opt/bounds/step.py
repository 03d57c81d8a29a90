"""Every step's own optimum, summed: residency chosen afresh before each step, with capacity and rates, without transitions.

The "per decode step" formulation of arXiv 2508.13231 as a bound: what lies between it and the horizon's optimum is the cost of
moving data. Two tiers that are only read have a closed form for all steps at once: the room bounds the bytes served from each
tier, the rest is split freely, and that has the roofline's extreme prices. More tiers, further operations that serve, and loads
that are no mere multiples of bytes are small linear programs, equal steps solved once.

With ``integer`` blocks are whole ("step-integer"): a MILP a step over the number of blocks of each class in each set of tiers.
Its sum is a bound on the optimum too, but may exceed the LP of the horizon. Two tiers with blocks of one size and share need no
MILP, except under the exclusive rule: there the LP with capacities rounded down to whole blocks has the same value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.highs import Ended, SolverError, solve
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import legal_at
from placement_opt.bounds.dual.tracked import MOST_SETS
from placement_opt.bounds.programs.step_data import Steps, prove, read_steps, safe_sum
from placement_opt.bounds.programs.step_program import StepProgram, single_tiers
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.roofline import free_bytes, free_timer, roofline_prices, roofline_times
from placement_opt.bounds.size import Size
from placement_opt.bounds.weighed import weighed
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.memory.split.timing import StepTimer

#: The sum is called optimal where placements that attain it are found within this, relatively.
TOLERANCE = 1e-7
#: What is taken off a branch-and-bound value for the solver's tolerances, relatively.
MARGIN = 1e-8
#: Columns of the linear programs that are one piece of work.
_COLUMNS = 1_000
_MANY = "{} sets of tiers are too many for whole blocks, so that each step counts with its linear program"
_FAILED = "the solver ended with {!r} on some steps, which count with what is proven without it"
_DUALITY = "weak duality at each step's prices and rents, evaluated without the solver"
_SEARCH = (
    "; for {} of {} steps the dual bound of the solver's branch and bound, gap 0, as far as a checked placement confirms it"
)


@dataclass(frozen=True, eq=False)
class Found:
    """What is known of some steps.

    Attributes
    ----------
    proven
        float64[T] seconds.
    prices
        Multipliers; those of a search by branch and bound are its LP's.
    attained
        float64[T]: seconds of a placement; infinite without one.
    searched
        bool[T]: whether ``proven`` is a dual bound of the solver's branch and bound.
    trouble
        What went wrong; "" if nothing.
    """

    proven: Float64
    prices: Prices
    attained: Float64
    searched: Flags
    trouble: str = ""


def _cost(section: str) -> Cost[Size]:
    return Cost(
        section,
        {"once": once, "per_step": lambda size: size.steps, "per_read_and_tier": lambda size: size.reads * size.tiers},
        {"once": once, "per_read_and_tier": lambda size: size.reads * size.tiers},
    )


@costs(_cost("step"))
def bound(instance: Instance, *, limits: Limits | None = None, integer: bool = False, jobs: int = 1) -> Bound:
    """The sum of the steps' own LPs, or with ``integer`` MILPs: a lower bound on the time (or objective) of every schedule.

    Parameters
    ----------
    limits
        Steps that the deadline or a stop request leaves unsolved count with their roofline.
    integer
        Whole blocks.
    jobs
        Processes.

    Returns
    -------
    Bound
        ``prices`` (rent of state t: that of step t, 0 at T) can warm start, or be evaluated by, the dual of the horizon.
    """
    began = clock.now()
    limits = limits or Limits()
    steps = read_steps(instance, by_size=integer)
    if integer:
        steps = replace(steps, capacity=whole_capacity(steps))
    timer = free_timer(instance)
    found = _roofline(instance, steps, timer)
    if instance.num_tiers == 2 and instance.memory.operations.plain:
        found = _better(found, _closed_form(instance, steps, timer))
    else:
        found = _solve(instance, found, steps, np.flatnonzero(~_roomy(steps)), _linear, limits, jobs)
    sets = tier_sets(instance)
    if integer and len(sets) > MOST_SETS:
        found = replace(found, trouble=_MANY.format(len(sets)))
    elif integer:
        work = partial(_whole, has=(sets[:, None] >> np.arange(instance.num_tiers)) & 1 == 1)
        found = _solve(instance, found, steps, np.flatnonzero(~_already_whole(steps)), work, limits, jobs)
    return weighed(instance, _result(instance, steps, found, limits, integer=integer, seconds=clock.now() - began))


integer_bound = costs(_cost("step-integer"))(partial(bound, integer=True))


def _result(instance: Instance, steps: Steps, found: Found, limits: Limits, *, integer: bool, seconds: float) -> Bound:
    open_steps = ~np.isfinite(found.attained)
    value = None if open_steps.any() else float(found.attained.sum())
    total = safe_sum(found.proven)
    status = Status.BOUND
    if value is not None and value - total <= TOLERANCE * value:
        status = Status.OPTIMAL
    elif limits.interrupted:
        status = Status.INTERRUPTED
    elif limits.reached:
        status = Status.LIMIT
    searched = int(found.searched.sum())
    notes = [found.trouble]
    if open_steps.any():
        notes.append(
            f"{open_steps.sum()} of {len(steps)} steps were not solved to the end; each counts at least with its roofline"
        )
    return Bound(
        method="step-integer" if integer else "step",
        status=status,
        lower_bound_s=total,
        solve_s=seconds,
        rests_on=_DUALITY + (_SEARCH.format(searched, len(steps)) if searched else ""),
        note="; ".join(filter(None, notes)),
        value_s=value,
        step_s=found.proven,
        prices=found.prices,
        details={"steps": len(steps), "classes": len(steps.share), "tiers": instance.num_tiers},
    )


def whole_capacity(steps: Steps) -> Int64:
    """int64[T, K]: capacities rounded down to what whole blocks of the sizes that a step reads can fill."""
    grain = np.ones(len(steps), dtype=np.int64)
    reading = np.flatnonzero(np.diff(steps.start))
    if len(reading):
        grain[reading] = np.gcd.reduceat(steps.size, steps.start[reading])
    return steps.capacity // grain[:, None] * grain[:, None]


def _roomy(steps: Steps) -> Flags:
    """bool[T]: every tier has room for all that the step reads, so that the roofline is the step's optimum.

    Under the exclusive rule that holds for split blocks only.
    """
    return np.asarray((steps.total_room[:, None] <= steps.capacity)[:, steps.limited].all(axis=1))


def _already_whole(steps: Steps) -> Flags:
    """bool[T]: steps whose LP (with :func:`whole_capacity`) has an optimum of whole blocks."""
    classes = np.diff(steps.start)
    if steps.residency == "exclusive":
        return np.asarray(classes == 0)
    # copies of everything everywhere; or two tiers with blocks of one class: whole numbers of copies reach every split
    return _roomy(steps) | ((classes <= 1) & (steps.num_tiers == 2))


def _roofline(instance: Instance, steps: Steps, timer: StepTimer) -> Found:
    """Where every search begins, and what counts for steps that none reaches."""
    prices = roofline_prices(instance, steps, timer)
    attained = np.where(_roomy(steps), roofline_times(steps, timer), np.inf)
    return Found(np.maximum(prove(steps, prices), 0.0), prices, attained, np.zeros(len(steps), dtype=bool))


def _better(one: Found, other: Found) -> Found:
    """The higher proof of each step with its prices; the lower placement."""
    take = other.proven > one.proven
    priced = (take & ~other.searched)[:, None]
    rent = one.prices.rent.copy()
    rent[:-1] = np.where(priced, other.prices.rent[:-1], rent[:-1])
    return Found(
        proven=np.where(take, other.proven, one.proven),
        prices=Prices(np.where(priced, other.prices.rho, one.prices.rho), rent),
        attained=other.attained,
        searched=one.searched | (take & other.searched),
        trouble="; ".join(dict.fromkeys(filter(None, [one.trouble, other.trouble]))),
    )


def _closed_form(instance: Instance, steps: Steps, timer: StepTimer) -> Found:
    """Two tiers: at least ``low`` and at most ``high`` bytes come from tier f, the rest of what is read from the other.

    Of the classes those of large share serve most bytes from a given room, so they fill a scarce tier first; the share of the
    class at the edge turns what a byte served there saves into the rent of a byte of room.
    """
    f = 1 - steps.home
    h = steps.home
    before = np.concatenate([[0], np.cumsum(steps.room)])
    before = before[:-1] - before[steps.start[:-1]][steps.owner]
    room_f = steps.capacity[:, f][steps.owner]
    fill = np.clip(room_f - before, 0, steps.room)
    high = steps.total(steps.share * fill)
    edge_f = _edge(steps, (before <= room_f) & (room_f < before + steps.room))
    low, edge_h = np.zeros(len(steps)), np.zeros(len(steps))
    if not steps.inclusive:
        # what tier h has no room for; there the large shares go first too, so f takes the small ones
        room_h = steps.capacity[:, h][steps.owner]
        low = steps.served[:, 0] - steps.total(steps.share * np.clip(room_h - before, 0, steps.room))
        low = np.minimum(np.maximum(low, 0.0), high)
        edge_h = _edge(steps, (before <= room_h) & (room_h < before + steps.room))
    read = steps.read.astype(np.float64)
    base = steps.base + low[:, None] * read[f] + (steps.served[:, 0] - high)[:, None] * read[h]
    free = free_bytes(steps, (high - low)[:, None])
    prices = legal_at(instance.memory.rates, Prices(timer.prices(free, base), np.zeros((len(steps) + 1, 2))))
    gain = prices.rho @ (read[h] - read[f])
    prices.rent[:-1, f] = np.maximum(gain, 0.0) * edge_f
    prices.rent[:-1, h] = np.maximum(-gain, 0.0) * edge_h
    attained = np.maximum(steps.floor, timer.times(free, base))
    return Found(prove(steps, prices), prices, attained, np.zeros(len(steps), dtype=bool))


def _edge(steps: Steps, at_edge: Flags) -> Float64:
    """float64[T]: the share of the class at which a tier's room ends; 0 where it does not."""
    return steps.total(np.where(at_edge, steps.share, 0.0))


def _solve(
    instance: Instance,
    found: Found,
    steps: Steps,
    which: Int64,
    work: Callable[[Steps, Limits], Found],
    limits: Limits,
    jobs: int,
) -> Found:
    """Improve some of the steps; equal ones are solved once, pieces of work go to ``jobs`` processes, proofs are made here."""
    if not len(which):
        return found
    first, same = steps.take(which).distinct()
    wanted = steps.take(which[first])
    columns = np.cumsum(1 + len(wanted.source) * (1 + np.diff(wanted.start)))
    pieces = np.split(np.arange(len(wanted)), np.flatnonzero(np.diff(columns // _COLUMNS)) + 1)
    results = run_jobs(work, [wanted.take(piece) for piece in pieces], jobs=jobs, limits=limits)
    solved = _unknown(wanted)
    for piece, result in zip(pieces, results, strict=True):
        if result is not None:
            solved = _put(solved, piece, result)
    more = _put(_unknown(steps), which, _spread(solved, same))
    prices = legal_at(instance.memory.rates, more.prices)
    attained = found.attained.copy()
    attained[which] = more.attained[which]
    proven = np.maximum(more.proven, prove(steps, prices))
    return _better(found, replace(more, proven=proven, prices=prices, attained=attained))


def _unknown(steps: Steps) -> Found:
    prices = Prices(np.zeros((len(steps), len(steps.rates))), np.zeros((len(steps) + 1, steps.num_tiers)))
    return Found(np.zeros(len(steps)), prices, np.full(len(steps), np.inf), np.zeros(len(steps), dtype=bool))


def _put(target: Found, which: Int64, part: Found) -> Found:
    """``part`` written into its places."""
    target.proven[which], target.attained[which], target.searched[which] = part.proven, part.attained, part.searched
    target.prices.rho[which], target.prices.rent[which] = part.prices.rho, part.prices.rent[:-1]
    return replace(target, trouble=target.trouble or part.trouble)


def _spread(found: Found, same: Int64) -> Found:
    """Results of distinct steps handed to all their equals."""
    rent = np.concatenate([found.prices.rent[same], found.prices.rent[-1:]])
    prices = Prices(found.prices.rho[same], rent)
    return Found(found.proven[same], prices, found.attained[same], found.searched[same], found.trouble)


def _linear(steps: Steps, limits: Limits) -> Found:
    """The LPs of some steps, solved as one program."""
    found = _unknown(steps)
    program = StepProgram(steps, single_tiers(steps), integral=False)
    try:
        solution = solve(program.build(), limits=limits, algorithm="simplex")
    except SolverError as error:
        return replace(found, trouble=str(error))
    if len(solution.row_dual):
        found = replace(found, prices=program.prices(solution.row_dual))
    if len(solution.x):
        found = replace(found, attained=program.times(solution.x))
    if solution.ended in (Ended.INFEASIBLE, Ended.FAILED):
        found = replace(found, trouble=_FAILED.format(solution.message))
    return found


def _whole(steps: Steps, limits: Limits, *, has: Flags) -> Found:
    """The MILPs of some steps, one after the other."""
    found = _unknown(steps)
    for t in range(len(steps)):
        if limits.reached:
            break
        found = _put(found, np.array([t]), _whole_step(steps.take(np.array([t])), limits, has))
    return found


def _whole_step(step: Steps, limits: Limits, has: Flags) -> Found:
    """One MILP. Its dual bound is believed less a margin, and only beside a placement that is checked, up to its time.

    Without one, or where it exceeds the placement's time and so contradicts itself, nothing of it is believed.
    """
    found = _unknown(step)
    program = StepProgram(step, has, integral=True)
    try:
        solution = solve(program.build(), limits=limits)
    except SolverError as error:
        return replace(found, trouble=str(error))
    if solution.ended in (Ended.INFEASIBLE, Ended.FAILED):
        return replace(found, trouble=_FAILED.format(solution.message))
    if len(solution.x):
        found = replace(found, attained=program.times(solution.x))
    if not (np.isfinite(solution.dual_bound) and np.isfinite(found.attained[0])):
        return found
    claimed = program.base_s + np.maximum(0.0, solution.dual_bound) * program.unit_s
    if claimed[0] > found.attained[0] * (1.0 + 1e-6):
        return replace(found, trouble="the solver's dual bound exceeds a checked placement; the step's LP counts instead")
    proven = np.minimum(claimed * (1.0 - MARGIN), found.attained)
    return replace(found, proven=proven, searched=np.ones(1, dtype=bool))
