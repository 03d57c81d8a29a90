"""Slow and obvious forms, once for all tests: what an operation loads, where a block may lie, the cheapest way of one block.

Straight from the problem statement and the columns of the table of operations; nothing is counted per byte, nothing is shared
with the package but the arrays of the instance. Prices are any numbers: floats, or integers where values are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.instance.instance import Instance

Floats = npt.NDArray[np.float64]
Held = frozenset[int]
#: Rows of prices, by step or state: of resources per byte loaded, or of tiers per byte held.
Rows = Sequence[Sequence[Any]]


def whole_load(instance: Instance, operation: int, block: int) -> list[int]:
    """What an operation loads on every resource for the whole of a block: calls, and bytes rounded up to the grain, both for
    each piece."""
    table, pieces = instance.memory.operations, pieces_of(instance, block)
    grain = int(table.grain[operation])
    moved = grain * -(-int(instance.size[block]) // pieces // grain)
    columns = zip(table.per_call[operation].tolist(), table.per_byte[operation].tolist(), strict=True)
    return [pieces * (call + byte * moved) for call, byte in columns]


def pieces_of(instance: Instance, block: int) -> int:
    """In how many pieces a block is stored."""
    given = [1] if instance.trace.pieces is None else instance.trace.pieces.tolist()
    return given[block] if len(given) > 1 else given[0]


def label_of(instance: Instance, block: int) -> int:
    """What a block is: 0 for KV, 1 for weights."""
    return 0 if instance.trace.block_kind is None else int(instance.trace.block_kind[block])


def share_of(instance: Instance, t: int, block: int) -> Fraction:
    """Share of a block that step t reads."""
    trace = instance.trace
    for i in range(int(trace.indptr[t]), int(trace.indptr[t + 1])):
        if trace.blocks[i] == block:
            return Fraction(1 if trace.shares is None else int(trace.shares[i]), trace.share_base)
    return Fraction(0)


def allowed(instance: Instance, held: Set[int]) -> bool:
    """Whether a block that is alive may lie in exactly these tiers."""
    if not held:
        return instance.residency == "cache"
    return not (instance.residency == "exclusive" and len(held) > 1) and (not instance.inclusive or instance.home in held)


def serving(instance: Instance, t: int, held: Mapping[int, Set[int]]) -> dict[int, Held]:
    """The tiers whose copies may serve each block that step t reads, blocks lying in these."""
    trace = instance.trace
    rows = range(int(trace.indptr[t]), int(trace.indptr[t + 1]))
    found = {int(trace.blocks[i]): frozenset(held[int(trace.blocks[i])]) for i in rows}
    if instance.prefix == "strict":
        assert trace.position is not None
        asked = {int(trace.position[i]): int(trace.blocks[i]) for i in rows}
        end = 0
        while end in asked and found[asked[end]]:
            end += 1
        found.update({b: frozenset[int]() for place, b in asked.items() if place >= end})
    return found


def tier_sets(instance: Instance) -> list[Held]:
    """All sets of tiers that the rule allows."""
    every = [frozenset(k for k, bit in enumerate(bits) if bit) for bits in product((0, 1), repeat=instance.num_tiers)]
    return [held for held in every if allowed(instance, held)]


def nearest(instance: Instance, tiers: Set[int], target: int) -> int:
    """The tier from which one byte reaches the target soonest, the one read fastest among equals."""
    memory = instance.memory

    def seconds(j: int) -> Fraction:
        pairs = zip(memory.copy[j, target].tolist(), memory.rates.tolist(), strict=True)
        return max(Fraction(c, rate) for c, rate in pairs)

    return min(tiers, key=lambda j: (seconds(j), memory.by_speed.index(j)))


@dataclass(frozen=True)
class Path:
    """What it costs, where the block lies at the last state so far, what was done last (step, part, operation), and before."""

    cost: Any
    held: Held
    uses: tuple[tuple[int, Any, int], ...]
    before: Path | None = None

    def walked(self) -> list[Path]:
        """From the first state on."""
        return [*(self.before.walked() if self.before else []), self]

    def load(self, instance: Instance, block: int) -> Floats:
        """float64[T, R]: what it loads."""
        load = np.zeros((instance.num_steps, instance.num_resources))
        for t, part, operation in (use for path in self.walked() for use in path.uses):
            load[t] += float(part) * np.array(whole_load(instance, operation, block), dtype=float)
        return load

    def room(self, instance: Instance, block: int) -> Floats:
        """float64[T + 1, K]: bytes held."""
        room, first = np.zeros((instance.num_steps + 1, instance.num_tiers)), int(instance.first_state[block])
        for state, path in enumerate(self.walked(), start=first):
            if state <= instance.last_state[block]:
                room[state, list(path.held)] = instance.size[block]
        return room


def cheapest_path(instance: Instance, block: int, rho: Rows, rent: Rows) -> Path:
    """One block alone: every step, every pair of tier sets, every operation that can serve it, by dynamic programming."""
    first, last = int(instance.first_state[block]), int(instance.last_state[block])
    loads = [whole_load(instance, operation, block) for operation in range(len(instance.memory.operations.names))]
    sets, size = tier_sets(instance), int(instance.size[block])

    def price(t: int) -> list[Any]:
        return [sum(p * n for p, n in zip(rho[t], load, strict=True)) for load in loads]

    def lying(held: Held, state: int) -> Any:
        return size * sum(rent[state][k] for k in held)

    stored = price(first - 1) if first else [0] * len(loads)
    paths = [Path(lying(s, first) + sum(stored[k] for k in s), s, tuple((first - 1, 1, k) for k in s if first)) for s in sets]
    if first == 0 and instance.initial is not None:
        given = frozenset(np.flatnonzero(instance.initial[:, block]).tolist())
        paths = [path for path in paths if path.held == given]
    for t in range(first, min(last, instance.num_steps - 1) + 1):
        prices, exact = price(t), share_of(instance, t, block)
        share = float(exact) if isinstance(rho[t][0], float) else int(exact) if exact.denominator == 1 else exact
        found: dict[Held, Path] = {}
        for path in paths:
            for into in sets if t < last else [path.held]:
                for cost, uses in _ways(instance, block, prices, t, share, path.held, into):
                    total = path.cost + cost + (lying(into, t + 1) if t < last else 0)
                    if into not in found or total < found[into].cost:
                        found[into] = Path(total, into, uses, path)
        paths = list(found.values())
    return min(paths, key=lambda path: path.cost)


def _ways(
    instance: Instance, block: int, prices: Sequence[Any], t: int, share: Any, held: Held, into: Held
) -> Iterator[tuple[Any, tuple[tuple[int, Any, int], ...]]]:
    """For each operation that can serve what step t reads of a block: the cheapest way to lie in ``into`` after it as well."""
    table, tiers = instance.memory.operations, instance.num_tiers
    copies = {k: min(((prices[o], o) for o in (tiers + j * tiers + k for j in held)), default=None) for k in into - held}
    some = table.serving[table.applies[table.serving, label_of(instance, block)]].tolist()
    serving = [o for o in some if table.source[o] < 0 or table.source[o] in held]
    for way in serving if share else [None]:
        cost, uses = (0, ()) if way is None else (share * prices[way], ((t, share, way),))
        brought = share if way is not None and table.brings[way] else 0
        for k, copy in copies.items():
            options = [(copy[0], ((t, 1, copy[1]),))] if copy else []
            if brought == 1:
                options.append((prices[k], ((t, 1, k),)))
            elif brought and copy:
                both = brought * prices[k] + (1 - brought) * copy[0]
                options.append((both, ((t, brought, k), (t, 1 - brought, copy[1]))))
            if not options:
                break
            more, moved = min(options, key=lambda option: option[0])
            cost, uses = cost + more, uses + moved
        else:
            yield cost, uses


def dual_value(instance: Instance, rho: Floats, rent: Floats) -> tuple[float, Floats, Floats]:
    """(D in seconds, its slope in resource prices float64[T, R], and in rents float64[T + 1, K]) at legal prices."""
    load = instance.fixed - instance.floor[:, None] * instance.memory.rates
    room = np.tile(-instance.capacity.astype(float), (instance.num_steps + 1, 1))
    value = float(instance.floor.sum() + (rho * load).sum() + (rent * room).sum())
    for block in range(instance.num_blocks):
        path = cheapest_path(instance, block, rho.tolist(), rent.tolist())
        value += path.cost
        load = load + path.load(instance, block)
        room = room + path.room(instance, block)
    return value, load, room
