"""The tables [budgets] and [objective] of an instance: what a run must keep, and what is minimised.

[budgets], any of::

    energy = "100 J"              # of the whole run; or "2 J/token", "0.1 J/step"; or "35 W" on the average
    time = "20 ms"                # of the whole run
    flash.lifetime = "5 years"    # as long as the run goes on and on; from the tier's endurance and write_amplification
    flash.written = "1 TB"        # of the whole run; or "143 TB/day", "10 MB/s"
    hbm.promotions = "2 GiB"      # moved into the tier from others, of the whole run; or "100 MB/s"

[objective], without it time alone::

    time = 1                      # weight of a second
    energy = "0.5 s/J"            # what a joule weighs
    flash.written = "2 s/TB"      # what is written to a tier weighs

Background power takes energy as long as the run lasts, under a budget of energy and in the objective alike. A token is one step
of every layer of the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from placement_opt.base.capacity import UNLIMITED
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_duration
from placement_opt.base.units import (
    format_energy,
    format_power,
    format_rate,
    format_seconds,
    format_size,
    parse_bytes_rate,
    parse_energy,
    parse_lifetime,
    parse_power,
    parse_seconds_per,
    parse_size,
    split_quantity,
)
from placement_opt.instance.budgets import TIME, Budget, Objective
from placement_opt.memory.energy import ENERGY
from placement_opt.memory.system import MemorySystem

_EACH = ("token", "step")


def read_budgets(table: Table, memory: MemorySystem, *, steps: int, layers: int) -> tuple[Budget, ...]:
    """The budgets of a file, energy and time first, then those of tiers in their order; InputError at the key that is wrong.

    ``steps``: of the trace; ``layers``: steps of a token, as many as layers or, where a layer has several, more.
    """
    found = []
    energy = table.get("energy", _as_energy(steps, layers))
    if energy is not None:
        meter = _energy_meter(table, memory)
        parts, (fixed, power) = memory.meters.parts[meter], energy
        found.append(Budget("energy", meter, parts * fixed, parts * (power - memory.background_power)))
    if (cap := table.get("time", as_duration)) is not None:
        found.append(Budget("time", None, cap, Fraction(-1)))
    for k, tier in enumerate(memory.tiers):
        if (inner := table.table(tier.name)) is not None:
            found += _of_tier(inner, memory, k)
    table.finish()
    return tuple(found)


def read_objective(table: Table, memory: MemorySystem) -> Objective:
    """What a file minimises; InputError at the key that is wrong."""
    time = table.get("time", _as_weight)
    weights: dict[int, Fraction] = {}
    if (energy := table.get("energy", parse_seconds_per("J"))) is not None:
        meter = _energy_meter(table, memory)
        weights[meter] = energy / memory.meters.parts[meter]
    for tier in memory.tiers:
        if (inner := table.table(tier.name)) is not None:
            weights[memory.meters.index(f"written {tier.name}")] = inner.need("written", parse_seconds_per("B"))
            inner.finish()
    table.finish()
    second = TIME.time if time is None else time
    if energy is not None:
        second += energy * memory.background_power
    weighed = tuple(sorted((meter, weight) for meter, weight in weights.items() if weight))
    if not second and not weighed:
        raise table.error("time", "found nothing that weighs anything", "expected time above 0, or what else is minimised")
    return Objective(second, weighed)


def _of_tier(table: Table, memory: MemorySystem, k: int) -> list[Budget]:
    tier, found = memory.tiers[k], []
    written, into = (memory.meters.index(f"{what} {tier.name}") for what in ("written", "into"))
    if (lifetime := table.get("lifetime", parse_lifetime)) is not None:
        if tier.endurance is None or tier.capacity in (0, UNLIMITED):
            missing = "endurance" if tier.endurance is None else "capacity"
            found_there = f"found a lifetime of {tier.name}, whose {missing} nothing says"
            raise table.error("lifetime", found_there, f'expected {missing} of the tier, such as endurance = "3000 cycles"')
        rate = tier.endurance * tier.capacity / (tier.write_amplification * lifetime)
        found.append(Budget(f"{tier.name}.lifetime", written, Fraction(0), rate))
    for key, meter in (("written", written), ("promotions", into)):
        if (most := table.get(key, _as_bytes)) is not None:
            found.append(Budget(f"{tier.name}.{key}", meter, *most))
    table.finish()
    return found


def _energy_meter(table: Table, memory: MemorySystem) -> int:
    if ENERGY not in memory.meters.names:
        raise table.error(
            "energy", "found no energy of any tier or link", 'expected read_energy = "3 pJ/bit" and the like in its memory file'
        )
    return memory.meters.index(ENERGY)


def _as_energy(steps: int, layers: int) -> Callable[[Any], tuple[Fraction, Fraction]]:
    """(joules of the run, watts)."""
    count = {"step": Fraction(steps), "token": Fraction(steps, layers)}

    def convert(value: Any) -> tuple[Fraction, Fraction]:
        parts = split_quantity(value) if isinstance(value, str) else None
        unit = parts[1] if parts is not None else ""
        if unit.endswith("W"):
            return Fraction(0), parse_power(value)
        for each in _EACH:
            if parts is not None and unit.endswith(f"/{each}"):
                return parse_energy(f"{parts[0]} {unit.removesuffix(f'/{each}')}") * count[each], Fraction(0)
        try:
            return parse_energy(value), Fraction(0)
        except InputError as error:
            raise InputError(error.found, 'expected a budget such as "100 J", "2 J/token", "0.1 J/step" or "35 W"') from None

    return convert


def _as_bytes(value: Any) -> tuple[Fraction, Fraction]:
    """(bytes of the run, bytes a second)."""
    parts = split_quantity(value) if isinstance(value, str) else None
    try:
        if parts is not None and "/" in parts[1]:
            return Fraction(0), parse_bytes_rate(value)
        return Fraction(parse_size(value)), Fraction(0)
    except InputError as error:
        raise InputError(error.found, 'expected a budget such as "2 GiB", "10 MB/s" or "143 TB/day"') from None


def _as_weight(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 10**9:
        raise InputError(f"found {shown(value)}", "expected a number from 0 to 10**9")
    return Fraction(str(value))


def said(budget: Budget, memory: MemorySystem) -> str:
    """A budget for people: "at most 100 J", "at most 143 TB and 2 MB/s", "at most 5 J less 2 W"."""
    if budget.meter is None:
        return f"at most {format_seconds(float(budget.fixed))}"
    parts, joules = memory.meters.parts[budget.meter], memory.meters.units[budget.meter] == "J"
    fixed, rate = budget.fixed / parts, budget.per_second / parts
    once = (format_energy if joules else format_size)(float(fixed))
    each = (format_power if joules else format_rate)(float(abs(rate)))
    if not rate:
        return f"at most {once}"
    if not fixed:
        return f"at most {'' if rate > 0 else '-'}{each}"
    return f"at most {once} {'and' if rate > 0 else 'less'} {each}"
