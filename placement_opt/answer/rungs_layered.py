"""The engine that works on runs (:mod:`placement_opt.layered`) as a rung for instances in rows: its prices and its schedule."""

from __future__ import annotations

import numpy as np

from placement_opt.base.atomic import scratch_folder
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.certify.layered_files import LargeSchedule, open_large_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.layered.solve import solve_large
from placement_opt.play.schedule import Schedule

NAME = "scale"


def solve_runs(
    instance: Instance, problem: Layered, *, gap: float, limits: Limits, jobs: int
) -> tuple[Prices | None, Schedule]:
    """(prices, schedule) of an instance whose question in runs is ``problem``; both are still to be proven on the rows."""
    with scratch_folder() as folder:
        place = folder / "schedule"
        found = solve_large(problem, gap=gap, limits=limits, jobs=jobs, schedule=place)
        layers = problem.layers
        moves = open_large_schedule(place, problem, layers.count, layers.turns)
        return found.prices, schedule_in_rows(instance, problem, moves)


def schedule_in_rows(instance: Instance, problem: Layered, moves: LargeSchedule) -> Schedule:
    """Moves of turns of layers as moves of steps; blocks of a layer have their order in both."""
    tiers, layers, owner = instance.num_tiers, problem.layers.count, instance.trace.block_layer
    drop = tiers + tiers * tiers + problem.fast
    initial = np.zeros((tiers, instance.num_blocks), dtype=np.bool_)
    initial[problem.home] = instance.first_state == 0
    step, op, block = ([np.zeros(0, dtype=np.int64)] for _ in range(3))
    for layer in moves.sections:
        ids = np.arange(instance.num_blocks) if owner is None else np.flatnonzero(owner == layer)
        initial[problem.fast, ids[moves.start(layer)]] = True
        turn = 0
        for chunk in moves.chunks(layer):
            for counts, names, number in ((chunk.stores, chunk.stored, problem.fast), (chunk.drops, chunk.dropped, drop)):
                turns = turn + np.repeat(np.arange(len(counts)), counts)
                step.append(turns * layers + layer)
                op.append(np.full(len(names), number, dtype=np.int64))
                block.append(ids[names])
            turn += len(chunk.stores)
    steps, ops, blocks = (np.concatenate(parts) for parts in (step, op, block))
    order = np.lexsort((blocks, ops, steps))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(steps, minlength=instance.num_steps))]).astype(np.int64)
    return Schedule(NAME, initial, indptr, ops[order].astype(np.int16), blocks[order].astype(np.int32))
