"""Search at prices: blocks choose their best paths, transfers timed exactly, room paid for at a bound's rents.

Where blocks are read seldom and live long, most of a path is waiting, and :mod:`placement_opt.schedulers.search.search` spends
its time there, state by state. Here a block takes time by its reads (:mod:`placement_opt.schedulers.search.priced_kernels`).
For that, room must have prices that stand while blocks choose: the rents of the bound, lower where room is left and higher
where there is too little, made anew after a part of the blocks has chosen, and moved for good after each sweep. Times of steps
are smoothed at first, and sharper with each sweep. In the end the blocks that lie where no room is move out of the way, one by
one, and all go over every state once more, now for room that is there, at no price: prices keep some of it empty.

Mooncake's whole conversation trace under the rule cache, of which at least 113.6 s are proven: eight sweeps of 2 to 3 s each
from belady's 159 s end at 118.1 s with rents that prove 113.4 s; with those of few intervals, which prove 98.8 s, at 118.6 s
(119.7 s if rents move less than half as fast, 122.2 s if they stay). The search of bundles ended at 122.4 s after twelve sweeps
of 9 s. Tried and lost there: to narrow the blur to a thirtieth of a tier and less (1 to 15 % worse: prices swing while blocks
choose); a fine that rises until nothing is over, in place of the repair (1 % worse); and to let those make way first that lose
least by it (no change). With its whole price where a tier is full room fell short at 3 % of the states, and the repair took
117.18 s to 118.09; where 2 % of it are left 117.28 to 117.93, where 5 % are 117.43 to 117.85. Sweeps after the repair in which
blocks move only where there is room for them, but still pay for it: 118.15 s became 118.11 after one and 118.10 after four, as
long as four others. At no price they take 8.7 s each, and 118.15 s became 117.85 after one, 117.84 after three; where the first
is smoothed by 0.03 of a step's time, 117.64 after two, and with 0.2, 0.07, 0.02 and 0 117.53 after four. A program over the
paths of 12 to 24 classes of blocks at a time, made at its own prices and chosen by branch and bound, found 0.05 s in 500 steps
and 8 s before these sweeps, 0.01 s in 1,200 steps after them; in place of the repair it ended at 120.5 s.
At prices that prove some 113.6 s, of the 4.5 s from there to 118.15: 1.15 s are rent of room that is left over, 2.16 s steps in
which a resource with a price idles (0.85 s of it in steps under 6 ms), and the rest paths that are not the cheapest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.schedulers.kinds import fewest
from placement_opt.schedulers.search.bundles import Bundles, bundle
from placement_opt.schedulers.search.game import limited_tiers, make_game
from placement_opt.schedulers.search.paths import Paths, first_places, num_states, without_the_unread

if TYPE_CHECKING:
    from placement_opt.schedulers.search.game_kernels import Game
    from placement_opt.schedulers.search.priced_kernels import Idle

#: Sweeps, and the widths of the smoothing in the first and the last, as shares of a step's time.
SWEEPS, _WIDTHS = 8, (0.7, 0.05)
#: Room has no price where this share of a tier is left: in the first sweep, and in the last.
_BLUR = (0.15, 0.075)
#: Room has its whole price where this share of a tier is left: what is too full in the end costs more than what is left over.
_SPARE = 0.05
#: Prices are made anew so many times a sweep; too little room costs the mean rent more for each blur.
_PARTS, _STEEP = 60, 1.0
#: No rent counts as less than this share of the tier's mean.
_LEAST_RENT = 0.05
#: After a sweep rents fall by this power of e for a tier's whole room that is left, or rise; no more counts than a share.
_LEARN, _MOST_LEFT = 8.0, 0.5
#: Widths of the smoothing in the last sweeps, over every state, and (block, state) pairs, weighted as the local search weighs
#: them, that these visit at most: some 20 seconds' worth. Where that is too little for all of them there is the last one only.
_FILLING, _FILLED = (0.03, 0.0), 10**9
_TIE = 1e-6
#: (Block, state) pairs beyond which paths are not priced: they take three bytes each.
MOST_STATES = 2**30


def priceable(instance: Instance) -> bool:
    """Whether the search is defined: blocks of one kind, loads by the byte, and what serves leaves blocks at the processor."""
    operations = instance.memory.operations
    brings = operations.brings[operations.serving].all()
    return bool(operations.uniform and brings and len(fewest(instance.loads).row) == 1)


def priced_bundles(instance: Instance) -> Bundles | None:
    """Blocks that are read alike as bundles that can be priced, as few as may be: they take time, their states hardly any."""
    return bundle(instance, MOST_STATES, few=True)


def priced_paths(
    instance: Instance,
    paths: Paths,
    rent: Float64,
    idle: Flags,
    *,
    seed: int,
    limits: Limits,
    sweeps: int = SWEEPS,
) -> Paths | None:
    """Better paths, or at least others, as far as the limits allow; None where no room was found for them.

    Parameters
    ----------
    instance
        See :func:`priceable` and :func:`placement_opt.schedulers.search.game.searchable`.
    paths
        To begin with.
    rent
        float64[T + 1, K], s/byte: of a bound.
    idle
        bool[K]: tiers that blocks are not offered, and do not lie in at a given start.
    seed
        Of the order in which blocks choose.
    """
    from placement_opt.schedulers.search import game_kernels, search_kernels
    from placement_opt.schedulers.search import priced_kernels as kernels
    from placement_opt.schedulers.search.paths_kernels import SET

    game, rng = make_game(instance, rent, seed), np.random.default_rng(seed)
    paths = without_the_unread(instance, paths)
    game.path[:] = paths.number & SET
    game_kernels.smooth(game)
    game_kernels.place_all(game)
    masks, limited = tier_sets(instance), limited_tiers(instance)
    left_out = int(idle @ (np.int64(1) << np.arange(instance.num_tiers)))
    table = make_table(instance, np.flatnonzero(masks & left_out == 0))
    capacity = instance.capacity[limited].astype(np.float64)
    price = np.maximum(rent[:, limited], _LEAST_RENT * rent[:, limited].mean(axis=0))
    steep = _STEEP * price.mean(axis=0)
    reads = np.diff(instance.trace.by_block[0])
    chooses = np.flatnonzero(reads > 0) if instance.forgets else np.arange(instance.num_blocks)
    for number in range(sweeps):
        if limits.reached:
            break
        part = number / max(1, sweeps - 1)
        times = np.maximum(game.value.max(axis=1), game.floor)
        game.width[:] = _between(_WIDTHS, part) * (times + times.mean()) / 2
        game_kernels.smooth(game)
        blur = np.maximum(_between(_BLUR, part) * capacity, 2.0 * table.unit[0])
        for some in np.array_split(rng.permutation(chooses), _PARTS):
            if limits.reached:
                break
            kernels.charge(game, table, price, steep, blur, _SPARE * capacity)
            kernels.grow(game, table)
            kernels.sweep(game, table, some)
            kernels.count_room(game, table)
        left = np.clip(game.room / np.maximum(capacity, 1.0), -_MOST_LEFT, _MOST_LEFT)
        price *= np.exp(-_LEARN * left)
    game.width[:] = 0.0
    game_kernels.smooth(game)
    if not search_kernels.repair(game, rng.permutation(instance.num_blocks), _TIE):
        return None
    _fill(game, chooses, rng, limits)
    return without_the_unread(instance, Paths(masks.astype(np.uint16), first_places(instance), game.path))


def _fill(game: Game, chooses: Int64, rng: np.random.Generator, limits: Limits) -> None:
    """Sweeps in which blocks take room that is there at no price, and none that is not; never slower than before."""
    from placement_opt.schedulers.search import game_kernels, search_kernels

    seconds, path = _seconds(game), game.path.copy()
    states = int((game.block[chooses, game_kernels.LAST] - game.block[chooses, game_kernels.FIRST] + 1).sum())
    needed = states * int(game.count[game_kernels.WEIGHT]) * len(_FILLING)
    budget = int(game.count[game_kernels.WORK]) + _FILLED
    for width in _FILLING if needed <= _FILLED else _FILLING[-1:]:
        times = np.maximum(game.value.max(axis=1), game.floor)
        game.width[:] = width * (times + times.mean()) / 2
        game_kernels.smooth(game)
        for some in np.array_split(rng.permutation(chooses), _PARTS):
            if limits.reached:
                break
            search_kernels.sweep(game, some, _TIE, -1.0, 0, 0.0, budget)
    if _seconds(game) >= seconds:
        game.path[:] = path


def _seconds(game: Game) -> float:
    return float(np.maximum(game.value.max(axis=1), game.floor).sum())


def make_table(instance: Instance, use: Int64) -> Idle:
    """The tree of these tier sets, by number, with nothing in it yet; copies are timed for the median block."""
    from placement_opt.schedulers.search.priced_kernels import Idle

    steps, sets = instance.num_steps, len(use)
    levels, rows = max(1, (steps - 1).bit_length()), most_rows(instance)
    return Idle(
        use=use.astype(np.int64),
        unit=np.array([float(np.median(instance.size))]),
        tree=np.zeros((2 << levels, sets, sets)),
        stay=np.zeros((2 << levels, sets)),
        hold=np.zeros((steps + 1, sets)),
        cost=np.zeros((rows + 1, sets)),
        back=np.zeros((rows + 1, sets), dtype=np.int64),
        row=np.zeros(rows, dtype=np.int64),
        nodes=np.zeros(128, dtype=np.int64),
        stack=np.zeros((128, 5), dtype=np.int64),
        touched=np.zeros(steps + 1, dtype=np.int64),
        taken=np.zeros((steps + 3, len(limited_tiers(instance))), dtype=np.int64),
    )


def priced_bytes(instance: Instance) -> int:
    """What the search holds, about: four times all paths, and the tree over all steps with room for one path."""
    sets, levels = len(tier_sets(instance)), max(1, (instance.num_steps - 1).bit_length())
    return 4 * num_states(instance) + 8 * (2 << levels) * sets**2 + 16 * most_rows(instance) * sets


def most_rows(instance: Instance) -> int:
    """Rows that the path of any block may have: one a read, and for n steps between two no more than 2 log2(n + 1) nodes.

    The stretches of a block with R reads have T steps at most together, and the sum of their logarithms is largest where all
    are alike: a block that every request reads has four rows a read, not forty.
    """
    reads = np.diff(instance.trace.by_block[0]).astype(np.float64)
    nodes = 2.0 * np.log2(instance.num_steps / (reads + 1.0) + 1.0) + 1.0
    return int(np.ceil((reads + 1.0) * nodes).max(initial=0)) + 1


def _between(ends: tuple[float, float], part: float) -> float:
    return float(ends[0] * (ends[1] / ends[0]) ** part)
