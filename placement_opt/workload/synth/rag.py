"""Retrieval-augmented generation: documents shared by requests, whose KV is cached in prompts' order or each for itself.

A step is one request. Its prompt is instructions, then ``retrieved`` different documents, then a question. Documents are drawn
one after another without putting back, with probability proportional to ``rank**-exponent``. ``order`` says what may be reused:

``relevance``
    Prefixes, documents in the order drawn: the KV of a document depends on all before it, so that only equal beginnings share.
``popularity``
    Prefixes, popular documents first, which makes more beginnings equal: what cache-aware reordering aims at.
``free``
    Each document by itself, wherever it stands in the prompt (position-independent caching of chunks).

Blocks that exist are read, the others are produced; a question is nobody else's and is no block here, answers are never cached.
Documents are whole blocks. ``keep`` and ``ttl`` are those of ``requests``, of each prefix or document.

The defaults follow RAGCache (arXiv 2404.12457), which reports that 3 % of the documents take 60 % of the retrievals: with
10,000 documents that is an exponent of 1. Lengths and the number retrieved are chosen; requests are independent, so that nobody
asks twice about one thing in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import parse_duration
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.chains import Uses, trace_of
from placement_opt.workload.synth.distinct import Distinct
from placement_opt.workload.synth.draws import lengths, popularity
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.trace import Trace

ORDERS = ("relevance", "popularity", "free")


@dataclass(frozen=True)
class Params:
    """Settings of the generator of retrievals; InputError for values out of range."""

    requests: int = p.integer(1000, 1, "requests; each is one step", 10**7)
    requests_per_second: float = p.number(2.0, 0, 1e9, "rate of requests (a Poisson process)", open_low=True)
    documents: int = p.integer(10_000, 1, "documents that may be retrieved", 10**7)
    exponent: float = p.number(1.0, 0, 10, "how steeply the popularity of documents falls with rank")
    retrieved: int = p.integer(3, 1, "different documents of a request", 10**4)
    document: int = p.integer(1000, 1, "median tokens of a document", 10**6)
    document_spread: float = p.number(0.6, 0, 5, "its spread: the standard deviation of the logarithm")
    prefix_tokens: int = p.integer(256, 0, "tokens of the instructions that all prompts open with", 10**6)
    order: str = p.choice("relevance", ORDERS, "what may be reused: prefixes, documents in one of two orders, or documents")
    block_tokens: int = p.integer(64, 1, "tokens of a block", 10**6)
    keep: str = p.choice("forever", ("forever", "ttl"), "how long blocks live")
    ttl: str | None = p.duration(None, "time without use after which a block is freed (with keep = ttl)")

    def __post_init__(self) -> None:
        p.check(self)
        p.check_keep(self.keep, self.ttl)
        if self.retrieved > self.documents:
            raise InputError(f"found {self.retrieved}", f"expected at most all documents, {self.documents}", field="retrieved")


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``requests`` steps over blocks of ``block_tokens`` tokens of all layers, without layers or labels.

    Reads have places in the prompt (``position``) where prefixes are reused.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    time = np.cumsum(rng.exponential(1 / params.requests_per_second, params.requests))
    blocks = -(-lengths(rng, params.document, params.document_spread, params.documents) // params.block_tokens)
    draws = Distinct(popularity(params.documents, params.exponent), params.retrieved, rng)
    found = draws.rows(params.requests).astype(np.int64)
    if params.order == "popularity":
        found.sort(axis=1)
    chain = found + 1 if params.order == "free" else nodes(found)
    steps, shared = params.requests, params.prefix_tokens // params.block_tokens
    ttl = np.inf if params.ttl is None else float(parse_duration(params.ttl))
    uses = Uses(
        step=np.repeat(np.arange(steps), params.retrieved + 1),
        chain=np.concatenate([np.zeros((steps, 1), dtype=np.int64), chain], axis=1).ravel(),
        wanted=np.concatenate([np.full((steps, 1), shared), blocks[found]], axis=1).ravel(),
        time=time,
        ttl=ttl,
    )
    return trace_of(uses, params, "rag", prefixes=params.order != "free")


def nodes(found: Int64) -> Int64:
    """int64, as ``found``: the number, from 1, of each prefix of documents of a row; equal prefixes have one number."""
    nodes, taken = np.zeros(len(found), dtype=np.int64), 1
    columns = []
    for column in found.T:
        _, number = np.unique(nodes * (int(found.max()) + 1) + column, return_inverse=True)
        nodes = taken + number
        taken += int(number.max()) + 1
        columns.append(nodes)
    return np.stack(columns, axis=1)


GENERATOR = Params, generate
OUTLINE = Outline("requests", None, grows=True, freed=lambda params: params.keep != "forever")
