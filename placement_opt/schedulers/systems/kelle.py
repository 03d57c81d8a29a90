"""Kelle's eviction: the least decayed score goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.schedulers.attention.heavy import Heavy
from placement_opt.schedulers.base import option, passing


@dataclass
class Kelle(Heavy):
    """Keep the first blocks, the newest, and those whose reads, fading with time, sum up to most.

    The paper's AERP: each layer's room keeps its first tokens (10) and a recent window of half the room (256 of 512), and on
    overflow the least important of the rest goes. Its importance is a sum of attention; the sum fades here by ``decay`` each
    step of the layer (1: it does not), because a trace says only what is read. Tokens that most heads keep are recomputed
    there from half the bytes: here whatever can be computed anew is, where that is the quicker way to serve a read, whoever
    places it. The paper's refresh of its cells belongs to the memory system.
    """

    title: ClassVar[str] = "kelle"
    family: ClassVar[str] = "system"
    by_position: ClassVar[bool] = True  # what is there at the start came in the order of ids
    source: ClassVar[str] = "Kelle, arXiv 2510.16040: AERP"
    cost: ClassVar[Cost[Size]] = passing("kelle")

    sinks: int = option(10, "first blocks of a layer that stay", low=0, high=2**31 - 1)
    recent: float = option(0.5, "share of a layer's room for its newest blocks", low=0.0, high=1.0)
    decay: float = option(0.98, "what is left of a score after a step of the layer", low=0.01, high=1.0)

    @property
    def _frame(self) -> tuple[int, float, float]:
        return self.sinks, self.recent, self.decay
