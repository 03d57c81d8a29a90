"""What the steps of an instance ask for, each on its own, and what prices prove about it.

A step reads blocks; those of equal size and share are a *class*: only their number and their bytes matter. The proof is one
line of weak duality: for any resource prices rho >= 0 with ``sum_r B_r rho <= 1`` and rents lambda >= 0 a step takes at least

    (1 - sum_r B_r rho) l + rho F + W min_k rho c_write(k) + sum_g S_g min_k (a_g rho c_read(k) + lambda_k) - lambda C

with W bytes produced and S_g bytes of blocks of which the share a_g is read (inclusive: births go home, whose rent is 0). A
block lies in a set of tiers and is served by operations from them or by such as need no source, so that it pays at least what
the cheapest operation takes and the rent of its tier, or without a source that of any tier, or under the rule "cache" of none:

    c_read(k) = the cheapest of all operations whose source is k and of those without source;   cache: or k is no tier at all

What an operation takes for a block goes by the block's kind (:class:`placement_opt.instance.law.Loads`); W is summed by kinds,
and is nothing under the rule "cache", where births may be stored nowhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.sums import exact_sum
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency

_EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Steps:
    """T independent steps with G classes of blocks read, on K tiers and R resources; all bytes are integers.

    Blocks are of C kinds and there are V operations that serve, both as in :class:`placement_opt.instance.law.Loads`; an
    *amount* is bytes, or blocks, whatever the loads of the kind are for.

    Attributes
    ----------
    residency, home
        The rule and the home tier.
    rates
        int64[R].
    serve, store, source
        What operations load for an amount of one: int64[C, V, R] those that serve, whose tiers are int64[V] (-1 for none), and
        int64[C, K, R] storing.
    applies
        bool[C, V]: which of those that serve are for blocks of each kind.
    kind_size
        int64[C]: bytes of an amount of one.
    start
        int64[T + 1]: step t reads the classes start[t]:start[t + 1], larger shares first.
    share
        float64[G].
    room, count, size, kind
        int64[G]: bytes of the blocks of a class, their number, the bytes of one (0 where it has several sizes), their kind.
    births
        int64[T, C]: amounts produced that have to be stored.
    capacity, fixed, floor
        int64[T, K] bytes, int64[T, R] bytes, float64[T] seconds.
    """

    residency: Residency
    home: int
    rates: Int64
    serve: Int64
    store: Int64
    source: Int64
    applies: Flags
    kind_size: Int64
    start: Int64
    share: Float64
    room: Int64
    count: Int64
    size: Int64
    kind: Int64
    births: Int64
    capacity: Int64
    fixed: Int64
    floor: Float64

    def __len__(self) -> int:
        return len(self.births)

    @property
    def num_tiers(self) -> int:
        return int(self.store.shape[1])

    @property
    def read(self) -> Int64:
        """int64[K, R]: what reading one byte from each tier loads, where bytes are all that counts."""
        return self.serve[0, : self.num_tiers]

    @property
    def inclusive(self) -> bool:
        return self.residency == "inclusive"

    @property
    def limited(self) -> list[int]:
        """Tiers whose room reads compete for: all but the home tier of the inclusive rule, which holds everything anyway."""
        return [k for k in range(self.num_tiers) if not (self.inclusive and k == self.home)]

    @cached_property
    def owner(self) -> Int64:
        """int64[G]: the step of each class."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @cached_property
    def amount(self) -> Int64:
        """int64[G]: amount of the blocks of each class."""
        return self.room // self.kind_size[self.kind]

    @cached_property
    def served(self) -> Float64:
        """float64[T, C]: amounts read."""
        read, kinds = self.share * self.amount, range(len(self.kind_size))
        return np.stack([self.total(np.where(self.kind == kind, read, 0.0)) for kind in kinds], axis=1)

    @cached_property
    def total_room(self) -> Int64:
        """int64[T]: bytes of the blocks read."""
        sums = np.concatenate([[0], np.cumsum(self.room)])
        return np.asarray(sums[self.start[1:]] - sums[self.start[:-1]])

    @cached_property
    def base(self) -> Float64:
        """float64[T, R]: what is loaded whatever the placement: fixed loads and, under the inclusive rule, births."""
        base = self.fixed.astype(np.float64)
        if self.inclusive:
            for kind, store in enumerate(self.store):
                base = base + self.births[:, kind, None] * store[self.home].astype(np.float64)
        return base

    def total(self, values: Float64) -> Float64:
        """float64[T]: sums over the classes of each step."""
        return np.asarray(np.bincount(self.owner, values, len(self)), dtype=np.float64)

    def take(self, steps: Int64) -> Steps:
        """The same for some of the steps, in the order given."""
        lengths = np.diff(self.start)[steps]
        start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        classes = np.arange(start[-1]) + np.repeat(self.start[:-1][steps] - start[:-1], lengths)
        return replace(
            self,
            start=start,
            **{name: getattr(self, name)[classes] for name in ("share", "room", "count", "size", "kind")},
            **{name: getattr(self, name)[steps] for name in ("births", "capacity", "fixed", "floor")},
        )

    def distinct(self) -> tuple[Int64, Int64]:
        """(steps that differ from each other, int64[T] position among them of each step's equal)."""
        seen: dict[bytes, int] = {}
        same = np.empty(len(self), dtype=np.int64)
        wide = np.concatenate([self.births, self.capacity, self.fixed, self.floor.view(np.int64)[:, None]], axis=1)
        deep = np.stack([self.share.view(np.int64), self.room, self.count, self.size, self.kind], axis=1)
        for t in range(len(self)):
            key = wide[t].tobytes() + deep[self.start[t] : self.start[t + 1]].tobytes()
            same[t] = seen.setdefault(key, len(seen))
        first = np.zeros(len(seen), dtype=np.int64)
        first[same[::-1]] = np.arange(len(self))[::-1]
        return first, same


