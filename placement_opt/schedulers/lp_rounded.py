"""``lp-rounded``: the LP's relaxed placement made whole and repaired to capacity, step by step (problem statement, section 5).

Of the blocks that have a target at the same step and are next read at the same step only the number matters: as many as their
fractions sum to, rounded with the error carried on, are kept, those already there first, because they cost no write. Room
is then enforced over time: what the LP no longer wants stays until its room is needed, the block read again latest goes
first, and what still does not fit is not brought in. What is read is stored in passing, or, where it need not come to the
processor to be served, copied if that is the cheaper at the LP's prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.size import Size
from placement_opt.bounds.targets import Targets, find_targets, solved_exactly
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import serving_ways
from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Setting, View, cheapest_source
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.hierarchy.future import NEVER, look_ahead
from placement_opt.schedulers.hierarchy.transition import remade

#: Of the relaxation, in millions of (iteration, matrix entry) pairs: some five minutes' worth.
BUDGET = 60_000
SOLVER_WORK = "(iteration, matrix entry) pairs"
#: Price of a second of any resource where the relaxation has none, against prices that sum to 1 or less.
_SECONDS = 1e-3
#: What making a relaxation whole takes.
ROUNDING = passing("lp-rounded")


def relaxation(size: Size) -> Cost[Size]:
    """What the relaxation takes that :func:`placement_opt.bounds.targets.find_targets` solves."""
    return METHODS["lp" if solved_exactly(size.all_reads, size.tiers) else "compact"].cost


@dataclass
class LpRounded(Policy):
    """Keep what the LP keeps, made whole.

    Clairvoyant. From the exact LP where the trace is short, else from the compact one; LimitError where that yields no relaxed
    placement within the budget.
    """

    title: ClassVar[str] = "lp-rounded"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    source: ClassVar[str] = "this project: class counts of the LP made whole and repaired to capacity"
    cost: ClassVar[Cost[Size]] = replace(ROUNDING, parts=lambda size: [relaxation(size)])

    budget: int = option(BUDGET, f"work of the solver, in millions of {SOLVER_WORK}", low=0, high=10**9)

    def plan(self, instance: Instance, limits: Limits) -> None:
        """Solve the relaxation and note when each block is read next."""
        given = self.budget * 10**6
        counted = limits.counted(given)
        self.take(instance, find_targets(instance, limits=counted))
        self._effort = Effort(SOLVER_WORK, given, round(given - counted.work_left), limits.cut_short)

    def take(self, instance: Instance, targets: Targets) -> None:
        """The same with a relaxation at hand."""
        self.instance = instance
        self._targets = targets
        self._first = np.searchsorted(self._targets.step, np.arange(-1, instance.num_steps + 1))
        self._future = look_ahead(instance.trace)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:  # noqa: ARG002
        """The relaxation's own start, made whole."""
        self._setting = setting
        self._sources = cheapest_source(setting.memory)
        self._next_read = self._future.first.copy()
        self._wanted = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
        if setting.initial is not None:
            self._wanted[:] = setting.initial
            return None
        resident = np.zeros_like(self._wanted)
        here = slice(self._first[0], self._first[1])
        ids = self._targets.block[here]
        chosen = self._choose(here, resident)
        self._fill(resident, ids, chosen)
        self._wanted[:] = resident
        return resident

    def _fill(self, resident: Resident, ids: Int64, chosen: Flags) -> None:
        """Place the start: every block that must be somewhere, then wanted copies as far as there is room, then what is read
        soonest."""
        size, room = self.instance.size, self.instance.capacity.copy()
        tiers = list(self._setting.memory.by_speed)
        if self._setting.residency == "inclusive":
            resident[self._setting.home, self._setting.initial_blocks] = True
            tiers.remove(self._setting.home)
        soonest = np.argsort(self._next_read[ids], kind="stable")
        if self._setting.residency in ("exclusive", "free"):  # every block somewhere first, where most of it should be
            for k in tiers:
                want = ids[soonest[chosen[k, soonest]]]
                _place(resident, k, want[~resident[:, want].any(axis=0)], size, room)
            for b in ids[~resident[:, ids].any(axis=0)]:
                tier = _tier_with_room(tiers, room, int(size[b]))
                if tier is None:
                    raise ScheduleError("no tier has room for it at the start", block=int(b))
                _place(resident, tier, np.array([b]), size, room)
        if self._setting.residency != "exclusive":
            for k in tiers:
                want = ids[soonest[chosen[k, soonest]]]
                _place(resident, k, want[~resident[k, want]], size, room)
            for k in tiers:
                rest = ids[soonest][~resident[k, ids[soonest]]]
                _place(resident, k, rest[self._next_read[rest] < NEVER], size, room)

    def _choose(self, here: slice, resident: Resident) -> Flags:
        """bool[K, E']: which of the targets of one step are made whole, tier by tier."""
        targets = self._targets
        ids = targets.block[here]
        chosen = np.zeros((len(resident), len(ids)), dtype=bool)
        if not len(ids):
            return chosen
        exclusive = self._setting.residency == "exclusive"
        free = np.ones(len(ids), dtype=bool)
        tiers = self._setting.memory.by_speed
        for k in tiers:
            if self._setting.residency == "inclusive" and k == self._setting.home:
                chosen[k] = True
                continue
            fraction = np.where(free, targets.fraction[k, here], 0.0)
            held = resident[k, ids] & free
            above = np.asarray(chosen[list(tiers[: tiers.index(k)])].any(axis=0))
            chosen[k] = free & _whole(self._next_read[ids], fraction, above, held, held | targets.rises[k, here])
            if exclusive:
                free &= ~chosen[k]
        if exclusive:  # what rounding leaves over stays where it is, or goes where most of it should
            left = np.flatnonzero(free)
            where = np.where(resident[:, ids[left]].any(axis=0), resident[:, ids[left]].argmax(axis=0), 0)
            born = ~resident[:, ids[left]].any(axis=0)
            where[born] = targets.fraction[:, here][:, left[born]].argmax(axis=0)
            chosen[where, left] = True
        return chosen

    def step(self, view: View) -> Moves:
        """Bring in what the targets of this step want, making room for it."""
        reads = slice(*self.instance.trace.indptr[view.step : view.step + 2])
        self._next_read[view.reads] = self._future.after_read[reads]
        here = slice(self._first[view.step + 1], self._first[view.step + 2])
        ids = self._targets.block[here]
        chosen = self._choose(here, view.resident)
        if self._setting.residency != "exclusive":
            self._wanted[:, ids] = chosen
        at_hand = np.zeros(len(self._next_read), dtype=bool)
        at_hand[view.reads] = True if not self.instance.forgets else self._can_pass(view, reads)
        at_hand[view.births] = True
        if self._setting.residency == "exclusive":
            return self._move(view, ids, chosen, at_hand)
        return self._add(view, ids, chosen, at_hand)

    def _can_pass(self, view: View, reads: slice) -> Flags:
        """Which blocks read can be stored in passing: those that lie somewhere, and those made anew at the processor, whole."""
        shares = self.instance.trace.shares
        whole = np.ones(len(view.reads), dtype=bool) if shares is None else shares[reads] == self.instance.share_base
        return np.asarray(view.resident[:, view.reads].any(axis=0) | (remade(self._setting, view.reads) & whole))

    # ---- all rules but exclusive: copies are added, and dropped when their room is needed --------------------------

    def _add(self, view: View, ids: Int64, chosen: Flags, at_hand: Flags) -> Moves:
        setting = self._setting
        store: list[tuple[int, Ids]] = []
        fetch: list[tuple[int, int, Ids]] = []
        drop: list[tuple[int, Ids]] = []
        copies = view.resident.sum(axis=0)
        copies[view.births] = 1 if setting.residency == "inclusive" else 0
        used = view.used.copy()
        alive = np.ones(len(copies), dtype=bool)
        alive[view.freed] = False
        homeless = np.zeros(len(copies), dtype=bool)
        if setting.residency == "free":
            homeless[view.births] = True
        # the slowest tier first, so that what a faster one must give up already lies below it
        for k in reversed(setting.memory.by_speed):
            if setting.residency == "inclusive" and k == setting.home:
                continue
            add = ids[chosen[k] & ~view.resident[k, ids] & alive[ids]]
            add = add[at_hand[add] | view.resident[:, add].any(axis=0)]
            add, gone = self._make_room(k, add, used, view, copies, alive)
            copies[gone] -= 1
            copies[add] += 1
            homeless[add] = False
            used[k] += int(setting.size[add].sum()) - int(setting.size[gone].sum())
            drop.append((k, gone))
            self._bring(k, add, view, at_hand, store, fetch)
        new = np.flatnonzero(homeless & alive).tolist()
        store.extend((self._shelter(b, view, used, copies, alive, drop), np.array([b])) for b in new)
        return Moves(store, fetch, drop)

    def _shelter(self, b: int, view: View, used: Int64, copies: Int64, alive: Flags, drop: list[tuple[int, Ids]]) -> int:
        """A tier for a new block that nothing wants yet; where all are full, second copies make way."""
        setting, size = self._setting, int(self._setting.size[b])
        slowest = setting.memory.by_speed[::-1]
        k = _tier_with_room(setting.memory.by_speed, setting.capacity - used, size)
        for n in slowest if k is None else ():
            gone = np.concatenate([ids for tier, ids in drop if tier == n])
            spare = np.setdiff1d(np.flatnonzero(view.resident[n] & alive & (copies > 1)), gone)
            latest = spare[np.argsort(-self._next_read[spare], kind="stable")]
            needed = int(np.searchsorted(np.cumsum(setting.size[latest]), used[n] + size - setting.capacity[n])) + 1
            if needed <= len(latest):
                drop.append((n, latest[:needed]))
                copies[latest[:needed]] -= 1
                used[n] -= int(setting.size[latest[:needed]].sum())
                k = n
                break
        if k is None:
            raise ScheduleError("no tier has room for it", step=view.step, block=b)
        used[k] += size
        return k

    def _make_room(self, k: int, add: Int64, used: Int64, view: View, copies: Int64, alive: Flags) -> tuple[Int64, Int64]:
        """(what is brought in, what is dropped for it) so that tier k fits at the next state."""
        size = self._setting.size
        excess = int(used[k]) + int(size[add].sum()) - int(self._setting.capacity[k])
        gone = np.zeros(0, dtype=np.int64)
        if excess > 0:
            spare = np.flatnonzero(view.resident[k] & ~self._wanted[k] & alive & ((copies > 1) | self.instance.forgets))
            latest = spare[np.argsort(-self._next_read[spare], kind="stable")]
            needed = int(np.searchsorted(np.cumsum(size[latest]), excess)) + 1
            gone = latest[:needed]
            excess -= int(size[gone].sum())
        if excess > 0:
            latest = add[np.argsort(-self._next_read[add], kind="stable")]
            needed = int(np.searchsorted(np.cumsum(size[latest]), excess)) + 1
            self._wanted[k, latest[:needed]] = False
            add = latest[needed:]
        return add, gone

    def _bring(
        self,
        k: int,
        add: Int64,
        view: View,
        at_hand: Flags,
        store: list[tuple[int, Ids]],
        fetch: list[tuple[int, int, Ids]],
    ) -> None:
        """Store what is at the processor, unless copying is cheaper; copy the rest from where it is had quickest."""
        passes = at_hand[add]
        if not self.instance.loads.brings.all():
            passes[passes] = ~self._cheaper_copied(view, k, add[passes])
        store.append((k, add[passes]))
        rest = add[~passes]
        if len(rest):
            weights = 1 << np.arange(len(view.resident))
            source = self._sources[weights @ view.resident[:, rest], k]
            fetch.extend((int(j), k, rest[source == j]) for j in np.unique(source))

    def _cheaper_copied(self, view: View, k: int, ids: Int64) -> Flags:
        """Whether serving a block in any way and copying it costs less than serving it so that it can be stored in passing."""
        weights = 1 << np.arange(len(view.resident))
        masks = np.where(np.isin(ids, view.births), 0, weights @ view.resident[:, ids])
        kinds = self.instance.loads.kind[ids]
        found = np.zeros(len(ids), dtype=bool)
        for mask, kind in set(zip(masks.tolist(), kinds.tolist(), strict=True)):
            if mask:
                found[(masks == mask) & (kinds == kind)] = self._copies(view.step, k, mask, kind)
        return found

    def _copies(self, step: int, k: int, mask: int, kind: int) -> bool:
        """The same for a block of a kind that is read and lies in a set of tiers (bit mask)."""
        loads, rates, prices = self.instance.loads, self.instance.memory.rates, self._targets.bound.prices
        rho = _SECONDS / rates  # where the relaxation pays for nothing, what takes less time is cheaper
        rho = rho if prices is None else rho + prices.rho[step]
        serve, copy = loads.serve[kind] @ rho, loads.copy[kind, :, k] @ rho
        usable = serving_ways(loads, np.array([mask]), kind)[0]
        held = (mask >> np.arange(len(copy))) & 1 == 1
        stored = serve[usable & loads.brings].min(initial=np.inf) + float(loads.store[kind, k] @ rho)
        return bool(serve[usable].min() + copy[held].min() < stored)

    # ---- exclusive: one copy, which moves --------------------------------------------------------------------------

    def _move(self, view: View, ids: Int64, chosen: Flags, at_hand: Flags) -> Moves:
        setting = self._setting
        store: list[tuple[int, Ids]] = []
        fetch: list[tuple[int, int, Ids]] = []
        drop: list[tuple[int, Ids]] = []
        lives = ~np.isin(ids, view.freed)
        ids, goal = ids[lives], np.argmax(chosen[:, lives], axis=0)
        born = np.asarray(~view.resident[:, ids].any(axis=0))
        now = np.where(born, -1, np.argmax(view.resident[:, ids], axis=0))
        room = setting.capacity - view.used
        for k in reversed(setting.memory.by_speed):  # moves to a slower tier leave room in a faster one
            moving = np.flatnonzero((goal == k) & (now != k))
            moving = moving[np.lexsort((self._next_read[ids[moving]], ~born[moving]))]
            fits = np.asarray(np.cumsum(setting.size[ids[moving]]) <= room[k])
            going, staying = moving[fits], moving[~fits]
            room[k] -= int(setting.size[ids[going]].sum())
            self._bring(k, ids[going], view, at_hand, store, fetch)
            for j in np.unique(now[going][now[going] >= 0]):
                leaving = ids[going[now[going] == j]]
                drop.append((int(j), leaving))
                room[j] += int(setting.size[leaving].sum())
            goal[staying] = now[staying]
        for n in np.flatnonzero(goal < 0):
            size = int(setting.size[ids[n]])
            tier = _tier_with_room(setting.memory.by_speed, room, size)
            if tier is None:
                raise ScheduleError("no tier has room for it", step=view.step, block=int(ids[n]))
            room[tier] -= size
            store.append((tier, ids[n : n + 1]))
        return Moves(store, fetch, drop)


