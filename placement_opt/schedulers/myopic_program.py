"""One step's placement as a small mixed-integer program over kinds of blocks, for :mod:`placement_opt.schedulers.myopic`.

    min  now + repeat * next
    now  >= rho_v . (base + moves) + served . cheapest_v          for every extreme price vector v of the read split
    next >= rho_v . base + (bytes read next, where they lie then) . cheapest_v
    sum over targets Q of n[c, Q] = blocks of kind c
    sum over kinds and targets that hold tier k of size * n[c, Q] <= room of k

n[c, Q]: how many blocks of kind c lie in the set of tiers Q at the next state, in whole numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Residency
from placement_opt.memory.split.timing import StepTimer
from placement_opt.memory.system import Int64, MemorySystem
from placement_opt.play.protocol import cheapest_source

Float64 = npt.NDArray[np.float64]

#: Every set of tiers is a target, so their number is limited.
MOST_TIERS = 6
_GAP = 1e-4
#: Of branch and bound, in one step's program.
NODES = 200
#: Moving everything costs this share of the step's time, so that nothing moves for nothing.
_INERTIA = 1e-4
_SMALLEST = 1e-8  # the solver drops smaller coefficients anyway


class Class(NamedTuple):
    """Blocks of a kind: the tiers that hold them, the share at the processor (0: none) and bytes of each, their number."""

    mask: int
    share: float
    size: int
    number: int


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
        self.sources = cheapest_source(memory)
        self._sets = np.arange(1, 1 << tiers)
        self._timer = StepTimer(memory, self._sets.tolist())
        # Price of a byte stored to each tier, and copied between tiers, at each price vector.
        self._store = self._timer.rho @ memory.write.T
        self._copy = np.einsum("vr,jkr->jkv", self._timer.rho, memory.copy)

    def solve(self, classes: list[Class], room: Int64, served: Float64, base: Float64, floor: float) -> Int64 | None:
        """Masks at the next state, kind after kind, the blocks that lie fastest first; None if there is no way (or none found).

        Parameters
        ----------
        room
            int64[K]: bytes that these blocks may take in each tier.
        served
            float64[2**K]: bytes read now, by mask of the tiers that hold them.
        base
            float64[R]: what else the step loads.
        """
        from placement_opt.bounds.programs.highs import LinearProgram, from_triplets, to_highs

        targets = [(c, q) for c, kind in enumerate(classes) for q in self._targets(kind)]
        kind_of, sets = np.array([c for c, _ in targets]), np.array([q for _, q in targets])
        sizes = np.array([kind.size for kind in classes], dtype=float)[kind_of]
        moving = np.array([self._price(classes[c], q) for c, q in targets]).T
        read = np.array([kind.share * kind.size for kind in classes])[kind_of]
        reading = np.where(read > 0, self._timer.cheapest[:, sets - 1] * read, 0.0)
        still = self._timer.rho @ base
        current = still + self._timer.cheapest @ served[1:]
        unit = max(float(current.max()), floor) or float(sizes.sum()) * float(self._store.max())
        vectors, n, kinds = len(still), len(targets), len(classes)
        tiers = np.flatnonzero([k != self._home or self._residency != "inclusive" for k in range(len(room))])
        largest = float(sizes.max())
        blocks_matrix = np.concatenate([
            moving / unit,
            reading / unit,
            kind_of == np.arange(kinds)[:, None],
            (sets >> tiers[:, None] & 1) * sizes / largest,
        ])  # fmt: skip
        matrix = np.zeros((len(blocks_matrix), n + 2))
        matrix[:, :n] = np.where(np.abs(blocks_matrix) < _SMALLEST, 0.0, blocks_matrix)
        matrix[:vectors, n] = matrix[vectors : 2 * vectors, n + 1] = -1.0
        counts = np.array([float(kind.number) for kind in classes])
        upper = np.concatenate([-current / unit, -still / unit, counts, np.maximum(room[tiers], 0) / largest])
        lower = np.concatenate([np.full(2 * vectors, -np.inf), counts, np.full(len(tiers), -np.inf)])
        inertia = _INERTIA * self._changes(classes, kind_of, sets) * sizes / float(sizes @ np.ones(n))
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
        return np.repeat(sets, found)  # kind after kind, and the sets of a kind in order of speed

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

    def _targets(self, kind: Class) -> list[int]:
        """The sets of tiers in which such a block may lie at the next state, fastest first."""
        near, held, home = kind.share > 0, kind.mask, 1 << self._home
        if self._residency == "inclusive":
            caches = sum(1 << k for k in self._order[: self._order.index(self._home)])
            rest = held & ~caches | home
            allowed = {rest | q & caches for q in range(1 << len(self._order)) if near or q & caches & ~held == 0}
        else:
            first = min((level for level, k in enumerate(self._order) if held >> k & 1), default=0)
            allowed = {1 << k for level, k in enumerate(self._order) if near or level > first}
            if self._residency == "free":
                allowed |= {int(q) for q in self._sets if near or q & ~held == 0}
            elif held:
                allowed.add(held)
        return sorted(allowed, key=self._speed, reverse=True)

    def _speed(self, mask: int) -> tuple[int, ...]:
        return tuple(mask >> k & 1 for k in self._order)

    def _price(self, kind: Class, target: int) -> Float64:
        """float64[V]: what taking one such block there costs now, at each price vector."""
        price = np.zeros(len(self._store))
        for tier in range(len(self._order)):
            if target >> tier & 1 and not kind.mask >> tier & 1:
                price += kind.share * self._store[:, tier]
                if kind.share < 1:
                    price += (1 - kind.share) * self._copy[self.sources[kind.mask, tier], tier]
        return price * kind.size

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
