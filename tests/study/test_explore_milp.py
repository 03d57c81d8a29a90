"""The design of the least roofline by one program is that of enumeration, where the designs are of its class."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.base.limits import Limits
from placement_opt.study.explore.milp import added_costs, least_roofline, whose_rates
from placement_opt.study.explore.read import read_spec
from placement_opt.study.explore.shapes import combined
from placement_opt.study.explore.space import Space
from placement_opt.study.explore.spec import Spec
from placement_opt.study.explore.work import Task, done
from tests.study.spaces import money, write_space


def known(spec: Spec):  # type: ignore[no-untyped-def]
    """Rooflines of all designs with all workloads together, shapes for each workload, and the first design's instances."""
    space, limits = Space(spec), Limits()
    workloads = range(len(spec.workloads))
    records = [[done(space, Task(d, w, "time", "bound roofline"), limits) for d in range(spec.count)] for w in workloads]
    weights = [one.weight for one in spec.workloads]
    values = [combined(spec.over, weights, [group[d].lower or 0.0 for group in records]) for d in range(spec.count)]
    shapes = [[record.shape for record in group] for group in records]
    return values, shapes, [space.instance(0, w) for w in workloads], weights


@pytest.mark.parametrize("seed", range(20))
def test_the_least_roofline(tmp_path: Path, seed: int) -> None:
    """Of 20 random spaces; with a most that they may cost, too."""
    spec = read_spec(write_space(tmp_path, seed))
    values, shapes, instances, weights = known(spec)
    found = least_roofline(spec, instances, shapes, weights)
    if spec.over == "geomean":
        assert found is None
        return
    assert found is not None
    assert found.value_s == pytest.approx(min(values), rel=1e-6)
    assert values[found.design] == pytest.approx(min(values), rel=1e-6)
    prices = [Fraction(money(spec, d)) for d in range(spec.count)]
    most = sorted(prices)[len(prices) // 3]
    within = [value for value, price in zip(values, prices, strict=True) if price <= most]
    cheap = least_roofline(spec, instances, shapes, weights, [(float(most), prices)])
    assert cheap is not None
    assert prices[cheap.design] <= most
    assert cheap.value_s == pytest.approx(min(within), rel=1e-6)


def test_what_is_not_of_the_class(tmp_path: Path) -> None:
    """A rate that two choices set together, designs that load differently, and costs that do not add up."""
    spec = read_spec(write_space(tmp_path, 1))
    _, shapes, _, _ = known(spec)
    assert whose_rates(spec, shapes) is not None
    twisted = [list(group) for group in shapes]
    last = twisted[0][-1]
    assert last is not None
    twisted[0][-1] = type(last)(last.kind, (last.rates[0] + 1, *last.rates[1:]), last.rooms)
    assert whose_rates(spec, twisted) is None
    twisted[0][-1] = type(last)("another kind", last.rates, last.rooms)
    assert whose_rates(spec, twisted) is None
    twisted[0][-1] = None
    assert whose_rates(spec, twisted) is None
    assert added_costs(spec, [Fraction(money(spec, d)) for d in range(spec.count)]) is not None
    assert added_costs(spec, [Fraction(d * d) for d in range(spec.count)]) is None
