"""The dual pass on an accelerator: loops of :mod:`placement_opt.bounds.dual.slopes_kernels`, a thread for each of their turns.

What one turn does is written once: functions for the processor are compiled for the device too, with its exponential instead of
the table. What several turns add to on the processor is written to a row of its own here, and rows are added up afterwards, in
an order that is always the same: nothing is atomic, and a pass gives the same to the last bit again.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from placement_opt.base.compiled import compiling
from placement_opt.base.compiled import cuda as target
from placement_opt.bounds.dual import evaluate_kernels, idle_kernels, minima_kernels, slopes_kernels

cuda = target()
#: Threads of a block.
_BLOCK = 128
#: Kernels that were launched before, and so are compiled: each meets the same types of arguments whenever it is.
_launched: set[Any] = set()


def launch(kernel: Any, threads: int, *arguments: Any) -> None:
    """So many threads of a kernel, which counts them itself; of none, nothing."""
    if threads:
        block = min(_BLOCK, threads)
        with nullcontext() if kernel in _launched else compiling():
            kernel[-(-threads // block), block](*arguments)
        _launched.add(kernel)


def _on_device(loop: Any, **others: Any) -> Any:
    """A function for the processor as one for the device, where it calls these others."""
    code: FunctionType = getattr(loop, "py_func", loop)
    return cuda.jit(device=True)(FunctionType(code.__code__, {**code.__globals__, **others}, code.__name__))


def _exponential(x: float) -> float:
    return math.exp(-x)


def _lower(a: float, b: float) -> float:
    return b if b < a else a


def _higher(a: float, b: float) -> float:
    return b if b > a else a


#: What loops call that is another thing here; numba 0.68 knows no ``min`` and ``max`` of a device.
_decay, _min, _max = _on_device(_exponential), _on_device(_lower), _on_device(_higher)
_least_of = _on_device(minima_kernels.least_of, decay=_decay, min=_min)
_spread = _on_device(minima_kernels.spread, decay=_decay, max=_max)
_place = _on_device(idle_kernels._place)
_join = _on_device(idle_kernels._join, least_of=_least_of)
_part = _on_device(idle_kernels._part, spread=_spread)
_through = _on_device(idle_kernels.through, decay=_decay, min=_min)
_back = _on_device(idle_kernels.back, decay=_decay, max=_max)
_begun = _on_device(evaluate_kernels._begun)
_added = _on_device(slopes_kernels._added, min=_min)
_reading = _on_device(slopes_kernels._reading, _added=_added)


@cuda.jit  # type: ignore[untyped-decorator]
def sum_runs(cut: Any, rows: Any, out: Any) -> None:
    """out[run] := the sum of rows[cut[run] : cut[run + 1]], in their order: a thread for each run and column."""
    at, width = cuda.grid(1), rows.shape[1]
    run, column = at // width, at % width
    if run < len(cut) - 1:
        total = 0.0
        for n in range(cut[run], cut[run + 1]):
            total += rows[n, column]
        out[run, column] = total


@cache
def loops(sets: int, tiers: int, depth: int) -> SimpleNamespace:
    """The kernels for so many sets of tiers, tiers, and nodes in an idle stretch: what a thread keeps has a fixed size.

    A row of a hop (``rows``) has what its reads, copies and stores add up to: S served, S brought, S held at the next state, K
    stored, S x K copied. A row of an entry: S held, K stored. A stretch's nodes are ``node[nodes[x] : nodes[x + 1]]`` of the
    segment tree, and ``place`` says in which row of ``on_node`` what goes through each is written.
    """
    kept_in_full, stored_from, copied_from = depth + 1, 3 * sets, 3 * sets + tiers

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def _onward(cost: Any, h: int, after: Any, here: Any, value: Any, n: int, soft: float, c: Any, out: Any) -> None:
        """Units before read n, in each set, become units after its hop: in place."""
        total = cuda.local.array(sets, np.float64)
        for j in range(sets):
            total[j] = 0.0
        for i in range(sets):
            if here[i] > 0.0:
                for j in range(sets):
                    c[j] = cost[h, i, j] + after[j]
                _spread(c, value[i, n], here[i], soft, out)
                for j in range(sets):
                    total[j] += out[j]
        for j in range(sets):
            here[j] = total[j]

    @cuda.jit(device=True)  # type: ignore[untyped-decorator]
    def _carry_back(
        low: int, high: int, node: Any, place: Any, tree: Any, soft: float, kept: Any, p: Any, q: Any, on_node: Any
    ) -> None:
        """Units p at the end of a stretch that began with the costs kept[0] go back to its beginning, in place."""
        for x in range(low, high):
            _through(kept, x - low, tree, node[x], soft)
        for x in range(high - 1, low - 1, -1):
            _back(kept, x - low, tree[node[x] : node[x] + 1], 0, p, soft, q, on_node[place[x] : place[x] + 1])
            for j in range(sets):
                p[j] = q[j]

    @cuda.jit  # type: ignore[untyped-decorator]
    def join_level(tree: Any, leaves: int, low: int, high: int, soft: float) -> None:
        """Inner nodes low..high - 1 of the segment tree, from those below."""
        node = low + cuda.grid(1)
        if node < high:
            c = cuda.local.array(sets, np.float64)
            _join(tree, _place(2 * node, leaves), _place(2 * node + 1, leaves), _place(node, leaves), soft, c)

    @cuda.jit  # type: ignore[untyped-decorator]
    def part_level(tree: Any, flow: Any, leaves: int, low: int, high: int, soft: float) -> None:
        """What is on inner nodes low..high - 1 goes to those below."""
        node = low + cuda.grid(1)
        if node < high:
            c, out = cuda.local.array(sets, np.float64), cuda.local.array(sets, np.float64)
            left, right = _place(2 * node, leaves), _place(2 * node + 1, leaves)
            _part(tree, flow, left, right, _place(node, leaves), soft, c, out)

    @cuda.jit  # type: ignore[untyped-decorator]
    def hop_costs(
        step: Any,
        until: Any,
        share: Any,
        nodes: Any,
        node: Any,
        tree: Any,
        has: Any,
        apart: Any,
        serve: Any,
        bring: Any,
        source: Any,
        write: Any,
        rent: Any,
        soft: float,
        cost: Any,
    ) -> None:
        """cost[h]: as on the processor."""
        h = cuda.grid(1)
        if h >= len(step):
            return
        if until[h] <= step[h]:
            for i in range(sets):
                for j in range(sets):
                    cost[h, i, j] = share[h] * serve[step[h], i] if i == j else np.inf
            return
        m, copies = cuda.local.array((sets, sets), np.float64), cuda.local.array((sets, sets), np.bool_)
        kept = cuda.local.array((2, sets), np.float64)
        _reading(step[h], share[h], has, apart, serve, bring, source, write, rent, m, copies)
        for i in range(sets):
            for j in range(sets):
                kept[0, j] = m[i, j]
            for x in range(nodes[h], nodes[h + 1]):
                _through(kept, 0, tree, node[x], soft)
                for j in range(sets):
                    kept[0, j] = kept[1, j]
            for j in range(sets):
                cost[h, i, j] = kept[0, j]

    @cuda.jit  # type: ignore[untyped-decorator]
    def begin_costs(
        first: Any,
        begin: Any,
        hops: int,
        nodes: Any,
        node: Any,
        tree: Any,
        has: Any,
        masks: Any,
        write: Any,
        rent: Any,
        soft: float,
        start: Any,
        arrive: Any,
    ) -> None:
        """start[e], arrive[e]: as on the processor; the stretches of entries follow those of the hops."""
        e = cuda.grid(1)
        if e >= len(first):
            return
        kept = cuda.local.array((2, sets), np.float64)
        for i in range(sets):
            start[e, i] = kept[0, i] = _begun(first[e], begin[e], i, has, masks, write, rent)
        for x in range(nodes[hops + e], nodes[hops + e + 1]):
            _through(kept, 0, tree, node[x], soft)
            for j in range(sets):
                kept[0, j] = kept[1, j]
        for j in range(sets):
            arrive[e, j] = kept[0, j]

    @cuda.jit  # type: ignore[untyped-decorator]
    def chains(
        base: Any,
        length: Any,
        cell: Any,
        hop: Any,
        cost: Any,
        arrive: Any,
        entry: Any,
        units: Any,
        soft: float,
        value: Any,
        on_read: Any,
        on_cell: Any,
        least: Any,
    ) -> None:
        """A thread for each cell: values from its last read to its first, then units from the first to the last.

        Cells are in order of falling length (``cell`` int64[C]), and read k of the one of rank r is at ``base[k] + r``:
        what neighbours read lies side by side. ``value``, ``on_read`` float64[S, reads]; ``on_cell`` [C, S], ``least`` [C, 1].
        """
        r = cuda.grid(1)
        if r >= len(length):
            return
        c, out = cuda.local.array(sets, np.float64), cuda.local.array(sets, np.float64)
        here, after = cuda.local.array(sets, np.float64), cuda.local.array(sets, np.float64)
        for i in range(sets):
            after[i] = 0.0
        longest = length[r - cuda.threadIdx.x]  # of this block: its threads keep in step
        for k in range(longest - 1, -1, -1):
            if k < length[r]:
                n = base[k] + r
                h = hop[n]
                for i in range(sets):
                    for j in range(sets):
                        c[j] = cost[h, i, j] + after[j]
                    here[i] = _least_of(c, soft)
                for i in range(sets):
                    after[i] = value[i, n] = here[i]
        x = cell[r]
        for i in range(sets):
            c[i] = arrive[entry[x], i] + after[i]
        best = _least_of(c, soft)
        least[x, 0] = best * units[x]
        _spread(c, best, units[x], soft, here)
        for i in range(sets):
            on_cell[x, i] = here[i]
        for k in range(longest):
            if k < length[r]:
                n = base[k] + r
                h = hop[n]
                for i in range(sets):
                    on_read[i, n] = here[i]
                    after[i] = value[i, base[k + 1] + r] if k + 1 < length[r] else 0.0
                if k + 1 < length[r]:
                    _onward(cost, h, after, here, value, n, soft, c, out)

    @cuda.jit  # type: ignore[untyped-decorator]
    def hop_parts(
        cut: Any, read: Any, follow: Any, hop: Any, cost: Any, value: Any, on_read: Any, soft: float, part: Any
    ) -> None:
        """part[x, i, j]: units that go from set i to set j on some reads of one hop, a thread for each x and i.

        ``read[cut[x] : cut[x + 1]]`` are these reads, ``follow`` the read after each, -1 after the last.
        """
        at = cuda.grid(1)
        x, i = at // sets, at % sets
        if x >= len(cut) - 1:
            return
        c, out = cuda.local.array(sets, np.float64), cuda.local.array(sets, np.float64)
        total = cuda.local.array(sets, np.float64)
        h = hop[read[cut[x]]]
        for j in range(sets):
            total[j] = 0.0
        for y in range(cut[x], cut[x + 1]):
            n = read[y]
            if on_read[i, n] > 0.0:
                then = follow[n]
                for j in range(sets):
                    c[j] = cost[h, i, j] + (value[j, then] if then >= 0 else 0.0)
                _spread(c, value[i, n], on_read[i, n], soft, out)
                for j in range(sets):
                    total[j] += out[j]
        for j in range(sets):
            part[x, i * sets + j] = total[j]

    @cuda.jit  # type: ignore[untyped-decorator]
    def hop_flows(
        step: Any,
        until: Any,
        share: Any,
        nodes: Any,
        node: Any,
        place: Any,
        tree: Any,
        has: Any,
        apart: Any,
        serve: Any,
        bring: Any,
        source: Any,
        write: Any,
        rent: Any,
        soft: float,
        on_hop: Any,
        on_node: Any,
        rows: Any,
    ) -> None:
        """Units on hops become rows of reads, and units on nodes."""
        h = cuda.grid(1)
        if h >= len(step):
            return
        for x in range(rows.shape[1]):
            rows[h, x] = 0.0
        if until[h] <= step[h]:
            for i in range(sets):
                rows[h, i] = share[h] * on_hop[h, i * sets + i]
            return
        t = step[h]
        m, copies = cuda.local.array((sets, sets), np.float64), cuda.local.array((sets, sets), np.bool_)
        p, q = cuda.local.array(sets, np.float64), cuda.local.array(sets, np.float64)
        kept = cuda.local.array((kept_in_full, sets), np.float64)
        _reading(t, share[h], has, apart, serve, bring, source, write, rent, m, copies)
        for x in range(nodes[h], nodes[h + 1]):
            for i in range(sets):
                for j in range(sets):
                    on_node[place[x], i, j] = 0.0
        for i in range(sets):
            total = 0.0
            for j in range(sets):
                p[j] = on_hop[h, i * sets + j]
                total += p[j]
                kept[0, j] = m[i, j]
            if total <= 0.0:
                continue
            if not apart[i]:
                rows[h, i] += share[h] * total
            _carry_back(nodes[h], nodes[h + 1], node, place, tree, soft, kept, p, q, on_node)
            for j in range(sets):
                rows[h, 2 * sets + j] += p[j]
                if apart[i]:
                    rows[h, i if copies[i, j] else sets + i] += share[h] * p[j]
                for k in range(tiers):
                    if p[j] > 0.0 and has[j, k] and not has[i, k]:
                        if copies[i, j] or source[t, i, k] <= _added(share[h], source[t, i, k], write[t, k]):
                            rows[h, copied_from + i * tiers + k] += p[j]
                        else:
                            rows[h, stored_from + k] += share[h] * p[j]
                            rows[h, copied_from + i * tiers + k] += (1.0 - share[h]) * p[j]

    @cuda.jit  # type: ignore[untyped-decorator]
    def begin_flows(
        first: Any,
        hops: int,
        nodes: Any,
        node: Any,
        place: Any,
        tree: Any,
        has: Any,
        start: Any,
        soft: float,
        on_entry: Any,
        on_node: Any,
        rows: Any,
    ) -> None:
        """Units that arrive at first reads become rows of first states, and units on nodes."""
        e = cuda.grid(1)
        if e >= len(first):
            return
        p, q = cuda.local.array(sets, np.float64), cuda.local.array(sets, np.float64)
        kept = cuda.local.array((kept_in_full, sets), np.float64)
        for x in range(nodes[hops + e], nodes[hops + e + 1]):
            for i in range(sets):
                for j in range(sets):
                    on_node[place[x], i, j] = 0.0
        for j in range(sets):
            p[j], kept[0, j] = on_entry[e, j], start[e, j]
        _carry_back(nodes[hops + e], nodes[hops + e + 1], node, place, tree, soft, kept, p, q, on_node)
        for j in range(sets):
            rows[e, j] = p[j]
        for k in range(tiers):
            rows[e, sets + k] = 0.0
            for j in range(sets):
                if first[e] > 0 and has[j, k]:
                    rows[e, sets + k] += p[j]

    return SimpleNamespace(
        join_level=join_level,
        part_level=part_level,
        hop_costs=hop_costs,
        begin_costs=begin_costs,
        chains=chains,
        hop_parts=hop_parts,
        hop_flows=hop_flows,
        begin_flows=begin_flows,
    )
