"""Each transform on traces small enough to follow by hand, and against slow twins on random ones."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms import transform
from tests.small import make_trace
from tests.workload.transforming import reads_of, rich, same


def told(trace: Trace) -> list[tuple[int, int, int]]:
    """(birth, death, size) of every block."""
    return list(zip(trace.birth.tolist(), trace.death.tolist(), trace.sizes.tolist(), strict=True))


def found(trace: Trace) -> dict[str, float]:
    """What the last transform found."""
    return dict(trace.meta["transforms"][-1]["found"])


def rows(trace: Trace) -> list[list[int]]:
    return [sorted(row) for row in reads_of(trace)]


def test_a_slice_by_hand() -> None:
    """What is born before is initial, what dies before is left out, what dies at its first state is there for that step."""
    trace = make_trace([[0, 1], [0, 1], [0, 2], [2, 3], [3]], [-1, -1, 0, 2], [2, 1, 5, 5], [1, 2, 3, 4])
    made = transform(trace, "slice:start=2,stop=4")
    assert told(made) == [(-1, 0, 1), (-1, 2, 3), (0, 2, 4)]
    assert rows(made) == [[0, 1], [1, 2]]


@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(1, 8))
@settings(max_examples=40)
def test_a_slice_has_what_is_alive_at_its_states(seed: int, start: int, length: int) -> None:
    """Block by block and state by state."""
    trace = rich(seed)
    stop = min(8, start + length)
    alive = {
        (block, state - start)
        for block in range(16)
        for state in range(start, stop + 1)
        if trace.birth[block] < state <= trace.death[block]
    }
    blocks = sorted({block for block, _ in alive})
    if not blocks:
        return
    made = transform(trace, f"slice:start={start},stop={stop}")
    lives = {
        (blocks[block], state)
        for block in range(made.num_blocks)
        for state in range(stop - start + 1)
        if made.birth[block] < state <= made.death[block]
    }
    assert lives == alive
    assert [{blocks[b]: share for b, share in row.items()} for row in reads_of(made)] == reads_of(trace)[start:stop]


def test_one_layer_by_hand() -> None:
    """Its steps and blocks; a block that another layer's step produced is there before its next step."""
    trace = make_trace([[0], [1], [0, 2], [1], [0, 2], [1, 3]], [-1, -1, 1, 2], layers=2)
    made = transform(trace, "split:layer=0")
    assert told(made) == [(-1, 3, 1), (0, 3, 1)]
    assert rows(made) == [[0], [0, 1], [0, 1]]
    other = transform(replace(trace, block_layer=None), "split:layer=1")
    assert told(other) == [(-1, 3, 1), (0, 3, 1), (0, 3, 1)]  # what its steps read or produce


def test_clusters_by_hand() -> None:
    """Blocks 2 and 3 become one at step 1, which produces 3 and reads 2; until then 2 is by itself."""
    trace = make_trace([[0, 2], [0], [2, 3], [1]], [-1, -1, -1, 1], None, [1, 2, 3, 4])
    made = transform(trace, "cluster:size=2,window=2,by=order")
    assert told(made) == [(-1, 4, 3), (-1, 1, 3), (1, 4, 7)]
    assert rows(made) == [[0, 1], [0, 1], [2], [0]]
    assert found(made) == {
        "clusters": 2,
        "read_amplification": pytest.approx((6 + 6 + 7 + 3) / (4 + 1 + 7 + 2)),
        "rewritten": 1,
    }


def test_clusters_find_what_is_read_together() -> None:
    """Two sets of tokens that turns of steps read, mixed: clusters by reads read nothing in vain, neighbours do."""
    rng = np.random.default_rng(1)
    part = rng.permutation(64) % 4
    trace = Trace.from_reads([np.flatnonzero(part == step % 4).tolist() for step in range(40)], layers=1)
    by_reads, by_order = (found(transform(trace, f"cluster:by={by},seed=3")) for by in ("reads", "order"))
    assert by_reads["read_amplification"] < 1.5 < 3 < by_order["read_amplification"]
    assert same(transform(trace, "cluster:seed=3"), transform(trace, "cluster:seed=3"))


