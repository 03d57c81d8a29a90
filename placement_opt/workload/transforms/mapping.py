"""How KV lies on pages: which of it is contiguous, in how many pieces a block is, and how much is programmed for a token.

Keys and values lie apart (one vector, where attention is latent), each sequence's by itself. ``head-grouped``: the tokens of
one head group follow each other; ``token-major``: the head groups of one token do, so that one head group's are scattered, a
vector in each place. What is new waits in a buffer beside each plane that all layers share: where it holds less than a page of
each, pages are written before they are full, and stay so (arXiv 2512.03608; how much of a page a layer's share of the buffer
holds is inferred from the labels of its figure 12).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.trace import Trace

LAYOUTS = ("head-grouped", "token-major")
#: Of 365 days.
YEAR_S = 365 * 86400


@dataclass(frozen=True)
class Mapping:
    """Where the numbers of a KV block lie.

    Attributes
    ----------
    layout
        One of ``LAYOUTS``.
    page
        Bytes of a page; None: bytes lie where they like.
    buffer
        Bytes beside each plane in which the new KV of all layers and sequences waits; None: as much as there is of it.
    layers, head_groups
        Of the model that keep KV; of a layer.
    vector
        Bytes of one token's keys in one head group; its values take as many.
    vectors
        2, keys and values; 1 where they are one latent vector.
    sequences
        Of which a block has the tokens.
    """

    layout: str
    page: int | None
    buffer: int | None
    layers: int
    head_groups: int
    vector: Fraction
    vectors: int
    sequences: int = 1

    @property
    def written(self) -> Fraction | None:
        """Bytes that are written to a page at once, and all that it then has; None without pages.

        Keys and values lie on different planes: the buffer of a plane holds either of every layer, or half the layers' both.
        """
        if self.page is None or self.buffer is None:
            return None if self.page is None else Fraction(self.page)
        return min(Fraction(self.page), Fraction(self.vectors * self.buffer, self.layers * self.sequences))

    @property
    def stretch(self) -> Fraction | None:
        """Bytes of one head group that follow each other; None: all of a block's keys, or values, of a sequence."""
        scattered = self.layout == "token-major" and self.head_groups > 1
        bounds = [self.vector] if scattered else []
        if self.buffer is not None and self.written is not None and self.written < Fraction(self.page or 0):
            bounds.append(self.written)
        return min(bounds) if bounds else None

    def pieces(self, sizes: Int64) -> Int64:
        """int64: in how many pieces blocks of so many bytes are."""
        streams = self.vectors * self.sequences
        if self.stretch is None:
            return np.minimum(np.full_like(sizes, streams), sizes)
        each = self.stretch * streams
        return np.minimum(streams * -(-sizes * each.denominator // each.numerator), sizes)


def mapped(trace: Trace, mapping: Mapping) -> Trace:
    """The trace, sized in bytes, with its KV blocks in pieces.

    A piece is whole bytes: a block that its pieces do not divide is padded, by less than a byte a piece.

    Raises
    ------
    InputError
        The trace is sized in tokens, or has pieces already.
    """
    if trace.size_unit != "bytes" or trace.pieces is not None:
        found = f"found blocks sized in {trace.size_unit}" if trace.pieces is None else "found blocks in pieces"
        raise InputError(found, "expected whole blocks sized in bytes", field="size_unit" if trace.pieces is None else "pieces")
    size, pieces = trace.sizes.astype(np.int64), np.ones(trace.num_blocks, dtype=np.int32)
    kv = slice(None) if trace.block_kind is None else trace.block_kind == BLOCK_KINDS.index("kv")
    counts = mapping.pieces(size[kv])
    pieces[kv] = counts
    size[kv] = counts * -(-size[kv] // counts)
    return dataclasses.replace(trace, size=size, pieces=pieces)


@dataclass(frozen=True)
class Written:
    """What a decoded token writes, on the average of many.

    Attributes
    ----------
    size
        Bytes of its KV in all layers.
    pages
        Pages that are programmed for it.
    amplification
        Bytes of these pages over those written.
    """

    size: Fraction
    pages: Fraction
    amplification: Fraction


def written_per_token(mapping: Mapping) -> Written:
    """Of one token of every sequence; without pages as many bytes are programmed as are written."""
    size = mapping.layers * mapping.head_groups * mapping.vectors * mapping.sequences * mapping.vector
    page, at_once = mapping.page or 1, mapping.written or Fraction(1)
    return Written(size, size / at_once, page / at_once)


def cycles_per_year(programmed: Fraction, tokens_per_second: Fraction, capacity: int) -> Fraction:
    """P/E cycles that a year (365 days) takes of flash of so many bytes, all of it used evenly, at so many bytes a token."""
    return programmed * tokens_per_second * YEAR_S / capacity


def block_reads(mapping: Mapping, tokens: int, pages_per_block: int, *, alone: int = 1) -> Fraction:
    """Page reads of one erase block, full of KV, while so many tokens are decoded before it is rewritten.

    Parameters
    ----------
    mapping
        Of the KV, with pages.
    tokens
        Decoded from when the pages are written until the block is erased.
    pages_per_block
        Of the flash.
    alone
        Query heads that share a KV head and are served one by one, each reading it anew; 1: together.
    """
    held = mapping.written or Fraction(1)
    each = held / min(mapping.stretch or held, held)  # a page is read once for each stretch in it
    return alone * each * pages_per_block * tokens
