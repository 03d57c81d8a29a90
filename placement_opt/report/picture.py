"""What all pictures share: the formats, how they look, and what is refused before anything is computed for one."""

from __future__ import annotations

import importlib.util
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.units import format_size

if TYPE_CHECKING:
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

_FORMATS = (".png", ".svg")
#: Settings of matplotlib; the salt makes equal pictures equal bytes.
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "legend.frameon": False,
    "svg.hashsalt": "placement-opt",
    "svg.fonttype": "none",
}


def check_place(path: str, option: str) -> None:
    """InputError for a name that says no format."""
    if Path(path).suffix.lower() not in _FORMATS:
        raise InputError(f"found {shown(path)}", "expected a name that ends in .png or .svg", field=option)


def check_installed(what: str, option: str) -> None:
    """InputError where there is nothing to draw with."""
    if importlib.util.find_spec("matplotlib") is None:
        expected = "expected it to be installed: pip install 'placement-opt[plot]'"
        raise InputError(f"found no matplotlib, which draws the {what}", expected, field=option)


def picture_bytes(figure: Figure, path: str) -> bytes:
    """The picture in the format that the name of its file ends with."""
    kind, picture = Path(path).suffix.lower().removeprefix("."), io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # names are in any script
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return picture.getvalue()


def size_unit(size: int) -> tuple[float, str]:
    """(bytes, name) of the unit that suits the largest size of an axis."""
    unit = format_size(size).rpartition(" ")[2]
    return {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40, "PiB": 2.0**50}.get(unit, 1.0), unit


def make_log(axis: XAxis | YAxis) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axis.axes.set_xscale if axis.axis_name == "x" else axis.axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
