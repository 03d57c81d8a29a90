"""The cheapest residency of a tiny instance at fixed resource prices, by dynamic programming over joint residencies."""

from __future__ import annotations

from itertools import product

import numpy as np

from placement_opt.instance.instance import Instance

Sets = tuple[frozenset[int], ...]


def cheapest_residency(instance: Instance, rho: np.ndarray) -> float:
    """Seconds at prices float64[T, R]: floors, fixed loads, and the least that births, reads and moves of whole blocks cost."""
    steps = range(instance.num_steps)
    rates = instance.memory.rates.astype(float)
    total = sum((1.0 - rates @ rho[t]) * instance.floor[t] + rho[t] @ instance.fixed[t] for t in steps)
    costs = {joint: 0.0 for joint in _joints(instance, 0) if _starts(instance, joint)}
    for t in steps:
        reading = {joint: cost + _reads(instance, rho[t], t, joint) for joint, cost in costs.items()}
        costs = {after: min(cost + _moves(instance, rho[t], t, before, after) for before, cost in reading.items())
                 for after in _joints(instance, t + 1)}  # fmt: skip
    return float(total + min(costs.values()))


def _alive(instance: Instance, state: int) -> list[int]:
    return [b for b in range(instance.num_blocks) if instance.first_state[b] <= state <= instance.last_state[b]]


def _rule(instance: Instance) -> list[frozenset[int]]:
    tiers = range(instance.num_tiers)
    sets = [frozenset(k for k in tiers if bits[k]) for bits in product((0, 1), repeat=len(tiers)) if any(bits)]
    if instance.residency == "exclusive":
        return [s for s in sets if len(s) == 1]
    return [s for s in sets if instance.home in s] if instance.residency == "inclusive" else sets


def _joints(instance: Instance, state: int) -> list[Sets]:
    alive = _alive(instance, state)
    found = []
    for joint in product(_rule(instance), repeat=len(alive)):
        used = [
            sum(int(instance.size[b]) for b, s in zip(alive, joint, strict=True) if k in s) for k in range(instance.num_tiers)
        ]
        if all(u <= c for u, c in zip(used, instance.capacity, strict=True)):
            found.append(joint)
    return found


def _starts(instance: Instance, joint: Sets) -> bool:
    if instance.initial is None:
        return True
    given = [frozenset(np.flatnonzero(instance.initial[:, b]).tolist()) for b in _alive(instance, 0)]
    return list(joint) == given


def _share(instance: Instance, t: int, block: int) -> float:
    row = slice(int(instance.trace.indptr[t]), int(instance.trace.indptr[t + 1]))
    where = np.flatnonzero(instance.trace.blocks[row] == block)
    return instance.share(row.start + int(where[0])) if len(where) else 0.0


def _reads(instance: Instance, rho: np.ndarray, t: int, joint: Sets) -> float:
    price = instance.memory.read @ rho
    return sum(
        int(instance.size[b]) * _share(instance, t, b) * min(price[k] for k in tiers)
        for b, tiers in zip(_alive(instance, t), joint, strict=True)
    )


def _moves(instance: Instance, rho: np.ndarray, t: int, before: Sets, after: Sets) -> float:
    write, copy = instance.memory.write @ rho, instance.memory.copy @ rho
    held = dict(zip(_alive(instance, t), before, strict=True))
    cost = 0.0
    for b, tiers in zip(_alive(instance, t + 1), after, strict=True):
        for k in tiers - held.get(b, frozenset()):
            if b not in held:
                cost += int(instance.size[b]) * write[k]
                continue
            fetched, share = min(copy[j, k] for j in held[b]), _share(instance, t, b)
            cost += int(instance.size[b]) * (share * min(write[k], fetched) + (1.0 - share) * fetched)
    return cost
