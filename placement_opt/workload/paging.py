"""Pages: a trace of single tokens becomes a trace of pages of consecutive tokens of one layer.

A page is a block once its last token is produced. Until then it is being filled: its tokens' reads and appends are no
decision of a placement but a load that every schedule has (problem statement, section 2), counted here in tokens.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.trace import Trace


@dataclass(frozen=True, eq=False)
class Paged:
    """A trace of pages, and what its steps do to pages that are still being filled.

    Attributes
    ----------
    trace
        Blocks are full pages; the share of a read is tokens read / ``page_tokens``.
    tail_read_tokens
        int64[T]: tokens that each step reads from pages not yet full.
    tail_write_tokens
        int64[T]: tokens that each step appends to such pages. A token that completes its page is not among them: it is
        stored with the page.
    """

    trace: Trace
    tail_read_tokens: Int64
    tail_write_tokens: Int64


class LayerPages(NamedTuple):
    """Pages of one layer by itself: the reads of each turn, their shares (None where pages are of one token), the turn that
    produces each page and its first token; tokens that each turn reads from and appends to pages not yet full."""

    indptr: Int64
    blocks: Int32
    shares: npt.NDArray[np.uint16] | None
    birth: Int32
    first: Int32
    tail_read_tokens: Int64
    tail_write_tokens: Int64


def page(trace: Trace, page_tokens: int, *, of: int = 1) -> Paged:
    """Group tokens ``q * page_tokens .. (q + 1) * page_tokens - 1`` of each layer into one block.

    A page is produced by the step that produces the last of its tokens (before step 0 where all exist then) and freed with
    the last of them. A page that never gets all its tokens is never a block; so a prefill that ends within a page leaves
    one to be filled by the tokens decoded next. Pages are numbered in order of production, then of tokens, then of layers.
    ``page_tokens`` 1 returns the trace as it is. ``of``: the trace is one of pages of so many tokens already, which divide
    the larger ones; what is counted of pages not yet full is then in full smaller ones.

    Raises
    ------
    InputError
        The blocks are not single tokens of single layers, or are read in part.
    """
    if not 1 <= page_tokens < 2**16:
        raise InputError(f"found {page_tokens}", "expected 1 to 65535 tokens a page", field="page_tokens")
    steps = trace.num_steps
    if page_tokens == of:
        return Paged(trace, np.zeros(steps, dtype=np.int64), np.zeros(steps, dtype=np.int64))
    token, layer = _labels(trace, page_tokens, of)
    pages = int(token.max()) // page_tokens + 1
    keys, page_of = np.unique(layer * pages + token // page_tokens, return_inverse=True)
    birth = np.full(len(keys), -1, dtype=np.int64)
    death = birth.copy()
    np.maximum.at(birth, page_of, trace.birth)
    np.maximum.at(death, page_of, trace.death)
    # A page without all its tokens is born after the end.
    birth[np.bincount(page_of) * of < page_tokens] = steps
    full = np.flatnonzero(birth < steps)
    order = full[np.lexsort((keys[full] // pages, keys[full] % pages, birth[full]))]
    if len(order) == 0:
        raise never_full(page_tokens)
    number = np.full(len(keys), -1, dtype=np.int64)
    number[order] = np.arange(len(order))

    read_page = page_of[trace.blocks]
    open_page = trace.read_step <= birth[read_page]
    tokens = np.full(trace.num_reads, of, dtype=np.int64) if trace.shares is None else trace.shares.astype(np.int64)
    rows, which = np.unique(
        trace.read_step[~open_page].astype(np.int64) * len(order) + number[read_page[~open_page]], return_inverse=True
    )
    share = np.zeros(len(rows), dtype=np.int64)
    np.add.at(share, which, tokens[~open_page])
    appended = trace.birth[(trace.birth >= 0) & (trace.birth < birth[page_of])]
    paged = dataclasses.replace(
        trace,
        indptr=np.searchsorted(rows, np.arange(steps + 1, dtype=np.int64) * len(order)).astype(np.int64),
        blocks=(rows % len(order)).astype(np.int32),
        birth=birth[order].astype(np.int32),
        death=death[order].astype(np.int32),
        size=np.array([page_tokens], dtype=np.int64),
        shares=share.astype(np.uint16),
        share_base=page_tokens,
        position=None,  # of tokens, not of pages
        block_token=(keys[order] % pages * page_tokens).astype(np.int32),
        block_layer=(keys[order] // pages).astype(np.int32),
        block_kind=None,
        pieces=None,
        meta={**trace.meta, "page_tokens": page_tokens},
    )
    return Paged(
        paged,
        np.bincount(trace.read_step[open_page], weights=tokens[open_page], minlength=steps).astype(np.int64),
        np.bincount(appended, minlength=steps).astype(np.int64) * of,
    )


def page_runs(runs: LayerRuns, page_tokens: int) -> LayerPages:
    """The same of one layer in runs, whose b-th block is its b-th token.

    Raises
    ------
    InputError
        No page is ever full.
    """
    from placement_opt.workload.runs_kernels import gather

    turns, count = runs.turns, -(-runs.num_blocks // page_tokens)
    token = runs.birth.astype(np.int64)
    born = np.full(count * page_tokens, turns, dtype=np.int64)  # a page without all its tokens is born after the end
    born[: runs.num_blocks] = token
    born = born.reshape(count, page_tokens).max(axis=1)
    order = np.argsort(born, kind="stable") if page_tokens > 1 else np.arange(count)  # single tokens are as they are
    full = int(np.count_nonzero(born < turns))
    if full == 0 and count:
        raise never_full(page_tokens)
    tail, written, place = np.zeros((3, turns), dtype=np.int64)
    table = (runs.start, runs.first, runs.last, order, born, page_tokens)
    gather(*table, place, np.zeros(0, np.int32), np.zeros(0, np.uint16), tail)
    indptr = np.concatenate([[0], np.cumsum(place)]).astype(np.int64)
    blocks = np.empty(indptr[-1], dtype=np.int32)
    shares = np.empty(len(blocks) if page_tokens > 1 else 0, dtype=np.uint16)
    gather(*table, indptr[:-1].copy(), blocks, shares, np.zeros_like(tail))
    appended = token[(token >= 0) & (token < born[np.arange(runs.num_blocks) // page_tokens])]
    written += np.bincount(appended, minlength=turns)
    order = order[:full]
    birth, first = born[order].astype(np.int32), (order * page_tokens).astype(np.int32)
    return LayerPages(indptr, blocks, shares if page_tokens > 1 else None, birth, first, tail, written)


def never_full(page_tokens: int) -> InputError:
    """What is said of pages that have more tokens than there are."""
    found = f"found pages of {page_tokens} tokens, none of which is ever full"
    return InputError(found, "expected smaller pages", field="page_tokens")


def _labels(trace: Trace, page_tokens: int, of: int) -> tuple[Int64, Int64]:
    """The token and layer of every block, each pair at most once; InputError where blocks are not that."""
    expected = "expected 1, or a trace whose blocks are single tokens of single layers"
    if of > 1:
        expected = f"expected {of}, or a trace of full pages of {of} tokens of single layers"
    found = f"found {page_tokens} for blocks"
    if trace.size_unit != "token-layers":
        raise InputError(f"{found} sized in {trace.size_unit}", expected, field="page_tokens")
    if trace.block_token is None or trace.block_layer is None:
        raise InputError(f"{found} without token and layer labels", expected, field="page_tokens")
    if (trace.size != of).any():
        raise InputError(f"{found} of {int(trace.size[trace.size != of][0])} tokens", expected, field="page_tokens")
    if page_tokens % of or (trace.block_token % of).any():
        what = "which do not divide that" if page_tokens % of else f"of which one begins within a page of {of}"
        raise InputError(f"{found} of {of} tokens, {what}", expected, field="page_tokens")
    if trace.shares is not None and trace.share_base != of:
        raise InputError(f"{found} that are read in part", expected, field="page_tokens")
    if trace.block_kind is not None and trace.block_kind.any():
        raise InputError(f"{found} of which some are weights", expected, field="page_tokens")
    if trace.pieces is not None and (trace.pieces > 1).any():
        raise InputError(f"{found} of which some are stored in pieces", expected, field="page_tokens")
    token, layer = trace.block_token.astype(np.int64), trace.block_layer.astype(np.int64)
    pairs, counts = np.unique(layer * (int(token.max()) + 1) + token, return_counts=True)
    if len(pairs) < len(token):
        twice = int(pairs[np.argmax(counts > 1)])
        where = f"token {twice % (int(token.max()) + 1)} of layer {twice // (int(token.max()) + 1)}"
        raise InputError(f"found two blocks for {where}", "expected one token a block", field="page_tokens")
    return token, layer
