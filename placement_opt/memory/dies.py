"""Tiers made of equal dies: from what is said of one of them to what all have, and back.

A file says of one die what it holds and how fast it is, or how many planes read a page in what time; a
:class:`placement_opt.memory.parts.Tier` has the totals. Going back and forth is exact, so that another number of dies rescales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from placement_opt.base.capacity import UNLIMITED
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_integer
from placement_opt.base.units import LARGEST, format_rate, format_seconds, format_size, parse_duration
from placement_opt.memory.parts import Tier

#: More dies, planes, cores or channels are refused.
MOST = 2**16
as_count = as_integer(1, MOST)


def as_page_time(value: Any) -> Fraction:
    """Seconds, more than none."""
    seconds = parse_duration(value, "4 us")
    if not seconds:
        raise InputError(f"found {shown(value)}", "expected more than zero")
    return seconds


def of_one_die(tier: Tier) -> Tier:
    """The tier with the numbers of one die; what follows from times is of no matter there."""
    return _multiplied(tier, Fraction(1, tier.dies))


def of_dies(tier: Tier, dies: int, table: Table) -> Tier:
    """The tier with the numbers of all dies; InputError, laid at the table's keys, for what is too much or too little."""
    if tier.capacity != UNLIMITED and tier.capacity * dies > LARGEST:
        too_much = f"found {dies:,} dies of {format_size(tier.capacity)}"
        raise table.error("dies", too_much, "expected at most 2**60 bytes in all")
    found = replace(_multiplied(tier, Fraction(dies)), dies=dies)
    compute = found.compute
    if tier.read_time is not None:
        found = replace(found, read_rate=_paged(tier, dies * tier.planes, tier.read_time, table, "read_time"), shared=False)
    if tier.program_time is not None:
        rate = _paged(tier, dies * tier.planes, tier.program_time, table, "program_time")
        found = replace(found, write_rate=rate, shared=False)
    if compute is not None and compute.cores is not None:
        seconds = tier.read_time if compute.page_time is None else compute.page_time
        if seconds is None:
            expected = "expected compute.page_time, or read_time of the tier"
            raise table.error("compute.cores", "found cores without the time that one takes for a page", expected)
        rate = _paged(tier, dies * compute.cores, seconds, table, "compute.cores")
        found = replace(found, compute=replace(compute, rate=rate))
    _check(found, table)
    return found


def _paged(tier: Tier, pages: int, seconds: Fraction, table: Table, key: str) -> int:
    """Bytes/s, rounded down, of so many pages at a time."""
    if tier.page == 1:
        raise table.error(key, f"found {key.rpartition('.')[2]} without a page", "expected page beside it")
    rate = int(pages * tier.page / seconds)
    if not 1 <= rate <= LARGEST:
        found = f"found {pages:,} x {format_size(tier.page)} in {format_seconds(float(seconds))}"
        raise table.error(key, found, "expected at least 1 B/s" if rate < 1 else "expected at most 2**60 bytes a second")
    return rate


def _multiplied(tier: Tier, factor: Fraction) -> Tier:
    """Every number that grows with the dies, rounded down."""

    def times(value: int | None) -> int | None:
        return None if value is None else int(value * factor)

    compute = tier.compute
    return replace(
        tier,
        capacity=tier.capacity if tier.capacity == UNLIMITED else int(tier.capacity * factor),
        read_rate=int(tier.read_rate * factor),
        write_rate=int(tier.write_rate * factor),
        read_iops=times(tier.read_iops),
        write_iops=times(tier.write_iops),
        compute=None if compute is None else replace(compute, rate=times(compute.rate)),
        background_power=tier.background_power * factor,
    )


def _check(tier: Tier, table: Table) -> None:
    """Sums over all dies must fit 64-bit integers."""
    rates: list[tuple[int | None, Callable[[float], str]]] = [(tier.read_rate, format_rate), (tier.write_rate, format_rate)]
    rates += [(None if tier.compute is None else tier.compute.rate, format_rate)]
    rates += [(tier.read_iops, _requests), (tier.write_iops, _requests)]
    for rate, worded in rates:
        if rate is not None and rate > LARGEST:
            found = f"found {tier.dies:,} dies with {worded(rate)} together"
            raise table.error("dies", found, "expected at most 2**60 a second in all")


def _requests(rate: float) -> str:
    return f"{rate:.4g} requests/s"
