"""Sizes, rates and durations: integers and exact fractions inside, units spelled at the edges.

Sizes are integer bytes, rates integer bytes per second; what is written between two whole bytes is the nearest, halves upward.
Text without a unit is refused, because serving engines disagree on whether "80" of "GB" means 10**9 or 2**30: both conventions
are accepted here, and both are printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from placement_opt.base.errors import InputError, shown

_PREFIX = {"": 1, "K": 10**3, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_BYTES = {f"{prefix}B": factor for prefix, factor in (_PREFIX | _BINARY).items()} | _BINARY
_RATES = {f"{unit}/s": Fraction(factor) for unit, factor in _BYTES.items() if unit not in _BINARY}
#: Links are sold in bits: eight of them are a byte.
_RATES |= {f"{prefix}bit/s": Fraction(factor, 8) for prefix, factor in (_PREFIX | _BINARY).items()}
_RATES |= {f"{prefix}bps": Fraction(factor, 8) for prefix, factor in _PREFIX.items()}
_SECONDS = {
    "s": Fraction(1),
    "ms": Fraction(1, 10**3),
    "us": Fraction(1, 10**6),
    "ns": Fraction(1, 10**9),
    "ps": Fraction(1, 10**12),
}
#: Requests that a device takes in a second; datasheets write "1.5M IOPS".
_REQUESTS = {f"{prefix}{unit}": factor for prefix, factor in _PREFIX.items() for unit in ("IOPS", "/s")}
_FLOP = {f"{prefix}FLOP": factor for prefix, factor in (_PREFIX | {"E": 10**18}).items()}
_FLOPS = {f"{unit}{ending}": factor for unit, factor in _FLOP.items() for ending in ("/s", "S")}
_JOULES = {
    "J": Fraction(1),
    "kJ": Fraction(10**3),
    "MJ": Fraction(10**6),
    "Wh": Fraction(3600),
    "kWh": Fraction(3600 * 10**3),
    **{f"{prefix}J": Fraction(1, 10**power) for prefix, power in (("m", 3), ("u", 6), ("n", 9), ("p", 12), ("f", 15))},
}
#: Energy of moving or keeping data; datasheets say it by the bit.
_PER_BYTE = {"bit": Fraction(8), **{unit: Fraction(1, _BYTES[unit]) for unit in ("B", "kB", "MB", "GB", "TB")}}
_JOULES_A_BYTE = {f"{joule}/{unit}": value * per for joule, value in _JOULES.items() for unit, per in _PER_BYTE.items()}
_WATTS = {
    "W": Fraction(1),
    "mW": Fraction(1, 10**3),
    "uW": Fraction(1, 10**6),
    "nW": Fraction(1, 10**9),
    "pW": Fraction(1, 10**12),
    "kW": Fraction(10**3),
}
_CYCLES = {f"{prefix}{unit}": factor for prefix, factor in _PREFIX.items() for unit in ("cycles", "cycle")}
_DAY = Fraction(86_400)
#: A year has 365 days, as it has in vendors' warranties.
_LIVES = {"year": 365 * _DAY, "month": 365 * _DAY / 12, "day": _DAY, "hour": Fraction(3600)}
_LIVES |= {f"{unit}s": value for unit, value in _LIVES.items()}
_BYTES_OVER_TIME = {
    f"{unit}/{time}": Fraction(size) / _LIVES[time] for unit, size in _BYTES.items() for time in ("hour", "day", "year")
}
_BYTES_OVER_TIME |= _RATES
# Digits are counted so that no text, however long, can cost more than a moment or pass Python's own limit on integers.
_QUANTITY = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?)\s*([A-Za-z/%]*)", re.ASCII)
#: Largest size or rate accepted: sums of many must still fit 64-bit integers.
LARGEST = 2**60
#: Longest duration accepted, in seconds (30 years): no time of a step or a limit needs more.
LONGEST = 10**9
#: Longest lifetime accepted, in seconds.
LONGEST_LIFE = 1000 * _LIVES["year"]


def split_quantity(text: str) -> tuple[str, str] | None:
    """("1.5", "GiB") of "1.5 GiB": digits and whatever stands where a unit does; None where it is no number."""
    match = _QUANTITY.fullmatch(text.strip())
    return None if match is None else (match[1], match[2])


def common_unit(one: str, other: str) -> tuple[str, tuple[Fraction, Fraction]] | None:
    """The larger of two units of one kind, and what one of each is in it; None where they are not of one kind."""
    if one == other:
        return one, (Fraction(1), Fraction(1))
    for units in (_BYTES, _RATES, _SECONDS, _REQUESTS, _FLOP, _FLOPS, _JOULES, _JOULES_A_BYTE, _WATTS, _CYCLES, _LIVES):
        if one in units and other in units:
            sizes = Fraction(units[one]), Fraction(units[other])
            largest = max(sizes)
            return (one, other)[sizes.index(largest)], (sizes[0] / largest, sizes[1] / largest)
    return None


def nearest_whole(value: Fraction) -> int:
    """The nearest whole number of a value from 0 on, halves upward."""
    return int(value + Fraction(1, 2))


def _quantity(text: object, units: Mapping[str, Fraction | int], example: str) -> Fraction:
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise InputError(f"found {shown(text)} without a unit", f"expected {example}")
    parts = split_quantity(text) if isinstance(text, str) else None
    if parts is None:
        raise InputError(f"found {shown(text)}", f"expected {example}")
    number, unit = parts
    if not unit:
        raise InputError(f"found {shown(text)} without a unit", f"expected {example}")
    if unit not in units:
        raise InputError(f"found unit {shown(unit)} in {shown(text)}", f"expected {example}")
    return Fraction(number) * units[unit]


def _integer(value: Fraction, text: object, what: str) -> int:
    if value > LARGEST:
        raise InputError(f"found {shown(text)}", f"expected at most 2**60 {what}")
    if 0 < value < Fraction(1, 2):
        raise InputError(f"found {shown(text)}, which is less than half a byte", f"expected whole {what}")
    return nearest_whole(value)


def parse_size(text: object) -> int:
    """Bytes in e.g. ``"25 GiB"``, ``"25 Gi"``, ``"162.9 MB"`` or ``"512 B"``; InputError for anything else."""
    return _integer(_quantity(text, _BYTES, 'a size with its unit such as "80 GiB" or "80 GB"'), text, "bytes")


def parse_rate(text: object) -> int:
    """Bytes per second in e.g. ``"4.9 TB/s"``, ``"200 Gbit/s"`` or ``"200 Gbps"``; InputError for anything else."""
    example = 'a rate with its unit such as "450 GB/s"'
    parts = split_quantity(text) if isinstance(text, str) else None
    if parts is not None and parts[1].endswith("b/s"):  # bits to some, bytes misspelt to others
        number, unit = parts
        example = f'"{number} {unit[:-3]}bit/s" (bits) or "{number} {unit[:-3]}B/s" (bytes)'
    return _integer(_quantity(text, _RATES, example), text, "bytes per second")


def parse_requests(text: object) -> int:
    """Requests per second in e.g. ``"1.5M IOPS"``, ``"800 kIOPS"`` or ``"100 /s"``; InputError for anything else."""
    joined = re.sub(r"([kKMGTP])\s+IOPS$", r"\1IOPS", text) if isinstance(text, str) else text
    value = _quantity(joined, _REQUESTS, 'requests a second with their unit such as "1.5M IOPS"')
    if not 1 <= value <= LARGEST:
        raise InputError(f"found {shown(text)}", "expected from 1 to 2**60 requests a second")
    return nearest_whole(value)


def parse_flops(text: object) -> Fraction:
    """Operations per second in e.g. ``"990 TFLOP/s"`` (or ``"990 TFLOPS"``); InputError for anything else."""
    return _positive(_quantity(text, _FLOPS, 'operations a second with their unit such as "990 TFLOP/s"'), text)


def parse_flop(text: object) -> Fraction:
    """A number of operations in e.g. ``"16 GFLOP"``; InputError for anything else."""
    return _positive(_quantity(text, _FLOP, 'operations with their unit such as "16 GFLOP"'), text)


def _positive(value: Fraction, text: object) -> Fraction:
    if not value:
        raise InputError(f"found {shown(text)}", "expected more than zero")
    return value


def parse_energy(text: object) -> Fraction:
    """Joules in e.g. ``"100 J"`` or ``"2 kWh"``; InputError for anything else."""
    return _quantity(text, _JOULES, 'an energy with its unit such as "100 J"')


def parse_energy_per_byte(text: object) -> Fraction:
    """Joules a byte in e.g. ``"3 pJ/bit"`` or ``"24 pJ/B"``; InputError for anything else."""
    value = _quantity(text, _JOULES_A_BYTE, 'an energy of data such as "3 pJ/bit"')
    if value > 1:
        raise InputError(f"found {shown(text)}", "expected at most 1 J/B")
    return value


def parse_power(text: object) -> Fraction:
    """Watts in e.g. ``"2.5 W"`` or ``"80 mW"``; InputError for anything else."""
    return _quantity(text, _WATTS, 'a power with its unit such as "2.5 W"')


def parse_cycles(text: object) -> Fraction:
    """Program and erase cycles in e.g. ``"100000 cycles"``, or ``"3 kcycles"``; InputError for anything else."""
    return _positive(_quantity(text, _CYCLES, 'cycles such as "100000 cycles"'), text)


def parse_lifetime(text: object) -> Fraction:
    """Seconds in e.g. ``"5 years"`` (of 365 days), ``"18 months"`` or ``"90 days"``; InputError for anything else."""
    value = _positive(_quantity(text, _LIVES, 'a lifetime such as "5 years"'), text)
    if value > LONGEST_LIFE:
        raise InputError(f"found {shown(text)}", "expected at most 1,000 years")
    return value


def parse_bytes_rate(text: object) -> Fraction:
    """Bytes a second, exactly, in e.g. ``"10 MB/s"`` or ``"143 TB/day"``; InputError for anything else."""
    return _quantity(text, _BYTES_OVER_TIME, 'bytes over time such as "143 TB/day"')


def parse_seconds_per(what: str) -> Callable[[object], Fraction]:
    """Reads what one of something weighs, as ``"0.5 s/J"`` (``what``: "J") or ``"2 s/TB"`` ("B"), in seconds for one."""
    units = _JOULES if what == "J" else _BYTES
    over = {f"{second}/{unit}": _SECONDS[second] / value for second in _SECONDS for unit, value in units.items()}
    example = "0.5 s/J" if what == "J" else "2 s/TB"

    def parse(text: object) -> Fraction:
        return _quantity(text, over, f'a weight with its unit such as "{example}"')

    return parse


def parse_duration(text: object, example: str = "10 us") -> Fraction:
    """Seconds, exactly, in e.g. ``"10 us"`` or ``"1.5 ms"``; InputError, which gives the example, for anything else."""
    value = _quantity(text, _SECONDS, f'a duration with its unit such as "{example}"')
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


def format_requests(rate: float) -> str:
    """``"1.5 MIOPS"``, four significant digits."""
    return _scaled(float(rate), [(1e9, "GIOPS"), (1e6, "MIOPS"), (1e3, "kIOPS"), (1.0, "IOPS")])


def format_energy(joules: float) -> str:
    """``"2.5 J"``, ``"24 pJ"``, ``"3.1 kJ"``: four significant digits."""
    steps = [(1e6, "MJ"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ")]
    return _scaled(float(joules), steps) if joules else "0 J"


def format_power(watts: float) -> str:
    """``"2.5 W"``, ``"80 mW"``, ``"3.1 kW"``: four significant digits."""
    return _scaled(float(watts), [(1e3, "kW"), (1.0, "W"), (1e-3, "mW"), (1e-6, "uW")]) if watts else "0 W"


def format_lifetime(seconds: float) -> str:
    """``"5 years"``, ``"141 days"``, ``"3.2 hours"``: three significant digits."""
    for unit in ("year", "day", "hour"):
        if seconds >= (number := float(_LIVES[unit])) or unit == "hour":
            return f"{seconds / number:.3g} {unit}s"
    raise AssertionError


def format_seconds(seconds: float) -> str:
    """``"24.59 s"``, ``"2.4 ms"``, ``"12.5 us"``: four significant digits."""
    return _scaled(seconds, [(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")]) if seconds else "0 s"
