"""Prices of a sample and of other runs: legal shapes, the same for the same seed, and worth something."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.dual.classes import classify, take_classes
from placement_opt.bounds.dual.evaluate import DualValue, evaluate
from placement_opt.bounds.result import Prices
from placement_opt.bounds.roofline import bound as roofline
from placement_opt.bounds.sample import SampleAscent, prices_for, sample_classes
from placement_opt.instance.instance import Instance
from tests.bounds.cases import draw
from tests.small import chain, make_instance, make_trace


def cyclic(blocks: int = 60, steps: int = 24, seed: int = 3, layers: int | None = None) -> Instance:
    """Every step reads a moving third of the blocks; the fast tier holds a fifth."""
    rng = np.random.default_rng(seed)
    reads = [
        [
            b
            for b in range(blocks)
            if (layers is None or b % layers == t % layers) and (b * 7 + 2 * t + rng.integers(9)) % 60 < 20
        ]
        for t in range(steps)
    ]
    memory = chain([blocks // 5, blocks // 3, 10 * blocks], [1000, 200, 50], [100, 40])
    return make_instance(memory, make_trace(reads, [-1] * blocks, layers=layers))


def test_a_sample_stands_for_all_bytes() -> None:
    """Weights add up to all bytes; the whole is a sample of itself; more than a class's share counts more than once."""
    instance = draw(11, 2, blocks=60)
    classes = classify(instance)
    total = float(classes.count @ classes.size)
    for share in (0.1, 0.5, 1.0):
        chosen, weight = sample_classes(instance, classes, share=share, seed=3)
        assert (np.diff(chosen) > 0).all()
        assert weight.sum() == pytest.approx(total)
        assert len(chosen) <= max(1, round(share * len(classes)))


def test_taken_classes_keep_their_reads() -> None:
    """Classes taken by number have the data they had."""
    classes = classify(draw(12, 2, blocks=30))
    chosen = np.arange(0, len(classes), 2)
    taken = take_classes(classes, chosen)
    for n, g in enumerate(chosen):
        mine, theirs = slice(taken.start[n], taken.start[n + 1]), slice(classes.start[g], classes.start[g + 1])
        assert (taken.step[mine] == classes.step[theirs]).all()
        assert (taken.share[mine] == classes.share[theirs]).all()
        for name in ("block", "count", "size", "first", "last", "begin"):
            assert getattr(taken, name)[n] == getattr(classes, name)[g]


def start_of(instance: Instance) -> Prices:
    start = roofline(instance).prices
    assert start is not None
    return start


def ascent(instance: Instance, share: float, limits: Limits | None = None) -> SampleAscent:
    def prove(prices: Prices) -> DualValue:
        return evaluate(instance, prices)

    return SampleAscent(instance, prove(start_of(instance)), prove, share=share, limits=limits)


def test_a_sample_makes_prices_of_the_whole() -> None:
    """Prices of a third of the blocks prove more than twice the roofline, and are the same each time."""
    instance = cyclic()
    start = roofline(instance)
    assert start.lower_bound_s is not None
    one, again = ascent(instance, 0.34), ascent(instance, 0.34)
    one.run()
    again.run()
    assert one.best.value_s > 2 * start.lower_bound_s
    assert one.best.value_s == evaluate(instance, one.best.prices).value_s
    assert (again.best.prices.rho == one.best.prices.rho).all()
    assert (again.best.prices.rent == one.best.prices.rent).all()


def test_a_sample_that_has_no_more_to_give_is_doubled() -> None:
    """Until the next one would be the whole; what is proven only rises."""
    one, values, shares = ascent(cyclic(), 0.1), list[float](), list[float]()
    while not one.over:
        one.run()
        values.append(one.best.value_s)
        shares.append(one.share)
    assert values == sorted(values)
    assert shares == [0.2, 0.4, 0.8]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    """Anything but a number in (0, 1] is refused."""
    with pytest.raises(InputError, match=r"share: found .*, expected more than 0 and at most 1"):
        ascent(cyclic(), share)


def test_prices_of_the_same_run_are_taken_as_they_are() -> None:
    """Nothing is stretched where the numbers of steps agree."""
    instance = cyclic()
    rng = np.random.default_rng(1)
    prices = Prices(rng.random((24, 5)), rng.random((25, 3)))
    taken = prices_for(instance, prices)
    np.testing.assert_allclose(taken.rho, prices.rho)
    np.testing.assert_allclose(taken.rent, prices.rent)


def test_prices_are_stretched_layer_by_layer() -> None:
    """Of 3 iterations of 2 layers, 12 are made: each layer's prices are interpolated between its own."""
    instance = cyclic(layers=2)
    rho = np.zeros((6, 5))
    rho[:, 0] = [0, 10, 1, 11, 2, 12]
    rent = np.zeros((7, 3))
    rent[-1] = 7.0
    taken = prices_for(instance, Prices(rho, rent))
    even, odd = taken.rho[0::2, 0], taken.rho[1::2, 0]
    np.testing.assert_allclose(odd, even + 10)
    np.testing.assert_allclose(even, np.clip((np.arange(12) + 0.5) / 4 - 0.5, 0, 2))
    assert taken.rent.shape == (25, 3)
    assert (taken.rent[-1] == 7.0).all()
    assert (taken.rent[:-1] == 0.0).all()


def test_steps_that_are_no_iterations_are_stretched_as_they_come() -> None:
    """Five steps are no iterations of two layers: they are stretched one after the other."""
    taken = prices_for(cyclic(layers=2), Prices(np.arange(25.0).reshape(5, 5), np.zeros((6, 3))))
    assert (np.diff(taken.rho[:, 0]) >= 0).all()


def test_prices_of_a_longer_run_prove_something() -> None:
    """Prices of a run of 36 steps prove nearly as much of one of 24 as prices of that run itself."""
    instance, other = cyclic(), cyclic(steps=36, seed=4)
    own = evaluate(instance, ascend(instance, start_of(instance)).prices).value_s
    theirs = evaluate(instance, prices_for(instance, ascend(other, start_of(other)).prices)).value_s
    assert theirs > 0.8 * own


@pytest.mark.parametrize(
    ("rho", "rent", "message"),
    [
        ((24, 4), (25, 3), "prices: found prices of 4 resources and 3 tiers, expected 5 resources and 3 tiers"),
        ((24, 5), (25, 2), "prices: found prices of 5 resources and 2 tiers, expected 5 resources and 3 tiers"),
        ((24, 5), (24, 3), "prices: found prices of 24 steps and 24 states, expected one state more than steps"),
        ((0, 5), (1, 3), "prices: found prices of 0 steps and 1 states, expected one state more than steps"),
    ],
)
def test_prices_of_another_system_are_refused(rho: tuple[int, int], rent: tuple[int, int], message: str) -> None:
    """Other resources, other tiers, or shapes that are no prices: each says what was found."""
    with pytest.raises(InputError) as error:
        prices_for(cyclic(), Prices(np.zeros(rho), np.zeros(rent)))
    assert str(error.value) == message
