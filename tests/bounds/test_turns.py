"""What is said of layers that were not drawn is no more than what is said of drawn ones, whatever operations there are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, turns
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.stacked import layer_bound
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from tests.certify.certificates import draw_prices
from tests.worlds import any_operations

EACH = 30


@dataclass(frozen=True, eq=False)
class Alone:
    """The only layer of a question."""

    instance: Instance

    def __call__(self, layer: int, capacity: np.ndarray, budgets: tuple[Budget, ...], limits: Limits) -> Instance:
        del layer, capacity, budgets, limits
        return self.instance

    @property
    def turn_token(self) -> None:
        return None

    def amounts(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Whole bytes, and no more than there are."""
        del layer
        instance, count = self.instance, self.instance.num_steps
        read = np.bincount(instance.trace.read_step, instance.read_bytes, count) // instance.share_base
        born = np.bincount(instance.trace.birth + 1, instance.size, count + 1)[1:]
        return read.astype(np.int64), born.astype(np.int64)


def alone(instance: Instance) -> Stacked:
    """An instance as the question whose only layer it is, with what its steps load at least."""
    return Stacked(
        name="alone",
        memory=instance.memory,
        residency=instance.residency,
        home_tier=instance.home_tier,
        capacity=instance.capacity,
        layers=1,
        turns=instance.num_steps,
        make=Alone(instance),
        rooms=instance.capacity[None],
        kv_bytes=instance.size[:1],
        sizes=np.unique(instance.size),
        kinds=None,
        share_base=instance.share_base,
        fixed=instance.fixed.min(axis=0),
        floor=float(instance.floor.min()),
        stated=b"",
    )


@pytest.mark.parametrize("part", range(3))
def test_never_more_than_when_it_is_drawn(part: int) -> None:
    positive = reached = 0
    for seed in range(EACH * part, EACH * (part + 1)):
        rng, instance = np.random.default_rng([seed, 4]), any_operations(seed)
        question = alone(instance)
        rho, rent = draw_prices(rng, instance, 10**12)
        rho, rent = rho // 2, rent // 10 ** int(rng.integers(0, 4))
        made = PriceCertificate("", 10**12, rho, rent, Fraction(0))
        least, exact = turns.Least(question, made).of(0), layer_bound(instance, made)
        assert least <= exact, seed
        positive += least > 0
        reached += least == exact
        line, whole = turns.roofline(question).lower_bound_s, METHODS["roofline"](instance).lower_bound_s
        assert line is not None
        assert whole is not None
        assert line <= whole * (1.0 + 1e-9) + 1e-15, seed
    assert positive >= EACH // 10
    assert reached < EACH
