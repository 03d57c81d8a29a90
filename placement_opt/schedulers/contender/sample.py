"""A run in small: a share of the blocks, drawn by a hash of their ids, in rooms of that share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.play.protocol import Ids, Setting, View
from placement_opt.play.simulate import read_only
from placement_opt.schedulers.base import cache_tiers

#: Where the fastest tier holds at most so many blocks a run is small enough; else it holds so many in small.
FEW = 1024
_SEED = 0x5EED


class Sample:
    """What a scheduler would see of a run that had the blocks drawn, in tiers with their share of the room.

    Fixed loads and floors are scaled alike, so that a step takes about its share of the time. Where blocks have to lie
    somewhere the slowest tier keeps all its room.

    Attributes
    ----------
    ids
        int64[n]: the blocks drawn, ascending; their ids in the sample are their places here.
    setting
        Of the small run.
    """

    def __init__(self, setting: Setting, share: float) -> None:
        self._whole, self.share = setting, share
        drawn = _hash(len(setting.size)) < 2.0**64 * share
        drawn[0] |= not drawn.any()
        self.ids = np.flatnonzero(drawn)
        order, size = cache_tiers(setting), setting.size[self.ids]
        room = np.maximum((setting.capacity * self.share).astype(np.int64), np.minimum(setting.capacity, setting.size.max()))
        if setting.residency != "cache":
            last = setting.home if setting.residency == "inclusive" else order[-1]
            room[last] = setting.capacity[last]
        self._size = size
        self.setting = replace(
            setting,
            capacity=read_only(room),
            size=read_only(size.view()),
            block_layer=_part(setting.block_layer, self.ids),
            block_kind=_part(setting.block_kind, self.ids),
            pieces=_part(setting.pieces, self.ids),
            initial_blocks=read_only(self.places(setting.initial_blocks)[0]),
            initial=None if setting.initial is None else read_only(np.ascontiguousarray(setting.initial[:, self.ids])),
            fixed=read_only((setting.fixed * self.share).astype(np.int64)),
        )

    def places(self, ids: Ids) -> tuple[Int64, Flags]:
        """The ids in the sample of those that were drawn, and which these are."""
        at = np.searchsorted(self.ids, ids)
        drawn = np.append(self.ids, -1)[at] == ids
        return at[drawn].astype(np.int64), drawn

    def first_reads(self, reads: Sequence[Ids]) -> list[Ids]:
        """The same of the small run."""
        return [self.places(ids)[0] for ids in reads]

    def view(self, view: View) -> View:
        """The step of the small run."""
        reads, drawn = self.places(view.reads)
        births = self.places(view.births)[0]
        self._size[births] = self._whole.size[self.ids[births]]
        return replace(
            view,
            reads=reads,
            shares=None if view.shares is None else view.shares[drawn],
            births=births,
            freed=self.places(view.freed)[0],
            places=None if view.places is None else view.places[drawn],
            resident=view.resident[:, self.ids],
            fixed=read_only((view.fixed * self.share).astype(np.int64)),  # as in the whole run: one type for compiled loops
            floor=view.floor * self.share,
        )


def _hash(count: int) -> np.ndarray:
    """uint64[n]: of 0, 1, ..., as if drawn at random."""
    found = (np.arange(count, dtype=np.uint64) + np.uint64(_SEED)) * np.uint64(0x9E3779B97F4A7C15)
    found ^= found >> np.uint64(32)
    found *= np.uint64(0xD6E8FEB86659FD93)
    return found ^ found >> np.uint64(32)


def _part(array: Any, ids: Ids) -> Any:
    return None if array is None else read_only(array[ids])


def sample(setting: Setting, known: Ids) -> Sample | None:
    """By the size of the blocks known; None where the fastest tier holds few of it.

    How many blocks there will be has no part in this, nor in which of them are drawn: nothing of what comes is used.
    """
    order, size = cache_tiers(setting), float(setting.size[known].mean())
    room = setting.capacity[order[0]] / size if order and size > 0 else 0.0
    return Sample(setting, FEW / room) if room > FEW else None
