"""Capacities that are no number of bytes: counts of what a trace has, shares of it, and no limit at all.

A tier's capacity may be ``"2000 tokens"``, ``"64 blocks"`` (or pages, which are blocks here), ``"30%"`` of the most bytes alive
at once, or ``"unlimited"``. All but the last are room for KV: what weights occupy in the tier is added to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from placement_opt.base.errors import InputError, shown
from placement_opt.base.units import LARGEST, format_size, nearest_whole, parse_size, split_quantity

#: Stands for "unlimited" where a capacity is a number of bytes: more than any size that can be written.
UNLIMITED = 2 * LARGEST
_UNITS = {"token": "tokens", "block": "blocks", "page": "blocks", "tokens": "tokens", "blocks": "blocks", "pages": "blocks"}


@dataclass(frozen=True)
class Count:
    """So many ``unit`` ("tokens", "blocks" or "%"), as somebody wrote it in ``text``."""

    number: Fraction
    unit: str
    text: str


@dataclass(frozen=True)
class Contents:
    """What a capacity may count.

    Attributes
    ----------
    token_bytes
        KV of one token in all layers of the trace; None where nothing says so.
    smallest, largest
        Bytes of the smallest and the largest block.
    peak_bytes
        The most bytes alive at one state.
    """

    token_bytes: int | None
    smallest: int
    largest: int
    peak_bytes: int


def stated_bytes(capacity: int) -> int | None:
    """A capacity in bytes as its owner would say it: None where there is no limit."""
    return None if capacity == UNLIMITED else capacity


def parse_count(value: object) -> Count | None:
    """``"2000 tokens"``, ``"64 blocks"``, ``"30%"``; None for anything else."""
    parts = split_quantity(value) if isinstance(value, str) else None
    if parts is None or (parts[1] != "%" and parts[1] not in _UNITS):
        return None
    number = Fraction(parts[0])
    return Count(number / 100 if parts[1] == "%" else number, _UNITS.get(parts[1], "%"), str(value))


def parse_capacity(value: object) -> int | Count:
    """Bytes (``UNLIMITED`` for ``"unlimited"``), or what an instance makes bytes from; InputError for anything else."""
    if value == "unlimited":
        return UNLIMITED
    count = parse_count(value)
    return parse_size(value) if count is None else count


def counted_bytes(count: Count, contents: Contents) -> int:
    """The bytes of a count, the nearest whole number; InputError where the trace does not say what one of them takes."""
    if count.unit == "tokens":
        each = contents.token_bytes
        if each is None:
            found = f"found {shown(count.text)}, where nothing says how many bytes a token takes"
            raise InputError(found, "expected kv_bytes and layers in [llm] beside it, or a size")
    elif count.unit == "blocks":
        each = contents.largest
        if contents.smallest != each:
            sizes = f"{format_size(contents.smallest)} to {format_size(each)}"
            raise InputError(f"found {shown(count.text)}, where blocks are of {sizes}", "expected a size, tokens or a share")
    else:
        each = contents.peak_bytes
    amount = count.number * each
    if amount > LARGEST:
        raise InputError(f"found {shown(count.text)}, of {format_size(each)}", "expected at most 2**60 bytes")
    return nearest_whole(amount)
