"""Lookups in embedding tables of recommendation models: popular rows, grouped in pages that are read whole.

A step is one batch of samples. Each sample looks up ``lookups`` rows in every table, independently, row of rank r with
probability proportional to ``r**-exponent``. Rows of one table lie in pages of their own, at random, or sorted by popularity as
tables are that were laid out by counted accesses; the batch reads each page that has one of its rows once. Tables range from
``rows`` down to ``smallest`` rows in equal ratios, as those of click logs range over orders of magnitude.

Static, skewed popularity is what MEC (quantised embeddings for click prediction) makes use of: its codes take fewer bytes a row
(``row_size``); its code books are small and read with every row, so they belong to what stays in the fastest tier, and are left
out. Bags of several rows are ``lookups``. Unknown and chosen: exponents of real tables, which differ, and that the lookups of a
sample are independent.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size, parse_size
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.draws import popularity, sorted_ranks
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.synth.spans import gathered
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_UNITS, Trace

#: Lookups that are drawn at once.
_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Params:
    """Settings of the generator of lookups; InputError for values out of range."""

    tables: int = p.integer(8, 1, "tables", 10**4)
    rows: int = p.integer(100_000, 1, "rows of the largest table", 10**9)
    smallest: int = p.integer(100, 1, "rows of the smallest table; the others lie between in equal ratios", 10**9)
    row_size: str = p.size("128 B", "size of a row with its unit")
    page: str = p.size("4 KiB", "size of a page with its unit: so many whole rows as it has room for")
    layout: str = p.choice("random", ("random", "popular"), "which rows share a page")
    steps: int = p.integer(100, 1, "batches; each is one step", 10**8)
    batch: int = p.integer(128, 1, "samples of a batch", 10**7)
    lookups: int = p.integer(1, 1, "rows that a sample looks up in each table", 10**5)
    exponent: float = p.number(1.05, 0, 10, "how steeply the popularity of rows falls with rank (0: all alike)")

    def __post_init__(self) -> None:
        p.check(self)
        if self.smallest > self.rows:
            raise InputError(f"found {self.smallest}", f"expected at most rows, {self.rows}", field="smallest")
        if self.tables == 1 and self.smallest != self.rows:
            object.__setattr__(self, "smallest", self.rows)
        size, row = parse_size(self.page), parse_size(self.row_size)
        if row > size:
            found = f"found a row of {format_size(row)}"
            raise InputError(found, f"expected at most a page, {format_size(size)}", field="row_size")
        pages = int(self.pages.sum())
        if size > LARGEST_BLOCK or size * pages > MOST_UNITS:
            found = f"found {pages} pages of {format_size(size)}"
            raise InputError(found, "expected pages of at most 2**50 bytes, 2**60 in all", field="page")
        if pages > 10**8:
            raise InputError(f"found {self.rows}, {pages} pages in all", "expected at most 100000000 pages", field="rows")

    @property
    def table_rows(self) -> Int64:
        """int64[tables], falling."""
        return np.rint(np.geomspace(self.rows, self.smallest, self.tables)).astype(np.int64)

    @property
    def pages(self) -> Int64:
        """int64[tables]."""
        return -(-self.table_rows // (parse_size(self.page) // parse_size(self.row_size)))


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``steps`` steps over pages of ``page`` bytes, numbered table by table, all of them there from the start.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    p.limit_reads(totals(params).reads)
    looked = params.batch * params.lookups
    pages, per_page = int(params.pages.sum()), parse_size(params.page) // parse_size(params.row_size)
    below = [np.cumsum(popularity(int(rows), params.exponent)) for rows in params.table_rows]
    lies = [_places(params, int(rows), rng) // per_page for rows in params.table_rows]
    starts = np.cumsum(params.pages) - params.pages
    ends, parts = [np.zeros(1, dtype=np.int64)], []
    most = max(1, _AT_ONCE // (looked * params.tables))
    for at in range(0, params.steps, most):
        many = min(most, params.steps - at)
        each = np.repeat(np.arange(many), looked)
        found = [
            start + place[sorted_ranks(rng, sums, len(each))] for start, place, sums in zip(starts, lies, below, strict=True)
        ]
        step = np.concatenate([rng.permutation(each) for _ in found])
        indptr, blocks = gathered(step, np.concatenate(found), many, pages)
        ends.append(ends[-1][-1] + indptr[1:])
        parts.append(blocks)
    return Trace(
        indptr=np.concatenate(ends),
        blocks=np.concatenate(parts),
        birth=np.full(pages, -1, dtype=np.int32),
        death=np.full(pages, params.steps, dtype=np.int32),
        size=np.array([parse_size(params.page)], dtype=np.int64),
        size_unit="bytes",
        meta={"generator": "embedding", "parameters": dataclasses.asdict(params)},
    )


def _places(params: Params, rows: int, rng: np.random.Generator) -> Int64:
    """Where in its table the row of each rank lies."""
    return np.arange(rows) if params.layout == "popular" else rng.permutation(rows)


def totals(params: Params) -> Totals:
    """Pages are exact; reads are counted as if no two lookups of a batch shared a page."""
    size, steps, pages = parse_size(params.page), params.steps, int(params.pages.sum())
    reads = steps * int(np.minimum(params.pages, params.batch * params.lookups).sum())
    return Totals(steps, pages, reads, 1, pages * (steps + 1), pages * size, size, size, reads * size, exact=False)


GENERATOR = Params, generate
SMALL = {"steps": 1, "batch": 1, "lookups": 1, "tables": 1, "rows": 1, "smallest": 1}
OUTLINE = Outline("steps", totals, small=lambda _: SMALL)
