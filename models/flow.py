"""The horizon with resource prices fixed: what is left of it once a step's time is paid for by the byte.

Each resource has a price rho[r,t] >= 0 (time per size) with sum_r B[r] rho[r,t] <= 1. Multiply the rows ``rate`` by rho and
``floor`` by what is left of the 1, add them to the objective, and tau cancels: whatever placement remains, its priced cost
is at most its time, so the least priced cost bounds the optimum from below.

    minimise  sum_t (1 - sum_r B[r] rho[r,t]) l[t]  +  sum_rt rho[r,t] traffic[r,t]

    symbol           meaning                                          unit       index set
    ---------------  -----------------------------------------------  ---------  -----------------
    rho[r,t]         price of one byte of load on resource r          time/size  RESOURCES x STEPS
    traffic[r,t]     load: fixed, read, copied, stored in passing     size       RESOURCES x STEPS

All other sets, parameters, variables (x, y, z, p) and constraints (served, resident, source, passing, keep, alive, capacity)
are those of models/horizon.py; tau, rate and floor are gone. With two tiers, one of the rules inclusive and exclusive, equal
sizes, capacities that are multiples of the size and whole reads (a = 1) it is a min-cost flow: capacity is an arc along
time, every block's history a path, and ``relax`` changes nothing (cf. FOO: Berger, Beckmann, Harchol-Balter, "Practical
bounds on optimal caching", POMACS 2018). Where a < 1, the share a of a block may be stored in passing: an arc of fractional
capacity, and the relaxation may gain by splitting blocks there.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo

from models import horizon, roofline
from models.common import command, prices, solve
from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance


def build(instance: Instance, rho: npt.NDArray[np.float64], relax: bool = False) -> pyo.ConcreteModel:
    """The priced placement of an instance at ``rho`` (float64[T, R], seconds per byte), with ``relax`` its LP relaxation.

    Raises
    ------
    InputError
        If there are budgets, or the objective is more than time.
    ValueError
        If the prices are no bound: of the wrong shape, negative, not finite, or above sum_r B_r rho <= 1.
    """
    if not instance.timed:
        raise InputError(
            "found budgets, or an objective besides time", "expected none: the flow knows of time alone", field="flow"
        )
    if rho.shape != (instance.num_steps, instance.num_resources):
        raise ValueError(f"prices of shape {rho.shape}, expected steps x resources")
    if not np.isfinite(rho).all() or (rho < 0).any() or (rho @ instance.memory.rates > 1 + 1e-12).any():
        raise ValueError("prices must be finite, not negative, and at each step sum_r B_r rho <= 1")
    m = horizon.build(instance, relax)
    m.name = "flow"

    # Parameters
    per_size = m.unit_bytes / float(m.unit_seconds)
    m.rho = pyo.Param(
        m.RESOURCES,
        m.STEPS,
        initialize={(r, t): float(rho[t, i]) * per_size for i, r in enumerate(m.RESOURCES) for t in m.STEPS},
    )

    # Variables, constraints: as in the horizon, without the time of a step and the rows that bound it
    for part in (m.time, m.rate, m.floor, m.tau):
        m.del_component(part)

    # Objective
    floor = sum((1 - sum(m.B[r] * m.rho[r, t] for r in m.RESOURCES)) * m.l[t] for t in m.STEPS)
    paid = sum(m.rho[r, t] * m.traffic[r, t] for r in m.RESOURCES for t in m.STEPS)
    m.cost = pyo.Objective(expr=floor + paid, sense=pyo.minimize)

    return m


def value(instance: Instance, rho: npt.NDArray[np.float64], relax: bool = False) -> float:
    """The least priced cost at ``rho`` (float64[T, R], seconds per byte) in seconds."""
    return solve(build(instance, rho, relax))


def roofline_prices(instance: Instance) -> npt.NDArray[np.float64]:
    """float64[T, R]: the prices at which the roofline pays for each step."""
    return prices(roofline.build(instance), instance)


def horizon_prices(instance: Instance) -> npt.NDArray[np.float64]:
    """float64[T, R]: those of the LP relaxation of the horizon; the relaxed flow at them is that LP's value."""
    return prices(horizon.build(instance, relax=True), instance)


def main(argv: list[str] | None = None) -> int:
    """``python -m models.flow INSTANCE [--prices roofline|horizon] [--relax]``."""
    sources = {"roofline": roofline_prices, "horizon": horizon_prices}

    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--prices", choices=sources, default="roofline", help="whose multipliers to pay with")
        parser.add_argument("--relax", action="store_true", help="LP relaxation: blocks may be split")

    return command("flow", lambda instance, args: value(instance, sources[args.prices](instance), args.relax), options, argv)


if __name__ == "__main__":
    sys.exit(main())
