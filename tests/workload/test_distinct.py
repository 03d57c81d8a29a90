"""Rows of different items: the loop equals a slow twin, rows follow successive draws, kept items stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.workload.synth.distinct import Distinct
from placement_opt.workload.synth.distinct_kernels import fill
from tests.workload.traces import inclusion


def slow(uniform: list[float], chance: list[float], keeps: list[list[int]], back: int, count: int) -> list[list[int]]:
    """Row by row and draw by draw, with sums made anew; as many rows as there are numbers for."""
    rows: list[list[int]] = []
    numbers = iter(uniform)
    try:
        for keep in keeps:
            row = [item for item, kept in zip(rows[-back], keep, strict=True) if kept] if 0 < back <= len(rows) else []
            while len(row) < count:
                first = min(set(range(len(chance))) - set(row))
                rest = next(numbers) * sum(chance[first:][::-1])
                item = max(i for i in range(first, len(chance)) if sum(chance[i:][::-1]) > rest)
                row += [item] if item not in row else []
            rows.append(row)
    except StopIteration:
        pass
    return rows


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.integers(1, 12), st.floats(0, 6), st.integers(0, 3), st.integers(0, 2**32), st.sampled_from([2, 5, 64]))
def test_the_loop_equals_its_slow_twin(items: int, exponent: float, back: int, seed: int, parts: int) -> None:
    """Whatever the chances, the rows kept from, where the numbers end, and how finely places to search are known."""
    rng = np.random.default_rng(seed)
    chance, count = np.arange(1, items + 1) ** -exponent, int(rng.integers(1, items + 1))
    keeps, uniform = rng.integers(0, 2, (6, count)).astype(np.int32), rng.random(int(rng.integers(1, 60)))
    left = np.ascontiguousarray(np.cumsum(chance[::-1])[::-1])
    guide = (items - 1 - np.searchsorted(left[::-1], np.linspace(0, left[0], parts + 1), side="right")).astype(np.int32)
    out, state = np.empty((6, count), dtype=np.int32), np.array([0, -1, 0, 0])
    stamp, half = np.full(items, -1), len(uniform) // 2
    used = fill(uniform[:half], left, guide, keeps, back, out, stamp, state)
    if used == half:
        fill(uniform[half:], left, guide, keeps, back, out, stamp, state)
    rows = slow(uniform.tolist(), chance.tolist(), keeps.tolist(), back, count)
    assert out[: state[0]].tolist() == rows[: state[0]]
    assert len(rows) == state[0] or used < half


@pytest.mark.parametrize("exponent", [0.0, 1.0, 5.0])
def test_items_come_as_often_as_successive_draws_have_them(exponent: float) -> None:
    """By enumeration of all orders (5 standard errors), over several parts."""
    weights = np.arange(1, 13) ** -exponent
    distinct, rows = Distinct(weights, 2, np.random.default_rng(1)), 40_000
    seen = np.bincount(np.concatenate([distinct.rows(rows // 2) for _ in range(2)]).ravel(), minlength=12) / rows
    expected = np.array(inclusion(weights.tolist(), 2))
    assert (np.abs(seen - expected) < 5 * np.sqrt(expected * (1 - expected) / rows) + 1e-9).all()


def test_rows_keep_what_they_are_to_keep() -> None:
    """All of the row three before for ever at a chance of 1, four fifths of it at 0.8 and nothing else's, over parts too."""
    always = Distinct(np.ones(9), 4, np.random.default_rng(0), back=3, keep=1.0)
    rows = np.concatenate([always.rows(5) for _ in range(3)])
    assert (rows == np.tile(rows[:3], (5, 1))).all()
    often = Distinct(np.ones(1000), 50, np.random.default_rng(0), back=3, keep=0.8)
    rows = np.concatenate([often.rows(100) for _ in range(3)])
    common = np.mean([len(np.intersect1d(row, other)) for row, other in zip(rows[3:], rows[:-3], strict=True)])
    assert common / 50 == pytest.approx(0.8 + 0.2 * 0.04, abs=0.02)
