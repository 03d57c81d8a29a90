"""The LP relaxation of a two-tier inclusive instance, written out step by step: another hand, another solver interface.

Fast tier f, home h (keeps everything). One block alive at state t has x[b,t], the share of it that also lies in f; a step has

    y[b,t] <= a x[b,t]                    read from f; the rest, a - y, is read from h
    z[b,t] <= 1                           copied h -> f (h always holds the whole block)
    p[b,t] <= a (1 for a block being produced)   written to f in passing
    x[b,t+1] <= x[b,t] + z[b,t] + p[b,t]  (x[b,t+1] <= p[b,t] for a block just produced)
    sum_b s_b x[b,t] <= C_f               at every state
    tau[t] >= floor[t], B_r tau[t] >= fixed + reads + copies + writes, a produced block's write to h among them

Every row is assembled entry by entry as (row, column, coefficient); nothing is shared with models/ or with the package but
the arrays of the instance. Sizes in units of the mean block, times in units of one such block on the slowest resource.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from placement_opt.instance.instance import Instance


class _Program:
    """Columns with bounds and costs, rows ``<=``; one entry at a time."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.cost: list[float] = []
        self.right: list[float] = []
        self.entries: list[tuple[int, int, float]] = []

    def column(self, low: float, high: float, cost: float = 0.0) -> int:
        self.low.append(low)
        self.high.append(high)
        self.cost.append(cost)
        return len(self.cost) - 1

    def row(self, terms: list[tuple[int, float]], right: float) -> None:
        self.entries += [(len(self.right), column, value) for column, value in terms if value]
        self.right.append(right)

    def solve(self) -> float:
        rows, columns, values = zip(*self.entries, strict=True)
        answer = linprog(
            self.cost,
            A_ub=coo_array((values, (rows, columns)), shape=(len(self.right), len(self.cost))).tocsr(),
            b_ub=self.right,
            bounds=np.column_stack([self.low, self.high]),
            method="highs",
            options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
        )
        assert answer.status == 0, answer.message
        return float(answer.fun)


def two_tier_lp(instance: Instance) -> float:
    """The LP value of a two-tier inclusive instance in seconds."""
    assert instance.num_tiers == 2
    assert instance.residency == "inclusive"
    memory, trace, steps = instance.memory, instance.trace, instance.num_steps
    home = instance.home
    fast = 1 - home
    unit = float(instance.size.mean())
    second = unit / float(memory.rates.min())
    size = instance.size / unit
    program = _Program()

    # residency in the fast tier at every state
    x: dict[tuple[int, int], int] = {}
    for b in range(instance.num_blocks):
        for t in range(int(trace.birth[b]) + 1, int(trace.death[b]) + 1):
            if t == 0 and instance.initial is not None:
                held = float(instance.initial[fast, b])
                x[b, t] = program.column(held, held)
            else:
                x[b, t] = program.column(0.0, 1.0)
    for t in range(steps + 1):
        held_now = [(x[b, t], float(size[b])) for b in range(instance.num_blocks) if (b, t) in x]
        if held_now:
            program.row(held_now, float(instance.capacity[fast]) / unit)

    for t in range(steps):
        tau = program.column(float(instance.floor[t]) / second, np.inf, 1.0)
        constant = instance.fixed[t] / unit
        loads: list[tuple[int, np.ndarray]] = []
        read = {}
        for position in range(int(trace.indptr[t]), int(trace.indptr[t + 1])):
            b, a = int(trace.blocks[position]), instance.share(position)
            read[b] = a
            y = program.column(0.0, a)
            program.row([(y, 1.0), (x[b, t], -a)], 0.0)
            constant = constant + size[b] * a * memory.read[home]
            loads.append((y, size[b] * (memory.read[fast] - memory.read[home])))
        for b in range(instance.num_blocks):
            if (b, t + 1) not in x:
                continue
            if (b, t) in x:  # lives on: may be copied, or stored as it is read
                z = program.column(0.0, 1.0)
                p = program.column(0.0, read.get(b, 0.0))
                loads.append((z, size[b] * memory.copy[home, fast]))
                program.row([(x[b, t + 1], 1.0), (x[b, t], -1.0), (z, -1.0), (p, -1.0)], 0.0)
            else:  # produced by this step: written home whatever happens, and to the fast tier as it goes by
                p = program.column(0.0, 1.0)
                constant = constant + size[b] * memory.write[home]
                program.row([(x[b, t + 1], 1.0), (p, -1.0)], 0.0)
            loads.append((p, size[b] * memory.write[fast]))
        for r in range(instance.num_resources):
            terms = [(column, float(load[r])) for column, load in loads]
            program.row([*terms, (tau, -float(memory.rates[r]) * second / unit)], -float(constant[r]))

    return program.solve() * second
