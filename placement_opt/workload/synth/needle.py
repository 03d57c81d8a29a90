"""Long contexts, decoded with a window: recent pages and sinks all the time, and rare returns to pages far back.

Every token reads, in every layer, the first ``sinks`` pages of the context and the newest ``window`` of them. Now and then the
text needs what stands far back: for some tokens in a row a needle, ``span`` pages next to each other, is read as well, by the
layers that retrieve. Needles lie anywhere in the prompt, which is how needle-in-a-haystack tests plant them; a return goes to
one of them at random, so that the same pages come back after long pauses.

What is known: heads that retrieve are less than 5 % of all, the same whatever the context, and read the needle while its words
are repeated (arXiv 2404.15574); sinks and a window are those of arXiv 2309.17453. Unknown and chosen: how many layers have such
a head (a quarter), how often text returns, for how long. Pages are read whole or not at all; all layers have one window.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.synth.spans import spans
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class Params:
    """Settings of the generator of returns; InputError for values out of range."""

    layers: int = p.integer(4, 1, "layers", 4096)
    prefill: int = p.integer(8192, 1, "tokens that exist before the first step", 2**30)
    tokens: int = p.integer(256, 1, "tokens decoded; each is one step per layer", 2**24)
    page_tokens: int = p.integer(16, 1, "tokens of a page, which is a block of one layer", 2**20)
    sinks: int = p.integer(1, 0, "pages of the beginning that every token reads", 2**20)
    window: int = p.integer(32, 1, "newest pages that every token reads", 2**20)
    needles: int = p.integer(20, 1, "places of the prompt that are returned to", 10**6)
    span: int = p.integer(4, 1, "pages of a needle", 2**20)
    returns: float = p.number(0.02, 0, 1, "chance that a token begins a return, while there is none")
    stay: float = p.number(8.0, 1, 1e6, "mean number of tokens that a return lasts (geometric)")
    retrieving: float = p.number(0.25, 0, 1, "share of the layers that return; which ones is drawn")

    def __post_init__(self) -> None:
        p.check(self)
        if self.prefill // self.page_tokens < self.span:
            found = f"found {self.span}, more than the prompt's {self.prefill // self.page_tokens} full pages"
            raise InputError(found, "expected at most those", field="span")
        if self.pages * self.layers >= 2**31:
            raise InputError(f"found {self.tokens}", "expected fewer than 2**31 pages in all", field="tokens")

    @property
    def pages(self) -> int:
        """Of one layer at the end; tokens that fill none wait at the processor."""
        return (self.prefill + self.tokens) // self.page_tokens


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``tokens * layers`` steps; step ``i * layers + l`` is token ``prefill + i`` in layer l.

    Block ``page * layers + layer`` is produced by the step that makes its last token; sizes are in tokens of one layer.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    p.limit_reads(totals(params).reads)
    layers, tokens = params.layers, params.tokens
    far = returns(params, rng)
    retrieves = np.zeros(layers, dtype=np.bool_)
    retrieves[rng.choice(layers, p.share_of(params.retrieving, layers), replace=False)] = True
    head, recent, there = _dense(params)
    begin = np.clip(far, head, recent)
    many = np.where(far < 0, 0, np.clip(far + params.span, head, recent) - begin)
    # Three runs of pages a step: sinks, the needle, the window.
    first = np.stack([np.zeros(tokens, dtype=np.int64), begin, recent], axis=1)
    count = np.stack([head, many, there - recent], axis=1)
    first, count = np.repeat(first, layers, axis=0), np.repeat(count, layers, axis=0)
    layer = np.arange(tokens * layers) % layers
    count[~retrieves[layer], 1] = 0
    reads = count.sum(axis=1)
    blocks = spans(first.ravel(), count.ravel())
    blocks *= layers
    blocks += np.repeat(layer.astype(np.int32), reads)
    ids = np.arange(params.pages * layers, dtype=np.int64)
    return Trace(
        indptr=np.concatenate([[0], np.cumsum(reads)]),
        blocks=blocks,
        birth=_birth(params, ids).astype(np.int32),
        death=np.full(len(ids), tokens * layers, dtype=np.int32),
        size=np.array([params.page_tokens], dtype=np.int64),
        size_unit="token-layers",
        step_token=np.repeat(np.arange(tokens, dtype=np.int32) + np.int32(params.prefill), layers),
        step_layer=layer.astype(np.int32),
        block_token=(ids // layers * params.page_tokens).astype(np.int32),
        block_layer=(ids % layers).astype(np.int32),
        meta={"generator": "needle", "parameters": dataclasses.asdict(params)},
    )


def returns(params: Params, rng: np.random.Generator) -> Int64:
    """int64[tokens]: the first page of the needle that each token reads, -1 where it reads none."""
    starts = rng.integers(0, params.prefill // params.page_tokens - params.span + 1, params.needles)
    far = np.full(params.tokens, -1, dtype=np.int64)
    if params.returns == 0:
        return far
    many = int(params.tokens * params.returns) + 1
    at = 0
    while at < params.tokens:
        pause = rng.geometric(params.returns, many) - 1
        stay = rng.geometric(1 / params.stay, many)
        needle = starts[rng.integers(0, params.needles, many)]
        begin = at + np.cumsum(pause + stay) - stay
        row = np.repeat(np.stack([np.full(many, -1), needle], axis=1).ravel(), np.stack([pause, stay], axis=1).ravel())
        part = row[: params.tokens - at]
        far[at : at + len(part)] = part
        at = int(begin[-1] + stay[-1])
    return far


def _dense(params: Params) -> tuple[Int64, Int64, Int64]:
    """int64[tokens], each: sinks, where the window begins, pages that there are."""
    there = np.arange(params.prefill, params.prefill + params.tokens) // params.page_tokens
    head = np.minimum(params.sinks, there)
    return head, np.maximum(head, there - params.window), there


def _birth(params: Params, ids: Int64) -> npt.NDArray[np.int64]:
    last = (ids // params.layers + 1) * params.page_tokens - 1 - params.prefill
    return np.where(last < 0, -1, last * params.layers + ids % params.layers)


def totals(params: Params) -> Totals:
    """Exact but for returns, which are counted as if there were always one."""
    layers, steps = params.layers, params.layers * params.tokens
    head, recent, there = _dense(params)
    far = p.share_of(params.retrieving, layers) if params.returns else 0
    needles = far * int(np.minimum(params.span, recent - head).sum())
    reads = layers * int((head + there - recent).sum()) + needles
    blocks, each = params.pages * layers, params.page_tokens
    # Pages come in order: sum their births page by page.
    last = (np.arange(params.pages, dtype=np.int64) + 1) * each - 1 - params.prefill
    births = int(np.where(last < 0, -layers, last * layers * layers + layers * (layers - 1) // 2).sum())
    return Totals(
        steps, blocks, reads, layers, blocks * steps - births, blocks * each, each, each, reads * each, exact=needles == 0
    )


GENERATOR = Params, generate
OUTLINE = Outline("tokens", totals, small=lambda each: {"prefill": each.page_tokens, "tokens": 1, "span": 1, "returns": 0.0})
