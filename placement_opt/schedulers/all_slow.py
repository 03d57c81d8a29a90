"""Everything in the slowest tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.base.errors import ScheduleError
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, passing
from placement_opt.schedulers.static import fill_in_order, needs_room, prefer_fast


@dataclass
class AllSlow(Policy):
    """Every block in the slowest tier that has room, for good: what offloading everything would take.

    Under the rule inclusive that is the home tier alone. Where the start is given, blocks stay where they are. The opposite,
    the fastest tier first, is ``static``.
    """

    title: ClassVar[str] = "all-slow"
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "full offload, e.g. the KV cache in host memory of FlexGen's and DeepSpeed's baselines"
    cost: ClassVar[Cost[Size]] = passing("static")

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:  # noqa: ARG002
        self._setting = setting
        self._order = () if setting.residency == "inclusive" else setting.memory.by_speed[::-1]
        if setting.initial is not None:
            return None
        resident = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
        fill_in_order(setting, setting.initial_blocks, self._order, resident)
        return resident

    def step(self, view: View) -> Moves:
        room = (self._setting.capacity - view.used).tolist()
        stores, homeless = prefer_fast(view.births, self._setting.size, self._order, room)
        if homeless and needs_room(self._setting):
            raise ScheduleError("produced, but no tier has room for it", step=view.step, block=homeless[0])
        return Moves(store=stores)
