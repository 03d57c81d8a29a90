"""The cheapest way of one block at given prices, slow and obvious: every step, every pair of tier sets, every operation.

Straight from the table of operations: nothing is counted per byte, a block is what its operations load for the whole of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

Held = frozenset[int]


@dataclass(frozen=True)
class Path:
    """What it costs (seconds), loads (float64[T, R]), and where the block lies from its first state on."""

    cost: float
    load: Float64
    stay: tuple[Held, ...]


def allowed(instance: Instance) -> list[Held]:
    """The sets of tiers of the instance's rule."""
    tiers = range(instance.num_tiers)
    found = [frozenset(s) for n in range(len(tiers) + 1) for s in itertools.combinations(tiers, n)]
    if instance.residency == "inclusive":
        return [s for s in found if instance.home in s]
    if instance.residency == "exclusive":
        return [s for s in found if len(s) == 1]
    return found if instance.residency == "cache" else [s for s in found if s]


class SlowPath:
    """One block at legal prices."""

    def __init__(self, instance: Instance, prices: Prices, block: int) -> None:
        self.instance, self.prices, self.block = instance, prices, block
        self.table = instance.memory.operations
        self.size = int(instance.size[block])
        self.rows = self.table.block_loads(self.size).astype(float)

    def cheapest(self) -> Path:
        """By dynamic programming over states."""
        instance, block, sets = self.instance, self.block, allowed(self.instance)
        first, last = int(instance.first_state[block]), int(instance.last_state[block])
        paths = {s: self._begun(s, first) for s in sets}
        if first == 0 and instance.initial is not None:
            given = frozenset(np.flatnonzero(instance.initial[:, block]).tolist())
            paths = {given: paths[given]}
        for t in range(first, min(last, instance.num_steps - 1) + 1):
            share = self._share(t)
            if t == last:
                if share:
                    paths = {s: self._best(s, path, t, share, s, last=True) for s, path in paths.items()}
                break
            moved: dict[Held, Path] = {}
            for s, path in paths.items():
                for into in sets:
                    found = self._best(s, path, t, share, into)
                    if into not in moved or found.cost < moved[into].cost:
                        moved[into] = found
            paths = moved
        return min(paths.values(), key=lambda path: path.cost)

    def held(self, path: Path) -> Float64:
        """float64[T + 1, K]: bytes held."""
        held = np.zeros((self.instance.num_steps + 1, self.instance.num_tiers))
        for n, s in enumerate(path.stay):
            held[int(self.instance.first_state[self.block]) + n, list(s)] = self.size
        return held

    def _rent(self, held: Held, state: int) -> float:
        return self.size * sum(float(self.prices.rent[state, k]) for k in held)

    def _share(self, t: int) -> float:
        trace = self.instance.trace
        position = np.flatnonzero(trace.reads(t) == self.block)
        return self.instance.share(int(trace.indptr[t] + position[0])) if len(position) else 0.0

    def _begun(self, held: Held, first: int) -> Path:
        load = np.zeros((self.instance.num_steps, self.instance.num_resources))
        if first:
            load[first - 1] = sum((self.rows[k] for k in held), np.zeros(load.shape[1]))
        return Path(float((self.prices.rho * load).sum()) + self._rent(held, first), load, (held,))

    def _best(self, held: Held, path: Path, t: int, share: float, into: Held, *, last: bool = False) -> Path:
        """The cheapest of all ways to serve the read, if any, and to lie in ``into`` at the next state, if there is one."""
        rho, found = self.prices.rho[t], []
        serving = [o for o in self.table.serving.tolist() if self.table.source[o] < 0 or self.table.source[o] in held]
        for way in serving if share else [None]:
            load = share * self.rows[way] if way is not None else np.zeros(len(rho))
            possible = True
            for k in into - held:
                more = self._adding(held, k, t, share if way is not None and self.table.brings[way] else 0.0)
                possible &= more is not None
                load = load if more is None else load + more
            if possible:
                found.append(load)
        if not found:
            return Path(np.inf, path.load, (*path.stay, into))
        load = min(found, key=lambda one: float(rho @ one))
        total = path.load.copy()
        total[t] += load
        rent = 0.0 if last else self._rent(into, t + 1)
        return Path(path.cost + float(rho @ load) + rent, total, path.stay if last else (*path.stay, into))

    def _adding(self, held: Held, k: int, t: int, brought: float) -> Float64 | None:
        """The cheapest load of having tier k too, ``brought`` of the block being at the processor; None if that cannot be."""
        rho, tiers = self.prices.rho[t], self.instance.num_tiers
        copies = [self.rows[tiers + j * tiers + k] for j in held]
        ways = list(copies)
        if brought == 1.0:
            ways.append(self.rows[k])
        elif brought:
            ways += [brought * self.rows[k] + (1.0 - brought) * copy for copy in copies]
        return min(ways, key=lambda one: float(rho @ one), default=None)


def dual_value(instance: Instance, prices: Prices) -> tuple[float, Float64, Float64]:
    """(D in seconds, its slope in resource prices float64[T, R], and in rents float64[T + 1, K]) at legal prices."""
    load = instance.fixed - instance.floor[:, None] * instance.memory.rates
    room = np.tile(-instance.capacity.astype(float), (instance.num_steps + 1, 1))
    value = float(instance.floor.sum() + (prices.rho * load).sum() + (prices.rent * room).sum())
    for block in range(instance.num_blocks):
        slow = SlowPath(instance, prices, block)
        path = slow.cheapest()
        value, load, room = value + path.cost, load + path.load, room + slow.held(path)
    return value, load, room
