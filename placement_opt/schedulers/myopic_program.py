"""One step's placement as a small mixed-integer program over kinds of blocks, for :mod:`placement_opt.schedulers.myopic`.

    min  now + repeat * next
    now  >= rho_v . (base + moves) + served . cheapest_v          for every extreme price vector v of the read split
    next >= rho_v . base + (bytes read next, where they lie then) . cheapest_v
    sum over targets Q of n[c, Q] = blocks of kind c
    sum over kinds and targets that hold tier k of size * n[c, Q] <= room of k

n[c, Q]: how many blocks of kind c lie in the set of tiers Q at the next state, in whole numbers. Where a read need not bring
the block to the processor there are two of them: it is brought and stored in passing, or copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import InputError
from placement_opt.instance.law import Loads, loads_of
from placement_opt.instance.rule import Residency
from placement_opt.memory.system import MemorySystem
from placement_opt.schedulers.hierarchy.transition import Sources
from placement_opt.schedulers.kinds import Serving, chooses, fewest, serving

#: Every set of tiers is a target, so their number is limited.
MOST_TIERS = 6
#: Kinds of block, each with price vectors of its own, beyond which a step is not planned.
MOST_KINDS = 8
#: Added to the mask of blocks that are copied although they are read.
COPIED = 1 << MOST_TIERS
_GAP = 1e-4
#: Of branch and bound, in one step's program.
NODES = 200
#: Moving everything costs this share of the step's time, so that nothing moves for nothing.
_INERTIA = 1e-4
_SMALLEST = 1e-8  # the solver drops smaller coefficients anyway


class Class(NamedTuple):
    """Blocks of a kind: the tiers that hold them, the share at the processor (0: none) and bytes of each, their number; and
    whether they were just produced, what they are (as in a trace), and their pieces, where it matters."""

    mask: int
    share: float
    size: int
    number: int
    born: bool = False
    label: int = 0
    pieces: int = 1


class _Prices(NamedTuple):
    """Of serving, storing (float64[V, K] a kind) and copying (float64[K, K, V]) blocks of some kinds."""

    kinds: Loads
    serving: Serving
    store: list[Float64]
    copy: list[Float64]


class StepProgram:
    """The programs of one memory system and rule, each solved within so many nodes of branch and bound.

    ``most_nodes``: what the one that took most of them took.
    """

    def __init__(self, memory: MemorySystem, residency: Residency, home: int, repeat: int, nodes: int = NODES) -> None:
        tiers = len(memory.tiers)
        if tiers > MOST_TIERS:
            raise InputError(f"found {tiers} tiers", f"expected at most {MOST_TIERS} for this scheduler", field="myopic")
        self._residency, self._home, self._repeat, self._nodes = residency, home, repeat, nodes
        self.most_nodes = 0
        self._order = memory.by_speed
        self.sources = Sources(memory)
        self._memory, self._operations = memory, memory.operations
        self._sets = np.arange(0 if residency == "cache" else 1, 1 << tiers)
        self._known: dict[bytes, _Prices] = {}

    def told(self, labels: Int64, sizes: Int64, pieces: Int64) -> Int64:
        """int64[n, 3]: what blocks are, their size and pieces, so far as prices tell them apart: 0 where all are served alike,
        and 1 where loads are by the byte."""
        rows = np.stack([labels if self._operations.limited else 0 * sizes, sizes, pieces], axis=1)
        if self._operations.uniform:
            rows[:, 1:] = 1
        return rows

    def _prices(self, known: Int64) -> _Prices:
        """What such blocks (distinct rows of :meth:`told`) cost at each price vector."""
        key = known.tobytes()
        if key not in self._known:
            labels, sizes, pieces = known[:, 0].astype(np.int8), known[:, 1], known[:, 2]
            kinds = fewest(loads_of(self._operations, sizes, labels=labels, pieces=pieces))
            if len(kinds.row) > MOST_KINDS:
                found = f"found blocks of {len(kinds.row)} kinds, with loads that are not by the byte, in a step"
                raise InputError(found, f"expected at most {MOST_KINDS} for this scheduler", field="myopic")
            table = serving(self._memory, kinds, self._sets)
            rho = table.timer.rho
            store = [rho @ loads.T for loads in kinds.store]
            copy = [np.einsum("vr,jkr->jkv", rho, loads) for loads in kinds.copy]
            self._known[key] = _Prices(kinds, table, store, copy)
        return self._known[key]

    def solve(
        self, classes: list[Class], room: Int64, served: Float64, read: Int64, base: Float64, floor: float
    ) -> Int64 | None:
        """Masks at the next state, kind after kind, the blocks that lie fastest first; None if there is no way (or none found).

        Those of blocks that are copied although they are read have ``COPIED`` added.

        Parameters
        ----------
        room
            int64[K]: bytes that these blocks may take in each tier.
        served
            float64[Z, 2**K]: bytes (where loads are not by the byte: blocks) read now of each kind, by mask of the tiers that
            hold them.
        read
            int64[Z, 3]: these kinds, distinct rows of :meth:`told`.
        base
            float64[R]: what else the step loads.

        Raises
        ------
        InputError
            Blocks of more kinds than :data:`MOST_KINDS`.
        """
        from placement_opt.base.highs import LinearProgram, from_triplets, to_highs

        every = np.array([kind.size for kind in classes], dtype=np.int64)
        labels, pieces = np.array([(kind.label, kind.pieces) for kind in classes], dtype=np.int64).T
        held = self.told(labels, every, pieces)
        known, at = np.unique(np.concatenate([held, read]), axis=0, return_inverse=True)
        prices = self._prices(known)
        kinds_of, amount = prices.kinds.kind[at.reshape(-1)], prices.kinds.amount[at.reshape(-1)]
        of, amounts = kinds_of[: len(held)], amount[: len(held)] * (every if self._operations.uniform else 1)
        targets = [
            (c, q, copied) for c, kind in enumerate(classes) for q, copied in self._targets(kind, prices.serving, int(of[c]))
        ]
        kind_of, sets = np.array([c for c, _, _ in targets]), np.array([q for _, q, _ in targets])
        sizes_of = every.astype(float)[kind_of]
        moving = np.array([
            self._price(classes[c], q, copied, prices, int(of[c]), int(amounts[c])) for c, q, copied in targets
        ]).T  # fmt: skip
        read = np.array([kind.share * amount for kind, amount in zip(classes, amounts.tolist(), strict=True)])[kind_of]
        again = prices.serving.free[of[kind_of], sets - self._sets[0]].T
        reading = np.where(read > 0, again * read, 0.0)
        still = prices.serving.timer.rho @ base
        current = still + self._reads(prices, served, kinds_of[len(held) :], amount[len(held) :])
        unit = max(float(current.max()), floor) or float(sizes_of.sum()) * float(max(one.max() for one in prices.store)) or 1.0
        vectors, n, kinds = len(still), len(targets), len(classes)
        tiers = np.flatnonzero([k != self._home or self._residency != "inclusive" for k in range(len(room))])
        largest = float(sizes_of.max())
        blocks_matrix = np.concatenate([
            moving / unit,
            reading / unit,
            kind_of == np.arange(kinds)[:, None],
            (sets >> tiers[:, None] & 1) * sizes_of / largest,
        ])  # fmt: skip
        matrix = np.zeros((len(blocks_matrix), n + 2))
        matrix[:, :n] = np.where(np.abs(blocks_matrix) < _SMALLEST, 0.0, blocks_matrix)
        matrix[:vectors, n] = matrix[vectors : 2 * vectors, n + 1] = -1.0
        counts = np.array([float(kind.number) for kind in classes])
        upper = np.concatenate([-current / unit, -still / unit, counts, np.maximum(room[tiers], 0) / largest])
        lower = np.concatenate([np.full(2 * vectors, -np.inf), counts, np.full(len(tiers), -np.inf)])
        inertia = _INERTIA * self._changes(classes, kind_of, sets) * sizes_of / float(sizes_of @ np.ones(n))
        cost = np.concatenate([np.where(inertia < _SMALLEST, 0.0, inertia), [1.0, float(self._repeat)]])
        least = np.append(np.zeros(n), [floor / unit, floor / unit])
        rows, columns = np.nonzero(matrix)
        start, index, value = from_triplets(n + 2, rows, columns, matrix[rows, columns])
        integral = np.append(np.ones(n, dtype=bool), [False, False])
        most = np.append(counts[kind_of], [np.inf, np.inf])
        program = LinearProgram(cost, least, most, lower, upper, start, index, value, integral)
        found = self._run(to_highs(program), n)
        if found is None or not self._holds(found, classes, kind_of, sets, room, tiers):
            return None
        marks = np.array([COPIED if copied else 0 for _, _, copied in targets])
        return np.repeat(sets + marks, found)  # kind after kind, and the sets of a kind in order of speed

    def _reads(self, prices: _Prices, served: Float64, kinds: Int64, amounts: Int64) -> Float64:
        """float64[V]: what the reads of this step cost at each price vector; kind of each row, what one of it counts."""
        total = np.zeros(len(prices.serving.timer.rho))
        for row, kind, amount in zip(served, kinds.tolist(), amounts.tolist(), strict=True):
            total += prices.serving.columns(kind) @ (row[self._sets[0] :] * amount)
        return total

    def _run(self, solver: Any, columns: int) -> Int64 | None:
        """The first columns of the best solution found, in whole numbers."""
        solver.setOptionValue("presolve", "off")  # HiGHS has called small programs infeasible that are not, with presolve only
        solver.setOptionValue("mip_rel_gap", _GAP)
        solver.setOptionValue("mip_max_nodes", self._nodes)
        solver.run()
        self.most_nodes = max(self.most_nodes, int(solver.getInfo().mip_node_count))
        solution = solver.getSolution()
        if not solution.value_valid or len(solution.col_value) < columns:
            return None
        found: Int64 = np.rint(np.array(solution.col_value[:columns])).astype(np.int64)
        return found

    def _targets(self, kind: Class, table: Serving, of: int) -> list[tuple[int, bool]]:
        """The sets of tiers in which such a block may lie at the next state, fastest first, and whether copied there."""
        if self._residency == "cache" and not kind.mask and not kind.born and not (table.brings[of, 0] and kind.share == 1):
            return [(0, False)]
        choice = chooses(self._operations) and kind.mask and kind.share > 0 and not kind.born
        either = choice and bool(table.either[kind.mask - self._sets[0]])
        ways = (False, True) if either else (False,)
        return [(q, copied) for q in self._sets_for(kind) for copied in (ways if q & ~kind.mask else (False,))]

    def _sets_for(self, kind: Class) -> list[int]:
        near, held, home = kind.share > 0, kind.mask, 1 << self._home
        if self._residency == "inclusive":
            caches = sum(1 << k for k in self._order[: self._order.index(self._home)])
            rest = held & ~caches | home
            allowed = {rest | q & caches for q in range(1 << len(self._order)) if near or q & caches & ~held == 0}
        else:
            first = min((level for level, k in enumerate(self._order) if held >> k & 1), default=0)
            allowed = {1 << k for level, k in enumerate(self._order) if near or level > first}
            if self._residency in ("free", "cache"):
                allowed |= {int(q) for q in self._sets if near or q & ~held == 0}
            elif held:
                allowed.add(held)
        return sorted(allowed, key=self._speed, reverse=True)

    def _speed(self, mask: int) -> tuple[int, ...]:
        return tuple(mask >> k & 1 for k in self._order)

    def _price(self, kind: Class, target: int, copied: bool, prices: _Prices, of: int, amount: int) -> Float64:
        """float64[V]: what taking one such block there costs now, at each price vector, its being brought there included."""
        store, copy, table = prices.store[of], prices.copy[of], prices.serving
        price, share = np.zeros(len(store)), 0.0 if copied else kind.share
        sources = self.sources.table(kind.size, kind.pieces)
        for tier in range(len(self._order)):
            if target >> tier & 1 and not kind.mask >> tier & 1:
                price += share * store[:, tier]
                if share < 1:
                    price += (1 - share) * copy[sources[kind.mask, tier], tier]
        if target & ~kind.mask and share > 0 and not kind.born and chooses(self._operations):
            at = kind.mask - self._sets[0]
            price += share * (table.bringing[of, at] - table.free[of, at])
        return price * amount

    def _changes(self, classes: list[Class], kind_of: Int64, sets: Int64) -> Float64:
        """Copies made, and half the copies dropped, a block."""
        held = np.array([kind.mask for kind in classes])[kind_of]
        tiers = np.arange(len(self._order))[:, None]
        made, dropped = (sets & ~held) >> tiers & 1, (held & ~sets) >> tiers & 1
        return np.asarray(made.sum(axis=0) + dropped.sum(axis=0) / 2)

    @staticmethod
    def _holds(found: Int64, classes: list[Class], kind_of: Int64, sets: Int64, room: Int64, tiers: Int64) -> bool:
        """Whether the counts add up and fit, in whole bytes: the solver's word is not enough."""
        counts = np.bincount(kind_of, weights=found, minlength=len(classes)).astype(np.int64)
        if (found < 0).any() or (counts != [kind.number for kind in classes]).any():
            return False
        sizes = np.array([kind.size for kind in classes], dtype=np.int64)[kind_of]
        used = (found * sizes) @ (sets[:, None] >> tiers & 1)
        return bool((used <= np.maximum(room[tiers], 0)).all())
