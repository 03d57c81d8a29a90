"""Two tiers and equal blocks at fixed resource prices: residency as a flow of slots of one tier along time.

A slot of the tier that is not the home tier is a unit of flow. It runs along the *pool* (one node a state, empty slots) until
a block takes it: an up arc from the pool into the block's own chain of nodes, segment arcs while the block stays, a down arc
back. Storing a block costs on the up arc, demoting it on the down arc (exclusive), serving reads on the segment; the capacity
of the tier is the amount of flow, that of the home tier bounds the empty slots. Every column has one tail and one head, so
the program is totally unimodular: with whole capacities some cheapest flow moves whole blocks (cf. FOO, "Practical bounds on
optimal caching", POMACS 2018, where one arc a pair of reads suffices because storing is free).

A step that reads the share a < 1 of a block can store no more than that in passing: the up arc costs a write of the share and a
copy of the rest, which is what a whole block pays. (The LP relaxation may store just that share of it and pay less per byte.)

Other operations than reads are allowed where all leave the block at the processor, so that how it is served and how it is
stored are decided apart; equal blocks are of one kind, so calls and grains are a price per byte.

Under the free rule a block may also lie in this tier alone. That is a second chain beside the first, tied to it (no block on
both) and to the home tier's capacity by side rows: still a linear program with a valid value, but no longer a pure network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64, Ints
from placement_opt.bounds.dual.classes import Classes
from placement_opt.bounds.programs.byte_loads import byte_loads
from placement_opt.instance.instance import Instance


@dataclass(frozen=True, eq=False)
class Network:
    """A arcs between V nodes: the pool first (node t is state t, 0..T + 1), then the chains.

    Attributes
    ----------
    tail, head
        int64[A]. The first T + 1 arcs are the empty slots of states 0..T.
    cost
        float64[A]: seconds per block, against a placement that keeps everything in the home tier.
    lower, upper
        float64[A]: blocks.
    supply
        float64[V]: slots that enter (negative: leave).
    constant_s
        Seconds of that placement: births, reads, fixed loads and floors at the prices.
    joint, joint_upper
        int64[J, 2] pairs of arcs and float64[J]: at most so many blocks on both (free rule only).
    demand
        int64[D, 2] of (state, arc), and float64[T + 1]: at least so many blocks on the state's arcs, because the home tier has
        no room for more (free rule only; 0 where nothing is demanded).
    """

    tail: Int64
    head: Int64
    cost: Float64
    lower: Float64
    upper: Float64
    supply: Float64
    constant_s: float
    joint: Int64
    joint_upper: Float64
    demand: Int64
    demand_least: Float64

    @property
    def num_arcs(self) -> int:
        return len(self.tail)


@dataclass(frozen=True, eq=False)
class StepPrices:
    """Seconds per byte of every operation at every step, float64[T] each: ``fast`` is the tier whose slots flow.

    ``up`` and ``down`` are the copies home -> fast and fast -> home.
    """

    read_fast: Float64
    read_home: Float64
    write_fast: Float64
    write_home: Float64
    up: Float64
    down: Float64


def step_prices(instance: Instance, rho: Float64) -> StepPrices:
    """Prices of the operations at resource prices float64[T, R]; what lies in a tier is served in the cheapest way."""
    home, table = instance.home, byte_loads(instance)
    fast = 1 - home
    serving = [rho @ load for load in table.serve[0]]
    reads = [
        np.minimum.reduce([price for price, source in zip(serving, table.source, strict=True) if source in (tier, -1)])
        for tier in (fast, home)
    ]
    store, copy = table.store[0], table.copy[0]
    return StepPrices(*reads, *(rho @ load for load in (store[fast], store[home], copy[home, fast], copy[fast, home])))


def previous_smaller(price: Float64) -> Int64:
    """int64[T]: the last step before each one with a strictly lower price, -1 where there is none."""
    found = np.empty(len(price), dtype=np.int64)
    stack: list[int] = []
    for t, value in enumerate(price.tolist()):
        while stack and price[stack[-1]] >= value:
            stack.pop()
        found[t] = stack[-1] if stack else -1
        stack.append(t)
    return found


def change_states(instance: Instance, classes: Classes, prices: StepPrices, *, every: bool) -> tuple[Int64, Int64]:
    """(int64[G + 1] pointers, int64[M] states): where each class may take up or give up a slot; its first state comes first.

    With ``every``, at every state. Otherwise only where it can pay while the home tier has room for all: right after a read (or
    a given start); fetching back between reads only at steps cheaper than every later one before the read (fetching later
    holds the slot for a shorter time); demoting only at steps cheaper than every earlier one since the last read.
    """
    width = instance.num_steps + 2
    owner = np.repeat(np.arange(len(classes)), np.diff(classes.start))
    stays = classes.step < classes.last[owner]
    given = np.flatnonzero((classes.begin > 0) & (classes.last > 0))
    keys = [
        np.arange(len(classes)) * width + classes.first,
        owner[stays] * width + classes.step[stays] + 1,
        given * width + 1,
    ]
    if every:
        lengths = classes.last - classes.first
        ends = np.cumsum(lengths)
        offset = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        keys.append(np.repeat(np.arange(len(classes)) * width + classes.first + 1, lengths) + offset)
    else:
        keys += _records(instance, classes, prices, width)
    merged = np.unique(np.concatenate(keys))
    start = np.searchsorted(merged, np.arange(len(classes) + 1) * width)
    return start.astype(np.int64), merged % width


def _records(instance: Instance, classes: Classes, prices: StepPrices, width: int) -> list[Int64]:
    """Keys of the worthwhile copies in the gaps between a class's reads: steps low..high - 1 of each gap read nothing of it."""
    groups = np.arange(len(classes))
    lengths = np.diff(classes.start) + 1
    owner = np.repeat(groups, lengths)
    low = np.empty(len(owner), dtype=np.int64)
    high = np.empty(len(owner), dtype=np.int64)
    read = np.repeat(groups, lengths - 1) + np.arange(len(classes.step))  # the gap that ends with each read
    opens, closes = classes.start[:-1] + groups, classes.start[1:] + groups
    low[opens], low[read + 1] = classes.first, classes.step + 1
    high[closes], high[read] = classes.last, classes.step
    found: list[Int64] = []
    before = previous_smaller(prices.up)
    gap, step = read, high[read] - 1
    while len(gap):
        inside = step >= low[gap]
        gap, step = gap[inside], step[inside]
        found.append(owner[gap] * width + step + 1)
        step = before[step]
    if not instance.inclusive:
        steps = instance.num_steps
        after = steps - 1 - previous_smaller(prices.down[::-1])[::-1]
        gap, step = np.arange(len(owner)), low
        while len(gap):
            inside = step < high[gap]
            gap, step = gap[inside], step[inside]
            found.append(owner[gap] * width + step + 1)
            step = after[step]
    return found


