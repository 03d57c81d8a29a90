"""A share of the layers: capacities, weights and layers scaled together, so that the question stays alike but smaller.

``--scale-layers n/N`` takes n of every N layers:

* the trace's layers, L -> L n / N, which must be whole: the first of them, each with the read set that it has in the whole;
* every tier's capacity, C -> C n / N, rounded down to bytes (counts and shares of what is alive are bytes by then);
* the weights that lie in memory, W -> W n / N, rounded up to bytes; and the model's number of layers.

What belongs to one layer stays: KV bytes of a token, weights read at a step, the floor of a step, pages. So do all rates, those
of recomputing and of stores outside among them: a
step is one layer, and takes as long as in the whole. The answer is that of a model of so many layers on a machine of that share
of the room; N / n times its seconds is what the whole would take if its layers are alike and share the room evenly. It is no
bound for the whole, whose layers may lend each other room.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from placement_opt.base.capacity import stated_bytes
from placement_opt.base.errors import InputError, shown

if TYPE_CHECKING:
    from placement_opt.instance.outline import Outline

OPTION = "--scale-layers"


@dataclass(frozen=True)
class LayerShare:
    """``kept`` of every ``of`` layers."""

    kept: int
    of: int

    def __str__(self) -> str:
        return f"{self.kept}/{self.of}"

    @property
    def share(self) -> Fraction:
        return Fraction(self.kept, self.of)


def parse_layer_share(text: str) -> LayerShare:
    """``"2/80"``; InputError for anything but two whole numbers, the first from 1 to the second."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text, re.ASCII)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"found {shown(text)}", 'expected so many of so many layers, such as "2/80"')
    return LayerShare(int(match[1]), int(match[2]))


def scaled(outline: Outline, layers: LayerShare) -> dict[str, Any]:
    """Dotted keys of an instance file and the values that they take at a share of the layers.

    Raises
    ------
    InputError
        The trace is no synthetic one of layers, the start is given, or the share of the layers is not whole.
    """
    if outline.source.layers is None or "synth" not in outline.tables.trace:
        found = f"found {layers} of a trace {outline.source.what}, whose layers are what they are"
        raise InputError(found, "expected a trace drawn by drift", path=outline.path, field=OPTION)
    if outline.rules.initial_file is not None:
        found = f"found {layers} of an instance with a start in {outline.rules.initial_file.name}"
        raise InputError(found, "expected a start that is free or first-fit", path=outline.path, field=OPTION)
    if outline.tables.budgets.keys():
        found = f"found {layers} of an instance with budgets, which are for the whole"
        raise InputError(found, "expected none of [budgets]", path=outline.path, field=OPTION)
    share, count = layers.share, outline.source.layers.count
    kept = share * count
    if kept.denominator != 1:
        found = f"found {layers} of the trace's {count} layers, which is no whole number"
        raise InputError(found, f"expected a share such as 1/{count}", path=outline.path, field=OPTION)
    values: dict[str, Any] = {"trace.layers": int(kept)}
    for tier in outline.memory.tiers:
        size = stated_bytes(tier.capacity)
        values[f"memory.{tier.name}.capacity"] = "unlimited" if size is None else f"{int(size * share / tier.dies)} B"
    if outline.model.layers is not None:
        values["llm.layers"] = max(int(kept), round(outline.model.layers * share))
    model = outline.model
    if resident := model.weight_resident + (model.placed.resident if model.placed else 0):
        values["llm.weight_resident"] = f"{-int(-resident * share // 1)} B"
    return values
