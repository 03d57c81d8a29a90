"""Sizes, rates and durations with their units."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.base.units import (
    LARGEST,
    format_rate,
    format_requests,
    format_seconds,
    format_size,
    parse_duration,
    parse_flop,
    parse_flops,
    parse_rate,
    parse_requests,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0 B", 0),
        ("512 B", 512),
        ("512B", 512),
        ("  16 KiB ", 16 * 1024),
        ("1 kB", 1000),
        ("1 KB", 1000),
        ("162.9 MB", 162_900_000),
        ("25 GiB", 25 * 2**30),
        ("80 GB", 80 * 10**9),
        ("0.5 KiB", 512),
        ("1.5 TiB", 3 * 2**39),
        ("1 PiB", 2**50),
        ("1 PB", 10**15),
        ("1e3 MB", 10**9),
        ("2.5E+2 B", 250),
        ("1024 PiB", LARGEST),
        ("10Gi", 10 * 2**30),
        ("1.5 Ki", 1536),
        ("14.11 GiB", 15_150_497_137),  # 15150497136.64
        ("1.9GiB", 2_040_109_466),  # 2040109465.6
        ("0.5 B", 1),
        ("1.5 B", 2),
        ("2.5 B", 3),
        ("2.4999999999 B", 2),
    ],
)
def test_sizes_are_exact_integers(text: str, size: int) -> None:
    """Decimal and binary units both count exactly; between two bytes it is the nearest, halves upward."""
    found = parse_size(text)
    assert found == size
    assert type(found) is int


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("4.9 TB/s", 4_900 * 10**9),
        ("450 GB/s", 450 * 10**9),
        ("1 GiB/s", 2**30),
        ("7 B/s", 7),
        ("10.53 GiB/s", 11_306_501_407),  # 11306501406.72
        ("200 Gbps", 25 * 10**9),
        ("200 Gbit/s", 25 * 10**9),
        ("8 Kibit/s", 1024),
        ("100 Mbps", 12_500_000),
        ("12 bit/s", 2),  # 1.5
        ("9 bps", 1),  # 1.125
    ],
)
def test_rates_are_exact_integers(text: str, rate: int) -> None:
    """A rate is a size in a second, or bits in a second, eight of them a byte."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 s", Fraction(0)),
        ("10 us", Fraction(1, 10**5)),
        ("1.5 ms", Fraction(3, 2000)),
        ("3 ns", Fraction(3, 10**9)),
        ("0.1 ps", Fraction(1, 10**13)),
        ("1e9 s", Fraction(10**9)),
    ],
)
def test_durations_are_exact_fractions(text: str, seconds: Fraction) -> None:
    """A duration is a rational number of seconds: a tenth is a tenth."""
    assert parse_duration(text) == seconds


