"""Numbers as people read them: the digits that matter, the unit beside them, "-" where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from placement_opt.base.units import format_rate, format_seconds, format_size

NOTHING = "-"
_TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def seconds(value: float | None) -> str:
    """``"35.99 s"``: four digits, the unit that suits."""
    return NOTHING if value is None else format_seconds(value)


def full_seconds(value: float | None) -> str:
    """``"35.98513 s"``: seven digits, for the number that a command was asked for."""
    if value is None:
        return NOTHING
    factor, unit = time_unit(abs(value))
    return f"{value / factor:.7g} {unit}"


def seconds_column(values: Sequence[float | None]) -> tuple[str, list[str]]:
    """(unit, texts) of a column whose entries are compared: one unit, one number of decimals.

    The unit suits the largest value; the decimals give the smallest that is not zero three digits, as far as that leaves the
    largest between four digits and seven.
    """
    sizes = [abs(value) for value in values if value is not None and value != 0 and math.isfinite(value)]
    factor, unit = time_unit(max(sizes, default=1.0))
    most, least = (math.floor(math.log10(end(sizes, default=factor) / factor)) for end in (max, min))
    decimals = max(0, 3 - most, min(2 - least, 6 - most))
    # "z": what rounds to nothing has no sign
    return unit, [NOTHING if value is None else f"{value / factor:z.{decimals}f}" for value in values]


def percent(share: float | None) -> str:
    """``"78 %"``, ``"4.2 %"``, ``"0.44 %"``: two digits below ten, whole per cents above, never fewer than hundredths.

    What is more than rounding is never shown as 0, what is not all never as 100.
    """
    if share is None:
        return NOTHING
    value = 100.0 * share
    size = abs(value)
    if size < 1e-7:
        return "0 %"
    if 99.45 <= value < 100:
        return f"{min(value, 99.9):.1f} %"
    if size < 0.005:
        return "<0.01 %" if value > 0 else ">-0.01 %"
    decimals = 2 if size < 0.995 else 1 if size < 9.95 else 0
    return f"{value:.{decimals}f} %"


def rates(unit: str, most: str, per_s: float | None) -> dict[str, Any]:
    """A rate as JSON: its unit, the number, and the number again under its name for tokens, None where it counts others.

    ``most`` is put before the names of an upper bound.
    """
    return {"unit": unit, f"{most}per_s": per_s, f"{most}tokens_per_s": per_s if unit == "tokens" else None}


def times(factor: float | None) -> str:
    """``"4.6x"``, ``"1.03x"``, ``"47x"``."""
    if factor is None:
        return NOTHING
    decimals = 2 if factor < 1.995 else 1 if factor < 9.95 else 0
    return f"{factor:.{decimals}f}x"


def count(number: int | None) -> str:
    """``"88,160"``."""
    return NOTHING if number is None else f"{number:,}"


def figure(value: float | None, digits: int = 4) -> str:
    """A plain number with some digits and no exponent where that is readable: ``"16.67"``, ``"1,205"``."""
    if value is None:
        return NOTHING
    if value == 0 or not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def time_unit(size: float) -> tuple[float, str]:
    """(seconds, name) of the unit that suits a duration of this many seconds."""
    for factor, unit in _TIME_UNITS:
        if size >= factor:
            return factor, unit
    return _TIME_UNITS[-1] if size > 0 else _TIME_UNITS[0]


def sizes_shown(size: int | None) -> tuple[str, str]:
    """A size in powers of ten and of two; None: no limit."""
    if size is None:
        return "unlimited", ""
    return format_size(size, binary=False), format_size(size, binary=True)


def rates_shown(rate: int) -> tuple[str, str]:
    """A rate in powers of ten and of two."""
    return format_rate(rate, binary=False), format_rate(rate, binary=True)
