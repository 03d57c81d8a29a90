"""Values of programs with further operations, calls, grains and the rule "cache", each small enough for paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from placement_opt.base.highs import solve
from placement_opt.bounds import lp, milp
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.system import MemorySystem, Tier
from tests.small import make_instance, make_trace


def relaxed(instance: Instance) -> float:
    """Seconds of the LP with a copy offered at every step."""
    program = lp.build(instance)
    return solve(program).objective * program.time_unit


def optimum(instance: Instance) -> float:
    """Seconds of the program of whole blocks."""
    found = milp.search(instance).value_s
    assert found is not None
    return found


def system(names: Sequence[str], rates: Sequence[int], capacity: Sequence[int], operations: Operations) -> MemorySystem:
    """Tiers that are what ``operations`` says they are."""
    tiers = tuple(Tier(name, room, "gpu", 1, 1, True) for name, room in zip(names, capacity, strict=True))
    resources = tuple(f"r{n}" for n in range(len(rates)))
    return MemorySystem("by hand", "gpu", tiers, (), resources, np.array(rates, dtype=np.int64), operations, {})


def ints(*rows: object) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


def flash(size: int, count: int, *, attends: bool = True, dram: bool = False, grain: int = 1) -> Instance:
    """An array of 10 B/s behind a channel of 1 B/s, sixteen blocks a byte of result; DRAM of 4 B/s where asked for.

    The channel counts sixteenths: attending loads one of them for a byte, reading sixteen.
    """
    names, rates = ["flash"], [10, 16]
    read = [[1, 16]]
    if dram:
        names, rates, read = ["flash", "dram"], [*rates, 4], [[1, 16, 0], [0, 0, 1]]
    tiers = len(names)
    more = [Operation("attend flash", 0, (1, 1, *(0,) * (tiers - 1)), grain=grain)] if attends else []
    row = ints(*read)
    copy = row[:, None] + row[None, :]
    copy[np.arange(tiers), np.arange(tiers)] = 0
    grains = (ints(*[grain] * tiers), ints(*[grain] * tiers), np.full((tiers, tiers), grain, dtype=np.int64))
    operations = table(names, row, row, copy, more, grains=grains)
    trace = make_trace([list(range(count))], [-1] * count, sizes=[size] * count)
    initial = np.ones((tiers, count), dtype=bool)
    return make_instance(system(names, rates, [size * count] * tiers, operations), trace, "free", initial=initial)


def test_attending_in_flash() -> None:
    """160 B: 160 s over the channel by reading alone, 16 s in the array by attending; a split of the two is no better."""
    assert relaxed(flash(16, 10, attends=False)) == pytest.approx(160.0, rel=1e-9)
    assert relaxed(flash(16, 10)) == pytest.approx(16.0, rel=1e-9)
    assert optimum(flash(16, 10)) == pytest.approx(16.0, rel=1e-9)


def test_attending_beside_a_copy_in_dram() -> None:
    """Array 10 B/s and DRAM 4 B/s share the bytes: 160/14 s."""
    assert relaxed(flash(16, 10, dram=True)) == pytest.approx(160 / 14, rel=1e-9)


def test_rounding_to_pages() -> None:
    """Eight blocks of 20 B are 160 B, 16 s; with pages of 16 B each is 32, 25.6 s."""
    assert relaxed(flash(20, 8)) == pytest.approx(16.0, rel=1e-9)
    assert relaxed(flash(20, 8, grain=16)) == pytest.approx(25.6, rel=1e-9)


def test_calls() -> None:
    """Eight blocks, one request each, 100 requests a second, bytes free: 0.08 s, however large they are."""
    bytes_, none = ints([1, 0]), np.zeros((1, 1, 2), dtype=np.int64)
    operations = table(["disk"], bytes_, bytes_, none, calls=(ints([0, 1]), ints([0, 1]), none))
    trace = make_trace([list(range(8))], [-1] * 8, sizes=[1, 10, 100, 1000] * 2)
    instance = make_instance(system(["disk"], [10**9, 100], [10**4], operations), trace)
    assert relaxed(instance) == pytest.approx(0.08, rel=1e-9)
    assert optimum(instance) == pytest.approx(0.08, rel=1e-9)


def attended_then_wanted(copy: int) -> Instance:
    """A block in flash is read eight times; one resource of 1 B/s, on which attending takes 1 s and reading from flash 4 s.

    From DRAM it is read for nothing; storing there takes 1 s, copying ``copy``.
    """
    copies = ints([[0], [copy]], [[1], [0]])
    operations = table(["flash", "dram"], ints([4], [0]), ints([1], [1]), copies, [Operation("attend flash", 0, (1,))])
    memory = system(["flash", "dram"], [1], [1, 1], operations)
    return make_instance(memory, make_trace([[0]] * 8, [-1]), "free", initial=np.array([[True], [False]]))


@pytest.mark.parametrize(("copy", "best"), [(2, 1 + 2), (3, 1 + 3), (6, 4 + 1), (100, 4 + 1)])
def test_what_was_attended_is_copied(copy: int, best: int) -> None:
    """Wanted in DRAM from the second read on: attended and copied, or, where that costs more, read and stored in passing.

    The LP may store in DRAM what is read there, and count it as the other half.
    """
    assert relaxed(attended_then_wanted(copy)) <= best * (1 + 1e-9)
    assert optimum(attended_then_wanted(copy)) == pytest.approx(best, rel=1e-9)


def cached(reads: Sequence[Sequence[int]], initial: np.ndarray | None) -> Instance:
    """A slow tier of 1 B/s with room for one block of 1 B, recomputing 2 B/s, resources of their own."""
    row = ints([1, 0])
    operations = table(
        ["slow"], row, row, np.zeros((1, 1, 2), dtype=np.int64), [Operation("recompute", None, (0, 1), brings=True)]
    )
    trace = make_trace(reads, [-1] * 3)
    rule: Residency = "cache"
    return make_instance(system(["slow"], [1, 2], [1], operations), trace, rule, initial=initial)


EMPTY = np.zeros((1, 3), dtype=bool)


def test_a_cache_need_keep_nothing() -> None:
    """Three blocks, each read once: all recomputed, half a second each; from a free start one lies there, its read is split.

    The LP has a third of each lie there.
    """
    assert relaxed(cached([[0], [1], [2]], EMPTY)) == pytest.approx(1.5, rel=1e-9)
    assert optimum(cached([[0], [1], [2]], EMPTY)) == pytest.approx(1.5, rel=1e-9)
    assert relaxed(cached([[0], [1], [2]], None)) == pytest.approx(1.0, rel=1e-9)
    assert optimum(cached([[0], [1], [2]], None)) == pytest.approx(4 / 3, rel=1e-9)


def test_a_cache_stores_what_it_recomputes() -> None:
    """Block 0 read again at step 3: the LP stores a third of it, whole blocks gain nothing by storing all."""
    instance = cached([[0], [1], [2], [0]], EMPTY)
    assert relaxed(instance) == pytest.approx(11 / 6, rel=1e-9)
    assert optimum(instance) == pytest.approx(2.0, rel=1e-9)
