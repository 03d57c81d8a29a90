"""Byte scales per layer and age: KV that is stored in fewer bytes, all of it or what is no longer recent.

One factor, a factor for each layer, or one that falls linearly from the first layer to the last; and an age below which a block
keeps its size. What each system's factor is:

* LoRC (arXiv 2410.03111): ranks that shrink with depth, interpolated in the log of the cumulative condition numbers from a
  layer to the last. With condition numbers that are alike that is linear in depth: ``factor`` and ``deepest``.
* ThinK (arXiv 2407.21018): a share r of the key channels of tokens older than a window of 32 (or 128) is dropped, values are
  whole: factor = 1 - r / 2, 0.8 at r = 0.4, ``recent = 32 tokens``.
* KIVI-like quantisation with a residual window: b bits, and a scale and a zero point of 16 bits for each group of g, of 16:
  factor = (b + 32 / g) / 16, 3/16 at 2 bits and g = 32; ``recent`` is the residual window. Groups are not rounded up to.
* CSR (arXiv 2412.11741): s indices and weights for a vector of d numbers: factor = s (index bits + weight bits) / (16 d), 1/16
  at d = 128, s = 8, 8 + 8 bits (widths are unknown; the dictionary is to be put into ``weight_resident``).
* CXL-SpecKV: 3.5, 3.2 and 2.75 times smaller in the thirds of the layers, ``layers = 0-10:1/3.5 ...``, the repository's
  numbers; its engine is an ``[engines]`` of the memory file.

A block has one size for life. So one that ages is two blocks: the recent one is read whole by the step that rewrites it and is
freed after it; that step produces the smaller one. Blocks that are older when the first step begins are small from the start.
Without ``recent`` no bound is raised by factors up to 1, for smaller blocks load less and take less room.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import InputError, shown
from placement_opt.base.units import split_quantity
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.groups import kv_blocks, layers, turned
from placement_opt.workload.transforms.made import Made, Transform, times
from placement_opt.workload.transforms.select import size_read

_RATIO = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(?:/([0-9]{1,6}(?:\.[0-9]{1,6})?))?")
_LAYERS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?:(\S+)")
_LARGEST, _FINEST = 64, 10**6


def ratio(value: object) -> Fraction:
    """``0.5``, ``"1/3.5"``: above 0, at most 64; InputError otherwise."""
    text = repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    found = _RATIO.fullmatch(text) if isinstance(text, str) else None
    parts = [Fraction(part) for part in found.groups(default="1")] if found else [Fraction(0), Fraction(1)]
    exact = parts[0] / parts[1] if parts[1] else Fraction(0)
    if not 0 < exact <= _LARGEST or exact.denominator > _FINEST:
        raise InputError(f"found {shown(value)}", f'expected a factor above 0, at most {_LARGEST}, such as "0.8" or "3/16"')
    return exact


def layer_table(text: object) -> list[tuple[int, int, Fraction]]:
    """``"0-3:1 4-31:1/2"`` as (first layer, last layer, factor), no layer twice; InputError otherwise."""
    example = 'expected factors of layers such as "0-3:1 4-31:1/2", each layer once'
    rows = []
    for part in text.split() if isinstance(text, str) else ():
        found = _LAYERS.fullmatch(part)
        if found is None:
            raise InputError(f"found {shown(part)}", example)
        low, high = int(found[1]), int(found[2] or found[1])
        rows.append((low, high, ratio(found[3])))
    rows.sort()
    if not rows or any(low > high for low, high, _ in rows):
        raise InputError(f"found {shown(text)}", example)
    if any(one[1] >= other[0] for one, other in pairwise(rows)):
        raise InputError(f"found {shown(text)}", example)
    return rows


def age(text: object) -> tuple[int, str]:
    """``"128 tokens"`` or ``"100 steps"``; InputError otherwise."""
    parts = split_quantity(text) if isinstance(text, str) else None
    if parts is None or parts[1] not in ("tokens", "steps") or not parts[0].isdigit() or not 0 < int(parts[0]) < 2**31:
        raise InputError(f"found {shown(text)}", 'expected an age such as "128 tokens" or "100 steps"')
    return int(parts[0]), parts[1]


def _text(default: str | None, check: Any, help: str) -> Any:
    def convert(value: object) -> str:
        check(value)
        return value if isinstance(value, str) else repr(value)

    return dataclasses.field(default=default, metadata={"type": str, "convert": convert, "help": help})


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    factor: str = _text("1", ratio, "bytes of a block over those that it has, such as 0.8 or 3/16")
    layers: str | None = _text(None, layer_table, 'of some layers another: "0-3:1 4-31:1/2"; the others have factor')
    deepest: str | None = _text(None, ratio, "of the last layer; from factor in the first it changes linearly")
    recent: str | None = _text(None, age, 'age below which a block keeps its size: "128 tokens", "100 steps"')
    of: str = p.choice("kv", ("kv", "weights", "all"), "which blocks")

    def __post_init__(self) -> None:
        p.check(self)
        if self.layers is not None and self.deepest is not None:
            raise InputError(f"found {self.deepest!r} beside layers", "expected one of the two", field="deepest")


def make(trace: Trace, params: Params) -> Made:
    """The trace in other bytes; ``found`` has what is left of blocks and reads, and how many blocks are rewritten."""
    if trace.size_unit != "bytes":
        raise InputError(
            f"found blocks sized in {trace.size_unit}", "expected bytes, which the transform bytes makes", field="factor"
        )
    size = _sizes(trace, params)
    changed = size != trace.sizes
    if params.recent is None or not changed.any():
        made = dataclasses.replace(trace, size=size) if changed.any() else trace
        rewritten = 0
    else:
        at = _aged(trace, *age(params.recent))
        ages = np.flatnonzero(changed & (at < trace.death))
        group = np.full(trace.num_blocks, -1, dtype=np.int64)
        group[ages] = np.arange(len(ages))
        made = turned(trace, group, at[ages], size[ages], whole=False)
        rewritten = int(np.count_nonzero(at[ages] >= 0))
    share = float(size.sum()) / float(trace.sizes.sum())
    less = size_read(made) / max(size_read(trace), 1)
    told = [f"blocks have {times(share)} of their bytes once they are scaled; {times(less)} of what was read is read"]
    if rewritten:
        told.append(f"{rewritten:,} blocks are rewritten as they age: read whole once more, and produced anew")
    if trace.position is not None and made.position is None:
        told.append("lost: position, which blocks that are read to be rewritten have none of")
    return Made(made, {"size_share": share, "read_share": less, "rewritten": rewritten}, told)


def _sizes(trace: Trace, params: Params) -> Int64:
    """int64[B]: each block's bytes once it is scaled, rounded up to whole bytes of each piece."""
    pieces = 1 if trace.pieces is None else np.broadcast_to(trace.pieces, trace.num_blocks).astype(np.int64)
    size, meant = trace.sizes // pieces, _meant(trace, params)
    scaled = trace.sizes.copy()
    for blocks, factor in _factors(trace, params):
        # what is left of a division is less than the denominator: where 64 bits do not hold it times the numerator, Python's do
        exact = size if factor.numerator * factor.denominator < 2**63 else size.astype(object)
        whole, rest = exact // factor.denominator, exact % factor.denominator
        each = whole * factor.numerator - (-rest * factor.numerator // factor.denominator)
        scaled = np.where(blocks & meant, each.astype(np.int64) * pieces, scaled)
    return scaled


def _meant(trace: Trace, params: Params) -> Flags:
    kv = kv_blocks(trace)
    return {"kv": kv, "weights": ~kv, "all": np.ones_like(kv)}[params.of]


def _factors(trace: Trace, params: Params) -> list[tuple[Flags, Fraction]]:
    """(blocks, factor), later ones before earlier ones."""
    first = ratio(params.factor)
    found = [(np.ones(trace.num_blocks, dtype=np.bool_), first)]
    if params.layers is None and params.deepest is None:
        return found
    layer = trace.block_layer
    field = "deepest" if params.layers is None else "layers"
    if layer is None:
        raise InputError("found blocks without layers", "expected a trace whose blocks are of layers", field=field)
    known = np.unique(layer)
    if params.layers is None:
        assert params.deepest is not None
        last, steps = ratio(params.deepest), max(1, len(known) - 1)
        ramp = [first + (last - first) * Fraction(place, steps) for place in range(len(known))]
        return [(layer == number, factor) for number, factor in zip(known, ramp, strict=True)]
    for low, high, factor in layer_table(params.layers):
        if high > known[-1]:
            raise InputError(f"found layer {high}", f"expected layers up to {known[-1]}", field=field)
        found.append(((layer >= low) & (layer <= high), factor))
    return found


def _aged(trace: Trace, count: int, unit: str) -> Int64:
    """int64[B]: the step that rewrites each block, -1 where it is old from the start, T where it never is so old."""
    steps, birth = trace.num_steps, trace.birth.astype(np.int64)
    if unit == "steps":
        return np.where(birth < 0, -1, np.minimum(birth + count, steps))
    if trace.step_token is None or trace.block_token is None:
        found = "found steps or blocks without token labels"
        raise InputError(found, 'expected both, or an age such as "100 steps"', field="recent")
    of_step, of_block = layers(trace)
    order = np.argsort(of_step, kind="stable")
    keys = of_step[order] << 32 | trace.step_token[order]
    if (keys[1:] < keys[:-1]).any():
        early = int(order[1:][keys[1:] < keys[:-1]][0])
        raise InputError(
            f"found token {trace.step_token[early]} at step {early}, after a later one",
            "expected rising tokens",
            field="recent",
        )
    due = of_block << 32 | np.minimum(trace.block_token.astype(np.int64) + count, 2**31)
    place = np.searchsorted(keys, due)
    begins = np.searchsorted(keys, of_block << 32)
    inside = np.append(of_step[order], -1)[place] == of_block
    at = np.where(inside, np.append(order, steps)[place], steps)
    at = np.where((place == begins) & (birth < 0) & inside, -1, at)
    return np.where((at >= 0) & (at <= birth), np.minimum(birth + 1, steps), at)


TRANSFORM = Transform(Params, make)
