"""The program of the problem statement for every field of the table of operations, step by step and row by row.

For every block and state x[b,k,t], copies in tiers; for every read y[b,o,t], the share that operation o serves; p[b,k,t] stored
in passing, z[b,j,k,t] copied; under the rule cache held[b,t], what lies in any tier; tau[t]. Loads are written out from the
columns of the table: calls once a block, bytes rounded up to grains, each in proportion to the part of the block. Nothing is
shared with the package but the arrays of the instance, and the solver is asked through another interface.

At fixed prices instead of times, every load costs its price and ``tau`` is left out: what a flow at those prices is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from placement_opt.instance.instance import Instance
from tests.twins import label_of, whole_load

Floats = npt.NDArray[np.float64]
Term = tuple[int, float]


class Rows:
    """Columns with bounds and costs, rows with two sides; one entry at a time."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.cost: list[float] = []
        self.whole: list[bool] = []
        self.sides: list[tuple[float, float]] = []
        self.entries: list[tuple[int, int, float]] = []

    def column(self, low: float, high: float, *, whole: bool = False) -> int:
        self.low.append(low)
        self.high.append(high)
        self.cost.append(0.0)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, terms: Sequence[Term], low: float, high: float) -> None:
        self.entries += [(len(self.sides), column, value) for column, value in terms if value]
        self.sides.append((low, high))

    def solve(self) -> float:
        rows, columns, values = zip(*self.entries, strict=True)
        matrix = coo_array((values, (rows, columns)), shape=(len(self.sides), len(self.cost)))
        matrix = matrix.tocsr()
        matrix.indices, matrix.indptr = (
            matrix.indices.astype(np.int32),
            matrix.indptr.astype(np.int32),
        )  # scipy 1.13 takes no others
        sides = np.array(self.sides)
        answer = milp(
            np.array(self.cost),
            constraints=LinearConstraint(matrix, sides[:, 0], sides[:, 1]),
            bounds=Bounds(np.array(self.low), np.array(self.high)),
            integrality=np.array(self.whole, dtype=int),
            options={"mip_rel_gap": 0.0},
        )
        assert answer.status == 0, answer.message
        return float(answer.fun)


def horizon_value(instance: Instance, *, whole: bool = False, rho: Floats | None = None) -> float:
    """Seconds of the relaxation, or with ``whole`` blocks; at prices ``rho`` float64[T, R] what all loads but fixed cost."""
    return _Horizon(instance, whole, rho).value()


