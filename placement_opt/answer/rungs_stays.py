"""The rung for questions whose blocks live too long for paths to be gone through state by state, such as logs of requests.

The prices that a window of the steps gives are good enough rents for :mod:`placement_opt.schedulers.search.stays`.
"""

from __future__ import annotations

import math

from placement_opt.answer.costs import of_stays, seconds
from placement_opt.answer.standing import State
from placement_opt.answer.work import Rung, Work
from placement_opt.base.limits import Limits
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate

NAME = "stays"
#: Bundles that a class of blocks makes at most, unless reading one from the slowest tier takes more than this share of a mean
#: step: parts of a class may go different ways, and what is copied at idle steps has to fit into them.
_ALIKE, _FINE = 8, 0.25


def _lives_too_long(work: Work) -> bool:
    """Whether there are more (block, state) pairs than a search goes over block by block, and rounding is defined."""
    from placement_opt.schedulers.optimised import PATHS
    from placement_opt.schedulers.search.paths import num_states
    from placement_opt.schedulers.search.stays import roundable

    instance = work.instance
    return instance.timed and num_states(instance) > PATHS and roundable(instance)


def _ready(work: Work) -> bool:
    """Whether rents are known; where paths may be found state by state, that goes first."""
    from placement_opt.schedulers.search.game import MOST_STATES
    from placement_opt.schedulers.search.paths import num_states

    found = work.standing.state.schedule_from
    return work.has_rents and (found in ("priced", NAME) or num_states(work.instance) > MOST_STATES)


def _rounded(work: Work, limits: Limits) -> bool:
    """Best paths at the rents of the best bound, played with all blocks."""
    before, work.seed = work.standing.state, work.seed + 1
    schedule = _found(work, before, limits)
    if schedule is not None:
        run = simulate(work.instance, Replay(schedule), limits=work.limits)
        work.standing.lower_to(schedule, run.cost_s, NAME)
    after = work.standing.state
    return after.prices is not before.prices or after.latency_s != before.latency_s


def _found(work: Work, before: State, limits: Limits) -> Schedule | None:
    """The same as a schedule of all blocks; what leads to it, bundles and tables, is let go before it is played."""
    from placement_opt.bounds.dual.price_space import serving_seconds
    from placement_opt.schedulers.search.bundles import bundle_alike
    from placement_opt.schedulers.search.paths import schedule_of
    from placement_opt.schedulers.search.stays import rounded_stays

    assert before.prices is not None
    mean_s = before.prices_s / work.instance.num_steps
    slowest = float(serving_seconds(work.instance)[: work.instance.num_tiers].max())
    bundles = bundle_alike(work.instance, work.classes, _ALIKE, _FINE * mean_s / slowest)
    instance = work.instance if bundles is None else bundles.instance
    enough = before.lower_s * (1.0 + work.gap)
    stays = rounded_stays(instance, before.prices, seed=work.seed, mean_s=mean_s, limits=limits, enough=enough)
    if stays is None:
        return None
    schedule = schedule_of(instance, stays, NAME)
    del stays
    return schedule if bundles is None else bundles.spread(schedule)


def _bytes(work: Work) -> int:
    return of_stays().expected_bytes(work.size)


STAYS = Rung(NAME, "schedule", _lives_too_long, seconds(of_stays), _rounded, _bytes, first_s=math.inf, ready=_ready)
