"""What each policy does on one small committed trace, in whole bytes: hits, bytes stored and copied, and the time.

Not ``myopic``: which of equally good programs' solutions it gets is up to the solver's version (see test_myopic.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.instance.instance import Instance, Residency
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.small import chain, make_instance, make_trace, two_tier

#: (rule, scheduler): bytes read whose block was in the fastest tier, bytes stored to each tier, bytes copied, seconds.
GOLDEN: dict[tuple[Residency, str], tuple[int, tuple[int, ...], int, float]] = {
    ("inclusive", "static"): (35, (0, 20), 0, 0.4146666667),
    ("inclusive", "static:fill=newest"): (108, (0, 20), 0, 0.264),
    ("inclusive", "static:fill=reads"): (101, (0, 20), 0, 0.2806666667),
    ("inclusive", "reactive"): (109, (85, 20), 0, 0.2655555556),
    ("inclusive", "reactive:victims=lru"): (164, (27, 20), 0, 0.1535555556),
    ("inclusive", "page:blocks=4"): (72, (16, 20), 8, 0.3524444444),
    ("inclusive", "page:blocks=4,layers=own"): (96, (12, 20), 12, 0.312),
    ("inclusive", "sa"): (170, (19, 20), 0, 0.1415555556),
    ("inclusive", "sa:window=2,ratio=0.5"): (166, (16, 20), 0, 0.1495555556),
    ("inclusive", "lru"): (159, (42, 20), 0, 0.1639259259),
    ("inclusive", "lru:scope=global"): (110, (130, 20), 0, 0.2611851852),
    ("inclusive", "belady"): (170, (20, 20), 0, 0.1415555556),
    ("exclusive", "static"): (78, (7, 5, 27), 0, 11.76666667),
    ("exclusive", "static:fill=newest"): (219, (6, 8, 25), 0, 10.91111111),
    ("exclusive", "static:fill=reads"): (201, (1, 13, 25), 0, 10.51768707),
    ("exclusive", "reactive"): (225, (157, 50, 92), 55, 23.98435374),
    ("exclusive", "reactive:victims=lru"): (332, (58, 41, 29), 46, 8.484353741),
    ("exclusive", "page:blocks=4"): (148, (32, 15, 14), 65, 19.36666667),
    ("exclusive", "page:blocks=4,layers=own"): (197, (24, 22, 30), 52, 15.21111111),
    ("exclusive", "sa"): (314, (25, 29, 38), 12, 6.311111111),
    ("exclusive", "sa:window=2,ratio=0.5"): (324, (30, 27, 38), 12, 6.7),
    ("exclusive", "lru"): (310, (93, 42, 0), 100, 8.811111111),
    ("exclusive", "lru:scope=global"): (223, (246, 0, 0), 289, 12.19954649),
    ("exclusive", "belady"): (340, (36, 39, 28), 14, 5.151020408),
    ("free", "static"): (78, (7, 5, 27), 0, 11.76666667),
    ("free", "static:fill=newest"): (219, (6, 8, 25), 0, 10.91111111),
    ("free", "static:fill=reads"): (201, (1, 13, 25), 0, 10.51768707),
    ("free", "reactive"): (225, (157, 19, 2), 23, 11.53989899),
    ("free", "reactive:victims=lru"): (332, (58, 54, 19), 4, 6.517676768),
    ("free", "page:blocks=4"): (148, (32, 15, 14), 65, 19.36666667),
    ("free", "page:blocks=4,layers=own"): (197, (24, 22, 30), 52, 15.21111111),
    ("free", "sa"): (314, (25, 10, 32), 0, 5.463636364),
    ("free", "sa:window=2,ratio=0.5"): (324, (30, 6, 32), 0, 6.136363636),
    ("free", "lru"): (310, (93, 48, 0), 40, 6.971272727),
    ("free", "lru:scope=global"): (223, (246, 0, 0), 25, 11.84145455),
    ("free", "belady"): (340, (36, 27, 21), 10, 4.367171717),
}


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


def _measured(rule: Residency, spec: str) -> tuple[int, tuple[int, ...], int, float]:
    run = simulate(_instance(rule), make_scheduler(spec))
    stored = tuple(int(x) for x in run.stored_bytes)
    return round(run.hit_rate * run.read_bytes), stored, int(run.copied_bytes.sum()), float(f"{run.latency_s:.10g}")


@pytest.mark.parametrize(("rule", "spec"), GOLDEN)
def test_golden(rule: Residency, spec: str) -> None:
    """Exactly the recorded bytes; paste the shown line if a change is meant."""
    found = _measured(rule, spec)
    assert found == GOLDEN[rule, spec], f'    ("{rule}", "{spec}"): {found},'
