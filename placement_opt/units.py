"""Sizes, rates and durations: integers and exact fractions inside, units spelled at the edges.

Sizes are integer bytes, rates integer bytes per second. Text without a unit is refused, because serving engines disagree on
whether "80" of "GB" means 10**9 or 2**30: both conventions are accepted here, and both are printed.
"""

from __future__ import annotations

import re
from fractions import Fraction

from placement_opt.errors import InputError, shown

_PREFIX = {"": 1, "K": 10**3, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_BYTES = {f"{prefix}B": factor for prefix, factor in (_PREFIX | _BINARY).items()}
_SECONDS = {
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
    "ps": Fraction(1, 10**12),
}
# Digits are counted so that no text, however long, can cost more than a moment or pass Python's own limit on integers.
_QUANTITY = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?)\s*([A-Za-z/]*)", re.ASCII)
#: Largest size or rate accepted: sums of many must still fit 64-bit integers.
LARGEST = 2**60
#: Longest duration accepted, in seconds (30 years): no time of a step or a limit needs more.
LONGEST = 10**9


def _quantity(text: object, units: dict[str, Fraction] | dict[str, int], example: str) -> Fraction:
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise InputError(f"found {shown(text)} without a unit", f"expected {example}")
    match = _QUANTITY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise InputError(f"found {shown(text)}", f"expected {example}")
    number, unit = match.groups()
    if not unit:
        raise InputError(f"found {shown(text)} without a unit", f"expected {example}")
    if unit not in units:
        raise InputError(f"found unit {shown(unit)} in {shown(text)}", f"expected {example}")
    return Fraction(number) * units[unit]


def _integer(value: Fraction, text: object, what: str) -> int:
    if value.denominator != 1:
        raise InputError(f"found {shown(text)}, which is no whole number of {what}", f"expected whole {what}")
    if value > LARGEST:
        raise InputError(f"found {shown(text)}", f"expected at most 2**60 {what}")
    return int(value)


def parse_size(text: object) -> int:
    """Bytes in e.g. ``"25 GiB"``, ``"162.9 MB"`` or ``"512 B"``; InputError for anything else."""
    return _integer(_quantity(text, _BYTES, 'a size with its unit such as "80 GiB" or "80 GB"'), text, "bytes")


def parse_rate(text: object) -> int:
    """Bytes per second in e.g. ``"4.9 TB/s"`` or ``"450 GB/s"``; InputError for anything else."""
    units = {f"{unit}/s": factor for unit, factor in _BYTES.items()}
    value = _quantity(text, units, 'a rate with its unit such as "450 GB/s"')
    return _integer(value, text, "bytes per second")


def parse_duration(text: object) -> Fraction:
    """Seconds, exactly, in e.g. ``"10 us"`` or ``"1.5 ms"``; InputError for anything else."""
    value = _quantity(text, _SECONDS, 'a duration with its unit such as "10 us"')
    if value > LONGEST:
        raise InputError(f"found {shown(text)}", "expected at most 10**9 seconds")
    return value


def _scaled(value: float, steps: list[tuple[float, str]]) -> str:
    for factor, unit in steps:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {unit}"
    factor, unit = steps[-1]
    return f"{value / factor:.4g} {unit}"


_DECIMAL_STEPS = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]
_BINARY_STEPS = [(2.0**50, "PiB"), (2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")]


def format_size(size: float, *, binary: bool = True) -> str:
    """``"25 GiB"`` (or, with ``binary=False``, ``"26.84 GB"``), four significant digits."""
    return _scaled(float(size), _BINARY_STEPS if binary else _DECIMAL_STEPS)


def format_rate(rate: float, *, binary: bool = False) -> str:
    """``"4.9 TB/s"`` (or, with ``binary=True``, ``"4.457 TiB/s"``), four significant digits."""
    return format_size(rate, binary=binary) + "/s"


def format_seconds(seconds: float) -> str:
    """``"24.59 s"``, ``"2.4 ms"``, ``"12.5 us"``: four significant digits."""
    return _scaled(seconds, [(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")]) if seconds else "0 s"
