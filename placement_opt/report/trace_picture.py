"""What a trace looks like, as one picture: reuse, overlap, working set, popularity, caches, layers.

matplotlib is an extra and is imported only here, when a picture is drawn; the same trace gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from placement_opt.report.picture import STYLE, make_log, picture_bytes
from placement_opt.workload.profile.distribution import Octaves
from placement_opt.workload.stats import TraceInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that colour-blind readers tell apart (Okabe and Ito).
_BLUE, _RED, _GREEN, _GREY, _BLACK = "#0072B2", "#D55E00", "#009E73", "#777777", "#111111"
_ACROSS, _WIDTH, _HEIGHT = 3, 3.9, 2.6
#: Sizes that differ by more than this factor are on a logarithmic axis.
_WIDE = 20.0
#: Below this range there is room for numbers at 1, 2 and 5.
_FEW_DECADES = 1000.0
_BYTES = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
_THOUSANDS = ((1e9, "1e9 "), (1e6, "million "), (1e3, "thousand "))
Panel = Callable[["Axes", TraceInfo], None]


def draw(info: TraceInfo, name: str, path: str) -> bytes:
    """The picture's bytes, in the format that the name of its file ends with; ``name`` is written over it."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = _panels(info)
    down = math.ceil(len(panels) / _ACROSS)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH * _ACROSS, 0.5 + _HEIGHT * down), layout="constrained", dpi=160)
        grid = figure.subplots(down, _ACROSS, squeeze=False).ravel()
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(grid, panels, strict=False):
            axes.grid(True, axis="y", color="#e3e3e3", linewidth=0.6)
            axes.set_axisbelow(True)
            panel(axes, info)
        layers = "" if info.layers is None else f", {info.layers:,} layers"
        text = f"{name}: {info.steps:,} steps{layers}, {info.blocks:,} blocks, {info.reads:,} reads"
        figure.suptitle(text, fontsize=10)
        return picture_bytes(figure, path)


def _panels(info: TraceInfo) -> list[Panel]:
    """Those that the trace has something for."""
    panels: list[Panel] = [_alive]
    if info.reads:
        panels = [_hits, _stack, _apart, _alive, _windows, _overlap, _popularity]
        panels = panels if info.hits is not None and info.hits.wanted else panels[1:]
    if info.by_layer is not None and len(info.by_layer) > 1:
        panels.append(_layers)
    if info.prefix is not None and info.reads:
        panels.append(_prefix)
    return panels


def _hits(axes: Axes, info: TraceInfo) -> None:
    hits = info.hits
    assert hits is not None
    room, unit = _scaled(info, hits.room)
    best = "best on demand" if hits.exact else "ceiling of any on demand"
    axes.axhline(100 * hits.ceiling, color=_GREY, lw=1.0, ls=(0, (4, 3)), label="all but first uses")
    axes.plot(room, [100 * share for share in hits.optimal], color=_BLACK, lw=1.6, label=best)
    axes.plot(room, [100 * share for share in hits.lru], color=_BLUE, lw=1.3, marker="o", mfc="none", ms=3, label="lru")
    axes.set_ylim(0, 103)
    if room[-1] < _FEW_DECADES * room[0]:
        make_log(axes.xaxis)
    else:
        axes.set_xscale("log")
    _title(axes, "What caches hit", f"size of the cache [{unit}]", f"{hits.counted_over} hit [%]")
    axes.legend(loc="best")


def _stack(axes: Axes, info: TraceInfo) -> None:
    sized = info.hits is not None and not info.hits.exact
    bars = info.histograms["stack_size" if sized else "stack_distance"]
    assert bars is not None
    _bars(axes, bars, _BLUE)
    each = f" of {info.total_size // info.blocks:,} {info.size_unit}"
    what = f"{info.size_unit} of distinct blocks" if sized else f"distinct blocks{each}"
    _title(axes, "Reuse distance", f"{what} since the previous use", "reads [%]")


def _apart(axes: Axes, info: TraceInfo) -> None:
    bars = info.histograms["steps_apart"]
    assert bars is not None
    _bars(axes, bars, _GREEN)
    _title(axes, "Time between two reads of a block", "steps", "reads [%]")


