"""Diffusion decoding with a sparse cache: text is denoised block by block, and each block's cache is made anew as a whole.

The rule is that of Sparse-dLLM (arXiv 2508.02558 and its code). Prompt and answer have a fixed length from the first step on,
what is not decoded is masked. The answer's blocks are decoded one after another in ``steps`` denoising steps each. Steps
``0 .. delay`` pass the whole sequence and read no cache; the last of them keeps, in every layer, ``floor(keep * others)`` of
the tokens outside the block, decoded or not (attention looks both ways). All later steps of the block pass the block's tokens
alone, and read all that was kept. The block's own KV is made anew in every step and never leaves the processor.

With ``refresh`` the cache is made anew within a block, too, every so many steps. ``keep = 1`` keeps all others, a dense cache
with the same refreshes. Kept tokens lie side by side in pages, whichever they are, and the last page has what is left over; so
nothing is drawn, and two caches have no block in common. Which tokens are kept matters to the answer's quality, not to traffic.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.synth.spans import spans
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class Params:
    """Settings of the generator of diffusion; InputError for values out of range."""

    layers: int = p.integer(32, 1, "layers", 4096)
    prompt: int = p.integer(1024, 0, "tokens of the prompt", 2**30)
    blocks: int = p.integer(8, 1, "blocks of the answer", 2**24)
    block_tokens: int = p.integer(32, 1, "tokens of a block of the answer", 2**20)
    steps: int = p.integer(32, 2, "denoising steps of a block", 2**20)
    delay: int = p.integer(1, 0, "denoising steps of a block before the one that fills the cache", 2**20)
    keep: float = p.number(0.5, 0, 1, "share of the tokens outside the block that is kept", open_low=True)
    refresh: int | None = p.integer(None, 2, "denoising steps after which a cache is made anew (default: once a block)", 2**20)
    page_tokens: int = p.integer(16, 1, "kept tokens of a page, which is a block of the trace, in one layer", 2**20)

    def __post_init__(self) -> None:
        p.check(self)
        if self.delay > self.steps - 2:
            found = f"found {self.delay}"
            raise InputError(found, f"expected at most {self.steps - 2}, so that a step reads the cache", field="delay")
        if self.kept == 0:
            found = f"found {self.keep:g}, none of {self.others} tokens"
            raise InputError(found, "expected a share that keeps one at least", field="keep")
        if self.blocks * len(self.filled) * self.pages * self.layers >= 2**31:
            raise InputError(f"found {self.blocks}", "expected fewer than 2**31 pages in all", field="blocks")
        if self.blocks * self.steps * self.layers >= 2**31 - 1:
            raise InputError(f"found {self.steps}", "expected fewer than 2**31 steps in all", field="steps")

    @property
    def others(self) -> int:
        """Tokens outside a block."""
        return self.prompt + (self.blocks - 1) * self.block_tokens

    @property
    def kept(self) -> int:
        """Tokens in the cache of a layer."""
        return p.share_of(self.keep, self.others)

    @property
    def pages(self) -> int:
        """Of a layer's cache."""
        return -(-self.kept // self.page_tokens)

    @property
    def filled(self) -> range:
        """The denoising steps of a block that fill the cache; none that nobody would read."""
        return range(self.delay, self.steps - 1, self.refresh or self.steps)


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``blocks * steps * layers`` steps, layers taking turns; nothing is drawn.

    Sizes are in tokens of one layer. A cache's pages are produced by the step that fills it, in its layer, and freed after the
    last step that reads them.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    del rng
    p.limit_reads(totals(params).reads)
    layers, pages = params.layers, params.pages
    fills, reader, last = _caches(params)
    layer = np.arange(layers)
    # Caches are numbered as they are filled, layer by layer; each reads that of its layer.
    cache = reader[:, None] * layers + layer
    reads = np.where(reader < 0, 0, pages)[:, None].repeat(layers, axis=1).ravel()
    birth = (fills[:, None] * layers + layer).ravel()
    size = np.full((len(birth), pages), params.page_tokens, dtype=np.int64)
    size[:, -1] = params.kept - (pages - 1) * params.page_tokens
    turn = np.arange(len(reader) * layers) % layers
    return Trace(
        indptr=np.concatenate([[0], np.cumsum(reads)]),
        blocks=spans(cache.ravel() * pages, reads),
        birth=np.repeat(birth, pages).astype(np.int32),
        death=np.repeat((last[:, None] * layers + layer).ravel(), pages).astype(np.int32),
        size=size.ravel(),
        size_unit="token-layers",
        step_layer=turn.astype(np.int32),
        block_layer=np.repeat(np.tile(layer, len(fills)), pages).astype(np.int32),
        meta={"generator": "diffusion", "parameters": dataclasses.asdict(params), "kept_tokens": params.kept},
    )


def _caches(params: Params) -> tuple[Int64, Int64, Int64]:
    """The denoising steps, of all blocks, that fill each cache; the cache that each step reads (-1: none); its last reader."""
    within = np.full(params.steps, -1, dtype=np.int64)
    for number, step in enumerate(params.filled):
        within[step + 1 :] = number
        within[step] = -1
    many, blocks = len(params.filled), np.arange(params.blocks)[:, None]
    ends = np.array([np.flatnonzero(within == number)[-1] for number in range(many)])
    fills = (blocks * params.steps + np.array(params.filled)).ravel()
    reader = np.where(within < 0, -1, blocks * many + within).ravel()
    return fills, reader, (blocks * params.steps + ends).ravel()


def totals(params: Params) -> Totals:
    """All of it is known."""
    layers, pages, steps = params.layers, params.pages, params.blocks * params.steps * params.layers
    fills, reader, last = _caches(params)
    caches, reading = len(fills) * layers, int((reader >= 0).sum()) * layers
    life = int((last - fills).sum()) * layers
    least = params.kept - (pages - 1) * params.page_tokens
    return Totals(
        steps=steps,
        blocks=caches * pages,
        reads=reading * pages,
        layers=layers,
        pairs=life * layers * pages,
        peak=layers * params.kept,
        smallest=least,
        largest=params.page_tokens if pages > 1 else least,
        read_units=reading * params.kept,
    )


GENERATOR = Params, generate
SMALL = {"prompt": 1, "blocks": 1, "steps": 2, "delay": 0, "keep": 1.0, "refresh": None}
OUTLINE = Outline("blocks", totals, small=lambda _: SMALL, grows=True)
