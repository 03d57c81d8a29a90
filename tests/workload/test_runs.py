"""Runs say what rows say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.workload.layered_rows import check_plain, layers_of
from placement_opt.workload.layers import Drawn, paged_layer
from placement_opt.workload.paging import page, page_runs
from placement_opt.workload.runs import LayerRuns, drift_layer, drift_reads
from placement_opt.workload.synth import drift
from placement_opt.workload.synth.drift_kernels import choice
from placement_opt.workload.trace import Trace
from tests.runs import collect
from tests.small import make_trace

PARAMS = [
    drift.Params(layers=3, prefill=40, tokens=30, read_share=0.4, drift=0.1),
    drift.Params(layers=2, prefill=25, tokens=40, read_share=0.3, drift=0.3, leave="random", window=0.6),
    drift.Params(layers=1, prefill=3, tokens=50, read_share=0.5, drift=1.0),
]


def slow_runs(rows: list[list[int]], blocks: int) -> list[list[tuple[int, int]]]:
    """Per block, (first, last) turns: one turn after the other."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(blocks)]
    for turn, reads in enumerate(rows):
        for block in reads:
            runs = found[block]
            if runs and runs[-1][1] == turn - 1:
                runs[-1] = (runs[-1][0], turn)
            else:
                runs.append((turn, turn))
    return found


def as_lists(runs: LayerRuns) -> list[list[tuple[int, int]]]:
    pairs = list(zip(runs.first.tolist(), runs.last.tolist(), strict=True))
    return [pairs[low:high] for low, high in zip(runs.start[:-1], runs.start[1:], strict=True)]


