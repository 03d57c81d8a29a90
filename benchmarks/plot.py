"""Make ``benchmarks/growth.svg`` from the result of the case ``growth``: ``python -m benchmarks.plot``."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks.run import RESULTS
from placement_opt.base.atomic import write_text_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = RESULTS.parent / "growth.svg"
_POINT = re.compile(r"(?P<work>.+), (?P<axis>\w+) (?P<value>\d+), seconds")
_COLOURS, _MARKS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), "osD^"
#: axis -> work -> (value, seconds), ascending
Points = dict[str, dict[str, list[tuple[int, float]]]]


def points(figures: Mapping[str, float | int | str]) -> Points:
    """The measured points among the figures of a result."""
    found: Points = {}
    for key, seconds in figures.items():
        if match := _POINT.fullmatch(key):
            series = found.setdefault(match["axis"], {}).setdefault(match["work"], [])
            series.append((int(match["value"]), float(seconds)))
    return {axis: {work: sorted(series) for work, series in works.items()} for axis, works in found.items()}


def picture(figures: Mapping[str, float | int | str]) -> str:
    """SVG: one panel for each axis, both scales logarithmic, the fitted exponents in the legend."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "placement-opt", "svg.fonttype": "none", "font.size": 9.0}):
        found = points(figures)
        figure = Figure(figsize=(3.2 * len(found), 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        for place, (axis, works) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
            _panel(place, axis, works, figures)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
        return re.sub(r"[ \t]+$", "", stream.getvalue(), flags=re.MULTILINE)


def _panel(
    place: Axes, axis: str, works: Mapping[str, list[tuple[int, float]]], figures: Mapping[str, float | int | str]
) -> None:
    for (work, series), colour, mark in zip(works.items(), _COLOURS, _MARKS, strict=False):
        values, seconds = zip(*series, strict=True)
        exponent = float(figures[f"{work}, exponent in {axis}"])
        place.loglog(values, seconds, marker=mark, color=colour, markersize=4, label=f"{work}: {exponent:.2f}")
    place.set_xlabel(axis)
    place.set_xticks(values, [f"{value:,}" if value < 10_000 else f"{value // 1000:,}k" for value in values])
    place.set_xticks([], minor=True)
    place.set_ylabel("seconds")
    place.grid(alpha=0.3)
    where = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    place.legend(title="exponent", fontsize=7, title_fontsize=7, frameon=False, **where)


def main() -> int:
    """Write the picture."""
    result = json.loads((RESULTS / "growth.json").read_text(encoding="utf-8"))
    write_text_atomic(PICTURE, picture(result["figures"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
