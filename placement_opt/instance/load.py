"""Instances from files: the door that every command comes through. It decides whether a trace is held in rows or in runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.capacity import Contents
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.given import check_kind, check_path
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.room import NoRoom
from placement_opt.base.toml import Table
from placement_opt.instance.gate import check_layer_in_rows, check_outline, check_rows, check_runs, layer_bytes
from placement_opt.instance.instance import MOST_LOAD, Instance, alive_bytes
from placement_opt.instance.layered import Layered
from placement_opt.instance.llm_table import Model
from placement_opt.instance.outline import SCHEMA, Outline, outline_of, read_outline
from placement_opt.instance.packing import refuse_unpackable
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion, Large, Stacked
from placement_opt.instance.start import by_kind, cold, first_fit, load_initial
from placement_opt.instance.stated import blamed
from placement_opt.instance.totals import totals_of
from placement_opt.instance.trace_source import TraceAtHand
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.layers import Drawn, Layers, Stored, trace_of
from placement_opt.workload.paging import Paged, page
from placement_opt.workload.synth.params import limit_reads
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.weights import refuse_weights, with_weights

#: Starts that are each layer's own.
_STARTS = ("free", "home")
#: A question, in rows, in runs or layer by layer, or the path of its file.
Source = AnyQuestion | str | PathLike[str]


def instance_of(source: Source, limits: Limits | None = None) -> Instance:
    """The instance itself, or that of a file; InputError for what is neither, and as :func:`load_instance`."""
    if isinstance(source, Instance):
        return source
    expected = "an instance (load_instance, build_instance) or the name of its file"
    check_kind(source, (str, PathLike), expected, field="instance")
    assert not isinstance(source, Layered | Stacked)
    return load_instance(source, limits=limits)


def question_at(source: Source, limits: Limits | None = None) -> AnyQuestion:
    """The question itself, or that of a file; InputError for what is neither, and as :func:`load`."""
    if isinstance(source, Instance | Layered | Stacked):
        return source
    expected = "an instance (load, load_instance, build_instance) or the name of its file"
    check_kind(source, (str, PathLike), expected, field="instance")
    return load(source, limits)


def load(
    path: str | PathLike[str],
    limits: Limits | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    layers: LayerShare | None = None,
) -> AnyQuestion:
    """The question of an instance file: in rows where they fit, else in runs, layer by layer, where it is of that kind.

    Parameters
    ----------
    path, overrides, layers
        As for :func:`load_instance`.
    limits
        Memory that may be taken: what rows that do not fit into it are answered in.

    Returns
    -------
    Instance | Layered | Stacked
        Either can be handed to ``answer``, ``simulate`` and ``compare``.

    Raises
    ------
    InputError
        As :func:`load_instance`; and where rows do not fit, and the question is none that runs can hold.
    NoRoom, LimitError
        It fits neither in rows nor, where it is a question for them, in runs.

    Examples
    --------
    >>> from pathlib import Path
    >>> po.save_trace(po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000), "t.npz")
    >>> text = 'schema = 1\\nname = "two"\\nmemory = { preset = "gh200" }\\ntrace = { file = "t.npz" }'
    >>> written = Path("two.toml").write_text(text)
    >>> po.load("two.toml")
    Instance('two': inclusive on hbm, lpddr; 3 steps, 2 blocks, 4 reads)
    """
    return question_of(read_outline(path, overrides, layers=layers), limits)


def question_of(outline: Outline, limits: Limits | None = None) -> AnyQuestion:
    """The question of a file that is read.

    Raises
    ------
    InputError
        As :func:`load_instance`; and as :func:`in_runs` where no trace of that size is held in rows.
    NoRoom, LimitError
        It fits neither in rows nor, where it is a question for them, in runs.
    """
    limits = limits or Limits()
    try:
        return in_rows(outline, limits)
    except LimitError as short:
        return _instead(outline, short, limits)


def runs_instead(path: str | Path, limits: Limits, *, processes: int = 1, layers: LayerShare | None = None) -> Large | None:
    """The question of a file in runs or layer by layer, where rows do not fit into so many processes; None where they do.

    Nothing is drawn or made. Errors as :func:`question_of`.
    """
    outline = read_outline(path, layers=layers)
    try:
        check_outline(outline, limits, processes=processes)
        if outline.source.layers is not None:
            limit_reads(outline.totals.reads)
    except LimitError as short:
        return _instead(outline, short, limits)
    return None


def _instead(outline: Outline, short: LimitError, limits: Limits) -> Layered | Stacked:
    """The question in runs, or else layer by layer, where there is too little room for rows."""
    found: Layered | Stacked
    try:
        found = in_runs(outline)
        check_runs(found, limits)
    except InputError:
        try:
            found = in_layers(outline)
        except InputError:
            if isinstance(short, NoRoom):
                raise short from None
            raise
        check_layer_in_rows(outline, limits)
    return replace(found, why=str(short))


def load_instance(
    path: str | PathLike[str],
    overrides: Mapping[str, Any] | None = None,
    *,
    layers: LayerShare | None = None,
    limits: Limits | None = None,
) -> Instance:
    """The instance of a TOML file; its keys: :mod:`placement_opt.instance.outline` and docs/formats.md.

    Parameters
    ----------
    path
        The file.
    overrides
        Values by dotted key, such as ``{"memory.hbm.capacity": "20 GiB", "trace.drift": 0.3}``, that take the place of the
        file's and are checked as if they stood there.
    layers
        Take this share of the layers, capacities and weights (:mod:`placement_opt.instance.scaled`).
    limits
        Memory that may be taken (without them, what is free).

    Returns
    -------
    Instance
        Sizes in bytes, rates in bytes/s.

    Raises
    ------
    InputError
        With file, line and key: unknown keys (and the nearest known one), values of another kind or without a unit, files that
        are missing, capacities that do not hold the weights, the largest block or all blocks.
    NoRoom
        The trace in rows needs more memory than may be taken; found before it is made.
    LimitError
        A synthetic trace too large to be held in memory.

    Examples
    --------
    >>> from pathlib import Path
    >>> po.save_trace(po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000), "t.npz")
    >>> text = '''schema = 1
    ... name = "two blocks"
    ... memory = { preset = "gh200", hbm.capacity = "4.5 MB" }
    ... trace = { file = "t.npz" }
    ... rules = { residency = "free" }'''
    >>> written = Path("two.toml").write_text(text)
    >>> po.load_instance("two.toml", {"memory.hbm.capacity": "9 MB"})
    Instance('two blocks': free on hbm, lpddr; 3 steps, 2 blocks, 4 reads)
    """
    check_path(path, field="path")
    check_limits(limits)
    made = in_rows(read_outline(path, overrides, layers=layers), limits)
    return _from(made, partial(_loaded_again, path, dict(overrides or {}), layers))


def _loaded_again(
    path: str | PathLike[str], overrides: Mapping[str, Any], layers: LayerShare | None, others: Mapping[str, Any]
) -> Instance:
    return load_instance(path, {**overrides, **others}, layers=layers)


def _from(made: Instance, again: Callable[[Mapping[str, Any]], Instance]) -> Instance:
    """An instance that knows how it was made."""
    object.__setattr__(made, "again", again)
    return made


def build_instance(
    memory: MemorySystem | str | Mapping[str, Any],
    trace: Trace | Mapping[str, Any],
    *,
    llm: str | Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    recompute: Mapping[str, Any] | None = None,
    stores: Mapping[str, Mapping[str, Any]] | None = None,
    budgets: Mapping[str, Any] | None = None,
    objective: Mapping[str, Any] | None = None,
    name: str = "instance",
    limits: Limits | None = None,
) -> Instance:
    """An instance from Python: what an instance file would say, with the memory system and the trace as objects if at hand.

    Parameters
    ----------
    memory
        A system, the name of a preset, or the keys of ``[memory]``, dotted ones such as "hbm.capacity" too.
    trace
        A trace, or the keys of ``[trace]``.
    llm
        The name of a preset, or the keys of ``[llm]``.
    rules, recompute, stores, budgets, objective
        The keys of these tables; values as in files, such as ``{"residency": "free", "floor": "5 us"}``.
    name
        A label, which complaints begin with.
    limits
        As for :func:`load_instance`.

    Returns
    -------
    Instance
        As from a file with the same keys: the same ``hash``.

    Raises
    ------
    InputError, NoRoom, LimitError
        As :func:`load_instance`, with ``name`` in place of the file.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=1 << 20)
    >>> po.build_instance({"preset": "gh200", "hbm.capacity": "1 MiB"}, trace, rules={"residency": "free"})
    Instance('instance': free on hbm, lpddr; 3 steps, 2 blocks, 4 reads)
    >>> tokens = po.Trace.from_reads([[0], [0, 1]], births=[-1, 0], sizes=16, size_unit="tokens")
    >>> po.build_instance(po.preset("h100-pcie5"), tokens, llm="llama-3.1-8b", name="16 tokens a block").size.tolist()
    [2097152, 2097152]
    """
    check_kind(name, str, "a label, a text", field="name")
    check_limits(limits)
    expected = 'a memory system (preset, load_memory), the name of a preset, or keys such as {"preset": "gh200"}'
    check_kind(memory, (MemorySystem, str, Mapping), expected, field="memory")
    expected = 'a trace (Trace.from_reads, load_trace), or keys such as {"file": "t.npz"}'
    check_kind(trace, (Trace, Mapping), expected, field="trace")
    check_kind(llm, (str, Mapping, type(None)), 'the name of a preset, or keys such as {"kv_bytes": "4 KiB"}', field="llm")
    given: dict[str, Any] = {
        "memory": {"preset": memory} if isinstance(memory, str) else memory,
        "trace": trace,
        "llm": {"preset": llm} if isinstance(llm, str) else llm,
        "rules": rules,
        "recompute": recompute,
        "stores": stores,
        "budgets": budgets,
        "objective": objective,
    }
    examples = {"rules": 'residency": "free', "recompute": 'rate": "1 GB/s', "stores": 'ssd.rate": "1 GB/s'}
    examples |= {"budgets": 'energy": "2 J/token', "objective": 'energy": "0.5 s/J'}
    for table, example in examples.items():
        check_kind(given[table], (Mapping, type(None)), f'keys such as {{"{example}"}}', field=table)
    return _built(name, given, limits, {})


def _built(name: str, given: Mapping[str, Any], limits: Limits | None, others: Mapping[str, Any]) -> Instance:
    """The instance of tables by name, of which memory and trace may be made already, with other values by dotted key."""
    tables: dict[str, Any] = {"schema": SCHEMA, "name": name, "memory": {}, "trace": {}}
    root = Table(tables, Path(name), "", {})
    for table, keys in given.items():
        for key, value in keys.items() if isinstance(keys, Mapping) else ():
            root.override(f"{table}.{key}", _plain(value))
    for key, value in others.items():
        root.override(key, value)
    memory, trace = given["memory"], given["trace"]
    system = memory if isinstance(memory, MemorySystem) else None
    source = TraceAtHand(trace) if isinstance(trace, Trace) else None
    made = in_rows(outline_of(root, memory=system, source=source), limits)
    return _from(made, partial(_built_again, name, given, dict(others)))


def _built_again(name: str, given: Mapping[str, Any], before: Mapping[str, Any], others: Mapping[str, Any]) -> Instance:
    return _built(name, given, None, {**before, **others})


def _plain(value: Any) -> Any:
    """A copy that may be changed."""
    return {key: _plain(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def in_rows(outline: Outline, limits: Limits | None = None) -> Instance:
    """The instance of an outline, once there is room for its trace; errors as :func:`load_instance`."""
    check_outline(outline, limits or Limits())
    instance = _of_trace(outline, outline.source.make())
    if not outline.totals.exact:
        try:
            check_rows(totals_of(instance.trace), limits or Limits(), place=f"{outline.path}: trace")
        except InputError as error:
            raise outline.placed(error) from None
    return instance


def _of_trace(outline: Outline, trace: Trace, capacity: Int64 | None = None) -> Instance:
    """The instance of an outline whose trace is made; ``capacity`` int64[K]: where it is not the outline's."""
    tables, rules, model = outline.tables, outline.rules, outline.model
    if model.placed is not None:
        blamed(tables.llm, partial(refuse_weights, trace), "weights")
    outline.check_total(int(trace.sizes.sum()), trace.share_base)
    paged = blamed(tables.rules, lambda: page(trace, rules.page_tokens), "page_tokens")
    outline.check_total(int(paged.trace.sizes.sum()), paged.trace.share_base)
    size = np.ascontiguousarray(paged.trace.sizes * model.unit_bytes)
    if model.placed is not None:
        paged = replace(paged, trace=with_weights(paged.trace, size, model.placed))
        size = np.ascontiguousarray(paged.trace.sizes)
    if not outline.totals.firm:
        outline = replace(outline, made=_contents(model, paged.trace, size))
    memory = outline.memory
    try:
        instance = Instance(
            name=outline.name,
            memory=memory,
            trace=paged.trace,
            residency=rules.residency,
            capacity=outline.capacity if capacity is None else capacity,
            size=size,
            fixed=_fixed(outline, paged),
            floor=_floor(rules.floor, trace),
            initial=_initial(outline, paged.trace, size),
            page_tokens=rules.page_tokens,
            home_tier=outline.home_tier,
            prefix=rules.prefix,
            budgets=outline.budgets(trace.num_steps),
            objective=outline.objective,
            fixed_metered=_fixed_metered(outline, paged),
        )
        refuse_unpackable(instance)
    except InputError as error:
        raise outline.placed(error) from None
    return instance


