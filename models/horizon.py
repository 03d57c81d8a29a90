"""The whole horizon: where every block lies at every state, what every step reads and moves, and how long that takes.

    symbol       meaning                                                    unit   index set
    -----------  ---------------------------------------------------------  -----  ---------------------------------------
    t            step 0..T-1; state 0..T: the residency when step t begins  -      STEPS; STATES
    b            block                                                      -      LIVE[t]: alive at state t
                                                                                   READ[t]: read by step t
                                                                                   STAY[t]: alive before and after step t
                                                                                   BORN[t]: produced by step t
                                                                                   NEAR[t]: read or produced by step t (may
                                                                                            be at the processor), alive after
    k, j         memory tier                                                -      TIERS
    o            operation that serves reads; the read from a tier is       -      WAYS
                 called like the tier                                              FROM[k]: those that need a copy in tier k
                                                                                   SERVES[b]: those for what b is, KV or
                                                                                              weights
                                                                                   BRING: those after which the block is at
                                                                                          the processor
    r            resource that transfers contend for                        -      RESOURCES
    m            meter, which adds up what the whole run moves              -      METERS
    h            budget of the run                                          -      BUDGETS
    s[b]         size of the block                                          size   BLOCKS
    a[b,t]       share of b that step t reads                               -      b in READ[t]
    C[k]         capacity                                                   size   TIERS
    B[r]         rate                                                       size/time  RESOURCES
    F[r,t]       load that placement does not decide                        size   RESOURCES x STEPS
    l[t]         floor under the step's time                                time   STEPS
    serve[o,b,r], store[k,b,r], copy[j,k,b,r]: load on resource r of serving, storing, copying the whole of the block:
                 load of a byte times s[b], rounded up to multiples of the operation's grain, and what each call loads;
                 of a block in pieces the sum over them

    G[m]         what the run adds to meter m whatever the placement
    E[h], W[h]   what budget h allows its meter, and for each unit of time; a budget without a meter is on time alone
    weight[m]    what one unit of meter m weighs in the objective, in units of time; second: what one unit of time weighs

    x[b,k,t]     1 if a copy of b lies in tier k at state t                 -      b in LIVE[t]
    y[b,o,t]     share of b that operation o serves at step t               -      b in READ[t], o in SERVES[b]
    z[b,j,k,t]   share of b copied j -> k during step t                     -      b in STAY[t], j != k
    p[b,k,t]     share of b stored in k in passing, at the processor        -      b in NEAR[t]
    held[b,t]    share of b that lies in any tier at state t (rule cache)   -      b in LIVE[t]
    tau[t]       time of the step                                           time   STEPS

Units: one of size is the largest block, one of time is what it takes on the slowest resource (models/common.py).
What arrives during step t is there at state t+1; a block produced by step t has its first state, and can be copied, only then.
With a given start x[.,.,0] is fixed; otherwise it is chosen at no cost. Dropping a copy is free at any time; under the rule
cache the last one too. (What is written here as a size is a number of requests on a resource that serves requests.)
"""

from __future__ import annotations

import sys

import pyomo.environ as pyo

from models.common import command, scaled, solve
from placement_opt.instance.instance import Instance


