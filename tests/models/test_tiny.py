"""The tiny instances of the repository: enumeration, the statements and the recorded optimum agree on each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models import flow, horizon, roofline, step
from placement_opt.instance.load import load_instance
from tests.brute import optimum

TINY = Path(__file__).parents[2] / "instances" / "tiny"
RECORDED = json.loads((TINY / "optimum.json").read_text())
SLACK = 1 + 1e-9


@pytest.mark.parametrize("path", sorted(TINY.glob("*.toml")), ids=lambda path: path.stem)
def test_the_ladder_on_a_tiny_instance(path):
    """Brute force = MILP = the recorded optimum; roofline <= step <= LP <= optimum, step --integer and flow <= optimum."""
    instance = load_instance(path)
    best, relaxed, steps = optimum(instance).seconds, horizon.value(instance, relax=True), step.value(instance)
    assert horizon.value(instance) == pytest.approx(best, rel=1e-9)
    assert RECORDED[path.stem] == pytest.approx(best, rel=1e-9)
    assert roofline.value(instance) <= steps * SLACK
    assert steps <= relaxed * SLACK
    assert relaxed <= best * SLACK
    assert step.value(instance, integer=True) <= best * SLACK
    assert flow.value(instance, flow.roofline_prices(instance)) <= best * SLACK
