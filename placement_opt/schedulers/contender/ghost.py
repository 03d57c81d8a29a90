"""Schedulers played beside a run: where they would have blocks by now, and what their steps load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags, Float64
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View, cheapest_source
from placement_opt.schedulers.classical.caching import Classical
from placement_opt.schedulers.contender.rule import Rule
from placement_opt.schedulers.hierarchy.transition import remade


class Player(Protocol):
    """What can be played beside a run: a scheduler that looks at neither ``used`` nor the clock of a view."""

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """As of a scheduler."""
        ...

    def step(self, view: View) -> Moves:
        """As of a scheduler."""
        ...


class Ghost:
    """A scheduler that is shown what the run is shown, but the blocks where it would have them.

    Attributes
    ----------
    mask
        uint16[B]: the tiers that hold each block, bit k for tier k.
    touched
        Blocks that its last step moved, some of them more than once.
    """

    def __init__(self, player: Player, setting: Setting, first_reads: Sequence[Ids]) -> None:
        self._player, self._setting = player, setting
        self._home = setting.home if setting.residency == "inclusive" else -1
        chosen = player.start(setting, first_reads)
        given = setting.initial if chosen is None else chosen
        assert given is not None
        self._resident: Resident = given.copy()
        if self._home >= 0:
            self._resident[self._home, setting.initial_blocks] = True
        self.mask = masks(self._resident)
        self.touched: Ids = np.zeros(0, dtype=np.int64)

    @property
    def resident(self) -> Resident:
        """bool[K, B]: the same as ``mask``."""
        return np.asarray(self.mask >> np.arange(len(self._setting.capacity), dtype=np.uint16)[:, None] & 1).astype(np.bool_)

    def step(self, view: View, moved: Float64) -> None:
        """One step; the bytes of each store and copy are added to those there."""
        told = (view.step, view.layer, view.reads, view.shares, view.births, self._resident, view.used, view.fixed)
        self._moves = moves = self._player.step(View(*told, view.floor, view.freed, view.places, view.requests))
        size, tiers, touched = self._setting.size, len(self._resident), []
        for tier, ids in moves.drop:
            self._resident[tier, ids] = False
            self.mask[ids] &= np.uint16(~(1 << tier) & 0xFFFF)
            touched.append(ids)
        for tier, ids in moves.store:
            self._resident[tier, ids] = True
            self.mask[ids] |= np.uint16(1 << tier)
            moved[tier] += size[ids].sum()
            touched.append(ids)
        for source, tier, ids in moves.fetch:
            self._resident[tier, ids] = True
            self.mask[ids] |= np.uint16(1 << tier)
            moved[tiers + source * tiers + tier] += size[ids].sum()
            touched.append(ids)
        self.touched = np.concatenate(touched).astype(np.int64) if touched else view.freed[:0]
        self._end(view)
        if self._home >= 0 and len(view.births):
            self._resident[self._home, view.births] = True
        if len(view.freed):
            self._resident[:, view.freed] = False

    def moves(self) -> Moves:
        """Of the last step."""
        return self._moves

    def _end(self, view: View) -> None:
        if self._home >= 0 and len(view.births):
            self.mask[view.births] |= np.uint16(1 << self._home)
        if len(view.freed):
            self.mask[view.freed] = 0


class Cached(Ghost):
    """The same of a classical policy, whose arrays say what it did, so that its moves are not made for nothing."""

    def __init__(self, player: Classical | Rule, setting: Setting, first_reads: Sequence[Ids]) -> None:
        from placement_opt.schedulers.contender import ghost_kernels

        super().__init__(player, setting, first_reads)
        self._kernels, self._source = ghost_kernels, cheapest_source(setting.memory)
        self._classical = player

    def step(self, view: View, moved: Float64) -> None:
        self._classical.advance(view, self._stuck(view))
        blocks, before, after, near = self._classical.changes()
        self._kernels.add_moves(blocks, before, after, near, self._setting.size, self._source, moved)
        self.mask[blocks] = after
        self.touched = blocks
        self._end(view)

    def moves(self) -> Moves:
        return self._classical.moves()

    def _stuck(self, view: View) -> Ids:
        """As :func:`placement_opt.schedulers.hierarchy.transition.stuck`."""
        if self._setting.residency != "cache":
            return view.reads[:0]
        lost = self.mask[view.reads] == 0
        partly: Flags | bool = False if view.shares is None else view.shares < self._setting.share_base
        return np.asarray(view.reads[lost & (partly | ~remade(self._setting, view.reads))])


def ghost(player: Player, setting: Setting, first_reads: Sequence[Ids]) -> Ghost:
    """The one that suits a player."""
    return Cached(player, setting, first_reads) if isinstance(player, Classical | Rule) else Ghost(player, setting, first_reads)


def masks(resident: Resident) -> npt.NDArray[np.uint16]:
    """uint16[B] of bool[K, B]."""
    found = np.zeros(resident.shape[1], dtype=np.uint16)
    for tier, row in enumerate(resident):
        found |= row.astype(np.uint16) << np.uint16(tier)
    return found
