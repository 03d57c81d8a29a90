"""What a trace looks like, as a table for people; docs/traces.md says how to read each line.

A trace may know more of itself than its reads, such as the requests that its steps were derived from. Whoever adds such a
part gives it a function of its own, from a trace to rows, in a module of its own, and a place in :data:`FURTHER`; its rows
come before where the trace is from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from placement_opt.base.units import format_size
from placement_opt.report.derived import DERIVED, derived_rows
from placement_opt.report.numbers import count, percent
from placement_opt.report.table import table
from placement_opt.workload.profile.distribution import Distribution
from placement_opt.workload.profile.hits import HitCurve
from placement_opt.workload.stats import TraceInfo
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.record import record_rows

Rows = list[tuple[str, str]]
#: Further parts: what a trace is -> rows of them, none for a trace without.
FURTHER: tuple[Callable[[Trace], Rows], ...] = (
    lambda trace: derived_rows(dict(trace.meta)),
    lambda trace: record_rows(trace.meta.get("transforms")),
)
#: Layers up to which each has a line.
_MOST_LAYERS = 16
#: Shares of all that is used, of caches that the table has a line for.
_CACHES = (0.01, 0.03, 0.1, 0.3, 1.0)

#: What importers note in the metadata, in words; nothing is said where it is 0 or empty.
_NOTES = {
    "order": "requests came in the order of the {}: it has no times",
    "orphans": "{} later turns, whose parent is not in the log, are first turns",
    "partial_blocks": "partial last blocks of prompts are {}: they are never shared",
    "prefixes": "which prompts begin alike is {}: no block is read by another request",
    "reads_after_new": "{} reads lie behind a block that their request had to produce",
    "repeated": "{} reads that repeat one of the same step are counted once",
    "scope": "names of blocks are {}: no other file's are the same",
    "unused_keys": "keys without a use here: {}",
}


def info_text(info: TraceInfo, trace: Trace) -> str:
    """A line for each fact, then the layers."""
    rows = [*_size_rows(info), *_read_rows(info), *_share_rows(info), *_hit_rows(info), *_kind_rows(info)]
    rows += [row for part in FURTHER for row in part(trace)]
    rows += meta_rows(info.meta)
    width = max(len(name) for name, _ in rows)
    text = "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
    return text + _layer_table(info)


def _amount(info: TraceInfo, size: float) -> str:
    if info.size_unit == "bytes":
        return f"{format_size(size)} ({format_size(size, binary=False)})"
    return f"{size:,.0f} {info.size_unit}"


def _size_rows(info: TraceInfo) -> Rows:
    kept = info.kept_unread
    layers = "" if info.layers is None else f", {info.layers:,} layers"
    return [
        ("steps", f"{info.steps:,}{layers}, {info.empty_steps:,} without reads"),
        ("blocks", f"{info.blocks:,}, {_amount(info, info.total_size)}"),
        ("", f"{info.initial_blocks:,} initial, {info.born_blocks:,} produced, {info.freed_blocks:,} freed"),
        ("alive at once", f"at most {info.peak_alive_blocks:,}, {_amount(info, info.peak_alive_size)}"),
        ("working set", f"{info.read_blocks:,} blocks ever read, {_amount(info, info.read_blocks_size)}"),
        ("never read", f"{info.never_read:.1%} of the blocks"),
        ("", f"{kept.blocks:.1%} of the blocks, {kept.bytes:.1%} of their size, are not freed either"),
        ("held in vain", f"{kept.room:.1%} of size x steps: by blocks that are never freed, after their last read"),
    ]


def _read_rows(info: TraceInfo) -> Rows:
    overlap = info.overlap
    pairs = "consecutive steps" if info.layers is None else "consecutive steps of a layer"
    return [
        ("reads", f"{info.reads:,}, {_amount(info, info.read_size)}"),
        ("reads per step", spread(info.reads_per_step)),
        ("reuse distance", f"{spread(info.reuse_distance)} ({info.reuse_unit})"),
        ("stack distance", f"{spread(info.stack_distance)} (distinct blocks)"),
        ("overlap", f"Jaccard {_mean_least(overlap.jaccard_mean, overlap.jaccard_least)} ({pairs})"),
        ("", f"kept {_mean_least(overlap.kept_mean, overlap.kept_least)}"),
    ]


def _share_rows(info: TraceInfo) -> Rows:
    """Never read again, popularity, prefixes."""
    never, rows = info.never_again, []
    parts = [(never.reads, "of the reads"), (never.productions, "of what is produced"), (never.room, "of size x states")]
    rows.append(("never again", ", ".join(f"{percent(share)} {of}" for share, of in parts if share is not None)))
    if info.popularity is not None:
        law, top = info.popularity, info.popularity.top_share
        shares = ", ".join(percent(share) for share in top.values())
        rows.append(("popularity", f"the most read {', '.join(top)} of the blocks have {shares} of the reads"))
        rows.append(("", f"Zipf exponent {law.exponent:.2f}, off by {percent(law.distance)} of the reads at most"))
    if info.prefix is not None:
        prefix = info.prefix
        rows.append(("prefix found", f"{spread(prefix.depth)} (blocks)"))
        shares = f"none by {percent(prefix.cold)} of the steps, all by {percent(prefix.whole)}"
        rows.append(("", f"{shares}; {percent(prefix.behind_holes)} of the reads lie behind a missing block"))
    return rows


def _hit_rows(info: TraceInfo) -> Rows:
    """The ceiling, and what caches of some sizes hit."""
    hits = info.hits
    if hits is None or not hits.wanted:
        return []
    over = hits.counted_over if hits.unit == "blocks" else f"the size of {hits.counted_over}"
    rows = [
        ("hits at most", f"{percent(hits.ceiling)} of {over}: the others are first uses, which no cache of any size has kept")
    ]
    best = "the best on demand" if hits.exact else "no cache on demand more than"
    for share in _CACHES:
        at = cache_at(hits, share)
        text = f"lru {percent(hits.lru[at])}, {best} {percent(hits.optimal[at])}"
        rows.append((f"cache of {percent(hits.room[at] / hits.room[-1])}", f"{text}  ({_amount(info, hits.room[at])})"))
    return list(dict(rows).items())


def cache_at(hits: HitCurve, share: float) -> int:
    """The position of the smallest listed cache that has this share of all that is used."""
    return int(np.searchsorted(np.array(hits.room) / hits.room[-1], share))


def _kind_rows(info: TraceInfo) -> Rows:
    rows = []
    for name, kind in (info.kinds or {}).items():
        each = kind.read_size_per_token
        read = "" if each is None else f", {_amount(info, each)} read a token"
        rows.append((f"of {name}", f"{kind.blocks:,} blocks, {_amount(info, kind.size)}{read}"))
    return rows


def _layer_table(info: TraceInfo) -> str:
    """Each layer, or of many the least, the middle and the greatest of each column."""
    layers = info.by_layer
    if layers is None or len(layers) < 2:
        return ""
    columns = [
        [getattr(one, name) for one in layers] for name in ("steps", "reads", "read_blocks", "jaccard_mean", "kept_mean")
    ]
    names = [str(one.layer) for one in layers]
    if len(layers) > _MOST_LAYERS:
        names = ["least", "middle", "greatest"]
        known = [sorted(value for value in column if value is not None) or [None] for column in columns]
        columns = [[column[0], column[len(column) // 2], column[-1]] for column in known]
    cells = [[count(value) for value in column] for column in columns[:3]]
    cells += [["-" if value is None else f"{value:.3f}" for value in column] for column in columns[3:]]
    rows = [list(row) for row in zip(names, *cells, strict=True)]
    return "\n\n" + table(["layer", "steps", "reads", "blocks read", "Jaccard", "kept"], rows, "lrrrrr")


def spread(found: Distribution | None) -> str:
    """``"mean 1.7, p50 2, p90 2, p99 2, max 2"``."""
    if found is None:
        return "none"
    marks = ", ".join(f"{name} {found.percentiles[name]:,}" for name in ("p50", "p90", "p99"))
    return f"mean {found.mean:,.1f}, {marks}, max {found.greatest:,}"


def _mean_least(mean: float | None, least: float | None) -> str:
    return "none" if mean is None or least is None else f"mean {mean:.3f}, least {least:.3f}"


def meta_rows(meta: Mapping[str, Any]) -> Rows:
    """Where a trace is from, in words: a line for each table, one for the rest, one for each assumption."""
    said = {"transforms", *(DERIVED if meta.get("generator") == "derive" else ())}  # in rows of their own
    meta = {key: value for key, value in meta.items() if key not in said}
    apart = {key: value for key, value in meta.items() if key != "assumptions" and isinstance(value, Mapping)}
    notes = [_NOTES[key].format(_word(value)) for key, value in meta.items() if key in _NOTES and value not in (0, [], None)]
    words = _told({key: value for key, value in meta.items() if key not in ("assumptions", *apart, *_NOTES)})
    assumed = meta.get("assumptions")
    stated = assumed if isinstance(assumed, list) else [] if assumed is None else [assumed]
    rows = [("source", words)] if words else []
    rows += [(key, _told(value)) for key, value in apart.items() if value]
    return rows + [("assumed", str(text)) for text in (*stated, *notes)]


def _told(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in table.items() if value is not None)


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({_told(value)})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " and ".join(map(_word, value)) or "none"
    return str(value)
