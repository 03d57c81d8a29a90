"""Whole pages for the layer's next step."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, cache_tiers, option, passing
from placement_opt.schedulers.hierarchy.transition import Sources, moves_to, stuck
from placement_opt.schedulers.static import fill_in_order, needs_room, prefer_fast
from placement_opt.workload.trace import Trace


@dataclass
class Page(Policy):
    """The paper's page migration: what the layer's next step will miss is brought into the fastest tier by whole pages.

    A page is ``blocks`` consecutive blocks of a layer, by default the same of all layers together. If the next step of the
    present step's layer reads a block that the fastest tier misses, its page is brought there, blocks just read in passing and
    the others by copies. The pages of lowest number, all older than it, make way; if they do not suffice, the page stays out.
    A page whose first block is new goes to the fastest tier whole if there is room for all of it, and that room is kept.
    A free start holds the oldest whole pages. The other tiers are filled as by ``static``, and blocks that leave the fastest
    tier go to the next one with room; only under the inclusive rule a block has a second copy, its home. Under the rule cache
    those that find none are dropped, and of a page what lies nowhere comes only as far as it is just read.
    """

    title: ClassVar[str] = "page"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "paper"
    by_position: ClassVar[bool] = True  # a page is of blocks that follow each other
    source: ClassVar[str] = "arXiv 2508.13231: HBMInitPaged, PageMigration, PreferHBMPaged"
    cost: ClassVar[Cost[Size]] = passing("page")

    blocks: int = option(16, "blocks of a layer in a page", low=1, high=2**31 - 1)
    layers: str = option("all", "a page spans all layers, or each layer has its own", choices=("all", "own"))

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        """Number the pages, and find the next step of each step's layer."""
        trace = instance.trace
        ids, layer = np.arange(instance.num_blocks), np.zeros(instance.num_blocks, dtype=np.int64)
        if trace.block_layer is not None:
            layer = trace.block_layer.astype(np.int64)
        order = np.lexsort((ids, layer))
        number = np.empty(instance.num_blocks, dtype=np.int64)
        number[order] = (ids - np.searchsorted(layer[order], layer[order])) // self.blocks
        # The id of a page orders it among those of its group: of its layer, or of all layers together.
        self._span = int(number.max()) + 1
        self._page = number + layer * self._span if self.layers == "own" else number
        by_page = np.argsort(self._page, kind="stable")
        self._ends = np.searchsorted(self._page[by_page], np.arange(int(self._page.max()) + 2))
        self._by_page = by_page
        self._trace, self._size = trace, instance.size
        self._next = _next_of_layer(trace)
        self._first_birth = np.minimum.reduceat(trace.birth[by_page], self._ends[:-1].clip(max=len(ids) - 1))

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads  # the oldest pages fill the tier
        self._setting, self._sources = setting, Sources(setting.memory)
        self._tiers = cache_tiers(setting)
        self._kept: list[int] = []  # pages in the fastest tier, ascending
        self._due: dict[int, int] = {}  # bytes kept free there for their blocks that are not yet produced
        self._at_hand = np.zeros(len(setting.size), dtype=bool)  # can be stored although it lies nowhere
        resident = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
        if setting.initial is not None:
            resident = setting.initial
            self._kept = np.unique(self._page[resident[self._tiers[0]]]).tolist() if self._tiers else []
        elif self._tiers:
            self._fill(resident)
        self._mask = np.zeros(len(setting.size), dtype=np.uint16)
        for tier, row in enumerate(resident):
            self._mask[row] |= np.uint16(1 << tier)
        if setting.residency == "inclusive":
            self._mask[setting.initial_blocks] |= np.uint16(1 << setting.home)
        return resident if setting.initial is None else None

    def _fill(self, resident: Resident) -> None:
        """The oldest whole pages, until one does not fit; the rest as it comes."""
        setting, (fast, *slower) = self._setting, self._tiers
        room = int(setting.capacity[fast])
        initial = np.unique(self._page[setting.initial_blocks])
        for page in initial[np.argsort(initial % self._span, kind="stable")].tolist():
            members = self._members(page)
            if int(self._size[members].sum()) > room:
                break
            room -= int(self._size[members].sum())
            resident[fast, members[self._trace.birth[members] < 0]] = True
            self._keep(page, step=-1)
        rest = setting.initial_blocks[~resident[fast, setting.initial_blocks]]
        fill_in_order(setting, rest, slower if setting.residency == "inclusive" else [*slower, fast], resident)

    def step(self, view: View) -> Moves:
        self._mask[view.freed] = 0
        if not self._tiers:
            return Moves()
        if self._setting.residency == "cache":
            self._at_hand[:] = False
            self._at_hand[np.setdiff1d(view.reads, np.concatenate([view.freed, stuck(self._setting, view)]))] = True
        self._room = (self._setting.capacity - view.used).tolist()
        self._touched: list[Ids] = [self._place_births(view)]
        following = int(self._next[view.step])
        if following >= 0:
            needed = self._trace.reads(following)
            needed = needed[self._can_come(needed) & (self._mask[needed] >> self._tiers[0] & 1 == 0)]
            for page in np.unique(self._page[needed]).tolist():
                self._bring(page, view.step)
        touched = np.unique(np.concatenate(self._touched))
        return moves_to(self._setting, view, touched, self._mask[touched], self._sources)

    def _place_births(self, view: View) -> Ids:
        """Blocks of kept pages go to the fastest tier, others to the next with room."""
        fast, *slower = self._tiers
        inclusive = self._setting.residency == "inclusive"
        for page in np.unique(self._page[view.births]).tolist():
            whole = int(self._size[self._members(page)].sum())
            if self._first_birth[page] == view.step and whole <= self._room[fast] - sum(self._due.values()):
                self._keep(page, view.step - 1)
        kept = np.isin(self._page[view.births], self._kept)
        groups, late = prefer_fast(view.births[kept], self._size, [fast], self._room)
        others = np.concatenate([view.births[~kept], np.array(late, dtype=np.int64)])
        more, homeless = prefer_fast(others, self._size, slower if inclusive else [*slower, fast], self._room)
        if homeless and needs_room(self._setting):
            raise ScheduleError("produced, but no tier has room for it", step=view.step, block=homeless[0])
        self._mask[view.births] = 1 << self._setting.home if inclusive else 0
        for tier, ids in [*groups, *more]:
            self._mask[ids] |= np.uint16(1 << tier)
        for block, page in zip(view.births.tolist(), self._page[view.births].tolist(), strict=True):
            if page in self._due:
                self._due[page] -= int(self._size[block])
        return view.births.astype(np.int64)

    def _bring(self, page: int, step: int) -> None:
        """Bring a page into the fastest tier, if older pages make enough way."""
        fast, *slower = self._tiers
        bit = np.uint16(1 << fast)
        members = self._members(page)
        coming = members[self._can_come(members) & (self._mask[members] & bit == 0)]
        unborn = int(self._size[members[self._trace.birth[members] > step]].sum()) - self._due.get(page, 0)
        missing = int(self._size[coming].sum()) + unborn - (self._room[fast] - sum(self._due.values()))
        first = bisect_left(self._kept, page - page % self._span if self.layers == "own" else 0)
        last = bisect_left(self._kept, page)
        victims: list[int] = []
        leaving: list[Ids] = [np.zeros(0, dtype=np.int64)]
        while missing > 0 and first + len(victims) < last:
            victim = self._kept[first + len(victims)]
            held = self._members(victim)
            held = held[self._mask[held] & bit != 0]
            victims.append(victim)
            leaving.append(held)
            missing -= int(self._size[held].sum()) + self._due.get(victim, 0)
        if missing > 0:
            return
        out, room = np.concatenate(leaving), list(self._room)
        room[fast] += int(self._size[out].sum()) - int(self._size[coming].sum())
        if self._setting.residency != "inclusive":
            for tier in slower:
                room[tier] += int(self._size[coming[self._mask[coming] >> tier & 1 != 0]].sum())
            copied = self._mask[out] != bit
            down, homeless = prefer_fast(out[~copied], self._size, slower, room)
            if homeless and needs_room(self._setting):
                return
            self._mask[homeless] = 0
            self._mask[out[copied]] &= ~bit
            self._mask[coming] = 0
            for tier, ids in down:
                self._mask[ids] = 1 << tier
        else:
            self._mask[out] &= ~bit
        self._mask[coming] |= bit
        self._room = room
        for victim in victims:
            self._kept.remove(victim)
            self._due.pop(victim, None)
        if page not in self._kept:
            self._keep(page, step)
        self._touched += [coming, out]

    def _can_come(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Which of these blocks can be stored in the fastest tier, or copied there."""
        return np.asarray((self._mask[ids] != 0) | self._at_hand[ids])

    def _members(self, page: int) -> Ids:
        return self._by_page[self._ends[page] : self._ends[page + 1]]

    def _keep(self, page: int, step: int) -> None:
        """Note that a page is in the fastest tier, with room for what is produced after ``step``."""
        members = self._members(page)
        insort(self._kept, page)
        self._due[page] = int(self._size[members[self._trace.birth[members] > step]].sum())


def _next_of_layer(trace: Trace) -> Int64:
    """int64[T]: the next step of the same layer (the next step without layers), -1 after the last."""
    following = np.arange(1, trace.num_steps + 1)
    if trace.step_layer is not None:
        order = np.argsort(trace.step_layer, kind="stable")
        following[order] = np.append(order[1:], 0)
        following[order[np.append(np.diff(trace.step_layer[order]) != 0, True)]] = -1
    following[following >= trace.num_steps] = -1
    return following
