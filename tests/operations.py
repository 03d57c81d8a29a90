"""Small systems whose operations compute, count calls, round bytes up or make blocks anew, with what is known by hand.

All loads are integers: a resource that an operation loads by fractions counts in that fraction, and so does its rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation, table
from placement_opt.memory.system import MemorySystem, Tier
from tests.small import make_instance, make_trace


def system(
    capacities: Sequence[int],
    rates: dict[str, int],
    read: Sequence[Sequence[int]],
    write: Sequence[Sequence[int]],
    copy: Any = None,
    more: Sequence[Operation] = (),
    **columns: Any,
) -> MemorySystem:
    """Tiers "0", "1", ... with the loads of reading and storing (K x R) and copying (K x K x R) one byte; None: nothing."""
    tiers, names = len(capacities), tuple(str(k) for k in range(len(capacities)))
    loads = [np.array(rows, dtype=np.int64) for rows in (read, write)]
    copies = np.zeros((tiers, tiers, len(rates)), dtype=np.int64) if copy is None else np.array(copy, dtype=np.int64)
    return MemorySystem(
        name="by hand",
        processor="gpu",
        tiers=tuple(Tier(name, room, "gpu", 1, 1, True) for name, room in zip(names, capacities, strict=True)),
        links=(),
        resources=tuple(rates),
        rates=np.array(list(rates.values()), dtype=np.int64),
        operations=table(names, *loads, copies, more, **columns),
        routes={},
    )


def flash(size: int, blocks: int, *, attends: bool = True, dram: bool = False, grain: int = 1, weights: int = 0) -> Instance:
    """One step that reads all blocks from flash: an array of 10 B/s, a channel of 1 B/s, counted in sixteenths of a byte.

    A read loads both alike, attending the array, and the channel by a sixteenth. ``dram``: 4 B/s, with a copy of each block.
    ``grain``: what is taken from the array is rounded up to multiples of so many bytes. ``weights``: so many of the blocks,
    which cannot be attended.
    """
    kinds = frozenset({"kv"}) if weights else None
    more = [Operation("attend", 0, (1, 1, 0)[: 2 + dram], grain=grain, kinds=kinds)] if attends else []
    loads = [[1, 16, 0], [0, 0, 1]] if dram else [[1, 16]]
    rates = {"array": 10, "channel": 16, "dram": 4} if dram else {"array": 10, "channel": 16}
    tiers = len(loads)
    grains = tuple(np.full(shape, grain) for shape in ((tiers,), (tiers,), (tiers, tiers)))
    memory = system([max(10**4, size * blocks)] * tiers, rates, loads, loads, more=more, grains=grains)
    trace = make_trace([list(range(blocks))], [-1] * blocks, sizes=[size] * blocks)
    if weights:
        trace = replace(trace, block_kind=(np.arange(blocks) < weights).astype(np.int8))
    return make_instance(memory, trace, initial=np.ones((tiers, blocks), dtype=bool))


def calls() -> Instance:
    """Eight blocks of 5 B, each of which takes one of 100 requests a second, and next to nothing for its bytes."""
    none = np.zeros((1, 2), dtype=np.int64)
    per_call = (none + [1, 0], none, np.zeros((1, 1, 2), dtype=np.int64))
    memory = system([40], {"requests": 100, "bus": 10**6}, [[0, 1]], [[0, 1]], calls=per_call)
    return make_instance(
        memory, make_trace([list(range(8))], [-1] * 8, sizes=[5] * 8), "free", initial=np.ones((1, 8), dtype=bool)
    )


def attended(*, brings: bool = False) -> Instance:
    """A block of 16 B in flash, attended at 10 B/s or read at a third of that, and read twice more; DRAM of 160 B/s is empty.

    Copying it loads flash once more. ``brings``: as if it were at the processor after it was attended.
    """
    more = [Operation("attend", 0, (1, 0), brings=brings)]
    copy = [[[0, 0], [1, 1]], [[1, 1], [0, 0]]]
    memory = system([16, 16], {"flash": 10, "dram": 160}, [[3, 0], [0, 1]], [[1, 0], [0, 1]], copy, more)
    start = np.array([[True], [False]])
    return make_instance(memory, make_trace([[0]] * 3, [-1], sizes=[16]), "free", initial=start)


def cached(reads: Sequence[Sequence[int]], *, start: str = "empty") -> Instance:
    """Three blocks of 1 B, a tier of 1 B/s with room for one of them, 2 B/s of making them anew; rule cache."""
    more = [Operation("recompute", None, (0, 1), brings=True)]
    memory = system([1], {"slow": 1, "compute": 2}, [[1, 0]], [[1, 0]], more=more)
    initial = np.zeros((1, 3), dtype=bool) if start == "empty" else None
    return make_instance(memory, make_trace(reads, [-1] * 3), "cache", initial=initial)


@dataclass(frozen=True)
class Case:
    """An instance, the values of its relaxation and its optimum in seconds, and what they come from."""

    instance: Instance
    relaxed: float
    optimum: float


#: The relaxation of a cache that starts as it likes has a third of each block in the slow tier. In that of the block that is
#: attended, what is half read and half attended is stored, and later copied, half by half.
CASES = {
    "all attended in flash": Case(flash(16, 10), 16.0, 16.0),
    "all read from flash": Case(flash(16, 10, attends=False), 160.0, 160.0),
    "shared with a copy in dram": Case(flash(16, 10, dram=True), 160 / 14, 160 / 14),
    "pages of 16 B": Case(flash(20, 8, grain=16), 25.6, 25.6),
    "the same without pages": Case(flash(20, 8), 16.0, 16.0),
    "of ten blocks two are weights": Case(flash(16, 10, weights=2), 8 * 1.0 + 2 * 16.0, 40.0),
    "the same of eight, in pages": Case(flash(20, 8, grain=16, weights=2), 6 * 2.0 + 2 * 32.0, 76.0),
    "requests": Case(calls(), 0.08, 0.08),
    "attended, then wanted in dram": Case(attended(), 56 / 17, 3.2 + 2 * 16 / 170),
    "the same if it were at the processor": Case(attended(brings=True), 1.6 + 2 * 16 / 170, 1.6 + 2 * 16 / 170),
    "cache, empty": Case(cached([[0], [1], [2]]), 1.5, 1.5),
    "cache, free start": Case(cached([[0], [1], [2]], start="free"), 1.0, 4 / 3),
    "cache, one read again": Case(cached([[0], [1], [2], [0]]), 11 / 6, 2.0),
}
