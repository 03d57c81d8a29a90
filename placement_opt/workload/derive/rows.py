"""From pages and iterations to blocks and steps: layers in groups, each with blocks of its own, in one step or one each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import LimitError


@dataclass(frozen=True, eq=False)
class Grid:
    """T iterations, of which some are idle; P pages; groups of layers.

    Attributes
    ----------
    running
        bool[T]: the iterations that are not idle.
    birth
        int64[P]: the iteration that produces each page.
    groups
        The layers of each group: a block is what they have of a page.
    each
        Whether each group is a step of its own, in this order, or all of them are one. An idle iteration is one step.
    """

    running: Flags
    birth: Int64
    groups: Sequence[int]
    each: bool

    @property
    def turns(self) -> int:
        """Steps of an iteration."""
        return len(self.groups) if self.each else 1

    @property
    def begins(self) -> Int64:
        """int64[T + 1]: the first step of each iteration, and how many steps there are."""
        return np.concatenate([[0], np.cumsum(np.where(self.running, self.turns, 1))]).astype(np.int64)

    def step(self, iterations: Int64, group: int) -> Int64:
        """The step of a group in iterations that are not idle."""
        return np.asarray(self.begins[iterations] + (group if self.each else 0))

    def blocks(self) -> tuple[Int64, Int64, Int64]:
        """Blocks in order of production, then of pages, then of groups: int64[groups, P] numbers; page and group of each."""
        count, pages = len(self.groups), len(self.birth)
        steps = np.stack([self.step(self.birth, group) for group in range(count)])
        group, page = np.divmod(np.arange(count * pages), max(pages, 1))
        order = np.lexsort((group, page, steps.ravel()))
        number = np.empty(count * pages, dtype=np.int64)
        number[order] = np.arange(len(order))
        return number.reshape(count, pages), page[order], group[order]


@dataclass(frozen=True, eq=False)
class Rows:
    """Reads sorted by step and block, each pair once; ``tokens``: of each that are there, None where pages are read whole."""

    indptr: Int64
    blocks: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.uint16] | None


class Gatherer:
    """Reads, added in any order; a read of a block in a step that is added several times counts once.

    Parameters
    ----------
    steps, blocks
        How many there are.
    most
        Tokens of a page, where reads of a part are told apart; 1: none is.
    """

    def __init__(self, steps: int, blocks: int, most: int) -> None:
        self.steps, self.blocks, self.most = steps, blocks, most
        self._shift = most.bit_length() if most > 1 else 0
        self._width = self._shift + blocks.bit_length()
        if self._width + steps.bit_length() > 62:
            raise LimitError(f"found {steps} steps and {blocks} blocks, expected fewer (--limit)")
        self._keys: list[Int64] = []

    def add(self, steps: Int64, blocks: Int64, tokens: Int64 | None = None) -> None:
        """Single reads; ``tokens``: of each block that are there, None for whole ones."""
        keys = steps << self._width
        keys |= blocks << self._shift
        keys |= (self.most if tokens is None else tokens) if self._shift else 0
        self._keys.append(keys)

    def add_spans(self, first: Int64, last: Int64, stride: Int64, blocks: Int64) -> None:
        """Whole reads of a block at the steps ``stride[first .. last]``, both included."""
        lengths = last - first + 1
        ends = np.cumsum(lengths)
        place = np.arange(int(ends[-1]) if len(ends) else 0)
        place += np.repeat(first - (ends - lengths), lengths)
        keys = stride[place] << self._width
        keys |= np.repeat(blocks << self._shift | (self.most if self._shift else 0), lengths)
        self._keys.append(keys)

    def rows(self, *, twice: bool) -> Rows:
        """All of them; ``twice``: whether any may have been added several times."""
        keys = self._keys[0] if len(self._keys) == 1 else np.concatenate([np.zeros(0, dtype=np.int64), *self._keys])
        self._keys = []
        keys.sort()
        if twice and len(keys):
            keys = keys[np.append(True, keys[1:] >> self._shift != keys[:-1] >> self._shift)]
        indptr = np.searchsorted(keys, np.arange(self.steps + 1, dtype=np.int64) << self._width).astype(np.int64)
        tokens = (keys & ((1 << self._shift) - 1)).astype(np.uint16) if self._shift else None
        keys >>= self._shift
        keys &= (1 << (self._width - self._shift)) - 1
        return Rows(indptr, keys.astype(np.int32), tokens)


def spans(first: Int64, last: Int64) -> int:
    """How many reads :meth:`Gatherer.add_spans` makes of these."""
    return int((last - first + 1).sum())


def groups_of(windows: Sequence[int | None], *, each: bool) -> list[tuple[int | None, int]]:
    """(window, how many layers) of each group: every layer, or all layers of a window together, in order of their first."""
    if each:
        return [(window, 1) for window in windows]
    return [(window, list(windows).count(window)) for window in _distinct(windows)]


def _distinct(values: Iterable[int | None]) -> list[int | None]:
    return list(dict.fromkeys(values))
