"""The roofline ("best case" of arXiv 2508.13231): every byte may be read from any tier, nothing has to lie anywhere first.

Residency, capacity and migration are dropped, so blocks lose their names and only bytes are left. New blocks are still
written: to the home tier under the inclusive rule, not at all by a cache, otherwise wherever it costs least.

    symbol     meaning                                             unit       index set
    ---------  --------------------------------------------------  ---------  -----------------
    t          step 0..T-1                                         -          STEPS
    k          memory tier                                         -          TIERS
    o          operation that serves reads; the read from a tier   -          WAYS
               is called like the tier
    r          resource that transfers contend for                 -          RESOURCES
    D[t]       what step t reads: sum of s[b] a[b,t]               size       STEPS
    W[t]       what step t produces: sum of s[b]                   size       STEPS
    B[r]       rate                                                size/time  RESOURCES
    F[r,t]     load that placement does not decide                 size       RESOURCES x STEPS
    l[t]       floor under the step's time                         time       STEPS
    serve[o,r], store[k,r]: load of one byte served, stored on resource r

    y[o,t]     served by operation o during step t                 size       WAYS x STEPS
    p[k,t]     written to tier k by the blocks that t produces     size       TIERS x STEPS
    tau[t]     time of the step                                    time       STEPS

Where calls count, or bytes are rounded up, bytes are not all alike: then everything but F, l and tau has the size of the
blocks in bytes and their pieces for indices more, D, W, y and p count blocks, and loads are those of a whole block. Where
operations are for KV or for weights only, what the blocks are is another index, and the operations for them serve them.
Units: one of size is the largest block, one of time is what it takes on the slowest resource (models/common.py).
"""

from __future__ import annotations

import sys
from typing import Any

import pyomo.environ as pyo

from models.common import block_kinds, block_pieces, command, scaled, solve, time_alone
from placement_opt.instance.instance import Instance

#: A kind of block: what it is where that matters; its size in bytes and pieces where bytes are not alike.
Kind = tuple[int, ...]


def build(instance: Instance) -> pyo.ConcreteModel:
    """The roofline LP of an instance: one small LP a step, all of them in one model."""
    time_alone(instance)
    data, alike = scaled(instance), instance.memory.operations.uniform
    labels = block_kinds(instance) if instance.memory.operations.limited else None
    pieces = block_pieces(instance)
    m = pyo.ConcreteModel(name="roofline")
    m.unit_bytes, m.unit_seconds = data.unit_bytes, data.unit_seconds

    def kind(b: int) -> Kind:
        what = () if labels is None else (labels[b],)
        return what if alike else (*what, int(instance.size[b]), pieces[b])

    def total(of: dict[int, list[int]], share: dict[tuple[int, int], float]) -> dict[Any, float]:
        """The bytes of each step, or its blocks of each kind."""
        sums = {(*c, t): 0.0 for c in kinds for t in m.STEPS}
        for t in m.STEPS:
            for b in of[t]:
                sums[*kind(b), t] += (data.s[b] if alike else 1.0) * share.get((b, t), 1.0)
        return sums

    def load(of: dict[Any, float], name: str, r: str, c: Kind) -> float:
        """What a byte, or a block of a kind, loads: as the first of its kind does."""
        b = kinds[c]
        return of.get((name, b, r), 0.0) / (data.s[b] if alike else 1.0)

    # Sets
    m.TIERS = pyo.Set(initialize=data.tiers)
    m.WAYS = pyo.Set(initialize=data.ways)
    m.RESOURCES = pyo.Set(initialize=data.resources)
    m.STEPS = pyo.RangeSet(0, instance.num_steps - 1)
    kinds: dict[Kind, int] = {kind(b): b for b in reversed(range(instance.num_blocks))}
    m.KINDS_STEPS = pyo.Set(initialize=[(*c, t) for c in kinds for t in m.STEPS])

    # Parameters
    m.D = pyo.Param(m.KINDS_STEPS, initialize=total(data.read, data.a))
    m.W = pyo.Param(m.KINDS_STEPS, initialize=total(data.born, {}))
    m.B = pyo.Param(m.RESOURCES, initialize=data.B)
    m.F = pyo.Param(m.RESOURCES, m.STEPS, initialize=data.F)
    m.l = pyo.Param(m.STEPS, initialize=data.l)
    pairs = [(r, c) for r in m.RESOURCES for c in kinds]
    serve = {(o, r, *c): load(data.serve, o, r, c) for o in m.WAYS for r, c in pairs}
    store = {(k, r, *c): load(data.store, k, r, c) for k in m.TIERS for r, c in pairs}
    m.serve = pyo.Param(m.WAYS, [(r, *c) for r, c in pairs], initialize=serve)
    m.store = pyo.Param(m.TIERS, [(r, *c) for r, c in pairs], initialize=store)

    # Variables
    m.y = pyo.Var(m.WAYS, m.KINDS_STEPS, domain=pyo.NonNegativeReals)
    m.p = pyo.Var(m.TIERS, m.KINDS_STEPS, domain=pyo.NonNegativeReals)
    m.tau = pyo.Var(m.STEPS, domain=pyo.NonNegativeReals)

    # Objective
    m.time = pyo.Objective(expr=sum(m.tau[t] for t in m.STEPS), sense=pyo.minimize)

    # Constraints
    @m.Constraint(m.KINDS_STEPS)
    def served(m, *ct):
        """What a step reads is served by some operation."""
        return sum(m.y[o, ct] for o in data.serves[kinds[ct[:-1]]]) == m.D[ct]

    @m.Constraint(m.KINDS_STEPS)
    def alive(m, *ct):
        """What a step produces is written where the rule wants it: to the home tier, or anywhere; a cache may forget it."""
        if instance.residency == "inclusive":
            return m.p[data.home, ct] == m.W[ct]
        return pyo.Constraint.Feasible if instance.residency == "cache" else sum(m.p[k, ct] for k in m.TIERS) >= m.W[ct]

    @m.Constraint(m.RESOURCES, m.STEPS)
    def rate(m, r, t):
        """A step lasts until every resource has moved its load."""
        read = sum(m.serve[o, r, *c] * m.y[o, *c, t] for o in m.WAYS for c in kinds)
        stored = sum(m.store[k, r, *c] * m.p[k, *c, t] for k in m.TIERS for c in kinds)
        return m.F[r, t] + read + stored <= m.B[r] * m.tau[t]

    @m.Constraint(m.STEPS)
    def floor(m, t):
        """A step lasts at least as long as what is not memory traffic."""
        return m.l[t] <= m.tau[t]

    return m


def value(instance: Instance) -> float:
    """The roofline of an instance in seconds."""
    return solve(build(instance))


def main(argv: list[str] | None = None) -> int:
    """``python -m models.roofline INSTANCE``."""
    return command("roofline", lambda instance, _: value(instance), lambda _: None, argv)


if __name__ == "__main__":
    sys.exit(main())
