"""Instance files: one TOML joins a memory system, a trace, a model's sizes and the rules.

Every key there is (paths are relative to the file; sizes, rates and durations carry their unit)::

    schema = 1
    name = "..."                  # a label, no part of the hash
    [memory]
    preset = "gh200"              # or file = "mine.toml"
    hbm.capacity = "25 GiB"       # TIER.capacity, TIER.rate, TIER.efficiency, LINK.rate, LINK.up.rate, LINK.down.rate override
    [llm]                         # may be left out where the trace's blocks are sized in bytes
    preset = "llama-3.1-8b"       # and/or the numbers, which go before the preset's
    layers = 32
    kv_bytes = "16 KiB"           # of one token and layer
    weight_bytes = "162.9 MB"     # read at every step, from weight_tier
    weight_resident = "15 GiB"    # subtracted from weight_tier's capacity
    weight_tier = "hbm"           # without it, the fastest
    [trace]
    file = "t.npz"                # or synth = "drift" with its parameters as keys, and seed = 1
    [rules]
    residency = "inclusive"       # or exclusive, free
    home = "dram"                 # keeps everything if inclusive; without it, the largest tier that is not the fastest
    initial = "free"              # or first-fit, or file with initial_file = "start.npz"
    page_tokens = 1
    floor = "5 us"                # no step takes less; without it, 0

A capacity may also be ``"2000 tokens"`` (of all layers of the trace), ``"64 blocks"`` or pages, ``"30%"`` of the most bytes
alive at once, all of them room for KV beside the weights, or ``"unlimited"``.

``first-fit`` puts every initial block, in order of ids, into the fastest tier that still has room for it; under the inclusive
rule the home tier holds all of them besides. A preset's ``weight_bytes`` are one layer's, and so count only where the steps of
the trace are layers; steps that are requests read no weights unless the file says so.

The pages still being filled (``page_tokens`` above 1) lie in the fastest tier: what steps read from them and append to them
loads it at every step, whatever the placement. Their room is not subtracted from its capacity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from placement_opt.capacity import Contents
from placement_opt.errors import InputError, LimitError, named, shown
from placement_opt.files import open_regular
from placement_opt.initial import first_fit, load_initial
from placement_opt.instance import RESIDENCIES, Instance, Residency, alive_bytes
from placement_opt.llmtable import Model, read_model, rooms
from placement_opt.memory import MemorySystem, load_memory, override, preset
from placement_opt.memory.system import Int64
from placement_opt.tomlfile import Table, as_choice, as_duration, as_integer, as_text, nearest, read_toml
from placement_opt.units import format_size
from placement_opt.workload.layers import Drawn, Layers, Stored
from placement_opt.workload.npz import load_trace
from placement_opt.workload.paging import Paged, page
from placement_opt.workload.runs_file import RunsFile, is_runs_file, load_rows, open_runs
from placement_opt.workload.synth import GENERATORS, drift, synthesize
from placement_opt.workload.trace import Trace

SCHEMA = 1
#: Bytes of all blocks together, times the base of the shares: sums over a step's reads then fit 64-bit integers.
LARGEST_TOTAL = 2**61
#: Keys that name a file, relative to the instance's.
_FILES = ("memory.file", "trace.file", "rules.initial_file")
_INITIALS = ("free", "first-fit", "file")
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Tables:
    """The tables of one file; ``llm`` and ``rules`` are empty where the file has none."""

    root: Table
    memory: Table
    llm: Table
    trace: Table
    rules: Table


@dataclass(frozen=True)
class _Rules:
    residency: Residency
    initial: str
    initial_file: Path | None
    page_tokens: int
    floor: Fraction
    home: str | None


def load_instance(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Instance:
    """The instance of a TOML file, see the module for its keys.

    Parameters
    ----------
    path
        The file.
    overrides
        Values by dotted key, such as ``{"memory.hbm.capacity": "20 GiB", "trace.drift": 0.3}``, that take the place of the
        file's and are checked as if they stood there.

    Raises
    ------
    InputError
        With file, line and key: unknown keys (and the nearest known one), values of another kind or without a unit, files that
        are missing, capacities that do not hold the weights, the largest block or all blocks.
    LimitError
        A synthetic trace too large to be held in memory.
    """
    tables, name = _open(path, overrides)
    rules = _read_rules(tables.rules)
    memory = _read_memory(tables.memory)
    trace = _read_trace(tables.trace)
    model = read_model(tables.root, tables.llm, memory, trace)
    _check_total(trace, model, tables)
    paged = _blamed(tables.rules, lambda: page(trace, rules.page_tokens), "page_tokens")
    _check_total(paged.trace, model, tables)
    size = np.ascontiguousarray(paged.trace.sizes * model.unit_bytes)
    contents = partial(_contents, model, paged.trace, size)
    memory, capacity = rooms(memory, tables.memory, tables.llm, model, contents)
    home = _home_tier(tables.rules, rules, memory)
    try:
        return Instance(
            name=name,
            memory=memory,
            trace=paged.trace,
            residency=rules.residency,
            capacity=capacity,
            size=size,
            fixed=_fixed(memory, model, paged),
            floor=np.full(trace.num_steps, float(rules.floor)),
            initial=_initial(rules, memory, home, paged.trace, size, capacity),
            page_tokens=rules.page_tokens,
            home_tier=home,
        )
    except InputError as error:
        raise _placed(error, tables, model, memory) from None


def input_files(path: str | Path, varied: Mapping[str, Sequence[Any]] | None = None) -> list[Path]:
    """The files that an instance is made from, its own first; no complaint about what is wrong in it.

    ``varied``: dotted key -> further values of it, as for :func:`load_instance`.
    """
    path = Path(path)
    files = [path]
    try:
        root = read_toml(path).data
    except InputError:
        return files
    for key in _FILES:
        table, _, last = key.partition(".")
        inner = root.get(table)
        stated = inner.get(last) if isinstance(inner, dict) else None
        names = [stated, *(varied or {}).get(key, ())]
        files += [path.parent / name for name in names if isinstance(name, str) and name]
    return files


@dataclass(frozen=True)
class Layered:
    """What an instance file says whose trace comes layer by layer, the trace itself not made.

    Attributes
    ----------
    name, memory
        As in the instance.
    layers
        What would make the trace.
    rules
        residency, initial, page_tokens and floor as read.
    block_bytes
        Size of every block.
    capacity
        int64[K]: bytes left for KV.
    weight_load
        int64[R]: bytes that the weights load at every step.
    home_tier
        As in the instance.
    """

    name: str
    memory: MemorySystem
    layers: Layers
    rules: _Rules
    block_bytes: int
    capacity: Int64
    weight_load: Int64
    home_tier: int | None


def load_layered(path: str | Path) -> Layered:
    """An instance file whose trace is of the drift generator or a file of runs, read without making the trace.

    The model's numbers are checked against a small trace of the same kind. InputError as load_instance; or another trace.
    """
    tables, name = _open(path)
    rules = _read_rules(tables.rules)
    memory = _read_memory(tables.memory)
    layers, probe = _read_layers(tables.trace)
    model = read_model(tables.root, tables.llm, memory, probe)
    block_bytes = int(probe.size[0]) * model.unit_bytes
    total = sum(layers.blocks_of(layer) for layer in range(layers.count)) * block_bytes
    if total > LARGEST_TOTAL:
        raise tables.root.error(
            "trace", f"found blocks of {format_size(total)} in all", f"expected at most {format_size(LARGEST_TOTAL)}"
        )
    contents = Contents(model.token_bytes, block_bytes, block_bytes, total)
    memory, capacity = rooms(memory, tables.memory, tables.llm, model, lambda: contents)
    weights = np.asarray(model.weight_bytes * memory.read[model.weight_tier], dtype=np.int64)
    return Layered(name, memory, layers, rules, block_bytes, capacity, weights, _home_tier(tables.rules, rules, memory))


def _read_layers(table: Table) -> tuple[Layers, Trace]:
    """Where the layers come from, and a trace that has their labels and units."""
    file, _ = _either(table, "file", "synth")
    if file is not None:
        table.finish()
        place = _beside(table, "file", file)
        if not is_runs_file(place):
            raise table.error("file", "found a trace in rows", "expected a file of runs, which need not fit in memory")
        stored = open_runs(place)
        return Stored(stored), _probe(stored)
    generator, values, seed = _read_synth(table)
    if generator != "drift":
        raise table.error("synth", f"found {generator!r}", "expected drift at this size")
    parameters = _blamed(table, lambda: drift.Params(**values), "synth")
    return Drawn(parameters, seed), synthesize(generator, {**values, "prefill": 10, "tokens": 1}, seed)


def _probe(file: RunsFile) -> Trace:
    """One block that is never read, with the sizes and labels of a file of runs."""
    steps, one = len(file.layers), np.zeros(1, dtype=np.int32)
    return Trace(
        indptr=np.zeros(steps + 1, dtype=np.int64),
        blocks=one[:0],
        birth=one - 1,
        death=one + steps,
        size=np.array([file.size], dtype=np.int64),
        size_unit=file.size_unit,
        step_layer=np.arange(steps, dtype=np.int32),
        block_layer=one,
    )


def _open(path: str | Path, overrides: Mapping[str, Any] | None = None) -> tuple[_Tables, str]:
    root = read_toml(path, overrides)
    root.need("schema", _as_schema)
    name = root.need("name", as_text)
    tables = {key: root.table(key) for key in ("memory", "llm", "trace", "rules")}
    root.finish()
    for key in ("memory", "trace"):
        if tables[key] is None:
            raise root.error(key, "found no such table", f"expected [{key}]")
    given = {key: Table({}, root.path, key, {}) if table is None else table for key, table in tables.items()}
    return _Tables(root, **given), name


def _as_schema(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value != SCHEMA:
        raise InputError(f"found {shown(value)}", f"expected {SCHEMA}, the form that this version reads")
    return SCHEMA


def _either(table: Table, first: str, second: str) -> tuple[str | None, str | None]:
    """Two keys of which one must be there."""
    one, other = table.get(first, as_text), table.get(second, as_text)
    if one is not None and other is not None:
        raise table.error(second, f"found {second} beside {first}", "expected one of the two")
    if one is None and other is None:
        for key in get_close_matches(first, table.keys(), 1, 0.8) + get_close_matches(second, table.keys(), 1, 0.8):
            raise table.error(key, f"found unknown key {shown(key)}", nearest(key, (first, second)))
        raise table.error(first, "found nothing", f"expected {first} or {second}")
    return one, other


def _beside(table: Table, key: str, name: str) -> Path:
    """The path of a file that a key names, which must be there."""
    path = table.path.parent / name
    try:
        open_regular(path).close()
    except InputError as error:
        raise table.error(key, f"{error.found}, {named(path)!r}", error.expected) from None
    return path


def _blamed(table: Table, call: Callable[[], _T], key: str) -> _T:
    """``call()``, its complaints about no file laid at the key they name (or at ``key``)."""
    try:
        return call()
    except InputError as error:
        if error.path is not None:
            raise
        raise table.error(error.field or key, error.found, error.expected) from None


def _read_rules(table: Table) -> _Rules:
    residency = table.get("residency", as_choice(RESIDENCIES)) or "inclusive"
    initial = table.get("initial", as_choice(_INITIALS)) or "free"
    name = table.get("initial_file", as_text)
    page_tokens = table.get("page_tokens", as_integer(1, 2**16 - 1)) or 1
    floor = table.get("floor", as_duration) or Fraction(0)
    home = table.get("home", as_text)
    table.finish()
    if (name is None) == (initial == "file"):
        found = "found nothing" if name is None else f"found {shown(name)} beside initial = {initial!r}"
        raise table.error("initial_file", found, 'expected a file with "file" only')
    file = None if name is None else _beside(table, "initial_file", name)
    chosen = next(known for known in RESIDENCIES if known == residency)
    return _Rules(chosen, initial, file, page_tokens, floor, home)


def _home_tier(table: Table, rules: _Rules, memory: MemorySystem) -> int | None:
    """The tier that ``home`` names, which must be one; None where the key is not there or the rule has no home tier."""
    table.get("home", as_choice(memory.tier_names))
    return None if rules.home is None or rules.residency != "inclusive" else memory.tier_index(rules.home)


def _read_memory(table: Table) -> MemorySystem:
    name, file = _either(table, "preset", "file")
    if name is not None:
        memory = _blamed(table, lambda: preset(name), "preset")
    else:
        assert file is not None
        memory = load_memory(_beside(table, "file", file))
    return override(memory, table)


def _read_trace(table: Table) -> Trace:
    file, _ = _either(table, "file", "synth")
    if file is not None:
        table.finish()
        place = _beside(table, "file", file)
        if not is_runs_file(place):
            return load_trace(place)
        try:
            return load_rows(place)
        except LimitError as error:
            raise LimitError(f"{table.path}: {table.name}.file: {error}") from None
    name, values, seed = _read_synth(table)
    try:
        return _blamed(table, lambda: synthesize(name, values, seed), "synth")
    except LimitError as error:
        raise LimitError(f"{table.path}: {table.name}: {error}") from None


def _read_synth(table: Table) -> tuple[str, dict[str, Any], int]:
    """(generator, its parameters, seed) of a synthetic trace."""
    name = table.need("synth", as_choice(tuple(GENERATORS)))
    seed = table.need("seed", as_integer(0))
    values = {}
    for field in dataclasses.fields(GENERATORS[name][0]):
        value = table.get(field.name, field.metadata["convert"])
        if value is not None:
            values[field.name] = value
    table.finish()
    return name, values, seed


def _contents(model: Model, trace: Trace, size: Int64) -> Contents:
    """What capacities may count, of a trace of pages."""
    return Contents(model.token_bytes, int(size.min()), int(size.max()), int(alive_bytes(trace, size).max()))


def _check_total(trace: Trace, model: Model, tables: _Tables) -> None:
    total = int(trace.sizes.sum()) * model.unit_bytes
    if total * trace.share_base > LARGEST_TOTAL:
        found = f"found blocks of {format_size(total)} in all, read in shares of 1/{trace.share_base}"
        raise tables.root.error("trace", found, f"expected at most {format_size(LARGEST_TOTAL // trace.share_base)}")


def _fixed(memory: MemorySystem, model: Model, paged: Paged) -> Int64:
    """int64[T, R]: weights at every step, and what pages still being filled cost in the fastest tier."""
    weights = model.weight_bytes * memory.read[model.weight_tier]
    reads = paged.tail_read_tokens[:, None] * model.unit_bytes * memory.read[memory.fastest]
    writes = paged.tail_write_tokens[:, None] * model.unit_bytes * memory.write[memory.fastest]
    return np.asarray(weights + reads + writes, dtype=np.int64)


def _initial(
    rules: _Rules, memory: MemorySystem, home: int | None, trace: Trace, size: Int64, capacity: Int64
) -> npt.NDArray[np.bool_] | None:
    if rules.initial_file is not None:
        return load_initial(rules.initial_file, len(memory.tiers), trace.num_blocks)
    if rules.initial != "first-fit":
        return None
    if rules.residency == "inclusive" and home is None:
        home = memory.home
    return first_fit(memory, home, trace.birth < 0, size, capacity)


def _placed(error: InputError, tables: _Tables, model: Model, memory: MemorySystem) -> InputError:
    """What an instance complains of, at the key of the file that says so."""
    if error.path is not None:
        return error
    field, found = error.field or "", error.found
    if field == "initial":
        key = "initial_file" if "initial_file" in tables.rules else "initial"
        return tables.rules.error(key, found, error.expected)
    if field.endswith("capacity"):
        if model.weight_resident and field == f"{memory.tier_names[model.weight_tier]}.capacity":
            found += f", beside {format_size(model.weight_resident)} of weights"
        return tables.memory.error(field, found, error.expected)
    return tables.root.error("trace", found, error.expected)
