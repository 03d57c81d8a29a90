"""Instance files, read without making their traces: one TOML joins a memory system, a trace, a model's sizes and the rules.

Every key there is (paths are relative to the file; sizes, rates and durations carry their unit)::

    schema = 1
    name = "..."                  # a label, no part of the hash
    [memory]
    preset = "gh200"              # or file = "mine.toml"
    hbm.capacity = "25 GiB"       # TIER.capacity, .rate, .efficiency, .page, .iops, .compute.rate, .compute.result, .energy
                                  # and the like, and LINK.rate, .up.rate, .down.rate, .efficiency, .energy override
    [llm]                         # may be left out where the trace's blocks are sized in bytes
    preset = "llama-3.1-8b"       # and/or the numbers, which go before the preset's
    precision = "w4a16"           # of the preset
    tensor_parallel = 8           # what one of so many devices has of it
    layers = 32
    kv_bytes = "16 KiB"           # of one token and layer
    weight_bytes = "162.9 MB"     # read at every step, from weight_tier
    weight_resident = "15 GiB"    # subtracted from weight_tier's capacity
    weight_tier = "hbm"           # without it, the fastest
    weights = "fixed"             # or placed: blocks of the trace, each layer's in so many tiles = 1
    [trace]
    file = "t.npz"                # or synth = "drift" with its parameters as keys, and seed = 1
    [rules]
    residency = "inclusive"       # or exclusive, free, cache
    prefix = "free"               # or strict, with cache: no copy serves behind a missing block of the step's prefix
    home = "dram"                 # keeps everything if inclusive; without it, the largest tier that is not the fastest
    initial = "free"              # or home, first-fit, file with initial_file = "start.npz", or the tiers of each kind:
                                  # { weights = "flash", kv = ["hbm", "dram"] }
    page_tokens = 1
    floor = "5 us"                # no step takes less; without it, 0
    [recompute]                   # blocks may be made anew
    rate = "20 GiB/s"             # KV made; or the device's flops = "990 TFLOP/s", and flops_per_token unless [llm] is a preset
    efficiency = 0.5              # of either
    [stores.s3]                   # blocks may come from outside; any number of stores
    rate = "10 GB/s"
    [budgets]                     # what the whole run must keep (:mod:`placement_opt.instance.budget_keys`)
    energy = "2 J/token"
    [objective]                   # what is minimised; without it, time
    energy = "0.5 s/J"

A capacity may also be ``"2000 tokens"`` (of all layers of the trace), ``"64 blocks"`` or pages, ``"30%"`` of the most bytes
alive at once, all of them room for KV beside the weights, or ``"unlimited"``.

``home`` is a cold start: every initial block lies in the home tier alone, under the rule cache nowhere.
``first-fit`` puts every initial block, in order of ids, into the fastest tier that still has room for it; under the inclusive
rule the home tier holds all of them besides, under the rule cache those without room lie nowhere. A preset's ``weight_bytes``
are one layer's, and so count only where the steps of the trace are layers; steps that are requests read no weights unless the
file says so.

The pages still being filled (``page_tokens`` above 1) lie in the fastest tier: what steps read from them and append to them
loads it at every step, whatever the placement. Their room is not subtracted from its capacity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from placement_opt.base.arrays import Int64
from placement_opt.base.capacity import Contents
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table, as_choice, as_duration, as_integer, as_text, nearest, read_toml
from placement_opt.base.units import format_size
from placement_opt.instance.budget_keys import read_budgets, read_objective
from placement_opt.instance.budgets import Budget, Objective
from placement_opt.instance.llm_table import Model, read_model, rooms
from placement_opt.instance.outside import read_outside, with_outside
from placement_opt.instance.rule import PREFIXES, RESIDENCIES, Prefix, Residency
from placement_opt.instance.scaled import LayerShare, scaled
from placement_opt.instance.sound import check_prefix
from placement_opt.instance.stated import beside, blamed, either
from placement_opt.instance.trace_source import Source
from placement_opt.instance.transformed import read_trace
from placement_opt.memory import MemorySystem, load_memory, override, preset
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.memory.system import Outside
from placement_opt.workload.totals import Totals

SCHEMA = 1
#: Bytes of all blocks together, times the base of the shares: sums over a step's reads then fit 64-bit integers.
LARGEST_TOTAL = 2**61
#: Keys that name a file, relative to the instance's.
_FILES = ("memory.file", "trace.file", "rules.initial_file")
_INITIALS = ("free", "home", "first-fit", "file")
#: Tables of a file; the first two must be there.
_TABLES = ("memory", "trace", "llm", "rules", "recompute", "stores", "budgets", "objective")


@dataclass(frozen=True)
class _Tables:
    """The tables of one file; those from ``llm`` on that the file has not are empty."""

    root: Table
    memory: Table
    trace: Table
    llm: Table
    rules: Table
    recompute: Table
    stores: Table
    budgets: Table
    objective: Table


@dataclass(frozen=True)
class _Rules:
    """``initial``: its word, or the names of the tiers of each kind."""

    residency: Residency
    prefix: Prefix
    initial: str | dict[str, tuple[str, ...]]
    initial_file: Path | None
    page_tokens: int
    floor: Fraction
    home: str | None


@dataclass(frozen=True)
class Outline:
    """What an instance file says, the trace not made yet.

    Attributes
    ----------
    name, home_tier
        As in the instance.
    stated
        The memory system with the overrides of the file, its capacities not all in bytes.
    tables
        The file's, for complaints.
    rules
        residency, initial, page_tokens and floor as read.
    source
        What would make the trace.
    model
        Bytes of one unit of its blocks' sizes, and the weights.
    made
        What the trace has that capacities may count, once it is made; until then :attr:`totals` say so.
    """

    name: str
    stated: MemorySystem
    home_tier: int | None
    tables: _Tables
    rules: _Rules
    source: Source
    model: Model
    made: Contents | None = None

    @property
    def path(self) -> Path:
        return self.tables.root.path

    @property
    def files(self) -> list[Path]:
        """The files that the instance is made from, its own first."""
        return _files(self.path, self.tables.root.data, {})

    @cached_property
    def totals(self) -> Totals:
        """How much there is of the trace in pages, sizes in its unit."""
        paged = self.source.totals.paged(self.rules.page_tokens, alike=self.source.layers is not None)
        if (placed := self.model.placed) is None:
            return paged
        tile = -(-placed.layer_bytes // (placed.tiles * self.model.unit_bytes))
        return paged.beside(placed.tiles, placed.layers * placed.tiles, tile)

    @property
    def memory(self) -> MemorySystem:
        """As in the instance, every capacity in bytes; those that count what is only guessed at are guesses."""
        return self._rooms[0]

    @property
    def capacity(self) -> Int64:
        """int64[K]: bytes left for KV, likewise."""
        return self._rooms[1]

    @property
    def home(self) -> int:
        """The tier that an inclusive rule keeps everything in."""
        return self.memory.home if self.home_tier is None else self.home_tier

    def budgets(self, steps: int) -> tuple[Budget, ...]:
        """What the run must keep, in so many steps."""
        return read_budgets(self.tables.budgets, self.memory, steps=steps, layers=self.totals.token_steps)

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return read_objective(self.tables.objective, self.memory)

    @cached_property
    def _rooms(self) -> tuple[MemorySystem, Int64]:
        return rooms(self.stated, self.tables.memory, self.tables.llm, self.model, self._contents)

    def _contents(self) -> Contents:
        if self.made is not None:
            return self.made
        totals, unit = self.totals, self.model.unit_bytes
        if totals.firm:
            self.check_total(totals.peak)
        peak = min(totals.peak * unit, LARGEST_TOTAL)
        return Contents(self.model.token_bytes, totals.smallest * unit, totals.largest * unit, peak)

    def check_total(self, units: int, share_base: int = 1) -> None:
        """Refuse blocks of so many units in all, where sums over their shares would not fit 64-bit integers."""
        total = units * self.model.unit_bytes
        if total * share_base > LARGEST_TOTAL:
            shares = f", read in shares of 1/{share_base}" if share_base > 1 else ""
            found, most = f"found blocks of {format_size(total)} in all{shares}", format_size(LARGEST_TOTAL // share_base)
            raise self.tables.root.error("trace", found, f"expected at most {most}")

    def placed(self, error: InputError) -> InputError:
        """What an instance complains of, at the key of the file that says so."""
        if error.path is not None:
            return error
        tables, model, memory = self.tables, self.model, self.memory
        field, found = error.field or "", error.found
        if field == "shares" and self.rules.page_tokens > 1:
            return tables.rules.error("page_tokens", f"{found}, of pages", error.expected)
        if field == "prefix":
            return tables.rules.error("prefix", found, error.expected)
        if field.split(".")[0] == "initial":
            key = "initial_file" if "initial_file" in tables.rules else field
            return tables.rules.error(key, found, error.expected)
        if field.endswith("capacity"):
            if model.weight_resident and field == f"{memory.tier_names[model.weight_tier]}.capacity":
                found += f", beside {format_size(model.weight_resident)} of weights"
            return tables.memory.error(field, found, error.expected)
        return tables.root.error("trace", found, error.expected)


def read_outline(
    path: str | PathLike[str], overrides: Mapping[str, Any] | None = None, *, layers: LayerShare | None = None
) -> Outline:
    """An instance file read without making its trace: everything that can be refused for its keys alone is.

    Parameters and errors as in :func:`load_instance`.
    """
    root = read_toml(Path(path), overrides)
    found = outline_of(root)
    return found if layers is None else outline_of(root.overridden(scaled(found, layers)), outside=found.stated.outside)


def outline_of(
    root: Table,
    *,
    memory: MemorySystem | None = None,
    source: Source | None = None,
    outside: tuple[Outside, ...] | None = None,
) -> Outline:
    """An outline from the root table of an instance file.

    Parameters
    ----------
    root
        The table.
    memory, source
        The memory system (that the table [memory] overrides) and the trace, where they are not for the file to say.
    outside
        What comes from outside, likewise: a share of the layers leaves its rates.
    """
    tables, name = _open(root)
    rules = _read_rules(tables.rules)
    memory = _read_memory(tables.memory) if memory is None else override(memory, tables.memory)
    home = _home_tier(tables.rules, rules, memory)
    _check_initial(tables.rules, rules, memory)
    source = read_trace(tables.trace) if source is None else source
    model = read_model(tables.root, tables.llm, memory, source.probe)
    if outside is None:
        outside = read_outside(tables.root, tables.recompute, tables.stores, model)
    if rules.residency == "cache" and not outside:
        found = "found cache, and nothing that a block comes from that lies nowhere"
        raise tables.rules.error("residency", found, "expected [recompute] or [stores.NAME] beside it")
    memory = with_outside(memory, outside, tables.root)
    outline = Outline(name, memory, home, tables, rules, source, model)
    try:
        check_prefix(rules.prefix, rules.residency, source.probe)
    except InputError as error:
        raise outline.placed(error) from None
    outline.capacity  # noqa: B018 - refuses weights without room
    outline.budgets(outline.totals.steps)
    outline.objective  # noqa: B018 - refuses what is wrong in it
    return outline


def input_files(path: str | Path, varied: Mapping[str, Sequence[Any]] | None = None) -> list[Path]:
    """The files that an instance is made from, its own first; no complaint about what is wrong in it.

    ``varied``: dotted key -> further values of it, as for :func:`load_instance`.
    """
    path = Path(path)
    try:
        return _files(path, read_toml(path).data, varied or {})
    except InputError:
        return [path]


def _files(path: Path, root: Mapping[str, Any], varied: Mapping[str, Sequence[Any]]) -> list[Path]:
    """The same of a file that is read."""
    files = [path]
    for key in _FILES:
        table, _, last = key.partition(".")
        inner = root.get(table)
        stated = inner.get(last) if isinstance(inner, dict) else None
        names = [stated, *varied.get(key, ())]
        files += [path.parent / name for name in names if isinstance(name, str) and name]
    return files


def _open(root: Table) -> tuple[_Tables, str]:
    root.need("schema", _as_schema)
    name = root.need("name", as_text)
    tables = {key: root.table(key) for key in _TABLES}
    root.finish()
    for key in _TABLES[:2]:
        if tables[key] is None:
            raise root.error(key, "found no such table", f"expected [{key}]")
    given = {key: Table({}, root.path, key, {}) if table is None else table for key, table in tables.items()}
    return _Tables(root, **given), name


def _as_schema(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value != SCHEMA:
        raise InputError(f"found {shown(value)}", f"expected {SCHEMA}, the form that this version reads")
    return SCHEMA


def _read_rules(table: Table) -> _Rules:
    residency = table.get("residency", as_choice(RESIDENCIES)) or "inclusive"
    prefix = table.get("prefix", as_choice(PREFIXES)) or "free"
    initial = _read_initial(table)
    name = table.get("initial_file", as_text)
    page_tokens = table.get("page_tokens", as_integer(1, 2**16 - 1)) or 1
    floor = table.get("floor", as_duration) or Fraction(0)
    home = table.get("home", as_text)
    table.finish()
    if (name is None) == (initial == "file"):
        stated = repr(initial) if isinstance(initial, str) else "tiers of kinds"
        found = "found nothing" if name is None else f"found {shown(name)} beside initial = {stated}"
        raise table.error("initial_file", found, 'expected a file with "file" only')
    file = None if name is None else beside(table, "initial_file", name)
    chosen = next(known for known in RESIDENCIES if known == residency)
    order = next(known for known in PREFIXES if known == prefix)
    return _Rules(chosen, order, initial, file, page_tokens, floor, home)


def _read_initial(table: Table) -> str | dict[str, tuple[str, ...]]:
    """One word, or a table: kind -> a tier, or several that are filled in this order."""
    if not isinstance(table.data.get("initial"), dict):
        return table.get("initial", as_choice(_INITIALS)) or "free"
    inner = table.table("initial")
    assert inner is not None
    found = {kind: tiers for kind in BLOCK_KINDS if (tiers := inner.get(kind, _as_names)) is not None}
    inner.finish()
    if not found:
        raise table.error("initial", "found no kind", f"expected a word, or tiers of {' and '.join(BLOCK_KINDS)}")
    return {kind: found[kind] for kind in inner.keys()}  # noqa: SIM118 - in the order of the file


def _as_names(value: Any) -> tuple[str, ...]:
    names = tuple(as_text(each) for each in (value if isinstance(value, list) else [value]))
    if not names or len(set(names)) < len(names):
        raise InputError(f"found {shown(value)}", "expected a tier, or a list of different ones")
    return names


def _check_initial(table: Table, rules: _Rules, memory: MemorySystem) -> None:
    """Refuse tiers of kinds that there are not."""
    if not isinstance(rules.initial, dict):
        return
    inner = table.table("initial")
    assert inner is not None
    for kind, names in rules.initial.items():
        for name in names:
            if name not in memory.tier_names:
                raise inner.error(kind, f"found {shown(name)}", nearest(name, memory.tier_names))


def _home_tier(table: Table, rules: _Rules, memory: MemorySystem) -> int | None:
    """The tier that ``home`` names, which must be one; None where the key is not there or the rule has no home tier."""
    table.get("home", as_choice(memory.tier_names))
    return None if rules.home is None or rules.residency != "inclusive" else memory.tier_index(rules.home)


def _read_memory(table: Table) -> MemorySystem:
    name, file = either(table, "preset", "file")
    if name is not None:
        return blamed(table, lambda: preset(name, table), "preset")
    assert file is not None
    return load_memory(beside(table, "file", file), table)
