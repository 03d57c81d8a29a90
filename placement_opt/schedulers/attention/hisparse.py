"""A hot buffer on top of a host copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, View
from placement_opt.schedulers.attention.scored import NOBODY, PROTECTED, Scored, keyed
from placement_opt.schedulers.base import option, passing


@dataclass
class HiSparse(Scored):
    """A hot buffer of fixed size for each layer: what a step misses comes in, in place of what was not read lately.

    The buffer is the layer's share of the fastest tier; what lies below are the others. Victims are the least recently read
    (blocks of one step by age, oldest first), or those that a clock's hand finds unread since it last came by: it goes round
    the buffer in the order in which blocks came in, passes those read since and forgets that they were, and takes the others
    until there is room for all that the step missed. Under ``clock`` nothing else makes way.
    """

    title: ClassVar[str] = "hisparse"
    source: ClassVar[str] = "SGLang HiSparse: device buffer over a host copy, LRU or CLOCK"
    cost: ClassVar[Cost[Size]] = passing("h2o")

    victims: str = option("lru", "what makes way: the least recently read, or by a clock's hand", choices=("lru", "clock"))

    def _begin(self, first: npt.NDArray[np.bool_]) -> None:
        super()._begin(first)
        self._marked = np.zeros(len(self._key), dtype=np.bool_)
        self._ring = [self._order.of(layer).copy() for layer in range(self._setting.num_layers)]

    def _rank(self, view: View) -> Ids:
        at_hand = np.concatenate([view.reads, view.births])
        if self.victims == "lru":
            turn = np.full(len(at_hand), self._turns[view.layer] + 1)
            self._key[at_hand] = keyed(2 * turn + (np.arange(len(at_hand)) >= len(view.reads)), self._order.arrival[at_hand])
            return NOBODY
        self._key[at_hand] = PROTECTED
        self._marked[view.reads] = True
        changed = [NOBODY]
        for layer, own in self._order.split(at_hand):
            changed.append(self._sweep(view, layer, own))
        return np.concatenate(changed)

    def _sweep(self, view: View, layer: int, own: Ids) -> Ids:
        """Let the hand go round until there is room for what a layer misses; those whose keys change."""
        size, inside = self._setting.size, view.resident[self._fast]
        ring = self._ring[layer]
        ring = ring[inside[ring] & self._order.alive[ring]]
        coming = own[~inside[own] & self._order.alive[own]]
        short = int(size[coming].sum()) - (self._room[layer] - int(size[ring].sum()))
        victims = [NOBODY]
        for _ in range(2):
            if short <= 0:
                break
            taken = ~self._marked[ring]
            freed = np.cumsum(size[ring] * taken)
            end = int(np.searchsorted(freed, short)) + 1  # all of it where that is not enough
            passed = ring[:end]
            victims.append(passed[taken[:end]])
            short -= int(size[victims[-1]].sum())
            self._marked[passed] = False
            ring = np.concatenate([ring[end:], passed[~taken[:end]]])
        self._marked[coming] = False
        self._ring[layer] = np.concatenate([ring, coming])
        out = np.concatenate(victims)
        ring = ring[self._key[ring] != PROTECTED]
        self._key[ring] = PROTECTED
        self._key[out] = keyed(np.full(len(out), self._turns[view.layer]), self._order.arrival[out])
        return np.concatenate([ring, out])
