"""What a run moved and held, step by step, for pictures and tables: of a run in rows, or of layers that take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance
from placement_opt.play.occupancy import occupancy
from placement_opt.play.run import Run
from placement_opt.play.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Trail:
    """T steps, K tiers; G groups of moves, each of one operation in one step, in the order of the steps.

    Attributes
    ----------
    held
        int64[T + 1, K]: bytes in tier k when step t begins, and in the end.
    alive
        int64[T + 1]: bytes of the blocks that are alive then.
    step, operation
        int64[G]: the step of each group and its operation, numbered as in a schedule.
    blocks, moved
        int64[G]: how many blocks it moves, and their bytes.
    """

    held: Int64
    alive: Int64
    step: Int64
    operation: Int64
    blocks: Int64
    moved: Int64


def trail_of(instance: Instance, schedule: Schedule) -> Trail:
    """Of a recorded schedule that keeps the rules."""
    operations = instance.num_tiers**2 + 2 * instance.num_tiers
    step = np.repeat(np.arange(schedule.num_steps, dtype=np.int64), np.diff(schedule.indptr))
    key = step * operations + schedule.op
    order = np.argsort(key, kind="stable")
    groups, first = np.unique(key[order], return_index=True)
    moved = instance.size[schedule.block[order]]
    return Trail(
        held=occupancy(instance, schedule),
        alive=np.asarray(instance.alive_bytes, dtype=np.int64),
        step=groups // operations,
        operation=groups % operations,
        blocks=np.diff(np.append(first, len(key))),
        moved=np.add.reduceat(moved, first) if len(first) else moved,
    )


def trail_of_run(run: Run) -> Trail:
    """Of a run in rows; InputError where its moves were not recorded."""
    if run.schedule is None or not isinstance(run.instance, Instance):
        raise InputError("found a run without its moves", "expected one with record=True", field="run")
    return trail_of(run.instance, run.schedule)


def interleaved(layers: Sequence[Trail]) -> Trail:
    """Of L layers that take turns: step ``n * L + l`` of the whole is turn n of layer l, whose changes are there after it."""
    count = len(layers)

    def together(each: Sequence[Int64]) -> Int64:
        """Of arrays of states, one for each layer, the sums over the layers at the whole's states."""
        change = np.stack([np.diff(one, axis=0) for one in each], axis=1)
        change = change.reshape(-1, *change.shape[2:])
        start = np.sum([one[0] for one in each], axis=0, keepdims=True)
        return np.asarray(np.cumsum(np.concatenate([start, change]), axis=0), dtype=np.int64)

    step = np.concatenate([one.step * count + number for number, one in enumerate(layers)])
    order = np.argsort(step, kind="stable")
    operation, blocks, moved = (
        np.concatenate([getattr(one, name) for one in layers])[order] for name in ("operation", "blocks", "moved")
    )
    return Trail(
        together([one.held for one in layers]), together([one.alive for one in layers]), step[order], operation, blocks, moved
    )
