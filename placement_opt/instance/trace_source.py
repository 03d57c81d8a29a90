"""Where the trace of an instance file comes from: a generator, a file of rows, a file of runs; made only when asked for.

Each kind tells, without making the trace, how much there is of it (:class:`placement_opt.instance.totals.Totals`) and what its
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
from placement_opt.base.errors import LimitError, named
from placement_opt.base.limits import Limits
from placement_opt.base.toml import Table, as_choice, as_integer, as_text
from placement_opt.base.units import parse_size
from placement_opt.instance.stated import beside, blamed, either
from placement_opt.instance.totals import Totals, totals_of
from placement_opt.workload.files.npz import load_trace, outline_trace
from placement_opt.workload.files.runs import RunsFile, is_runs_file, load_rows, open_runs
from placement_opt.workload.layers import Drawn, Layers, Stored
from placement_opt.workload.synth import GENERATORS, decode, decode_params, drift, synthesize
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import KEEPS, Keep

#: How an NPZ begins.
_NPZ = b"PK\x03\x04"
#: Requests that are drawn to guess at more of them.
SAMPLED_REQUESTS = 20_000
#: Reads and blocks of decoding that are made at once, so that nothing need be guessed.
MADE_DECODING = 500_000


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
    place = beside(table, "file", file)
    runs = is_runs_file(place)
    if not runs and not begins_with(place, _NPZ) and place.suffix != ".npz":
        return ImportedSource(table, place, options)
    for key in options.given:
        raise table.error(key, f"found it with the trace file {named(file)!r}", "expected it with a log that is imported")
    return RunsSource(table, place) if runs else RowsSource(place)


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

    @cached_property
    def probe(self) -> Trace:
        small: dict[str, dict[str, Any]] = {
            "drift": {"prefill": 10, "tokens": 1},
            "zipf": {"blocks": 1, "steps": 1, "reads": 1},
            "decode": {"context": 1, "tokens": 1, "block_tokens": None},
        }
        if self.name in small:
            return synthesize(self.name, {**self.values, **small[self.name]}, self.seed)
        return self._sample

    @cached_property
    def totals(self) -> Totals:
        params = GENERATORS[self.name][0](**self.values)
        if self.name == "drift":
            return drift_totals(params, Drawn(params, self.seed))
        if self.name == "zipf":
            size = parse_size(params.block_size)
            reads, pairs = params.steps * params.reads, params.blocks * (params.steps + 1)
            return Totals(params.steps, params.blocks, reads, 1, pairs, params.blocks * size, size, size, reads * size)
        if self.name == "decode":
            return decode_totals(params) if self._decoded is None else totals_of(self._decoded)
        found = totals_of(self._sample)
        if found.steps == params.requests:
            return found
        return found.times(params.requests / found.steps, freed=params.keep != "forever")

    @cached_property
    def _sample(self) -> Trace:
        """Requests, all of them where they are few."""
        few = min(SAMPLED_REQUESTS, GENERATORS[self.name][0](**self.values).requests)
        return self._draw({**self.values, "requests": few})

    @cached_property
    def _decoded(self) -> Trace | None:
        """Decoding, where there is little of it."""
        few = max(decode.amounts(decode_params.Params(**self.values))) <= MADE_DECODING
        return self._draw(self.values) if few else None

    @property
    def layers(self) -> Layers | None:
        return Drawn(drift.Params(**self.values), self.seed) if self.name == "drift" else None

    def make(self) -> Trace:
        if self.name == "requests" and self._sample.num_steps == self.totals.steps:
            return self._sample
        if self.name == "decode" and self._decoded is not None:
            return self._decoded
        return self._draw(self.values)

    def _draw(self, values: dict[str, Any]) -> Trace:
        table = self.table
        if table is None:
            return synthesize(self.name, values, self.seed)
        try:
            return blamed(table, lambda: synthesize(self.name, values, self.seed), "synth")
        except LimitError as error:
            raise LimitError(f"{table.path}: {table.name}: {error}") from None


def drift_totals(params: drift.Params, drawn: Drawn) -> Totals:
    """Of the drift generator: a token of each layer is produced by each step of that layer, and nothing is freed."""
    layers, steps = params.layers, params.layers * params.tokens
    blocks, reads = layers * drawn.blocks, layers * int(drawn.reads(0).sum())
    pairs = layers * params.prefill * (steps + 1) + steps * (steps + 1) // 2
    return Totals(steps, blocks, reads, layers, pairs, blocks, 1, 1, reads)


def decode_totals(params: decode_params.Params) -> Totals:
    """Of the decode generator: no less than there is, the sizes guessed at."""
    steps, blocks, reads = decode.amounts(params)
    size = (
        params.bits.kv_bytes(params.shape.kv_numbers * params.shape.kv_layers) * (params.context + params.tokens) * params.batch
    )
    if params.weights == "placed":
        size += params.bits.weight_bytes(params.shape.parameters)
    mean = max(1, size // blocks)
    pairs, layers, each = blocks * (steps + 1), params.traced_layers, steps // params.tokens
    guess = Totals(steps, blocks, reads, layers, pairs, size, mean, mean, reads * mean, exact=False, firm=False)
    return dataclasses.replace(guess, steps_of_token=each)


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
    """A file of runs."""

    table: Table
    path: Path

    @property
    def what(self) -> str:
        return f"read from {self.path.name}"

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
            size=np.array([self.file.size], dtype=np.int64),
            size_unit=self.file.size_unit,
            step_layer=np.arange(steps, dtype=np.int32),
            block_layer=one,
        )

    @cached_property
    def totals(self) -> Totals:
        file, count = self.file, len(self.file.layers)
        steps, blocks = count * file.turns, sum(layer.blocks for layer in file.layers)
        pairs = blocks * (steps + 1)
        for layer in range(count):  # what is produced by a step is alive from the next state on
            born = file.births(layer)
            pairs -= int((born * (np.arange(file.turns) * count + layer + 1)).sum())
        reads = file.num_reads
        return Totals(steps, blocks, reads, count, pairs, blocks * file.size, file.size, file.size, reads * file.size)

    @property
    def layers(self) -> Layers | None:
        return Stored(self.file)

    def make(self) -> Trace:
        try:
            return load_rows(self.path)
        except LimitError as error:
            raise LimitError(f"{self.table.path}: {self.table.name}.file: {error}") from None