class _Arcs:
    """Arcs collected as arrays; ``add`` returns their positions."""

    def __init__(self) -> None:
        self.parts: list[tuple[npt.NDArray[np.float64], ...]] = []
        self.count = 0

    def add(self, tail: Ints, head: Ints, cost: Float64 | float, upper: Float64 | float) -> Int64:
        part = np.broadcast_arrays(tail, head, np.asarray(cost, dtype=np.float64), 0.0, np.asarray(upper, dtype=np.float64))
        first, self.count = self.count, self.count + len(part[0])
        self.parts.append(tuple(part))
        return np.arange(first, self.count)

    def arrays(self) -> list[npt.NDArray[np.float64]]:
        return [np.concatenate(column) for column in zip(*self.parts, strict=True)]


def build_network(instance: Instance, classes: Classes, rho: Float64, constant_s: float = 0.0) -> Network:
    """The network of an instance with two tiers and equal blocks at legal resource prices float64[T, R].

    ``constant_s`` is added to the constant: what the prices charge whatever the placement.
    """
    if instance.inclusive:  # a second copy is of no use after the last read
        read = np.diff(classes.start) > 0
        last = classes.first.copy()
        last[read] = classes.step[classes.start[1:][read] - 1]
        classes = replace(classes, last=last)
    return _Builder(instance, classes, step_prices(instance, rho)).build(constant_s)


