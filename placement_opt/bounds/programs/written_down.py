"""What branch and bound has found, as a schedule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.bounds.programs.horizon import HorizonProgram
from placement_opt.instance.instance import Instance
from placement_opt.play.schedule import Schedule


def written_down(instance: Instance, program: HorizonProgram, x: Float64) -> Schedule:
    """Residency and moves of an incumbent, which there must be; a copy made in several ways is made in the one used most.

    What a cache need not keep any longer, because nobody reads it again, is dropped: no row counts it from there on.
    """
    tiers = instance.num_tiers
    events, before = program.events, program.before
    held = program.residency(x) > 0.5
    stored, copied = _arrivals(instance, program, x)
    comes, goes = held[:, before + 1] & ~held[:, before], held[:, before] & ~held[:, before + 1]
    step: list[Int64] = []
    op: list[npt.NDArray[np.int64]] = []
    block: list[Int64] = []

    def add(number: int, at: Int64, owner: Int64) -> None:
        step.append(at)
        op.append(np.full(len(at), number))
        block.append(owner)

    born = np.flatnonzero(instance.first_state > 0)
    last = np.append(program.first_segment[1:], program.segments) - 1  # segment of each block
    spent = program.closes[last] < instance.last_state
    for k in range(tiers):
        passing = comes[k] & (stored[k] > 0.5 * events.share)
        add(k, events.step[passing], events.owner[passing])
        source = copied[:, k].argmax(axis=0)
        for j in range(tiers):
            fetched = comes[k] & ~passing & (source == j)
            add(tiers + j * tiers + k, events.step[fetched], events.owner[fetched])
        add(tiers + tiers * tiers + k, events.step[goes[k]], events.owner[goes[k]])
        forgotten = np.flatnonzero(held[k, last] & spent)
        add(tiers + tiers * tiers + k, program.closes[last][forgotten], forgotten)
        if not (instance.inclusive and k == instance.home):
            into = born[held[k, program.first_segment[born]]]
            add(k, instance.first_state[into] - 1, into)
    steps, ops, blocks = np.concatenate(step), np.concatenate(op), np.concatenate(block)
    order = np.lexsort((blocks, ops, steps))
    exists = np.flatnonzero(instance.first_state == 0)
    initial = np.zeros((tiers, instance.num_blocks), dtype=bool)
    initial[:, exists] = held[:, program.first_segment[exists]]
    indptr = np.searchsorted(steps[order], np.arange(instance.num_steps + 1)).astype(np.int64)
    return Schedule("milp", initial, indptr, ops[order].astype(np.int16), blocks[order].astype(np.int32))


def _arrivals(instance: Instance, program: HorizonProgram, x: Float64) -> tuple[Float64, Float64]:
    """What comes at each event: float64[K, M] stored in passing to each tier, float64[K, K, M] copied from tier to tier.

    Copies that the program does not offer, because another way is never dearer, count -1.
    """
    tiers, count = instance.num_tiers, len(program.events.step)
    stored, copied = np.zeros((tiers, count)), np.full((tiers, tiers, count), -1.0)
    for n, k in enumerate(program.tiers):
        first = program.column["p"] + n * len(program.stores)
        stored[k, program.stores] = x[first : first + len(program.stores)]
    column = program.column["z"]
    for j, k, which in program.copies:
        copied[j, k, which] = x[column : column + len(which)]
        column += len(which)
    return stored, copied
