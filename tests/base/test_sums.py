"""Sums rounded once, part by part."""

from __future__ import annotations

import math

import numpy as np
import pytest

from placement_opt.base import sums
from placement_opt.base.sums import exact_sum


@pytest.mark.parametrize("shape", [(0,), (1,), (4,), (5,), (3, 7), (2, 3, 4)])
def test_the_sum_of_all_parts_is_that_of_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where large terms of one part are taken back in another, and of arrays that are not in one piece."""
    monkeypatch.setattr(sums, "_PART", 4)
    values = np.random.default_rng(len(shape)).normal(size=shape) * 10.0 ** np.random.default_rng(1).integers(-9, 17, shape)
    for each in (values, values.T, np.concatenate([values.ravel(), -values.ravel()[::-1], [1e-3]])):
        assert exact_sum(each) == math.fsum(each.ravel().tolist())


def test_nothing_finite_comes_of_infinities() -> None:
    assert exact_sum(np.array([1.0, np.inf])) == math.inf
