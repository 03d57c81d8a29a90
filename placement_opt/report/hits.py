"""Where reads found their blocks, and the most that any policy could have found near, for people and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.base.units import format_size
from placement_opt.play.hits import Ceiling, Hits
from placement_opt.report.numbers import count, percent
from placement_opt.report.table import table

#: Keys of :func:`rates_document`.
RATE_COLUMNS = ("hit_rate", "read_hit_rate", "hit_rate_first", "hit_rate_fresh", "hit_rate_again")
CEILING_COLUMNS = ("hits_content", "hits_most", "hits_content_on_demand", "hits_on_demand")
_AGES = {"first": "first", "fresh": "since produced", "again": "again", "any": "any"}


def rates_document(hits: Hits | None) -> dict[str, float | None]:
    """Shares that hit the fastest tier: of bytes, of reads, of the bytes of each age; null where there were none."""
    if hits is None:
        return dict.fromkeys(RATE_COLUMNS)
    ages = hits.by_age()
    values = (hits.rate, hits.read_rate, *(ages.get(age) for age in ("first", "fresh", "again")))
    return dict(zip(RATE_COLUMNS, values, strict=True))


def ceiling_document(ceiling: Ceiling | None) -> dict[str, float | None]:
    """The ceilings above those of bytes; null where one is not known."""
    if ceiling is None:
        return dict.fromkeys(CEILING_COLUMNS)
    values = (ceiling.content, ceiling.most, ceiling.content_on_demand, ceiling.on_demand)
    return dict(zip(CEILING_COLUMNS, values, strict=True))


def hits_document(hits: Hits) -> dict[str, Any]:
    """The JSON keys of a run's hits; sizes in bytes."""
    total, size = sum(hits.reads), sum(hits.bytes)
    tiers = [
        {
            "tier": name,
            "reads": reads,
            "bytes": held,
            "share_of_reads": reads / total if total else None,
            "share_of_bytes": held / size if size else None,
        }
        for name, reads, held in zip(hits.tiers, hits.reads, hits.bytes, strict=True)
    ]
    return {
        **rates_document(hits),
        **ceiling_document(hits.ceiling),
        "hits_unknown": hits.ceiling.unknown or None,
        "tiers": tiers,
        "layers": [{"layer": layer, "hit_rate": rate} for layer, rate in hits.by_layer().items()],
        "parts": hits.to_records(),
    }


def ceiling_text(ceiling: Ceiling, tier: str) -> str:
    """What no policy can pass, in one line; ``tier``: the fastest."""
    said = [f"at most {percent(ceiling.most)} of the bytes can hit {tier}"]
    if ceiling.on_demand is not None:
        said.append(f"{percent(ceiling.on_demand)} where what comes there was just read or produced")
    return ", ".join(said)


def hits_text(hits: Hits) -> str:
    """Rows by tier, columns by age: shares of the bytes of each age whose fastest copy lay there."""
    ages = dict.fromkeys(part.age for part in hits.parts)
    if not ages:
        return ""
    sums = {age: [sum(p.bytes[k] for p in hits.parts if p.age == age) for k in range(len(hits.tiers))] for age in ages}
    read = {age: sum(sum(p.reads) for p in hits.parts if p.age == age) for age in ages}
    rows = [
        [name, percent(size / sum(hits.bytes)), percent(reads / sum(hits.reads))]
        + [percent(sums[age][k] / sum(sums[age])) for age in ages]
        for k, (name, reads, size) in enumerate(zip(hits.tiers, hits.reads, hits.bytes, strict=True))
        if reads or k < len(hits.tiers) - 1
    ]
    rows.append(["of", format_size(sum(hits.bytes)), count(sum(hits.reads)), *(count(read[age]) for age in ages)])
    headers = ["fastest copy in", "bytes", "reads", *(_AGES[age] for age in ages)]
    lines = [table(headers, rows, "l" + "r" * (len(headers) - 1))]
    layers = hits.by_layer()
    if len(layers) > 1:
        low, high = (end(layers, key=lambda layer: (layers[layer], layer)) for end in (min, max))
        lines.append(f"(by layer {percent(layers[low])} in layer {low} to {percent(layers[high])} in layer {high})")
    lines.append(f"({ceiling_text(hits.ceiling, hits.tiers[hits.fastest])}; curves over the room: trace info)")
    return "\n".join(lines)