def test_a_cluster_of_pieces_has_those_of_its_members() -> None:
    """As many as the first of them, whole bytes each."""
    trace = replace(make_trace([[0, 1]], [-1, -1], None, [4, 3]), pieces=np.array([2, 1], dtype=np.int32))
    made = transform(trace, "cluster:size=2,window=2,by=order")
    assert (made.sizes.tolist(), made.pieces.tolist()) == ([8], [2])


def test_runs_by_hand() -> None:
    """Two of the prefill's three tokens are one slot, read if either is; what steps produce stays."""
    trace = make_trace([[0], [1, 2], [3]], [-1, -1, -1, 0], [2, 3, 3, 3], [5, 5, 5, 5])
    trace = replace(trace, block_token=np.arange(4, dtype=np.int32))
    made = transform(trace, "merge-runs:length=2,runs=fixed")
    assert told(made) == [(-1, 3, 5), (-1, 3, 5), (0, 3, 5)]
    assert rows(made) == [[0], [0, 1], [2]]
    assert found(made) == {"merged": 2, "slots": 1, "read_share": 1.0}


def test_runs_break_where_reads_differ_and_tokens_are_missing() -> None:
    """Neighbours are alike by the steps that read them; token 3 is not there, so 2 and 4 are no neighbours."""
    trace = make_trace([[0, 1], [0, 1, 2, 3], [2, 3]], [-1] * 4)
    trace = replace(trace, block_token=np.array([0, 1, 2, 4], dtype=np.int32))
    made = transform(trace, "merge-runs:runs=alike,length=9,alike=0.9")
    assert rows(made) == [[0], [0, 1, 2], [1, 2]]


def test_drawn_runs_have_the_length_asked_for() -> None:
    """On the average, within five deviations."""
    trace = replace(Trace.from_reads([range(20_000)]), block_token=np.arange(20_000, dtype=np.int32))
    runs = transform(trace, "merge-runs:length=4").num_blocks
    assert abs(runs - 5000) < 5 * (20_000 * 0.25 * 0.75) ** 0.5


def test_slots_by_hand() -> None:
    """Three slots, one residual: step 1 merges block 0, never read, step 2 block 2, read once; both are read there."""
    trace = make_trace([[1], [1], [0, 2], [0, 1, 3]], [-1, -1, 1, 2])
    made = transform(trace, "slots:slots=3,tail=0.34")
    # Blocks 0 and 1, the residual that step 1 makes, block 2, the residual that step 2 makes, block 3.
    assert told(made) == [(-1, 1, 1), (-1, 4, 1), (1, 2, 1), (1, 2, 1), (2, 4, 1), (2, 4, 1)]
    # Step 1 reads 0 besides, to merge it; step 2 the residual, for 0 and to merge 2 into it.
    assert rows(made) == [[1], [0, 1], [2, 3], [1, 4, 5]]
    assert found(made) == {"merged": 2, "read_share": pytest.approx(8 / 7)}


@given(st.integers(0, 10_000), st.integers(3, 8))
@settings(max_examples=30)
def test_no_layer_has_more_than_its_slots(seed: int, slots: int) -> None:
    """Of KV, at any state; reads are at most what they were and what merging adds."""
    trace = transform(synthesize("drift", {"layers": 2, "prefill": 6, "tokens": 8}, seed), "bytes:token=3 B")
    made = transform(trace, f"slots:slots={slots},tail=0.3")
    for layer in range(2):
        of = made.block_layer == layer
        for state in range(17):
            assert np.count_nonzero(of & (made.birth < state) & (state <= made.death)) <= slots
    assert made.num_reads <= trace.num_reads + 3 * found(made)["merged"]


def test_segments_by_hand() -> None:
    """Two blocks of the prefill are one segment, replaced at a step that still reads the old one."""
    trace = make_trace([[0], [1, 2], [0, 3], [1]], [-1, -1, -1, 0], None, [1, 2, 3, 4])
    plain = transform(trace, "segments:blocks=2")
    assert told(plain) == [(-1, 4, 3), (-1, 4, 3), (0, 4, 4)]
    assert rows(plain) == [[0], [0, 1], [0, 2], [0]]
    for seed in range(6):
        made = transform(trace, f"segments:blocks=2,updates=1,seed={seed}")
        births = sorted(made.birth.tolist())
        assert births[:2] == [-1, -1]
        assert made.num_blocks == 4
        assert found(made)["replaced"] == 1
        assert [len(row) for row in rows(made)] == [1, 2, 2, 1]


