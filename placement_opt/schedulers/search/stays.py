"""Schedules in time by reads, for questions of many steps whose blocks are read seldom, such as logs of requests.

As in :mod:`placement_opt.schedulers.search.priced` blocks choose their best paths one after the other, transfers timed as all
others stand, room paid for at a bound's rents: less where room is left, more where it is short. But a path is a list of stays,
so that memory goes by steps and reads, not by lives; blocks begin without paths; and who lies in the end where no room is
chooses once more, in the room that there is (:mod:`placement_opt.schedulers.search.stays_kernels`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.cost import Cost, once
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.schedulers.kinds import fewest, serving
from placement_opt.schedulers.search.game import MOST_KINDS, MOST_VECTORS, arcs_of, limited_tiers
from placement_opt.schedulers.search.paths import Stays

if TYPE_CHECKING:
    from placement_opt.schedulers.search.stays_kernels import Board

#: Sweeps; parts of each at most and at least, and how many steps' tables are laid for each row of a path.
SWEEPS, _PARTS, _FEWEST, _LAID = 6, 128, 48, 0.25
#: Widths of the smoothing in the first sweep and in the last, as shares of a step's time.
_WIDTHS = (0.7, 0.05)
#: Room has no price where this share of a tier is left, in the first sweep and in the last; its whole price where the share
#: ``_SPARE`` is.
_BLUR, _SPARE = (0.15, 0.075), 0.05
#: Too little room costs so many times the mean rent more for each blur; where blocks may be forgotten, and where they may not.
#: 20,000 requests, with 1, 16, 64 and 256, under the rule "cache": 28.7, 25.7, 25.2 and 26.7 % above what the first prices
#: prove after one sweep, and with 1, 16 and 64 21.9, 22.0 and 21.6 after six. A million of them, free: 0.04 % with 1, 12 with
#: 64 (settling then makes of 0.6 % below the bound 12 above it; why is not known).
_STEEP_FORGETTING, _STEEP = 64.0, 1.0
#: No rent counts as less than this share of the tier's mean, or of what reading all the room once a state would take.
_LEAST_RENT = 0.02
#: After a sweep rents fall by this power of e for a tier's whole room that is left; no more counts than a share.
_LEARN, _MOST_LEFT = 8.0, 0.5
#: Parts in which blocks are looked at in the end; a later sweep leaves so many times as long for that, and for writing down
#: what came of it, as that took last.
_REPAIRED, _SETTLES = 8, 3.0
#: Changes that the path of a block has at most: so many, and so many for each read.
_CHANGES, _CHANGES_EACH = 4, 3
#: Tiers beyond which blocks are not rounded: their sets are counted first.
MOST_TIERS = 12
#: Stretches of states that are remembered to be closed to a block, beyond which they are joined.
_CLOSED = 4096
#: States whose least room is kept beside them.
CHUNK = 512
#: More room than any tier has.
_ROOM = np.iinfo(np.int64).max // 4


#: What one sweep takes, and playing what came of it: tables of all steps for every so many rows of paths.
COST = Cost[Size](
    "stays",
    {
        "per_step": lambda size: size.steps,
        "per_block": lambda size: size.blocks,
        "per_read": lambda size: size.all_reads,
    },
    {
        "once": once,
        "per_step": lambda size: size.steps,
        "per_block": lambda size: size.blocks,
        "per_read": lambda size: size.all_reads,
    },
)


class Rounding:
    """All blocks of an instance, and what they load so far."""

    def __init__(self, instance: Instance, rent: Float64, seed: int, mean_s: float = 0.0) -> None:
        """``rent`` float64[T + 1, K], s/byte, and ``mean_s``, the least that a step takes on average: of a bound."""
        self.instance, self.rng, self.mean_s = instance, np.random.default_rng(seed), mean_s
        self.limited = limited_tiers(instance)
        board = self.board = make_board(instance, self.limited)
        self.capacity = np.maximum(instance.capacity[self.limited].astype(np.float64), 1.0)
        unit = max(mean_s, float(np.maximum(board.value.max(axis=1), board.floor).mean())) / self.capacity
        least = _LEAST_RENT * np.maximum(rent[:, self.limited].mean(axis=0), unit)
        self.rent = np.maximum(rent[:, self.limited], least)
        self.steep = (_STEEP_FORGETTING if instance.forgets else _STEEP) * self.rent.mean(axis=0)
        reads = np.diff(board.reads)
        self.chooses = np.flatnonzero(np.diff(board.place) > 0)
        self.bytes = max(1.0, float(instance.size[self.chooses].sum()))
        rows = 2.0 * np.log2(max(2, instance.num_steps)) * float(len(self.chooses) + reads.sum())
        self.parts = int(np.clip(rows / (_LAID * max(1, instance.num_steps)), _FEWEST, _PARTS))
        self.along, self.timed = 0.0, -1  # and the kind of block whose copies are timed, as all others stand
        self.lost = False  # whether a block has no path

    @property
    def total_s(self) -> float:
        """Seconds of all steps as they are, not smoothed."""
        return float(np.maximum(self.board.value.max(axis=1), self.board.floor).sum())

    def sweep(self, number: int, sweeps: int, limits: Limits) -> bool:
        """Every block once; False where the limits came first."""
        again, done = number > 0, 0.0
        self._sharpen(number / max(1, sweeps - 1))
        for some in np.array_split(self.rng.permutation(self.chooses), min(self.parts, max(1, len(self.chooses)))):
            if not self._choose(some, limits, 1.0 if again else done / self.bytes, again=again, hard=False):
                return False
            done += float(self.instance.size[some].sum())
        left = np.clip(self.room() / self.capacity, -_MOST_LEFT, _MOST_LEFT)
        self.rent *= np.exp(-_LEARN * left)
        return True

    def settle(self, limits: Limits) -> bool:
        """Whoever lies where no room is moves out of the way; False where one found no other, or the limits came first."""
        self._sharpen(1.0)
        for some in np.array_split(self.rng.permutation(self.chooses), min(_REPAIRED, max(1, len(self.chooses)))):
            if not self._choose(some, limits, 1.0, again=True, hard=True):
                return False
        return True

    def _sharpen(self, along: float) -> None:
        """Smoothing as it is so far along."""
        from placement_opt.schedulers.search.stays_kernels import retime

        board, self.along = self.board, along
        times = np.maximum(board.value.max(axis=1), board.floor)
        self.timed = -1
        board.width[:] = _between(_WIDTHS, along) * (times + max(self.mean_s, float(times.mean()))) / 2
        retime(board)

    def _choose(self, some: Int64, limits: Limits, share: float, *, again: bool, hard: bool) -> bool:
        """Some blocks, the first to live first; so large a share of all has chosen."""
        from placement_opt.schedulers.search.stays_kernels import choose_all

        board = self.board
        some = some[np.argsort(board.first[some], kind="stable")]
        for kind in np.unique(board.kind[some]).tolist():
            mine = some[board.kind[some] == kind]
            if limits.reached:
                return False
            self.price(kind, mine, share)
            if choose_all(board, mine, again, hard) >= 0:
                self.lost = True
                return False
        return True

    def room(self) -> Int64:
        """int64[T + 1, L]: bytes left."""
        board = self.board
        room = board.room.reshape(*board.more.shape, CHUNK) + board.more[:, :, None]
        return np.ascontiguousarray(room.reshape(board.room.shape)[:, : self.instance.num_steps + 1].T)

    def price(self, kind: int, some: Int64, share: float) -> None:
        """Prices of room, and the tree, for blocks of a kind that choose next, where so large a share of all has chosen.

        What is left then counts as if the others were to leave no room.
        """
        from placement_opt.schedulers.search.stays_kernels import grow, time_all_ways

        board, room = self.board, self.room()
        sizes, member = board.size[some], board.member.T
        least = np.maximum(_between(_BLUR, self.along) * self.capacity, 2.0 * float(np.median(sizes)))
        left = (room - (1.0 - share + share * _SPARE) * self.capacity) / least
        price = self.rent * np.clip(1.0 - left, 0.0, 2.0) + self.steep * np.maximum(-left, 0.0)
        np.matmul(price, member.astype(np.float64), out=board.open)
        board.hold[:], board.closed[0, 0] = board.open, 0
        board.unit[1] = float(sizes.sum()) / float(board.amount[some].sum())
        if kind != self.timed:
            board.unit[0], self.timed = np.median(board.amount[self.chooses][board.kind[self.chooses] == kind]), kind
            time_all_ways(board, kind)
        grow(board)

    def stays(self) -> Stays:
        """The paths as they are."""
        board = self.board
        start = np.zeros(len(board.size) + 1, dtype=np.int64)
        np.cumsum(board.count, out=start[1:])
        take = np.arange(start[-1]) + np.repeat(board.place[:-1] - start[:-1], board.count)
        masks = tier_sets(self.instance)[offered(self.instance)].astype(np.uint16)
        return Stays(masks, start, board.state[take], board.number[take])


def roundable(instance: Instance) -> bool:
    """Whether an instance has few enough tiers, sets of them, kinds of block and price vectors for its blocks to be rounded."""
    from placement_opt.schedulers.search.paths_kernels import SET

    kinds = fewest(instance.loads)
    if instance.num_tiers > MOST_TIERS or len(kinds.row) > MOST_KINDS:
        return False
    if len(use := offered(instance)) > SET + 1:  # what a byte of a path says beside COPIED
        return False
    timer = serving(instance.memory, kinds, tier_sets(instance)[use]).timer
    return timer.complete and len(timer.rho) <= MOST_VECTORS


def offered(instance: Instance) -> Int64:
    """int64[U]: the numbers of the sets that blocks are offered: beside the home tier one more at most, and given starts."""
    masks = tier_sets(instance)
    least = 1 << instance.home if instance.inclusive else 0
    copies = np.array([bin(int(mask) & ~least).count("1") for mask in masks])
    given = np.zeros(0, dtype=np.int64)
    if instance.initial is not None:
        given = np.unique((np.int64(1) << np.arange(instance.num_tiers)) @ instance.initial[:, instance.first_state == 0])
    return np.union1d(np.flatnonzero(copies <= 1), np.searchsorted(masks, given))


def make_board(instance: Instance, limited: Int64) -> Board:
    """Tables with no block placed yet."""
    from placement_opt.schedulers.search import stays_kernels as kernels
    from placement_opt.schedulers.search.game_kernels import BORN, FREE

    every, use = tier_sets(instance), offered(instance)
    masks, kinds = every[use], fewest(instance.loads)
    served = serving(instance.memory, kinds, masks)
    timer = served.timer
    steps, tiers, sets = instance.num_steps, instance.num_tiers, len(use)
    has = (masks[:, None] >> np.arange(tiers)) & 1 == 1
    arc, passing, copied, bare = arcs_of(instance, kinds, masks, has, timer)
    store = np.array([has @ (each @ timer.rho.T) for each in kinds.store])
    pointers, order = instance.trace.by_block
    shares = instance.trace.shares
    reads = np.diff(pointers)
    place = np.zeros(instance.num_blocks + 1, dtype=np.int64)
    begin = np.where(instance.first_state > 0, BORN, FREE).astype(np.int16)
    if instance.initial is not None:
        exists = instance.first_state == 0
        held = (np.int64(1) << np.arange(tiers)) @ instance.initial[:, exists]
        begin[exists] = np.searchsorted(masks, held)
    moves = (reads > 0) | (begin >= 0) | (not instance.forgets)  # others lie nowhere
    np.cumsum(np.where(moves, _CHANGES + _CHANGES_EACH * reads, 0), out=place[1:])
    chunks, leaves = -(-(steps + 1) // CHUNK), 1 << max(1, (steps - 1).bit_length())
    room = np.full((len(limited), chunks * CHUNK), _ROOM, dtype=np.int64)
    room[:, : steps + 1] = instance.capacity[limited][:, None]
    rows = most_rows(instance, reads)
    return kernels.Board(
        serve=served.free,
        bring=served.bringing,
        brings=served.brings,
        either=served.either,
        store=store,
        arc=arc,
        passing=passing,
        copied=copied,
        bare=bare,
        member=np.ascontiguousarray(has[:, limited]),
        size=instance.size,
        amount=kinds.amount,
        first=instance.first_state.astype(np.int32),
        last=instance.kept_until.astype(np.int32),
        begin=begin,
        kind=kinds.kind.astype(np.int16),
        reads=pointers,
        step=instance.trace.read_step[order].astype(np.int32),
        share=np.zeros(0) if shares is None else shares[order] / instance.share_base,
        place=place,
        count=np.zeros(instance.num_blocks, dtype=np.int32),
        state=np.zeros(int(place[-1]), dtype=np.int32),
        number=np.zeros(int(place[-1]), dtype=np.uint8),
        value=instance.fixed @ timer.rho.T,
        room=room,
        more=np.zeros((len(limited), chunks), dtype=np.int64),
        least=np.ascontiguousarray(room.reshape(len(limited), chunks, CHUNK).min(axis=2)),
        floor=instance.floor.astype(np.float64),
        width=np.zeros(steps),
        time=np.zeros(steps),
        open=np.zeros((steps + 1, sets)),
        hold=np.zeros((steps + 1, sets)),
        closed=np.zeros((_CLOSED, 2), dtype=np.int64),
        unit=np.ones(2),
        way=np.zeros((steps, len(bare))),
        tree=np.zeros((2 * leaves, sets, sets)),
        stay=np.zeros((2 * leaves, sets)),
        back=np.zeros((rows, sets), dtype=np.uint8),
        row=np.zeros(rows, dtype=np.int32),
        pick=np.zeros(rows + 1, dtype=np.uint8),
        nodes=np.zeros(128, dtype=np.int64),
        stack=np.zeros((128, 5), dtype=np.int64),
        cost=np.zeros((2, sets)),
        sums=np.zeros((2, len(timer.rho))),
        touched=np.zeros(_CHANGES + (_CHANGES_EACH + 1) * int(reads.max(initial=0)) + 1, dtype=np.int32),
    )


def most_rows(instance: Instance, reads: Int64) -> int:
    """Rows that the path of any block may have: one a read, and for n steps between two no more than 2 log2(n + 1) nodes."""
    nodes = 2.0 * np.log2(instance.num_steps / (reads + 1.0) + 1.0) + 1.0
    return int(np.ceil((reads + 1.0) * (nodes + 1.0)).max(initial=0)) + 1


def rounded_stays(
    instance: Instance,
    prices: Prices,
    *,
    seed: int,
    mean_s: float = 0.0,
    limits: Limits | None = None,
    sweeps: int = SWEEPS,
    enough: float = 0.0,
) -> Stays | None:
    """The best paths of all blocks that a sweep led to, within the room of every tier.

    None where a block found no room, or the limits came before the first sweep was done.

    Parameters
    ----------
    prices
        Of a bound: its rents (float64[T + 1, K], s/byte) are what room costs at first.
    seed
        Of the order in which blocks choose.
    mean_s
        The least that a step takes on average.
    sweeps
        How often every block chooses, at most.
    enough
        Paths that take no more seconds need not be better.
    """
    limits = limits or Limits()
    rounding = Rounding(instance, prices.rent, seed, mean_s)
    best, best_s = None, np.inf
    settle_s = 0.0
    for number in range(sweeps):
        within = limits if best is None else limits.within(max(0.0, limits.remaining - _SETTLES * settle_s))
        swept, began = rounding.sweep(number, sweeps, within), clock.now()
        whole = swept or (best is not None and not rounding.lost)  # a part of a later sweep is better than none
        if not whole or not rounding.settle(limits):
            break
        settle_s = clock.now() - began
        if rounding.total_s < best_s:
            best, best_s = rounding.stays(), rounding.total_s
        if best_s <= enough or not swept:
            return best
    if best is not None or limits.reached:
        return best
    rounding = Rounding(instance, prices.rent, seed, mean_s)  # where room is scarce rents have to be learned before all settle
    swept = all(rounding.sweep(number, sweeps, limits) for number in range(sweeps))
    return rounding.stays() if swept and rounding.settle(limits) else None


def _between(ends: tuple[float, float], part: float) -> float:
    return float(ends[0] * (ends[1] / ends[0]) ** part)
