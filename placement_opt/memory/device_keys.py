"""Keys of a tier that say more of its device than room and rates: page, requests, energy, wear; computing has its own file.

The same keys are read from memory files and from the overrides of an instance; in these, what is not there stays as it was.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_energy_per_byte, as_power, as_requests
from placement_opt.base.units import format_size, parse_cycles, parse_size
from placement_opt.memory.compute_keys import with_compute
from placement_opt.memory.parts import Tier

#: Pages beyond this are refused: sums of rounded blocks must fit 64-bit integers.
LARGEST_PAGE = 2**30


def with_device(tier: Tier, table: Table) -> Tier:
    """The tier with what the table says of its device; InputError, laid at its keys, for what does not fit."""
    page = table.get("page", as_page)
    tier = tier if page is None else replace(tier, page=page)
    return _with_wear(_with_energy(with_compute(_with_requests(tier, table), table), table), table)


def _with_energy(tier: Tier, table: Table) -> Tier:
    both = table.get("energy", as_energy_per_byte)
    read, write = (table.get(key, as_energy_per_byte) for key in ("read_energy", "write_energy"))
    for key, value in (("read_energy", read), ("write_energy", write)):
        if value is not None and both is not None:
            raise table.error(key, f"found {key} beside energy, which is for both ways", "expected one of the two")
    power = table.get("background_power", as_power)
    return replace(
        tier,
        read_energy=next((value for value in (read, both) if value is not None), tier.read_energy),
        write_energy=next((value for value in (write, both) if value is not None), tier.write_energy),
        background_power=tier.background_power if power is None else power,
    )


def _with_wear(tier: Tier, table: Table) -> Tier:
    endurance, factor = table.get("endurance", as_cycles), table.get("write_amplification", as_amplification)
    return replace(
        tier,
        endurance=tier.endurance if endurance is None else endurance,
        write_amplification=tier.write_amplification if factor is None else factor,
    )


def _with_requests(tier: Tier, table: Table) -> Tier:
    both = table.get("iops", as_requests)
    ways = {key: table.get(key, as_requests) for key in ("read_iops", "write_iops")}
    for key, limit in ways.items():
        if limit is not None and both is not None:
            raise table.error(key, f"found {key} beside iops, which is for both ways", "expected one of the two")
        if limit is not None and tier.shared_iops:
            raise table.error(key, f"found {key} for a tier whose ways share one number of requests", "expected iops")
    if both is not None:
        separate = tier.read_iops is not None or tier.write_iops is not None
        return replace(tier, read_iops=both, write_iops=both, shared_iops=tier.shared_iops or not separate)
    read, write = ways["read_iops"], ways["write_iops"]
    return replace(
        tier,
        read_iops=tier.read_iops if read is None else read,
        write_iops=tier.write_iops if write is None else write,
    )


def as_page(value: Any) -> int:
    """A size of at least a byte."""
    page = parse_size(value)
    if not 1 <= page <= LARGEST_PAGE:
        raise InputError(f"found {shown(value)}", f"expected a page from 1 B to {format_size(LARGEST_PAGE)}")
    return page


def as_cycles(value: Any) -> Fraction:
    """Program cycles, with their unit."""
    return parse_cycles(value)


def as_amplification(value: Any) -> Fraction:
    """A number from 1 to 1,000, as the decimal that is written."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1000:
        raise InputError(f"found {shown(value)}", "expected a number from 1 to 1000")
    return Fraction(str(value))