def layers_of(outline: Outline) -> Layers:
    """What would make the layers of an instance file's trace; InputError where it does not come layer by layer."""
    if outline.source.layers is not None:
        return outline.source.layers
    table = outline.tables.trace
    if "file" in table:
        raise table.error("file", "found a trace in rows", "expected a file of runs, which need not fit in memory")
    raise table.error("synth", f"found {table.data['synth']!r}", "expected drift at this size")


def load_layered(path: str | Path, *, layers: LayerShare | None = None) -> Layered:
    """The question of an instance file in runs, whether or not its trace would fit in rows.

    ``layers``: take this share of them (:mod:`placement_opt.instance.scaled`). Errors as :func:`in_runs`.
    """
    return in_runs(read_outline(path, layers=layers))


def in_runs(outline: Outline) -> Layered:
    """The question of an outline in runs; the layers are drawn or read when needed.

    Raises
    ------
    InputError
        As :func:`load_instance`; and where the file's trace is neither the drift generator's nor a file of runs, its memory
        system has not two tiers, or offers more than reads, stores and copies by the byte, or its rules are not inclusive
        residency, a free start and pages of one token.
    """
    path, memory, model, rules = outline.path, outline.memory, outline.model, outline.rules
    found, probe = layers_of(outline), outline.source.probe
    size = int(probe.size[0])
    outline.check_total(sum(found.blocks_of(layer) for layer in range(found.count)) * size)
    stated = (rules.residency, rules.initial, rules.page_tokens)
    for key, value, expected in zip(("residency", "initial", "page_tokens"), stated, ("inclusive", "free", 1), strict=True):
        if value != expected:
            raise InputError(f"found {value!r}", f"expected {expected!r} at this size", path=path, field=f"rules.{key}")
    if model.placed is not None:
        raise InputError("found 'placed'", "expected 'fixed' at this size", path=path, field="llm.weights")
    if not memory.operations.plain:
        found_there = "found pages, requests a second, computing in a tier, or blocks from outside"
        expected = "expected reads, stores and copies by the byte alone at this size"
        raise InputError(found_there, expected, path=path, field="memory")
    for name, table in (("budgets", outline.tables.budgets), ("objective", outline.tables.objective)):
        if table.keys():
            raise InputError(f"found {name}", "expected time alone to count at this size", path=path, field=name)
    weights = np.asarray(model.weight_bytes * memory.read[model.weight_tier], dtype=np.int64)
    block, floor, tokens = size * model.unit_bytes, float(rules.floor), None if probe.step_token is None else found.turns
    try:
        made = Layered(outline.name, memory, found, outline.capacity, block, weights, floor, outline.home_tier, tokens)
        row = memory.meters.per_byte[memory.operations.first_serving + model.weight_tier]
        return replace(made, fixed_metered=_totals(memory, [(row, model.weight_bytes * made.num_steps)]))
    except InputError as error:
        raise error.at(path=path) from None


