"""Certificates of instances with budgets: prices of budgets, splits of reads, and that there is no schedule; exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from placement_opt.base.errors import CertificateError
from placement_opt.certify import verify as certify
from placement_opt.instance.instance import Instance
from tests.budgets import CASES


def proven(name: str, quantum: int, rho: list[int], mu: list[int], *, no_schedule: bool = False) -> Fraction:
    instance = CASES[name].instance
    return certify.lower_bound(instance, quantum, *prices(instance, rho), np.array(mu, dtype=np.int64), no_schedule=no_schedule)


def prices(instance: Instance, rho: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([rho], dtype=np.int64), np.zeros((instance.num_steps + 1, instance.num_tiers), dtype=np.int64)


def test_prices_by_hand() -> None:
    """What the statement says of each case is proven by the prices that it gives."""
    assert proven("no budget", 5, [1, 1], []) == Fraction(8, 5)
    assert proven("10 J", 8, [2, 0], [1]) == Fraction(7, 4)
    assert proven("wear", 1, [0], [2]) == 20
    assert proven("time and energy", 4, [1, 0], []) == 10
    assert proven("7 J", 1, [0, 0], [1], no_schedule=True) == 1
    assert proven("10 J", 1, [0, 0], [1], no_schedule=True) == 0


def test_prices_too_dear_are_refused() -> None:
    """What resources and budgets with a rate cost together is no more than a second of the objective, at every step."""
    with pytest.raises(CertificateError, match=r"step 0: the resource prices times rates add up to 9/8, 0.125 above 1"):
        proven("10 J", 8, [2, 1], [1])
    with pytest.raises(CertificateError, match=r"add up to 0/1, 0.5 above -0.5"):
        proven("wear", 1, [0], [3])
    with pytest.raises(CertificateError, match=r"add up to 4/1, 4 above 0"):
        proven("7 J", 1, [1, 0], [1], no_schedule=True)
    with pytest.raises(CertificateError, match=r"the prices of budgets hold -1 in column 0, below 0"):
        proven("10 J", 8, [2, 0], [-1])
    with pytest.raises(CertificateError, match=r"the prices of budgets are int64\(0,\), this instance's are int64\(1,\)"):
        proven("10 J", 8, [2, 0], [])
