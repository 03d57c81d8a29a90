"""The dual pass of an ascent on an accelerator: futures laid out once, prices up and loads down for each pass.

What blocks read stays on the device. For a pass what actions cost at the prices goes up, and the units of blocks that take each
of them come down: a few numbers for each step and set of tiers, however many reads there are. One thread follows one cell
(blocks that begin and go on alike) from read to read; what many add to is added up in a fixed order
(:mod:`placement_opt.bounds.dual.device_kernels`).

Nothing here proves anything. Prices that an ascent finds by such passes are proven on the processor, in exact integers, like
any others; but sums are in another order than there and the exponential is another, so that the way up may differ in its last
digits, and with it the prices that are found. What is recorded is therefore found without.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from placement_opt.base.accelerator import device
from placement_opt.base.arrays import Array, Int64
from placement_opt.base.errors import InputError
from placement_opt.bounds.dual.actions import PricedActions
from placement_opt.bounds.dual.futures import Futures, Units

#: Sets of tiers at most, for each thread keeps some tables of their pairs; reads, whose numbers have 32 bits there.
MOST_SETS, MOST_READS = 32, 2**31 - 1
#: Rows that one thread adds up.
_RUN = 64


def on_device(futures: tuple[Futures, ...], steps: int) -> tuple[Futures, ...]:
    """The same futures, with passes over them on the accelerator; InputError where there is none."""
    device()
    return tuple(replace(one, elsewhere=DevicePass(one, steps)) for one in futures)


class DevicePass:
    """Passes over the futures of one kind of block.

    Attributes
    ----------
    sent, fetched
        Bytes that went to the device and back, all passes together; what is laid out once is ``laid``.
    laid
        Bytes of reads and of what the passes need, on the device.
    """

    def __init__(self, futures: Futures, steps: int) -> None:
        self.sent = self.fetched = self.laid = 0
        self._futures, self._steps = futures, steps
        self._leaves = 1 << max(0, steps - 1).bit_length()
        self._chains, self._stretches = lay_chains(futures), lay_stretches(futures, self._leaves)
        self._room: _Room | None = None

    def __call__(self, actions: PricedActions, soft: float, size: float) -> Units:
        """As the pass on the processor."""
        room = self._room_for(actions, size)
        self._send(room, actions)
        room.run(soft)
        return self._fetch(room)

    def _room_for(self, actions: PricedActions, size: float) -> _Room:
        """Arrays for these sets of tiers: those of the last pass, if it had the same."""
        if self._room is None or not self._room.suits(actions):
            self._room, self.laid = None, 0
            make = partial(_Room, self._futures, self._chains, self._stretches, actions, size, self._leaves)
            planned, memory = _Memory(None), _Memory(device())
            make(planned)
            memory.check(planned.taken)
            self._room, self.laid = make(memory), memory.taken
        return self._room

    def _send(self, room: _Room, actions: PricedActions) -> None:
        idle = actions.adding + actions.rent[1:, None, :]
        for there, here in zip(
            (room.tree[: self._steps], room.serve, room.source, room.write, room.rent),
            (idle, actions.serve, actions.source, actions.write, actions.rent),
            strict=True,
        ):
            self.sent += here.nbytes
            there.copy_to_device(np.ascontiguousarray(here))
        if room.bring is not room.serve:
            self.sent += actions.bring.nbytes
            room.bring.copy_to_device(np.ascontiguousarray(actions.bring))

    def _fetch(self, room: _Room) -> Units:
        sets, tiers = room.sets, room.tiers
        arrays = [
            one.copy_to_host() for one in (room.least_sum.parts, room.by_step, room.by_first, room.on_tree[: self._steps])
        ]
        least, by_step, by_first, idle = arrays
        self.fetched += sum(one.nbytes for one in arrays)
        served, brought, held_next, stored, copied = np.split(by_step, np.cumsum([sets, sets, sets, tiers]), axis=1)
        held = by_first[:, :sets].copy()
        held[1:] += held_next
        stored = stored + by_first[1:, sets:]
        return Units(
            math.fsum(least[: room.least_sum.count, 0].tolist()),
            served,
            brought,
            copied.reshape(self._steps, sets, tiers),
            stored,
            held,
            idle,
        )


@dataclass(frozen=True, eq=False)
class Chains:
    """The reads of all cells, one after another for each, those of cells of one rank side by side.

    Attributes
    ----------
    cell, length
        int64[C]: the cell of each rank, in order of falling length, and how many reads it has.
    base
        int64[longest + 1]: read k of rank r is at ``base[k] + r``.
    hop, follow
        int32[reads]: hop of each read, and where the read after it is, -1 after the last.
    read, of_hop
        int32[reads], int64[H + 1]: the reads of each hop are ``read[of_hop[h] : of_hop[h + 1]]``.
    """

    cell: Int64
    length: Int64
    base: Int64
    hop: Array
    follow: Array
    read: Array
    of_hop: Int64


def lay_chains(futures: Futures) -> Chains:
    """The futures of all cells, spelled out read by read."""
    length, at = np.zeros(len(futures.cell_node), dtype=np.int64), futures.cell_node.copy()
    alive = np.flatnonzero(at >= 0)
    while len(alive):
        length[alive] += 1
        at[alive] = futures.node_next[at[alive]]
        alive = alive[at[alive] >= 0]
    cell = np.argsort(-length, kind="stable")
    reads, longest = int(length.sum()), int(length.max(initial=0))
    if reads > MOST_READS:
        raise InputError(f"found {reads} reads", f"expected at most {MOST_READS} with an accelerator", field="backend")
    base = np.zeros(longest + 1, dtype=np.int64)
    np.cumsum(len(length) - np.cumsum(np.bincount(length, minlength=longest + 1))[:longest], out=base[1:])
    hop, follow = np.empty(reads, dtype=np.int32), np.full(reads, -1, dtype=np.int32)
    at = futures.cell_node[cell]
    for k in range(longest):
        low, high = int(base[k]), int(base[k + 1])
        hop[low:high] = futures.node_hop[at[: high - low]]
        at = futures.node_next[at[: high - low]]
        then = int(base[k + 2]) - high if k + 2 <= longest else 0
        follow[low : low + then] = np.arange(high, high + then)
    read = np.argsort(hop, kind="stable").astype(np.int32)
    of_hop = np.searchsorted(hop[read], np.arange(len(futures.hop_step) + 1))
    return Chains(cell, length[cell], base, hop, follow, read, of_hop.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Stretches:
    """The nodes of the segment tree that idle stretches are made of, those of hops first and then those of entries.

    Attributes
    ----------
    nodes
        int64[H + E + 1]: the nodes of each stretch, in their order, are ``node[nodes[x] : nodes[x + 1]]``.
    node, place
        int32[nodes in all]: number in the table, and rank among all of them by that number.
    of_node
        int64[2 P + 1]: the ranks of each node are ``of_node[n] : of_node[n + 1]``.
    deepest
        Of how many nodes a stretch is made at most.
    """

    nodes: Int64
    node: Array
    place: Array
    of_node: Int64
    deepest: int


def lay_stretches(futures: Futures, leaves: int) -> Stretches:
    """As :func:`placement_opt.bounds.dual.idle_kernels.cover` covers each of them in the segment tree."""
    left = np.concatenate([futures.hop_step + 1, futures.entry_first]) + leaves
    right = np.concatenate([futures.hop_until, futures.entry_until]) + leaves
    found, level = [np.zeros((3, 0), dtype=np.int64)], 0
    while (left < right).any():
        at = np.flatnonzero((left < right) & (left & 1 == 1))
        found.append(np.stack([at, np.full_like(at, level), left[at]]))
        left[at] += 1
        at = np.flatnonzero((left < right) & (right & 1 == 1))
        right[at] -= 1
        found.append(np.stack([at, np.full_like(at, 128 - level), right[at]]))
        left, right, level = left >> 1, right >> 1, level + 1
    stretch, order, node = np.concatenate(found, axis=1)
    by_stretch = np.lexsort((order, stretch))
    node = np.where(node >= leaves, node - leaves, 2 * leaves - node)[by_stretch]
    nodes = np.searchsorted(stretch[by_stretch], np.arange(len(left) + 1)).astype(np.int64)
    by_node = np.argsort(node, kind="stable")
    place = np.empty(len(node), dtype=np.int32)
    place[by_node] = np.arange(len(node))
    of_node = np.searchsorted(node[by_node], np.arange(2 * leaves + 1)).astype(np.int64)
    return Stretches(nodes, node.astype(np.int32), place, of_node, int(np.diff(nodes).max(initial=0)))


class _Memory:
    """Arrays on the device, and how many bytes they take: with no device, that alone. Nothing is of no size there."""

    def __init__(self, cuda: Any | None) -> None:
        self._cuda, self.taken = cuda, 0

    def check(self, needed: int) -> None:
        """InputError where so many bytes are not free."""
        assert self._cuda is not None
        free = self._cuda.current_context().get_memory_info()[0]
        if needed > free:
            found = f"found {free / 2**30:.3g} GiB free on the accelerator"
            raise InputError(found, f"expected {needed / 2**30:.3g} GiB for a pass", field="backend")

    def put(self, array: Array) -> Any:
        array = array if array.size else np.zeros((1, *array.shape[1:]), array.dtype)
        self.taken += array.nbytes
        return None if self._cuda is None else self._cuda.to_device(np.ascontiguousarray(array))

    def make(self, *shape: int) -> Any:
        """float64, of any content."""
        shape = tuple(max(1, length) for length in shape)
        self.taken += 8 * math.prod(shape)
        return None if self._cuda is None else self._cuda.device_array(shape, np.float64)


class _Sum:
    """Sums of rows that follow each other, of some each and then of these parts: always in the same order.

    Attributes
    ----------
    lower, upper
        On the device: where each part begins among the rows, and each sum among the parts.
    count, sums
        How many parts and sums there are.
    parts
        float64[count, width].
    """

    def __init__(self, memory: _Memory, cut: Int64, width: int) -> None:
        number = -(-np.diff(cut) // _RUN)
        upper = np.concatenate([[0], np.cumsum(number)])
        within = np.arange(upper[-1]) - np.repeat(upper[:-1], number)
        self.count, self.sums, self.width = int(upper[-1]), len(cut) - 1, width
        self.lower = memory.put(np.append(np.repeat(cut[:-1], number) + _RUN * within, cut[-1]))
        self.upper, self.parts = memory.put(upper), memory.make(self.count, width)

    def parts_of(self, rows: Any) -> None:
        from placement_opt.bounds.dual.device_kernels import launch, sum_runs

        launch(sum_runs, self.count * self.width, self.lower, rows, self.parts)

    def finish(self, out: Any) -> None:
        from placement_opt.bounds.dual.device_kernels import launch, sum_runs

        launch(sum_runs, self.sums * self.width, self.upper, self.parts, out)


class _Room:
    """What a pass needs on the device, for some sets of tiers."""

    def __init__(
        self,
        futures: Futures,
        chains: Chains,
        stretches: Stretches,
        actions: PricedActions,
        size: float,
        leaves: int,
        memory: _Memory,
    ) -> None:
        from placement_opt.bounds.dual.device_kernels import loops

        self.sets, self.tiers = actions.has.shape
        if self.sets > MOST_SETS:
            found = f"found {self.sets} sets of tiers in which a block may lie"
            raise InputError(found, f"expected at most {MOST_SETS} with an accelerator", field="backend")
        sets, tiers, steps = self.sets, self.tiers, len(actions.write)
        self._masks, self._has = actions.tracked.masks, actions.has
        self._hops, self._entries = len(futures.hop_step), len(futures.entry_first)
        self._cells, self._leaves = len(futures.cell_node), leaves
        self._loops = loops(sets, tiers, stretches.deepest)
        pairs, reads = len(stretches.node), len(chains.hop)
        put, make = memory.put, memory.make
        # the question, which stays
        self.hop = tuple(put(one) for one in (futures.hop_step, futures.hop_until, futures.hop_share))
        self.first, self.begin = put(futures.entry_first), put(actions.tracked.begin(futures.entry_begin))
        self.cell_entry, self.units = put(futures.cell_entry), put(futures.cell_bytes / size)
        self.base, self.length, self.cell = put(chains.base), put(chains.length), put(chains.cell)
        self.hop_of, self.follow, self.read = put(chains.hop), put(chains.follow), put(chains.read)
        self.nodes, self.node, self.place = put(stretches.nodes), put(stretches.node), put(stretches.place)
        self.has, self.apart, self.masks = put(actions.has), put(actions.apart), put(actions.tracked.masks)
        # prices
        self.tree = put(np.broadcast_to(np.where(np.eye(sets, dtype=bool), 0.0, np.inf), (2 * leaves, sets, sets)))
        self.serve, self.source = make(steps, sets), make(steps, sets, tiers)
        self.bring = make(steps, sets) if actions.apart.any() else self.serve
        self.write, self.rent = make(steps, tiers), make(steps + 1, sets)
        # what comes of them
        self.cost, self.on_hop = make(self._hops, sets, sets), make(self._hops, sets * sets)
        self.start, self.arrive, self.on_entry = (make(self._entries, sets) for _ in range(3))
        self.value, self.on_read = make(sets, reads), make(sets, reads)
        self.on_cell, self.least = make(self._cells, sets), make(self._cells, 1)
        self.on_node, self.on_tree = make(pairs, sets, sets), make(2 * leaves, sets, sets)
        self.hop_rows, self.entry_rows = make(self._hops, _width(sets, tiers)), make(self._entries, sets + tiers)
        self.by_step, self.by_first = make(steps, _width(sets, tiers)), make(steps + 1, sets + tiers)
        # sums
        self.least_sum = _Sum(memory, np.array([0, self._cells]), 1)
        self.entry_sum = _Sum(memory, _cut(futures.cell_entry, self._entries), sets)
        self.hop_sum = _Sum(memory, chains.of_hop, sets * sets)
        self.tree_sum = _Sum(memory, stretches.of_node, sets * sets)
        self.step_sum = _Sum(memory, _cut(futures.hop_step, steps), _width(sets, tiers))
        self.first_sum = _Sum(memory, _cut(futures.entry_first, steps + 1), sets + tiers)

    def suits(self, actions: PricedActions) -> bool:
        """Whether these actions are of the same sets of tiers."""
        return np.array_equal(self._masks, actions.tracked.masks) and np.array_equal(self._has, actions.has)

    def run(self, soft: float) -> None:
        """One pass: values from the ends to the beginnings, units from the beginnings to the ends."""
        from placement_opt.bounds.dual.device_kernels import launch

        loops, sets = self._loops, self.sets
        levels = self._leaves.bit_length() - 1
        priced = (self.tree, self.has, self.apart, self.serve, self.bring, self.source, self.write, self.rent, soft)
        for level in range(levels - 1, -1, -1):
            launch(loops.join_level, 1 << level, self.tree, self._leaves, 1 << level, 2 << level, soft)
        launch(loops.hop_costs, self._hops, *self.hop, self.nodes, self.node, *priced, self.cost)
        begun = (self.first, self.begin, self._hops, self.nodes, self.node, self.tree, self.has, self.masks)
        launch(loops.begin_costs, self._entries, *begun, self.write, self.rent, soft, self.start, self.arrive)
        chain = (self.base, self.length, self.cell, self.hop_of, self.cost, self.arrive, self.cell_entry, self.units, soft)
        launch(loops.chains, self._cells, *chain, self.value, self.on_read, self.on_cell, self.least)
        self.least_sum.parts_of(self.least)
        self.entry_sum.parts_of(self.on_cell)
        self.entry_sum.finish(self.on_entry)
        parts = (self.hop_sum.lower, self.read, self.follow, self.hop_of, self.cost, self.value, self.on_read, soft)
        launch(loops.hop_parts, self.hop_sum.count * sets, *parts, self.hop_sum.parts)
        self.hop_sum.finish(self.on_hop)
        flows = (*self.hop, self.nodes, self.node, self.place, *priced)
        launch(loops.hop_flows, self._hops, *flows, self.on_hop, self.on_node, self.hop_rows)
        entries = (self.first, self._hops, self.nodes, self.node, self.place, self.tree, self.has, self.start, soft)
        launch(loops.begin_flows, self._entries, *entries, self.on_entry, self.on_node, self.entry_rows)
        self.tree_sum.parts_of(self.on_node.reshape(-1, sets * sets))
        self.tree_sum.finish(self.on_tree.reshape(-1, sets * sets))
        for level in range(levels):
            launch(loops.part_level, 1 << level, self.tree, self.on_tree, self._leaves, 1 << level, 2 << level, soft)
        self.step_sum.parts_of(self.hop_rows)
        self.step_sum.finish(self.by_step)
        self.first_sum.parts_of(self.entry_rows)
        self.first_sum.finish(self.by_first)


def _width(sets: int, tiers: int) -> int:
    """Of a row of a hop."""
    return 3 * sets + tiers + sets * tiers


def _cut(sorted_values: Int64, count: int) -> Int64:
    """int64[count + 1]: where each of 0..count - 1 begins among sorted values."""
    return np.searchsorted(sorted_values, np.arange(count + 1)).astype(np.int64)
