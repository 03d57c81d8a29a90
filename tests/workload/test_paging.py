"""Paging: against a slow twin that walks token by token, and the cases that decide what a page is."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.workload.paging import Paged, page
from placement_opt.workload.synth.drift import Params, generate
from placement_opt.workload.trace import Trace
from tests.workload.traces import random_trace


def tokens_of(layers: int, births: list[int], rows: list[list[int]], deaths: list[int] | None = None) -> Trace:
    """Block b is token b // layers of layer b % layers; step t is of layer t % layers."""
    steps, blocks = len(rows), len(births)
    ids = np.arange(blocks, dtype=np.int32)
    return Trace(
        indptr=np.cumsum([0, *map(len, rows)]).astype(np.int64),
        blocks=np.array([b for row in rows for b in row], dtype=np.int32),
        birth=np.array(births, dtype=np.int32),
        death=np.array(deaths or [steps] * blocks, dtype=np.int32),
        size=np.ones(1, dtype=np.int64),
        step_token=np.arange(steps, dtype=np.int32) // layers,
        step_layer=np.arange(steps, dtype=np.int32) % layers,
        block_token=ids // layers,
        block_layer=ids % layers,
        meta={"made": "by hand"},
    )


def drift(layers: int, prefill: int, tokens: int, seed: int = 0) -> Trace:
    return generate(Params(layers=layers, prefill=prefill, tokens=tokens, read_share=0.5), np.random.default_rng(seed))


def slow(trace: Trace, page_tokens: int) -> dict[str, object]:
    """Pages as dictionaries keyed (token // page_tokens, layer), filled token by token."""
    assert trace.block_token is not None
    assert trace.block_layer is not None
    members: dict[tuple[int, int], list[int]] = {}
    for block in range(trace.num_blocks):
        members.setdefault((int(trace.block_token[block]) // page_tokens, int(trace.block_layer[block])), []).append(block)
    home = {block: key for key, blocks in members.items() for block in blocks}
    full = {key: max(int(trace.birth[b]) for b in blocks) for key, blocks in members.items() if len(blocks) == page_tokens}
    ids = sorted(full, key=lambda key: (full[key], key))
    reads, tail_reads, tail_writes = [], [], []
    for step in range(trace.num_steps):
        counts: dict[int, int] = {}
        tail = 0
        for block in trace.reads(step).tolist():
            key = home[block]
            if key in full and full[key] < step:
                counts[ids.index(key)] = counts.get(ids.index(key), 0) + 1
            else:
                tail += 1
        reads.append(sorted(counts.items()))
        tail_reads.append(tail)
        born = np.flatnonzero(trace.birth == step).tolist()
        tail_writes.append(sum(full.get(home[block]) != step for block in born))
    return {
        "reads": reads,
        "birth": [full[key] for key in ids],
        "death": [max(int(trace.death[b]) for b in members[key]) for key in ids],
        "token": [key[0] * page_tokens for key in ids],
        "layer": [key[1] for key in ids],
        "tail_reads": tail_reads,
        "tail_writes": tail_writes,
    }


def told(paged: Paged) -> dict[str, object]:
    """The same, of a paged trace."""
    trace = paged.trace
    assert trace.shares is not None
    assert trace.block_token is not None
    assert trace.block_layer is not None
    shares = trace.shares.tolist()
    rows = zip(trace.indptr[:-1], trace.indptr[1:], strict=True)
    return {
        "reads": [list(zip(trace.blocks[a:b].tolist(), shares[a:b], strict=True)) for a, b in rows],
        "birth": trace.birth.tolist(),
        "death": trace.death.tolist(),
        "token": trace.block_token.tolist(),
        "layer": trace.block_layer.tolist(),
        "tail_reads": paged.tail_read_tokens.tolist(),
        "tail_writes": paged.tail_write_tokens.tolist(),
    }


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 12), st.integers(2, 6), st.integers(0, 2**32))
def test_equals_the_token_by_token_twin(layers: int, prefill: int, tokens: int, page_tokens: int, seed: int) -> None:
    """Pages, their lives, shares and what falls on unfinished pages are those of the twin, on drifting traces."""
    trace = drift(layers, prefill, tokens, seed)
    expected = slow(trace, page_tokens)
    if not expected["birth"]:
        with pytest.raises(InputError, match="none of which is ever full"):
            page(trace, page_tokens)
        return
    assert told(page(trace, page_tokens)) == expected


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 2**32))
def test_equals_the_twin_on_traces_with_deaths_and_births_in_any_step(layers: int, page_tokens: int, seed: int) -> None:
    """The same where tokens are produced by any step, several by one, and freed at different times."""
    rng = np.random.default_rng(seed)
    trace = random_trace(rng, steps=8, blocks=4 * page_tokens * layers, layers=layers, deaths=True)
    trace = dataclasses.replace(trace, size=np.ones(1, dtype=np.int64), size_unit="token-layers")
    assert told(page(trace, page_tokens)) == slow(trace, page_tokens)


