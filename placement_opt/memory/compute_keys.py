"""Keys of a tier that computes where blocks lie: its rate or what that follows from, results, energy, kinds of block.

Read from memory files and from the overrides of an instance; in these, what is not there stays as it was.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_energy_per_byte, as_rate
from placement_opt.memory.dies import as_count, as_page_time
from placement_opt.memory.parts import Compute, OfKind, Tier

#: Parts of a byte in which a result may be said.
MOST_PARTS = 2**20
_SHARE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})", re.ASCII)


def with_compute(tier: Tier, table: Table) -> Tier:
    """The tier with what its table says of computing; a rate that follows from cores is for who knows the number of dies."""
    inner = table.table("compute")
    if inner is None:
        return tier
    old = tier.compute or Compute(None, None)
    compute = _with_speed(old, inner, new=tier.compute is None)
    energy = inner.get("energy", as_energy_per_byte)
    # A misspelt key of the only place that says what the results are is named as such.
    alone = old.result is None and not any(key in inner for key in ("kv", "weights")) and (old.kv or old.weights) is None
    result = inner.need("result", as_result) if alone else inner.get("result", as_result)
    compute = replace(
        compute,
        result=old.result if result is None else result,
        energy=old.energy if energy is None else energy,
        kv=_of_kind(old.kv, inner.table("kv")),
        weights=_of_kind(old.weights, inner.table("weights")),
    )
    inner.finish()
    for key, own in (("kv", compute.kv), ("weights", compute.weights)):
        if own is not None and own.result is None and compute.result is None:
            raise inner.error(f"{key}.result", "found nothing", "expected this key, or compute.result for all kinds")
    return replace(tier, compute=compute)


def _with_speed(old: Compute, table: Table, *, new: bool) -> Compute:
    """Either a rate, or cores and what a page takes in one of them."""
    rate, cores, page_time = table.get("rate", as_rate), table.get("cores", as_count), table.get("page_time", as_page_time)
    for key, value in (("cores", cores), ("page_time", page_time)):
        if value is not None and rate is not None:
            raise table.error("rate", f"found rate beside {key}, from which it follows", "expected one of the two")
    if rate is not None and old.cores is not None:
        raise table.error("rate", "found rate for a tier whose compute.rate follows from cores", "expected cores or page_time")
    if cores is not None and not new and old.rate is not None and old.cores is None:
        raise table.error("cores", "found cores for a tier whose compute.rate is given as such", "expected rate")
    if page_time is not None and cores is None and old.cores is None:
        raise table.error("page_time", "found page_time without cores", "expected cores beside it")
    return replace(
        old,
        rate=old.rate if rate is None else rate,
        cores=old.cores if cores is None else cores,
        page_time=old.page_time if page_time is None else page_time,
    )


def _of_kind(old: OfKind | None, table: Table | None) -> OfKind | None:
    if table is None:
        return old
    result, energy = table.get("result", as_result), table.get("energy", as_energy_per_byte)
    table.finish()
    old = old or OfKind()
    return OfKind(old.result if result is None else result, old.energy if energy is None else energy)


def as_result(value: Any) -> Fraction:
    """A share in (0, 1], exactly as written: ``"1/64"``, or a number such as 0.0625."""
    expected = 'expected a share in (0, 1] such as "1/64"'
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None and int(match[2]):
        share = Fraction(int(match[1]), int(match[2]))
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        share = Fraction(str(value))
    else:
        raise InputError(f"found {shown(value)}", expected)
    if not 0 < share <= 1:
        raise InputError(f"found {shown(value)}", expected)
    if share.denominator > MOST_PARTS:
        raise InputError(f"found {shown(value)}", f"expected a share in whole parts of at most {MOST_PARTS:,}")
    return share