def _place(resident: Resident, tier: int, ids: Int64, size: Int64, room: Int64) -> None:
    """Put as many of some blocks, in order, into a tier as there is room for."""
    ids = ids[np.cumsum(size[ids]) <= room[tier]]
    resident[tier, ids] = True
    room[tier] -= int(size[ids].sum())


def _tier_with_room(by_speed: Sequence[int], room: Int64, size: int) -> int | None:
    """The slowest tier with room for a block."""
    return next((k for k in reversed(by_speed) if room[k] >= size), None)


def _whole(following: Int64, fraction: Float64, above: Flags, resident: Flags, possible: Flags) -> Flags:
    """Of the targets with the same next read as many as their fractions sum to: those that no faster tier holds (``above``)
    first, among them those resident, then the largest.

    What is neither resident nor ``possible`` is not chosen: the relaxation moves nothing there.
    """
    order = np.lexsort((-fraction, ~possible, ~resident, above, following))
    group = following[order]
    begins = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    total = np.cumsum(np.add.reduceat(fraction[order], begins))
    quota = np.diff(np.floor(total + 0.5), prepend=0.0)
    lengths = np.diff(np.append(begins, len(order)))
    rank = np.arange(len(order)) - np.repeat(begins, lengths)
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order] = rank < np.repeat(quota, lengths)
    return chosen & (resident | (possible & (fraction > 0.0)))
