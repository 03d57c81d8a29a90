"""Ranges of values: what they stand for, and what is no range."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.base.ranges import MOST_VALUES, spaced
from placement_opt.base.units import parse_size


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1GiB..4GiB:7", ["1GiB", "1.5GiB", "2GiB", "2.5GiB", "3GiB", "3.5GiB", "4GiB"]),
        ("4GiB..1GiB:2", ["4GiB", "1GiB"]),
        ("512 MiB..4 GiB:8", ["0.5GiB", "1GiB", "1.5GiB", "2GiB", "2.5GiB", "3GiB", "3.5GiB", "4GiB"]),
        ("1GB..2GiB:2", ["0.931323GiB", "2GiB"]),
        ("1GiB..2GiB:4", ["1GiB", "1.33333GiB", "1.66667GiB", "2GiB"]),
        ("400Gbps..100GB/s:3", ["50GB/s", "75GB/s", "100GB/s"]),
        ("1us..1ms:2", ["0.001ms", "1ms"]),
        ("10%..50%:5", ["10%", "20%", "30%", "40%", "50%"]),
        ("1000tokens..2000tokens:3", ["1000tokens", "1500tokens", "2000tokens"]),
        ("1..9:5", ["1", "3", "5", "7", "9"]),
        ("1..10000000:2", ["1", "10000000"]),
        ("1..20000000:3", ["1", "10000000", "20000000"]),  # 10000000.5, rounded before the point
        ("0.01..0.03:3", ["0.01", "0.02", "0.03"]),
        ("1e-3..3e-3:2", ["0.001", "0.003"]),
        ("free", ["free"]),
        ("../t..u.npz", ["../t..u.npz"]),
        ("1GiB", ["1GiB"]),
        ("", [""]),
    ],
)
def test_what_a_range_stands_for(text: str, values: list[str]) -> None:
    """Both ends and what lies evenly between, in decimals that somebody would write."""
    assert spaced(text) == values


EXPECTED = "expected LOW..HIGH:COUNT such as 1GiB..4GiB:7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1GiB..4GiB", f"found '1GiB..4GiB', {EXPECTED}"),
        ("1GiB..:7", f"found '1GiB..:7', {EXPECTED}"),
        ("1GiB..4GiB:", f"found '1GiB..4GiB:', {EXPECTED}"),
        ("1GiB..4GiB:x", f"found '1GiB..4GiB:x', {EXPECTED}"),
        ("1GiB..4GiB:-1", f"found '1GiB..4GiB:-1', {EXPECTED}"),
        ("1GiB..4GiB:٣", f"found '1GiB..4GiB:٣', {EXPECTED}"),
        ("1GiB..2GiB..3GiB:3", f"found '1GiB..2GiB..3GiB:3', {EXPECTED}"),
        ("1GiB..4GiB:1", f"found '1GiB..4GiB:1', expected a count from 2 to {MOST_VALUES}"),
        ("1GiB..4GiB:1001", f"found '1GiB..4GiB:1001', expected a count from 2 to {MOST_VALUES}"),
        ("1GiB..4GiB:" + "9" * 5000, f"found '1GiB..4GiB:{'9' * 45}..., expected a count from 2 to {MOST_VALUES}"),
        ("1GiB..4us:3", "found '1GiB..4us:3' with ends in GiB and us, expected one unit"),
        ("1..4GiB:3", "found '1..4GiB:3' with ends in no unit and GiB, expected one unit"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    """What begins like a range says what it should have been."""
    with pytest.raises(InputError) as caught:
        spaced(text)
    assert str(caught.value) == message


@settings(derandomize=True, deadline=None)
@given(low=st.integers(0, 10**6), high=st.integers(0, 10**6), count=st.integers(2, 50))
def test_values_lie_evenly(low: int, high: int, count: int) -> None:
    """Each is where it should be to six digits, the ends exactly."""
    sizes = [parse_size(text) for text in spaced(f"{low}kB..{high}kB:{count}")]
    assert (sizes[0], sizes[-1], len(sizes)) == (low * 1000, high * 1000, count)
    for n, size in enumerate(sizes):
        wanted = 1000 * (low + Fraction(n * (high - low), count - 1))
        assert abs(size - wanted) <= 1 + wanted / 10**5
