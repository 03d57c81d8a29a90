"""The [llm] table of an instance: bytes of the trace's units, the weights, and the room for KV that they leave of each tier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.capacity import UNLIMITED, Contents, counted_bytes, parse_capacity, parse_count
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_choice, as_integer, as_size, as_text
from placement_opt.base.units import format_size
from placement_opt.instance.stated import blamed
from placement_opt.memory import MemorySystem, override
from placement_opt.workload import llm
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.weights import PlacedWeights, refuse_weights


@dataclass(frozen=True)
class Model:
    """Bytes of one unit of the trace's block sizes and (where known) of a token in all its layers; the weights.

    ``layers``: the model's, where they are stated. ``kv_bytes``, ``layer_flop``: KV and operations of one token in one layer,
    where they are known. ``placed``: weights that are blocks of the trace; then no step has others (``weight_bytes`` is 0), and
    ``weight_resident`` is what no step reads.
    """

    unit_bytes: int
    token_bytes: int | None
    layers: int | None
    weight_bytes: int
    weight_resident: int
    weight_tier: int
    kv_bytes: int | None = None
    layer_flop: int | None = None
    placed: PlacedWeights | None = None


def read_model(root: Table, table: Table, memory: MemorySystem, trace: Trace) -> Model:
    """What the [llm] ``table`` of an instance says of a trace; InputError, laid at its keys, for what it lacks."""
    known = _preset(table)
    layers = table.get("layers", as_integer(1, 2**20)) or (known.layers if known else None)
    kv_bytes = table.get("kv_bytes", _as_positive_size) or (known.kv_bytes if known else None)
    weight_bytes, resident = table.get("weight_bytes", as_size), table.get("weight_resident", as_size)
    tier = table.get("weight_tier", as_choice(memory.tier_names))
    placing, tiles = table.get("weights", as_choice(("fixed", "placed"))), table.get("tiles", as_integer(1, 2**16))
    table.finish()
    if tiles is not None and placing != "placed":
        raise table.error("tiles", "found tiles of weights that are no blocks", 'expected weights = "placed" beside it')
    if weight_bytes is None:
        weight_bytes = known.weight_bytes if known and trace.step_layer is not None else 0
    if resident is None:
        resident = known.weight_resident if known else 0
    if layers is not None and trace.step_layer is not None and int(trace.step_layer.max()) >= layers:
        expected = f"expected at least the trace's {int(trace.step_layer.max()) + 1}"
        raise table.error("layers", f"found {layers} layers", expected)
    placed = None
    if placing == "placed":
        placed = _placed(table, trace, weight_bytes, tiles or 1)
        weight_bytes, resident = 0, max(0, resident - placed.resident)
    elif trace.block_kind is not None and trace.block_kind.any() and (weight_bytes or resident):
        found = f"found weights of {format_size(max(weight_bytes, resident))} beside a trace with blocks of weights"
        expected = 'expected weight_bytes = "0 B" and weight_resident = "0 B": the blocks are the weights'
        raise table.error("preset" if known else "weight_bytes" if weight_bytes else "weight_resident", found, expected)
    unit_bytes = 1
    if trace.size_unit != "bytes":
        needed = {"kv_bytes": kv_bytes} | ({"layers": layers} if trace.size_unit == "tokens" else {})
        for key, value in needed.items():
            if value is None:
                where = (table, key) if "llm" in root else (root, "llm")
                expected = f"expected {key}, because the trace's blocks are sized in {trace.size_unit}"
                raise where[0].error(where[1], "found nothing", expected)
            unit_bytes *= value
    traced = layers if trace.step_layer is None else int(trace.step_layer.max()) + 1
    token_bytes = None if kv_bytes is None or traced is None else kv_bytes * traced
    weight_tier = memory.fastest if tier is None else memory.tier_index(tier)
    flop = known.layer_flop if known else None
    return Model(unit_bytes, token_bytes, layers, weight_bytes, resident, weight_tier, kv_bytes, flop, placed)


def _placed(table: Table, trace: Trace, layer_bytes: int, tiles: int) -> PlacedWeights:
    """Weights that the trace, of which one like it is here, gets as blocks."""
    blamed(table, lambda: refuse_weights(trace), "weights")
    if layer_bytes == 0:
        raise table.error("weights", "found no weights to place", "expected preset or weight_bytes beside it")
    if tiles > layer_bytes:
        raise table.error("tiles", f"found {tiles} tiles of {layer_bytes} bytes", "expected tiles of a byte at least")
    assert trace.step_layer is not None
    return PlacedWeights(layer_bytes, tiles, len(np.unique(trace.step_layer)))


def _preset(table: Table) -> llm.LLM | None:
    """The model that the table names, as one device has it; None where it names none."""
    name = table.get("preset", as_text)
    precision = table.get("precision", as_choice(tuple(llm.PRECISIONS)))
    devices = table.get("tensor_parallel", as_integer(1, 2**20))
    if name is not None:
        known = llm.PRECISIONS[precision or "fp16"]
        return blamed(table, lambda: llm.preset(name, known, devices or 1), "preset")
    for key, value in (("precision", precision), ("tensor_parallel", devices)):
        if value is not None:
            raise table.error(key, f"found {key} without a preset", "expected preset, whose bytes it changes")
    return None


def _as_positive_size(value: Any) -> int:
    size = as_size(value)
    if size == 0:
        raise InputError(f"found {shown(value)}", "expected a size above zero")
    return size


def rooms(
    memory: MemorySystem, overrides: Table, table: Table, model: Model, contents: Callable[[], Contents]
) -> tuple[MemorySystem, Int64]:
    """The memory system with every capacity in bytes, and int64[K], what weights leave of them for KV.

    Parameters
    ----------
    memory, overrides
        The system with the overrides of the instance's memory table, and that table; only there capacities may be counts.
    table, model
        The llm table, for complaints about weights that do not fit, and what it says.
    contents
        What counts count and what an unlimited tier must hold; asked for only where there are any.
    """
    memory = _counted(memory, overrides, model, contents)
    tier = memory.tiers[model.weight_tier]
    if model.weight_resident > tier.capacity:
        key = "weight_resident" if "weight_resident" in table else "preset"
        found = f"found {format_size(model.weight_resident)} of weights, which do not fit"
        raise table.error(key, found, f"expected at most the capacity of {tier.name}, {format_size(tier.capacity)}")
    room = np.array([each.capacity for each in memory.tiers], dtype=np.int64)
    room[model.weight_tier] -= model.weight_resident
    for k, each in enumerate(memory.tiers):
        if each.capacity == UNLIMITED:
            room[k] = contents().peak_bytes
    return memory, room


def _counted(memory: MemorySystem, overrides: Table, model: Model, contents: Callable[[], Contents]) -> MemorySystem:
    """Capacities in tokens, blocks and per cent made bytes; they are room for KV, so weights come on top."""
    tables = [overrides.data.get(name) for name in memory.tier_names]
    if not any(isinstance(inner, dict) and parse_count(inner.get("capacity")) for inner in tables):
        return memory
    known = contents()

    def to_bytes(tier: str, value: Any) -> int:
        found = parse_capacity(value)
        if isinstance(found, int):
            return found
        weights = model.weight_resident if tier == memory.tier_names[model.weight_tier] else 0
        return counted_bytes(found, known) + weights

    return override(memory, overrides, to_bytes)
