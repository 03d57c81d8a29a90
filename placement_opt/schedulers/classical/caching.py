"""What the classical policies share: the hooks of :mod:`placement_opt.schedulers.cache`, compiled.

A policy is its kind (the hooks in its ``*_kernels.py``), what it needs of the arrays of a :class:`State`, and the numbers that
its options come to for a tier of some bytes. What a cache does with victims, tier by tier and rule by rule, is stated in
:mod:`placement_opt.schedulers.cache`, whose plain caches make the same moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, cache_tiers
from placement_opt.schedulers.cache import start_levels
from placement_opt.schedulers.hierarchy.transition import Masks, Sources, copies, stuck

if TYPE_CHECKING:
    from placement_opt.schedulers.classical.state_kernels import State

_RULES = {"inclusive": 0, "exclusive": 1, "free": 2, "cache": 3}


@dataclass(frozen=True)
class Needs:
    """Of the arrays of a :class:`State`.

    Attributes
    ----------
    lists
        Number of lists.
    nodes
        In how many of them a block can be at once.
    heap, keys
        Whether there is a heap, or a row, of blocks, and no list; and whether there are keys.
    """

    lists: int = 0
    nodes: int = 1
    heap: bool = False
    keys: bool = False


@dataclass
class Classical(Policy):
    """A policy on the compiled engine; every tier that is a cache has a state of its own, and all blocks compete for it."""

    kind: ClassVar[str]
    needs: ClassVar[Needs]

    def registers(self, capacity: int) -> list[int]:  # noqa: ARG002
        """The first registers of a tier of so many bytes."""
        return []

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        from placement_opt.schedulers.classical import engine_kernels, hooks_kernels, state_kernels

        self._kernels, self.number, self._columns = engine_kernels, hooks_kernels.KINDS[self.kind], state_kernels
        self._setting, self._sources = setting, Sources(setting.memory)
        self.rule = _RULES[setting.residency]
        self.home = setting.home if setting.residency == "inclusive" else -1
        self.state = state = self._made(setting)
        if self.home >= 0:
            state.block[setting.initial_blocks, 0] = 1 << self.home
        levels = start_levels(setting, first_reads)
        level = np.repeat(np.arange(len(levels)), [len(blocks) for blocks in levels])
        self._kernels.fill(state, self.number, np.concatenate([*levels, np.zeros(0, dtype=np.int64)]), level)
        if setting.initial is not None:
            return None
        resident: Resident = (state.block[:, 0] >> np.arange(len(setting.capacity))[:, None] & 1).astype(bool)
        return resident

    def step(self, view: View) -> Moves:
        self.advance(view, stuck(self._setting, view))
        return self.moves()

    def advance(self, view: View, out: Ids) -> None:
        """One step but for what it comes to (:meth:`moves`, :meth:`changes`). ``out``: reads that cannot be brought in."""
        freed, touched, born = self.present(view, out)
        until = born + len(view.births)
        self.settled(view, self._kernels.step(self.state, self.number, self.rule, self.home, freed, touched, born, until))

    def present(self, view: View, out: Ids) -> tuple[Int64, Int64, int]:
        """Blocks freed, and those that have a turn; where among these those begin that are produced."""
        touched, born = self.turns(view)
        if len(out):
            kept = ~np.isin(touched, out)
            touched, born = touched[kept], int(kept[:born].sum())
        return view.freed.astype(np.int64, copy=False), touched, born

    def settled(self, view: View, homeless: int) -> None:
        """ScheduleError for a block that has to lie somewhere and found no place, if there is one."""
        if homeless >= 0:
            trouble = "produced, but no tier has room for it" if homeless in view.births else "its old place was taken"
            raise ScheduleError(trouble, step=view.step, block=int(homeless))

    def changes(self) -> tuple[Int64, Masks, Masks, Flags]:
        """(blocks, tiers before, tiers now, whether at the processor) of all that was moved in this step and lives on."""
        found: tuple[Int64, Masks, Masks, Flags] = self._kernels.changes(self.state)
        return found

    def held(self, ids: Ids) -> Masks:
        """uint16[n]: the tiers that hold each of these blocks, bit k for tier k."""
        return np.asarray(self.state.block[ids, self._columns.MASK] & self._columns.TIERS).astype(np.uint16)

    def moves(self) -> Moves:
        """What all that was moved in this round comes to."""
        state, columns, tiers = self.state, self._columns, self._sources.tiers
        ids = np.sort(state.block[: state.level[-1, columns.TOUCHED], columns.LIST])
        if not len(ids):
            return Moves()
        found, counts = np.empty((3 * tiers, len(ids)), dtype=np.int64), np.zeros(3 * tiers, dtype=np.int64)
        self._kernels.split(state, ids, found, counts)
        parts = [row[:count] for row, count in zip(found, counts.tolist(), strict=True)]
        store = [(tier, blocks) for tier, blocks in enumerate(parts[::3]) if len(blocks)]
        fetch: list[tuple[int, int, Ids]] = []
        for tier, blocks in enumerate(parts[1::3]):
            if len(blocks):
                before = (state.block[blocks, columns.MASK] >> columns.BEFORE & columns.TIERS).astype(np.uint16)
                fetch += copies(blocks, before, tier, self._sources, self._setting.size[blocks])
        return Moves(store, fetch, [(tier, blocks) for tier, blocks in enumerate(parts[2::3]) if len(blocks)])

    def turns(self, view: View) -> tuple[Int64, int]:
        """The blocks at the processor in the order of their turns, and where among them those begin that are produced."""
        reads = view.reads.astype(np.int64, copy=False)
        return (np.concatenate([reads, view.births]) if len(view.births) else reads), len(reads)

    def _made(self, setting: Setting) -> State:
        """Empty tiers."""
        from placement_opt.schedulers.classical import state_kernels as kernels

        tiers, blocks, needs = cache_tiers(setting), len(setting.size), self.needs
        levels, nodes = len(tiers), blocks * needs.nodes
        node = np.zeros((levels, nodes + needs.lists, 6 if needs.heap else 4), dtype=np.int32)
        if needs.heap:
            node[:, :, kernels.PLACE] = node[:, :, kernels.OWN] = -1
        else:
            node[:, :, kernels.OLDER] = node[:, :, kernels.NEWER] = np.arange(nodes + needs.lists)
            node[:, :, kernels.WHERE] = -1
        level = np.zeros((levels + 1, kernels.HELD + needs.lists), dtype=np.int64)
        for row, tier in zip(level, tiers, strict=False):
            capacity = int(setting.capacity[tier])
            own = self.registers(capacity)
            row[: kernels.FIRST] = capacity, capacity, tier, nodes
            row[kernels.FIRST : kernels.FIRST + len(own)] = own
        number = np.zeros((levels, blocks * needs.keys + 1, 2))
        return kernels.State(node, number, level, setting.size, np.zeros((blocks, 4), dtype=np.int32))
