"""One step alone, as if residency could be chosen afresh before it: capacity and rates over the blocks that it reads.

No transitions: what the step reads lies wherever suits this step best, if it fits. New blocks are still written: to the home
tier under the inclusive rule, otherwise wherever it costs least. The sum over all steps bounds the optimum from below.

    symbol     meaning                                                    unit       index set
    ---------  ---------------------------------------------------------  ---------  ------------------
    t          the step                                                   -          STEPS = {t}
    b          block                                                      -          READ: read by the step
                                                                                     BORN: produced by the step
    k          memory tier                                                -          TIERS
    o          operation that serves reads; the read from a tier is       -          WAYS
               called like the tier                                                  FROM[k]: need a copy in tier k
                                                                                     SERVES[b]: for what b is, KV or weights
    r          resource that transfers contend for                        -          RESOURCES
    s[b]       size of the block                                          size       READ, BORN
    a[b,t]     share of b that the step reads                             -          READ
    C[k]       capacity                                                   size       TIERS
    B[r]       rate                                                       size/time  RESOURCES
    F[r,t]     load that placement does not decide                        size       RESOURCES
    l[t]       floor under the step's time                                time       STEPS
    serve[o,b,r], store[k,b,r]: load on resource r of serving, storing the whole of the block (models/horizon.py)

    x[b,k,t]   1 if a copy of b lies in tier k when the step begins       -          READ x TIERS
    y[b,o,t]   share of b that operation o serves                         -          READ x WAYS
    p[b,k,t]   share of b written to tier k as it is produced             -          BORN x TIERS
    tau[t]     time of the step                                           time       STEPS

Units: one of size is the largest block, one of time is what it takes on the slowest resource (models/common.py).
"""

from __future__ import annotations

import sys

import pyomo.environ as pyo

from models.common import Data, command, scaled, solve, time_alone
from placement_opt.instance.instance import Instance


def build(instance: Instance, step: int, integer: bool = False, data: Data | None = None) -> pyo.ConcreteModel:
    """The LP of one step, or with ``integer`` its MILP (no block is split); ``data``: the scaled numbers, where at hand."""
    time_alone(instance)
    data = data or scaled(instance)
    m = pyo.ConcreteModel(name=f"step {step}")
    m.unit_bytes, m.unit_seconds = data.unit_bytes, data.unit_seconds

    # Sets
    m.STEPS = pyo.Set(initialize=[step])
    m.TIERS = pyo.Set(initialize=data.tiers)
    m.RESOURCES = pyo.Set(initialize=data.resources)
    m.READ = pyo.Set(initialize=data.read[step])
    m.BORN = pyo.Set(initialize=data.born[step])
    m.WAYS = pyo.Set(initialize=data.ways)
    m.SERVES = pyo.Set(m.READ, initialize={b: data.serves[b] for b in m.READ})
    m.FROM = pyo.Set(m.TIERS, initialize={k: [o for o in data.ways if data.needs.get(o) == k] for k in data.tiers})

    # Parameters
    m.s = pyo.Param(m.READ | m.BORN, initialize={b: data.s[b] for b in m.READ | m.BORN})
    m.a = pyo.Param(m.READ, m.STEPS, initialize={(b, t): data.a[b, t] for b in m.READ for t in m.STEPS})
    m.C = pyo.Param(m.TIERS, initialize=data.C)
    m.B = pyo.Param(m.RESOURCES, initialize=data.B)
    m.F = pyo.Param(m.RESOURCES, m.STEPS, initialize={(r, t): data.F[r, t] for r in m.RESOURCES for t in m.STEPS})
    m.l = pyo.Param(m.STEPS, initialize={t: data.l[t] for t in m.STEPS})
    here, born = set(data.read[step]), set(data.born[step])
    serve = {key: load for key, load in data.serve.items() if key[1] in here and key[-1] in data.B}
    store = {key: load for key, load in data.store.items() if key[1] in born and key[-1] in data.B}
    m.serve = pyo.Param(m.WAYS, m.READ, m.RESOURCES, initialize=serve, default=0)
    m.store = pyo.Param(m.TIERS, m.BORN, m.RESOURCES, initialize=store, default=0)

    # Variables
    m.x = pyo.Var(m.READ, m.TIERS, m.STEPS, domain=pyo.Binary if integer else pyo.UnitInterval)
    m.y = pyo.Var([(b, o, t) for b in m.READ for o in m.SERVES[b] for t in m.STEPS], domain=pyo.UnitInterval)
    m.p = pyo.Var(m.BORN, m.TIERS, m.STEPS, domain=pyo.UnitInterval)
    m.tau = pyo.Var(m.STEPS, domain=pyo.NonNegativeReals)

    # Objective
    m.time = pyo.Objective(expr=sum(m.tau[t] for t in m.STEPS), sense=pyo.minimize)

    # Constraints
    @m.Constraint(m.READ, m.STEPS)
    def served(m, b, t):
        """What the step reads of a block is served."""
        return sum(m.y[b, o, t] for o in m.SERVES[b]) == m.a[b, t]

    @m.Constraint(m.READ, m.TIERS, m.STEPS)
    def resident(m, b, k, t):
        """From a tier is served only what lies in it when the step begins."""
        return sum(m.y[b, o, t] for o in m.FROM[k] & m.SERVES[b]) <= m.a[b, t] * m.x[b, k, t]

    @m.Constraint([(b, t) for t in m.STEPS for b in m.READ] + [(b, t + 1) for t in m.STEPS for b in m.BORN])
    def alive(m, b, t):
        """A block lies where the rule wants it; one that is being produced (alive from t+1 on) is written there.

        A cache may forget what it reads and what is produced.
        """
        if instance.residency == "cache":
            return pyo.Constraint.Feasible
        where = {k: m.x[b, k, t] if b in m.READ else m.p[b, k, t - 1] for k in m.TIERS}
        if instance.residency == "inclusive":
            return where[data.home] == 1
        exactly_one = instance.residency == "exclusive" and b in m.READ
        return sum(where.values()) == 1 if exactly_one else sum(where.values()) >= 1

    @m.Constraint(m.TIERS, m.STEPS)
    def capacity(m, k, t):
        """A tier holds no more than its capacity (of the blocks read; the others have room elsewhere)."""
        return sum(m.s[b] * m.x[b, k, t] for b in m.READ) <= m.C[k] if m.READ else pyo.Constraint.Feasible

    @m.Constraint(m.RESOURCES, m.STEPS)
    def rate(m, r, t):
        """The step lasts until every resource has moved its load."""
        read = sum(m.serve[o, b, r] * m.y[b, o, t] for b in m.READ for o in m.SERVES[b])
        stored = sum(m.store[k, b, r] * m.p[b, k, t] for b in m.BORN for k in m.TIERS)
        return m.F[r, t] + read + stored <= m.B[r] * m.tau[t]

    @m.Constraint(m.STEPS)
    def floor(m, t):
        """The step lasts at least as long as what is not memory traffic."""
        return m.l[t] <= m.tau[t]

    return m


def value(instance: Instance, integer: bool = False) -> float:
    """The sum over all steps in seconds: of their LPs, or with ``integer`` of their MILPs."""
    data = scaled(instance)
    return sum(solve(build(instance, t, integer, data)) for t in range(instance.num_steps))


def main(argv: list[str] | None = None) -> int:
    """``python -m models.step INSTANCE [--integer]``."""
    return command(
        "step",
        lambda instance, args: value(instance, args.integer),
        lambda parser: parser.add_argument("--integer", action="store_true", help="MILPs: no block is split"),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
