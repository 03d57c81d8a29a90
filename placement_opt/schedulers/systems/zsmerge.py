"""ZSMerge's slots: what leaves the tail replaces the least of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.heavy import Heavy
from placement_opt.schedulers.attention.scored import NOBODY, PROTECTED
from placement_opt.schedulers.base import option, passing


@dataclass
class ZSMerge(Heavy):
    """Keep a tail of the newest; what leaves it takes the slot of the block with the least decayed score.

    A layer's room are slots: a share of them for the newest blocks, the others by a sum of reads that fades each step of the
    layer. A block that leaves the tail always gets a slot, whatever its own score: until the next block follows, others make
    way for it. The paper merges the replaced slot into a residual one, which a trace has no block for: its reads are what
    would be missed (the merged slot answers them about right). The decay is unknown.
    """

    title: ClassVar[str] = "zsmerge"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True  # what is there at the start came in the order of ids
    source: ClassVar[str] = "ZSMerge, arXiv 2503.10714"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    tail: float = option(0.4, "share of a layer's room for its newest blocks", low=0.0, high=1.0)
    decay: float = option(0.98, "what is left of a score after a step of the layer", low=0.01, high=1.0)

    @property
    def _frame(self) -> tuple[int, float, float]:
        return 0, self.tail, self.decay

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        self._entered: list[Ids] = [NOBODY] * self._setting.num_layers
        super()._begin(first)

    def _rank(self, view: View) -> Ids:
        left = super()._rank(view)
        changed = [left]
        for layer, own in self._order.split(left):
            before, self._entered[layer] = self._entered[layer], own
            self._key[before] = self._keys(before)
            changed.append(before)
        for layer in {view.layer, *self._order.layer[left].tolist()}:
            entered = self._entered[layer]
            self._key[entered] = PROTECTED - 1 - np.arange(len(entered))  # behind the tail, before every score
        return np.concatenate(changed)
