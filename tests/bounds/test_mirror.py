"""Prices multiplied step by step: never above the optimum, on from where they stopped, back from falls, and far."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.bounds import milp, mirror
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.climb import NEEDED
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.dual.slopes import Slopes, slopes
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.intervals import PriceIntervals
from placement_opt.bounds.mirror import MirrorAscent, multipliable
from placement_opt.bounds.result import Prices
from placement_opt.bounds.sample import sampled_futures
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from tests.bounds.cases import random_prices
from tests.worlds import any_operations

LOG = Path(__file__).parents[2] / "instances" / "requests" / "nvme4-cache.toml"


def few_prices(instance: Instance) -> Prices:
    """The best on three intervals."""
    search = PriceIntervals(instance, sampled_futures(instance, classify(instance)))
    search.run(Limits(), levels=1)
    return search.prices


def log() -> Instance:
    return load_instance(LOG)


def passes(instance: Instance, prices: Prices, most: int) -> MirrorAscent:
    """So many passes at most."""
    search = MirrorAscent(instance, classify(instance), prices, evaluate(instance, prices).value_s)
    go_on(search, most)
    return search


def go_on(search: MirrorAscent, most: int) -> None:
    limits, take = Limits(), search._take

    def counted(here: Slopes) -> None:
        take(here)
        if search.passes >= most:
            limits.interrupt()

    search._take = counted  # type: ignore[method-assign]
    search.run(limits)
    search._take = take  # type: ignore[method-assign]


@pytest.mark.parametrize("seed", [seed for seed in range(60) if multipliable(any_operations(seed))])
def test_no_promise_is_too_low_and_no_proof_above_the_optimum(seed: int) -> None:
    """From any prices, floors and shares of blocks included."""
    instance = any_operations(seed)
    start = legal(instance, random_prices(instance, np.random.default_rng(seed)))
    found = passes(instance, start, 30)
    proven = evaluate(instance, found.prices).value_s
    assert found.value_s >= proven - 1e-9 * abs(proven) - 1e-12  # sets of tiers that hardly matter were left out
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    assert proven <= optimum * (1.0 + 1e-9) + 1e-300


def test_a_log_of_requests_is_proven_to_take_longer() -> None:
    """From the best prices on few intervals, whose tiers hold too much at some states and too little at others."""
    instance = log()
    start = few_prices(instance)
    found = passes(instance, start, 60)
    assert found.value_s >= 1.5 * evaluate(instance, start).value_s


def test_it_goes_on_where_it_stopped() -> None:
    """Ten passes and ten more are twenty; what is enough ends it before the first."""
    instance = log()
    start = few_prices(instance)
    whole, halves = passes(instance, start, 20), passes(instance, start, 10)
    assert halves.value_s < whole.value_s
    halves.run(Limits(), enough=halves.value_s)
    assert halves.passes == 10
    go_on(halves, 20)
    assert halves.value_s == whole.value_s
    assert (halves.prices.rent == whole.prices.rent).all()


def test_a_fall_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strides far too long: the best stays, and they are shortened until they lead up again."""
    monkeypatch.setattr(mirror, "_RENT", 300.0)
    instance = log()
    start = few_prices(instance)
    found = passes(instance, start, 40)
    assert found._stride < 1.0
    assert found.value_s > 1.01 * evaluate(instance, start).value_s


def test_it_ends_where_more_brings_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_GAIN", 0.5)
    instance = log()
    start = few_prices(instance)
    found = MirrorAscent(instance, classify(instance), start, evaluate(instance, start).value_s)
    found.run(Limits())
    assert found.over
    assert found.passes == 2 * mirror._PATIENCE


def test_tiers_with_room_for_everything_are_left_out_where_they_change_nothing() -> None:
    """A drive that holds all and that nothing is read from; not where it is what makes blocks cheap."""
    instance = log()
    fewer = mirror.likely_sets(instance)
    assert len(fewer.masks) < len(tracked_sets(instance).masks)
    start = few_prices(instance)
    proven = evaluate(instance, start).value_s
    with_all, without = (slopes(instance, start, tracked=each).value_s for each in (None, fewer))
    found = MirrorAscent(instance, classify(instance), start, proven)
    assert with_all == pytest.approx(proven, rel=1e-9)
    expected = fewer if without <= proven * (1.0 + NEEDED) else tracked_sets(instance)
    assert found._tracked.masks.tolist() == expected.masks.tolist()
    forced = MirrorAscent(instance, classify(instance), start, 0.5 * proven)
    assert forced._tracked.masks.tolist() == tracked_sets(instance).masks.tolist()
