"""Two blocks read in turn with room near for one: keeping one is faster, fetching each in time hits more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from tests.small import make_instance, make_trace, two_tier


class Stay:
    """Block 0 near, for ever."""

    name, online, source = "stay", True, "tests"

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads
        near = np.zeros((2, len(setting.size)), dtype=bool)
        near[0, 0], near[1, setting.initial_blocks] = True, True
        return near

    def step(self, view: View) -> Moves:
        del view
        return Moves()


class Turn(Stay):
    """Whatever was not read is fetched for the next step."""

    name = "turn"

    def step(self, view: View) -> Moves:
        near = np.flatnonzero(view.resident[0])
        return Moves(fetch=[(1, 0, 1 - near)], drop=[(0, near)])


def turns() -> Instance:
    """Two blocks read in turn, near room for one."""
    return make_instance(two_tier(hbm=1), make_trace([[0], [1]] * 4, [-1, -1]))
