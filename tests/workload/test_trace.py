"""A trace is consistent or it is not made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.served import COLUMNS, Served
from placement_opt.workload.trace import Trace
from tests.workload.traces import random_trace


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def longs(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


GOOD = Trace(
    indptr=longs(0, 2, 2, 4),
    blocks=ints(0, 1, 1, 2),
    birth=ints(-1, -1, 1),
    death=ints(1, 3, 3),
    size=longs(5, 6, 7),
    size_unit="bytes",
    shares=np.array([1, 2, 3, 4], dtype=np.uint16),
    share_base=4,
    position=ints(1, 0, 3, 2),
    step_layer=ints(0, 1, 0),
    block_token=ints(0, 1, 2),
)

#: Of a trace of four steps.
SERVED = Served(longs(0, 7), ints(0, 1), ints(0, 2), ints(1, 3), longs(5, 6), longs(2, 2))

BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"indptr": longs(0)}, "indptr: found no steps, expected at least one"),
    ({"indptr": longs(0, 2, 2, 5)}, "indptr: found pointers 0..5, expected 0..4"),
    ({"indptr": longs(0, 3, 2, 4)}, "indptr: found 2 at entry 2, expected pointers that never fall"),
    ({"indptr": longs(0, 2**63 - 1, -2, 4)}, "indptr: found -2 at entry 2, expected pointers that never fall"),
    ({"indptr": ints(0, 2, 2, 4)}, "indptr: found int32 with 1 axes, expected one axis of int64"),
    ({"indptr": longs(0, 2, 2, 4).reshape(2, 2)}, "indptr: found int64 with 2 axes, expected one axis of int64"),
    ({"blocks": [0, 1, 1, 2]}, "blocks: found list, expected one axis of int32"),
    ({"blocks": ints(0, 1, 1, 3)}, "blocks: found 3 at entry 3, expected ids 0..2"),
    ({"blocks": ints(-1, 1, 1, 2)}, "blocks: found -1 at entry 0, expected ids 0..2"),
    ({"blocks": ints(1, 0, 1, 2)}, "blocks: found 0 at entry 1, expected ids ascending within a step, each at most once"),
    ({"blocks": ints(0, 1, 2, 2)}, "blocks: found 2 at entry 3, expected ids ascending within a step, each at most once"),
    ({"birth": ints()}, "birth: found no blocks, expected at least one"),
    ({"birth": ints(-2, -1, 1)}, "birth: found -2 at entry 0, expected a step from -1 to 2"),
    ({"birth": ints(-1, -1, 3)}, "birth: found 3 at entry 2, expected a step from -1 to 2"),
    (
        {"birth": ints(-1, 0, 1)},
        "blocks: found block 1 read at step 0, produced at step 0, expected reads after the step that produces the block",
    ),
    ({"death": ints(1, 3)}, "death: found 2 entries, expected 3"),
    ({"death": ints(1, 3, 1)}, "death: found 1 at entry 2, expected a state after birth, at most 3"),
    ({"death": ints(1, 4, 3)}, "death: found 4 at entry 1, expected a state after birth, at most 3"),
    (
        {"death": ints(1, 1, 3)},
        "blocks: found block 1 read at step 2, freed after step 1, expected reads while the block is alive",
    ),
    ({"size": longs(5, 6)}, "size: found 2 entries, expected 1 or 3"),
    ({"size": longs(5, 0, 7)}, "size: found 0 at entry 1, expected sizes from 1 to 2**50"),
    ({"size": longs(5, 2**50 + 1, 7)}, "size: found 1125899906842625 at entry 1, expected sizes from 1 to 2**50"),
    ({"size_unit": "pages"}, "size_unit: found 'pages', expected one of bytes, tokens, token-layers"),
    ({"share_base": 0}, "share_base: found 0, expected a whole number from 1 to 65535"),
    ({"share_base": 4.0}, "share_base: found 4.0, expected a whole number from 1 to 65535"),
    ({"share_base": 3}, "shares: found 4 at entry 3, expected numerators from 1 to 3"),
    ({"shares": np.array([0, 2, 3, 4], dtype=np.uint16)}, "shares: found 0 at entry 0, expected numerators from 1 to 4"),
    ({"shares": np.array([1, 2], dtype=np.uint16)}, "shares: found 2 entries, expected 4"),
    ({"shares": None}, "share_base: found 4 without shares, expected 1"),
    ({"position": longs(1, 0, 3, 2)}, "position: found int64 with 1 axes, expected one axis of int32"),
    ({"position": ints(1, 0)}, "position: found 2 entries, expected 4"),
    ({"position": ints(1, -1, 3, 2)}, "position: found -1 at entry 1, expected places from 0"),
    ({"position": ints(1, 0, 3, 3)}, "position: found place 3 twice at step 2, expected each place once in a step"),
    ({"step_layer": ints(0, 1)}, "step_layer: found 2 entries, expected 3"),
    ({"step_layer": ints(0, -1, 0)}, "step_layer: found -1 at entry 1, expected labels from 0 to 65535"),
    ({"block_layer": ints(0, 2**16, 0)}, "block_layer: found 65536 at entry 1, expected labels from 0 to 65535"),
    ({"block_token": ints(0, 1, -1)}, "block_token: found -1 at entry 2, expected labels from 0 to 2147483647"),
    ({"block_kind": ints(0, 1, 0)}, "block_kind: found int32 with 1 axes, expected one axis of int8"),
    ({"block_kind": np.zeros(2, dtype=np.int8)}, "block_kind: found 2 entries, expected 3"),
    (
        {"block_kind": np.array([0, 1, 2], dtype=np.int8)},
        "block_kind: found 2 at entry 2, expected one of 0 (kv), 1 (weights)",
    ),
    ({"pieces": longs(1)}, "pieces: found int64 with 1 axes, expected one axis of int32"),
    ({"pieces": ints(1, 2)}, "pieces: found 2 entries, expected 1 or 3"),
    ({"pieces": ints(1, 2, 0)}, "pieces: found 0 at entry 2, expected numbers from 1"),
    (
        {"pieces": ints(5, 4, 7), "size": longs(5, 6, 7), "size_unit": "bytes"},
        "pieces: found 4 pieces of block 1, which has 6 bytes, expected equal pieces of whole bytes",
    ),
    (
        {"pieces": ints(12), "size": longs(6), "size_unit": "bytes"},
        "pieces: found 12 pieces of block 0, which has 6 bytes, expected equal pieces of whole bytes",
    ),
    ({"step_floor": ints(0, 1, 2)}, "step_floor: found int32 with 1 axes, expected one axis of int64"),
    ({"step_floor": longs(0, 1)}, "step_floor: found 2 entries, expected 3"),
    ({"step_floor": longs(0, -1, 2)}, "step_floor: found -1 at entry 1, expected nanoseconds from 0 to 2**53"),
    (
        {"step_floor": longs(0, 1, 2**53 + 1)},
        "step_floor: found 9007199254740993 at entry 2, expected nanoseconds from 0 to 2**53",
    ),
    ({"requests": {}}, "requests: found a table, expected a table of requests (workload.served.Served)"),
    ({"requests": SERVED}, "requests.last: found 3 at entry 1, expected a step from 0 to 2"),
    ({"meta": [1]}, "meta: found list, expected a table"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_one_wrong_array_is_refused(change: dict[str, Any], message: str) -> None:
    """A good trace with one thing broken is refused with the array, the entry and what should be there."""
    with pytest.raises(InputError) as caught:
        replace(GOOD, **change)
    assert str(caught.value) == message


def test_the_order_of_reads_is_kept_where_asked_for() -> None:
    """Lists in the order of a prefix: ids come ascending, their places with them; without being asked, no places."""
    reads = [[4, 0, 2], [], [1, 3]]
    trace = Trace.from_reads(reads, positions=True)
    assert trace.blocks.tolist() == [0, 2, 4, 1, 3]
    assert trace.position is not None
    assert trace.position.tolist() == [1, 2, 0, 0, 1]
    assert Trace.from_reads(reads).position is None
    assert Trace.from_reads([[3, 3, 1]]).blocks.tolist() == [1, 3]
    with pytest.raises(InputError) as caught:
        Trace.from_reads([[0], [3, 1, 3]], positions=True)
    assert str(caught.value) == "reads[1]: found block 3 twice, expected each block once, where the order of reads counts"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrival": [0, 7]}, "requests.arrival: found list, expected one axis of int64"),
        ({"first": longs(0, 2)}, "requests.first: found int64 with 1 axes, expected one axis of int32"),
        ({"last": ints(1)}, "requests.last: found 1 entries, expected 2, one a request"),
        ({"arrival": longs(0, -7)}, "requests.arrival: found -7 at entry 1, expected nanoseconds from 0 and below 2**62"),
        (
            {"arrival": longs(2**62, 7)},
            f"requests.arrival: found {2**62} at entry 0, expected nanoseconds from 0 and below 2**62",
        ),
        ({"admitted": ints(-1, 1)}, "requests.admitted: found -1 at entry 0, expected steps from 0"),
        ({"first": ints(0, 0)}, "requests.first: found 0 at entry 1, expected the step that lets it in or a later one"),
        ({"last": ints(1, 1)}, "requests.last: found 1 at entry 1, expected the step of the first token or a later one"),
        (
            {"output_tokens": longs(2, -1)},
            "requests.output_tokens: found -1 at entry 1, expected counts from 0 and below 2**31",
        ),
    ],
)
def test_one_wrong_column_of_requests_is_refused(change: dict[str, Any], message: str) -> None:
    """A good table with one thing broken is refused with the column, the entry and what should be there."""
    with pytest.raises(InputError) as caught:
        replace(SERVED, **change)
    assert str(caught.value) == message


def test_a_table_without_requests_is_none() -> None:
    """It would say nothing: a trace has a table or has none."""
    with pytest.raises(InputError, match="requests: found no requests, expected at least one, or no table of them"):
        Served(*(getattr(SERVED, name)[:0] for name in COLUMNS))  # type: ignore[arg-type]


def test_requests_within_steps_and_when_any_runs() -> None:
    """Those wholly within a range of steps, counted from its first; a step at which none runs is idle."""
    served = Served(longs(0, 7, 9), ints(0, 1, 5), ints(0, 2, 5), ints(1, 3, 6), longs(5, 6, 7), longs(2, 2, 2))
    assert len(served) == 3
    assert served.running(8).tolist() == [True] * 4 + [False, True, True, False]
    inner = served.within(1, 7)
    assert inner is not None
    assert [getattr(inner, name).tolist() for name in COLUMNS] == [[7, 9], [0, 4], [1, 4], [2, 5], [6, 7], [2, 2]]
    assert {name: getattr(inner, name).dtype for name in COLUMNS} == COLUMNS
    assert served.within(2, 5) is None


def test_the_least_times_of_steps_from_lists() -> None:
    """Nanoseconds, one for each step."""
    found = Trace.from_reads([[0], [0]], floors=[0, 5]).step_floor
    assert found is not None
    assert (found.dtype, found.tolist()) == (np.int64, [0, 5])
    with pytest.raises(InputError, match=r"floors: found 0\.5 at entry 0, expected nanoseconds, whole numbers"):
        Trace.from_reads([[0]], floors=[0.5])  # type: ignore[list-item]


def test_pieces_of_every_block_or_of_each() -> None:
    """One number or a list; without it blocks are in one piece, and of blocks in tokens pieces may be more than tokens."""
    found = [Trace.from_reads([[0, 1]], sizes=[8, 12], pieces=pieces).pieces for pieces in (None, 4, [8, 3])]
    assert [None if one is None else one.tolist() for one in found] == [None, [4], [8, 3]]
    assert Trace.from_reads([[0]], sizes=16, size_unit="tokens", pieces=1024).pieces is not None
    for pieces, message in (
        ([2**31, 1], "pieces: found 2147483648 at entry 0, expected numbers below 2**31"),
        ([1.5, 1], "pieces: found 1.5 at entry 0, expected whole numbers from 1"),
    ):
        with pytest.raises(InputError) as caught:
            Trace.from_reads([[0, 1]], sizes=8, pieces=pieces)  # type: ignore[arg-type]
        assert str(caught.value) == message


def test_sizes_that_pass_64_bits_together_are_refused() -> None:
    """Blocks may be large, but all together stay below 2**60 units, also where their 64-bit sum would wrap around."""
    blocks = 2**14
    one = {"indptr": longs(0, 0), "blocks": ints(), "death": np.ones(blocks, np.int32), "birth": np.full(blocks, -1, np.int32)}
    for size in (longs(2**50), np.full(blocks, 2**50)):
        with pytest.raises(InputError, match=r"size: found 18446744073709551616 token-layers in all, expected at most 2\*\*60"):
            Trace(**one, size=size)
    assert Trace(**one, size=longs(2**46)).num_blocks == blocks


def test_reads_can_be_listed_by_step_and_by_block() -> None:
    """``reads``, ``read_step`` and ``by_block`` are the same reads, ordered by step and by block."""
    trace = random_trace(np.random.default_rng(1), steps=9, blocks=7)
    pairs = [(step, int(block)) for step in range(trace.num_steps) for block in trace.reads(step)]
    assert list(zip(trace.read_step.tolist(), trace.blocks.tolist(), strict=True)) == pairs
    pointers, positions = trace.by_block
    for block in range(trace.num_blocks):
        mine = positions[pointers[block] : pointers[block + 1]]
        assert trace.read_step[mine].tolist() == [step for step, other in pairs if other == block]


def test_births_can_be_listed_by_step() -> None:
    """``births_by_step`` gives each step the blocks it produces and leaves out the initial ones."""
    trace = random_trace(np.random.default_rng(2), steps=5, blocks=12)
    pointers, born = trace.births_by_step
    for step in range(trace.num_steps):
        assert born[pointers[step] : pointers[step + 1]].tolist() == np.flatnonzero(trace.birth == step).tolist()
    assert len(born) == np.count_nonzero(trace.birth >= 0)


def test_one_size_stands_for_all_blocks() -> None:
    """A single size is every block's size."""
    assert replace(GOOD, size=longs(5)).sizes.tolist() == [5, 5, 5]
    assert GOOD.sizes.tolist() == [5, 6, 7]
