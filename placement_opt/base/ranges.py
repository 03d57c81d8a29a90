"""Evenly spaced values in one word: ``1GiB..4GiB:7`` is 1, 1.5, 2, 2.5, 3, 3.5 and 4 GiB."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction

from placement_opt.base.errors import InputError, shown
from placement_opt.base.units import common_unit, split_quantity

#: Values that one range may have.
MOST_VALUES = 1000
_DIGITS = 6
_EXPECTED = "expected LOW..HIGH:COUNT such as 1GiB..4GiB:7"


def spaced(text: str) -> list[str]:
    """The values of a range, both ends included, as somebody would write them; the text alone where it is no range.

    A value between the ends is rounded to six digits, and what is written is what counts. The ends have one unit, or two of one
    kind (``512MiB..4GiB:8``, which is in GiB), or none.

    Raises
    ------
    InputError
        The text begins like a range and is none.
    """
    low, dots, rest = text.partition("..")
    if not dots or not low[:1].isdigit():
        return [text]
    high, _, count = rest.rpartition(":")
    one, two, count = split_quantity(low), split_quantity(high), count.strip()
    if one is None or two is None or not re.fullmatch("[0-9]+", count):
        raise InputError(f"found {shown(text)}", _EXPECTED)
    if len(count) > len(str(MOST_VALUES)) or not 2 <= int(count) <= MOST_VALUES:
        raise InputError(f"found {shown(text)}", f"expected a count from 2 to {MOST_VALUES}")
    (first, unit), (last, other) = one, two
    common = common_unit(unit, other)
    if common is None:
        raise InputError(f"found {shown(text)} with ends in {unit or 'no unit'} and {other or 'no unit'}", "expected one unit")
    unit, factors = common
    start, end = Fraction(first) * factors[0], Fraction(last) * factors[1]
    step = (end - start) / (int(count) - 1)
    return [_written(start + n * step) + unit for n in range(int(count))]


def _written(value: Fraction) -> str:
    """A decimal number; whole ones exactly, others to six digits (or to the point, where more come before it)."""
    if value.denominator == 1:
        return str(value.numerator)
    context = Context(prec=max(_DIGITS, len(str(int(value)))))
    return format(context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(), "f")
