"""A trace: which blocks every step reads, and when each block is produced and freed.

Rows are compressed (step -> ascending block ids). Ids are 0..B-1; every reader and generator hands them out in order of
production. Everything is integer: shares are numerators over one base, so that exact timing stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Ints
from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind
from placement_opt.base.tabular import Record, Tabular
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload import lists
from placement_opt.workload.served import Served

SizeUnit = Literal["bytes", "tokens", "token-layers"]
SIZE_UNITS: tuple[SizeUnit, ...] = ("bytes", "tokens", "token-layers")
#: Layers are numbered below this, so that arrays with a place for each layer stay small.
MOST_LAYERS = 2**16
#: One block, and all blocks together, in ``size_unit``: sums over them must fit 64-bit integers.
LARGEST_BLOCK, MOST_UNITS = 2**50, 2**60
#: The longest that a step can be made to take, in nanoseconds (104 days): exact as a float64.
LONGEST_FLOOR = 2**53


@dataclass(frozen=True, eq=False)
class Trace(Tabular):
    """T steps over B blocks with N reads.

    Attributes
    ----------
    indptr
        int64[T + 1], monotone from 0 to N: step t reads ``blocks[indptr[t]:indptr[t + 1]]``.
    blocks
        int32[N], strictly ascending within a step.
    birth
        int32[B]: the step that produces the block, -1 where it exists before step 0.
    death
        int32[B]: the last state at which it is alive (it is freed after that step); T where it is never freed. A block
        lives in the states birth + 1 .. death and may be read at those of them that are steps (below T).
    size
        int64[B] or int64[1], in ``size_unit``.
    size_unit
        "bytes"; "token-layers" (tokens of one layer: times the KV bytes of one token and layer) or "tokens" (tokens of all
        layers: times the number of layers as well).
    shares, share_base
        uint16[N] numerators over ``share_base`` of the share of the block that is read; None: every read is whole and the
        base is 1.
    position
        int32[N], from 0 and each once within a step: the place of the block in the prefix that the step, a request, asks for.
        A place that no read of the step has is of a block that is not there yet. None: the trace does not say.
    step_token, step_layer
        int32[T] labels from 0 (layers below ``MOST_LAYERS``), or None.
    block_token, block_layer
        int32[B] labels from 0 (the first token of the block, its layer), or None.
    block_kind
        int8[B] positions in :data:`placement_opt.memory.operations.BLOCK_KINDS` (0: KV, 1: weights); None: all are KV. It
        matters where operations are for some kinds only.
    pieces
        int32[B] or int32[1]: in how many equal contiguous pieces each block is stored, whole bytes each; None: in one. An
        operation on the block is a request for each of them, and each is rounded up to pages by itself. It matters where
        operations count calls or round bytes up.
    step_floor
        int64[T] nanoseconds: the least time that each step takes, whatever is moved (it waits for what arrives next, or
        computes); None: 0.
    requests
        The requests that the steps serve (:class:`placement_opt.workload.served.Served`); None: the trace does not say. They
        decide no answer: waits and times to tokens are told by them.
    meta
        Provenance, JSON-able: format or generator, parameters, source.

    Raises
    ------
    InputError
        Arrays that contradict each other; names the array and the entry.

    Examples
    --------
    Mostly made by :meth:`from_reads`, an importer or a generator; the arrays themselves:

    >>> trace = po.Trace.from_reads([[0, 1], [0], [0, 2]], births=[-1, -1, 1], sizes=1 << 20, layers=1)
    >>> trace.indptr.tolist(), trace.blocks.tolist()
    ([0, 2, 3, 5], [0, 1, 0, 0, 2])
    >>> trace.birth.tolist(), trace.death.tolist(), trace.size.tolist(), trace.size_unit
    ([-1, -1, 1], [3, 3, 3], [1048576], 'bytes')
    >>> trace.step_layer.tolist(), trace.block_layer.tolist(), trace.step_token, trace.block_token
    ([0, 0, 0], [0, 0, 0], None, None)
    >>> trace.shares, trace.share_base, trace.block_kind, trace.pieces, trace.meta
    (None, 1, None, None, {})
    >>> trace.step_floor, trace.requests, po.Trace.from_reads([[0], [0]], floors=[0, 5_000]).step_floor.tolist()
    (None, None, [0, 5000])
    >>> trace.position is None, po.Trace.from_reads([[1, 0], [1]], positions=True).position.tolist()
    (True, [1, 0, 0])
    """

    indptr: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int32]
    birth: npt.NDArray[np.int32]
    death: npt.NDArray[np.int32]
    size: npt.NDArray[np.int64]
    size_unit: SizeUnit = "token-layers"
    shares: npt.NDArray[np.uint16] | None = None
    share_base: int = 1
    position: npt.NDArray[np.int32] | None = None
    step_token: npt.NDArray[np.int32] | None = None
    step_layer: npt.NDArray[np.int32] | None = None
    block_token: npt.NDArray[np.int32] | None = None
    block_layer: npt.NDArray[np.int32] | None = None
    block_kind: npt.NDArray[np.int8] | None = None
    pieces: npt.NDArray[np.int32] | None = None
    step_floor: npt.NDArray[np.int64] | None = None
    requests: Served | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_trace(self)

    @classmethod
    def from_reads(
        cls,
        reads: Sequence[Iterable[int]],
        births: Sequence[int] | None = None,
        *,
        deaths: Sequence[int] | None = None,
        sizes: int | Sequence[int] = 1,
        size_unit: SizeUnit = "bytes",
        shares: Sequence[Mapping[int, Fraction | float]] | None = None,
        layers: int | None = None,
        positions: bool = False,
        pieces: int | Sequence[int] | None = None,
        floors: Sequence[int] | None = None,
    ) -> Trace:
        """A trace from the ids that each step reads.

        Parameters
        ----------
        reads
            T steps, each the ids of the blocks that it reads, in any order (with ``positions``, in that of its prefix).
        births
            B steps that produce the blocks, -1 for those that are there from the start; without it all are, and B is one more
            than the largest id.
        deaths
            B last states at which the blocks are alive; without it they are never freed.
        sizes
            Of every block or of each, in ``size_unit``.
        size_unit
            "bytes", "tokens" or "token-layers" (:class:`Trace`).
        shares
            For each step the share of each block that it reads, by id, in (0, 1]; ids that are left out are read whole.
        layers
            Step t is of layer ``t % layers``, and a block of the layer that produces it or first reads it.
        positions
            Whether the order of each step's ids is that of the prefix it asks for, which rule "strict" needs
            (:attr:`Trace.position`).
        pieces
            Of every block or of each (:attr:`Trace.pieces`); None: all are stored in one.
        floors
            T nanoseconds that the steps take at least (:attr:`Trace.step_floor`).

        Returns
        -------
        Trace
            Its ids are those given.

        Raises
        ------
        InputError
            What is given contradicts itself, or is no list of whole numbers; names the list and the entry.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [0], [0, 2]], births=[-1, -1, 1], deaths=[3, 0, 3], sizes=1 << 20)
        >>> trace
        Trace(3 steps, 3 blocks, 5 reads)
        >>> half = po.Trace.from_reads([[0, 1]], sizes=[16, 32], size_unit="tokens", shares=[{0: 0.5}], layers=1)
        >>> half.shares.tolist(), half.share_base
        ([1, 2], 2)
        >>> po.Trace.from_reads([[0, 1]], sizes=4096, pieces=[1, 8]).pieces.tolist()
        [1, 8]
        """
        given = lists.rows_of(reads)
        rows = [np.unique(ids) for ids in given]
        ids = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
        if births is None and not len(ids):
            raise InputError("found no block in any step", "expected at least one, or births", field="reads")
        there = np.full(0 if births is not None else int(ids.max()) + 1, -1, dtype=np.int32)
        birth = there if births is None else lists.labels(births, field="births")
        death = np.full(len(birth), len(rows), dtype=np.int32) if deaths is None else lists.labels(deaths, field="deaths")
        numerators, base = lists.numerators(rows, shares)
        step_layer = block_layer = None
        if layers is not None:
            lists.check_layers(layers)
            step_layer = (np.arange(len(rows)) % layers).astype(np.int32)
            block_layer = np.zeros(len(birth), dtype=np.int32)
            for step in range(len(rows) - 1, -1, -1):
                block_layer[rows[step][rows[step] < len(birth)]] = step_layer[step]
            block_layer[birth >= 0] = birth[birth >= 0] % layers
        return cls(
            indptr=np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64),
            blocks=ids.astype(np.int32),
            birth=birth,
            death=death,
            size=lists.sizes_of(sizes),
            size_unit=size_unit,
            shares=numerators,
            share_base=base,
            position=lists.places(given) if positions else None,
            step_layer=step_layer,
            block_layer=block_layer,
            pieces=None if pieces is None else lists.pieces_of(pieces),
            step_floor=None if floors is None else lists.whole_numbers(floors, "floors", "nanoseconds, whole numbers"),
        )

    def __repr__(self) -> str:
        return f"Trace({self.num_steps} steps, {self.num_blocks} blocks, {self.num_reads} reads)"

    def to_records(self) -> list[Record]:
        """One row: how much there is of it.

        Returns
        -------
        list of dict
            Counts, and the size of all blocks in ``size_unit``.

        Examples
        --------
        >>> po.Trace.from_reads([[0, 1], [1]], sizes=10).to_records()
        [{'steps': 2, 'blocks': 2, 'reads': 3, 'size': 20, 'size_unit': 'bytes'}]
        """
        row: Record = {"steps": self.num_steps, "blocks": self.num_blocks, "reads": self.num_reads}
        return [row | {"size": int(self.sizes.sum()), "size_unit": self.size_unit}]

    @property
    def num_steps(self) -> int:
        """T.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 4], [4]])
        >>> trace.num_steps, trace.num_blocks, trace.num_reads
        (2, 5, 3)
        """
        return len(self.indptr) - 1

    @property
    def num_blocks(self) -> int:
        """B: one more than the largest id."""
        return len(self.birth)

    @property
    def num_reads(self) -> int:
        """N."""
        return len(self.blocks)

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """int64[B], in ``size_unit``.

        Examples
        --------
        >>> po.Trace.from_reads([[0, 1]], sizes=7).sizes.tolist()
        [7, 7]
        """
        return np.broadcast_to(self.size, self.num_blocks) if len(self.size) == 1 else self.size

    def reads(self, step: int) -> npt.NDArray[np.int32]:
        """Ids read by one step.

        Parameters
        ----------
        step
            From 0 to T - 1.

        Returns
        -------
        ndarray
            int32, ascending; a view.

        Raises
        ------
        InputError
            No such step.

        Examples
        --------
        >>> po.Trace.from_reads([[1, 0], [1]]).reads(0).tolist()
        [0, 1]
        """
        if not 0 <= step < self.num_steps:
            raise InputError(f"found {step}", f"expected a step from 0 to {self.num_steps - 1}", field="step")
        return self.blocks[self.indptr[step] : self.indptr[step + 1]]

    @cached_property
    def read_step(self) -> npt.NDArray[np.int32]:
        """int32[N]: the step of each read.

        Examples
        --------
        >>> po.Trace.from_reads([[0, 1], [1]]).read_step.tolist()
        [0, 0, 1]
        """
        return np.repeat(np.arange(self.num_steps, dtype=np.int32), np.diff(self.indptr))

    @cached_property
    def by_block(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The reads regrouped by block: (int64[B + 1] pointers, int64[N] positions of the reads, ascending in time).

        Examples
        --------
        >>> pointers, position = po.Trace.from_reads([[0, 1], [1]]).by_block
        >>> pointers.tolist(), position.tolist()
        ([0, 1, 3], [0, 1, 2])
        """
        order = np.argsort(self.blocks, kind="stable")
        pointers = np.zeros(self.num_blocks + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.blocks, minlength=self.num_blocks), out=pointers[1:])
        return pointers, order

    @cached_property
    def births_by_step(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(int64[T + 1] pointers, block ids): the blocks each step produces.

        Examples
        --------
        >>> pointers, ids = po.Trace.from_reads([[0], [1]], births=[-1, 0]).births_by_step
        >>> pointers.tolist(), ids.tolist()
        ([0, 1, 1], [1])
        """
        order = np.argsort(self.birth, kind="stable")
        order = order[np.searchsorted(self.birth[order], 0) :]
        pointers = np.zeros(self.num_steps + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.birth[order], minlength=self.num_steps), out=pointers[1:])
        return pointers, order


def check_trace(trace: Trace) -> None:
    """Refuse a trace whose arrays contradict each other; InputError names the array and what is wrong with it."""
    _check_rows(trace)
    _check_lives(trace)
    _check_sizes(trace)
    _check_positions(trace)
    steps, blocks = trace.num_steps, trace.num_blocks
    for name, length in (
        ("step_token", steps),
        ("step_layer", steps),
        ("block_token", blocks),
        ("block_layer", blocks),
    ):
        labels = getattr(trace, name)
        if labels is not None:
            _check_array(name, labels, np.int32, length)
            most = MOST_LAYERS if name.endswith("layer") else 2**31
            _refuse(name, (labels < 0) | (labels >= most), labels, f"labels from 0 to {most - 1}")
    if trace.block_kind is not None:
        _check_array("block_kind", trace.block_kind, np.int8, blocks)
        known = ", ".join(f"{number} ({name})" for number, name in enumerate(BLOCK_KINDS))
        bad = (trace.block_kind < 0) | (trace.block_kind >= len(BLOCK_KINDS))
        _refuse("block_kind", bad, trace.block_kind, f"one of {known}")
    _check_pieces(trace)
    _check_times(trace)
    if not isinstance(trace.meta, Mapping):
        raise InputError(f"found {type(trace.meta).__name__}", "expected a table", field="meta")


def _check_array(name: str, array: object, dtype: type[np.generic], length: int | None) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
        kind = f"{array.dtype} with {array.ndim} axes" if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"found {kind}", f"expected one axis of {np.dtype(dtype)}", field=name)
    if length is not None and len(array) != length:
        raise InputError(f"found {len(array)} entries", f"expected {length}", field=name)


def _refuse(name: str, bad: npt.NDArray[np.bool_], values: Ints | npt.NDArray[np.int8], expected: str) -> None:
    """Refuse the first bad entry; ``bad`` may be shorter than ``values``, then it speaks of the last entries."""
    if bad.any():
        where = int(np.argmax(bad)) + len(values) - len(bad)
        raise InputError(f"found {int(values[where])} at entry {where}", f"expected {expected}", field=name)


def _check_rows(trace: Trace) -> None:
    _check_array("indptr", trace.indptr, np.int64, None)
    _check_array("blocks", trace.blocks, np.int32, None)
    if len(trace.indptr) < 2:
        raise InputError("found no steps", "expected at least one", field="indptr")
    if len(trace.indptr) > 2**31 - 2:
        raise InputError(f"found {len(trace.indptr) - 1} steps", "expected fewer than 2**31", field="indptr")
    if trace.indptr[0] != 0 or trace.indptr[-1] != len(trace.blocks):
        ends = f"{trace.indptr[0]}..{trace.indptr[-1]}"
        raise InputError(f"found pointers {ends}", f"expected 0..{len(trace.blocks)}", field="indptr")
    # Compared, not subtracted: differences of forged pointers would wrap around.
    _refuse("indptr", trace.indptr[1:] < trace.indptr[:-1], trace.indptr, "pointers that never fall")
    _check_array("birth", trace.birth, np.int32, None)
    if len(trace.birth) < 1:
        raise InputError("found no blocks", "expected at least one", field="birth")
    if len(trace.birth) > 2**31 - 1:
        raise InputError(f"found {len(trace.birth)} blocks", "expected fewer than 2**31", field="birth")
    _refuse(
        "blocks",
        (trace.blocks < 0) | (trace.blocks >= len(trace.birth)),
        trace.blocks,
        f"ids 0..{len(trace.birth) - 1}",
    )
    _refuse("blocks", ~_rising(trace, trace.blocks), trace.blocks, "ids ascending within a step, each at most once")


def _rising(trace: Trace, values: Ints) -> npt.NDArray[np.bool_]:
    """bool[N - 1]: whether each of the reads but the first has more than the one before it, or is another step's."""
    rising = values[1:] > values[:-1]
    starts = trace.indptr[1:-1]
    rising[starts[(starts > 0) & (starts < len(values))] - 1] = True
    return rising


def _check_lives(trace: Trace) -> None:
    steps = trace.num_steps
    _check_array("death", trace.death, np.int32, trace.num_blocks)
    _refuse("birth", (trace.birth < -1) | (trace.birth >= steps), trace.birth, f"a step from -1 to {steps - 1}")
    low = trace.death <= trace.birth
    _refuse("death", low | (trace.death > steps), trace.death, f"a state after birth, at most {steps}")
    early = trace.read_step <= trace.birth[trace.blocks]
    if early.any():
        read = int(np.argmax(early))
        block = int(trace.blocks[read])
        found = f"found block {block} read at step {trace.read_step[read]}, produced at step {trace.birth[block]}"
        raise InputError(found, "expected reads after the step that produces the block", field="blocks")
    late = trace.read_step > trace.death[trace.blocks]
    if late.any():
        read = int(np.argmax(late))
        block = int(trace.blocks[read])
        found = f"found block {block} read at step {trace.read_step[read]}, freed after step {trace.death[block]}"
        raise InputError(found, "expected reads while the block is alive", field="blocks")


def _check_sizes(trace: Trace) -> None:
    _check_array("size", trace.size, np.int64, None)
    if len(trace.size) not in (1, trace.num_blocks):
        raise InputError(f"found {len(trace.size)} entries", f"expected 1 or {trace.num_blocks}", field="size")
    _refuse("size", (trace.size <= 0) | (trace.size > LARGEST_BLOCK), trace.size, "sizes from 1 to 2**50")
    if _total(trace) > MOST_UNITS:
        raise InputError(f"found {_total(trace)} {trace.size_unit} in all", "expected at most 2**60", field="size")
    if trace.size_unit not in SIZE_UNITS:
        raise InputError(f"found {trace.size_unit!r}", f"expected one of {', '.join(SIZE_UNITS)}", field="size_unit")
    if type(trace.share_base) is not int or not 1 <= trace.share_base < 2**16:
        raise InputError(f"found {trace.share_base!r}", "expected a whole number from 1 to 65535", field="share_base")
    if trace.shares is None:
        if trace.share_base != 1:
            raise InputError(f"found {trace.share_base} without shares", "expected 1", field="share_base")
        return
    _check_array("shares", trace.shares, np.uint16, trace.num_reads)
    bad = (trace.shares < 1) | (trace.shares > trace.share_base)
    _refuse("shares", bad, trace.shares, f"numerators from 1 to {trace.share_base}")


def _check_positions(trace: Trace) -> None:
    """Places within each step, each once."""
    if trace.position is None:
        return
    _check_array("position", trace.position, np.int32, trace.num_reads)
    _refuse("position", trace.position < 0, trace.position, "places from 0")
    if _rising(trace, trace.position).all():  # where blocks are numbered as prefixes grow
        return
    keys = trace.read_step.astype(np.int64) << 32 | trace.position
    keys.sort()
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        step, place = divmod(int(keys[twice[0]]), 2**32)
        raise InputError(f"found place {place} twice at step {step}", "expected each place once in a step", field="position")


def _check_pieces(trace: Trace) -> None:
    if trace.pieces is None:
        return
    _check_array("pieces", trace.pieces, np.int32, None)
    if len(trace.pieces) not in (1, trace.num_blocks):
        raise InputError(f"found {len(trace.pieces)} entries", f"expected 1 or {trace.num_blocks}", field="pieces")
    _refuse("pieces", trace.pieces < 1, trace.pieces, "numbers from 1")
    if trace.size_unit == "bytes":
        check_piece_bytes(trace.pieces, trace.size)


def _check_times(trace: Trace) -> None:
    """The least time of each step, and the requests."""
    if trace.step_floor is not None:
        _check_array("step_floor", trace.step_floor, np.int64, trace.num_steps)
        bad = (trace.step_floor < 0) | (trace.step_floor > LONGEST_FLOOR)
        _refuse("step_floor", bad, trace.step_floor, "nanoseconds from 0 to 2**53")
    if trace.requests is not None:
        check_kind(trace.requests, Served, "a table of requests (workload.served.Served)", field="requests")
        trace.requests.check_steps(trace.num_steps)


def check_piece_bytes(pieces: npt.NDArray[np.int32], size: npt.NDArray[np.int64]) -> None:
    """Refuse pieces that are no whole bytes each; either may have one entry for all blocks. InputError names the block."""
    broken = np.flatnonzero(size % pieces)
    if len(broken):
        one, other = (array[broken[0] if len(array) > 1 else 0] for array in (pieces, size))
        found = f"found {one} pieces of block {broken[0]}, which has {other} bytes"
        raise InputError(found, "expected equal pieces of whole bytes", field="pieces")


def _total(trace: Trace) -> int:
    """The sum of all block sizes; in two halves, because hostile sizes may pass 64 bits together."""
    if len(trace.size) == 1:
        return int(trace.size[0]) * trace.num_blocks
    return (int((trace.size >> 25).sum()) << 25) + int((trace.size & (2**25 - 1)).sum())
