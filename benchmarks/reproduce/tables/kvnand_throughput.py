"""KVNAND's figure 12, its ratios, and the designs that it chose."""

from __future__ import annotations

import statistics

from benchmarks.registry import Target
from benchmarks.reproduce.kvnand import DATA, NO_ROOM, best_group, label, seconds, seconds_by_group
from benchmarks.reproduce.table import Figure, Outcome, Table, errors

_SYSTEMS = ("Base-1", "Base-2", "C-16", "D-16")


def throughput(counted: bool) -> Outcome:
    """Tokens a second of every model, context and system."""
    figures = []
    for entry in DATA["throughput"]:
        for context, *values in entry["cells"]:
            for system, value in zip(_SYSTEMS, values, strict=False):
                found = seconds(system, entry["model"], context, counted)
                ours = NO_ROOM if found is None else 1 / found
                figures.append(Figure(f"{entry['model']}, {label(context)}", system, ours, value))
    summary = errors(figures)
    for system in _SYSTEMS:
        summary |= errors([figure for figure in figures if figure.column == system], system)
    return Outcome(figures, {"labels": sum(figure.error is not None for figure in figures), **summary})


def groups() -> Outcome:
    """The best of all numbers of dies for KV, and how far the paper's choice is from it."""
    figures, equal, worst = [], 0, 1.0
    for entry in DATA["throughput"]:
        for context, *_, theirs in entry["cells"]:
            row, ours = f"{entry['model']}, {label(context)}", best_group(entry["model"], context)
            by = seconds_by_group(entry["model"], context)
            figures += [
                Figure(row, "G2", ours, theirs),
                Figure(row, "speed of the paper's choice over the best", by[ours] / by[theirs]),
            ]
            figures.append(Figure(row, "designs with room", len(by)))
            equal, worst = equal + (ours == theirs), min(worst, by[ours] / by[theirs])
    return Outcome(
        figures, {"cells": len(figures) // 3, "equal": equal, "worst speed of the paper's choice over the best": worst}
    )


def ratios() -> Outcome:
    """What the text states of D over Base-2 and of the better of C and D over Base-1."""
    figures = []
    for model, value in DATA["ratios"]["d_over_base2_100k"].items():
        figures.append(Figure(f"D-16 over Base-2 at 100K, {model}", "times", _times("Base-2", "D-16", model, 102400), value))
    for context, value in DATA["ratios"]["geomean_over_base1"].items():
        models = ("llama-2-7b", "llama-3.1-70b")
        found = [max(_times("Base-1", system, model, int(context)) for system in ("C-16", "D-16")) for model in models]
        row = f"the better of C-16 and D-16 over Base-1 at {label(int(context))}, geometric mean of 7B and 70B"
        figures.append(Figure(row, "times", statistics.geometric_mean(found), value))
    return Outcome(figures, errors(figures))


def _times(slow: str, fast: str, model: str, context: int) -> float:
    one, other = seconds(slow, model, context), seconds(fast, model, context)
    assert one is not None
    assert other is not None
    return one / other


_HOW = (
    "the presets, one token decoded, weights and KV each in its tier, all 15 splits of 16 dies of D-16 tried; a layer of D-16 "
    "is a pipeline over its head groups, then its other weights, a layer of the others three steps; KV of C-16 lies in pages "
    "written when the 8 KB buffer of a plane, shared by all layers, is full"
)
_COUNTED = tuple(f"{entry['model']}: {entry['why']}" for entry in DATA["counting"])
_AIR = "C-16: keys and values on different planes, so that a buffer has 16 KB for both (inferred from the labels)"
_FIGURE_12 = (Target("mean error", "at most", 0.015), Target("worst error", "at most", 0.03))

TABLES = (
    Table(
        name="kvnand-throughput",
        title="KVNAND's figure 12",
        unit="tokens/s",
        data=("kvnand",),
        how=_HOW,
        compute=lambda: throughput(True),
        targets=(*_FIGURE_12, Target("labels", "at least", 77)),
        assumes=(*_COUNTED, _AIR),
    ),
    Table(
        name="kvnand-throughput-uncounted",
        title="KVNAND's figure 12 with the architectures as they are, 2 of Mixtral's experts read",
        unit="tokens/s",
        data=("kvnand",),
        how=_HOW,
        compute=lambda: throughput(False),
        assumes=("none of how the paper must have counted, which kvnand-throughput states", _AIR),
    ),
    Table(
        name="kvnand-groups",
        title="KVNAND's exploration: how many of D-16's dies hold KV",
        unit="dies, and share",
        data=("kvnand",),
        how="the fastest of all 15 splits, each simulated; of equals the one with fewest dies for KV",
        compute=groups,
        targets=(Target("equal", "at least", 18), Target("worst speed of the paper's choice over the best", "at least", 0.99)),
        assumes=_COUNTED,
    ),
    Table(
        name="kvnand-ratios",
        title="Ratios that KVNAND's text states",
        unit="times",
        data=("kvnand",),
        how="the runs of kvnand-throughput",
        compute=ratios,
        targets=(Target("worst error", "at most", 0.02),),
        assumes=_COUNTED,
    ),
)
