"""What a policy does on one small committed trace (``golden.txt``), in whole bytes, to be held against what was recorded."""

from __future__ import annotations

from pathlib import Path

from placement_opt.instance.instance import Instance, Residency
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
