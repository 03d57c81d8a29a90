"""Instances taken apart into layers, and layers that take turns put together as the whole that they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from placement_opt.answer.played import play
from placement_opt.certify.files import ScheduleCertificate
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.instance.turns import in_layers
from placement_opt.play.protocol import Scheduler
from placement_opt.play.run import Run
from placement_opt.workload import runs
from placement_opt.workload.trace import Trace
from tests.runs import save_plain

#: Three tiers, and a question of three layers of twelve turns.
_MEMORY = """
schema = 1
name = "three"
processor = "gpu"
[tiers]
fast = {{ capacity = "{fast}", rate = "100 {unit}", at = "gpu" }}
middle = {{ capacity = "{middle}", rate = "20 {unit}", at = "cpu" }}
slow = {{ capacity = "{slow}", rate = "5 {unit}", at = "box" }}
[links]
near = {{ from = "cpu", to = "gpu", up.rate = "15 {unit}", down.rate = "15 {unit}" }}
far = {{ from = "box", to = "cpu", up.rate = "4 {unit}", down.rate = "4 {unit}" }}
"""
TEXT = """
schema = 1
name = "stack"
[memory]
file = "three.memory.toml"
fast.capacity = "20 %"
middle.capacity = "40 %"
[llm]
layers = 3
kv_bytes = "1 kB"
weight_bytes = "3 kB"
[trace]
synth = "drift"
seed = 7
layers = 3
prefill = 24
tokens = 12
"""
_ENERGY: dict[str, Any] = {"memory.fast.energy": "1 pJ/bit", "memory.slow.energy": "50 pJ/bit"}
#: What `lru` plays in rows as it does layer by layer, each layer in its even share.
ASKED: list[dict[str, Any]] = [
    {},
    {"rules.residency": "free", "rules.page_tokens": 2, "rules.initial": {"kv": ["slow"]}},
    {"llm.weights": "placed", "memory.fast.page": "512 B", "rules.initial": "home", "rules.floor": "500 us"},
    {**_ENERGY, "objective.energy": "10 s/J"},
    {**_ENERGY, "budgets.energy": "2 mW", "rules.page_tokens": 2},
]


def three_tiers(fast: str = "40 kB", middle: str = "100 kB", slow: str = "1 MB", unit: str = "MB/s") -> str:
    """A memory file with so much room in its tiers, whose rates are in this unit."""
    return _MEMORY.format(fast=fast, middle=middle, slow=slow, unit=unit)


def written(folder: Path, extra: str = "") -> Path:
    (folder / "three.memory.toml").write_text(three_tiers())
    path = folder / "stack.toml"
    path.write_text(TEXT + extra)
    return path


def stored(folder: Path, counts: Sequence[int]) -> Path:
    """A question of a file of runs: so many blocks of 1000 B in each layer, there from the start and read at each of three
    turns."""
    layers = [
        runs.LayerRuns(3, np.full(n, -1, np.int32), np.arange(n + 1), np.zeros(n, np.int32), np.full(n, 2, np.int32))
        for n in counts
    ]
    save_plain(layers, 3, folder / "t.runs", size_unit="bytes", size=1000)
    path = written(folder)
    text = path.read_text()
    path.write_text(
        text[: text.index("[trace]")].replace("layers = 3", f"layers = {len(counts)}") + '[trace]\nfile = "t.runs"\n'
    )
    return path


def both(folder: Path, **rules: object) -> tuple[Instance, Stacked]:
    path = written(folder)
    overrides = {f"rules.{key}": value for key, value in rules.items()}
    return load_instance(path, overrides), in_layers(read_outline(path, overrides))


#: A layer by itself; None: one without blocks, loads and room.
Layer = Instance | None


def layers_of(rng: np.random.Generator, instance: Instance, count: int) -> list[Layer]:
    """Blocks divided at random; each layer has all of the room, so that together they have so many times as much."""
    owner = rng.integers(0, count, instance.num_blocks)
    parts = [_some(instance, owner == layer) if (owner == layer).any() else None for layer in range(count)]
    loads = [instance.fixed + rng.integers(0, 3, instance.fixed.shape) for _ in range(count)]
    return [None if one is None else replace(one, fixed=fixed) for one, fixed in zip(parts, loads, strict=True)]


def _some(instance: Instance, keep: np.ndarray) -> Instance:
    """Some of an instance's blocks."""
    trace, number = instance.trace, np.cumsum(keep) - 1
    read = keep[trace.blocks]
    counts = np.bincount(trace.read_step[read], minlength=trace.num_steps)
    part = Trace(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        blocks=number[trace.blocks[read]].astype(np.int32),
        birth=trace.birth[keep],
        death=trace.death[keep],
        size=instance.size[keep],
        size_unit="bytes",
        shares=None if trace.shares is None else trace.shares[read],
        share_base=trace.share_base,
        block_kind=None if trace.block_kind is None else trace.block_kind[keep],
        pieces=None if instance.pieces is None else instance.pieces[keep].astype(np.int32),
    )
    initial = None if instance.initial is None else instance.initial[:, keep]
    return replace(instance, trace=part, size=instance.size[keep], initial=initial)


