"""Capacities that a sweep chooses by itself: from the largest step to everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.instance.load import build_instance
from placement_opt.study.auto_capacity import least_share, spelt_out
from placement_opt.study.sweep import sweep
from tests.cli.cases import write_drift
from tests.small import make_instance, make_trace, two_tier


def test_the_least_is_the_largest_step_or_an_eighth() -> None:
    """Two of 20 units alive are read at once; where all are, an eighth is the least; and where none is."""
    for reads, share in (([[0, 1], [2]], 2 / 20), ([[*range(20)]], 0.125), ([[]], 0.125)):
        instance = make_instance(two_tier(), make_trace(reads, [-1] * 20))
        assert least_share(instance) == pytest.approx(share)


def test_the_least_has_room_for_the_largest_block() -> None:
    """3 of 6 bytes are one block, and where all is one, there is nothing to choose; each capacity is taken."""
    instance = build_instance("gh200", make_trace([[0], [1], [2]], [-1] * 3, None, [1, 2, 3]))
    assert [point.values for point in sweep(instance, ["hbm.capacity=auto:3"], method="step").points] == [
        ("50%",),
        ("70.8%",),
        ("100%",),
    ]
    assert spelt_out(["hbm.capacity=auto"], make_instance(two_tier(), make_trace([[0]], [-1]))) == ["hbm.capacity=100%"]


def test_capacities_are_spaced_evenly_in_their_logarithm() -> None:
    """A tenth to all in nine or as many as wanted, rounded up, so that the least still holds the largest step."""
    instance = make_instance(two_tier(), make_trace([[0, 1, 2]], [-1] * 30))
    assert spelt_out(["hbm.capacity=auto:3", "c2c.up.rate=1GB/s"], instance) == [
        "hbm.capacity=10%,31.7%,100%",
        "c2c.up.rate=1GB/s",
    ]
    assert spelt_out(["memory.hbm.capacity = auto"], instance) == [
        "memory.hbm.capacity =10%,13.4%,17.8%,23.8%,31.7%,42.2%,56.3%,75%,100%"
    ]
    seventh = make_instance(two_tier(), make_trace([[0]], [-1] * 11))
    assert spelt_out(["hbm.capacity=auto:2"], seventh) == ["hbm.capacity=9.1%,100%"]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("c2c.up.rate=auto", "found auto for 'c2c.up.rate', expected values: auto is for capacities"),
        ("trace.drift=auto:3", "found auto for 'trace.drift', expected values"),
        ("hbm.capacity=auto,10%", "found auto beside other values for 'hbm.capacity', expected it alone"),
        ("hbm.capacity=auto:1", "found 'auto:1', expected a count from 2 to 1000"),
        ("hbm.capacity=auto:1001", "found 'auto:1001', expected a count"),
    ],
)
def test_auto_is_refused_where_it_means_nothing(key: str, message: str) -> None:
    """For keys that are no capacities, beside other values, and for counts that are none."""
    instance = make_instance(two_tier(), make_trace([[0]], [-1] * 20))
    with pytest.raises(InputError) as found:
        spelt_out([key], instance)
    assert message in str(found.value)


def test_a_sweep_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line and from Python the same points; the bound falls with the capacity."""
    file = write_drift(tmp_path)
    argv = ["sweep", str(file), "--set", "hbm.capacity=auto:3", "--method", "step", "--csv", str(tmp_path / "t.csv")]
    assert main(argv) == 0
    found = sweep(file, "hbm.capacity=auto:3", method="step")
    rows = (tmp_path / "t.csv").read_text().splitlines()[1:]
    assert [row.partition(",")[0] for row in rows] == [point.values[0] for point in found.points]
    assert [point.values[0][-1] for point in found.points] == ["%"] * 3
    bounds = [point.compared.proof.bound.lower_bound_s or 0.0 for point in found.points]
    assert bounds == sorted(bounds, reverse=True)
    assert found.points[-1].values == ("100%",)
    assert "100%" in capsys.readouterr().out