def _bars(axes: Axes, found: Octaves, colour: str) -> None:
    """An octave a bar, shares of all of them."""
    total = max(1, sum(found.count))
    axes.bar(found.low, [100 * count / total for count in found.count], width=found.low, align="edge", color=colour, ec="white")
    axes.set_xscale("log", base=2)
    axes.set_xlim(1, 2 * max(found.low, default=1))


def _alive(axes: Axes, info: TraceInfo) -> None:
    found = info.working_set
    top, unit = _scaled(info, [max(found.alive_size), *found.alive_size])
    read, _ = _scaled(info, [max(found.alive_size), *found.read_size])
    axes.plot(found.end, top[1:], color=_BLACK, lw=1.4, label="alive")
    long = math.ceil(info.steps / len(found.end))
    label = "read by the step" if long == 1 else f"read within {long:,} steps"
    axes.plot(found.end, read[1:], color=_BLUE, lw=1.1, label=label)
    if max(top) > _WIDE * max(read[1:]) > 0:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    _title(axes, "Working set over time", "step", unit)
    axes.legend(loc="best")


def _windows(axes: Axes, info: TraceInfo) -> None:
    found = info.working_set
    axes.plot(found.window, found.mean_blocks, color=_GREEN, lw=1.3, marker=".")
    axes.set_xscale("log", base=2)
    make_log(axes.yaxis)
    _title(axes, "Working set over the length of a window", "steps of the window", "distinct blocks, mean")


def _overlap(axes: Axes, info: TraceInfo) -> None:
    found = info.overlap_over_time
    shares = [math.nan if share is None else 100 * share for share in found.jaccard_mean]
    axes.plot(found.end, shares, color=_RED, lw=1.2, marker="." if len(shares) < 20 else "")
    axes.set_ylim(0, 103)
    of = "predecessors" if info.layers is None else "predecessors of their layer"
    _title(axes, f"Overlap of steps with {of}", "step", "Jaccard index [%]")


def _popularity(axes: Axes, info: TraceInfo) -> None:
    law = info.popularity
    assert law is not None
    axes.plot(law.rank, law.reads, color=_BLACK, lw=1.4, label="blocks")
    fitted = [rank**-law.exponent for rank in law.rank]
    # through the middle of the curve on its logarithmic axes
    shift = sum(math.log(reads / value) for reads, value in zip(law.reads, fitted, strict=True)) / len(fitted)
    values = [math.exp(shift) * value for value in fitted]
    axes.plot(law.rank, values, color=_RED, lw=1.0, ls=(0, (4, 3)), label=f"Zipf, exponent {law.exponent:.2f}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    _title(axes, "Popularity", "rank of the block", "times read")
    axes.legend(loc="best")


def _layers(axes: Axes, info: TraceInfo) -> None:
    from matplotlib.ticker import MaxNLocator

    assert info.by_layer is not None
    number = [one.layer for one in info.by_layer]
    for name, colour, mark in (("kept_mean", _GREEN, "o"), ("jaccard_mean", _RED, "s")):
        shares = [getattr(one, name) for one in info.by_layer]
        values = [math.nan if share is None else 100 * share for share in shares]
        axes.plot(number, values, mark, color=colour, mfc="none", ms=4, label=name.removesuffix("_mean"))
    axes.set_ylim(0, 103)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _title(axes, "Overlap of consecutive steps, by layer", "layer", "mean [%]")
    axes.legend(loc="best")


def _prefix(axes: Axes, info: TraceInfo) -> None:
    assert info.prefix is not None
    depth = info.prefix.depth
    levels = [0, *(int(name[1:]) for name in depth.percentiles), 100]
    values = [depth.least, *depth.percentiles.values(), depth.greatest]
    axes.step(values, levels, where="post", color=_BLUE, lw=1.3, marker=".")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    _title(axes, "Depth of the prefix that exists", "blocks", "steps with at most so many [%]")


def _title(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _scaled(info: TraceInfo, sizes: Sequence[int]) -> tuple[list[float], str]:
    """Sizes in a unit that suits the largest, and its name."""
    if info.size_unit != "bytes":
        factor, word = next(((f, w) for f, w in _THOUSANDS if max(sizes) >= 10 * f), (1.0, ""))
        return [size / factor for size in sizes], f"{word}{info.size_unit}"
    unit, factor = _byte_unit(max(sizes))
    return [size / factor for size in sizes], unit


def _byte_unit(size: float) -> tuple[str, float]:
    return next(((unit, factor) for unit, factor in _BYTES if size >= factor), _BYTES[-1])