class _Horizon:
    def __init__(self, instance: Instance, whole: bool, rho: Floats | None) -> None:
        self.instance, self.whole, self.prices, self.rows = instance, whole, rho, Rows()
        table, rates = instance.memory.operations, instance.memory.rates
        self.tiers, self.table = range(instance.num_tiers), table
        self.loads = [
            [np.array(whole_load(instance, o, b)) / rates for o in range(len(table.names))] for b in range(instance.num_blocks)
        ]
        self.second = max(float(np.max(row)) for row in self.loads) or 1.0
        self.x: dict[tuple[int, int, int], int] = {}
        self.held: dict[tuple[int, int], int] = {}

    def value(self) -> float:
        instance = self.instance
        for b in range(instance.num_blocks):
            for t in range(int(instance.trace.birth[b]) + 1, int(instance.trace.death[b]) + 1):
                self.place(b, t)
        for t in range(instance.num_steps + 1):
            for k in self.tiers:
                held = [(self.x[b, k, t], float(instance.size[b])) for b in range(instance.num_blocks) if (b, k, t) in self.x]
                if held:
                    unit = float(instance.size.max())
                    self.rows.row([(x, s / unit) for x, s in held], -np.inf, float(instance.capacity[k]) / unit)
        for t in range(instance.num_steps):
            self.step(t)
        return self.rows.solve() * self.second

    def place(self, b: int, t: int) -> None:
        """Where a block lies at a state, and what the rule wants."""
        instance = self.instance
        for k in self.tiers:
            low, high = 0.0, 1.0
            if t == 0 and instance.initial is not None:
                low = high = float(instance.initial[k, b])
            if instance.residency == "inclusive" and k == instance.home:
                low = 1.0
            self.x[b, k, t] = self.rows.column(low, high, whole=self.whole)
        copies = [(self.x[b, k, t], 1.0) for k in self.tiers]
        if instance.residency == "cache":
            held = self.held[b, t] = self.rows.column(0.0, 1.0)
            self.rows.row([(held, 1.0), *((x, -1.0) for x, _ in copies)], -np.inf, 0.0)
            for x, _ in copies:
                self.rows.row([(x, 1.0), (held, -1.0)], -np.inf, 0.0)
        if instance.residency in ("exclusive", "free"):
            self.rows.row(copies, 1.0, 1.0 if instance.residency == "exclusive" else np.inf)

    def step(self, t: int) -> None:
        """What one step serves, stores and copies, and how long that takes."""
        instance, trace = self.instance, self.instance.trace
        loads: list[tuple[int, Floats]] = []
        at_hand: dict[int, list[Term]] = {}
        self.outside: dict[int, list[Term]] = {}
        for position in range(int(trace.indptr[t]), int(trace.indptr[t + 1])):
            b = int(trace.blocks[position])
            at_hand[b] = self.read(t, b, instance.share(position), loads)
        for b in range(instance.num_blocks):
            if (b, 0, t + 1) not in self.x:
                continue
            if self.held and (b, t) in self.held:
                came = [(y, -1.0) for y, _ in self.outside.get(b, [])]
                self.rows.row([(self.held[b, t + 1], 1.0), (self.held[b, t], -1.0), *came], -np.inf, 0.0)
            for k in self.tiers:
                p = self.rows.column(0.0, 1.0)
                loads.append((p, self.loads[b][k]))
                if (b, 0, t) not in self.x:  # produced by this step
                    self.rows.row([(self.x[b, k, t + 1], 1.0), (p, -1.0)], -np.inf, 0.0)
                    continue
                self.rows.row([(p, 1.0), *((y, -1.0) for y, _ in at_hand.get(b, []))], -np.inf, 0.0)
                comes = [(p, -1.0)]
                for j in self.tiers:
                    if j != k:
                        z = self.rows.column(0.0, 1.0)
                        self.rows.row([(z, 1.0), (self.x[b, j, t], -1.0)], -np.inf, 0.0)
                        loads.append((z, self.loads[b][len(self.tiers) * (1 + j) + k]))
                        comes.append((z, -1.0))
                self.rows.row([(self.x[b, k, t + 1], 1.0), (self.x[b, k, t], -1.0), *comes], -np.inf, 0.0)
        self.time(t, loads)

    def read(self, t: int, b: int, share: float, loads: list[tuple[int, Floats]]) -> list[Term]:
        """The variables of those operations after which (so much of) the block is at the processor."""
        served: list[Term] = []
        from_tier: dict[int, list[Term]] = {k: [] for k in self.tiers}
        brought: list[Term] = []
        for o, name in enumerate(self.table.names):
            if not self.table.serves[o]:
                assert name.startswith(("store", "copy"))
                continue
            if not self.table.applies[o, label_of(self.instance, b)]:
                continue
            y, source = self.rows.column(0.0, share), int(self.table.source[o])
            loads.append((y, self.loads[b][o]))
            served.append((y, 1.0))
            if source >= 0:
                from_tier[source].append((y, 1.0))
            if self.table.brings[o]:
                brought.append((y, 1.0))
                if source < 0:
                    self.outside.setdefault(b, []).append((y, 1.0))
        self.rows.row(served, share, share)
        for k in self.tiers:
            self.rows.row([*from_tier[k], (self.x[b, k, t], -share)], -np.inf, 0.0)
        if self.held:
            inside = [term for terms in from_tier.values() for term in terms]
            self.rows.row([*inside, (self.held[b, t], -share)], -np.inf, 0.0)
        return brought

    def time(self, t: int, loads: list[tuple[int, Floats]]) -> None:
        instance = self.instance
        if self.prices is not None:
            for column, load in loads:
                self.rows.cost[column] += float((self.prices[t] * instance.memory.rates) @ load) / self.second
            return
        tau = self.rows.column(float(instance.floor[t]) / self.second, np.inf)
        self.rows.cost[tau] = 1.0
        for r, rate in enumerate(instance.memory.rates):
            terms = [(column, float(load[r]) / self.second) for column, load in loads]
            fixed = float(instance.fixed[t, r]) / float(rate) / self.second
            self.rows.row([*terms, (tau, -1.0)], -np.inf, -fixed)
