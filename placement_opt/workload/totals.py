"""How much there is of a trace: steps, blocks, reads, sizes; said of a generator's before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Totals:
    """Sizes are in the trace's unit.

    Attributes
    ----------
    steps, blocks, reads, layers
        T, B, N, and the number of layers whose steps take turns (1 without layers).
    pairs
        (block, state) pairs at which a block is alive.
    peak
        Units alive at the state that has most of them.
    smallest, largest
        Sizes of the smallest and the largest block.
    read_units
        Units that all reads transfer together.
    exact
        False: a guess from a part of the trace, or an upper limit.
    firm
        Whether ``peak``, ``smallest`` and ``largest`` are exact.
    drawn
        Reads of single tokens that are made before they are gathered in pages.
    steps_of_token
        Steps of a token where they are not as many as there are layers; 0: one of each layer.
    """

    steps: int
    blocks: int
    reads: int
    layers: int
    pairs: int
    peak: int
    smallest: int
    largest: int
    read_units: int
    pieces: int = 1
    exact: bool = True
    firm: bool = True
    drawn: int = 0
    steps_of_token: int = 0

    @property
    def token_steps(self) -> int:
        """Steps of a token."""
        return self.steps_of_token or self.layers

    @property
    def equal(self) -> bool:
        """Whether all blocks have one size."""
        return self.smallest == self.largest

    def paged(self, page_tokens: int, *, alike: bool) -> Totals:
        """The same in pages of so many tokens, where a page is read at most once by each step of its layer.

        ``alike``: all layers have the same tokens.
        """
        if page_tokens == 1:
            return self
        reads = min(self.reads, -(-self.pairs // (page_tokens * self.layers)))
        whole = self.peak // (page_tokens * self.layers) * page_tokens * self.layers
        return replace(
            self,
            blocks=max(1, self.blocks // page_tokens),
            reads=reads,
            pairs=self.pairs // page_tokens,
            peak=whole,
            smallest=page_tokens,
            largest=page_tokens,
            exact=False,
            firm=self.firm and alike and whole > 0,
            drawn=self.reads,
        )

    def beside(self, steps_read: int, blocks: int, size: int) -> Totals:
        """The same with so many more blocks of one size, of which every step reads so many; no longer exact."""
        return replace(
            self,
            blocks=self.blocks + blocks,
            reads=self.reads + steps_read * self.steps,
            pairs=self.pairs + blocks * (self.steps + 1),
            peak=self.peak + blocks * size,
            smallest=min(self.smallest, size),
            largest=max(self.largest, size),
            read_units=self.read_units + steps_read * size * self.steps,
            exact=False,
            firm=False,
        )

    def times(self, factor: float, *, freed: bool) -> Totals:
        """A guess at a trace so many times as long, all of it alike; ``freed``: blocks do not stay to its end."""
        longer = {key: round(factor * getattr(self, key)) for key in ("steps", "blocks", "reads", "pairs", "read_units")}
        if not freed:
            longer |= {"peak": round(factor * self.peak), "pairs": round(factor * longer["pairs"])}
        return replace(self, exact=False, firm=False, **longer)
