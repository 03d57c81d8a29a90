"""What a run adds up to, in words: energy, wear, budgets, and what is minimised where that is not time alone."""

from __future__ import annotations

import math
from typing import Any

from placement_opt.base.units import format_energy, format_lifetime, format_power, format_size
from placement_opt.play.run import Run
from placement_opt.report.numbers import NOTHING, full_seconds, percent, seconds
from placement_opt.report.table import table

TIME = "time"


def costs(objective: str) -> str:
    """The verb of a schedule: it takes time, or costs by another objective."""
    return "takes" if objective == TIME else "costs"


def objective_rows(objective: str) -> list[tuple[str, str]]:
    """The fact that more than time is minimised, so that values are seconds of the objective; none where they are not."""
    return [] if objective == TIME else [("objective", f"{objective}; bounds and gaps are of it, in seconds")]


def energy_document(counts: str, joules: float | None, each: float | None) -> dict[str, Any]:
    """The JSON keys of a run's energy; null where nothing is said of any, and of tokens where steps carry none."""
    return {"joules": joules, "joules_per_unit": each, "joules_per_token": each if counts == "tokens" else None}


def meters_document(run: Run) -> dict[str, Any]:
    """The JSON keys of what is counted over the run; ``tiers`` says what is written to each."""
    used, kept = run.consumption, run.instance.budgets
    return {
        **energy_document(run.counts, used.joules, used.joules_each),
        "background_joules": None if used.joules is None else used.background_joules,
        "mean_watts": used.watts,
        "energy_unsaid": list(used.energy_unsaid),
        "waited_s": run.waited_s,
        "budgets": [{"budget": one.name, "used_share": share} for one, share in zip(kept, _shares(run), strict=True)],
    }


def wear_document(run: Run) -> dict[str, dict[str, Any]]:
    """The JSON keys of each tier's wear, by its name."""
    return {
        tier.tier: {
            "written_bytes": tier.written_bytes,
            "moved_in_bytes": tier.moved_in_bytes,
            "written_tb_per_day": tier.bytes_per_day / 1e12,
            "lifetime_s": tier.lifetime_s,
        }
        for tier in run.consumption.tiers
    }


def meter_rows(run: Run) -> list[tuple[str, str]]:
    """The same as facts, but for tiers; none where nothing is said of energy and there are no budgets."""
    used, unit, rows = run.consumption, run.counts[:-1], []
    if used.joules is not None and used.joules_each is not None:
        parts = [format_energy(used.joules), f"{format_energy(used.joules_each)} a {unit}"]
        parts += [] if used.watts is None else [f"{format_power(used.watts)} on the average"]
        idle = used.background_joules / used.joules if used.joules else 0.0
        rows.append(("energy", f"{', '.join(parts)}{f'; {percent(idle)} of it background' if idle else ''}"))
        if used.energy_unsaid:
            rows.append(("", f"nothing is said of {', '.join(used.energy_unsaid)}: counted as none"))
    if run.waited_s > 0:
        rows.append(("waits", f"{full_seconds(run.waited_s)} of the latency, so that the budgets are kept"))
    shares = [f"{one.name} ({percent(share)} used)" for one, share in zip(run.instance.budgets, _shares(run), strict=True)]
    return [*rows, *([("budgets kept", ", ".join(shares))] if shares else [])]


def tier_table(run: Run) -> str:
    """What was read from each tier and stored to it; where anything is said of energy or wear, or asked of it, all writes."""
    used, names = run.consumption, run.instance.memory.tier_names
    read = [format_size(size) for size in run.tier_read_bytes]
    counted = len(used.tiers) == len(names) and (
        run.split is not None or used.joules is not None or used.lifetime_s is not None
    )
    if not counted:
        stored = [format_size(size) for size in run.stored_bytes]
        return table(["tier", "read from", "stored to"], [list(row) for row in zip(names, read, stored, strict=True)], "lrr")
    headers = ["tier", "read from", "written", "moved in", "written a day", "lifetime"]
    rows = [
        [
            tier.tier,
            size,
            format_size(tier.written_bytes),
            format_size(tier.moved_in_bytes),
            format_size(tier.bytes_per_day, binary=False) if math.isfinite(tier.bytes_per_day) else NOTHING,
            lifetime_text(tier.lifetime_s),
        ]
        for tier, size in zip(used.tiers, read, strict=True)
    ]
    width = len(headers) - (used.lifetime_s is None)
    return table(headers[:width], [row[:width] for row in rows], "lrrrrr"[:width])


def lifetime_text(lifetime_s: float | None) -> str:
    """``"5 years"``; "unlimited" where nothing is written."""
    if lifetime_s is None:
        return NOTHING
    if math.isinf(lifetime_s):
        return "unlimited"
    return format_lifetime(lifetime_s) if lifetime_s >= 36.0 else seconds(lifetime_s)


def _shares(run: Run) -> list[float]:
    """How much of each budget the run uses up."""
    load = run.metered
    return [one.used(0.0 if one.meter is None else float(load[one.meter]), run.latency_s) for one in run.instance.budgets]
