"""The paper's setting in small: drifting read sets on two tiers, where the order of the strategies is known."""

from __future__ import annotations

import pytest

from placement_opt.bounds import METHODS
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.worlds import drifting


def test_strategies_on_88k_reads() -> None:
    """static > reactive > both of sa and lru > lp-rounded, and lp-rounded within 1 % of a proven bound."""
    instance = drifting(4, 100)
    assert 86_000 <= instance.trace.num_reads <= 90_000
    names = ("static", "reactive", "sa", "lru", "lp-rounded")
    latency = {name: simulate(instance, make_scheduler(name)).latency_s for name in names}
    assert latency["static"] > latency["reactive"] > max(latency["sa"], latency["lru"])
    assert min(latency["sa"], latency["lru"]) > latency["lp-rounded"]
    proven = METHODS["compact"](instance).lower_bound_s
    assert proven is not None
    assert proven <= latency["lp-rounded"] <= 1.01 * proven


@pytest.mark.parametrize(("capacity", "swapped", "loss"), [(0.3, 0.1, 0.01), (0.45, 0.1, 0.02), (0.3, 0.3, 0.01)])
def test_compact_loses_little(capacity: float, swapped: float, loss: float) -> None:
    """Two layers, 40 tokens: below the exact LP, by less than 1 % (2 % where room hardly binds); the roofline below both."""
    instance = drifting(2, 40, capacity=capacity, swapped=swapped)
    least, quick, exact = (METHODS[name](instance).lower_bound_s for name in ("roofline", "compact", "lp"))
    assert least is not None
    assert quick is not None
    assert exact is not None
    assert least * (1 - 1e-9) <= quick <= exact * (1 + 1e-9)
    assert quick > (1 - loss) * exact
