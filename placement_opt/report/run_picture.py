"""One run as a picture: what decides each step's time, and what lies in each tier.

matplotlib is an extra and is imported only here, when a picture is drawn; the same run gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.units import format_size
from placement_opt.play.run import Run
from placement_opt.play.trail import Trail
from placement_opt.report.numbers import full_seconds, time_unit
from placement_opt.report.picture import STYLE, picture_bytes, size_unit
from placement_opt.study.survey import means, most, piece_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that colour-blind readers tell apart (Okabe and Ito); the floor is grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#5B5B9F")
_FLOOR, _ROOM, _ALIVE = "#bbbbbb", "#111111", "#777777"
#: What is not much larger than what is drawn is drawn, too.
_NEAR = 2.0


def draw(run: Run, trail: Trail, path: str) -> bytes:
    """The picture's bytes, in the format that the name of its file ends with; of a run and what it held."""
    import matplotlib
    from matplotlib.figure import Figure

    tiers = run.instance.num_tiers
    with matplotlib.rc_context({**STYLE, "text.parse_math": False}):
        figure = Figure(figsize=(8.4, 3.0 + 1.5 * tiers), layout="constrained", dpi=160)
        cells = figure.subplots(1 + tiers, 1, sharex=True, height_ratios=[2.0] + [1.0] * tiers)
        for axes in cells:
            axes.grid(True, axis="y", color="#e3e3e3", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.margins(x=0)
        _times(cells[0], run)
        _tiers(cells[1:], run, trail)
        cells[-1].set_xlabel("step")
        title = f"{run.scheduler} on {run.instance.name}: {full_seconds(run.latency_s)}"
        figure.suptitle(title, fontsize=10)
        return picture_bytes(figure, path)


def _times(axes: Axes, run: Run) -> None:
    """Times of steps, stacked by what they are the times of; the mean of each piece where there are many steps."""
    ends, names = piece_ends(run.instance.num_steps), [*run.instance.memory.resources, "floor"]
    shares = np.column_stack([run.deciding, np.maximum(0.0, 1.0 - run.deciding.sum(axis=1))])
    parts = np.array([means(run.step_s * share, ends) for share in shares.T])
    factor, unit = time_unit(float(parts.sum(axis=0).max()))
    edges, below = np.r_[0, ends], np.zeros(len(ends))
    for r in np.flatnonzero(parts.max(axis=1) > 1e-9 * parts.sum(axis=0).max()).tolist():
        above = below + parts[r] / factor
        colour = _FLOOR if names[r] == "floor" else _COLOURS[r % len(_COLOURS)]
        axes.stairs(above, edges, baseline=below, fill=True, color=colour, label=names[r])
        below = above
    axes.set_ylim(0, 1.06 * float(below.max()) or 1.0)
    axes.set_ylabel(f"time of a step [{unit}]")
    each = "" if len(ends) == run.instance.num_steps else f", means over pieces of {int(ends[0])} steps"
    axes.set_title(f"What decides{each}", loc="left")
    axes.legend(loc="upper left", ncols=4)
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])


def _tiers(cells: list[Axes], run: Run, trail: Trail) -> None:
    """Bytes in each tier; its room, and all that are alive, where they are near."""
    instance = run.instance
    ends = piece_ends(instance.num_steps)
    held, alive = most(trail.held, ends), most(trail.alive[:, None], ends)[:, 0]
    at = np.r_[0, ends]
    for tier, axes in enumerate(cells):
        top, room = int(held[:, tier].max()), int(instance.capacity[tier])
        near = [value for value in (room, int(alive.max())) if value <= _NEAR * top]
        factor, unit = size_unit(max(top, *near, 0))
        axes.fill_between(at, held[:, tier] / factor, step="post", color=_COLOURS[tier % len(_COLOURS)], alpha=0.35, lw=0)
        axes.plot(at, held[:, tier] / factor, drawstyle="steps-post", color=_COLOURS[tier % len(_COLOURS)], lw=1.2)
        if int(alive.max()) in near:
            axes.plot(at, alive / factor, drawstyle="steps-post", color=_ALIVE, lw=0.9, label="alive")
        if room in near:
            axes.axhline(room / factor, color=_ROOM, lw=0.9, ls=(0, (4, 3)), label="room")
        axes.set_title(f"{instance.memory.tier_names[tier]}: room for {format_size(room)}", loc="left")
        axes.set_ylim(0, 1.1 * max(top, *near, 0) / factor or 1.0)
        axes.set_ylabel(f"[{unit}]")
        if near:
            axes.legend(loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.28))