def test_a_page_of_one_token_is_the_trace_itself() -> None:
    """page_tokens 1 changes nothing, whatever the blocks are, and leaves no tail."""
    trace = drift(2, 10, 5)
    paged = page(trace, 1)
    assert paged.trace is trace
    assert paged.tail_read_tokens.tolist() == paged.tail_write_tokens.tolist() == [0] * 10
    unlabelled = dataclasses.replace(trace, block_token=None, block_layer=None, size_unit="bytes")
    assert page(unlabelled, 1).trace is unlabelled


def test_a_prefill_that_ends_within_a_page_is_filled_by_decoding() -> None:
    """Prefill of 3 tokens, pages of 2: token 2 waits for token 3, which step 0 produces; step 1 may read the page."""
    trace = tokens_of(1, [-1, -1, -1, 0, 1, 2], [[0, 2], [2, 3], [3, 4]])
    paged = page(trace, 2)
    assert told(paged) == {
        "reads": [[(0, 1)], [(1, 2)], [(1, 1)]],
        "birth": [-1, 0, 2],
        "death": [3, 3, 3],
        "token": [0, 2, 4],
        "layer": [0, 0, 0],
        "tail_reads": [1, 0, 1],
        "tail_writes": [0, 1, 0],
    }
    assert (paged.trace.share_base, paged.trace.size.tolist(), paged.trace.size_unit) == (2, [2], "token-layers")
    assert paged.trace.meta == {"made": "by hand", "page_tokens": 2}


def test_the_step_that_fills_a_page_still_reads_its_tokens_from_the_tail() -> None:
    """Token 0 is read by the step that produces token 1 and with it the page: not from the page yet."""
    paged = page(tokens_of(1, [-1, 0], [[0], [0, 1]]), 2)
    assert paged.tail_read_tokens.tolist() == [1, 0]
    assert paged.trace.reads(1).tolist() == [0]


def test_every_token_read_or_written_is_counted_once() -> None:
    """Tokens in shares and tail add up to the tokens read; tokens in pages born and tail to the tokens produced."""
    trace = drift(3, 50, 30)
    for page_tokens in (2, 5, 16):
        paged = page(trace, page_tokens)
        assert paged.trace.shares is not None
        by_step = np.bincount(paged.trace.read_step, weights=paged.trace.shares, minlength=trace.num_steps)
        assert (by_step + paged.tail_read_tokens == np.diff(trace.indptr)).all()
        completing = int((paged.trace.birth >= 0).sum())
        assert completing + paged.tail_write_tokens.sum() == (trace.birth >= 0).sum()


def test_a_page_is_freed_with_the_last_of_its_tokens() -> None:
    """Tokens freed after steps 1 and 2 make a page freed after step 2."""
    paged = page(tokens_of(1, [-1, -1], [[0], [1], [1]], [1, 2]), 2)
    assert paged.trace.death.tolist() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size_unit": "tokens"}, "found 4 for blocks sized in tokens"),
        ({"size_unit": "bytes"}, "found 4 for blocks sized in bytes"),
        ({"block_layer": None}, "found 4 for blocks without token and layer labels"),
        ({"size": np.array([2])}, "found 4 for blocks of 2 tokens"),
        ({"shares": np.full(19, 1, dtype=np.uint16), "share_base": 2}, "found 4 for blocks that are read in part"),
        ({"block_kind": np.ones(11, dtype=np.int8)}, "found 4 for blocks of which some are weights"),
        ({"pieces": np.full(11, 2, dtype=np.int32)}, "found 4 for blocks of which some are stored in pieces"),
        ({"block_token": np.zeros(11, dtype=np.int32)}, "found two blocks for token 0 of layer 0"),
    ],
)
def test_refuses_blocks_that_are_not_single_tokens(change: dict[str, object], message: str) -> None:
    """Anything but whole reads of labelled single tokens of single layers is refused, saying what it is."""
    trace = drift(1, 6, 5)
    assert trace.num_reads == 19
    with pytest.raises(InputError) as caught:
        page(dataclasses.replace(trace, **change), 4)  # type: ignore[arg-type]
    assert caught.value.found == message
    assert caught.value.field == "page_tokens"


def test_refuses_pages_of_no_or_too_many_tokens() -> None:
    """Shares are 16-bit numerators: at most 65535 tokens a page."""
    trace = drift(1, 6, 5)
    for page_tokens in (0, 65536):
        with pytest.raises(InputError, match=rf"found {page_tokens}, expected 1 to 65535 tokens a page"):
            page(trace, page_tokens)
    with pytest.raises(InputError, match="found pages of 20 tokens, none of which is ever full, expected smaller pages"):
        page(trace, 20)
