"""What instance files ask for, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from placement_opt.base.units import format_rate, format_size
from placement_opt.instance.budget_keys import said
from placement_opt.instance.budgets import objective_text
from placement_opt.instance.rule import rule_text
from placement_opt.report.meters import TIME
from placement_opt.report.numbers import NOTHING, count, percent, seconds
from placement_opt.report.table import facts, paragraph, table
from placement_opt.study.check import Checked


def checks_document(checks: Sequence[Checked]) -> dict[str, Any]:
    """The JSON keys of a check; sizes in bytes, times in seconds."""
    return {"instances": [check_document(one) for one in checks]}


def check_document(one: Checked) -> dict[str, Any]:
    """The JSON keys of one instance."""
    outline, totals = one.outline, one.outline.totals
    return {
        "instance": outline.name,
        "file": str(outline.path),
        "files": [{"file": name, "bytes": size} for name, size in one.files],
        "budgets": [budget.name for budget in outline.budgets(totals.steps)],
        "objective": objective_text(outline.memory.meters, outline.objective),
        "trace": outline.source.what,
        "steps": totals.steps,
        "layers": totals.layers,
        "reads": totals.reads,
        "blocks": totals.blocks,
        "counted": _counted(one),
        "largest_block_bytes": one.largest,
        "peak_bytes": one.peak,
        "tiers": [
            {
                "tier": tier.name,
                "capacity_bytes": tier.capacity,
                "weights_bytes": tier.weights,
                "room_bytes": tier.room,
                "held_share": tier.held / one.peak if one.peak else 0.0,
            }
            for tier in one.tiers
        ],
        "ways": [
            {
                "way": way.name,
                "side": way.side,
                "memory_bytes": way.memory,
                "expected_s": None if math.isinf(way.seconds) else way.seconds,
                "verdict": way.verdict,
                "taken": way.taken,
            }
            for way in one.ways
        ],
        "taken": [way.name for way in one.ways if way.taken],
        "reason": one.reason,
        "allowed_bytes": one.allowed,
        "time_limit_s": None if math.isinf(one.limit_s) else one.limit_s,
        "fits": one.fits,
        "ways_out": list(one.ways_out),
        "nowhere_share": one.binding.nowhere / one.peak if one.peak else 0.0,
        "outside": [{"operation": each.name, "rate": each.rate} for each in outline.memory.outside],
        "binds": one.binding.sentence,
        "roofline_s": one.binding.roofline_s,
        "filled_s": one.binding.filled_s,
    }


def checks_text(checks: Sequence[Checked]) -> str:
    """Tables for each instance."""
    return "\n".join(_text(one) for one in checks)


def _text(one: Checked) -> str:
    outline, rules, totals, guess = one.outline, one.outline.rules, one.outline.totals, one.binding
    budgets, minimised = outline.budgets(totals.steps), objective_text(outline.memory.meters, outline.objective)
    words = "" if _counted(one) == "exactly" else f" ({_counted(one)})"
    layers = f" of {totals.layers} layers" if totals.layers > 1 else ""
    head = [
        ("instance", f"{outline.name} ({outline.path})"),
        ("files", ", ".join(f"{name} {format_size(size)}" for name, size in one.files[1:])),
        ("trace", f"{outline.source.what}: {count(totals.reads)} reads in {count(totals.steps)} steps{layers}{words}"),
        ("blocks", f"{count(totals.blocks)} of at most {format_size(one.largest)}; alive at once {format_size(one.peak)}"),
        ("rules", f"{rule_text(rules.residency, rules.prefix)}, start {_start(rules.initial)}, pages of {rules.page_tokens}"),
        ("budgets", ", ".join(f"{each.name} {said(each, outline.memory)}" for each in budgets)),
        ("objective", "" if minimised == TIME else minimised),
        ("outside", ", ".join(f"{each.name} {format_rate(each.rate)}" for each in outline.memory.outside)),
    ]
    tail = [
        ("memory", f"{format_size(one.allowed)} may be taken"),
        ("time", "" if math.isinf(one.limit_s) else f"{seconds(one.limit_s)} may be taken"),
        ("bound takes", ", ".join(way.name for way in one.ways if way.taken) or "nothing: no way fits"),
        ("because", one.reason),
        ("way out", "; ".join(one.ways_out)),
        ("roofline", f"about {seconds(guess.roofline_s)}; filled once, fastest tier first: about {seconds(guess.filled_s)}"),
        ("", "of the time alone: budgets and objective are left aside" if budgets or minimised != TIME else ""),
    ]
    parts = [facts(head), _tiers(one)]
    if guess.nowhere:
        names = " or ".join(each.name for each in outline.memory.outside)
        share = percent(guess.nowhere / one.peak)
        parts.append(paragraph(f"At the peak {share} of the bytes lie nowhere; reads of such blocks are served by {names}."))
    parts += [_ways(one), facts(tail), paragraph(f"What binds, at a first guess: {guess.sentence}.")]
    return "\n\n".join(parts) + "\n"


def _tiers(one: Checked) -> str:
    rows = [
        [
            tier.name,
            "unlimited" if tier.capacity is None else format_size(tier.capacity),
            format_size(tier.weights) if tier.weights else NOTHING,
            format_size(tier.room),
            percent(tier.held / one.peak if one.peak else 0.0),
        ]
        for tier in one.tiers
    ]
    return table(["tier", "capacity", "weights", "room", "holds at the peak"], rows, "lrrrr")


def _ways(one: Checked) -> str:
    rows = [
        [
            way.name,
            way.side,
            format_size(way.memory),
            NOTHING if math.isinf(way.seconds) else _rough(way.seconds),
            "taken" if way.taken else way.verdict,
        ]
        for way in one.ways
    ]
    return table(["way", "side", "memory", "time", ""], rows, "llrrl")


def _rough(value: float) -> str:
    """A guess in digits that it deserves, in a unit that people count in."""
    if value < 1.0:
        return "under 1 s"
    if value > 1000 * 86400.0:
        return "years"
    for factor, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if value >= 2 * factor:
            return f"about {value / factor:.2g} {unit}" if value < 100 * factor else f"about {value / factor:.0f} {unit}"
    return f"about {value:.2g} s" if value < 100 else f"about {value:.0f} s"


def _counted(one: Checked) -> str:
    totals = one.outline.totals
    if totals.exact:
        return "exactly"
    return "at most" if totals.drawn else "a guess"


def _start(initial: str | dict[str, tuple[str, ...]]) -> str:
    """A start in words: that of the file, or kinds and their tiers."""
    if isinstance(initial, str):
        return initial
    return "with " + ", ".join(f"{kind} in {' then '.join(tiers)}" for kind, tiers in initial.items())
