"""Where the trace of an instance file comes from: a generator, a file of rows, a file of runs; made only when asked for.

Each kind tells, without making the trace, how much there is of it (:class:`placement_opt.workload.totals.Totals`) and what its
labels and units are (``probe``, a trace of the same kind that is small).
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from placement_opt.base import room
from placement_opt.base.binary import begins_with
from placement_opt.base.errors import InputError, LimitError, named
from placement_opt.base.limits import Limits
from placement_opt.base.stores import is_url
from placement_opt.base.toml import Table, as_choice, as_integer, as_text
from placement_opt.instance.stated import beside, blamed, either
from placement_opt.instance.totals import totals_of
from placement_opt.workload.files.npz import load_trace, outline_trace
from placement_opt.workload.files.runs import RunsFile, is_runs_file, load_rows, open_runs
from placement_opt.workload.layers import Drawn, Layers, Stored
from placement_opt.workload.synth import GENERATORS, OUTLINES, drift, synthesize
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import KEEPS, Keep

#: How an NPZ begins.
_NPZ = b"PK\x03\x04"
#: Requests (or whatever makes a trace longer) that are drawn to guess at more of them.
SAMPLED = 20_000
#: Reads and blocks that are made at once, so that nothing need be guessed.
MADE = 500_000


class Source(Protocol):
    """A trace that is not made yet."""

    @property
    def what(self) -> str:
        """The generator or the file, in words."""
        ...

    @property
    def probe(self) -> Trace:
        """A small trace with its labels and units."""
        ...

    @property
    def totals(self) -> Totals:
        """How much there is of it."""
        ...

    @property
    def layers(self) -> Layers | None:
        """It layer by layer, where it is drawn or stored so."""
        ...

    def make(self) -> Trace:
        """The trace in rows.

        Raises
        ------
        InputError
            What is wrong with it.
        LimitError
            It cannot be held in rows.
        """
        ...


@dataclass(frozen=True, eq=False)
class TraceAtHand:
    """A trace that is made already."""

    trace: Trace

    @property
    def what(self) -> str:
        return "at hand"

    @property
    def probe(self) -> Trace:
        return self.trace

    @cached_property
    def totals(self) -> Totals:
        return totals_of(self.trace)

    @property
    def layers(self) -> None:
        return None

    def make(self) -> Trace:
        return self.trace


def read_source(table: Table) -> Source:
    """Of the ``[trace]`` table of an instance file; InputError for what is wrong with the table."""
    file, _ = either(table, "file", "synth")
    if file is None:
        return _generator(table)
    options = ImportOptions.of(table)
    table.finish()
    if is_url(file):
        return _in_a_store(table, file, options)
    place = beside(table, "file", file)
    runs = is_runs_file(place)
    if not runs and not begins_with(place, _NPZ) and place.suffix != ".npz":
        return ImportedSource(table, place, options)
    _refuse_options(table, file, options)
    return RunsSource(table, place) if runs else RowsSource(place)


def _refuse_options(table: Table, file: str, options: ImportOptions) -> None:
    for key in options.given:
        raise table.error(key, f"found it with the trace file {named(file)!r}", "expected it with a log that is imported")


def _in_a_store(table: Table, address: str, options: ImportOptions) -> RunsSource:
    """A file that whoever works on its layers reads there."""
    _refuse_options(table, address, options)
    try:
        runs = is_runs_file(address)
    except InputError as error:
        raise table.error("file", f"{error.found}, {named(address)!r}", error.expected) from None
    if not runs:
        found = f"found another kind of file at {named(address)!r}"
        raise table.error("file", found, "expected a file of runs, which is read layer by layer (trace runs)")
    return RunsSource(table, address)


def _generator(table: Table) -> Source:
    name = table.need("synth", as_choice(tuple(GENERATORS)))
    seed = table.need("seed", as_integer(0))
    values = {}
    for field in dataclasses.fields(GENERATORS[name][0]):
        value = table.get(field.name, field.metadata["convert"])
        if value is not None:
            values[field.name] = value
    table.finish()
    blamed(table, lambda: GENERATORS[name][0](**values), "synth")
    return Generated(table, name, values, seed)


@dataclass(frozen=True, eq=False)
class Generated:
    """A generator at its parameters; ``table`` is blamed for what is wrong with them, where it is given."""

    table: Table | None
    name: str
    values: dict[str, Any]
    seed: int

    @property
    def what(self) -> str:
        return f"drawn by {self.name}"

    @property
    def params(self) -> Any:
        """What the values make, with its defaults."""
        return GENERATORS[self.name][0](**self.values)

    @property
    def outline(self) -> Outline:
        """What the generator says of itself."""
        return OUTLINES[self.name]

    @cached_property
    def probe(self) -> Trace:
        if self.outline.totals is None:
            return self._part
        return synthesize(self.name, {**self.values, **self.outline.small(self.params)}, self.seed)

    @cached_property
    def totals(self) -> Totals:
        if self.outline.totals is not None:
            return self._stated if self._whole is None else totals_of(self._whole)
        found, whole = totals_of(self._part), getattr(self.params, self.outline.longer)
        if self._few == whole:
            return found
        return found.times(whole / self._few, freed=self.outline.freed(self.params))

    @cached_property
    def _stated(self) -> Totals:
        assert self.outline.totals is not None
        return self.outline.totals(self.params)

    @property
    def _few(self) -> int:
        whole: int = getattr(self.params, self.outline.longer)
        return min(SAMPLED, whole)

    @cached_property
    def _part(self) -> Trace:
        """The beginning of what nothing is known of: all of it, where it is little."""
        return self._draw({**self.values, self.outline.longer: self._few})

    @cached_property
    def _whole(self) -> Trace | None:
        """What nothing exact is known of, where there is little of it."""
        stated = self._stated
        few = max(stated.steps, stated.blocks, stated.reads) <= MADE
        return self._draw(self.values) if few and not stated.exact else None

    @property
    def layers(self) -> Layers | None:
        return Drawn(drift.Params(**self.values), self.seed) if self.name == "drift" else None

    def make(self) -> Trace:
        if self.outline.totals is None:
            if self._few == getattr(self.params, self.outline.longer):
                return self._part
        elif self._whole is not None:
            return self._whole
        return self._draw(self.values)

    def _draw(self, values: dict[str, Any]) -> Trace:
        table = self.table
        if table is None:
            return synthesize(self.name, values, self.seed)
        try:
            return blamed(table, lambda: synthesize(self.name, values, self.seed), "synth")
        except LimitError as error:
            raise LimitError(f"{table.path}: {table.name}: {error}") from None


@dataclass(frozen=True, eq=False)
class RowsSource:
    """A file of rows (NPZ)."""

    path: Path

    @property
    def what(self) -> str:
        return f"read from {self.path.name}"

    @cached_property
    def _outline(self) -> tuple[Trace, int]:
        return outline_trace(self.path)

    @property
    def probe(self) -> Trace:
        return self._outline[0]

    @cached_property
    def totals(self) -> Totals:
        blocks, reads = self._outline
        return totals_of(blocks, reads=reads)

    @property
    def layers(self) -> Layers | None:
        return None

    def make(self) -> Trace:
        return load_trace(self.path)


class ImportOptions(NamedTuple):
    """How a log is imported, as ``trace import`` is told; None: as it is without a word."""

    format: str | None
    block_tokens: int | None
    time_unit: str | None
    limit: int | None
    keep: Keep | None
    given: list[str]  # the keys that are there

    @classmethod
    def of(cls, table: Table) -> ImportOptions:
        """Read a table's keys; InputError for values that cannot be."""
        from placement_opt.workload.formats import READERS

        names = ("format", "block_tokens", "time_unit", "limit", "keep", "ttl")
        rule, ttl = table.get("keep", as_choice(KEEPS)), table.get("ttl", as_text)
        keep = None if rule is None and ttl is None else blamed(table, lambda: Keep.of(rule or "forever", ttl), "keep")
        return cls(
            table.get("format", as_choice(tuple(READERS))),
            table.get("block_tokens", as_integer(1, 2**31 - 1)),
            table.get("time_unit", as_choice(("s", "ms"))),
            table.get("limit", as_integer(1, 2**31 - 1)),
            keep,
            [key for key in names if key in table],
        )


