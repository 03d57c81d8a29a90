"""Schedulers played beside a run: where they would have blocks by now, and what their steps load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from placement_opt.base.arrays import Flags, Float64
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View, cheapest_source
from placement_opt.schedulers.classical.caching import Classical
from placement_opt.schedulers.contender.rule import Rule
from placement_opt.schedulers.hierarchy.queues import alone, near
from placement_opt.schedulers.hierarchy.transition import Masks, remade
from placement_opt.schedulers.lru import LRU


class Player(Protocol):
    """What can be played beside a run: a scheduler that looks at neither ``used`` nor the clock of a view."""

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """As of a scheduler."""
        ...

    def step(self, view: View) -> Moves:
        """As of a scheduler."""
        ...


class Ghost:
    """A scheduler that is shown what the run is shown, but the blocks where it would have them."""

    def __init__(self, player: Player) -> None:
        self.player, self._moves = player, Moves()

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """As of the scheduler."""
        self._setting, self._home = setting, setting.home if setting.residency == "inclusive" else -1
        chosen = self.player.start(setting, first_reads)
        given = setting.initial if chosen is None else chosen
        assert given is not None
        self._resident: Resident = given.copy()
        if self._home >= 0:
            self._resident[self._home, setting.initial_blocks] = True
        self._mask = np.zeros(len(setting.size), dtype=np.uint16)
        for tier, row in enumerate(self._resident):
            self._mask |= row.astype(np.uint16) << np.uint16(tier)
        return chosen

    def held(self, ids: Ids) -> Masks:
        """uint16[n]: the tiers that hold each of these blocks, bit k for tier k."""
        return np.asarray(self._mask[ids])

    def step(self, view: View, moved: Float64) -> None:
        """One step; the bytes of each store and copy are added to those there."""
        told = (view.step, view.layer, view.reads, view.shares, view.births, self._resident, view.used, view.fixed)
        self._moves = moves = self.player.step(View(*told, view.floor, view.freed, view.places, view.requests))
        size, tiers = self._setting.size, len(self._resident)
        for tier, ids in moves.drop:
            self._resident[tier, ids] = False
            self._mask[ids] &= np.uint16(~(1 << tier) & 0xFFFF)
        for tier, ids in moves.store:
            self._resident[tier, ids] = True
            self._mask[ids] |= np.uint16(1 << tier)
            moved[tier] += size[ids].sum()
        for source, tier, ids in moves.fetch:
            self._resident[tier, ids] = True
            self._mask[ids] |= np.uint16(1 << tier)
            moved[tiers + source * tiers + tier] += size[ids].sum()
        if self._home >= 0 and len(view.births):
            self._resident[self._home, view.births] = True
            self._mask[view.births] |= np.uint16(1 << self._home)
        if len(view.freed):
            self._resident[:, view.freed] = False
            self._mask[view.freed] = 0

    def lap(self, view: View, weight: Float64, served: Float64, moved: Float64) -> None:
        """The same; ``weight``, the bytes of each read, is added to those there of the set of tiers that may serve it."""
        served += np.bincount(self.held(view.reads), weights=weight, minlength=len(served))
        self.step(view, moved)

    @property
    def touched(self) -> Ids:
        """Blocks that its last step moved, some of them more than once."""
        parts = [one[-1] for part in (self._moves.store, self._moves.fetch, self._moves.drop) for one in part]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)

    def moves(self) -> Moves:
        """Of the last step."""
        return self._moves


class Compiled(Ghost):
    """The same of one whose arrays say what it did, so that its moves are not made for nothing."""

    def __init__(self, player: Classical | Rule) -> None:
        super().__init__(player)
        self._own = player

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        from placement_opt.schedulers.contender import ghost_kernels

        self._setting, self._kernels, self._source = setting, ghost_kernels, cheapest_source(setting.memory)
        return self._own.start(setting, first_reads)

    def held(self, ids: Ids) -> Masks:
        return self._own.held(ids)

    def step(self, view: View, moved: Float64) -> None:
        self._own.advance(view, self._stuck(view))
        self._kernels.add_moves(*self._own.changes(), self._setting.size, self._source, moved)

    @property
    def touched(self) -> Ids:
        return self._own.changes()[0]

    def moves(self) -> Moves:
        return self._own.moves()

    def _stuck(self, view: View) -> Ids:
        """As :func:`placement_opt.schedulers.hierarchy.transition.stuck`."""
        if self._setting.residency != "cache":
            return view.reads[:0]
        lost = self.held(view.reads) == 0
        partly: Flags | bool = False if view.shares is None else view.shares < self._setting.share_base
        return np.asarray(view.reads[lost & (partly | ~remade(self._setting, view.reads))])


class Cached(Compiled):
    """The same of a classical policy: a lap is one call."""

    def __init__(self, player: Classical) -> None:
        super().__init__(player)
        self._classical = player

    def lap(self, view: View, weight: Float64, served: Float64, moved: Float64) -> None:
        one = self._classical
        freed, touched, born = one.present(view, self._stuck(view))
        now, loads = (freed, view.reads, touched), (self._source, served, moved)
        until = born + len(view.births)
        one.settled(view, self._kernels.play(one.state, one.number, one.rule, one.home, now, born, until, weight, loads))


class Own(Compiled):
    """The same of the own rule: nothing is copied."""

    def __init__(self, player: Rule) -> None:
        super().__init__(player)
        self._rule = player

    def lap(self, view: View, weight: Float64, served: Float64, moved: Float64) -> None:
        shelves = self._rule.shelves
        self._kernels.serve(shelves.block, view.reads, weight, served)
        self._rule.advance(view, self._stuck(view))
        self._kernels.add_moved(shelves, self._source, moved)


class Rows(Ghost):
    """The same of ``lru`` with its blocks in rows (:mod:`placement_opt.schedulers.hierarchy.queues`): a lap is one call."""

    def __init__(self, player: LRU) -> None:
        super().__init__(player)
        self._lru = player

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        from placement_opt.schedulers.contender import ghost_kernels

        self._kernels, self._home = ghost_kernels, setting.home
        chosen = self._lru.start(setting, first_reads)
        assert self._lru.queued is not None
        self._rows = self._lru.queued
        return chosen

    def held(self, ids: Ids) -> Masks:
        return self._rows.held(ids)

    def step(self, view: View, moved: Float64) -> None:
        self._play(view, view.reads[:0], np.zeros(0), np.zeros(0), moved)

    def lap(self, view: View, weight: Float64, served: Float64, moved: Float64) -> None:
        self._play(view, view.reads, weight, served, moved)

    def _play(self, view: View, reads: Ids, weight: Float64, served: Float64, moved: Float64) -> None:
        """``weight``, of these reads, is added to what serves them."""
        rows, ids = self._rows, near(view)
        lists, stored = np.empty((2, len(ids)), dtype=np.int32), np.empty(len(ids), dtype=np.int64)
        now, loads = (view.freed, reads, ids), (served, moved)
        came, left = self._kernels.play_rows(rows.queues, rows.tier, self._home, now, weight, loads, lists, stored, rows.noted)
        self._came, self._left = stored[:came], rows.noted[:left]

    @property
    def touched(self) -> Ids:
        return np.concatenate([self._came, self._left])

    def moves(self) -> Moves:
        return self._rows.moves(self._came, self._left)


def ghost(player: Player, setting: Setting) -> Ghost:
    """The one that suits a player in a run."""
    if isinstance(player, Classical):
        return Cached(player)
    if isinstance(player, LRU) and alone(setting):
        return Rows(player)
    return Own(player) if isinstance(player, Rule) else Ghost(player)