class _Builder:
    """Lays out the chains and prices their arcs; costs are per byte until the end."""

    def __init__(self, instance: Instance, classes: Classes, prices: StepPrices) -> None:
        self.instance, self.classes, self.prices = instance, classes, prices
        self.block_bytes = int(instance.size[0])
        slots = instance.capacity // self.block_bytes
        alive = instance.alive_bytes // self.block_bytes
        #: blocks that the home tier has no room for, at every state
        self.surplus = np.maximum(0, alive - slots[instance.home])
        self.slots = int(min(slots[1 - instance.home], alive.max()))
        self.start, self.state = change_states(instance, classes, prices, every=bool(self.surplus.any()))
        self.owner = np.repeat(np.arange(len(classes)), np.diff(self.start))
        self.opening = np.zeros(len(self.state), dtype=bool)
        self.opening[self.start[:-1]] = True
        self.count = classes.count[self.owner].astype(np.float64)
        self._locate_reads()

    def _locate_reads(self) -> None:
        """Which node follows each read (its share, 0 where no read precedes), and which segment each read falls into."""
        classes, width = self.classes, self.instance.num_steps + 2
        keys = self.owner * width + self.state
        self.read_owner = np.repeat(np.arange(len(classes)), np.diff(classes.start))
        self.read_segment = np.searchsorted(keys, self.read_owner * width + classes.step, side="right") - 1
        stays = classes.step < classes.last[self.read_owner]
        self.share = np.zeros(len(self.state))
        self.share[np.searchsorted(keys, self.read_owner[stays] * width + classes.step[stays] + 1)] = classes.share[stays]

    def _moving(self, copy: Float64, write: Float64) -> Float64:
        """float64[M]: bringing a byte to a tier at the step before each node, in passing as far as the step reads it."""
        step = np.maximum(self.state - 1, 0)
        cost = copy[step] - self.share * np.maximum(0.0, copy[step] - write[step])
        return np.where(self.opening, 0.0, cost)

    def _at_birth(self, write: Float64) -> Float64:
        """float64[M]: storing a new byte, at the first node of the classes that are produced."""
        born = self.opening & (self.state > 0)
        return np.where(born, write[np.maximum(self.state - 1, 0)], 0.0)

    def _serving(self, price: Float64) -> Float64:
        """float64[M]: what a segment costs when its reads are served at a price instead of from the home tier."""
        steps, share = self.classes.step, self.classes.share
        saved = share * (price - self.prices.read_home)[steps]
        return np.asarray(np.bincount(self.read_segment, saved, len(self.state)), dtype=np.float64)

    def build(self, constant_s: float) -> Network:
        instance, p = self.instance, self.prices
        steps = instance.num_steps
        nodes = len(self.state)
        pool, arcs = np.arange(steps + 2), _Arcs()
        # empty slots have no upper side but that: a multiplier on any other would be no rent
        forced = (self.surplus > 0) & (instance.residency == "exclusive")
        arcs.add(pool[:-1], pool[1:], 0.0, np.where(forced, self.slots - self.surplus, np.inf))
        closing = np.append(self.opening[1:], True)
        ends = self.classes.last[self.owner] + 1
        chain = steps + 2 + np.arange(nodes)
        onward = np.where(closing, ends, chain + 1)
        inner = ~self.opening
        # where nothing is paid for giving up a slot, that is best done right after a read (or a given start)
        useful = inner & ((self.share > 0) | (self.state == 1)) if instance.inclusive else inner
        up = self._moving(p.up, p.write_fast) + self._at_birth(p.write_fast)
        down = np.zeros(nodes)
        serving = self._serving(np.minimum(p.read_fast, p.read_home))
        joint = np.zeros((0, 2), dtype=np.int64)
        demand = np.zeros((0, 2), dtype=np.int64)
        if instance.residency == "exclusive":
            up -= self._at_birth(p.write_home)
            down = self._moving(p.down, p.write_home)
            serving = self._serving(p.read_fast)
        segment = arcs.add(chain, onward, serving, self.count)
        arcs.add(self.state, chain, up, self.count)
        arcs.add(chain[useful], self.state[useful], down[useful], self.count[useful])
        fixed = [(segment, self._held())]
        if instance.residency == "free":
            alone = chain + nodes
            beyond = np.where(closing, ends, alone + 1)
            only = arcs.add(alone, beyond, self._serving(p.read_fast), self.count)
            arcs.add(chain, alone, -self._at_birth(p.write_home), self.count)
            back = self._moving(p.down, p.write_home)
            arcs.add(alone[inner], chain[inner], back[inner], self.count[inner])
            joint = np.stack([segment, only], axis=1)
            held_home = self._held(home=True)
            fixed = [(segment, self._held() * held_home), (only, self._held() * (1 - held_home))]
            if self.surplus.any():  # every segment is one state long then
                demand = np.stack([self.state, only], axis=1)
        tail, head, cost, lower, upper = arcs.arrays()
        begin = np.flatnonzero(self.opening & (self.classes.begin[self.owner] > 0))
        for which, held in fixed:
            lower[which[begin]] = upper[which[begin]] = (held * self.count)[begin]
        supply = np.zeros(steps + 2 + nodes * (2 if instance.residency == "free" else 1))
        supply[0], supply[steps + 1] = self.slots, -self.slots
        return Network(
            tail=tail.astype(np.int64),
            head=head.astype(np.int64),
            cost=cost * self.block_bytes,
            lower=lower,
            upper=upper,
            supply=supply,
            constant_s=constant_s + self._reference(),
            joint=joint,
            joint_upper=self.count if len(joint) else np.zeros(0),
            demand=demand,
            demand_least=self.surplus.astype(np.float64),
        )

    def _held(self, *, home: bool = False) -> Float64:
        """float64[M]: 1 where a given start puts the class of the node into the tier."""
        tier = self.instance.home if home else 1 - self.instance.home
        return ((np.maximum(self.classes.begin, 0)[self.owner] >> tier) & 1).astype(np.float64)

    def _reference(self) -> float:
        """Seconds of births and reads with everything in the home tier."""
        classes, p = self.classes, self.prices
        born = classes.first > 0
        births = np.where(born, p.write_home[np.maximum(classes.first - 1, 0)], 0.0) @ classes.count
        reads = (classes.share * p.read_home[classes.step]) @ classes.count[self.read_owner]
        return float(births + reads) * self.block_bytes