def test_updates_are_of_every_layer_and_of_what_may_change() -> None:
    """A segment is replaced in all layers from one step on, by the first step of each; others never."""
    trace = synthesize("drift", {"layers": 3, "prefill": 16, "tokens": 10}, 1)
    made = transform(trace, "segments:blocks=4,updates=1,seed=2")
    new = np.flatnonzero((made.birth >= 0) & (made.sizes == 4))
    assert sorted(made.block_layer[new].tolist()) == [0, 1, 2]
    assert np.ptp(made.birth[new]) <= 2
    assert len(set(made.block_token[new].tolist())) == 1
    many = transform(trace, "segments:blocks=4,updates=50,changing=0.25,seed=2")
    new = np.flatnonzero((many.birth >= 0) & (many.sizes == 4))
    assert len(set(many.block_token[new].tolist())) == 1


def test_chunks_by_hand() -> None:
    """Three blocks of 4 bytes in chunks of 8: two share one, which is there with the first of them and freed with the last."""
    trace = make_trace([[0], [0, 1], [1, 2]], [-1, 0, 1], [1, 3, 3], [4])
    made = transform(trace, "allocate:chunk=8 B,streams=1")
    assert told(made) == [(-1, 3, 8), (1, 3, 8)]
    assert reads_of(made) == [{0: 0.5}, {0: 1.0}, {0: 0.5, 1: 0.5}]
    assert found(made) == {"chunks": 2, "allocated": pytest.approx(16 / 12)}


def test_chunks_of_two_streams_and_of_large_blocks() -> None:
    """Keys and values have chunks of their own; a block that is larger than a chunk has several for itself."""
    trace = make_trace([[0, 1]], [-1, -1], None, [4, 20])
    made = transform(trace, "allocate:chunk=4 B,streams=2")
    assert made.sizes.tolist() == [8, 24]
    assert reads_of(made) == [{0: 0.5, 1: pytest.approx(20 / 24)}]


def test_shares_that_no_base_holds_are_rounded_up() -> None:
    """And it is told; what is read is never less than it was."""
    trace = make_trace([[0, 1]], [-1, -1], None, [99_991, 10_007])
    made = transform(trace, "allocate:chunk=100003 B,streams=1")
    assert "shares that are read are rounded up to 1/65535" in made.meta["transforms"][0]["told"]
    assert float(sum(share * made.sizes[b] for b, share in reads_of(made)[0].items())) >= 99_991 + 10_007