def whole_of(layers: Sequence[Layer]) -> Instance:
    """Step n * L + l is turn n of layer l; the rooms of the layers add up to the room."""
    count, numbered = len(layers), [(number, one) for number, one in enumerate(layers) if one is not None]
    some = [one for _, one in numbered]
    first, turns = some[0], some[0].num_steps
    offset, rows = 0, list[tuple[int, np.ndarray, np.ndarray | None]]()
    fixed, floor = np.zeros((turns, count, first.num_resources), dtype=np.int64), np.zeros((turns, count))
    for number, one in numbered:
        fixed[:, number], floor[:, number] = one.fixed, one.floor
        for n in range(turns):
            part = slice(int(one.trace.indptr[n]), int(one.trace.indptr[n + 1]))
            shares = None if one.trace.shares is None else one.trace.shares[part]
            rows.append((n * count + number, one.trace.blocks[part] + offset, shares))
        offset += one.num_blocks
    rows.sort(key=lambda row: row[0])
    counts = np.zeros(turns * count, dtype=np.int64)
    counts[[row[0] for row in rows]] = [len(row[1]) for row in rows]

    def joined(name: str) -> np.ndarray | None:
        return None if getattr(first.trace, name) is None else np.concatenate([getattr(one.trace, name) for one in some])

    birth = [np.where(one.trace.birth < 0, -1, one.trace.birth * count + number) for number, one in numbered]
    death = [np.where(one.trace.death >= turns, turns * count, one.trace.death * count + number) for number, one in numbered]
    trace = Trace(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        blocks=np.concatenate([row[1] for row in rows]).astype(np.int32),
        birth=np.concatenate(birth).astype(np.int32),
        death=np.concatenate(death).astype(np.int32),
        size=np.concatenate([one.size for one in some]),
        size_unit="bytes",
        shares=None if first.trace.shares is None else np.concatenate([row[2] for row in rows if row[2] is not None]),
        share_base=first.trace.share_base,
        block_kind=joined("block_kind"),
        pieces=joined("pieces"),
    )
    return replace(
        first,
        trace=trace,
        size=trace.size,
        capacity=np.sum([one.capacity for one in some], axis=0),
        fixed=fixed.reshape(turns * count, -1),
        floor=floor.reshape(-1),
        initial=None if first.initial is None else np.concatenate([one.initial for one in some], axis=1),
    )


def spread(rho: np.ndarray, rent: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Prices of the whole: those of its turns at all of their steps, and rents at the beginning of turns alone."""
    rents = np.zeros(((len(rent) - 1) * count + 1, rent.shape[1]), dtype=rent.dtype)
    rents[::count] = rent
    return np.repeat(rho, count, axis=0), rents


def together(layers: Sequence[Layer], made: Sequence[ScheduleCertificate]) -> ScheduleCertificate:
    """The moves of those layers that have blocks as moves of the whole."""
    numbered = [(number, one) for number, one in enumerate(layers) if one is not None]
    offset, moves = 0, list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
    for (number, one), each in zip(numbered, made, strict=True):
        turn = np.repeat(np.arange(one.num_steps), np.diff(each.indptr))
        moves.append((turn * len(layers) + number, each.op, each.block + offset))
        offset += one.num_blocks
    step, op, block = (np.concatenate(column) for column in zip(*moves, strict=True))
    order, whole = np.argsort(step, kind="stable"), whole_of(layers)
    indptr = np.searchsorted(step[order], np.arange(whole.num_steps + 1)).astype(np.int64)
    initial = np.concatenate([each.initial for each in made], axis=1)
    claim = sum((each.claim for each in made), Fraction(0))
    return ScheduleCertificate(whole.hash, "together", initial, indptr, op[order], block[order].astype(np.int32), claim)


def run_of(question: AnyQuestion, scheduler: Scheduler, **options: Any) -> Run:
    """What comes of a scheduler, in rows or layer by layer; options as of ``play``."""
    return play(question, scheduler, **options).run
