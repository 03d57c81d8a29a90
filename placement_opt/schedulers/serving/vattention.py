"""vAttention: room for what comes is claimed ahead, what ended requests leave is reclaimed when room is needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import layer_of, option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading
from placement_opt.schedulers.serving.owners import SERVED, Owners

_TIMES = 2**40  # more than there are touches in a run
_NEVER = -(2**62)
_NOBODY: Ids = np.zeros(0, dtype=np.int64)


@dataclass
class VAttention(Tiered):
    """Room for the next iterations is claimed ahead; pages of ended requests stay until it is needed, then go from the last.

    **Claimed ahead.** An iteration is a step of each layer. When a step's blocks have their places, room for what the next
    ``ahead`` iterations will produce is made in the fastest tier: for as many blocks of as many bytes as the last ``ahead``
    produced, in whole pages of ``page`` blocks, and for ``reserve`` of the tier at least. Pages of ended requests make that
    room; those of running ones do not, so that less may be free.

    **Reclaimed late.** Pages of ended requests stay (``deferred``) until the step's own blocks or a claim need their room, so
    that who returns finds them. ``background`` gives back one page besides at every step that neither produced nor needed
    any, ``eager`` all at once when a request ends. First goes the page that has been untouched for longest, of those the
    last of its layer. A page goes whole, one tier down where that takes it. Where none is left, the least recently
    touched block makes way. What is read comes up.

    A page is ``page`` blocks of a layer in the order in which they were produced. Who has ended is what the trace says of its
    requests (:class:`Owners`); where it says nothing, those whose blocks were untouched for ``idle`` iterations: a dense
    attention reads all of a running request at each.

    Known from the paper's own repository (vattention.cu, utils.h): allocation for the next step beside the present one, and
    for up to nine more until two blocks of pages are mapped; deferred reclamation by default, on demand, from the last page
    of inactive requests on and never from active ones; one page a step with that off; all at once when stepping in sync.
    There inactive requests go by the number of their slot, highest first; a trace has none, so that age decides here. How
    much the paper keeps free beside claims could not be checked: ``reserve`` is 0 by default. Ours are that the past
    foretells what comes (a server knows the lengths of its requests), ``idle``, and the tiers below: there allocation fails
    where no page is left. What partly used pages waste is the transform ``allocate``'s to say.
    """

    title: ClassVar[str] = "vattention"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = "Prabhu et al., vAttention, ASPLOS 2025, arXiv 2405.04437; microsoft/vattention"

    ahead: int = option(1, "iterations whose production room is claimed for before it comes", low=0)
    reserve: float = option(0.0, "least share of the fastest tier that claims leave free", low=0.0, high=1.0)
    page: int = option(1, "blocks of a layer that are mapped and reclaimed together", low=1)
    reclaim: str = option("deferred", "when pages of ended requests go: as room is needed, one a step as well, or at once",
                          choices=("deferred", "background", "eager"))  # fmt: skip
    idle: int = option(1, "iterations untouched after which a block's request has ended, where a trace has no requests", low=1)

    def rule(self) -> Rule:
        return Rule(move=True, depth=ALL)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        count, layers = len(setting.size), setting.num_layers
        self._owners, self._iteration = Owners(setting, wait=0), layers
        self._running = np.zeros(count, dtype=np.bool_)
        self._touched = np.full(count, _NEVER, dtype=np.int64)
        self._touched[setting.initial_blocks] = -1
        self._layer = layer_of(setting).astype(np.int64)
        self._page, self._grown = np.zeros(count, dtype=np.int64), np.zeros(layers, dtype=np.int64)
        self._number(setting.initial_blocks)
        self._recent: deque[Ids] = deque([_NOBODY] * (self.ahead * layers))
        found = super().start(setting, first_reads)
        blocks = np.arange(count)
        self._caches = np.unique(self._levels.caches(0, blocks)).tolist() if self._levels.tiers else []
        return found

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        arrived = np.concatenate([reads, births])
        self._number(births)
        self._recent.append(births)
        self._recent.popleft()
        self._touched[arrived] = view.step
        changed = self._ends(view, arrived)
        self._levels.rank(changed, self.keys(changed))
        self._step = view.step
        self._needed = len(births) > 0
        missing = arrived[self._levels.missing(0, arrived)]
        of = self._levels.caches(0, missing) if self._caches else missing
        for cache in self._caches:
            sizes = self._setting.size[missing[of == cache]]
            room = int(sizes[sizes <= self._levels.capacity[cache]].sum())
            self._needed |= self._make(cache, room)

    def after(self, view: View) -> None:
        del view
        claims = self._claims()
        for cache in self._caches:
            needed = self._make(cache, int(claims[cache])) or self._needed
            if self.reclaim == "eager":
                self._make(cache, self._levels.capacity[cache])
            elif self.reclaim == "background" and not needed:
                self._make(cache, self._levels.spare(0, cache) + 1)

    def keys(self, ids: Ids) -> Int64:
        return np.asarray(self._running[ids] * _TIMES + self._last[ids])

    def _number(self, ids: Ids) -> None:
        """Pages for blocks that are new to their layers."""
        for layer in np.unique(self._layer[ids]).tolist():
            own = ids[self._layer[ids] == layer]
            self._page[own] = (self._grown[layer] + np.arange(len(own))) // self.page * len(self._grown) + layer
            self._grown[layer] += len(own)

    def _ends(self, view: View, arrived: Ids) -> Ids:
        """Note whose requests run; the blocks of which that has changed."""
        if view.requests is None:
            before, self._running = self._running, self._touched > view.step - self.idle * self._iteration
            return np.flatnonzero(before != self._running)
        changed = self._owners.see(view, arrived, self.title)
        for ids in (changed, arrived):
            self._running[ids] = self._owners.state[ids] == SERVED
        return changed

    def _claims(self) -> Int64:
        """Bytes to be free in each cache of the fastest tier."""
        found = (np.array(self._levels.capacity) * self.reserve).astype(np.int64)
        recent = np.concatenate([_NOBODY, *self._recent])
        if len(recent) and self._caches:
            size, layer, layers = self._setting.size[recent], self._layer[recent], len(self._grown)
            blocks, total, largest = (
                np.bincount(layer, minlength=layers),
                np.zeros(layers, np.int64),
                np.zeros(layers, np.int64),
            )
            np.add.at(total, layer, size)
            np.maximum.at(largest, layer, size)
            total += -blocks % self.page * largest  # the rest of the last page
            expected = np.zeros_like(found)
            there, at = np.unique(layer, return_index=True)
            np.add.at(expected, self._levels.caches(0, recent[at]), total[there])
            found = np.maximum(found, expected)
        return found

    def _make(self, cache: int, room: int) -> bool:
        """Give pages of ended requests back until so much room is free; whether any went."""
        levels = self._levels
        if levels.spare(0, cache) >= room:
            return False
        here = np.flatnonzero(levels.held[levels.tiers[0]])
        here = here[levels.caches(0, here) == cache]
        here = here[np.argsort(self._page[here], kind="stable")]
        pages, first = np.unique(self._page[here], return_index=True)
        if not len(pages):
            return False
        touched = np.maximum.reduceat(self._touched[here], first)
        ended = ~np.logical_or.reduceat(self._running[here] | (self._touched[here] == self._step), first)
        order, ends = np.lexsort((-pages, touched)), np.append(first[1:], len(here))
        went = False
        for at in order[ended[order]].tolist():
            if levels.spare(0, cache) >= room:
                break
            for block in here[first[at] : ends[at]].tolist():
                if not levels.demote(0, block):  # nor will the others find a place
                    return went
                went = True
        return went