def test_scales_by_hand() -> None:
    """Whole bytes, rounded up, of each piece; weights have their own."""
    trace = make_trace([[0, 1, 2]], [-1] * 3, None, [10, 9, 7])
    trace = replace(trace, pieces=np.array([2, 1, 1], dtype=np.int32), block_kind=np.array([0, 0, 1], dtype=np.int8))
    assert transform(trace, "scale:factor=1/4").sizes.tolist() == [4, 3, 7]
    assert transform(trace, "scale:factor=0.5,of=weights").sizes.tolist() == [10, 9, 4]
    assert transform(trace, "scale:factor=2,of=all").sizes.tolist() == [20, 18, 14]
    # Exact at sizes whose product with the factor has more than 64 bits.
    huge = make_trace([[0]], [-1], None, [2**50 - 1])
    assert transform(huge, "scale:factor=0.999999").sizes.tolist() == [-(-(2**50 - 1) * 999_999 // 10**6)]


def test_scales_of_layers() -> None:
    """A table, the others by the factor; a ramp from the first to the last."""
    trace = replace(make_trace([[0, 1, 2]], [-1] * 3, None, [60] * 3), block_layer=np.arange(3, dtype=np.int32))
    assert transform(trace, "scale:factor=1/2,layers=0:1/3 2:1/6").sizes.tolist() == [20, 30, 10]
    assert transform(trace, "scale:deepest=1/3").sizes.tolist() == [60, 40, 20]
    fine = replace(
        trace, size=np.full(3, 2**26, dtype=np.int64)
    )  # a factor whose numerator and denominator 64 bits do not multiply
    first, last = Fraction("0.999983"), Fraction(1, 999_979)
    exact = [math.ceil(2**26 * (first + (last - first) * Fraction(place, 2))) for place in range(3)]
    assert transform(fine, "scale:factor=0.999983,deepest=1/999979").sizes.tolist() == exact


def test_ageing_by_hand() -> None:
    """Two steps old, a block of 8 bytes is read once more and goes on with 4; what is there from the start is old."""
    trace = make_trace([[0], [0, 1], [0], [1], [1]], [-1, 0], None, [8])
    made = transform(trace, "scale:factor=1/2,recent=2 steps")
    assert told(made) == [(-1, 5, 4), (0, 2, 8), (2, 5, 4)]
    assert rows(made) == [[0], [0, 1], [0, 1], [2], [2]]
    assert found(made)["rewritten"] == 1


@given(st.integers(0, 200), st.integers(1, 12))
@settings(max_examples=20)
def test_ageing_in_tokens(seed: int, window: int) -> None:
    """Every read of a token that is older than the window is of the small block, of a younger one of the whole."""
    trace = transform(synthesize("drift", {"layers": 2, "prefill": 12, "tokens": 8}, seed), "bytes:token=8 B")
    made = transform(trace, f"scale:factor=1/2,recent={window} tokens")
    for step, row in enumerate(reads_of(made)):
        for block in row:
            age = int(made.step_token[step] - made.block_token[block])
            # The step that makes a block small reads the large one: its age is the window then.
            assert (made.sizes[block] == 8) == (age < window or made.death[block] == step), (step, block)
            assert made.sizes[block] == 4 or age <= window


def test_joined_lives() -> None:
    """A block that a later trace produces is read where it is there already, and another block where it has gone."""
    one = make_trace([[0], [0, 1]], [-1, 0], [2, 1])
    again = transform([one, one], "concat:same=ids")
    assert told(again) == [(-1, 4, 1), (0, 1, 1), (2, 3, 1)]
    assert rows(again) == [[0], [0, 1], [0], [0, 2]]
    stays = make_trace([[0], [0, 1]], [-1, 0])
    assert rows(transform([stays, stays], "concat:same=ids")) == [[0], [0, 1], [0, 1], [0, 1]]
    assert told(transform([stays, stays], "merge:same=ids")) == [(-1, 4, 1), (0, 4, 1)]
    assert rows(transform([stays, stays], "merge:same=ids")) == [[0], [0, 1], [0, 1], [0, 1]]


def test_what_a_later_trace_begins_with() -> None:
    """Is there from the start, or comes with the last step before it."""
    one = make_trace([[0], [0]], [-1])
    assert told(transform([one, one], "concat")) == [(-1, 4, 1), (-1, 4, 1)]
    assert told(transform([one, one], "concat:initial=arrive")) == [(-1, 4, 1), (1, 4, 1)]


def test_joined_arrays() -> None:
    """Shares come over one base, kinds and pieces are filled in, labels that one lacks are lost, and it says so."""
    one = make_trace([[0]], [-1], shares=[[1]], share_base=2)
    other = replace(make_trace([[0]], [-1], None, [4], [[1]], 3, 1), block_kind=np.ones(1, dtype=np.int8))
    other = replace(other, pieces=np.full(1, 2, dtype=np.int32))
    made = transform([one, other], "concat")
    assert (made.shares.tolist(), made.share_base) == ([3, 2], 6)
    assert (made.block_kind.tolist(), made.pieces.tolist(), made.sizes.tolist()) == ([0, 1], [1, 2], [1, 4])
    assert made.step_layer is None
    assert made.meta["transforms"][0]["told"][1:] == [
        "lost: step_layer, which not all of the traces have",
        "lost: block_layer, which not all of the traces have",
    ]
