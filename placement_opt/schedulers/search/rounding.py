"""Schedules by rounding: blocks take their best paths one part after the other, at prices of what all of them will load.

After each part the times of the steps are reckoned anew as they will be when every block has chosen: what those have loaded
that have, times as much as there are more of them (in the first sweep), or what they load now (in later ones, where blocks
leave their paths before they choose again). Prices are the slopes of these times, smoothed over a width that shrinks from part
to part; room costs the rents of a bound, more where it will be short and less where it will be left, and no block takes room
that is not there. So a block's choice is one shortest path over a table, and a sweep takes time by the states of the blocks.

It begins from no schedule, and ends near what is proven where others are many times above it: on chains of three or four tiers
that are each seven to ten times slower than the one before, belady is 4 to 9 times above, and rounding 0.05 to 0.22 after
0.1 s. Where belady is near, that and one sweep of the local search are nearer in less time: 88k reads on two tiers 4.6 % where
belady is at 0.59 and the search at 0.30 after as long; with room for 45 %, 0.88 where those are at 1.5 and 0.51; 1e6 reads on
HBM, DRAM and CXL 1.4 % after 2.7 s, belady 0.52 % after 0.3 s. Of few coarse blocks (requests on nvme4) it makes little.
A layer of a 70B model (3.3e6 reads of pages, four tiers, weights that hold HBM) 0.4 % after 4 s where rents are learned at once
(73 % where they are not), exclusive; without the weights 1.5 % after six sweeps, 2.1 % after three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.cost import Cost, once
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.schedulers.search.game import limited_tiers, make_game
from placement_opt.schedulers.search.paths import Paths, first_places, without_the_unread

if TYPE_CHECKING:
    from placement_opt.schedulers.search.game_kernels import Game

#: Sweeps, and the width of the smoothing at the first part and at the last, as shares of a step's time.
SWEEPS, _WIDTHS = 6, (2.0, 0.3)
#: Parts of the first sweeps, and how many of those there are; of later ones there are more, up to as many as leave this many
#: blocks at a time to choose at the same prices: of a few coarse blocks one more or less is much of a step's time.
_PARTS, _ROUGH, _FINE, _TOGETHER = 256, 3, 840, 3
#: Rents rise and fall by this power of e for a tier's whole room that will be short or left, and stay within these powers.
_STEEP, _MOST = 12.0, 6.0
#: ... after each sweep for good, and after each part of the first one where the bound says nothing of a tier's rent: it is
#: held by something else, such as weights in the fastest tier, and yet not everybody can have the room.
_LEARN, _LEARN_AT_ONCE = 4.0, 0.2
#: No rent counts as less than this share of the tier's mean, or of what reading all the room once a state would take.
_LEAST_RENT = 0.02
#: A sweep that gains less than this share of the time is the last.
_NEWS = 5e-4


#: What all sweeps take, and playing what came of them: blocks are offered as many sets as there are tiers, about.
COST = Cost[Size](
    "rounded",
    {
        "once": once,
        "per_step_and_pair_of_tiers": lambda size: size.steps * size.tiers**2,
        "per_state_and_pair_of_tiers": lambda size: size.triples * size.tiers,
    },
    {
        "once": once,
        "per_step_and_pair_of_tiers": lambda size: size.steps * size.tiers**2,
        "per_state": lambda size: size.triples / size.tiers,
    },
)


def rounded_paths(
    instance: Instance,
    prices: Prices,
    *,
    seed: int,
    limits: Limits | None = None,
    patience: Limits | None = None,
    sweeps: int = SWEEPS,
    enough: float = 0.0,
) -> Paths | None:
    """Paths of all blocks within the room of every tier; None where a block found no room, or the limits came first.

    Parameters
    ----------
    instance
        One that the search is defined for (:func:`placement_opt.schedulers.search.game.searchable`).
    prices
        Of a bound: its rents (float64[T + 1, K], s/byte) are what room costs at first.
    seed
        Of the order in which blocks choose.
    limits
        Deadline, stop request.
    patience
        The same for all sweeps but the first; ``limits`` where there is none.
    sweeps
        How often every block chooses at most.
    enough
        Seconds that are near enough to what is proven: no further sweep.
    """
    limits = limits or Limits()
    rounding = Rounding(instance, prices.rent, seed)
    for number in range(sweeps):
        within = limits if number == 0 or patience is None else patience
        if within.reached or not rounding.sweep(number, sweeps, within) or rounding.seconds <= enough:
            break
    if np.isinf(rounding.seconds):
        return None
    paths = Paths(tier_sets(instance).astype(np.uint16), first_places(instance), rounding.best)
    return without_the_unread(instance, paths)


def offered(instance: Instance, game: Game) -> Int64:
    """int64[U]: the numbers of the sets that blocks are offered: beside the home tier one more at most, and given starts."""
    masks = tier_sets(instance)
    least = 1 << instance.home if instance.inclusive else 0
    copies = np.array([bin(int(mask) & ~least).count("1") for mask in masks])
    begin = game.block[:-1, 3]
    return np.union1d(np.flatnonzero(copies <= 1), begin[begin >= 0])


class Rounding:
    """All blocks, and what they load so far."""

    def __init__(self, instance: Instance, rent: Float64, seed: int) -> None:
        self.instance, self.rng = instance, np.random.default_rng(seed)
        self.game: Game = make_game(instance, rent, seed)
        self.fixed = self.game.value.copy()
        self.limited = limited_tiers(instance)
        self.capacity = np.maximum(instance.capacity[self.limited].astype(np.float64), 1.0)
        unit = float(np.maximum(self.fixed.max(axis=1), instance.floor).mean()) / self.capacity
        least = _LEAST_RENT * np.maximum(rent[:, self.limited].mean(axis=0), unit)
        self.rent = np.maximum(rent[:, self.limited], least)
        self.untold = rent[:, self.limited].mean(axis=0) < _LEAST_RENT * unit
        self.kind = self.game.block[:-1, 7]
        self.use = offered(instance, self.game)
        self.number = np.zeros(len(self.game.member), dtype=np.int64)
        self.number[self.use] = np.arange(len(self.use))
        steps, sets = instance.num_steps, len(self.use)
        square = (steps, sets, sets)
        self.tables = *np.zeros((2, steps, sets)), *np.zeros((2, *square)), np.zeros(square, dtype=np.bool_)
        self.best, self.seconds = self.game.path, np.inf
        alive = len(self.game.path) / (steps + 1)
        self.fine = int(np.clip(alive / _TOGETHER, _PARTS, _FINE))

    def sweep(self, number: int, sweeps: int, limits: Limits) -> bool:
        """Every block once; False where that was little use, one found no room or the limits came first."""
        from placement_opt.schedulers.search.rounding_kernels import choose_all, tabulate

        count, again = self.instance.num_blocks, number > 0
        parts = min(_PARTS if number < _ROUGH else self.fine, max(1, count))
        scratch = np.zeros((2, len(self.use)))
        bytes_all, bytes_done = float(self.instance.size.sum()), 0.0
        for part, some in enumerate(np.array_split(self.rng.permutation(count), parts)):
            if limits.reached:
                return False
            along = (number + part / parts) / sweeps
            share = 1.0 if again else max(bytes_done / bytes_all, 1e-9)
            hold, slope = self.prices(share, along, blind=not again and part == 0)
            for kind in np.unique(self.kind[some]):
                tabulate(self.game, kind, slope, *self.tables, self.use)
                mine = some[self.kind[some] == kind]
                if choose_all(self.game, mine, again, self.use, self.number, *self.tables, hold, *scratch) >= 0:
                    return False
            bytes_done += float(self.instance.size[some].sum())
            if not again and self.untold.any():
                self.learn(bytes_done / bytes_all)
        short = (self.capacity - self.game.room) / self.capacity - 1.0
        self.rent *= np.exp(np.clip(_LEARN * short, -_MOST / 2, _MOST / 2))
        seconds = float(np.maximum(self.game.value.max(axis=1), self.game.floor).sum())
        before = self.seconds
        if seconds < before:
            self.best, self.seconds = self.game.path.copy(), seconds
        finer = number < _ROUGH and self.fine > _PARTS
        return finer or seconds < before * (1.0 - _NEWS)

    def learn(self, share: float) -> None:
        """Rents that no bound told go on rising while a tier will be short of room, when so large a share of the blocks has
        chosen: by what it is short now alone it would stay short by as much as keeps the rent up, until it is full."""
        short = (self.capacity - self.game.room) / share / self.capacity - 1.0
        most = np.where(self.untold, _LEARN_AT_ONCE * short, 0.0)
        self.rent *= np.exp(np.clip(most, -0.5, 0.5))

    def prices(self, share: float, along: float, *, blind: bool) -> tuple[Float64, Float64]:
        """(float64[T + 1, S] of room by set, float64[T, V] of values) where so large a share of the blocks has chosen."""
        from placement_opt.schedulers.search.rounding_kernels import weigh_all

        game = self.game
        value = self.fixed if blind else self.fixed + (game.value - self.fixed) / share
        times = np.maximum(value.max(axis=1), game.floor)
        width = _WIDTHS[0] * (_WIDTHS[1] / _WIDTHS[0]) ** along * (times + times.mean()) / 2
        slope = np.zeros_like(value)
        weigh_all(game.floor, width, value, slope)
        if blind:
            slope[:] = 1.0 / slope.shape[1]
        short = np.zeros_like(self.rent) if blind else (self.capacity - game.room) / share / self.capacity - 1.0
        rent = self.rent * np.exp(np.clip(_STEEP * short, -_MOST, _MOST))
        return np.ascontiguousarray(rent @ game.member[self.use].T.astype(np.float64)), slope
