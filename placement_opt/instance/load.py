"""Instances from files: the door that every command comes through. It decides whether a trace is held in rows or in runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.given import check_kind, check_path
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.room import NoRoom
from placement_opt.base.toml import Table
from placement_opt.instance.gate import check_layer_in_rows, check_outline, check_rows, check_runs
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.made import meter_totals, of_trace
from placement_opt.instance.outline import SCHEMA, Outline, outline_of, read_outline
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion, Large, Stacked
from placement_opt.instance.totals import totals_of
from placement_opt.instance.trace_source import TraceAtHand
from placement_opt.instance.turns import in_layers, layers_of
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.synth.params import limit_reads
from placement_opt.workload.trace import Trace

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
        return large_instead(outline, short, limits)


def short_of_rows(outline: Outline, limits: Limits, *, processes: int = 1) -> LimitError | None:
    """What keeps the trace of a file out of rows in so many processes; None where it fits. Nothing is drawn or made.

    InputError where the tiers have no room for its blocks.
    """
    try:
        check_outline(outline, limits, processes=processes)
        if outline.source.layers is not None:
            limit_reads(outline.totals.reads)
    except LimitError as short:
        return short
    return None


def large_instead(outline: Outline, short: LimitError, limits: Limits) -> Large:
    """The question in runs, or else layer by layer, where ``short`` keeps it out of rows; errors as :func:`question_of`."""
    found: Large
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
    instance = of_trace(outline, outline.source.make())
    if not outline.totals.exact:
        try:
            check_rows(totals_of(instance.trace), limits or Limits(), place=f"{outline.path}: trace")
        except InputError as error:
            raise outline.placed(error) from None
    return instance


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
    if not found.plain:
        found_there = "found blocks that are freed, read in part, or of different sizes"
        raise InputError(found_there, "expected whole ones of one size at this size", path=path, field="trace.file")
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
        fixed = meter_totals(memory, [(row, model.weight_bytes * made.num_steps)])
        return replace(made, fixed_metered=fixed, stacked=partial(in_layers, outline))
    except InputError as error:
        raise error.at(path=path) from None
