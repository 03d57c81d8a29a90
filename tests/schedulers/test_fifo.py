"""First in, first out: what sets it apart from lru, and what it does on the committed trace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.golden import Golden, measured
from tests.small import make_instance, make_trace, two_tier

#: As in test_golden.py.
GOLDEN: Golden = {
    ("inclusive", "fifo"): (122, (118, 20), 0, 0.2379259259),
    ("inclusive", "fifo:scope=global"): (104, (136, 20), 0, 0.2743703704),
    ("exclusive", "fifo"): (243, (225, 127, 0), 138, 10.62222222),
    ("exclusive", "fifo:scope=global"): (210, (257, 73, 0), 232, 12.98843537),
    ("free", "fifo"): (243, (225, 121, 0), 27, 7.525818182),
    ("free", "fifo:scope=global"): (210, (257, 51, 0), 45, 10.396),
}


def _one_a_step(room: int, *blocks: int) -> Instance:
    """A cache of so many blocks, empty at the start, and reads one after the other."""
    count = max(blocks) + 1
    instance = make_instance(two_tier(hbm=room), make_trace([[block] for block in blocks], [-1] * count))
    return replace(instance, initial=np.array([[False] * count, [True] * count]))


@pytest.mark.parametrize(("scheduler", "room", "misses"), [("fifo", 3, 9), ("fifo", 4, 10), ("lru", 3, 10), ("lru", 4, 8)])
def test_more_room_may_mean_more_misses(scheduler: str, room: int, misses: int) -> None:
    """The anomaly of Belady, Nelson and Shedler, on their reads: 9 misses of 12 with room for 3 blocks, 10 with room for 4."""
    instance = _one_a_step(room, 1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5)
    run = simulate(instance, make_scheduler(scheduler))
    assert run.stored_bytes[0] == misses
    assert run.hit_rate == pytest.approx(1 - misses / 12)


@pytest.mark.parametrize(("rule", "spec"), GOLDEN)
def test_golden(rule: Residency, spec: str) -> None:
    """Exactly the recorded bytes; paste the shown line if a change is meant."""
    found = measured(rule, spec)
    assert found == GOLDEN[rule, spec], f'    ("{rule}", "{spec}"): {found},'
