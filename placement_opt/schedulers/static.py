"""Fill the fast tier once and never move anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import ScheduleError
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, cache_tiers, option, passing
from placement_opt.schedulers.lru import start_keys


@dataclass
class Static(Policy):
    """The paper's static placement: fill the fastest tier once, then never move anything.

    A free start puts blocks into the fastest tier until it is full, then into the next; new blocks go to the fastest tier
    that has room left ("HBMInit", "PreferHBM"). A block lies in one tier, beside its home copy under the inclusive rule;
    under the rule cache what finds no room lies nowhere.
    """

    title: ClassVar[str] = "static"
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "arXiv 2508.13231: HBMInit, NoMigration, PreferHBM"
    cost: ClassVar[Cost[Size]] = passing("static")

    fill: str = option(
        "oldest", "which blocks fill the tiers first: oldest (as in the paper), newest, or what the first steps read",
        choices=("oldest", "newest", "reads"),
    )  # fmt: skip

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._setting, self._order = setting, cache_tiers(setting)
        if setting.initial is not None:
            return None
        ids = setting.initial_blocks
        if self.fill == "reads":
            ids = ids[np.argsort(start_keys(setting, first_reads)[ids])[::-1]]
        elif self.fill == "newest":
            ids = ids[::-1]
        resident = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
        fill_in_order(setting, ids, self._order, resident)
        return resident

    def step(self, view: View) -> Moves:
        stores, homeless = prefer_fast(
            view.births, self._setting.size, self._order, (self._setting.capacity - view.used).tolist()
        )
        if homeless and needs_room(self._setting):
            raise ScheduleError("produced, but no tier has room for it", step=view.step, block=homeless[0])
        return Moves(store=stores)


def fill_in_order(setting: Setting, ids: Ids, tiers: Sequence[int], resident: Resident) -> None:
    """Put blocks, in this order, each into the first of these tiers with room beside what is ``resident`` (which changes).

    Those without room are left to the home tier under the inclusive rule, and nowhere under the rule cache; otherwise
    ScheduleError names the first.
    """
    for tier in tiers:
        fits = first_fit(setting.size[ids], int(setting.capacity[tier] - setting.size @ resident[tier]))
        resident[tier, ids[fits]] = True
        ids = ids[~fits]
    if len(ids) and needs_room(setting):
        raise ScheduleError("no tier has room for it at the start", block=int(ids[0]))


def needs_room(setting: Setting) -> bool:
    """Whether a block that no tier has room for is a failure: it has neither a home nor leave to lie nowhere."""
    return setting.residency in ("exclusive", "free")


def first_fit(sizes: Int64, room: int) -> npt.NDArray[np.bool_]:
    """Which of these sizes fit into the room, each taken if it fits when its turn comes."""
    fits = np.zeros(len(sizes), dtype=bool)
    at = 0
    while at < len(sizes):
        # Whole stretches at once: up to the first that does not fit, which is left out.
        stretch = int(np.searchsorted(np.cumsum(sizes[at:]), room, side="right"))
        fits[at : at + stretch] = True
        room -= int(sizes[at : at + stretch].sum())
        at += stretch
        small = sizes[at:] <= room  # the next one is the first that still fits
        at = at + int(np.argmax(small)) if small.any() else len(sizes)
    return fits


def prefer_fast(ids: Ids, size: Int64, tiers: Sequence[int], room: list[int]) -> tuple[list[tuple[int, Ids]], list[int]]:
    """Each block for the first of these tiers with room: (tier, ids) groups, and those without; ``room`` shrinks."""
    found: dict[int, list[int]] = {}
    homeless = []
    for block, needed in zip(ids.tolist(), size[ids].tolist(), strict=True):
        tier = next((k for k in tiers if room[k] >= needed), None)
        if tier is None:
            homeless.append(block)
        else:
            room[tier] -= needed
            found.setdefault(tier, []).append(block)
    return [(tier, np.array(blocks, dtype=np.int64)) for tier, blocks in found.items()], homeless