SIZE = 'expected a size with its unit such as "80 GiB" or "80 GB"'
BAD_SIZES = [
    (80, f"found 80 without a unit, {SIZE}"),
    (1.5, f"found 1.5 without a unit, {SIZE}"),
    ("80", f"found '80' without a unit, {SIZE}"),
    ("80 Gb", f"found unit 'Gb' in '80 Gb', {SIZE}"),
    ("80 GB/s", f"found unit 'GB/s' in '80 GB/s', {SIZE}"),
    ("80 gib", f"found unit 'gib' in '80 gib', {SIZE}"),
    ("80 G", f"found unit 'G' in '80 G', {SIZE}"),
    (True, f"found True, {SIZE}"),
    (None, f"found None, {SIZE}"),
    ([1], f"found a list, {SIZE}"),
    ("", f"found '', {SIZE}"),
    ("GB", f"found 'GB', {SIZE}"),
    ("-1 GB", f"found '-1 GB', {SIZE}"),
    ("+1 GB", f"found '+1 GB', {SIZE}"),
    ("1_000 B", f"found '1_000 B', {SIZE}"),
    ("1,5 GB", f"found '1,5 GB', {SIZE}"),
    (".5 GB", f"found '.5 GB', {SIZE}"),
    ("5. GB", f"found '5. GB', {SIZE}"),
    ("nan GB", f"found 'nan GB', {SIZE}"),
    ("inf GB", f"found 'inf GB', {SIZE}"),
    ("٣ GB", f"found '٣ GB', {SIZE}"),
    ("1/2 GB", f"found '1/2 GB', {SIZE}"),
    ("1 GB 2", f"found '1 GB 2', {SIZE}"),
    ("0x10 B", f"found '0x10 B', {SIZE}"),
    ("1e999 B", f"found '1e999 B', {SIZE}"),
    ("0.3 B", "found '0.3 B', which is less than half a byte, expected whole bytes"),
    ("10Gb", f"found unit 'Gb' in '10Gb', {SIZE}"),
    ("80 Gi/s", f"found unit 'Gi/s' in '80 Gi/s', {SIZE}"),
    ("10%", f"found unit '%' in '10%', {SIZE}"),
    ("1025 PiB", "found '1025 PiB', expected at most 2**60 bytes"),
    ("1e99 B", "found '1e99 B', expected at most 2**60 bytes"),
    ("9" * 5000 + " B", f"found '{'9' * 56}..., {SIZE}"),
]


@pytest.mark.parametrize(("value", "message"), BAD_SIZES, ids=[repr(value)[:20] for value, _ in BAD_SIZES])
def test_other_sizes_are_refused(value: object, message: str) -> None:
    """Numbers without a unit, unknown units, signs, other digits, fractions of a byte and absurd sizes are refused in words."""
    with pytest.raises(InputError) as caught:
        parse_size(value)
    assert str(caught.value) == message


def test_other_rates_and_durations_are_refused() -> None:
    """Rates need /s, durations a unit of time and an end."""
    for parse, value, message in (
        (parse_rate, "4 GB", "found unit 'GB' in '4 GB', expected a rate with its unit such as \"450 GB/s\""),
        (parse_rate, "0.4 B/s", "found '0.4 B/s', which is less than half a byte, expected whole bytes per second"),
        (
            parse_rate,
            "200 Gb/s",
            "found unit 'Gb/s' in '200 Gb/s', expected \"200 Gbit/s\" (bits) or \"200 GB/s\" (bytes)",
        ),
        (parse_rate, "1 Gi/s", "found unit 'Gi/s' in '1 Gi/s', expected a rate with its unit such as \"450 GB/s\""),
        (parse_rate, "1e99 bit/s", "found '1e99 bit/s', expected at most 2**60 bytes per second"),
        (parse_duration, 5, 'found 5 without a unit, expected a duration with its unit such as "10 us"'),
        (parse_duration, "5 min", "found unit 'min' in '5 min', expected a duration with its unit such as \"10 us\""),
        (parse_duration, "1e10 s", "found '1e10 s', expected at most 10**9 seconds"),
    ):
        with pytest.raises(InputError) as caught:
            parse(value)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("size", "binary", "text"),
    [
        (0, True, "0 B"),
        (512, True, "512 B"),
        (25 * 2**30, True, "25 GiB"),
        (25 * 2**30, False, "26.84 GB"),
        (162_900_000, False, "162.9 MB"),
        (3 * 2**49, True, "1.5 PiB"),
        (1000, False, "1 kB"),
        (999, False, "999 B"),
        (-(2**30), True, "-1 GiB"),
    ],
)
def test_sizes_are_printed_in_either_convention(size: int, binary: bool, text: str) -> None:
    """Four significant digits and the largest unit that is not larger than the size."""
    assert format_size(size, binary=binary) == text


def test_rates_are_printed_in_either_convention() -> None:
    """Rates are decimal unless asked for in binary."""
    assert format_rate(4_900 * 10**9) == "4.9 TB/s"
    assert format_rate(4_900 * 10**9, binary=True) == "4.457 TiB/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (24.592, "24.59 s"),
        (0.0024, "2.4 ms"),
        (1.25e-5, "12.5 us"),
        (3e-9, "3 ns"),
        (2e-12, "0.002 ns"),
        (-0.5, "-500 ms"),
    ],
)
def test_seconds_are_printed_in_the_unit_that_suits(seconds: float, text: str) -> None:
    """Four significant digits, seconds to nanoseconds."""
    assert format_seconds(seconds) == text


