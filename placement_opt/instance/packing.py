"""Whether any schedule exists at all: whole blocks may not fit where their bytes do.

Between two states any rearrangement is legal (every block alive can be copied from any tier to any other, and what is produced
stored anywhere), so a schedule exists if and only if at every state the blocks alive can be packed into the tiers, one copy of
each. Under the inclusive rule the home tier holds them all, and an instance is refused where it does not; under the rule cache
a block may lie nowhere, so that nothing need be packed. For the other rules the question is bin packing, answered where our own
exact argument answers it:

* with little to lose (what is alive leaves room for a block less one unit in every tier), first fit cannot fail;
* blocks of ``s`` and more fill ``floor(size / s)`` places of ``s`` each, and a tier has ``floor(capacity / s)`` of them, so
  that too many are too many; where every size divides the next larger (equal ones do), enough places for each are enough;
* two tiers: every number of bytes that some of the blocks have together is known;
* else every packing is tried, as long as the count of tries lasts.

No solver is asked and no clock is looked at: the same answer on every machine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size
from placement_opt.instance.instance import Instance

#: Partial packings tried, of all states together; blocks alive at one (each is a call within a call).
MOST_TRIES, MOST_BLOCKS = 20_000, 400
#: Bits of the sets of sums of two tiers, of all states together; and of one such set.
MOST_BITS, MOST_WIDTH = 2**33, 2**28
#: Bits up to which the sums of subsets are kept, to tell which blocks make one up.
MOST_SUBSETS = 2**30
#: States times different sizes that are counted.
MOST_COUNTS = 2**20


@dataclass(frozen=True)
class Packing:
    """``known``: True where every state has a packing, False where one has none (``found`` and ``expected`` say which and
    why), None where it is not known."""

    known: bool | None
    found: str = ""
    expected: str = ""


def packing_known(instance: Instance) -> bool | None:
    """Whether schedules of an instance exist: True, False (proven) or None (not known)."""
    return packing(instance).known


def refuse_unpackable(instance: Instance) -> None:
    """InputError where it is proven that no schedule exists."""
    verdict = packing(instance)
    if verdict.known is False:
        raise InputError(verdict.found, f"{verdict.expected}: no schedule exists", field="capacity")


def packing(instance: Instance) -> Packing:
    """Whether the blocks alive at every state can be packed into the tiers."""
    if instance.inclusive or instance.forgets:
        return Packing(True)
    sizes = np.unique(instance.size)[::-1]
    rooms = [int(room) for room in instance.capacity if room > 0]
    sure = _sure(sizes, rooms)
    alive = instance.alive_bytes
    begin = 0 if instance.initial is None else 1  # a given start is checked by the instance itself
    doubtful = begin + np.flatnonzero(alive[begin:] > sure)
    doubtful = doubtful[_fullest(instance)[doubtful]]
    if not len(doubtful):
        return Packing(True)
    if len(sizes) > 1 and len(sizes) * instance.num_steps > MOST_COUNTS:
        return Packing(None)
    counts, first = np.unique(_counts(instance, sizes)[doubtful], axis=0, return_index=True)
    states = doubtful[first]
    if (verdict := _too_many(instance, sizes, rooms, counts, states)) is not None:
        return verdict
    if all(int(large) % int(small) == 0 for large, small in itertools.pairwise(sizes)):
        return Packing(True)
    return _each(sizes, rooms, counts, states)


def _sure(sizes: Int64, rooms: Sequence[int]) -> int:
    """Bytes up to which first fit finds room for any blocks of these sizes: it fails only where every tier lacks a block."""
    unit, largest = math.gcd(*sizes.tolist()), int(sizes[0])
    return sum(room // unit * unit - largest + unit for room in rooms if room >= largest)


def _fullest(instance: Instance) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """bool[T + 1]: states whose blocks are not all alive at the next one, or are those of the last."""
    full = np.zeros(instance.num_steps + 1, dtype=np.bool_)
    full[instance.last_state] = True
    full[-1] = True
    return full


def _counts(instance: Instance, sizes: Int64) -> Int64:
    """int64[T + 1, D]: how many blocks of each size are alive at each state."""
    if len(sizes) == 1:
        return instance.alive_bytes[:, None] // sizes
    change = np.zeros((instance.num_steps + 2, len(sizes)), dtype=np.int64)
    kind = len(sizes) - 1 - np.searchsorted(sizes[::-1], instance.size)
    np.add.at(change, (instance.first_state, kind), 1)
    np.add.at(change, (instance.last_state + 1, kind), -1)
    return np.cumsum(change, axis=0)[:-1]


def _too_many(instance: Instance, sizes: Int64, rooms: Sequence[int], counts: Int64, states: Int64) -> Packing | None:
    """The first state at which blocks fill more places of some size than the tiers have."""
    for at, size in enumerate(sizes.tolist()):
        places = sum(room // size for room in rooms)
        filled = counts[:, : at + 1] @ (sizes[: at + 1] // size)
        if (filled > places).any():
            worst = int(np.argmax(filled))
            held = ", ".join(
                f"{name} {int(room) // size}" for name, room in zip(instance.memory.tier_names, instance.capacity, strict=True)
            )
            what = "whole ones" if at == 0 else f"places of {format_size(size)}"
            number = int(counts[worst, : at + 1].sum())
            larger = "" if at == 0 else " and more"
            fill = "" if at == 0 else f", which fill {int(filled[worst]):,} places of it"
            found = f"found {number:,} blocks of {format_size(size)}{larger} alive at state {int(states[worst])}{fill}"
            return Packing(False, found, f"expected at most the {places:,} {what} that the tiers hold ({held})")
    return None


def _each(sizes: Int64, rooms: Sequence[int], counts: Int64, states: Int64) -> Packing:
    """State by state, the fullest first."""
    search, known = _Search(sizes.tolist(), rooms), True
    for row in np.argsort(-(counts @ sizes), kind="stable").tolist():
        packs = search.packs(counts[row].tolist())
        if packs is False:
            number, total = int(counts[row].sum()), format_size(int(counts[row] @ sizes))
            found = (
                f"found {number:,} blocks alive at state {int(states[row])} ({total}) that no packing puts into the tiers whole"
            )
            return Packing(False, found, f"expected room for whole blocks beside the {format_size(sum(rooms))} for their bytes")
        known = known and packs is not None
    return Packing(True if known else None)


class _Search:
    """Packings of blocks, counted by size (descending), into rooms; ``tries`` and ``bits`` are left for all states together."""

    def __init__(self, sizes: Sequence[int], rooms: Sequence[int]) -> None:
        self.sizes, self.rooms = list(sizes), sorted(rooms)
        self.tries, self.bits = MOST_TRIES, MOST_BITS
        self._failed: set[tuple[int, tuple[int, ...], tuple[int, ...]]] = set()

    def packs(self, counts: Sequence[int]) -> bool | None:
        """Whether these blocks can be packed; None where the tries do not last."""
        if any(self._first_fit(counts, rooms) for rooms in (self.rooms, self.rooms[::-1])):
            return True
        if len(self.rooms) == 2:
            return self._two(counts)
        if self._filled(counts):
            return True
        if sum(counts) > MOST_BLOCKS:
            return None
        total = sum(size * count for size, count in zip(self.sizes, counts, strict=True))
        return self._try(0, list(self.rooms), list(counts), total)

    def _first_fit(self, counts: Sequence[int], rooms: Sequence[int]) -> bool:
        """By decreasing size, each into the first room that has room for it."""
        left = list(rooms)
        for size, count in zip(self.sizes, counts, strict=True):
            rest = count
            for room in range(len(left)):
                taken = min(rest, left[room] // size)
                left[room] -= taken * size
                rest -= taken
            if rest:
                return False
        return True

    def _filled(self, counts: Sequence[int]) -> bool:
        """One room after the other filled with as many bytes as some of what is left have together, the largest first."""
        sizes, rooms = np.repeat(self.sizes, counts), np.array(self.rooms)
        bits = len(sizes) * int(rooms.sum()) // math.gcd(*self.sizes)
        if bits > self.bits:
            return False
        self.bits -= bits
        return exactly_filled(sizes, rooms, range(len(rooms))[::-1]) is not None

    def _two(self, counts: Sequence[int]) -> bool | None:
        """One room holds what the other does not: is there a sum of sizes that suits both?"""
        unit, total = math.gcd(*self.sizes), sum(s * c for s, c in zip(self.sizes, counts, strict=True))
        most, least = self.rooms[0] // unit, max(0, -(-(total - self.rooms[1]) // unit))
        parts = [size // unit * part for size, count in zip(self.sizes, counts, strict=True) for part in _binary(count)]
        if most > MOST_WIDTH or most * len(parts) > self.bits:
            return None
        self.bits -= most * len(parts)
        reached, within = 1, (1 << most + 1) - 1  # bit n: some of the blocks have n units together
        for part in parts:
            reached |= reached << part & within
        return reached >> least != 0

    def _try(self, kind: int, left: list[int], counts: list[int], rest: int) -> bool | None:
        """Pack the blocks of the sizes from ``kind`` on, ``rest`` bytes, into what is left; rooms of equal rest are one."""
        while kind < len(counts) and counts[kind] == 0:
            kind += 1
        if kind == len(counts):
            return True
        largest = self.sizes[kind]
        if rest > sum(left) or counts[kind] > sum(room // largest for room in left):
            return False
        key = (kind, tuple(sorted(left)), tuple(counts[kind:]))
        if key in self._failed:
            return False
        if self.tries <= 0:
            return None
        self.tries -= 1
        known, seen = True, set()
        counts[kind] -= 1
        for room in range(len(left)):
            if left[room] < largest or left[room] in seen:
                continue
            seen.add(left[room])
            left[room] -= largest
            found = self._try(kind, left, counts, rest - largest)
            left[room] += largest
            if found:
                counts[kind] += 1
                return True
            known = known and found is not None
        counts[kind] += 1
        if known:
            self._failed.add(key)
            return False
        return None


def _binary(count: int) -> list[int]:
    """Numbers whose partial sums are 0 .. count: 1, 2, 4, ... and the rest."""
    parts, step = [], 1
    while count > 0:
        parts.append(min(step, count))
        count -= parts[-1]
        step *= 2
    return parts


def exactly_filled(sizes: Int64, room: Int64, order: Sequence[int]) -> Int64 | None:
    """One tier after the other filled with as many bytes as any subset of what is left has; None if blocks are left over."""
    unit = math.gcd(*sizes.tolist())
    tier, left = np.full(len(sizes), -1, dtype=np.int64), list(range(len(sizes)))
    for k in order:
        most = min(int(room[k]), int(sizes[left].sum())) // unit
        if len(left) * most > MOST_SUBSETS:
            return None
        reached = [1]  # bit n: some of the blocks so far have n units together
        for b in left:
            reached.append((reached[-1] | reached[-1] << int(sizes[b]) // unit) & ((1 << most + 1) - 1))
        total = reached[-1].bit_length() - 1
        for n in range(len(left), 0, -1):
            if not reached[n - 1] >> total & 1:
                tier[left[n - 1]] = k
                total -= int(sizes[left[n - 1]]) // unit
        left = [b for b in left if tier[b] < 0]
        if not left:
            return tier
    return None
