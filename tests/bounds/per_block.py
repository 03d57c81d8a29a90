"""One step, block by block, for scipy: variables per block and tier or way, no classes and no patterns; by another hand."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from placement_opt.instance.instance import Instance
from tests.twins import label_of, whole_load


def step_value(instance: Instance, t: int, *, room: bool = True, whole: bool = False) -> float:
    """Seconds of step t alone: its LP, with ``whole`` its MILP, without ``room`` (no residency, no capacity) its roofline."""
    memory, trace, table = instance.memory, instance.trace, instance.memory.operations
    tiers, resources = instance.num_tiers, instance.num_resources
    reads = range(int(trace.indptr[t]), int(trace.indptr[t + 1]))
    born = np.flatnonzero(instance.first_state == t + 1)
    serving = np.flatnonzero(table.serves).tolist()
    size, unit = float(instance.size.max()), float(instance.size.max()) / float(memory.rates.min())
    names = [("x", i, k) for i in reads for k in range(tiers)] + [("y", i, o) for i in reads for o in serving]
    names += [("p", b, k) for b in born.tolist() for k in range(tiers)]
    column = {name: 1 + n for n, name in enumerate(names)}
    x = {(i, k): n for (what, i, k), n in column.items() if what == "x"}
    y = {(i, o): n for (what, i, o), n in column.items() if what == "y"}
    p = {(b, k): n for (what, b, k), n in column.items() if what == "p"}
    count = 1 + len(names)
    rows: list[tuple[dict[int, float], float, float]] = []
    for i in reads:
        a = instance.share(i)
        some = [o for o in serving if table.applies[o, label_of(instance, int(instance.trace.blocks[i]))]]
        rows.append(({y[i, o]: 1.0 for o in some}, a, a))
        if not room:
            continue
        for k in range(tiers):
            from_k = {y[i, o]: 1.0 for o in serving if table.source[o] == k}
            rows.append((from_k | {x[i, k]: -a}, -np.inf, 0.0))
        if instance.inclusive:
            rows.append(({x[i, instance.home]: 1.0}, 1.0, 1.0))
        elif instance.residency != "cache":
            most = 1.0 if instance.residency == "exclusive" else np.inf
            rows.append(({x[i, k]: 1.0 for k in range(tiers)}, 1.0, most))
    for b in born.tolist():
        if instance.inclusive:
            rows.append(({p[b, instance.home]: 1.0}, 1.0, 1.0))
        elif instance.residency != "cache":
            rows.append(({p[b, k]: 1.0 for k in range(tiers)}, 1.0, np.inf))
    for k in range(tiers):
        if room and len(reads):
            held = {x[i, k]: instance.size[trace.blocks[i]] / size for i in reads}
            rows.append((held, -np.inf, instance.capacity[k] / size))
    for r in range(resources):
        rate = float(memory.rates[r]) * unit
        load = {0: -1.0}
        for i in reads:
            for o in serving:
                load[y[i, o]] = float(whole_load(instance, o, int(trace.blocks[i]))[r]) / rate
        for b in born.tolist():
            for k in range(tiers):
                load[p[b, k]] = float(whole_load(instance, k, b)[r]) / rate
        rows.append((load, -np.inf, -float(instance.fixed[t, r]) / rate))
    matrix = np.zeros((len(rows), count))
    for n, (entries, _, _) in enumerate(rows):
        for column, value in entries.items():
            matrix[n, column] = value
    low, high = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    cost = np.eye(1, count)[0]
    lower, upper = np.zeros(count), np.ones(count)
    lower[0], upper[0] = instance.floor[t] / unit, np.inf
    if whole:
        kinds = np.zeros(count)
        kinds[list(x.values())] = 1
        answer = milp(
            cost,
            constraints=LinearConstraint(matrix, low, high),
            bounds=Bounds(lower, upper),
            integrality=kinds,
            options={"mip_rel_gap": 0.0},
        )
    else:
        same = low == high
        upward = ~same & np.isfinite(low)
        downward = ~same & np.isfinite(high)
        answer = linprog(
            cost,
            A_ub=np.concatenate([matrix[downward], -matrix[upward]]),
            b_ub=np.concatenate([high[downward], -low[upward]]),
            A_eq=matrix[same] if same.any() else None,
            b_eq=low[same] if same.any() else None,
            bounds=np.stack([lower, upper], axis=1),
            method="highs",
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
    assert answer.status == 0, answer.message
    return float(answer.fun) * unit
