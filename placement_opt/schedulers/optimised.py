"""``optimised``: the best of the other schedulers, made better block by block (problem statement, section 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.base.limits import Limits
from placement_opt.bounds import roofline
from placement_opt.bounds.result import Bound, Prices
from placement_opt.bounds.size import Size
from placement_opt.bounds.targets import Targets
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Setting, View
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.schedulers import REGISTRY
from placement_opt.schedulers.base import Policy, option
from placement_opt.schedulers.candidates import ANNEALED, QUICK, RELAXED_READS, Best, Rounded, annealed, quick, relaxed
from placement_opt.schedulers.search.bundles import Bundles, bundle
from placement_opt.schedulers.search.game import MOST_STATES, searchable
from placement_opt.schedulers.search.paths import num_states, paths_of, schedule_of

#: What the work of a search is counted in, and how many millions of it one may take: some 15 seconds' worth.
UNIT, BUDGET = "(block, state) pairs", 150
#: Share of a deadline for the search; the rest is for playing what it found.
_SEARCHING = 0.8
#: Rounds before the candidates that take longer have their turn, rounds in all, and rounds without success that end it.
_EARLY, _ROUNDS, _PATIENCE = 2, 60, 6
#: Candidates from which the search starts again, how often and for how many rounds, and work beyond which it does not.
_STARTS, _AGAIN, _ROUNDS_AGAIN, _LITTLE = 3, 3, 8, 3 * 10**7
#: Pushes out of the best paths, and work beyond which there are none: for small instances.
_PUSHES, _SMALL = 500, 4 * 10**6
#: (Block, state) pairs beyond which blocks are bundled where many are read alike, and to how few if possible.
PATHS, _BUNDLED = 2**25, (2 * 10**7, 2**25, MOST_STATES)
#: What sums of a few thousand step times may differ by, relatively.
_ROUNDING = 1e-12
#: Relative improvement that is handed over while the search goes on.
_NEWS = 1e-4


#: Times that the search goes over everything, about, until it finds no more.
_OVER_ALL = 30
#: What the search takes from a schedule at hand, that included; of more than it visits, of bundles.
SEARCH = Cost[Size](
    "optimised",
    {
        "per_step": lambda size: size.steps,
        "per_read": lambda size: size.all_reads,
        "per_triple": lambda size: min(size.triples, BUDGET * 10**6 / _OVER_ALL),
    },
    {
        "per_step": lambda size: size.steps,
        "per_read": lambda size: size.all_reads,
        "per_block": lambda size: size.blocks,
        "per_pair": lambda size: min(size.triples / size.tiers, MOST_STATES),
    },
)


def _candidates(size: Size) -> list[Cost[Size]]:
    names = [*QUICK, *["lp-rounded"] * (size.all_reads <= RELAXED_READS), *["sa"] * (size.all_reads <= ANNEALED)]
    return [REGISTRY[name].cost for name in names]


@dataclass
class Optimised(Policy):
    """The best of the other schedulers, improved by local search on the paths of single blocks.

    Clairvoyant. Candidates are belady, lru, static, and where they are affordable lp-rounded and sa. From the best of them on
    each block in turn takes its best path through the tiers, all others given; see
    :mod:`placement_opt.schedulers.search.search`. Never slower than any of its candidates. Everything in it is limited by
    counted work, so that the same seed and budget give the same schedule; a deadline of the caller's ends it early, and it
    says so.
    """

    title: ClassVar[str] = "optimised"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    source: ClassVar[str] = "this project: block-coordinate descent over smoothed step times"
    cost: ClassVar[Cost[Size]] = replace(SEARCH, parts=_candidates)

    budget: int = option(BUDGET, f"work of the search, in millions of {UNIT} visited", low=0, high=10**9)
    seed: int = option(1, "of the order in which blocks have their turn", low=0, high=2**32 - 1)

    def plan(self, instance: Instance, limits: Limits) -> None:
        """Find the schedule."""
        if not math.isinf(limits.remaining):
            limits = limits.within(_SEARCHING * limits.remaining)
        visited: list[int] = []
        schedule, _ = optimise(instance, limits=limits, seed=self.seed, budget=self.budget, visited=visited.append)
        self._replay = Replay(schedule)
        self._effort = Effort(UNIT, self.budget * 10**6, sum(visited), limits.cut_short)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        return self._replay.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        return self._replay.step(view)


def optimise(
    instance: Instance,
    *,
    limits: Limits,
    targets: Targets | None = None,
    prices: Prices | None = None,
    start: Schedule | None = None,
    enough: float = 0.0,
    seed: int = 1,
    budget: int = BUDGET,
    improved: Callable[[Schedule, float, str], None] | None = None,
    visited: Callable[[int], None] | None = None,
) -> tuple[Schedule, float]:
    """A schedule and its latency in seconds: the best of the candidates, or a start, improved by search; never worse than that.

    Parameters
    ----------
    limits
        Deadline and stop request; the best by then comes back, and some legal schedule even if both came before the start.
    targets
        A relaxation to be rounded, if at hand; without it and without a start one is solved where that is affordable.
    prices
        Multipliers of a bound, if at hand: their rents tell the search which room is worth fighting for.
    start
        A legal schedule to begin with instead of the candidates.
    enough
        Latency that need not be improved.
    seed
        Of the search.
    budget
        Of its work, in millions of (block, state) pairs.
    improved
        Called at each improvement with the schedule, its latency, and where it is from.
    visited
        Called in the end with the (block, state) pairs that the search visited.

    Raises
    ------
    ScheduleError
        ``start`` is illegal, or the blocks are packed so tightly that no schedule was found at all.
    """
    best = Best(instance, improved)
    if start is not None:
        best.replay(start, f"start, {start.scheduler}")
    bundles = _bundled(instance)
    if bundles is not None:

        def spread(schedule: Schedule, _: float, where_from: str) -> None:
            best.replay(bundles.spread(schedule), where_from)

        again = None if start is None else bundles.gather(start)
        optimise(
            bundles.instance,
            limits=limits,
            prices=prices,
            start=again,
            enough=enough,
            seed=seed,
            budget=budget,
            improved=spread,
            visited=visited,
        )
        return best.fall_back(), best.latency_s
    enough = max(enough, _bound_of(roofline.bound(instance)))
    if start is None:
        best.try_all(quick(instance), limits, enough)
    best.fall_back()
    search = _Search(best, prices, seed, budget, enough, limits) if searchable(instance) else None
    if search is not None:
        search.improve(_EARLY)
    if best.latency_s > enough:
        if targets is None and start is None:
            targets = relaxed(instance, limits)
        if targets is not None:
            enough = max(enough, _bound_of(targets.bound))
            best.try_all([("lp-rounded", Rounded(targets))], limits, enough)
        if start is None:
            best.try_all(annealed(instance), limits, enough)
    if search is not None:
        search.enough = enough
        search.improve(_ROUNDS)
        search.start_again()
        search.shake()
        if visited is not None:
            visited(search.work)
    return best.fall_back(), best.latency_s


def _bound_of(bound: Bound) -> float:
    """A latency that cannot be improved, up to rounding."""
    return (bound.lower_bound_s or 0.0) * (1.0 + _ROUNDING)


def _bundled(instance: Instance) -> Bundles | None:
    """Blocks that are read alike as bundles, where a path for every block would be too much."""
    if num_states(instance) <= PATHS:
        return None
    return next((found for most in _BUNDLED if (found := bundle(instance, most)) is not None), None)


class _Search:
    """Improves the best schedule, in parts."""

    def __init__(self, best: Best, prices: Prices | None, seed: int, budget: int, enough: float, limits: Limits) -> None:
        from placement_opt.schedulers.search.search import Search

        self.best, self.enough, self._limits = best, enough, limits
        self._budget = budget * 10**6
        self._search = Search(best.instance, None if prices is None else prices.rent, seed)
        self._at: Schedule | None = None

    @property
    def work(self) -> int:
        """(Block, state) pairs visited so far."""
        return self._search.work

    def improve(self, rounds: int) -> None:
        """So many more rounds from the best schedule on."""
        best, search = self.best, self._search
        if best.schedule is None or self._over(self._budget):
            return
        if best.schedule is not self._at:
            search.begin(paths_of(best.instance, best.schedule))
            self._at = best.schedule
        self._run(rounds)

    def start_again(self) -> None:
        """From the best candidates again, each in turn, while that is little work: the search may end elsewhere."""
        starts = [schedule for _, schedule in sorted(self.best.others, key=lambda one: one[0])[:_STARTS]]
        for number in range(_AGAIN if starts else 0):
            if self._over(_LITTLE):
                return
            self._search.begin(paths_of(self.best.instance, starts[number % len(starts)]))
            self._run(_ROUNDS_AGAIN)

    def shake(self) -> None:
        """Random pushes from the best schedule on, while all that was little work."""
        best, search = self.best, self._search
        if best.schedule is None or self._over(_SMALL):
            return
        search.begin(paths_of(best.instance, best.schedule))
        search.shake(
            times=_PUSHES,
            budget=min(_SMALL, self._budget),
            enough=self.enough,
            limits=self._limits,
            improved=lambda: self._tell(0.0),
        )

    def _over(self, work: int) -> bool:
        """Whether so much work is done, or it is enough, or the limits say stop."""
        return self.work >= min(work, self._budget) or self.best.latency_s <= self.enough or self._limits.reached

    def _run(self, rounds: int) -> None:
        self._search.run(
            rounds=rounds,
            patience=_PATIENCE,
            budget=self._budget,
            enough=self.enough,
            limits=self._limits,
            improved=lambda: self._tell(_NEWS),
        )
        self._tell(0.0)

    def _tell(self, least: float) -> None:
        """Hand over what was found if it is better than what was by more than this share."""
        best, search = self.best, self._search
        if search.best < best.latency_s * (1.0 - least):
            best.replay(schedule_of(best.instance, search.paths(), "optimised"), "search")
            self._at = best.schedule