@dataclass(frozen=True, eq=False)
class _Layer:
    """Makes one layer of an outline's trace in rows."""

    outline: Outline

    def __call__(self, layer: int, capacity: Int64, limits: Limits) -> Instance:
        check_layer_in_rows(self.outline, limits)
        return _of_trace(self.outline, trace_of(_rowed(self.outline), layer), capacity)


def in_layers(outline: Outline) -> Stacked:
    """The question of an outline layer by layer, each in rows; the layers are drawn or read when needed.

    Raises
    ------
    InputError
        The trace does not come layer by layer; or something counts for all layers together: budgets, other objectives than
        time, weights that are placed, a start that fills tiers in order, strict prefixes.
    """
    path, memory, model, rules, tables = outline.path, outline.memory, outline.model, outline.rules, outline.tables
    layers = _rowed(outline)
    for name, table in (("budgets", tables.budgets), ("objective", tables.objective)):
        if table.keys():
            raise InputError(f"found {name}", "expected time alone to count at this size", path=path, field=name)
    if model.placed is not None:
        raise InputError("found 'placed'", "expected 'fixed' at this size", path=path, field="llm.weights")
    if rules.initial not in _STARTS:
        expected = f"expected {' or '.join(map(repr, _STARTS))} at this size"
        raise InputError(f"found {rules.initial!r}", expected, path=path, field="rules.initial")
    if rules.prefix != "free":
        raise InputError(f"found {rules.prefix!r}", "expected 'free' at this size", path=path, field="rules.prefix")
    weights = model.weight_bytes * memory.read[model.weight_tier]
    block = outline.totals.largest * model.unit_bytes
    stated = [layers.digest.hex(), str(block), str(rules.page_tokens), str(rules.initial), str(rules.floor)]
    return Stacked(
        name=outline.name,
        memory=memory,
        residency=rules.residency,
        home_tier=outline.home_tier,
        capacity=outline.capacity,
        layers=layers.count,
        turns=layers.turns,
        make=_Layer(outline),
        block_bytes=block,
        share_base=rules.page_tokens,
        floor=float(rules.floor),
        stated="\n".join([*stated, *map(str, weights.tolist())]).encode(),
        reads=outline.totals.reads // layers.count,
        layer_bytes=layer_bytes(outline),
        idle_s=max(float(rules.floor), float((weights / memory.rates).max())),
        tokens=None if outline.source.probe.step_token is None else layers.turns,
    )


