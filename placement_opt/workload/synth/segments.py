"""Memories of an embodied agent: segments of KV that plans recall, and that are made anew where the world changes.

The shape is that of KEEP (arXiv 2602.23592). A memory is groups of segments (what is known of an object, an example). A group
that has not changed for long is *static*, one unit whose KV is kept as a whole; of the others each segment is a unit, so that a
change costs itself alone. A planning request recalls ``recalled`` units, popular ones more often, and goes through all layers.
In every layer some of them, the most important, are computed anew and the KV of the others is loaded; whoever is computed anew
in a layer was so in all layers before, so that this share only shrinks, from ``recompute`` to ``recompute_last``. Before each
request ``updates`` segments of groups that are not static change: their KV is dead, and the request that follows produces it in
every layer, whether it recalls them or not.

Known is the mechanism; the shares that KEEP computes anew, how the share falls over layers (here: evenly), the popularity of
memories and the rate of changes are unknown and chosen. Groups stay static or not; KEEP has one become static after 10 updates.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.distinct import Distinct
from placement_opt.workload.synth.draws import popularity
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_UNITS, Trace

#: No block: greater than every number of one.
_NONE = np.int32(2**31 - 1)
#: Units that are recalled at once, all layers counted.
_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Params:
    """Settings of the generator of memories; InputError for values out of range."""

    layers: int = p.integer(8, 1, "layers", 4096)
    groups: int = p.integer(50, 1, "groups of segments", 10**6)
    group_segments: int = p.integer(8, 1, "segments of a group", 10**5)
    segment_tokens: int = p.integer(64, 1, "tokens of a segment", 2**20)
    static: float = p.number(0.5, 0, 1, "share of the groups that never change, each of them one unit")
    requests: int = p.integer(50, 1, "planning requests; each is one step per layer", 10**7)
    recalled: int = p.integer(40, 1, "units that a request recalls", 10**6)
    exponent: float = p.number(0.8, 0, 10, "how steeply the popularity of units falls with rank (0: all alike)")
    updates: int = p.integer(2, 0, "segments that change before each request", 10**6)
    recompute: float = p.number(0.3, 0, 1, "share of the recalled units that is computed anew in the first layer")
    recompute_last: float = p.number(0.05, 0, 1, "the same in the last layer")

    def __post_init__(self) -> None:
        p.check(self)
        if self.recalled > self.units:
            raise InputError(f"found {self.recalled}", f"expected at most all units, {self.units}", field="recalled")
        if self.updates > self.changing:
            found = f"found {self.updates}"
            raise InputError(found, f"expected at most the segments that may change, {self.changing}", field="updates")
        if self.recompute_last > self.recompute:
            found = f"found {self.recompute_last:g}"
            raise InputError(found, f"expected at most recompute, {self.recompute:g}", field="recompute_last")
        if (self.units + self.requests * self.updates) * self.layers >= 2**31 - 1:
            raise InputError(f"found {self.requests}", "expected fewer than 2**31 blocks in all", field="requests")
        if self.requests * self.layers >= 2**31 - 1:
            raise InputError(f"found {self.requests}", "expected fewer than 2**31 steps in all", field="requests")
        most = self.group_segments * self.segment_tokens
        if most > LARGEST_BLOCK or most * (self.units + self.requests * self.updates) * self.layers > MOST_UNITS:
            raise InputError(f"found {self.segment_tokens}", "expected at most 2**60 tokens in all", field="segment_tokens")

    @property
    def static_groups(self) -> int:
        """Groups that are one unit each."""
        return p.share_of(self.static, self.groups)

    @property
    def changing(self) -> int:
        """Segments that are one unit each."""
        return (self.groups - self.static_groups) * self.group_segments

    @property
    def units(self) -> int:
        """All of them; static groups are numbered first."""
        return self.static_groups + self.changing

    @property
    def computed(self) -> Int64:
        """int64[layers], falling: units of a request that each layer computes anew."""
        share = np.linspace(self.recompute, self.recompute_last, self.layers)
        return np.floor(share * self.recalled + 1e-9).astype(np.int64)


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of ``requests * layers`` steps, sizes in tokens of one layer.

    Block ``unit * layers + layer`` is there from the start; then come those that changes produce, as they do: request by
    request, layer by layer. What changed is dead from the end of the request before on.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    p.limit_reads(totals(params).reads)
    layers, requests = params.layers, params.requests
    changed = _changes(params, rng)
    history = _History(params, changed)
    unit_of_rank = rng.permutation(params.units)
    recall = Distinct(popularity(params.units, params.exponent), params.recalled, rng)
    loads = np.arange(params.recalled) >= params.computed[:, None]
    counts, parts, most = [], [], max(1, _AT_ONCE // (params.recalled * layers))
    for at in range(0, requests, most):
        many = min(most, requests - at)
        # Importance is drawn apart from popularity: the first in this order are computed anew.
        units = rng.permuted(unit_of_rank[recall.rows(many)], axis=1)
        blocks = history.blocks(units, np.arange(at, at + many))
        rows = np.where(loads & (blocks[:, :1] >= 0), blocks, _NONE)
        rows.sort(axis=2)
        counts.append((rows != _NONE).sum(axis=2).ravel())
        parts.append(rows[rows != _NONE])
    turn = np.arange(requests * layers, dtype=np.int32)
    return Trace(
        indptr=np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        blocks=np.concatenate(parts),
        birth=history.birth.astype(np.int32),
        death=np.maximum(history.death, history.birth + 1).astype(np.int32),
        size=np.where(history.unit < params.static_groups, params.group_segments, 1) * np.int64(params.segment_tokens),
        size_unit="token-layers",
        step_layer=turn % layers,
        block_layer=history.layer.astype(np.int32),
        meta={"generator": "segments", "parameters": dataclasses.asdict(params)},
    )


def _changes(params: Params, rng: np.random.Generator) -> Int64:
    """int64[requests, updates]: units that change before each request, different ones, ascending."""
    if params.updates == 0:
        return np.zeros((params.requests, 0), dtype=np.int64)
    even = Distinct(np.ones(params.changing), params.updates, rng)
    return np.asarray(np.sort(params.static_groups + even.rows(params.requests).astype(np.int64), axis=1))


class _History:
    """The blocks of every unit, one of each layer after another, and their lives.

    ``unit``, ``layer``, ``birth``, ``death``: int64[B].
    """

    def __init__(self, params: Params, changed: Int64) -> None:
        self.layers, self.requests, updates = params.layers, params.requests, params.updates
        self.first = params.units * self.layers
        layer = np.arange(self.layers)
        request = np.repeat(np.arange(self.requests), updates)
        steps = request[:, None] * self.layers + layer
        # Changes by unit, then by request: who comes next is the next one.
        key = changed.ravel() * self.requests + request
        order = np.argsort(key)
        self.keys = key[order]
        self.event = order
        self.updates = updates
        ends = np.full(params.units + len(key), self.requests, dtype=np.int64)
        place = np.searchsorted(self.keys, np.arange(params.units) * self.requests)
        after = np.concatenate([self.keys, [params.units * self.requests]])
        for owner, at, number in (
            (np.arange(params.units), place, np.arange(params.units)),
            (changed.ravel()[order], np.arange(len(key)) + 1, params.units + order),
        ):
            follows = after[at] // self.requests == owner
            ends[number[follows]] = after[at][follows] % self.requests
        produced = steps.reshape(self.requests, updates, self.layers).transpose(0, 2, 1).ravel()
        self.birth = np.concatenate([np.full(self.first, -1), produced])
        death = np.where(ends < self.requests, ends * self.layers - 1, self.requests * self.layers)
        self.unit = np.concatenate([np.repeat(np.arange(params.units), self.layers), self._spread(changed.ravel())])
        self.layer = np.concatenate([np.tile(layer, params.units), np.tile(np.repeat(layer, updates), self.requests)])
        self.death = np.concatenate([np.repeat(death[: params.units], self.layers), self._spread(death[params.units :])])

    def _spread(self, values: Int64) -> Int64:
        """Of each change -> of the blocks that changes produce."""
        return np.repeat(values.reshape(self.requests, 1, self.updates), self.layers, axis=1).ravel()

    def blocks(self, units: Int64, requests: Int64) -> npt.NDArray[np.int32]:
        """int32[K, layers, R]: blocks of the units that K requests recall; -1 in all layers where one has just changed."""
        key = units * self.requests + requests[:, None]
        place = np.searchsorted(self.keys, key)
        padded = np.concatenate([self.keys, [-1]])
        before = padded[place - 1]
        found = np.where(before // self.requests == units, place - 1, -1) if len(self.keys) else np.full_like(place, -1)
        event = np.concatenate([self.event, [0]])[found]
        layer = np.arange(self.layers)[:, None]
        base = self.first + event // max(1, self.updates) * self.layers * self.updates + event % max(1, self.updates)
        fresh = padded[place] == key
        blocks = np.where(
            (found < 0)[:, None, :], units[:, None, :] * self.layers + layer, base[:, None, :] + layer * self.updates
        )
        return np.where(fresh[:, None, :], -1, blocks).astype(np.int32)


def totals(params: Params) -> Totals:
    """As if no request recalled what has just changed; what lives at once is no more than all units, made anew once."""
    layers, steps = params.layers, params.layers * params.requests
    units, events = params.units, params.requests * params.updates
    blocks, loaded = (units + events) * layers, params.recalled - params.computed
    reads, large = params.requests * int(loaded.sum()), params.group_segments * params.segment_tokens
    held = (params.static_groups * params.group_segments + params.changing) * params.segment_tokens * layers
    pairs = units * layers * (steps + 1) + events * layers
    peak = held + params.updates * params.segment_tokens * layers
    small = params.segment_tokens if params.changing or params.group_segments == 1 else large
    largest = large if params.static_groups else params.segment_tokens
    return Totals(
        steps, blocks, reads, layers, pairs, peak, small, largest, reads * largest, exact=False, firm=params.updates == 0
    )


GENERATOR = Params, generate
SMALL = {"groups": 1, "group_segments": 1, "static": 0.0, "requests": 1, "recalled": 1, "updates": 0}
OUTLINE = Outline("requests", totals, small=lambda _: SMALL)