def read_steps(instance: Instance, *, by_size: bool = False) -> Steps:
    """The steps of an instance; blocks of a kind and equal share are one class, with ``by_size`` only if their sizes agree too.

    Where loads are no mere multiples of bytes classes are always of one size.
    """
    trace, loads = instance.trace, instance.loads
    by_size = by_size or not loads.operations.uniform
    step, kind = trace.read_step.astype(np.int64), np.zeros(trace.num_reads, dtype=np.int64)
    sizes = np.unique(instance.size) if by_size else np.zeros(1, dtype=np.int64)
    if len(sizes) > 1:
        kind += np.searchsorted(sizes, instance.size)[trace.blocks]
    width = len(sizes)
    if not loads.by_size:
        kind, width = kind * len(loads.row) + loads.kind[trace.blocks], width * len(loads.row)
    if trace.shares is not None:  # larger shares first
        kind += (trace.share_base - trace.shares.astype(np.int64)) * width
    key = step * (kind.max(initial=0) + 1) + kind
    order = np.argsort(key, kind="stable") if kind.any() else np.arange(len(key))
    opens = np.flatnonzero(np.diff(key[order], prepend=-1))
    # differences of a running sum are exact even where the sum itself wraps around
    sums = np.concatenate([[0], np.cumsum(instance.size[trace.blocks[order]])])
    ends = np.append(opens, len(key))
    first = order[opens]
    births = np.zeros((instance.num_steps, len(loads.row)), dtype=np.int64)
    if not instance.forgets:
        born = instance.first_state > 0
        np.add.at(births, (instance.first_state[born] - 1, loads.kind[born]), loads.amount[born])
    share = np.ones(len(first)) if trace.shares is None else trace.shares[first] / trace.share_base
    one_size = by_size or bool((instance.size == instance.size[0]).all())
    return Steps(
        residency=instance.residency,
        home=instance.home,
        rates=instance.memory.rates,
        serve=loads.serve,
        store=loads.store,
        source=loads.serves_from,
        applies=loads.applies,
        kind_size=loads.size,
        start=np.searchsorted(step[first], np.arange(instance.num_steps + 1)).astype(np.int64),
        share=share.astype(np.float64),
        room=sums[ends[1:]] - sums[ends[:-1]],
        count=np.diff(ends).astype(np.int64),
        size=instance.size[trace.blocks[first]] if one_size else np.zeros(len(first), dtype=np.int64),
        kind=loads.kind[trace.blocks[first]],
        births=births,
        capacity=np.broadcast_to(instance.capacity, (instance.num_steps, instance.num_tiers)),
        fixed=instance.fixed,
        floor=instance.floor,
    )


def prove(steps: Steps, prices: Prices) -> Float64:
    """float64[T]: seconds that each step takes at least, by weak duality at legal prices (step t pays the rent of state t).

    Every term but the rents is a sum of non-negative products, so the rounding error is below a few units in the last place of
    the sum of all terms; that much is taken off.
    """
    rho = prices.rho
    rent = prices.rent[: len(steps)].copy()
    if steps.inclusive:
        rent[:, steps.home] = 0.0
    held = np.zeros(len(steps.share))
    births = np.zeros(len(steps))
    for kind, size in enumerate(steps.kind_size.tolist()):
        of_kind = np.flatnonzero(steps.kind == kind)
        owner = steps.owner[of_kind]
        some = steps.applies[kind]
        by_tier, anew = _cheapest(rho @ steps.serve[kind, some].T.astype(np.float64), steps.source[some], steps.num_tiers)
        share = steps.share[of_kind]
        least = np.min(share[:, None] * by_tier[owner] + rent[owner] * size, axis=1)
        held[of_kind] = np.minimum(least, share * anew[owner]) if steps.residency == "cache" else least
        write = rho @ steps.store[kind].T.astype(np.float64)
        births += (write[:, steps.home] if steps.inclusive else write.min(axis=1)) * steps.births[:, kind]
    reads = steps.total(held * steps.amount)
    fixed = (rho * steps.fixed).sum(axis=1)
    used = rho @ steps.rates.astype(np.float64)
    floor = np.maximum(0.0, 1.0 - used - (8 + len(steps.rates)) * _EPS) * steps.floor
    rented = (rent * steps.capacity).sum(axis=1)
    terms = 63 + 4 * len(steps.rates) + np.diff(steps.start) + len(steps.kind_size)
    return np.asarray(reads + births + fixed + floor - rented - _EPS * terms * (reads + births + fixed + floor + rented))


def _cheapest(price: Float64, source: Int64, tiers: int) -> tuple[Float64, Float64]:
    """What an amount of one costs at least, from float64[T, V] prices of the operations that serve.

    Returns
    -------
    tuple
        float64[T, K]: for a block that lies in each tier. float64[T]: for one that lies nowhere; infinite where none can be.
    """
    nowhere = price[:, source < 0]
    anew = nowhere.min(axis=1) if nowhere.shape[1] else np.full(len(price), np.inf)
    by_tier = [np.minimum(price[:, source == k].min(axis=1), anew) for k in range(tiers)]
    return np.stack(by_tier, axis=1), anew


def safe_sum(values: Float64) -> float:
    """The sum of proven values, rounded down."""
    return max(0.0, math.nextafter(exact_sum(values), -math.inf))