def _rowed(outline: Outline) -> Drawn | Stored:
    """The layers of a trace, each of which can be had in rows."""
    found = layers_of(outline)
    assert isinstance(found, Drawn | Stored)
    return found


def _floor(least: Fraction, trace: Trace) -> Float64:
    """float64[T] seconds: what no step goes below, and what the trace says of each, whichever is more."""
    floor = np.full(trace.num_steps, float(least))
    return floor if trace.step_floor is None else np.maximum(floor, trace.step_floor / 1e9)


def _contents(model: Model, trace: Trace, size: Int64) -> Contents:
    """What capacities may count, of a trace of pages."""
    return Contents(model.token_bytes, int(size.min()), int(size.max()), int(alive_bytes(trace, size).max()))


def _fixed(outline: Outline, paged: Paged) -> Int64:
    """int64[T, R]: weights at every step, and what pages still being filled cost in the fastest tier; by the byte, both."""
    memory, model = outline.memory, outline.model
    if (load := model.weight_bytes * int(memory.read[model.weight_tier].max())) > MOST_LOAD:
        found = f"found weights that load {load:.3g} on one resource at a step"
        raise outline.tables.llm.error("weight_bytes", found, f"expected at most {MOST_LOAD:.3g}")
    weights = model.weight_bytes * memory.read[model.weight_tier]
    reads = paged.tail_read_tokens[:, None] * model.unit_bytes * memory.read[memory.fastest]
    writes = paged.tail_write_tokens[:, None] * model.unit_bytes * memory.write[memory.fastest]
    return np.asarray(weights + reads + writes, dtype=np.int64)


