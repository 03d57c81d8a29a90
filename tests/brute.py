"""The optimum of a tiny instance by enumeration: no branching, no model, every joint residency tried.

A joint residency is a tier set for every alive block. The cheapest sequence of them is found by dynamic programming over
the states 0..T, once the time tau of every transition (residency before a step, residency after it) is known. That time is
the optimum of a tiny LP: how reads are split over the operations that can serve them, and how each added copy is made (stored
in passing as far as the block was brought to the processor, copied from a copy that was there, or a mix). It is bracketed from
both sides, straight from the problem statement:

* from below by prices (weak duality): for any rho >= 0 with B @ rho <= 1,
      tau >= (1 - B @ rho) * floor + rho @ load   of every legal way to make the transition,
  and the right side is least where every block takes its cheapest way, whatever the others do (:func:`_priced`);
* from above by the LP itself, solved for the transitions on the cheapest path (:func:`_transition`).

The LP of a transition also yields the prices that make its lower bound tight. They are added to all transitions, the cheapest
path is sought again, and so on: when every transition on the cheapest path costs what its LP says, no other path is cheaper
than its own lower bound allows, and the value is the optimum. If its two sides do not meet, an AssertionError tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from placement_opt.instance.instance import Instance
from tests import twins
from tests.twins import label_of, pieces_of

Floats = npt.NDArray[np.float64]
Sets = tuple[frozenset[int], ...]
#: What a block is, its size, the share that a step reads, whether it is alive before and after the step, and whether no copy
#: may serve it.
Kind = tuple[int, int, int, float, bool, bool, bool]
#: Transitions beyond which enumeration is refused.
LARGEST = 20_000_000
#: How closely the two sides of a transition must meet: relative, and (in scaled units) where both are next to nothing.
_MEET, _DUST = 1e-11, 1e-14


@dataclass(frozen=True)
class Optimum:
    """Seconds, and one residency sequence (bool[T + 1, K, B]) that attains them."""

    seconds: float
    resident: npt.NDArray[np.bool_]


def tier_sets(instance: Instance, block: int) -> Sets:
    """The tier sets that the rule allows for one block, without tiers too small for it."""
    room = {k for k in range(instance.num_tiers) if instance.size[block] <= instance.capacity[k]}
    return tuple(held for held in twins.tier_sets(instance) if held <= room)


def num_transitions(instance: Instance) -> int:
    """How many pairs of joint residencies the enumeration would look at: what must stay below ``LARGEST``."""
    counts = [len(tier_sets(instance, b)) for b in range(instance.num_blocks)]
    joint = [int(np.prod([counts[b] for b in _alive(instance, t)], dtype=float)) for t in range(instance.num_steps + 1)]
    return sum(before * after for before, after in pairwise(joint))


def optimum(instance: Instance) -> Optimum:
    """The optimum by enumeration.

    Raises
    ------
    ValueError
        If the instance is too large to enumerate, or nothing satisfies its capacities.
    """
    if num_transitions(instance) > LARGEST:
        raise ValueError(f"{num_transitions(instance)} transitions, at most {LARGEST} are enumerated")
    return Enumeration(instance).run()


def cheapest_residency(instance: Instance, rho: Floats) -> float:
    """Seconds that the best of all residencies costs at legal resource prices float64[T, R]."""
    search = Enumeration(instance)
    search.cost = [search._paid(prices * instance.memory.rates.min(), t, {}) for t, prices in enumerate(rho)]
    path = search._cheapest()
    return float(sum(search.cost[t][i, j] for t, (i, j) in enumerate(pairwise(path))) * search.second)


def _alive(instance: Instance, state: int) -> list[int]:
    return [b for b in range(instance.num_blocks) if instance.trace.birth[b] < state <= instance.trace.death[b]]


@dataclass(frozen=True)
class _Rows:
    """What operations load on the resources for a block, times ``amount``: float[K, R], float[K, K, R] and of those that serve
    float[V, R], with the tier that each needs (-1 for none), whether it brings the block to the processor, and is for what the
    block is. What they add to the meters that matter are further columns."""

    amount: float
    store: Floats
    copy: Floats
    serve: Floats
    source: list[int]
    brings: list[bool]
    applies: list[bool]

    def usable(self, held: frozenset[int]) -> list[int]:
        """The operations that serve a block in these tiers."""
        return [o for o, tier in enumerate(self.source) if self.applies[o] and (tier < 0 or tier in held)]


def _rows(instance: Instance, block: int) -> _Rows:
    """Bytes times factors, or where calls or pages count, the loads of the whole block; in units of the largest block."""
    table, tiers, largest = instance.memory.operations, instance.num_tiers, int(instance.size.max())
    size, first, label = int(instance.size[block]), tiers + tiers * tiers, label_of(instance, block)
    metered = instance.memory.meters.per_byte[:, list(instance.used_meters)]
    if not table.per_call.any() and set(table.grain.tolist()) == {1}:
        amount, loads = size / largest, np.hstack([table.per_byte, metered]).astype(float)
    else:
        n = pieces_of(instance, block)
        moved = np.array([-(-(size // n) // grain) * grain for grain in table.grain.tolist()])[:, None]
        amount, loads = 1.0, n * np.hstack([table.per_call + table.per_byte * moved, metered * moved]) / largest
    copy = loads[tiers:first].reshape(tiers, tiers, -1)
    source, brings, applies = (each[first:].tolist() for each in (table.source, table.brings, table.applies[:, label]))
    return _Rows(amount, loads[:tiers], copy, loads[first:], source, brings, applies)


def _wider(rows: Floats, by: int) -> Floats:
    """The same rows with so many columns of zeros after theirs."""
    return np.hstack([rows, np.zeros((len(rows), by))])


class Enumeration:
    """Sizes in units of the largest block, times in units of what it takes on the slowest resource."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        memory, trace, largest = instance.memory, instance.trace, int(instance.size.max())
        self.second = largest / int(memory.rates.min())
        self.rates = memory.rates / memory.rates.min()
        self.rows = [_rows(instance, b) for b in range(instance.num_blocks)]
        self.fixed = instance.fixed / largest
        self.floor = instance.floor / self.second
        self.share: list[dict[int, float]] = [
            {int(trace.blocks[i]): instance.share(i) for i in range(trace.indptr[t], trace.indptr[t + 1])}
            for t in range(instance.num_steps)
        ]
        self.alive = [_alive(instance, t) for t in range(instance.num_steps + 1)]
        self.sets = [tier_sets(instance, b) for b in range(instance.num_blocks)]
        self.joint = [self._joint(t) for t in range(instance.num_steps + 1)]
        self.fits = [np.flatnonzero(self._fits(t)) for t in range(instance.num_steps + 1)]
        self.cost = [np.full((len(self.fits[t]), len(self.fits[t + 1])), self.floor[t]) for t in self._steps()]
        self.solved: dict[tuple[int, int, int], float] = {}

    def _steps(self) -> range:
        return range(self.instance.num_steps)

    def _joint(self, state: int) -> list[dict[int, frozenset[int]]]:
        """All combinations of tier sets of the blocks alive, the last block's changing fastest."""
        blocks = self.alive[state]
        return [dict(zip(blocks, sets, strict=True)) for sets in product(*(self.sets[b] for b in blocks))]

    def _fits(self, state: int) -> npt.NDArray[np.bool_]:
        """Which of them the capacities (and at state 0 a given start) allow."""
        instance = self.instance
        allowed = np.ones(len(self.joint[state]), dtype=bool)
        for i, where in enumerate(self.joint[state]):
            for k in range(instance.num_tiers):
                if sum(int(instance.size[b]) for b, tiers in where.items() if k in tiers) > instance.capacity[k]:
                    allowed[i] = False
            if state == 0 and instance.initial is not None:
                given = {b: frozenset(np.flatnonzero(instance.initial[:, b]).tolist()) for b in where}
                allowed[i] &= where == given
        return allowed

    def run(self) -> Optimum:
        if any(len(fits) == 0 for fits in self.fits):
            raise ValueError("no joint residency fits")
        for r, rate in enumerate(self.rates):
            self._add(np.eye(len(self.rates))[r] / rate)
        while True:
            path = self._cheapest()
            fresh = [(t, i, j) for t, (i, j) in enumerate(pairwise(path)) if (t, i, j) not in self.solved]
            if not fresh:
                total = sum(self.solved[t, i, j] for t, (i, j) in enumerate(pairwise(path)))
                return Optimum(total * self.second, self._resident(path))
            for t, i, j in fresh:
                self.solved[t, i, j], rho = self._transition(t, i, j)
                self._add(rho)
                gap = abs(self.cost[t][i, j] - self.solved[t, i, j])
                assert gap <= _MEET * self.solved[t, i, j] + _DUST, "prices and LP of a transition disagree"

    def _cheapest(self) -> list[int]:
        """The cheapest path through the states at the present lower bounds."""
        ahead = [np.zeros(len(self.fits[-1]))]
        for cost in reversed(self.cost):
            ahead.append((cost + ahead[-1]).min(axis=1))
        ahead.reverse()
        path = [int(ahead[0].argmin())]
        for cost, later in zip(self.cost, ahead[1:], strict=True):
            path.append(int((cost[path[-1]] + later).argmin()))
        return path

    def _add(self, rho: Floats) -> None:
        """Raise the lower bound of every transition to what these prices prove."""
        rho = rho / max(1.0, float(self.rates @ rho))
        tables: dict[Kind, Floats] = {}
        for t in self._steps():
            np.maximum(self.cost[t], self._paid(rho, t, tables), out=self.cost[t])

    def _paid(self, rho: Floats, t: int, tables: dict[Kind, Floats]) -> Floats:
        """float[states before, states after]: what step t costs at legal prices; ``tables`` by kind of block, filled here."""
        idle = 1.0 - float(self.rates @ rho)
        return self.priced_step(rho, t, tables) + float(rho @ self.fixed[t]) + idle * self.floor[t]

    def priced_step(self, rho: Floats, t: int, tables: dict[Kind, Floats]) -> Floats:
        """float[fits before, fits after]: the least priced load of all blocks in step t."""
        lost = self._lost(t)
        found = np.zeros((len(self.joint[t]), len(self.joint[t + 1])))
        for some in set(lost):
            total = np.zeros((1, 1))
            for b in sorted({*self.alive[t], *self.alive[t + 1]}):
                read = self.share[t].get(b, 0.0)
                told = label_of(self.instance, b), pieces_of(self.instance, b), int(self.instance.size[b])
                kind = *told, read, b in self.alive[t], b in self.alive[t + 1], b in some
                if kind not in tables:
                    tables[kind] = self._priced(rho, t, b, b in some)
                one = tables[kind]
                total = (total[:, None, :, None] + one[None, :, None, :]).reshape(
                    total.shape[0] * one.shape[0], total.shape[1] * one.shape[1]
                )
            rows = [i for i, each in enumerate(lost) if each == some]
            found[rows] = total[rows]
        return found[np.ix_(self.fits[t], self.fits[t + 1])]

    def _lost(self, t: int) -> list[frozenset[int]]:
        """For each joint residency before step t: the blocks that it reads and no copy may serve."""
        return [frozenset(b for b, held in twins.serving(self.instance, t, one).items() if not held) for one in self.joint[t]]

    def _priced(self, rho: Floats, t: int, b: int, lost: bool) -> Floats:
        """float[sets before, sets after]: the least priced load of one block in step t (one entry where it is not alive).

        ``lost``: no copy may serve it.
        """
        rows, share = self.rows[b], self.share[t].get(b, 0.0)
        serve, store, copy = rows.serve @ rho, rows.store @ rho, rows.copy @ rho
        before = self.sets[b] if b in self.alive[t] else (None,)
        after = self.sets[b] if b in self.alive[t + 1] else (None,)
        table = np.zeros((len(before), len(after)))
        for (i, held), (j, wanted) in product(enumerate(before), enumerate(after)):
            added = (wanted or frozenset()) - (held or frozenset())
            if held is None:  # just produced: the whole block is at the processor, and nowhere else
                table[i, j] = sum(store[k] for k in added)
                continue
            copied = {k: min((copy[source, k] for source in held), default=np.inf) for k in added}
            if share == 0.0:
                table[i, j] = sum(copied.values())
                continue
            ways = []
            for o in rows.usable(frozenset() if lost else held):
                # a block that was not brought to the processor is copied as a whole, otherwise the part that is not read
                paid = share * serve[o]
                for k in added:
                    least = min(store[k], copied[k]) if rows.brings[o] else copied[k]
                    paid += share * least + ((1.0 - share) * copied[k] if share < 1.0 else 0.0)
                ways.append(paid)
            table[i, j] = min(ways)
        return rows.amount * table

    def _transition(self, t: int, i: int, j: int) -> tuple[float, Floats]:
        """The exact time of one transition, and the multipliers of its rates: an LP over y, z, p and tau."""
        columns, upper, must, most = self.moves(t, i, j)
        rates = np.hstack([columns, -self.rates[:, None]])
        answer = linprog(
            np.eye(rates.shape[1])[-1],
            A_ub=np.vstack([rates, _wider(must, 1), _wider(most, 1)]),
            b_ub=np.concatenate([-self.fixed[t], np.full(len(must), -1.0), np.zeros(len(most))]),
            bounds=[*((0.0, most) for most in upper), (self.floor[t], None)],
            method="highs",
        )
        assert answer.status == 0, answer.message
        return float(answer.fun), np.maximum(0.0, -answer.ineqlin.marginals[: len(self.rates)])

    def moves(self, t: int, i: int, j: int) -> tuple[Floats, list[float], Floats, Floats]:
        """How one transition may be made, over variables y, z and p that are at least 0.

        Returns
        -------
        tuple
            float[R (and meters), n]: what each variable loads. The most that each may be. Rows, times the variables at most -1:
            what must be served and come. Rows, at most 0: what is stored in passing was brought.
        """
        before, after = self.joint[t][self.fits[t][i]], self.joint[t + 1][self.fits[t + 1][j]]
        columns: list[Floats] = []  # load per unit of each variable
        upper: list[float] = []
        sums: list[tuple[list[int], float]] = []  # variables that must add up to at least this

        def variable(load: Floats, most: float) -> int:
            columns.append(load)
            upper.append(most)
            return len(columns) - 1

        found = twins.serving(self.instance, t, before)
        brought: dict[int, list[int]] = {}  # of a block that need not be brought to be read, the variables of what does it
        for b in before:
            if b in self.share[t]:
                rows, share = self.rows[b], self.share[t][b]
                y = {o: variable(rows.amount * rows.serve[o], share) for o in rows.usable(found[b])}
                sums.append((list(y.values()), share))
                if not all(rows.brings[o] for o in y):
                    brought[b] = [one for o, one in y.items() if rows.brings[o]]
        passing: list[tuple[int, list[int]]] = []  # a variable that is at most the sum of others
        for b in after:
            rows, held = self.rows[b], before.get(b, frozenset())
            for k in after[b] - held:
                p = variable(rows.amount * rows.store[k], 1.0 if b not in before else self.share[t].get(b, 0.0))
                z = [variable(rows.amount * rows.copy[source, k], 1.0) for source in held]
                sums.append(([p, *z], 1.0))
                if b in brought:
                    passing.append((p, brought[b]))
        loads = np.array(columns).reshape(len(columns), -1).T if columns else np.zeros((self.rows[0].store.shape[1], 0))
        must = np.zeros((len(sums), len(columns)))
        for row, (members, least) in enumerate(sums):
            must[row, members] = -1.0
            must[row] /= least
        most = np.zeros((len(passing), len(columns)))
        for row, (one, others) in enumerate(passing):
            most[row, one], most[row, others] = 1.0, -1.0
        return loads, upper, must, most

    def _resident(self, path: list[int]) -> npt.NDArray[np.bool_]:
        instance = self.instance
        resident = np.zeros((instance.num_steps + 1, instance.num_tiers, instance.num_blocks), dtype=bool)
        for t, place in enumerate(path):
            for b, tiers in self.joint[t][self.fits[t][place]].items():
                resident[t, list(tiers), b] = True
        return resident
