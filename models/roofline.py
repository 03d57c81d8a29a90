"""The roofline ("best case" of arXiv 2508.13231): every byte may be read from any tier, nothing has to lie anywhere first.

Residency, capacity and migration are dropped, so blocks lose their names and only bytes are left. New blocks are still
written: to the home tier under the inclusive rule, otherwise wherever it costs least.

    symbol     meaning                                             unit       index set
    ---------  --------------------------------------------------  ---------  -----------------
    t          step 0..T-1                                         -          STEPS
    k          memory tier                                         -          TIERS
    r          resource that transfers contend for                 -          RESOURCES
    D[t]       what step t reads: sum of s[b] a[b,t]               size       STEPS
    W[t]       what step t produces: sum of s[b]                   size       STEPS
    B[r]       rate                                                size/time  RESOURCES
    F[r,t]     load that placement does not decide                 size       RESOURCES x STEPS
    l[t]       floor under the step's time                         time       STEPS
    c_read[k,r], c_write[k,r]: load of one byte read, written on resource r

    y[k,t]     read from tier k during step t                      size       TIERS x STEPS
    p[k,t]     written to tier k by the blocks that t produces     size       TIERS x STEPS
    tau[t]     time of the step                                    time       STEPS

Units: one of size is the largest block, one of time is what it takes on the slowest resource (models/common.py).
"""

from __future__ import annotations

import sys

import pyomo.environ as pyo

from models.common import command, scaled, solve
from placement_opt.instance.instance import Instance


def build(instance: Instance) -> pyo.ConcreteModel:
    """The roofline LP of an instance: one small LP a step, all of them in one model."""
    data = scaled(instance)
    m = pyo.ConcreteModel(name="roofline")
    m.unit_bytes, m.unit_seconds = data.unit_bytes, data.unit_seconds

    # Sets
    m.TIERS = pyo.Set(initialize=data.tiers)
    m.RESOURCES = pyo.Set(initialize=data.resources)
    m.STEPS = pyo.RangeSet(0, instance.num_steps - 1)

    # Parameters
    m.D = pyo.Param(m.STEPS, initialize={t: sum(data.s[b] * data.a[b, t] for b in data.read[t]) for t in m.STEPS})
    m.W = pyo.Param(m.STEPS, initialize={t: sum(data.s[b] for b in data.born[t]) for t in m.STEPS})
    m.B = pyo.Param(m.RESOURCES, initialize=data.B)
    m.F = pyo.Param(m.RESOURCES, m.STEPS, initialize=data.F)
    m.l = pyo.Param(m.STEPS, initialize=data.l)
    m.c_read = pyo.Param(m.TIERS, m.RESOURCES, initialize=data.c_read)
    m.c_write = pyo.Param(m.TIERS, m.RESOURCES, initialize=data.c_write)

    # Variables
    m.y = pyo.Var(m.TIERS, m.STEPS, domain=pyo.NonNegativeReals)
    m.p = pyo.Var(m.TIERS, m.STEPS, domain=pyo.NonNegativeReals)
    m.tau = pyo.Var(m.STEPS, domain=pyo.NonNegativeReals)

    # Objective
    m.time = pyo.Objective(expr=sum(m.tau[t] for t in m.STEPS), sense=pyo.minimize)

    # Constraints
    @m.Constraint(m.STEPS)
    def served(m, t):
        """What a step reads comes from some tier."""
        return sum(m.y[k, t] for k in m.TIERS) == m.D[t]

    @m.Constraint(m.STEPS)
    def alive(m, t):
        """What a step produces is written where the rule wants it: to the home tier, or anywhere."""
        if instance.residency == "inclusive":
            return m.p[data.home, t] == m.W[t]
        return sum(m.p[k, t] for k in m.TIERS) >= m.W[t]

    @m.Constraint(m.RESOURCES, m.STEPS)
    def rate(m, r, t):
        """A step lasts until every resource has moved its load."""
        read = sum(m.c_read[k, r] * m.y[k, t] for k in m.TIERS)
        stored = sum(m.c_write[k, r] * m.p[k, t] for k in m.TIERS)
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
