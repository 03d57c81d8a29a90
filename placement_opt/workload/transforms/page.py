"""Page rounding: tokens to pages, pages to larger pages (vLLM and every paged engine; KVNAND, arXiv 2512.03608).

By the law of :mod:`placement_opt.workload.paging`: a page is a block from the step on that produces its last token, read by
the share of its tokens. A trace cannot carry what steps do to pages that are not full yet, which ``rules.page_tokens`` of an
instance loads on the fastest tier: here it is left out, and told. A bound of these pages is at most one with the rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from placement_opt.base.errors import InputError
from placement_opt.workload.paging import page
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.made import Made, Transform


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    tokens: int = p.integer(16, 1, "tokens of one layer that make a page; a multiple of those of the trace's blocks", 2**16 - 1)

    def __post_init__(self) -> None:
        p.check(self)


def make(trace: Trace, params: Params) -> Made:
    """Pages, numbered in order of production; blocks must be single tokens of single layers, or full pages of those."""
    of = int(trace.size[0]) if trace.size_unit == "token-layers" and (trace.size == trace.size[0]).all() else 1
    try:
        paged = page(trace, params.tokens, of=of)
    except InputError as error:
        raise InputError(error.found, error.expected, field="tokens") from None
    reads, writes = int(paged.tail_read_tokens.sum()), int(paged.tail_write_tokens.sum())
    found: dict[str, float] = {"tail_read_tokens": reads, "tail_write_tokens": writes}
    if paged.trace is trace:
        return Made(trace, found)
    told = [f"lost: {reads:,} reads and {writes:,} appends of tokens in pages not yet full, which rules.page_tokens counts"]
    if trace.position is not None:
        told.append("lost: position, which is of tokens and not of pages")
    return Made(paged.trace, found, told)


TRANSFORM = Transform(Params, make)
