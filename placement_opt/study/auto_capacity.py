"""``hbm.capacity=auto``: the capacities at which time over capacity is worth knowing, from what the trace has.

They are shares of the most bytes alive at once, evenly spaced in their logarithm: from what the largest step reads, below which
no step's reads fit whole (or from an eighth, where a step reads more than that; in either case there is room for the largest
block), up to everything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from placement_opt.base.errors import InputError, LimitError, shown
from placement_opt.base.limits import Limits
from placement_opt.base.ranges import MOST_VALUES
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import Source, in_rows
from placement_opt.instance.outline import Outline, read_outline
from placement_opt.instance.stacked import Large
from placement_opt.instance.totals import alive_bytes
from placement_opt.study.keys import full_key

_AUTO = re.compile(r"auto(?:\s*:\s*([0-9]{1,20}))?")
_COUNT = 9
#: Where the smallest capacity lies at most, as a share of everything.
_LEAST = 0.125


def spelt_out(keys: Sequence[str], source: Source, limits: Limits | None = None) -> list[str]:
    """Keys of a sweep as they were given, but for ``TIER.capacity=auto``, which becomes its values.

    Parameters
    ----------
    keys
        As :func:`placement_opt.study.keys.parse_key` takes them; ``auto`` is nine capacities, ``auto:5`` five.
    source
        The instance, or its file, which is read where a key asks for it; values that other keys change are the file's.
    limits
        For reading it.

    Raises
    ------
    InputError
        ``auto`` for a key that is no capacity or beside other values; a count that is none; and as
        :func:`placement_opt.instance.load.load_instance`.
    """
    found, shares = [], None
    for text in keys:
        key, equals, values = str(text).partition("=")
        pieces = [piece.strip() for piece in values.split(",")]
        match = next(filter(None, map(_AUTO.fullmatch, pieces)), None)
        if not equals or match is None:
            found.append(text)
            continue
        if len(pieces) > 1:
            raise InputError(f"found auto beside other values for {shown(key.strip())}", "expected it alone", field="--set")
        if not full_key(key.strip()).endswith(".capacity"):
            expected = "expected values: auto is for capacities, such as hbm.capacity=auto"
            raise InputError(f"found auto for {shown(key.strip())}", expected, field="--set")
        count = int(match[1] or _COUNT)
        if not 2 <= count <= MOST_VALUES:
            raise InputError(f"found {shown(match[0])}", f"expected a count from 2 to {MOST_VALUES}", field="--set")
        shares = shares or _least(source, limits)
        found.append(f"{key}={','.join(_spaced(shares, count))}")
    return found


def _least(source: Source, limits: Limits | None) -> float:
    """The least share, of an instance or of a file, whose trace is made where it has room for that."""
    if isinstance(source, Instance):
        return least_share(source)
    assert not isinstance(source, Large)
    outline = read_outline(source)
    try:
        return least_share(in_rows(outline, limits))
    except LimitError:
        if outline.source.layers is None:
            raise
    return _least_of_layers(outline)


def _least_of_layers(outline: Outline) -> float:
    """The same of a trace that comes layer by layer, by how much its turns read, without drawing it."""
    layers, placed, totals, unit = outline.source.layers, outline.model.placed, outline.totals, outline.model.unit_bytes
    assert layers is not None
    most = max(int(layers.reads(layer).max(initial=0)) for layer in range(layers.count))
    read = most * int(outline.source.probe.size[0]) * unit + (0 if placed is None else placed.layer_bytes)
    return _share(read, totals.largest * unit, totals.peak * unit)


def least_share(instance: Instance) -> float:
    """The share of the most bytes alive at once that the largest step reads, an eighth at most, or the largest block has."""
    trace, size = instance.trace, instance.size
    read = np.bincount(trace.read_step, weights=size[trace.blocks].astype(np.float64), minlength=1)
    return _share(float(read.max()), float(size.max()), float(alive_bytes(trace, size).max()))


def _share(read: float, largest: float, peak: float) -> float:
    return max(min(read / peak, _LEAST) or _LEAST, largest / peak)


def _spaced(least: float, count: int) -> list[str]:
    """Per cents from the share up to all, upwards to three digits, each once."""
    values = []
    for n in range(count):
        per_cent = 100.0 * least ** (1.0 - n / (count - 1))
        unit = 10.0 ** (math.floor(math.log10(per_cent)) - 2)
        values.append(f"{min(100.0, math.ceil(round(per_cent / unit, 6)) * unit):.12g}%")
    return list(dict.fromkeys(values))
