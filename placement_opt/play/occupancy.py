"""How many bytes lie in each tier at each state of a recorded schedule."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.instance.instance import Instance
from placement_opt.play.schedule import Schedule


def occupancy(instance: Instance, schedule: Schedule) -> Int64:
    """int64[T + 1, K]: bytes in tier k when step t begins, and in the end; of a schedule that keeps the rules.

    Blocks that are freed after a step are gone at the next state, from every tier that held them.
    """
    tiers, steps, size = instance.num_tiers, instance.num_steps, instance.size
    change = np.zeros((steps + 2, tiers), dtype=np.int64)
    change[0] = schedule.initial.astype(np.int64) @ size
    held = schedule.initial.astype(np.int64)
    if instance.inclusive:
        born = np.flatnonzero(instance.first_state > 0)
        np.add.at(change[:, instance.home], instance.first_state[born], size[born])
        held[instance.home, born] = 1
    op, block = schedule.op.astype(np.int64), schedule.block
    after = np.repeat(np.arange(1, steps + 1), np.diff(schedule.indptr))
    drops = tiers + tiers * tiers
    target = np.where(op < tiers, op, np.where(op < drops, (op - tiers) % tiers, op - drops))
    sign = np.where(op < drops, 1, -1)
    np.add.at(change, (after, target), sign * size[block])
    np.add.at(held, (target, block), sign)
    ending = np.flatnonzero(instance.last_state < steps)
    for tier in range(tiers):
        np.subtract.at(change[:, tier], instance.last_state[ending] + 1, size[ending] * held[tier, ending])
    return np.cumsum(change[: steps + 1], axis=0)
