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
        costs = {after: min(cost + _step(instance, rho[t], t, before, after) for before, cost in costs.items())
                 for after in _joints(instance, t + 1)}  # fmt: skip
    return float(total + min(costs.values()))


def _alive(instance: Instance, state: int) -> list[int]:
    return [b for b in range(instance.num_blocks) if instance.first_state[b] <= state <= instance.last_state[b]]


def _rule(instance: Instance) -> list[frozenset[int]]:
    tiers = range(instance.num_tiers)
    sets = [frozenset(k for k in tiers if bits[k]) for bits in product((0, 1), repeat=len(tiers))]
    if instance.residency != "cache":
        sets = [s for s in sets if s]
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


def _step(instance: Instance, rho: np.ndarray, t: int, before: Sets, after: Sets) -> float:
    """Reads and moves of step t, block by block, each by the operations that are cheapest together."""
    alive, later = _alive(instance, t), _alive(instance, t + 1)
    held, wanted = dict(zip(alive, before, strict=True)), dict(zip(later, after, strict=True))
    return sum(_block(instance, rho, t, b, held.get(b), wanted.get(b, frozenset())) for b in {*alive, *later})


def _block(
    instance: Instance, rho: np.ndarray, t: int, block: int, held: frozenset[int] | None, wanted: frozenset[int]
) -> float:
    operations, tiers = instance.memory.operations, instance.num_tiers
    price = operations.block_loads(int(instance.size[block])) @ rho
    if held is None:
        return float(sum(price[k] for k in wanted))
    share = _share(instance, t, block)
    copy = {k: min((price[tiers + j * tiers + k] for j in held), default=np.inf) for k in wanted - held}
    if not share:
        return float(sum(copy.values()))
    ways = []
    for o in range(tiers + tiers**2, len(price)):
        if operations.source[o] < 0 or operations.source[o] in held:
            stored = {k: min(price[k], c) if operations.brings[o] else c for k, c in copy.items()}
            moved = sum(share * stored[k] + ((1.0 - share) * c if share < 1.0 else 0.0) for k, c in copy.items())
            ways.append(share * price[o] + moved)
    return float(min(ways))
