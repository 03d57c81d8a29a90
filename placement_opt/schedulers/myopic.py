"""Each step's own optimum, with the residency given and the step's migrations as variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import ScheduleError
from placement_opt.bounds.size import Size
from placement_opt.instance.law import loads_of
from placement_opt.play.protocol import Effort, Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, cache_tiers, layer_of, option, passing
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy
from placement_opt.schedulers.hierarchy.transition import masks_of, moves_to
from placement_opt.schedulers.kinds import chooses
from placement_opt.schedulers.lru import recency, start_keys
from placement_opt.schedulers.myopic_program import COPIED, MOST_KINDS, MOST_TIERS, NODES, Class, StepProgram
from placement_opt.schedulers.static import needs_room, prefer_fast

_UNIT = "nodes of branch and bound, most in a step"


@dataclass
class Myopic(Policy):
    """Each step's optimum, as if the layer's next steps read what this one reads.

    A mixed-integer program a step (HiGHS): residency is given, the variables say how many of the blocks of each kind (size,
    share, tiers that hold it, read or not) lie where at the next state, and the objective is the time of this step, moves
    included, plus ``repeat`` times that of a step with the same reads, what this step produced, and the new residency, both
    under the optimal split of reads. Without that second step nothing would ever move. So it weighs what a promotion costs
    now, and what the split of reads leaves to gain, against what it saves next, and knows nothing of the future: online.

    Of blocks of a kind those read last are kept fastest, the newest first. Each layer has its even share of the tiers that
    cache; what other layers hold stays. A free start is that of ``lru``.
    """

    title: ClassVar[str] = "myopic"
    family: ClassVar[str] = "program"
    requires: ClassVar[tuple[str, ...]] = (
        f"at most {MOST_TIERS} tiers",
        f"at most {MOST_KINDS} kinds of blocks a step where loads are not by the byte",
    )
    source: ClassVar[str] = 'the "per decode step" program of arXiv 2508.13231, with the residency given'
    cost: ClassVar[Cost[Size]] = passing("myopic")

    repeat: int = option(1, "steps with the same reads that are expected to follow", low=1, high=1000)
    nodes: int = option(NODES, "of branch and bound, in the program of each step", low=1, high=2**31 - 1)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._setting, self._layer = setting, layer_of(setting)
        self._program = StepProgram(setting.memory, setting.residency, setting.home, self.repeat, self.nodes)
        self._effort = Effort(_UNIT, self.nodes, 0)
        self._labels = np.zeros(len(setting.size), dtype=np.int64)
        if setting.block_kind is not None:
            self._labels += setting.block_kind
        self._pieces = np.ones(len(setting.size), dtype=np.int64) if setting.pieces is None else setting.pieces
        self._last = start_keys(setting, first_reads)
        tiers = cache_tiers(setting)
        self._caches = tiers[:-1] if needs_room(setting) else tiers
        self._apart = setting.residency == "cache" or chooses(setting.memory.operations)  # births are unlike what is read
        largest = max(int(setting.size.max()), 1)
        share = setting.capacity // setting.num_layers
        self._share = np.where(share < largest, setting.capacity, share)
        return Hierarchy(setting, by_layer=True, shares=True).start(self._last[setting.initial_blocks])

    def step(self, view: View) -> Moves:
        self._last[view.reads], self._last[view.births] = recency(view)
        blocks = self._concerned(view)
        if not len(blocks):
            return Moves()
        after = self._decide(view, blocks)
        self._effort = Effort(_UNIT, self.nodes, self._program.most_nodes)
        masks = (after & ~COPIED).astype(np.uint16)
        return moves_to(self._setting, view, blocks, masks, self._program.sources, after & COPIED != 0)

    def _concerned(self, view: View) -> Ids:
        """Blocks that may move: read, produced, or held by a tier that caches for the step's layer; not those freed."""
        held = np.zeros(len(self._layer), dtype=bool)
        for tier in self._caches:
            held |= view.resident[tier]
        if self._setting.num_layers > 1:
            held &= self._layer == view.layer
        held[view.reads] = held[view.births] = True
        held[view.freed] = False
        return np.flatnonzero(held)

    def _decide(self, view: View, blocks: Ids) -> Int64:
        """int64: the tiers that shall hold each of these blocks at the next state; ``COPIED`` added where read, but copied."""
        setting = self._setting
        masks, shares = self._before(view, blocks)
        sizes, born = setting.size[blocks], np.isin(blocks, view.births) & self._apart
        # Blocks of a kind stand together, those read last first.
        labels, _, pieces = self._program.told(self._labels[blocks], sizes, self._pieces[blocks]).T
        order = np.lexsort((-self._last[blocks], pieces, labels, sizes, shares, masks, born))
        kinds = np.column_stack([masks, shares, sizes, born, labels, pieces])[order]
        starts = np.flatnonzero(np.r_[True, (kinds[1:] != kinds[:-1]).any(axis=1)])
        counts = np.diff(np.append(starts, len(blocks)))
        classes = [
            Class(mask, share / setting.share_base, size, count, bool(new), label, parts)
            for (mask, share, size, new, label, parts), count in zip(kinds[starts].tolist(), counts.tolist(), strict=True)
        ]
        own = np.array([int(sizes[masks >> tier & 1 != 0].sum()) for tier in range(len(setting.capacity))])
        room = own + setting.capacity - view.used
        rationed, caches = room.copy(), list(self._caches)
        rationed[caches] = np.minimum(room, np.maximum(self._share, own))[caches]
        served, read, base = self._loads(view)
        for limits in (rationed, room):
            targets = self._program.solve(classes, limits, served, read, base, view.floor)
            if targets is not None:
                after = np.empty(len(blocks), dtype=np.int64)
                after[order] = targets
                return after
        return self._stay(view, blocks, masks).astype(np.int64)

    def _before(self, view: View, blocks: Ids) -> tuple[npt.NDArray[np.uint16], Int64]:
        """(tiers that hold each block without any move of ours, share of it that is at the processor, over the share base)."""
        base = self._setting.share_base
        masks, shares = masks_of(view, blocks), np.zeros(len(self._layer), dtype=np.int64)
        shares[view.reads] = base if view.shares is None else view.shares
        shares[view.births] = base
        if self._setting.residency == "inclusive":
            masks[np.searchsorted(blocks, view.births)] = 1 << self._setting.home
        return masks, shares[blocks]

    def _loads(self, view: View) -> tuple[npt.NDArray[np.float64], Int64, npt.NDArray[np.float64]]:
        """Bytes (where loads are not by the byte: blocks) this step reads of each kind from each set of tiers, by mask; these
        kinds; what else it loads on each resource."""
        setting, operations = self._setting, self._setting.memory.operations
        sizes = setting.size[view.reads]
        told = self._program.told(self._labels[view.reads], sizes, self._pieces[view.reads])
        read, at = np.unique(told, axis=0, return_inverse=True)
        amounts = sizes.astype(float) if operations.uniform else np.ones(len(sizes))
        if view.shares is not None:
            amounts *= view.shares / setting.share_base
        served = np.zeros((len(read), 1 << len(setting.capacity)))
        np.add.at(served, (at.reshape(-1), masks_of(view, view.reads)), amounts)
        base: npt.NDArray[np.float64] = view.fixed.astype(np.float64)
        if setting.residency == "inclusive":
            # stores are alike for whatever blocks are
            births = loads_of(operations, setting.size[view.births], pieces=self._pieces[view.births])
            base = base + (births.amount[:, None] * births.store[births.kind, setting.home]).sum(axis=0)
        return served, read, base

    def _stay(self, view: View, blocks: Ids, masks: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """Where the program has no answer: nothing moves, and births go to the fastest tier with room."""
        room = (self._setting.capacity - view.used).tolist()
        if self._setting.residency != "inclusive":
            groups, homeless = prefer_fast(view.births, self._setting.size, cache_tiers(self._setting), room)
            if homeless and needs_room(self._setting):
                raise ScheduleError("produced, but no tier has room for it", step=view.step, block=homeless[0])
            for tier, ids in groups:
                masks[np.searchsorted(blocks, ids)] = 1 << tier
        return masks
