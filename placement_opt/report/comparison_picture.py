"""A comparison as a picture: how far each scheduler is above the optimum, a panel an instance.

Bars end where the distance is proven; lines go on to where it ends at most, as the optimum lies in an interval.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from placement_opt.base.errors import InputError
from placement_opt.report.picture import STYLE, check_installed, check_place, picture_bytes
from placement_opt.study.comparison import Comparison
from placement_opt.study.scheduled import Compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 64
_ROW_INCHES, _PANEL_INCHES = 0.22, 0.75
#: Verdict -> colour; Okabe and Ito's, which colour-blind readers tell apart.
_COLOURS = {"capacity": "#009E73", "policy": "#D55E00", "both": "#E69F00", "unknown": "#777777"}
_OTHERWISE = "#777777"


def check_gaps(path: str, instances: int) -> None:
    """InputError for a picture that could not be drawn."""
    check_place(path, "--plot")
    if instances > _MOST_PANELS:
        found = f"found {instances} instances, each a panel of its own"
        raise InputError(found, f"expected at most {_MOST_PANELS}", field="--plot")
    check_installed("gaps", "--plot")


def draw_gaps(comparison: Comparison, path: str) -> bytes:
    """The picture, in the format that the name ends with."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    with mpl.rc_context(STYLE):
        heights = [_PANEL_INCHES + _ROW_INCHES * max(1, len(one.schedules)) for one in comparison.instances]
        figure = Figure(figsize=(7.0, sum(heights) + 0.3), layout="constrained")
        panels = figure.subplots(len(heights), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, one in zip(panels, comparison.instances, strict=True):
            _panel(axes, one)
        figure.legend(
            handles=[Patch(color=colour, label=word) for word, colour in _COLOURS.items()],
            loc="outside lower center",
            ncols=len(_COLOURS),
        )
        return picture_bytes(figure, path)


def gap_bars(one: Compared) -> list[tuple[str, float, float, str]]:
    """(scheduler, least, most, verdict) in per cent, of those that are judged; the most is infinite where it has no end."""
    found = []
    for row in one.schedules:
        if row.judgement is not None:
            most = math.inf if row.judgement.above_most is None else 100.0 * row.judgement.above_most
            found.append((row.scheduler, 100.0 * row.judgement.above_least, most, str(row.judgement.verdict)))
    return found


def _panel(axes: Axes, one: Compared) -> None:
    bars = gap_bars(one)
    for place, (_, least, most, verdict) in enumerate(bars):
        axes.barh(place, least, color=_COLOURS.get(verdict, _OTHERWISE), height=0.7)
        if math.isfinite(most):
            axes.plot([least, most], [place, place], color="#111111", linewidth=1.2, marker="|", markersize=5)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars])
    axes.invert_yaxis()
    axes.set_xlim(left=0.0)
    if max((most if math.isfinite(most) else least for _, least, most, _ in bars), default=0.0) > 1000.0:
        axes.set_xscale("symlog", linthresh=10.0)
    axes.set_title(one.label, loc="left")
    axes.set_xlabel("above the optimum [%]")