@dataclass(frozen=True, eq=False)
class ImportedSource:
    """A log or a table of a format that is named or recognised, imported as ``trace import FILE`` does, once."""

    table: Table
    path: Path
    options: ImportOptions

    @property
    def what(self) -> str:
        return f"imported from {self.path.name}"

    @cached_property
    def probe(self) -> Trace:
        from placement_opt.workload.files.kept import read_kept

        if self.options.limit is None:
            room.check_bytes(
                room.BASE_BYTES + room.TEXT_BYTES * os.path.getsize(self.path),
                Limits(),
                "to import it",
                place=os.fspath(self.path),
                ways=lambda _: f"{self.table.field('limit')} takes its first steps",
            )
        format, block_tokens, time_unit, limit, keep, _ = self.options
        return blamed(
            self.table,
            lambda: read_kept(self.path, format, limit=limit, keep=keep, block_tokens=block_tokens, time_unit=time_unit),
            "file",
        )

    @cached_property
    def totals(self) -> Totals:
        return totals_of(self.probe)

    @property
    def layers(self) -> None:
        return None

    def make(self) -> Trace:
        return self.probe


@dataclass(frozen=True, eq=False)
class RunsSource:
    """A file of runs, by its path or its address in a store."""

    table: Table
    path: Path | str

    @property
    def what(self) -> str:
        return f"read from {os.fspath(self.path).rpartition('/')[2]}"

    @cached_property
    def file(self) -> RunsFile:
        return open_runs(self.path)

    @cached_property
    def probe(self) -> Trace:
        """One block that is never read, with the sizes and labels of the file."""
        steps, one = len(self.file.layers), np.zeros(1, dtype=np.int32)
        return Trace(
            indptr=np.zeros(steps + 1, dtype=np.int64),
            blocks=one[:0],
            birth=one - 1,
            death=one + steps,
            size=np.array([max(entry.size for entry in self.file.layers)], dtype=np.int64),
            size_unit=self.file.size_unit,
            step_layer=np.arange(steps, dtype=np.int32),
            block_layer=one,
        )

    @cached_property
    def totals(self) -> Totals:
        file, count = self.file, len(self.file.layers)
        sizes = [entry.size for entry in file.layers if entry.blocks]
        steps, blocks = count * file.turns, sum(layer.blocks for layer in file.layers)
        pairs, reads, read_units, start, change = blocks * (steps + 1), 0, 0, 0, np.zeros((file.turns, count), dtype=np.int64)
        for layer, entry in enumerate(file.layers):
            # what a step produces is alive from the next state on, what it frees until its own
            born, freed = file.births(layer), file.deaths(layer)
            state = np.arange(file.turns) * count + layer + 1
            pairs -= int((born * state).sum()) + int((freed * (steps + 1 - state)).sum())
            reads += int(file.reads(layer).sum())
            read_units += int(file.shares(layer).sum()) * entry.size
            start += (entry.blocks - int(born.sum())) * entry.size
            change[:, layer] = (born - freed) * entry.size
        peak = start + max(0, int(np.cumsum(change.ravel()).max()))
        least, most, base = min(sizes), max(sizes), file.share_base
        return Totals(steps, blocks, reads, count, pairs, peak, least, most, -(-read_units // base))

    @property
    def layers(self) -> Layers | None:
        return Stored(self.file)

    def make(self) -> Trace:
        try:
            return load_rows(self.path)
        except LimitError as error:
            raise LimitError(f"{self.table.path}: {self.table.name}.file: {error}") from None
