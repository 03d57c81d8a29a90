"""The compact program with every field of the table: at its finest, with all ways that pay, the relaxation's value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.highs import LinearProgram, Solution, solve
from placement_opt.bounds import lp, milp
from placement_opt.bounds.columns.kinds import LEVELS, cut_intervals, label_reads
from placement_opt.bounds.columns.pricing import more_ways
from placement_opt.bounds.columns.program import CompactProgram
from placement_opt.bounds.columns.spread import attained
from placement_opt.bounds.columns.ways import Frame, simple_ways
from placement_opt.bounds.dual.classes import classify
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from tests.worlds import any_operations, drifting, with_operations


def refined(instance: Instance, level: str = LEVELS[-1]) -> tuple[CompactProgram, LinearProgram, Solution]:
    """The program of one level with every row for counts, solved until no further way lowers it."""
    classes, frame = classify(instance), Frame(instance)
    intervals = cut_intervals(instance, classes, label_reads(instance, classes, level))
    ways = simple_ways(frame, intervals)
    for _ in range(60):
        program = CompactProgram(frame, intervals, ways, np.arange(len(intervals)), moves=True)
        arrays = program.build()
        solution = solve(arrays, algorithm="simplex")
        assert len(solution.row_dual), solution.message
        found = more_ways(program, solution.row_dual, 1e-9 * solution.objective / len(intervals))
        if not len(found):
            return program, arrays, solution
        ways = ways.joined(found)
    raise AssertionError("ways without end")


def value(instance: Instance, level: str = LEVELS[-1]) -> float:
    """Its seconds."""
    _, arrays, solution = refined(instance, level)
    return solution.objective * arrays.time_unit


def relaxed(instance: Instance) -> float:
    """Seconds of the LP over the whole horizon."""
    program = lp.build(instance)
    return solve(program).objective * program.time_unit


@pytest.mark.parametrize("first", range(0, 80, 20))
def test_reaches_the_relaxation(first: int) -> None:
    """Every field, every rule: the LP's value with whole reads that all bring, two tiers and a rule that keeps blocks; else at
    least nine tenths (what is stored of one block may have been brought of another), and never above whole blocks."""
    for seed in range(first, first + 20):
        instance = any_operations(seed)
        found, exact = value(instance), relaxed(instance)
        operations = instance.memory.operations
        plain = instance.num_tiers <= 2 and instance.share_base == 1 and not instance.forgets
        if plain and operations.brings[operations.serving].all():
            assert found == pytest.approx(exact, rel=1e-6), seed
        assert found >= 0.9 * exact, seed
        if instance.num_tiers <= 3:
            optimum = milp.search(instance).value_s
            assert optimum is not None
            assert found <= optimum * (1 + 1e-7), seed


def varied(seed: int, residency: str, *, attend: bool, calls: bool) -> Instance:
    """Drifting, some 400 reads: blocks recomputed or attended in the slow tier, calls and grains, blocks of two sizes."""
    instance = drifting(seed, 12, prefill=40)
    memory = instance.memory
    rows = [tuple(3 * int(load) for load in memory.read[1])]
    more = [Operation("recompute", None, rows[0], brings=True)]
    if attend:
        more.append(Operation("attend", 1, tuple(int(load) for load in memory.read[1]), brings=False))
    if calls:
        size = np.where(np.arange(instance.num_blocks) % 2, instance.size, 2 * instance.size)
        columns = {
            "calls": (memory.read, memory.write, np.zeros_like(memory.copy)),
            "grains": tuple(np.full(part.shape[:-1], 3) for part in (memory.read, memory.write, memory.copy)),
        }
        instance = replace(instance, size=size, capacity=2 * instance.capacity)
    else:
        columns = {}
    return replace(instance, memory=with_operations(memory, more, **columns), residency=residency)  # type: ignore[arg-type]


@pytest.mark.parametrize("residency", ["inclusive", "exclusive", "cache"])
@pytest.mark.parametrize(("attend", "calls"), [(False, False), (True, False), (False, True), (True, True)])
def test_drifting(residency: str, attend: bool, calls: bool) -> None:
    """Hundreds of reads: told apart by block the value is within 1 % of the LP's (above it where sets of tiers tell more),
    merged not above both; its placement with every promotion paid for takes no less."""
    instance = varied(1, residency, attend=attend, calls=calls)
    exact = relaxed(instance)
    program, arrays, solution = refined(instance)
    found = solution.objective * arrays.time_unit
    assert value(instance, LEVELS[0]) <= max(exact, found) * (1 + 1e-6)
    assert found == pytest.approx(exact, rel=1e-2)
    seconds = attained(instance, classify(instance), program, arrays, solution.x)
    assert seconds >= found * (1 - 1e-6)
    assert seconds == pytest.approx(found, rel=5e-2)
