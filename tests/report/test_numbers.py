"""Numbers as people read them."""

from __future__ import annotations

import pytest

from placement_opt.report.numbers import count, figure, full_seconds, percent, seconds, seconds_column, times


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "-"),
        (0.0, "0 %"),
        (1e-16, "0 %"),
        (0.00001, "<0.01 %"),
        (-0.00001, ">-0.01 %"),
        (0.0044, "0.44 %"),
        (0.00994, "0.99 %"),
        (0.00996, "1.0 %"),
        (0.042, "4.2 %"),
        (0.0996, "10 %"),
        (0.784, "78 %"),
        (0.9944, "99 %"),
        (0.9946, "99.5 %"),
        (0.9999999, "99.9 %"),
        (1.0, "100 %"),
        (4.118, "412 %"),
        (-0.031, "-3.1 %"),
    ],
)
def test_percent_shows_two_digits(share: float | None, text: str) -> None:
    """Two digits below ten per cent, whole numbers above, never a bare 0 for what is not 0."""
    assert percent(share) == text


@pytest.mark.parametrize(
    ("factor", "text"),
    [(None, "-"), (1.0, "1.00x"), (1.034, "1.03x"), (1.996, "2.0x"), (4.62, "4.6x"), (9.96, "10x"), (47.3, "47x")],
)
def test_times_shows_two_digits(factor: float | None, text: str) -> None:
    """A factor has two digits after its leading one where it is near one, fewer where it is large."""
    assert times(factor) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (35.985132, "35.98513 s"),
        (0.0482929620446, "48.29296 ms"),
        (1.5e-6, "1.5 us"),
        (2e-12, "0.002 ns"),
        (0.0, "0 s"),
    ],
)
def test_full_seconds_shows_seven_digits(value: float | None, text: str) -> None:
    """The number a command was asked for is shown with seven digits in the unit that suits."""
    assert full_seconds(value) == text


def test_short_seconds_have_four_digits() -> None:
    """Other times are shown with four digits."""
    assert seconds(35.985132) == "35.99 s"
    assert seconds(None) == "-"


def test_a_column_of_seconds_has_one_unit_and_one_number_of_decimals() -> None:
    """Entries that are compared have the unit of the largest and decimals for three digits of the smallest, seven in all."""
    assert seconds_column([183.8, None, 36.075, 0.159]) == ("s", ["183.800", "-", "36.075", "0.159"])
    assert seconds_column([0.0482, 0.0496]) == ("ms", ["48.20", "49.60"])
    assert seconds_column([1234.5, 1e-6]) == ("s", ["1234.500", "0.000"])
    assert seconds_column([1.0, -1e-17]) == ("s", ["1.000000", "0.000000"])
    assert seconds_column([2e-9, 5e-6]) == ("us", ["0.00200", "5.00000"])


def test_a_column_without_numbers_is_still_a_column() -> None:
    """Nothing, zeros and no entries at all give texts, not errors."""
    assert seconds_column([]) == ("s", [])
    assert seconds_column([None, 0.0]) == ("s", ["-", "0.000"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (16.6712, "16.67"), (1204.6, "1,205"), (0.0, "0"), (float("inf"), "inf"), (1e-7, "1e-07"), (0.5, "0.5000")],
)
def test_figures_have_four_digits(value: float | None, text: str) -> None:
    """Plain numbers have four digits and thousands separators."""
    assert figure(value) == text


def test_counts_have_thousands_separators() -> None:
    """Counts are whole numbers, grouped by thousands."""
    assert count(88160) == "88,160"
    assert count(None) == "-"
