"""The engine that works on runs (:mod:`placement_opt.layered`) as a rung, for questions in runs and for those in rows."""

from __future__ import annotations

from functools import partial

import numpy as np

from placement_opt.answer.standing import Standing
from placement_opt.answer.work import Work
from placement_opt.base.atomic import scratch_folder
from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.certify.layered_files import LargeSchedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.layered.plan import Plan
from placement_opt.layered.solve import NAME, begin, solve
from placement_opt.play.schedule import Schedule


def climb_runs(work: Work, question: Layered) -> bool:
    """Both sides of a question in runs, layer by layer, wherever layers are worked on.

    It is done in one turn, which goes through every layer once and gets all the time that there is: nobody else waits for it.
    """
    where = work.backend.fitting(question.layers.count, question.memory_needed, work.limits)
    through = partial(solve, question, work.standing, gap=work.gap, limits=work.limits, start=work.start)
    work.unfinished = not through(backend=where, folder=work.folder, kept=work.kept)
    return False


def solve_rows(
    instance: Instance, question: Layered, *, gap: float, limits: Limits, jobs: int
) -> tuple[Prices | None, Schedule]:
    """(prices, schedule) of an instance whose question in runs is ``question``; both are still to be proven on the rows.

    None where no prices prove more than the roofline.
    """
    with scratch_folder() as folder:
        standing = Standing()
        roofline_s = begin(question, standing, moves=True).lower_bound_s or 0.0
        solve(question, standing, gap=gap, limits=limits, backend=Backend(jobs=jobs), folder=folder)
        state = standing.close()
        assert isinstance(state.schedule, Plan)
        schedule = schedule_in_rows(instance, question, state.schedule.save(folder / "schedule"))
        better = state.bound is not None and state.bound.method == NAME and state.lower_s >= roofline_s
        return state.prices if better else None, schedule


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
