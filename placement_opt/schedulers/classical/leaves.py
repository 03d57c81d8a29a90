"""What policies share that evict leaves alone: blocks that no other block of the tier extends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.classical.caching import Classical


@dataclass
class Leaves(Classical):
    """A policy that learns which block extends which: at the first step that reads or produces a block, the one before it.

    A step has its turns from the end of its path to the beginning, so that what is extended is used later than what extends it,
    and of a path larger than the tier the beginning stays.
    """

    drawn: ClassVar[bool]

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._seen = np.zeros(len(setting.size), dtype=bool)
        return super().start(setting, first_reads)

    def turns(self, view: View) -> tuple[Int64, int]:
        from placement_opt.schedulers.classical import leaf_kernels

        path = path_of(view)
        new = ~self._seen[path]
        if new.any():
            before = extended(self._setting, path)
            leaf_kernels.learn(self.state, self.drawn, path[new], before[new])
            self._seen[path] = True
        return path[::-1].copy(), 0


def path_of(view: View) -> Int64:
    """The blocks of a step, the beginning of its prefix first and what it produces last.

    By their places where these are shown (strict prefixes); otherwise by their ids, which is the order of production.
    """
    reads = view.reads if view.places is None else view.reads[np.argsort(view.places)]
    return np.concatenate([reads.astype(np.int64), view.births.astype(np.int64)])


def extended(setting: Setting, path: Int64) -> Int64:
    """Of each block of a path the one before it of the same layer, -1 where there is none."""
    before = np.full(len(path), -1, dtype=np.int64)
    if setting.block_layer is None or setting.num_layers == 1:
        before[1:] = path[:-1]
        return before
    layer = setting.block_layer[path]
    order = np.argsort(layer, kind="stable")
    same = layer[order[1:]] == layer[order[:-1]]
    before[order[1:][same]] = path[order[:-1][same]]
    return before
