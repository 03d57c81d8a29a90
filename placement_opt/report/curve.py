"""A sweep as a picture: the bound, the roofline and the schedulers over the first key, one panel for each of the others.

matplotlib is an extra and is imported only here, when a picture is drawn. Pictures are made without a display and without
pyplot's global state; the same sweep gives the same bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from placement_opt.base.capacity import parse_count
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_rate, format_seconds, format_size, parse_duration, parse_rate, parse_size
from placement_opt.report.numbers import time_unit
from placement_opt.report.picture import STYLE, check_installed, check_place, make_log, picture_bytes
from placement_opt.study.keys import SweepKey, parse_value
from placement_opt.study.sweep import Point, Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 16
#: An axis whose largest value is more than this many times its smallest is logarithmic.
_WIDE_X, _WIDE_Y = 12.0, 25.0
#: Or more than this many times, where none of four values or more is off by this factor from even ratios.
_WIDE_EVEN, _EVEN = 4.0, 1.1
#: What a tick's label needs, and the share of a panel's width that the values span.
_TICK_INCHES, _LETTER_INCHES, _PLOTTED = 0.08, 0.075, 0.8
_BOUND, _ROOFLINE, _FORBIDDEN = "#111111", "#777777", "#ececec"
#: Colours that colour-blind readers tell apart (Okabe and Ito), and marks for those who print.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#5B5B9F")
_MARKS = "osD^vPX*"


@dataclass(frozen=True)
class Axis:
    """Where the values of a key lie.

    Attributes
    ----------
    places
        One number for each value.
    unit
        Of these numbers; "" for plain ones and for words.
    counted
        False where the values are words: their places are 0, 1, 2, ...
    """

    places: tuple[float, ...]
    unit: str
    counted: bool

    @property
    def log(self) -> bool:
        """Whether the values span so much, or are so evenly spaced in it, that their ratios are what matters."""
        if not self.counted or min(self.places) <= 0:
            return False
        ratios = [high / low for low, high in itertools.pairwise(sorted(self.places))]
        even = len(ratios) > 2 and max(ratios) < _EVEN * min(ratios)
        return max(self.places) > (_WIDE_EVEN if even else _WIDE_X) * min(self.places)

    def gap(self) -> float:
        """The smallest distance between two values as a share of the axis; 1 for a single one."""
        places = sorted(math.log(place) if self.log else place for place in self.places)
        return min(((high - low) / (places[-1] - places[0]) for low, high in itertools.pairwise(places)), default=1.0)


def check_picture(path: str, keys: Sequence[SweepKey]) -> None:
    """Refuse, before anything is computed, a picture that cannot be drawn; InputError says why."""
    check_place(path, "--plot")
    panels = math.prod(len(key.values) for key in keys[1:])
    if panels > _MOST_PANELS:
        found = f"found {panels} combinations of the keys after the first, each a panel of its own"
        raise InputError(found, f"expected at most {_MOST_PANELS}", field="--plot")
    check_installed("curve", "--plot")


def make_axis(values: Sequence[str]) -> Axis:
    """Numbers, sizes, rates, durations and counts as such, in a unit that suits the largest; anything else as words."""
    parsed = [parse_value(text) for text in values]
    if all(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) for value in parsed):
        return Axis(tuple(float(value) for value in parsed), "", True)
    counts = [count for value in parsed if (count := parse_count(value)) is not None]
    if len(counts) == len(values) and len({count.unit for count in counts}) == 1:
        factor, unit = (100, "%") if counts[0].unit == "%" else (1, counts[0].unit)
        return Axis(tuple(float(count.number * factor) for count in counts), unit, True)
    binary = all("i" in text for text in values)
    kinds: tuple[tuple[Callable[[object], int | Fraction], Callable[[float], str]], ...] = (
        (parse_size, lambda size: format_size(size, binary=binary)),
        (parse_rate, lambda rate: format_rate(rate, binary=binary)),
        (parse_duration, format_seconds),
    )
    for parse, show in kinds:
        try:
            amounts = [parse(value) for value in parsed]
        except InputError:
            continue
        unit = show(float(max(amounts))).rpartition(" ")[2]
        return Axis(tuple(float(amount / Fraction(parse(f"1 {unit}"))) for amount in amounts), unit, True)
    return Axis(tuple(float(n) for n in range(len(values))), "", False)


def draw(sweep: Sweep, path: str, *, style: dict[Any, Any] = STYLE, best: bool = False) -> bytes:
    """The picture's bytes, in the format that the name of its file ends with; ``best``: with the best schedule known, too."""
    import matplotlib
    from matplotlib.figure import Figure

    first, *others = sweep.keys
    panels = list(itertools.product(*(key.values for key in others)))
    across = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
    down = math.ceil(len(panels) / across)
    width = 4.6 if across == 1 else 2.9
    scale = _Scale(sweep, best)
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(2.2 + width * across, 0.8 + (2.8 if down == 1 else 2.2) * down), layout="constrained", dpi=160)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        cells = [grid[n // across][n % across] for n in range(across * down)]
        for n, axes in enumerate(cells):
            axes.set_visible(n < len(panels))
        for n, (axes, rest) in enumerate(zip(cells, panels, strict=False)):
            _panel(axes, [point for point in sweep.points if point.values[1:] == rest], scale)
            pairs = zip(others, rest, strict=True)
            axes.set_title(", ".join(f"{key.name} = {value}" for key, value in pairs))
            if n % across == 0:
                axes.set_ylabel(f"{scale.label} [{scale.unit}]")
            if n + across >= len(panels):
                axes.tick_params(labelbottom=True)
                axes.set_xlabel(scale.ticks(axes, first, width))
        figure.suptitle(sweep.points[0].compared.proof.instance, fontsize=10)
        figure.legend(*cells[0].get_legend_handles_labels(), loc="outside right upper")
        return picture_bytes(figure, path)


class _Scale:
    """What all panels share: the axes, their units, and whether they are logarithmic."""

    def __init__(self, sweep: Sweep, best: bool = False) -> None:
        values = sweep.keys[0].values
        self.best = best
        self.axis = make_axis(values)
        self.place = dict(zip(values, self.axis.places, strict=True))
        self.names = [row.scheduler for row in sweep.points[0].compared.schedules]
        times = [value for point in sweep.points for value in self.times(point) if value is not None and value > 0]
        times += [point.compared.proof.best_s or 0.0 for point in sweep.points] if best else []
        self.factor, self.unit = time_unit(max(times, default=1.0))
        self.label = "total time" if sweep.points[0].compared.proof.objective == "time" else "objective"
        self.weak = any(point.compared.proof.interval.weak for point in sweep.points)
        self.log = bool(times) and max(times) > _WIDE_Y * min(times)

    def times(self, point: Point) -> list[float | None]:
        """Roofline, bound, then the schedulers."""
        proof = point.compared.proof
        return [proof.roofline_s, proof.bound.lower_bound_s, *(row.cost_s for row in point.compared.schedules)]

    def ticks(self, axes: Axes, key: SweepKey, inches: float) -> str:
        """Ticks at the values, as they were given or as numbers, where there is room for them; returns the axis's label."""
        label = f"{key.name} [{self.axis.unit}]" if self.axis.unit else key.name
        numbers = tuple(f"{place:.6g}" for place in self.axis.places)
        for texts, name in ((key.values, key.name), (numbers, label)):
            needed = _TICK_INCHES + _LETTER_INCHES * max(map(len, texts))
            if not self.axis.counted or _PLOTTED * inches * self.axis.gap() > needed:
                axes.set_xticks(self.axis.places, texts)
                axes.set_xticks([], minor=True)
                return name
        return label


def _panel(axes: Axes, points: Sequence[Point], scale: _Scale) -> None:
    """The curves of some points. The lines between them guide the eye: proven is what stands at the points."""
    points = sorted(points, key=lambda point: scale.place[point.values[0]])
    x = [scale.place[point.values[0]] for point in points]
    rows = [[math.nan if value is None else value / scale.factor for value in scale.times(point)] for point in points]
    times = np.array(rows, dtype=np.float64).reshape(len(points), 2 + len(scale.names))
    if scale.axis.log:
        make_log(axes.xaxis)
    if scale.log:
        make_log(axes.yaxis)
    axes.grid(True, axis="y", color="#e3e3e3", linewidth=0.6)
    axes.set_axisbelow(True)
    line = "-" if scale.axis.counted else ""  # words have no order to follow
    for n, name in enumerate(scale.names):
        colour, mark = _COLOURS[n % len(_COLOURS)], _MARKS[n % len(_MARKS)]
        axes.plot(x, times[:, 2 + n], mark, ls=line, color=colour, mfc="none", lw=1.1, ms=5.5, zorder=3 - n / 100, label=name)
    if scale.best:
        known = [point.compared.proof.best_s for point in points]
        best = [math.nan if value is None else value / scale.factor for value in known]
        axes.plot(x, best, "o", ls=line, color=_COLOURS[0], mfc="none", lw=1.1, ms=5.5, zorder=3, label="best known")
    axes.plot(x, times[:, 1], color=_BOUND, ls=line, lw=1.8, marker=".", ms=7, zorder=4, label="lower bound")
    weak = [n for n, point in enumerate(points) if point.compared.proof.interval.weak]
    if scale.weak:  # in every panel, so that all have one legend
        places, values = [x[n] for n in weak], times[weak, 1]
        axes.plot(places, values, "o", color=_BOUND, mfc="white", ms=6, zorder=5, label="weak bound")
    axes.plot(x, times[:, 0], color=_ROOFLINE, lw=1.0, ls=(0, (4, 3)), zorder=2, label="roofline")
    low = axes.get_ylim()[0] if scale.log else 0.0
    axes.vlines(x, low, times[:, 1], color=_FORBIDDEN, lw=7, zorder=1, label="no policy gets here")
    axes.set_ylim(bottom=low)
