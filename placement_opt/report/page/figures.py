"""The pictures of a page: how far schedulers are from the optimum, their steps, what lies where, what more room is worth.

matplotlib is an extra and is imported only here, when a picture is drawn; the same survey gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.units import format_size
from placement_opt.report import curve
from placement_opt.report.numbers import percent, seconds, time_unit, times
from placement_opt.report.page.folders import without_folders
from placement_opt.report.page.inline import PAGE_STYLE, Picture, inline
from placement_opt.report.picture import make_log, picture_bytes, size_unit
from placement_opt.study.scheduled import Scheduled
from placement_opt.study.survey import Course, Survey

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that colour-blind readers tell apart (Okabe and Ito), and how lines are broken for those who print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#5B5B9F")
DASHES = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 3)),
    (0, (8, 2)),
    (0, (1, 3)),
    (0, (4, 1, 1, 1)),
)
_INK, _SOFT, _GRID, _BAND = "#111111", "#777777", "#e3e3e3", "#ececec"
_WIDTH = 7.2
#: Schedulers with a panel of their own, and lines in one panel; the rest is in the tables.
MOST_PANELS, MOST_LINES = 8, 6
#: Beyond this many times the optimum an axis is logarithmic.
_WIDE = 8.0
_LONGEST = 34
#: What is not much larger than what is drawn is drawn, too.
_NEAR = 2.0


def gaps(survey: Survey, name: str) -> Picture | None:
    """How far each scheduler is above the optimum: the least and the most that it can be."""
    found = [(row, _ends(row)) for row in survey.compared.timed]
    rows = [row for row, ends in found if ends]
    ends = [one for _, one in found if one]
    if not rows:
        return None
    top = max(most for _, most in ends)
    text = "; ".join(f"{row.scheduler} {_span(*end)} the optimum" for row, end in zip(rows, ends, strict=True))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        log = top > _WIDE
        if log:
            make_log(axes.xaxis)
        for at, (least, most) in enumerate(ends):
            axes.barh(at, least - 1.0, left=1.0, height=0.6, color=COLOURS[0])
            axes.barh(at, most - least, left=least, height=0.6, color=_BAND, edgecolor=COLOURS[0], linewidth=0.9)
            label = axes.annotate(_span(least, most), (most, at), (5, 0), textcoords="offset points", va="center", fontsize=8)
            label.set_bbox({"facecolor": "#ffffff", "edgecolor": "none", "pad": 1.0})
        axes.axvline(1.0, color=_INK, lw=1.6)
        axes.axvline(1.1, color=_SOFT, lw=0.9, ls=(0, (4, 3)))
        axes.set_yticks(range(len(rows)), [_short(row.scheduler) for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        margin = (max(top, 1.12) / 1.0) ** 0.22 if log else 0.22 * (max(top, 1.12) - 1.0)
        axes.set_xlim(1.0, max(top, 1.12) * margin if log else max(top, 1.12) + margin)
        axes.set_xlabel("times the optimum")
        axes.grid(True, axis="x", color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)

    caption = (
        "Each bar ends where the scheduler can be at most; the dark part is proven to be its own fault, in the light part lies "
        "what is not known of the optimum. Left of the dashed line, at 1.1 times, a scheduler is called close."
    )
    return _picture(name, draw, 0.9 + 0.3 * len(rows), "Distance from the optimum", text, caption)


def steps(survey: Survey, name: str) -> Picture | None:
    """Mean time of a step over the steps, one panel a scheduler, the bound's own step in each."""
    shown = best_courses(survey, MOST_PANELS)
    if not shown:
        return None
    bound = survey.bound_step_s
    top = max([float(one.step_s.max()) for one in shown] + ([] if bound is None else [float(bound.max())]))
    factor, unit = time_unit(top)
    text = "; ".join(f"{one.scheduler} from {seconds(one.step_s.min())} to {seconds(one.step_s.max())} a step" for one in shown)

    def panel(axes: Axes, at: int) -> None:
        one = shown[at]
        if bound is not None:
            _stairs(axes, bound / factor, survey.ends, color=_INK, lw=0.8)
        _stairs(axes, one.step_s / factor, survey.ends, color=COLOURS[at % len(COLOURS)], lw=1.3)
        axes.set_title(_short(one.scheduler), loc="left")
        axes.set_ylim(0, 1.06 * top / factor or 1.0)

    across = 1 if len(shown) == 1 else 2
    down = math.ceil(len(shown) / across)

    def draw(figure: Figure) -> None:
        _panels(figure, len(shown), across, panel, "step", f"time of a step [{unit}]")

    caption = "Time of a step over the steps, in colour."
    if bound is not None:
        caption += " Black: what the bound gives the step; only its sum over all steps is a bound on every policy."
    return _picture(name, draw, 0.5 + 1.35 * down, "Time of each step", text, caption + _means(survey) + _left(survey, shown))


