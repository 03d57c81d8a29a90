"""Knobs as a picture: for each instance the cost over the bound along the first knob, others as they come and at best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from placement_opt.base.errors import InputError
from placement_opt.report.curve import make_axis
from placement_opt.report.picture import STYLE, check_installed, check_place, make_log, picture_bytes
from placement_opt.study.tuned import Tuned, Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_PANELS = 16
_KEPT, _BEST, _DEFAULT = "#0072B2", "#D55E00", "#111111"


def check_tuning_picture(path: str) -> None:
    """Refuse, before anything is computed, a picture that cannot be drawn; InputError says why."""
    check_place(path, "--plot")
    check_installed("curves", "--plot")


def draw_tuning(found: Tuning, path: str) -> bytes:
    """The picture's bytes, in the format that the name of its file ends with.

    Raises
    ------
    InputError
        More instances than there is room for.
    """
    import matplotlib
    from matplotlib.figure import Figure

    count, knob = len(found.instances), found.settings.knobs[0]
    if count > _MOST_PANELS:
        raise InputError(
            f"found {count} instances, each a panel of its own", f"expected at most {_MOST_PANELS}", field="--plot"
        )
    across = count if count <= 3 else math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    with matplotlib.rc_context(STYLE):
        size = (2.2 + (4.6 if across == 1 else 2.9) * across, 0.8 + (2.8 if down == 1 else 2.2) * down)
        figure = Figure(figsize=size, layout="constrained", dpi=160)
        cells = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
        for n, axes in enumerate(cells):
            axes.set_visible(n < count)
        for n, (axes, one) in enumerate(zip(cells, found.instances, strict=False)):
            _panel(axes, found, one)
            axes.set_title(one.name)
            axes.set_xlabel(knob.key)
            if n % across == 0:
                axes.set_ylabel("above the bound [%]")
        figure.suptitle(found.settings.head, fontsize=10)
        figure.legend(*cells[0].get_legend_handles_labels(), loc="outside right upper")
        return picture_bytes(figure, path)


def _panel(axes: Axes, found: Tuning, one: Tuned) -> None:
    """One instance: two curves, the default, and the bound."""
    knob, written = found.settings.knobs[0], list(dict.fromkeys(values[0] for values in found.settings.combinations))
    axis = make_axis(written)
    place = dict(zip(written, axis.places, strict=True))
    values = sorted(written, key=place.__getitem__)
    x, line = [place[value] for value in values], "-" if axis.counted else ""  # words have no order to follow
    kept, best = [_kept(found, one, value) for value in values], [_best(found, one, value) for value in values]
    alone = len(found.settings.knobs) == 1
    if not alone:
        axes.plot(x, best, "s" + line, color=_BEST, mfc="none", lw=1.1, ms=5, label="other options at their best")
    label = found.settings.head if alone else "other options as they come"
    axes.plot(x, kept, "o" + line, color=_KEPT, mfc="none", lw=1.1, ms=5, label=label)
    default = _share(one, one.default)
    if default is not None:
        axes.plot([place[knob.default]], [default], "D", color=_DEFAULT, ms=5, label="default")
    axes.axhline(0.0, color=_DEFAULT, lw=1.6, label="lower bound")
    axes.grid(True, axis="y", color="#e3e3e3", linewidth=0.6)
    if axis.log:
        make_log(axes.xaxis)
    if not axis.counted:
        axes.set_xticks(x, values)


def _share(one: Tuned, at: int) -> float | None:
    gap = one.compared.schedules[at].gap
    return None if gap is None else 100.0 * gap


def _kept(found: Tuning, one: Tuned, value: str) -> float:
    wanted = (value, *found.settings.defaults[1:])
    places = [at for at, values in enumerate(found.settings.combinations) if values == wanted]
    share = _share(one, places[0]) if places else None
    return math.nan if share is None else share


def _best(found: Tuning, one: Tuned, value: str) -> float:
    shares = [_share(one, at) for at, values in enumerate(found.settings.combinations) if values[0] == value]
    return min((share for share in shares if share is not None), default=math.nan)
