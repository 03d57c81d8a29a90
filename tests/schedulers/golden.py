"""What a policy does on one small committed trace (``golden.txt``), in whole bytes, to be held against what was recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.small import chain, make_instance, make_trace, two_tier

#: Bytes read whose block was in the fastest tier, bytes stored to each tier, bytes copied, seconds.
Measured = tuple[int, tuple[int, ...], int, float]
#: (rule, scheduler) -> what it does.
Golden = dict[tuple[Residency, str], Measured]


def _instance(rule: Residency) -> Instance:
    """Inclusive: section 7's system, equal blocks. Otherwise three tiers, sizes 1, 2, 3, every fifth block freed early."""
    lines = Path(__file__).with_name("golden.txt").read_text().splitlines()[1:]
    reads = [[int(block) for block in line.split()] for line in lines]
    steps, blocks = len(reads), 48 + len(reads)
    births = [max(block - 48, -1) for block in range(blocks)]
    if rule == "inclusive":
        return make_instance(two_tier(hbm=18), make_trace(reads, births, layers=2), rule, fixed=[5, 0, 0, 0])
    last = [max((t for t, ids in enumerate(reads) if block in ids), default=births[block] + 1) for block in range(blocks)]
    deaths = [steps if block % 5 else max(last[block], births[block] + 1) for block in range(blocks)]
    sizes = [1 + block % 3 for block in range(blocks)]
    memory = chain([36, 60, 90], [490, 50, 20], [45, 10])
    return make_instance(memory, make_trace(reads, births, deaths, sizes, layers=2), rule, fixed=[5, 0, 0, 0, 0])


def measured(rule: Residency, spec: str) -> Measured:
    run = simulate(_instance(rule), make_scheduler(spec))
    stored = tuple(int(x) for x in run.stored_bytes)
    return round(run.hit_rate * run.read_bytes), stored, int(run.copied_bytes.sum()), float(f"{run.latency_s:.10g}")


_RECORDED = Path(__file__).with_name("goldens.json")

#: Bytes of the fast tier, from a few blocks to most of them.
ROOMS = (3, 5, 8, 12, 18, 26, 36, 50)


def at_rooms(spec: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """At each of :data:`ROOMS`, inclusive: misses of blocks of a byte; bytes stored there, of blocks of 1 to 3 bytes."""
    trace = _instance("inclusive").trace
    found: tuple[list[int], list[int]] = ([], [])
    for room in ROOMS:
        for sizes, kept in zip(([1], [1 + block % 3 for block in range(trace.num_blocks)]), found, strict=True):
            sized = replace(trace, size=np.array(sizes, dtype=np.int64))
            run = simulate(make_instance(two_tier(hbm=room), sized), make_scheduler(spec))
            kept.append(round((1 - run.hit_rate) * run.read_bytes) if len(sizes) == 1 else int(run.stored_bytes[0]))
    return tuple(found[0]), tuple(found[1])


@cache
def recorded() -> dict[str, list[list[int]]]:
    """What :func:`at_rooms` found of every policy with every word that its options allow."""
    found: dict[str, list[list[int]]] = json.loads(_RECORDED.read_text())
    return found


def write(specs: Sequence[str]) -> None:
    """Record it anew."""
    rows = [f"  {json.dumps(spec)}: {json.dumps(at_rooms(spec))}" for spec in specs]
    _RECORDED.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    from tests.schedulers.cases import PROGRAMS, SPECS
    from tests.schedulers.classics import TWINS

    write([spec for spec in dict.fromkeys([*SPECS, *TWINS]) if spec.partition(":")[0] not in PROGRAMS])
