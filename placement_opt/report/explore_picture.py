"""An exploration as pictures: the front of two of its axes, and bounds and values over two of its choices.

matplotlib is an extra and is imported only when a picture is drawn, without a display; the same answer gives the same bytes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.errors import InputError, shown
from placement_opt.report.numbers import figure, time_unit
from placement_opt.report.picture import STYLE, check_installed, check_place, picture_bytes
from placement_opt.study.explore.found import Explored, Found
from placement_opt.study.explore.spec import Spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Values of a choice on an axis of a heat map, and cells that have their number written in them.
_MOST_CELLS, _WRITTEN = 64, 200
#: An axis whose largest value is more than this many times its smallest is logarithmic.
_WIDE = 25.0
_ON, _OPEN, _OFF, _BOUND = "#0072B2", "#E69F00", "#999999", "#111111"


def _check(path: str, option: str) -> None:
    check_place(path, option)
    check_installed("picture", option)


def check_front(path: str, spec: Spec) -> None:
    """Refuse, before anything is computed, a picture of a front that cannot be drawn."""
    if len(spec.front) < 2:
        found = f"found a front of {' and '.join(spec.front) or 'nothing'}"
        raise InputError(found, 'expected front = ["time", "cost"] or the like in [objective]', field="--plot")
    _check(path, "--plot")


def check_heat(path: str, axes: str | None, spec: Spec) -> tuple[int, int]:
    """The two choices of a heat map; InputError where it cannot be drawn."""
    names = [choice.name for choice in spec.choices]
    wanted = names[:2] if axes is None else axes.split(",")
    if len(wanted) != 2 or wanted[0] == wanted[1] or not set(wanted) <= set(names):
        found = f"found {shown(axes)}" if axes is not None else f"found {len(names)} choice"
        raise InputError(found, f"expected two different choices of {', '.join(names)}", field="--heat-axes")
    first, second = (names.index(name) for name in wanted)
    for place in (first, second):
        if (many := len(spec.choices[place].alternatives)) > _MOST_CELLS:
            found = f"found {many} alternatives of {names[place]}"
            raise InputError(found, f"expected at most {_MOST_CELLS}", field="--heat-axes")
    _check(path, "--heat")
    return first, second


def draw_front(found: Explored, path: str) -> bytes:
    """The first two axes of every front, a panel each: values of schedules, and the bounds under those left open."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure_, panels = _panels(len(found.fronts))
        for axes, one in zip(panels, found.fronts, strict=True):
            _front(axes, one)
            axes.set_title(one.workload)
        figure_.suptitle(found.spec.name, fontsize=10)
        panels[0].legend(loc="best")
        return picture_bytes(figure_, path)


def _front(axes: Axes, found: Found) -> None:
    x, y = found.axes[:2]
    scale = [_scale(axis, [one.value[n] for one in found.designs if one.value is not None]) for n, axis in enumerate((x, y))]
    groups = (("on the front", _ON, "o"), ("not told apart", _OPEN, "s"), ("beaten", _OFF, "x"))
    for status, colour, mark in groups:
        known = [one.value for one in found.of(status) if one.value is not None]
        if known:
            places = [[value[n] / scale[n][0] for value in known] for n in range(2)]
            axes.plot(*places, mark, ls="", color=colour, ms=5, label=status, zorder=3)
    bounds = [one.lower for one in found.of("on the front", "not told apart", "beaten") if None not in one.lower]
    if bounds:
        places = [[(lower[n] or 0.0) / scale[n][0] for lower in bounds] for n in range(2)]
        axes.plot(*places, "|", ls="", color=_BOUND, ms=9, label="bound", zorder=2)
    values = np.array([one.value[:2] for one in found.designs if one.value is not None]).reshape(-1, 2)
    for column, set_scale in zip(values.T, (axes.set_xscale, axes.set_yscale), strict=True):
        if len(column) and column.min() > 0 and column.max() > _WIDE * column.min():
            set_scale("log")
    axes.set_xlabel(scale[0][1])
    axes.set_ylabel(scale[1][1])
    axes.grid(True, color="#e3e3e3", linewidth=0.6)
    axes.set_axisbelow(True)


def _scale(axis: str, values: list[float]) -> tuple[float, str]:
    """(factor, label) of an axis."""
    if axis == "time":
        factor, unit = time_unit(max(values, default=1.0))
        return factor, f"time [{unit}]"
    return 1.0, {"cost": "cost", "energy": "energy [J]", "lifetime": "share of the life a run uses up"}[axis]


def draw_heat(found: Explored, path: str, first: int, second: int) -> bytes:
    """The least value over the first choice (across) and the second (down), others at their best; else bounds."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure_, panels = _panels(len(found.best))
        for axes, one in zip(panels, found.best, strict=True):
            _heat(axes, found.spec, one, first, second)
        figure_.suptitle(found.spec.name, fontsize=10)
        return picture_bytes(figure_, path)


def cells(spec: Spec, found: Found, first: int, second: int) -> tuple[Float64, Float64]:
    """float64[n, m] each, of alternatives of the second and the first choice: least value, least bound; NaN for none."""
    shape = len(spec.choices[second].alternatives), len(spec.choices[first].alternatives)
    value, lower = np.full(shape, math.inf), np.full(shape, math.inf)
    for one in found.designs:
        picks = spec.picks(one.number)
        cell = picks[second], picks[first]
        if one.status not in ("impossible", "over budget"):
            value[cell] = min(value[cell], _of(one.value))
            lower[cell] = min(lower[cell], _of(one.lower))
    return np.where(np.isinf(value), np.nan, value), np.where(np.isinf(lower), np.nan, lower)


def _of(values: tuple[float | None, ...] | None) -> float:
    return math.inf if values is None or values[0] is None else values[0]


def _heat(axes: Axes, spec: Spec, found: Found, first: int, second: int) -> None:
    value, lower = cells(spec, found, first, second)
    shown_ = np.where(np.isnan(value), lower, value)
    factor, label = _scale(found.axes[0], shown_[~np.isnan(shown_)].tolist())
    image = axes.imshow(shown_ / factor, cmap="viridis_r", aspect="auto", interpolation="nearest")
    for place, (set_ticks, set_label) in (
        (first, (axes.set_xticks, axes.set_xlabel)),
        (second, (axes.set_yticks, axes.set_ylabel)),
    ):
        names = [one.name for one in spec.choices[place].alternatives]
        set_ticks(range(len(names)), names)
        set_label(spec.choices[place].name)
    axes.tick_params(axis="x", rotation=45 if len(spec.choices[first].alternatives) > 6 else 0)
    middle = np.nanmean(shown_) if not np.isnan(shown_).all() else 0.0
    if shown_.size <= _WRITTEN:
        for (row, column), amount in np.ndenumerate(shown_):
            if not np.isnan(amount):
                text = figure(amount / factor, 3)
                text = text if not np.isnan(value[row, column]) else f"≥{text}"
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color="w" if amount > middle else "k")
    axes.set_title(found.workload or label)
    axes.figure.colorbar(image, ax=axes, label=label)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    across = min(count, 3)
    down = math.ceil(count / across)
    figure_ = Figure(figsize=(5.0 * across, 3.8 * down), layout="constrained", dpi=160)
    grid = figure_.subplots(down, across, squeeze=False)
    panels = [grid[n // across][n % across] for n in range(across * down)]
    for n, axes in enumerate(panels):
        axes.set_visible(n < count)
    return figure_, panels[:count]