@pytest.mark.parametrize("params", PARAMS)
def test_a_layer_of_the_generator_equals_the_same_layer_of_its_trace(params: drift.Params) -> None:
    trace = drift.generate(params, np.random.default_rng(7))
    for layer, runs in enumerate(layers_of(trace)):
        drawn = drift_layer(params, 7, layer)
        assert as_lists(drawn) == as_lists(runs)
        assert drawn.birth.tolist() == runs.birth.tolist()
        assert [row.tolist() for row in drawn.rows()] == [
            (trace.reads(step) // params.layers).tolist() for step in range(layer, trace.num_steps, params.layers)
        ]


@pytest.mark.parametrize("params", PARAMS)
def test_counts_per_turn_are_those_of_the_rows(params: drift.Params) -> None:
    runs = drift_layer(params, 3, 0)
    assert runs.reads_per_turn.tolist() == [len(row) for row in runs.rows()] == drift_reads(params).tolist()
    assert runs.num_reads == int(drift_reads(params).sum())
    assert runs.births_per_turn.tolist() == [1] * params.tokens


def test_runs_of_random_rows_equal_those_found_turn_by_turn() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        rows = [np.flatnonzero(rng.random(6) < 0.6) for _ in range(12)]
        runs = collect(rows, np.full(6, -1, dtype=np.int32))
        assert as_lists(runs) == slow_runs([row.tolist() for row in rows], 6)
        assert [row.tolist() for row in runs.rows()] == [row.tolist() for row in rows]


def test_a_sample_holds_the_runs_of_its_blocks() -> None:
    runs = drift_layer(PARAMS[0], 1, 0)
    part = runs.sample(3, 1)
    assert as_lists(part) == as_lists(runs)[1::3]
    assert part.birth.tolist() == runs.birth[1::3].tolist()


def test_traces_that_runs_cannot_say_are_refused() -> None:
    """Steps with times of their own and layers that do not take turns; in a question in runs, shares and freed blocks, too."""
    with pytest.raises(InputError, match="read in part"):
        check_plain(make_trace([[0]], [-1], shares=[[1]], share_base=2))
    with pytest.raises(InputError, match="freed"):
        check_plain(make_trace([[0], []], [-1], deaths=[1]))
    assert len(layers_of(Trace.from_reads([[0], [0]], floors=[0, 0]))) == 1
    with pytest.raises(InputError, match="step_floor: found steps that take a time of their own at least, expected none"):
        layers_of(Trace.from_reads([[0], [0]], floors=[0, 5]))
    trace = drift.generate(PARAMS[0], np.random.default_rng(1))
    object.__setattr__(trace, "step_layer", trace.step_layer[::-1].copy())
    with pytest.raises(InputError, match="take turns"):
        layers_of(trace)


@pytest.mark.parametrize("size", [1, 2, 9, 10_000, 10_001, 12_345])
def test_what_is_drawn_in_the_loop_is_what_numpy_draws(size: int) -> None:
    """Small shares and large ones of small and large populations: the same entries in one order, and the same stream after."""
    ours, theirs = np.random.default_rng(size), np.random.default_rng(size)
    state = ours.bit_generator.state
    words = [state["state"][key] >> by & 2**64 - 1 for key in ("state", "inc") for by in (64, 0)]
    stream, marks = np.array([*words, state["has_uint32"], state["uinteger"]], dtype=np.uint64), np.zeros(size + 1, dtype=bool)
    for count in {0, 1, size // 21, size // 20, size // 20 + 1, size // 3, size - 1, size}:
        some = np.arange(100, 100 + size)
        choice(some, count, marks, stream)
        assert some[size - count :].tolist() == (100 + theirs.choice(size, count, replace=False, shuffle=False)).tolist()
        assert not marks.any()
    after = theirs.bit_generator.state
    assert int(stream[0]) << 64 | int(stream[1]) == after["state"]["state"]
    assert stream[4:].tolist() == [after["has_uint32"], after["uinteger"]] or after["has_uint32"] == stream[4] == 0


@pytest.mark.parametrize("leave", ["oldest", "random"])
def test_a_layer_drawn_in_many_parts_equals_its_rows(leave: str) -> None:
    """Sets beyond those that are drawn from one by one, in parts of a turn or two each."""
    params = drift.Params(layers=1, prefill=20_000, tokens=12, drift=0.3, leave=leave)
    parts = drift.layer_runs(params, np.random.default_rng(3), 1, Limits())
    assert parts is not None
    assert len(parts) > 5
    rows = collect(drift.layer_reads(params, np.random.default_rng(3)), np.full(20_012, -1, dtype=np.int32))
    found = np.concatenate(parts, axis=1)
    found = found[:, np.lexsort(found[1::-1])]
    assert found[1:].tolist() == [rows.first.tolist(), rows.last.tolist()]
    assert found[0].tolist() == np.repeat(np.arange(20_012), np.diff(rows.start)).tolist()


def test_a_layer_is_not_drawn_beyond_a_limit() -> None:
    limits = Limits()
    limits.interrupt()
    assert drift_layer(PARAMS[0], 1, 0, limits) is None


def labelled(runs: LayerRuns) -> Trace:
    """The rows of a layer, block b its token b."""
    rows, count = [row.tolist() for row in runs.rows()], runs.num_blocks
    trace = make_trace(rows, runs.birth.tolist())
    layer = {"step_layer": np.zeros(runs.turns, np.int32), "block_layer": np.zeros(count, np.int32)}
    return dataclasses.replace(trace, size_unit="token-layers", block_token=np.arange(count, dtype=np.int32), **layer)


@pytest.mark.parametrize("page_tokens", [1, 2, 3, 7])
def test_pages_from_runs_are_those_of_the_rows(page_tokens: int) -> None:
    """Whatever the order of births, and where the last page is never full."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        count, turns = int(rng.integers(page_tokens, 20)), int(rng.integers(1, 9))
        birth = rng.integers(-1, turns, count).astype(np.int32)
        rows = [np.flatnonzero((birth < turn) & (rng.random(count) < 0.5)) for turn in range(turns)]
        runs = collect(rows, birth)
        made, slow = page_runs(runs, page_tokens), page(labelled(runs), page_tokens)
        expected = slow.trace
        for name in ("indptr", "blocks", "shares", "birth"):
            found = getattr(made, name)
            assert (found is None) == (getattr(expected, name) is None), (seed, name)
            assert found is None or np.array_equal(found, getattr(expected, name)), (seed, name)
        assert np.array_equal(made.first, expected.block_token), seed
        assert made.tail_read_tokens.tolist() == slow.tail_read_tokens.tolist(), seed
        assert made.tail_write_tokens.tolist() == slow.tail_write_tokens.tolist(), seed


@pytest.mark.parametrize("page_tokens", [1, 8])
def test_a_layer_in_pages_is_the_trace_of_its_layer_in_pages(page_tokens: int) -> None:
    """All arrays and labels, and what it says of itself."""
    drawn = Drawn(drift.Params(layers=1, prefill=40, tokens=30), 7)
    found = paged_layer(drawn, 0, page_tokens)
    expected = page(drift.generate(drawn.params, np.random.default_rng(7)), page_tokens)
    assert found is not None
    for field in dataclasses.fields(Trace):
        one, other = getattr(found.trace, field.name), getattr(expected.trace, field.name)
        assert np.array_equal(one, other), field.name
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None), field.name
    limits = Limits()
    limits.interrupt()
    assert paged_layer(drawn, 0, page_tokens, limits) is None
    with pytest.raises(InputError, match="found pages of 99 tokens, none of which is ever full, expected smaller pages"):
        paged_layer(drawn, 0, 99)
