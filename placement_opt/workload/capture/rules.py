"""Which tokens a step reads, from the weights that attention gives them: the most heavy ones, a mass, or a threshold.

A rule is about pages of ``page_tokens`` consecutive tokens (1: single tokens). The weight of a page in a head is the sum of
its tokens' ones; heads are joined by their mean or their greatest, or choose each by itself and are read together (``any``).
Of equal weights the newer goes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError

#: How the heads of a layer are joined.
HEADS = ("mean", "max", "any")
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Rule:
    """One of ``top_k``, ``top_p`` and ``threshold``; InputError where it is none or several, or out of range.

    Attributes
    ----------
    top_k
        So many pages, those of the greatest weights; all where there are fewer.
    top_p
        The fewest pages that have at least this share, above 0 and up to 1, of all weights together.
    threshold
        Every page of at least this weight, above 0 and up to 1; none, where none has.
    heads
        One of ``HEADS``.
    page_tokens
        Tokens of a page; the first page begins with token 0.
    """

    top_k: int | None = None
    top_p: float | None = None
    threshold: float | None = None
    heads: str = "mean"
    page_tokens: int = 1

    def __post_init__(self) -> None:
        given = [name for name in ("top_k", "top_p", "threshold") if getattr(self, name) is not None]
        if len(given) != 1:
            found = "found no rule" if not given else f"found {' and '.join(map(_option, given))}"
            raise InputError(found, "expected one of --top-k, --top-p and --threshold")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"found {self.top_k}", "expected at least 1", field="top_k")
        for name in ("top_p", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise InputError(f"found {value:g}", "expected a number above 0 and up to 1", field=name)
        if self.heads not in HEADS:
            raise InputError(f"found {self.heads!r:.40}", f"expected one of {', '.join(HEADS)}", field="heads")
        if not 1 <= self.page_tokens < 2**31:
            raise InputError(f"found {self.page_tokens}", "expected at least 1", field="page_tokens")

    def __str__(self) -> str:
        """``"top-k 64, mean of heads, pages of 16"``."""
        name, value = next((name, getattr(self, name)) for name in ("top_k", "top_p", "threshold") if getattr(self, name))
        heads = {"mean": "mean of heads", "max": "greatest of heads", "any": "chosen by any head"}[self.heads]
        return f"{name.replace('_', '-')} {value:g}, {heads}, pages of {self.page_tokens}"

    def choose(self, attention: Floats, first: int = 0) -> Int64:
        """The columns that are read, ascending, all of a page together.

        Parameters
        ----------
        attention
            [heads, tokens], from 0: what each head of a layer gives to each token.
        first
            The token of column 0 (a layer with a window attends to the newest tokens alone), so that pages begin where they do.
        """
        starts, sums = self.pages(attention, first)
        if self.heads == "any":
            pages = np.unique(np.concatenate([self._chosen(one) for one in sums]))
        else:
            pages = np.sort(self._chosen(sums.mean(axis=0) if self.heads == "mean" else sums.max(axis=0)))
        ends = np.append(starts[1:], attention.shape[1])
        lengths = ends[pages] - starts[pages]
        before = np.cumsum(lengths) - lengths
        return np.repeat(starts[pages] - before, lengths) + np.arange(int(lengths.sum()))

    def pages(self, attention: Floats, first: int) -> tuple[Int64, npt.NDArray[np.float64]]:
        """The first column of each page, and [heads, pages] their weights."""
        columns, size = attention.shape[1], self.page_tokens
        starts = np.maximum(np.arange(first // size, (first + columns - 1) // size + 1, dtype=np.int64) * size - first, 0)
        values = attention.astype(np.float64)
        return starts, values if size == 1 else np.add.reduceat(values, starts, axis=1)

    def _chosen(self, weights: npt.NDArray[np.float64]) -> Int64:
        """Pages by their weights, [pages], in no order that counts."""
        if self.threshold is not None:
            return np.flatnonzero(weights >= self.threshold)
        order = in_order(weights)
        if self.top_k is not None:
            return order[: self.top_k]
        assert self.top_p is not None
        below = np.cumsum(weights[order])
        return order[: int(np.searchsorted(below, self.top_p * below[-1])) + 1]


def in_order(weights: npt.NDArray[Any]) -> Int64:
    """Places of weights, [n], the greatest first; of equal ones the later first."""
    return np.lexsort((-np.arange(len(weights)), -weights))


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
