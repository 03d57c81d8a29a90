"""What each policy does on one small committed trace, in whole bytes: hits, bytes stored and copied, and the time.

Not ``myopic``: which of equally good programs' solutions it gets is up to the solver's version (see test_myopic.py).
"""

from __future__ import annotations

import pytest

from placement_opt.instance.rule import Residency
from tests.schedulers.golden import Golden, measured

GOLDEN: Golden = {
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


@pytest.mark.parametrize(("rule", "spec"), GOLDEN)
def test_golden(rule: Residency, spec: str) -> None:
    """Exactly the recorded bytes; paste the shown line if a change is meant."""
    found = measured(rule, spec)
    assert found == GOLDEN[rule, spec], f'    ("{rule}", "{spec}"): {found},'