def build(instance: Instance, relax: bool = False) -> pyo.ConcreteModel:
    """The MILP of an instance, or with ``relax`` its LP relaxation (x anywhere in [0, 1])."""
    data = scaled(instance)
    m = pyo.ConcreteModel(name="horizon")
    m.unit_bytes, m.unit_seconds = data.unit_bytes, data.unit_seconds

    # Sets
    m.BLOCKS = pyo.RangeSet(0, instance.num_blocks - 1)
    m.TIERS = pyo.Set(initialize=data.tiers)
    m.RESOURCES = pyo.Set(initialize=data.resources)
    m.METERS = pyo.Set(initialize=data.meters)
    m.BUDGETS = pyo.Set(initialize=list(data.budgets))
    m.COUNTS = pyo.Set(initialize=[*data.resources, *data.meters])
    m.STEPS = pyo.RangeSet(0, instance.num_steps - 1)
    m.STATES = pyo.RangeSet(0, instance.num_steps)
    m.LIVE = pyo.Set(m.STATES, initialize=data.live)
    m.READ = pyo.Set(m.STEPS, initialize=data.read)
    m.STAY = pyo.Set(m.STEPS, initialize=data.stay)
    m.BORN = pyo.Set(m.STEPS, initialize=data.born)
    m.WAYS = pyo.Set(initialize=data.ways)
    m.BRING = pyo.Set(initialize=data.brings)
    m.FROM = pyo.Set(m.TIERS, initialize={k: [o for o in data.ways if data.needs.get(o) == k] for k in data.tiers})
    m.SERVES = pyo.Set(m.BLOCKS, initialize=data.serves)
    m.NEAR = pyo.Set(m.STEPS, initialize=data.near)
    m.LIVES = pyo.Set(initialize=[(b, t) for t in m.STATES for b in m.LIVE[t]], dimen=2)
    m.READS = pyo.Set(initialize=[(b, t) for t in m.STEPS for b in m.READ[t]], dimen=2)
    m.X = pyo.Set(initialize=[(b, k, t) for b, t in m.LIVES for k in m.TIERS], dimen=3)
    m.Y = pyo.Set(initialize=[(b, o, t) for b, t in m.READS for o in m.SERVES[b]], dimen=3)
    m.P = pyo.Set(initialize=[(b, k, t) for t in m.STEPS for b in m.NEAR[t] for k in m.TIERS], dimen=3)
    m.Z = pyo.Set(
        initialize=[(b, j, k, t) for t in m.STEPS for b in m.STAY[t] for j in m.TIERS for k in m.TIERS if j != k], dimen=4
    )

    # Parameters
    m.s = pyo.Param(m.BLOCKS, initialize=data.s)
    m.a = pyo.Param(m.READS, initialize=data.a)
    m.C = pyo.Param(m.TIERS, initialize=data.C)
    m.B = pyo.Param(m.RESOURCES, initialize=data.B)
    m.F = pyo.Param(m.RESOURCES, m.STEPS, initialize=data.F)
    m.l = pyo.Param(m.STEPS, initialize=data.l)
    m.serve = pyo.Param(m.WAYS, m.BLOCKS, m.COUNTS, initialize=data.serve, default=0)
    m.store = pyo.Param(m.TIERS, m.BLOCKS, m.COUNTS, initialize=data.store, default=0)
    m.copy = pyo.Param(m.TIERS, m.TIERS, m.BLOCKS, m.COUNTS, initialize=data.copy, default=0)

    # Variables
    m.x = pyo.Var(m.X, domain=pyo.UnitInterval if relax else pyo.Binary)
    m.y = pyo.Var(m.Y, domain=pyo.UnitInterval)
    m.z = pyo.Var(m.Z, domain=pyo.UnitInterval)
    m.p = pyo.Var(m.P, domain=pyo.UnitInterval)
    m.tau = pyo.Var(m.STEPS, domain=pyo.NonNegativeReals)
    if instance.initial is not None:
        for b in m.LIVE[0]:
            for i, k in enumerate(m.TIERS):
                m.x[b, k, 0].fix(int(instance.initial[i, b]))

    if instance.forgets:
        m.held = pyo.Var(m.LIVES, domain=pyo.UnitInterval)

    # Objective
    lasts = sum(m.tau[t] for t in m.STEPS)

    @m.Expression(m.METERS)
    def added(m, h):
        """What the whole run adds to a meter."""
        read = sum(m.serve[o, b, h] * m.y[b, o, t] for b, o, t in m.Y)
        copied = sum(m.copy[j, k, b, h] * m.z[b, j, k, t] for b, j, k, t in m.Z)
        stored = sum(m.store[k, b, h] * m.p[b, k, t] for b, k, t in m.P)
        return data.G[h] + read + copied + stored

    weighed = sum(weight * m.added[h] for h, weight in data.weight.items())
    m.time = pyo.Objective(expr=data.second * lasts + weighed, sense=pyo.minimize)

    # Constraints
    @m.Constraint(m.READS)
    def served(m, b, t):
        """What a step reads of a block is served, by one operation or by several."""
        return sum(m.y[b, o, t] for o in m.SERVES[b]) == m.a[b, t]

    @m.Constraint([(b, k, t) for b, t in m.READS for k in m.TIERS])
    def resident(m, b, k, t):
        """From a tier is served only what lies in it when the step begins."""
        return sum(m.y[b, o, t] for o in m.FROM[k] & m.SERVES[b]) <= m.a[b, t] * m.x[b, k, t]

    @m.Constraint(m.Z)
    def source(m, b, j, k, t):
        """A copy is made from a copy."""
        return m.z[b, j, k, t] <= m.x[b, j, t]

    @m.Constraint(m.P)
    def passing(m, b, k, t):
        """Stored in passing is at most what was brought to the processor; a block being produced is there as a whole."""
        return m.p[b, k, t] <= (1 if b in m.BORN[t] else sum(m.y[b, o, t] for o in m.BRING & m.SERVES[b]))

    @m.Constraint([(b, k, t) for t in m.STEPS for b in m.STAY[t] | m.BORN[t] for k in m.TIERS])
    def keep(m, b, k, t):
        """What lies in a tier after step t lay there before or came during the step; a block just produced lay nowhere."""
        before = m.x[b, k, t] if b in m.STAY[t] else 0
        copied = sum(m.z[b, j, k, t] for j in m.TIERS if j != k) if b in m.STAY[t] else 0
        stored = m.p[b, k, t] if b in m.NEAR[t] else 0
        return m.x[b, k, t + 1] <= before + copied + stored

    @m.Constraint(m.LIVES)
    def alive(m, b, t):
        """An alive block lies where the rule wants it: at home, in exactly one tier, or in at least one; a cache may forget."""
        if instance.residency == "cache":
            return pyo.Constraint.Feasible
        if instance.residency == "inclusive":
            return m.x[b, data.home, t] == 1
        copies = sum(m.x[b, k, t] for k in m.TIERS)
        return copies == 1 if instance.residency == "exclusive" else copies >= 1

    if instance.forgets:
        _anywhere(m)

    @m.Constraint(m.TIERS, m.STATES)
    def capacity(m, k, t):
        """A tier holds no more than its capacity, at every state from 0 to T."""
        return pyo.Constraint.Feasible if not m.LIVE[t] else sum(m.s[b] * m.x[b, k, t] for b in m.LIVE[t]) <= m.C[k]

    @m.Expression(m.RESOURCES, m.STEPS)
    def traffic(m, r, t):
        """What step t moves over resource r: fixed load, reads, copies, what is stored in passing."""
        read = sum(m.serve[o, b, r] * m.y[b, o, t] for b in m.READ[t] for o in m.SERVES[b])
        copied = sum(m.copy[j, k, b, r] * m.z[b, j, k, t] for b in m.STAY[t] for j in m.TIERS for k in m.TIERS if j != k)
        stored = sum(m.store[k, b, r] * m.p[b, k, t] for b in m.NEAR[t] for k in m.TIERS)
        return m.F[r, t] + read + copied + stored

    @m.Constraint(m.RESOURCES, m.STEPS)
    def rate(m, r, t):
        """A step lasts until every resource has moved its load."""
        return m.traffic[r, t] <= m.B[r] * m.tau[t]

    @m.Constraint(m.BUDGETS)
    def budget(m, h):
        """The whole run adds no more to a meter than what is allowed, and allowed for each unit of time that it lasts."""
        meter, fixed, by_time = data.budgets[h]
        return (m.added[meter] if meter else 0) <= fixed + by_time * lasts

    @m.Constraint(m.STEPS)
    def floor(m, t):
        """A step lasts at least as long as what is not memory traffic."""
        return m.l[t] <= m.tau[t]

    return m