def held(survey: Survey, name: str) -> Picture | None:
    """Bytes in each tier over the steps."""
    shown = [one for one in best_courses(survey, MOST_LINES) if one.held is not None]
    if not shown or (alive := shown[0].alive) is None:
        return None
    capacity = survey.question.capacity
    parts = []

    def panel(axes: Axes, tier: int) -> None:
        room, at = int(capacity[tier]), np.r_[0, survey.ends]
        columns = [one.held[:, tier] for one in shown if one.held is not None]
        top = max(int(column.max()) for column in columns)
        near = [value for value in (room, int(alive.max())) if value <= _NEAR * top]
        factor, unit = size_unit(max(top, *near, 0))
        if int(alive.max()) in near:
            axes.plot(at, alive / factor, color=_SOFT, lw=0.9, label="alive", drawstyle="steps-post")
        if room in near:
            axes.axhline(room / factor, color=_INK, lw=0.8, ls=(0, (4, 3)), label="room")
        for n, column in enumerate(columns):
            style: dict[str, Any] = {"color": COLOURS[n], "ls": DASHES[n], "label": _short(shown[n].scheduler)}
            axes.plot(at, column / factor, lw=1.4, drawstyle="steps-post", **style)
        axes.set_title(f"{survey.tiers[tier]}: room for {format_size(room)}", loc="left")
        axes.set_ylim(0, 1.08 * max(top, *near, 0) / factor or 1.0)
        axes.set_ylabel(f"[{unit}]")

    def draw(figure: Figure) -> None:
        cells = _panels(figure, len(survey.tiers), 1, panel, "step", "")
        handles: dict[str, Any] = {}
        for axes in cells:
            handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
        figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=4)

    for tier, word in enumerate(survey.tiers):
        room = int(capacity[tier])
        most = [f"{one.scheduler} {format_size(int(one.held[:, tier].max()))}" for one in shown if one.held is not None]
        parts.append(f"{word}, room for {format_size(room)}, holds at most: {', '.join(most)}")
    height = 0.8 + 1.5 * len(survey.tiers)
    caption = (
        "Bytes of blocks in each tier over the steps. Room, and all that are alive (grey), are drawn where they are near."
        + _means(survey, "the most")
    )
    return _picture(name, draw, height, "What lies where", "; ".join(parts), caption + _left(survey, shown))


def room(survey: Survey, name: str) -> Picture | None:
    """Bounds over the room of the fastest tier."""
    if survey.curve is None:
        return None
    parts = []
    for point in survey.curve.points:
        proof = point.compared.proof
        best = "" if proof.best_s is None else f", best known {seconds(proof.best_s)}"
        parts.append(f"{point.values[0]}: at least {seconds(proof.bound.lower_bound_s)}{best}")
    key = survey.curve.keys[0].name
    words = f"Time over {key}"
    svg = inline(curve.draw(survey.curve, "curve.svg", best=True, style=PAGE_STYLE), name, words, "; ".join(parts))
    caption = (
        f"What more room is worth: the proven bound at {len(parts)} values of {key}, as shares of the most bytes alive."
        " The lines between them guide the eye."
    )
    return Picture(svg, caption)


def best_courses(survey: Survey, count: int) -> list[Course]:
    """The schedulers that take least time, so many of them."""
    order = {row.scheduler: at for at, row in enumerate(survey.compared.timed)}
    return sorted((one for one in survey.courses if one.scheduler in order), key=lambda one: order[one.scheduler])[:count]


def _ends(row: Scheduled) -> tuple[float, float] | None:
    """How many times the optimum a schedule is at least and at most; None where that is not known."""
    judged = row.judgement
    return None if judged is None or judged.above_most is None else (1.0 + judged.above_least, 1.0 + judged.above_most)


def _span(least: float, most: float) -> str:
    """``"1.2x to 1.5x"``, ``"2 to 4 % above"``."""
    if most < 2.0:
        low, high = percent(least - 1.0), percent(most - 1.0)
        return f"{high} above" if low == high else f"{low.removesuffix(' %')} to {high} above"
    low, high = times(least), times(most)
    return high if low == high else f"{low} to {high}"


def _short(name: str) -> str:
    name = without_folders(name)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."


def _means(survey: Survey, what: str = "the mean") -> str:
    """That several steps share a point, where they do."""
    count, steps_ = len(survey.ends), survey.question.num_steps
    return "" if count == steps_ else f" Of {steps_:,} steps, in {count} pieces, {what} of each."


def _left(survey: Survey, shown: Sequence[Course]) -> str:
    more = len(survey.courses) - len(shown)
    return f" The {len(shown)} schedulers that take least time; {more} more are in the table." if more else ""


def _stairs(axes: Axes, values: Float64, ends: Int64, *, color: str, lw: float) -> None:
    axes.stairs(values, np.r_[0, ends], color=color, lw=lw, baseline=None)


def _panels(figure: Figure, count: int, across: int, panel: Callable[[Axes, int], None], x: str, y: str) -> list[Axes]:
    """Panels side by side that share their axis of steps."""
    down = math.ceil(count / across)
    grid = figure.subplots(down, across, sharex=True, squeeze=False)
    cells = [grid[n // across][n % across] for n in range(across * down)]
    for n, axes in enumerate(cells):
        axes.set_visible(n < count)
        if n >= count:
            continue
        axes.grid(True, axis="y", color=_GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.margins(x=0)
        panel(axes, n)
        if n + across >= count:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(x)
    if y:
        figure.supylabel(y, fontsize=9)
    return cells[:count]


def _picture(name: str, draw: Callable[[Figure], None], height: float, title: str, text: str, caption: str) -> Picture:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(PAGE_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure)
        return Picture(inline(picture_bytes(figure, "a.svg"), name, title, text), caption)
