"""The tables of the local search (:mod:`placement_opt.schedulers.search.search`) on one instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import Loads, tier_sets
from placement_opt.memory.split.timing import StepTimer
from placement_opt.schedulers.hierarchy.transition import Sources
from placement_opt.schedulers.kinds import fewest, serving
from placement_opt.schedulers.search.paths import first_places, num_states

if TYPE_CHECKING:
    from placement_opt.schedulers.search.game_kernels import Game


#: Paths beyond this many (block, state) pairs are not searched: they take three bytes each.
MOST_STATES = 2**28
#: Tier sets, the empty one aside, beyond which a block's paths are not searched.
MOST_SETS = 31
#: Kinds of block beyond which none are: each has price vectors of its own.
MOST_KINDS = 8
#: Price vectors beyond which a step is not timed in a loop over them.
MOST_VECTORS = 256
#: A (block, state) pair takes as long as its S tier sets and V price vectors make it, about in proportion to S (S + V): so many
#: of these count as one pair of two tiers.
_PAIR = 40
#: Blocks that move together in one chain, at most.
MOST_LINKS = 4


def searchable(instance: Instance, most_states: int | None = None) -> bool:
    """Whether an instance has few enough tiers, tier sets and states to be searched."""
    tiers = instance.num_tiers
    sets = {"exclusive": tiers, "inclusive": 2 ** (tiers - 1)}.get(instance.residency, 2**tiers - 1)
    if sets > MOST_SETS or num_states(instance) > (MOST_STATES if most_states is None else most_states):
        return False
    kinds = fewest(instance.loads)
    if len(kinds.row) > MOST_KINDS:
        return False
    timer = serving(instance.memory, kinds, tier_sets(instance)).timer
    return timer.complete and len(timer.rho) <= MOST_VECTORS


def make_game(instance: Instance, rent: Float64 | None, seed: int) -> Game:
    """Tables with no block placed yet; ``rent`` float64[T + 1, K] as in the search."""
    from placement_opt.schedulers.search import game_kernels as kernels

    masks = tier_sets(instance)
    steps, tiers, sets = instance.num_steps, instance.num_tiers, len(masks)
    kinds = fewest(instance.loads)
    served = serving(instance.memory, kinds, masks)
    timer = served.timer
    value = instance.fixed @ timer.rho.T
    limited = limited_tiers(instance)
    has = (masks[:, None] >> np.arange(tiers)) & 1 == 1
    arc, passing, copied, bare = arcs_of(instance, kinds, masks, has, timer)
    pointers, order = instance.trace.by_block
    shares = instance.trace.shares
    floor = np.maximum(value.max(axis=1), instance.floor)
    rent = np.zeros((steps + 1, tiers)) if rent is None else rent
    least = 1e-3 * np.maximum(rent.mean(axis=0), floor.mean() / np.maximum(instance.capacity, 1))
    return kernels.Game(
        serve=served.free,
        bring=served.bringing,
        brings=served.brings,
        either=served.either,
        store=np.array([has @ (store @ timer.rho.T) for store in kinds.store]),
        arc=arc,
        passing=passing,
        copied=copied,
        bare=bare,
        member=np.ascontiguousarray(has[:, limited]),
        block=_block_table(instance, kinds, masks, pointers),
        step=instance.trace.read_step[order].astype(np.int64),
        share=np.ones(len(order)) if shares is None else shares[order] / instance.share_base,
        path=np.zeros(num_states(instance), dtype=np.uint8),
        value=value,
        time=np.zeros(steps),
        floor=instance.floor.astype(np.float64),
        width=np.zeros(steps),
        room=np.tile(instance.capacity[limited], (steps + 1, 1)),
        fine=np.zeros(len(limited)),
        blur=np.zeros(len(limited)),
        rent=np.ascontiguousarray((rent + least)[:, limited]),
        slope=np.zeros((steps, len(timer.rho))),
        low=np.zeros((steps, len(bare))),
        idle=np.zeros((steps, len(bare))),
        fresh=np.zeros(steps, dtype=np.int64),
        cost=np.zeros((2, sets)),
        back=np.zeros((steps + 2, sets), dtype=np.uint8),
        sums=np.zeros((2, len(timer.rho))),
        stay=np.zeros(sets),
        steep=np.zeros(len(timer.rho), dtype=np.int64),
        saved=np.zeros((MOST_LINKS + 2) * (steps + 2), dtype=np.uint8),
        chain=np.zeros(MOST_LINKS + 1, dtype=np.int64),
        count=np.array([0, 0, max(1, sets * (sets + len(timer.rho)) // _PAIR)], dtype=np.int64),
        dice=np.array([seed], dtype=np.uint64),
    )


def limited_tiers(instance: Instance) -> Int64:
    """int64[L]: tiers in which not everything that may be of use fits."""
    limited = np.flatnonzero(instance.capacity < instance.wanted_bytes.max())
    return limited[limited != instance.home] if instance.inclusive else limited


def dearest(instance: Instance, game: Game) -> float:
    """The highest price of reading a byte, in seconds."""
    from placement_opt.schedulers.search import game_kernels as kernels

    loads = instance.loads
    block = np.unique(loads.kind, return_index=True)[1]  # one of each kind
    price = game.serve.max(axis=(1, 2))[game.block[block, kernels.KIND]]
    if not loads.operations.uniform:
        price = price * game.block[block, kernels.AMOUNT] / instance.size[block]
    return float(price.max())


def arcs_of(
    instance: Instance, kinds: Loads, masks: Int64, has: npt.NDArray[np.bool_], timer: StepTimer
) -> tuple[Int64, Float64, Float64, npt.NDArray[np.bool_]]:
    """Changes of the tier set that add copies: their numbers by set and set, and what they cost each kind at each price vector.

    The cost if the block is at the processor, and if it is not: the moves of a transition; and which of them the latter cannot
    make, because the block lies nowhere.
    """
    pairs = [(i, j) for i, j in np.ndindex(len(masks), len(masks)) if (has[j] & ~has[i]).any()]
    arc = np.full((len(masks), len(masks)), -1, dtype=np.int64)
    for number, (i, j) in enumerate(pairs):
        arc[i, j] = number
    passing, copied = np.zeros((2, len(kinds.row), len(pairs), len(timer.rho)))
    choices = Sources(instance.memory)
    for kind, (size, pieces) in enumerate(zip(kinds.size.tolist(), kinds.pieces.tolist(), strict=True)):
        write, copy, sources = kinds.store[kind] @ timer.rho.T, kinds.copy[kind] @ timer.rho.T, choices.table(size, pieces)
        for number, (i, j) in enumerate(pairs):
            gained = np.flatnonzero(has[j] & ~has[i])
            passing[kind, number] = write[gained].sum(axis=0)
            if masks[i]:
                copied[kind, number] = copy[sources[masks[i], gained], gained].sum(axis=0)
    return arc, passing, copied, np.array([masks[i] == 0 for i, _ in pairs], dtype=np.bool_)


def _block_table(instance: Instance, kinds: Loads, masks: Int64, pointers: Int64) -> Int64:
    """See the columns of :mod:`placement_opt.schedulers.search.game_kernels`."""
    from placement_opt.schedulers.search import game_kernels as kernels

    table = np.zeros((instance.num_blocks + 1, 8), dtype=np.int64)
    blocks = table[:-1]
    blocks[:, kernels.SIZE], blocks[:, kernels.FIRST] = instance.size, instance.first_state
    blocks[:, kernels.LAST], blocks[:, kernels.AMOUNT], blocks[:, kernels.KIND] = instance.kept_until, kinds.amount, kinds.kind
    blocks[:, kernels.BEGIN] = np.where(instance.first_state > 0, kernels.BORN, kernels.FREE)
    if instance.initial is not None:
        exists = instance.first_state == 0
        weights = np.int64(1) << np.arange(instance.num_tiers)
        blocks[exists, kernels.BEGIN] = np.searchsorted(masks, weights @ instance.initial[:, exists])
    table[:, kernels.READS] = pointers
    table[:, kernels.PLACE] = first_places(instance)
    return table
