"""Small traces for caches, and what rules of eviction do with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import placement_opt as po
from placement_opt.base.errors import ScheduleError
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.trace import Trace
from tests.operations import system
from tests.small import make_instance, make_trace, two_tier


def played(instance: Instance, scheduler: po.Scheduler) -> object:
    """Start and moves of a run, or what is wrong with it."""
    try:
        schedule = simulate(instance, scheduler, record=True).schedule
    except ScheduleError as error:
        return error.message, error.step, error.block
    assert schedule is not None
    return schedule.initial.tolist(), schedule.indptr.tolist(), schedule.op.tolist(), schedule.block.tolist()


def one_a_step(reads: list[int], sizes: list[int], room: int) -> Instance:
    """A cache of so many bytes, empty at the start, and reads one after the other."""
    blocks = len(sizes)
    trace = make_trace([[block] for block in reads], [-1] * blocks, sizes=sizes)
    return make_instance(two_tier(hbm=room), trace, initial=np.array([[False] * blocks, [True] * blocks]))


def skewed(rng: np.random.Generator, blocks: int, count: int) -> list[int]:
    """Reads of blocks, some of them much more often than others, and a scan of all."""
    weight = 1.0 / (1.0 + rng.permutation(blocks))
    reads: list[int] = rng.choice(blocks, count, p=weight / weight.sum()).tolist()
    return [*reads[: count // 2], *range(blocks), *reads[count // 2 :]]


def missed(reads: list[int], sizes: list[int], room: int, spec: str) -> tuple[int, int]:
    """(Bytes missed, bytes stored)."""
    run = simulate(one_a_step(reads, sizes, room), make_scheduler(spec))
    return round((1 - run.hit_rate) * run.read_bytes), int(run.stored_bytes[0])


def paths(reads: list[list[int]], room: int, *, strict: bool = True) -> Instance:
    """One tier of so many blocks of a byte, empty at the start; steps that read paths, the beginning first."""
    memory = system(
        [room], {"tier": 2, "compute": 1}, [[1, 0]], [[0, 0]], more=[Operation("recompute", None, (0, 1), brings=True)]
    )
    trace = Trace.from_reads(reads, positions=True)
    instance = make_instance(memory, trace, "cache", initial=np.zeros((1, trace.num_blocks), dtype=bool))
    return replace(instance, prefix="strict" if strict else "free")


def held(instance: Instance, spec: str) -> list[list[int]]:
    """What the fast tier holds before each step, and at the end."""
    schedule = simulate(instance, make_scheduler(spec), record=True).schedule
    assert schedule is not None
    resident, found = schedule.initial[0].copy(), []
    for step in range(instance.num_steps):
        found.append(np.flatnonzero(resident).tolist())
        moves = schedule.moves(step)
        for tier, ids in moves.store:
            resident[ids] |= tier == 0
        for tier, ids in moves.drop:
            resident[ids] &= tier != 0
    return [*found, np.flatnonzero(resident).tolist()]
