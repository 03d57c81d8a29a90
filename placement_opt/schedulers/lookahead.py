"""Belady's rule with a horizon: only the next steps are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.hierarchy.future import horizon, look_ahead
from placement_opt.schedulers.hierarchy.hierarchy import Hierarchy
from placement_opt.schedulers.lru import recency, start_keys

#: Keys: what is read within the horizon is above, by its step; what is not, below, by its last read; what ends, lowest.
_UNKNOWN, _USELESS = 2**60, -(2**61)


@dataclass
class LookAhead(Policy):
    """Keep what is read soonest, as far as the next steps say, and then what was read last.

    At every step the next ``steps`` steps of its layer (of the trace without layers) and all that lies between them are known.
    Blocks that these read are kept as by ``belady``, soonest first; of the others those read last are, as by
    ``lru:scope=global``; a block that is freed there, or that no step reads before the trace ends there, goes first. So 0 steps
    are that lru, and as many as the trace has are belady: what lies between is what knowing the future is worth. A free start
    knows the steps that the first one does.
    """

    title: ClassVar[str] = "lookahead"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "clairvoyant"
    source: ClassVar[str] = "this project: Belady, IBM Systems Journal 5(2), 1966, with a horizon"
    cost: ClassVar[Cost[Size]] = passing("belady")

    steps: int = option(4, "steps of the layer that are known; 0: none, as many as there are: all", low=0, high=2**31 - 1)

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        """Note when each block is read next, and what each step learns."""
        trace = instance.trace
        self._indptr, self._future = trace.indptr, look_ahead(trace)
        self._reach = horizon(trace, self.steps)
        self._death, self._birth, self._blocks = trace.death.astype(np.int64), trace.birth, trace.blocks
        pointers, order = trace.by_block
        before = np.empty(trace.num_reads, dtype=np.int64)  # the step that read the block before
        before[order] = np.append(-1, trace.read_step[order][:-1])[: trace.num_reads]
        some = np.diff(pointers) > 0
        before[order[pointers[:-1][some]]] = -1
        self._before, self._last = before, np.full(trace.num_blocks, -1, dtype=np.int64)
        self._last[trace.blocks] = trace.read_step
        self._ending = np.argsort(self._death, kind="stable")
        self._ends = np.searchsorted(self._death[self._ending], np.arange(trace.num_steps + 2))

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._caches = Hierarchy(setting, by_layer=False, shares=False)
        self._known = int(self._reach[0])
        ids = setting.initial_blocks
        keys = self._keys(start_keys(setting, first_reads)[ids], self._future.first[ids], self._death[ids])
        self._unread = ids[keys == _USELESS]
        return self._caches.start(keys, useless=_USELESS)

    def step(self, view: View) -> Moves:
        after_read = self._future.after_read[self._indptr[view.step] : self._indptr[view.step + 1]]
        learnt, self._known = self._known, int(self._reach[view.step])
        last_read, last_born = recency(view)
        read_keys = self._keys(last_read, after_read, self._death[view.reads])
        birth_keys = self._keys(last_born, self._future.first[view.births], self._death[view.births])
        self._caches.begin(view, read_keys, birth_keys)
        ended = self._learn(view.step, learnt)
        again = read_keys > _USELESS
        if self._caches.forgets:
            done = np.concatenate([view.reads[~again], ended])
            self._caches.forget(done if view.step else np.append(done, self._unread))
        wanted = np.concatenate([view.reads[again], view.births])
        keys = np.concatenate([read_keys[again], birth_keys])
        order = np.lexsort((wanted, keys))[::-1]
        levels = np.where(keys[order] > _USELESS, 0, self._caches.lowest)
        self._caches.admit(wanted[order], keys[order], levels)
        return self._caches.moves()

    def _keys(self, last: Int64, following: Int64, death: Int64) -> Int64:
        """What to keep blocks by: their next read if that is known, else their last, unless their end is known."""
        known = np.where(following <= self._known, -following, last - _UNKNOWN)
        return np.where((following > self._known) & (death <= self._known) & (self._known >= 0), _USELESS, known)

    def _learn(self, step: int, learnt: int) -> Ids:
        """New keys of what came within the horizon since the step before; the blocks that are known to be done with."""
        if learnt >= self._known:
            return np.zeros(0, dtype=np.int64)
        steps = len(self._reach)
        news = slice(self._indptr[min(learnt + 1, steps)], self._indptr[min(self._known + 1, steps)])
        ids, before = self._blocks[news], self._before[news]
        which = (before < step) & (self._birth[ids] < step)
        at = np.repeat(
            np.arange(learnt + 1, min(self._known + 1, steps)),
            np.diff(self._indptr[learnt + 1 : min(self._known + 2, steps + 1)]),
        )
        self._caches.rekey(ids[which].astype(np.int64), -at[which])
        ended = self._ending[self._ends[learnt + 1] : self._ends[min(self._known, steps) + 1]]
        ended = ended[(self._last[ended] < step) & (self._birth[ended] < step) & (self._death[ended] > step)]
        self._caches.rekey(ended, np.full(len(ended), _USELESS))
        return ended