def _fixed_metered(outline: Outline, paged: Paged) -> Int64:
    """int64[H]: what the same adds to each meter over the whole run."""
    memory, model = outline.memory, outline.model
    first, fastest = memory.operations.first_serving, memory.fastest
    per_byte = memory.meters.per_byte
    amounts = [
        (per_byte[first + model.weight_tier], model.weight_bytes * len(paged.tail_read_tokens)),
        (per_byte[first + fastest], int(paged.tail_read_tokens.sum()) * model.unit_bytes),
        (per_byte[fastest], int(paged.tail_write_tokens.sum()) * model.unit_bytes),
    ]
    return _totals(memory, amounts)


def _totals(memory: MemorySystem, amounts: list[tuple[Int64, int]]) -> Int64:
    """int64[H]: what so many bytes add to each meter, by what a byte does (int64[H])."""
    totals = [sum(amount * int(row[m]) for row, amount in amounts) for m in range(len(memory.meters))]
    for name, total in zip(memory.meters.names, totals, strict=True):
        if total > MOST_LOAD:
            found = f"found weights and unfilled pages that add {total:.3g} parts to the meter {name!r}"
            raise InputError(found, f"expected at most {MOST_LOAD:.3g}: energies in fewer digits", field="trace")
    return np.array(totals, dtype=np.int64)


def _initial(outline: Outline, trace: Trace, size: Int64) -> npt.NDArray[np.bool_] | None:
    rules, memory = outline.rules, outline.memory
    if rules.initial_file is not None:
        return load_initial(rules.initial_file, len(memory.tiers), trace.num_blocks)
    home = outline.home if rules.residency == "inclusive" else None
    if isinstance(rules.initial, dict):
        tiers = {kind: [memory.tier_index(name) for name in names] for kind, names in rules.initial.items()}
        return by_kind(home, tiers, trace.block_kind, trace.birth < 0, size, outline.capacity)
    if rules.initial == "home":
        return cold(len(memory.tiers), outline.home, trace.birth < 0, forgets=rules.residency == "cache")
    if rules.initial != "first-fit":
        return None
    return first_fit(memory, home, trace.birth < 0, size, outline.capacity, forgets=rules.residency == "cache")