@settings(derandomize=True, deadline=None)
@given(number=st.integers(0, 2**20), unit=st.sampled_from(["B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"]))
def test_whole_numbers_of_units_come_back(number: int, unit: str) -> None:
    """Whatever is written as a whole number of a unit is that many times the unit."""
    assert parse_size(f"{number} {unit}") == number * parse_size(f"1 {unit}")
    assert parse_rate(f"{number} {unit}/s") == parse_size(f"{number} {unit}")


@settings(derandomize=True, deadline=None)
@given(size=st.integers(1, LARGEST), binary=st.booleans())
def test_printed_sizes_are_right_to_four_digits(size: int, binary: bool) -> None:
    """Read back as a quantity, a printed size is within 0.05 % of what was printed."""
    number, unit = format_size(size, binary=binary).split()
    back = Fraction(number) * parse_size(f"1 {unit}")
    assert abs(back - size) <= Fraction(size, 2000)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(text=st.text(max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Text never gives anything but a number >= 0 or an InputError."""
    for parse in (parse_size, parse_rate, parse_duration):
        try:
            outcome: object = parse(text)
        except InputError as error:
            outcome = str(error)
        assert outcome.startswith("found ") if isinstance(outcome, str) else outcome >= 0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100 IOPS", 100), ("1.5M IOPS", 1_500_000), ("800 kIOPS", 800_000), ("1KIOPS", 1000), ("100 /s", 100), ("2.5 /s", 3)],
)
def test_requests_a_second(text: str, rate: int) -> None:
    """As datasheets write them, the prefix beside the number or beside the unit; the nearest whole number."""
    assert parse_requests(text) == rate


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "found 5 without a unit, expected requests a second with their unit"),
        ("5", "found '5' without a unit, expected requests a second with their unit"),
        ("5 GB/s", "found unit 'GB/s' in '5 GB/s', expected requests a second with their unit"),
        ("0.4 IOPS", r"found '0.4 IOPS', expected from 1 to 2\*\*60 requests a second"),
        ("9999 PIOPS", r"found '9999 PIOPS', expected from 1 to 2\*\*60 requests a second"),
        (None, "found None, expected requests a second with their unit"),
    ],
)
def test_other_requests_are_refused(value: object, message: str) -> None:
    """No bare numbers, no other units, at least one."""
    with pytest.raises(InputError, match=message):
        parse_requests(value)


def test_operations_and_their_rates() -> None:
    """FLOP are a number, FLOP/s (or FLOPS) a rate, and neither is taken for the other."""
    assert parse_flops("990 TFLOP/s") == parse_flops("0.99 PFLOPS") == 990 * 10**12
    assert parse_flop("16.06 GFLOP") == 16_060_000_000
    for text in ("16 GFLOP", "16", 16, "16 GB/s"):
        with pytest.raises(InputError, match='expected operations a second with their unit such as "990 TFLOP/s"'):
            parse_flops(text)
    for text in ("16 GFLOPS", "16 GFLOP/s", 16):
        with pytest.raises(InputError, match='expected operations with their unit such as "16 GFLOP"'):
            parse_flop(text)
    for parse, text in ((parse_flops, "0 FLOP/s"), (parse_flop, "0 FLOP")):
        with pytest.raises(InputError, match=f"found '{text}', expected more than zero"):
            parse(text)


def test_requests_are_shown_in_thousands() -> None:
    """Four digits and the prefix that suits."""
    assert [format_requests(rate) for rate in (7, 200_000, 1_500_000, 2e9)] == ["7 IOPS", "200 kIOPS", "1.5 MIOPS", "2 GIOPS"]
