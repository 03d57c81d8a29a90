"""Sparse attention: the pages that each decoded token selects, by a model of locality with a seed.

Of k pages a token takes the first ones (sinks), the latest ones, and m of those between. These are drawn with inclusion
probabilities proportional to a Zipf law over their ranks, capped at 1: the pages, most popular first, are cut into m strata of
about equal probability, of each of which one is drawn. For the next token each of the m draws stays with a given chance, and
else is made anew; so a selection has m distinct pages always. The pages between that are there when a request first has to
select have ranks in random order (of its own, and of the layer's); those that come later follow them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64, Int64

#: Draws of one request that are made at a time.
AT_ONCE = 2**22


@dataclass(frozen=True)
class Locality:
    """The settings: pages in all, first and latest ones, the chance to stay, the exponent of popularity."""

    pages: int
    first: int
    latest: int
    stay: float
    exponent: float

    @property
    def between(self) -> int:
        """m."""
        return self.pages - self.first - self.latest


def locality(pages: int, sinks: int, recent: float, stay: float, exponent: float) -> Locality:
    """From ``sinks`` pages and a share of ``recent`` ones, rounded up; the sinks go first where there are too few pages."""
    first = min(sinks, pages)
    return Locality(pages, first, min(pages - first, int(np.ceil(round(recent * pages, 9)))), stay, exponent)


class Selector:
    """Selections by one law; ``most``: pages that any request has."""

    def __init__(self, law: Locality, most: int) -> None:
        self.law = law
        self.weight = np.concatenate([[0.0], np.cumsum(np.arange(1, most + 1, dtype=float) ** -law.exponent)])
        self._known: dict[int, Int64] = {}

    def select(self, rng: np.random.Generator, there: Int64, streams: int) -> Iterator[tuple[Int64, Int64]]:
        """What the decoded tokens of one request select.

        Parameters
        ----------
        rng
            Drawn from, where there are more pages than are selected: a key for each stream and page between, then for some
            tokens at a time, so that ``AT_ONCE`` draws are not passed, points and chances of all streams, tokens and draws.
        there
            int64[n], never falling: pages that are there when each token is computed.
        streams
            Selections that are independent of each other (layers).

        Yields
        ------
        (int64[e], int64[streams, e, j])
            Tokens, by their place in ``there``, and pages that they select, j of each.
        """
        law = self.law
        few = int(np.searchsorted(there, law.pages, side="right"))
        for count in np.unique(there[:few]).tolist():
            yield self._fixed(np.flatnonzero(there[:few] == count), np.arange(count), streams)
        if few == len(there):
            return
        tokens = np.arange(few, len(there))
        if law.first:
            yield self._fixed(tokens, np.arange(law.first), streams)
        latest = there[tokens, None] - law.latest + np.arange(law.latest)
        yield tokens, np.broadcast_to(latest, (streams, *latest.shape))
        if law.between:
            yield from self._between(rng, tokens, there[tokens] - law.first - law.latest, streams)

    def _fixed(self, tokens: Int64, pages: Int64, streams: int) -> tuple[Int64, Int64]:
        return tokens, np.broadcast_to(pages, (streams, len(tokens), len(pages)))

    def _between(self, rng: np.random.Generator, tokens: Int64, counts: Int64, streams: int) -> Iterator[tuple[Int64, Int64]]:
        """Of the pages between, ``counts`` of which are there."""
        law, first = self.law, int(counts[0])
        order = np.tile(np.arange(int(counts[-1])), (streams, 1))
        order[:, :first] = np.argsort(rng.random((streams, first)), axis=1)
        order += law.first
        points = np.zeros((streams, 1, law.between))
        many = max(1, AT_ONCE // (streams * law.between))
        for low in range(0, len(tokens), many):
            drawn, chance = rng.random((2, streams, len(tokens[low : low + many]), law.between))
            every = np.concatenate([points, drawn], axis=1)
            token = np.where(chance < law.stay, 0, np.arange(1, every.shape[1])[:, None])
            if low == 0:
                token[:, 0] = 1
            token = np.maximum.accumulate(token, axis=1)
            every = np.take_along_axis(every, token, axis=1)
            points = every[:, -1:]
            ranks = self.ranks(every, counts[low : low + many])
            yield tokens[low : low + many], order[np.arange(streams)[:, None, None], ranks]

    def ranks(self, points: Float64, counts: Int64) -> Int64:
        """int64[streams, e, m]: the rank that each draw's point of [0, 1) falls on, of ``counts`` (int64[e]) pages."""
        weight, (values, place) = self.weight, np.unique(counts, return_inverse=True)
        first = np.stack([self._strata(count) for count in values.tolist()])
        low, high = weight[first[:, :-1]], weight[first[:, 1:]]
        at = np.searchsorted(weight, low[place] + points * (high - low)[place], side="right") - 1
        return np.asarray(np.clip(at, first[place, :-1], first[place, 1:] - 1))

    def _strata(self, count: int) -> Int64:
        """The same strata, made once for each of a few thousand counts."""
        if count not in self._known:
            if len(self._known) * self.law.between > AT_ONCE:
                self._known.clear()
            self._known[count] = self.strata(count)
        return self._known[count]

    def strata(self, count: int) -> Int64:
        """int64[m + 1]: the first rank of each stratum of so many pages, and their number.

        Ranks whose probability would pass 1 are a stratum each. Of the others a stratum begins at the first whose probabilities
        before it sum to a whole number; it has one rank at least, as none passes 1.
        """
        weight, draws = self.weight[: count + 1], self.law.between
        rest = weight[count] - weight[:draws]
        capped = int(np.argmax(np.append((draws - np.arange(draws)) * np.diff(weight[: draws + 1]) <= rest, True)))
        each = (weight[count] - weight[capped]) / max(1, draws - capped)
        first = np.arange(draws + 1)
        sums = weight[capped] + each * (first[capped:] - capped)
        first[capped:] = np.searchsorted(weight, sums * (1 - 1e-12))
        first[capped], first[-1] = capped, count
        first = np.maximum.accumulate(first - np.arange(draws + 1)) + np.arange(draws + 1)
        return np.asarray(np.minimum(first, count - draws + np.arange(draws + 1)))