def _anywhere(m: pyo.ConcreteModel) -> None:
    """How much of a block lies in all tiers together; whole blocks need none of this, parts would be multiplied by copying."""

    @m.Constraint([(b, k, t) for b, t in m.LIVES for k in m.TIERS])
    def somewhere(m, b, k, t):
        """What lies in a tier lies somewhere."""
        return m.x[b, k, t] <= m.held[b, t]

    @m.Constraint(m.LIVES)
    def together(m, b, t):
        """There is no more of it than in all tiers together."""
        return m.held[b, t] <= sum(m.x[b, k, t] for k in m.TIERS)

    @m.Constraint(m.READS)
    def within(m, b, t):
        """Tiers serve no more of a block than there is in them."""
        inside = [o for k in m.TIERS for o in m.FROM[k] & m.SERVES[b]]
        return sum(m.y[b, o, t] for o in inside) <= m.a[b, t] * m.held[b, t]

    @m.Constraint([(b, t) for t in m.STEPS for b in m.STAY[t]])
    def gained(m, b, t):
        """There is more of a block after a step by what came to the processor from outside."""
        inside = {o for k in m.TIERS for o in m.FROM[k]}
        came = [o for o in m.BRING & m.SERVES[b] if o not in inside] if b in m.READ[t] else []
        return m.held[b, t + 1] <= m.held[b, t] + sum(m.y[b, o, t] for o in came)


def value(instance: Instance, relax: bool = False) -> float:
    """The optimum of an instance in seconds, or with ``relax`` the value of the LP relaxation."""
    return solve(build(instance, relax))


def main(argv: list[str] | None = None) -> int:
    """``python -m models.horizon INSTANCE [--relax]``."""
    return command(
        "horizon",
        lambda instance, args: value(instance, args.relax),
        lambda parser: parser.add_argument("--relax", action="store_true", help="LP relaxation: blocks may be split"),
        argv,
    )


if __name__ == "__main__":
    sys.exit(main())
