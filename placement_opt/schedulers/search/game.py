"""The tables of the local search (:mod:`placement_opt.schedulers.search.search`) on one instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.instance.instance import Instance
from placement_opt.instance.law import tier_sets
from placement_opt.memory.split.timing import StepTimer
from placement_opt.memory.system import Int64
from placement_opt.play.protocol import cheapest_source
from placement_opt.schedulers.search.paths import first_places, num_states

if TYPE_CHECKING:
    from placement_opt.schedulers.search.search_kernels import Game

Float64 = npt.NDArray[np.float64]

#: Paths beyond this many (block, state) pairs are not searched: they take three bytes each.
MOST_STATES = 2**28
#: Tier sets beyond which a block's paths are not searched.
MOST_SETS = 31
#: Price vectors beyond which a step is not timed in a loop over them.
MOST_VECTORS = 256
#: A (block, state) pair takes as long as its S tier sets and V price vectors make it, about in proportion to S (S + V): so many
#: of these count as one pair of two tiers.
_PAIR = 40
#: Blocks that move together in one chain, at most.
MOST_LINKS = 4


def searchable(instance: Instance) -> bool:
    """Whether an instance has few enough tiers, tier sets and states to be searched."""
    tiers = instance.num_tiers
    sets = {"exclusive": tiers, "inclusive": 2 ** (tiers - 1), "free": 2**tiers - 1}[instance.residency]
    if sets > MOST_SETS or num_states(instance) > MOST_STATES:
        return False
    timer = StepTimer(instance.memory, [int(mask) for mask in tier_sets(instance)])
    return timer.complete and len(timer.rho) <= MOST_VECTORS


def memory_needed(instance: Instance) -> int:
    """Bytes that a search takes, the schedules it begins and ends with included; of more states than it can, of bundles."""
    return bytes_needed(num_states(instance), instance.num_steps, instance.num_blocks, instance.trace.num_reads)


def bytes_needed(states: int, steps: int, blocks: int, reads: int) -> int:
    """The same from the numbers alone; ``states``: pairs of a block and a state at which it is alive."""
    return 3 * min(states, MOST_STATES) + 60 * reads + 200 * blocks + 2000 * steps


def make_game(instance: Instance, rent: Float64 | None, seed: int) -> Game:
    """Tables with no block placed yet; ``rent`` float64[T + 1, K] as in the search."""
    from placement_opt.schedulers.search import search_kernels as kernels

    masks = tier_sets(instance)
    steps, tiers, sets = instance.num_steps, instance.num_tiers, len(masks)
    timer = StepTimer(instance.memory, [int(mask) for mask in masks])
    value = instance.fixed @ timer.rho.T
    limited = np.flatnonzero(instance.capacity < instance.alive_bytes.max())
    if instance.inclusive:
        limited = limited[limited != instance.home]
    has = (masks[:, None] >> np.arange(tiers)) & 1 == 1
    arc, passing, copied = _arcs(instance, masks, has, timer)
    pointers, order = instance.trace.by_block
    shares = instance.trace.shares
    floor = np.maximum(value.max(axis=1), instance.floor)
    rent = np.zeros((steps + 1, tiers)) if rent is None else rent
    least = 1e-3 * np.maximum(rent.mean(axis=0), floor.mean() / np.maximum(instance.capacity, 1))
    return kernels.Game(
        serve=np.ascontiguousarray(timer.cheapest.T),
        store=has @ (instance.memory.write @ timer.rho.T),
        arc=arc,
        passing=passing,
        copied=copied,
        member=np.ascontiguousarray(has[:, limited]),
        block=_block_table(instance, masks, pointers),
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
        low=np.zeros((steps, len(passing))),
        idle=np.zeros((steps, len(passing))),
        fresh=np.zeros(steps, dtype=np.int64),
        cost=np.zeros((2, sets)),
        back=np.zeros((steps + 2, sets), dtype=np.uint8),
        sums=np.zeros((2, len(timer.rho))),
        stay=np.zeros(sets),
        saved=np.zeros((MOST_LINKS + 2) * (steps + 2), dtype=np.uint8),
        chain=np.zeros(MOST_LINKS + 1, dtype=np.int64),
        count=np.array([0, 0, max(1, sets * (sets + len(timer.rho)) // _PAIR)], dtype=np.int64),
        dice=np.array([seed], dtype=np.uint64),
    )


def _arcs(instance: Instance, masks: Int64, has: npt.NDArray[np.bool_], timer: StepTimer) -> tuple[Int64, Float64, Float64]:
    """Changes of the tier set that add copies: their numbers by set and set, and what they cost a byte at each price vector.

    The cost if the block is at the processor, and if it is not: the moves of a transition.
    """
    write = instance.memory.write @ timer.rho.T
    copy = instance.memory.copy @ timer.rho.T
    sources = cheapest_source(instance.memory)
    arc = np.full((len(masks), len(masks)), -1, dtype=np.int64)
    passing: list[Float64] = []
    copied: list[Float64] = []
    for i, j in np.ndindex(*arc.shape):
        gained = np.flatnonzero(has[j] & ~has[i])
        if len(gained):
            arc[i, j] = len(passing)
            passing.append(write[gained].sum(axis=0))
            copied.append(copy[sources[masks[i], gained], gained].sum(axis=0))
    vectors = len(timer.rho)
    return arc, np.array(passing).reshape(-1, vectors), np.array(copied).reshape(-1, vectors)


def _block_table(instance: Instance, masks: Int64, pointers: Int64) -> Int64:
    """See the columns of :mod:`placement_opt.schedulers.search.search_kernels`."""
    from placement_opt.schedulers.search import search_kernels as kernels

    table = np.zeros((instance.num_blocks + 1, 6), dtype=np.int64)
    blocks = table[:-1]
    blocks[:, kernels.SIZE], blocks[:, kernels.FIRST] = instance.size, instance.first_state
    blocks[:, kernels.LAST] = instance.last_state
    blocks[:, kernels.BEGIN] = np.where(instance.first_state > 0, kernels.BORN, kernels.FREE)
    if instance.initial is not None:
        exists = instance.first_state == 0
        weights = np.int64(1) << np.arange(instance.num_tiers)
        blocks[exists, kernels.BEGIN] = np.searchsorted(masks, weights @ instance.initial[:, exists])
    table[:, kernels.READS] = pointers
    table[:, kernels.PLACE] = first_places(instance)
    return table
