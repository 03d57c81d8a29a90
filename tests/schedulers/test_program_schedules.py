"""Schedules made of programs, with every field of the table: legal move by move, timed step by step by another hand."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.highs import solve
from placement_opt.bounds import lp
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.milp import search
from placement_opt.bounds.programs.written_down import written_down
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.targets import Targets, from_segments
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Setting, View
from placement_opt.play.schedule import Recorder, Schedule
from placement_opt.schedulers.base import Policy
from placement_opt.schedulers.lp_rounded import LpRounded
from tests.play.per_step import played
from tests.worlds import any_operations


def recorded(instance: Instance, policy: Policy) -> Schedule:
    """A policy's moves, believed one by one: whether they are allowed is for :func:`played` to say."""
    trace, exists = instance.trace, np.flatnonzero(instance.first_state == 0)
    setting = Setting(
        memory=instance.memory,
        residency=instance.residency,
        prefix=instance.prefix,
        home=instance.home,
        capacity=instance.capacity.copy(),
        size=instance.size.copy(),
        block_layer=None,
        block_kind=instance.trace.block_kind,
        pieces=instance.pieces,
        initial_blocks=exists,
        initial=instance.initial,
        fixed=instance.fixed[0],
        share_base=instance.share_base,
        num_layers=1,
    )
    chosen = policy.start(setting, [])
    resident = (instance.initial if chosen is None else chosen).copy()  # type: ignore[union-attr]
    recorder = Recorder(resident)
    for t in range(instance.num_steps):
        rows = slice(int(trace.indptr[t]), int(trace.indptr[t + 1]))
        births = np.flatnonzero(trace.birth == t)
        freed = np.flatnonzero(trace.death == t)
        after = resident.copy()
        if instance.inclusive:
            after[instance.home, births] = True
        after[:, freed] = False
        shares = None if trace.shares is None else trace.shares[rows]
        reads = trace.blocks[rows].astype(np.int64)
        used = after @ instance.size
        moves = policy.step(
            View(t, 0, reads, shares, births, resident, used, instance.fixed[t], float(instance.floor[t]), freed)
        )
        recorder.add(moves)
        for k, ids in [*moves.store, *((k, ids) for _, k, ids in moves.fetch)]:
            after[k, ids] = True
        for k, ids in moves.drop:
            after[k, ids] = False
        resident = after
    return recorder.schedule("recorded")


def relaxed_targets(instance: Instance) -> Targets:
    """What the LP with a copy offered at every step wants, at its own prices."""
    classes = classify(instance)
    program = lp.horizon_program(instance, classes, every_step=True)
    arrays = program.build()
    solution = solve(arrays)
    held = program.residency(solution.x) / program.classes.count[program.segment_owner]
    seconds = solution.objective * arrays.time_unit
    bound = Bound("lp", Status.BOUND, seconds, 0.0, "", "", prices=program.prices(solution.row_dual))
    return from_segments(instance, classes, program.segment_owner, program.opens, held, bound)


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_lp_rounded_is_legal(first: int) -> None:
    """Every rule, operations that bring or do not, calls and grains: each move is allowed, and the whole not below the LP."""
    for seed in range(first, first + 20):
        instance = any_operations(seed)
        policy, targets = LpRounded(), relaxed_targets(instance)
        policy.take(instance, targets)
        seconds = sum(played(instance, recorded(instance, policy)))
        assert targets.bound.lower_bound_s is not None
        assert seconds >= targets.bound.lower_bound_s * (1 - 1e-7), seed


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_what_branch_and_bound_finds_is_a_schedule(first: int) -> None:
    """Up to three tiers: its moves are allowed; never below its own value, and in nine of ten cases at it.

    (A copy made half in one way and half in another counts in the program, but is no move.)
    """
    met = []
    for seed in range(first, first + 20):
        instance = any_operations(seed)
        if instance.num_tiers > 3:
            continue
        searched = search(instance)
        assert searched.value_s is not None
        seconds = sum(played(instance, written_down(instance, searched.program, searched.x)))
        assert seconds >= searched.value_s * (1 - 1e-7), seed
        met.append(seconds <= searched.value_s * (1 + 1e-7))
    assert np.mean(met) >= 0.9
