"""Where the layers of a trace too large for rows come from: drawn, read from a file of runs, or at hand; one at a time."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.json import dump_json
from placement_opt.base.limits import Limits
from placement_opt.workload import runs
from placement_opt.workload.files import runs as runs_file
from placement_opt.workload.paging import Paged, page_runs
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import drift
from placement_opt.workload.synth.params import limit_reads
from placement_opt.workload.trace import Trace


class Layers(Protocol):
    """L layers of N turns each; picklable, because worker processes ask for theirs."""

    @property
    def count(self) -> int: ...

    @property
    def turns(self) -> int: ...

    @property
    def blocks(self) -> int:
        """Blocks of the largest layer."""
        ...

    @property
    def runs(self) -> int:
        """Runs of the largest layer, at most."""
        ...

    @property
    def most_reads(self) -> int:
        """Reads of the layer that has most."""
        ...

    @property
    def digest(self) -> bytes:
        """Tells traces apart: SHA-256 of what the layers are made from."""
        ...

    @property
    def plain(self) -> bool:
        """Whether blocks are read whole, are of one size and are never freed."""
        ...

    @property
    def turn_token(self) -> Int32 | None:
        """int32[N]: the label of each turn's token; None where turns carry none."""
        ...

    def blocks_of(self, layer: int) -> int:
        """Blocks of one layer at the end."""
        ...

    def most_alive(self, layer: int) -> int:
        """Blocks of one layer that are alive at the state that has most of them."""
        ...

    def reads(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer reads."""
        ...

    def births(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer produces."""
        ...

    def birth(self, layer: int) -> Int32:
        """int32[B]: the turn that produces each block of a layer, -1 where it exists before turn 0."""
        ...

    def layer(self, layer: int, limits: Limits | None = None) -> LayerRuns | None:
        """The runs of one layer; None where a limit was reached before they were complete."""
        ...

    def rows(self, layer: int) -> Iterator[Int64]:
        """The blocks that each turn of a layer reads, ascending."""
        ...


@dataclass(frozen=True)
class Drawn:
    """Layers of the drift generator, each drawn when it is asked for."""

    params: drift.Params
    seed: int
    plain = True

    @property
    def count(self) -> int:
        return self.params.layers

    @property
    def turns(self) -> int:
        return self.params.tokens

    @property
    def blocks(self) -> int:
        return self.params.prefill + self.params.tokens

    @property
    def runs(self) -> int:
        held = runs.drift_reads(self.params)
        # what a turn adds: what the set grows by and what is swapped
        return int(held[0] + np.ceil(self.params.swapped * held).sum() + 2 * len(held) + held[-1])

    @property
    def most_reads(self) -> int:
        return int(runs.drift_reads(self.params).sum())

    @property
    def digest(self) -> bytes:
        """Of the parameters in force, whatever they are called, and the seed."""
        values = dataclasses.asdict(self.params) | {"drift": self.params.swapped, "variation": None, "seed": self.seed}
        return hashlib.sha256(b"placement-opt drift 1\n" + dump_json(values).encode()).digest()

    @property
    def turn_token(self) -> Int32:
        return self.params.prefill + np.arange(self.params.tokens, dtype=np.int32)

    def blocks_of(self, layer: int) -> int:
        del layer
        return self.blocks

    def most_alive(self, layer: int) -> int:
        del layer
        return self.blocks

    def reads(self, layer: int) -> Int64:
        del layer
        return runs.drift_reads(self.params)

    def births(self, layer: int) -> Int64:
        del layer
        return np.ones(self.params.tokens, dtype=np.int64)

    def birth(self, layer: int) -> Int32:
        del layer
        return runs.drift_birth(self.params)

    def layer(self, layer: int, limits: Limits | None = None) -> LayerRuns | None:
        return runs.drift_layer(self.params, self.seed, layer, limits)

    def rows(self, layer: int) -> Iterator[Int64]:
        return runs.drift_rows(self.params, self.seed, layer)


@dataclass(frozen=True, eq=False)
class Given:
    """Layers at hand."""

    layers: tuple[LayerRuns, ...]

    @property
    def count(self) -> int:
        return len(self.layers)

    @property
    def turns(self) -> int:
        return self.layers[0].turns

    @property
    def blocks(self) -> int:
        return max(layer.num_blocks for layer in self.layers)

    @property
    def runs(self) -> int:
        return max(layer.num_runs for layer in self.layers)

    @property
    def most_reads(self) -> int:
        return max(layer.num_reads for layer in self.layers)

    @property
    def plain(self) -> bool:
        return all(layer.plain for layer in self.layers)

    @cached_property
    def digest(self) -> bytes:
        table = [(layer.num_blocks, layer.num_runs, runs_file.layer_digest(layer)) for layer in self.layers]
        return runs_file.digest_of(table, self.turns)

    @property
    def turn_token(self) -> None:
        return None

    def blocks_of(self, layer: int) -> int:
        return self.layers[layer].num_blocks

    def most_alive(self, layer: int) -> int:
        mine = self.layers[layer]
        return _most_alive(mine.num_blocks, mine.births_per_turn, mine.deaths_per_turn)

    def reads(self, layer: int) -> Int64:
        return self.layers[layer].reads_per_turn

    def births(self, layer: int) -> Int64:
        return self.layers[layer].births_per_turn

    def birth(self, layer: int) -> Int32:
        return self.layers[layer].birth

    def layer(self, layer: int, limits: Limits | None = None) -> LayerRuns | None:
        del limits
        return self.layers[layer]

    def rows(self, layer: int) -> Iterator[Int64]:
        return self.layers[layer].rows()


@dataclass(frozen=True, eq=False)
class Stored:
    """Layers of a file of runs, each read when it is asked for."""

    file: runs_file.RunsFile

    @property
    def count(self) -> int:
        return len(self.file.layers)

    @property
    def turns(self) -> int:
        return self.file.turns

    @property
    def blocks(self) -> int:
        return max(layer.blocks for layer in self.file.layers)

    @property
    def runs(self) -> int:
        return max(layer.runs for layer in self.file.layers)

    @property
    def most_reads(self) -> int:
        return self.file.most_reads

    @property
    def digest(self) -> bytes:
        return self.file.digest

    @property
    def plain(self) -> bool:
        return self.file.plain

    @property
    def turn_token(self) -> None:
        return None

    def blocks_of(self, layer: int) -> int:
        return self.file.layers[layer].blocks

    def most_alive(self, layer: int) -> int:
        return _most_alive(self.blocks_of(layer), self.file.births(layer), self.file.deaths(layer))

    def reads(self, layer: int) -> Int64:
        return self.file.reads(layer)

    def births(self, layer: int) -> Int64:
        return self.file.births(layer)

    def birth(self, layer: int) -> Int32:
        return self.file.birth(layer)

    def layer(self, layer: int, limits: Limits | None = None) -> LayerRuns | None:
        del limits  # a matter of seconds
        return self.file.layer(layer)

    def rows(self, layer: int) -> Iterator[Int64]:
        return self.file.layer(layer).rows()


def _most_alive(blocks: int, births: Int64, deaths: Int64) -> int:
    """Of so many blocks in all, those that are alive at once, at most, by what each turn produces and frees after it."""
    return int(blocks - births.sum() + max(0, int(np.cumsum(births - deaths).max(initial=0))))


def paged_layer(layers: Drawn | Stored, layer: int, page_tokens: int = 1, limits: Limits | None = None) -> Paged | None:
    """One layer by itself in rows, in pages of so many tokens: N steps, its pages in the order of :func:`.paging.page`.

    Blocks of a file have no tokens, and are taken as they are: read in part, and freed. None where a limit was reached before
    the layer was drawn.

    Raises
    ------
    InputError
        No page is ever full.
    LimitError
        More reads than rows can hold.
    """
    found = layers.layer(layer, limits)
    if found is None:
        return None
    if page_tokens == 1:
        limit_reads(found.num_reads)
    made, turns = page_runs(found, page_tokens), found.turns
    meta: dict[str, Any]
    first: Int32 | None = None
    shares, base = made.shares, page_tokens
    death = np.full(len(made.birth), turns, dtype=np.int32) if found.death is None else found.death
    if isinstance(layers, Drawn):
        params = dataclasses.replace(layers.params, layers=1)
        unit, size, meta = drift.UNIT, page_tokens, {"generator": "drift", "parameters": dataclasses.asdict(params)}
        first = made.first
    else:
        unit, size, meta, base = (
            layers.file.size_unit,
            layers.file.layers[layer].size,
            {"format": "runs"},
            layers.file.share_base,
        )
        if base > 1:
            shares = np.empty(len(made.blocks), dtype=np.uint16)
            found.put_shares(made.indptr[:-1], shares, base)
    trace = Trace(
        indptr=made.indptr,
        blocks=made.blocks,
        birth=made.birth,
        death=death,
        size=np.array([size], dtype=np.int64),
        size_unit=unit,
        shares=shares,
        share_base=base,
        step_token=layers.turn_token,
        step_layer=np.zeros(turns, dtype=np.int32),
        block_token=first,
        block_layer=np.zeros(len(made.birth), dtype=np.int32),
        meta=meta if page_tokens == 1 else meta | {"page_tokens": page_tokens},
    )
    return Paged(trace, made.tail_read_tokens, made.tail_write_tokens)
