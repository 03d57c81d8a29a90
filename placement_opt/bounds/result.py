"""One result type and one status vocabulary for every bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.tabular import Record, Tabular


class Status(StrEnum):
    """What is known of the published number. No solver's word makes any of these; our own arithmetic does.

    Attributes
    ----------
    OPTIMAL
        Proven, and shown from the other side to be the method's own optimum within its tolerance.
    BOUND
        Proven; how far the method's own optimum lies above is not shown.
    LIMIT
        Proven, but a limit of time or size ended the work early.
    INTERRUPTED
        Proven, but somebody asked for a stop.
    NONE
        Nothing was proven: ``lower_bound_s`` is None and ``note`` says why.
    INFEASIBLE
        Proven: no schedule whatever keeps the budgets. ``lower_bound_s`` is None; ``prices`` prove it with nothing to minimise.

    Examples
    --------
    >>> po.Status.OPTIMAL == "optimal"
    True
    >>> [str(one) for one in (po.Status.BOUND, po.Status.LIMIT, po.Status.INTERRUPTED, po.Status.NONE)]
    ['bound', 'limit reached', 'interrupted', 'no bound']
    >>> str(po.Status.INFEASIBLE)
    'no schedule keeps the budgets'
    """

    OPTIMAL = "optimal"
    BOUND = "bound"
    LIMIT = "limit reached"
    INTERRUPTED = "interrupted"
    NONE = "no bound"
    INFEASIBLE = "no schedule keeps the budgets"


@dataclass(frozen=True, eq=False)
class Prices:
    """Multipliers, in seconds (of the objective) per byte (problem statement, section 4).

    Attributes
    ----------
    rho
        float64[T, R] >= 0: price of one byte of load on resource r at step t; ``rates @ rho[t] <= 1``.
    rent
        float64[T + 1, K] >= 0: rent of one byte held in tier k at state t.
    mu
        float64[H] >= 0: price of one part of the meter of each of the instance's budgets, of those on time alone of a second;
        none at all stand for zeros.

    Examples
    --------
    Every byte over the link takes 1 / (450 GB/s), and a byte of HBM saves as much at each of the first two states.

    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> prices = po.bound(instance, "lp").prices
    >>> prices
    Prices(3 steps, 4 resources, 2 tiers)
    >>> prices.mu.tolist(), prices.halfway(prices).rent.shape
    ([], (4, 2))
    >>> [f"{price:.4g}" for price in prices.rho[:, 2]], [f"{rent:.4g}" for rent in prices.rent[:, 0]]
    (['2.222e-12', '2.222e-12', '2.222e-12'], ['2.222e-12', '2.222e-12', '0', '0'])
    """

    rho: Float64
    rent: Float64
    mu: Float64 = field(default_factory=lambda: np.zeros(0))

    def halfway(self, other: Prices) -> Prices:
        """In the middle between two prices of one instance, both of them legal.

        Parameters
        ----------
        other
            Prices of the same instance.

        Returns
        -------
        Prices
            Legal, too: what is legal is convex.
        """
        return Prices((self.rho + other.rho) / 2, (self.rent + other.rent) / 2, (self.mu + other.mu) / 2)

    def __repr__(self) -> str:
        return f"Prices({self.rho.shape[0]} steps, {self.rho.shape[1]} resources, {self.rent.shape[1]} tiers)"


@dataclass(frozen=True, eq=False)
class Bound(Tabular):
    """A proven lower bound on the total time of every schedule of an instance, or on the objective that it names.

    Attributes
    ----------
    method
        roofline, step, step-integer, compact, lp, milp, flow.
    status
        See :class:`Status`.
    lower_bound_s
        Seconds, recomputed from the instance's own data; None if nothing was proven, or no schedule exists.
    solve_s
        Wall time spent.
    rests_on
        One sentence: what the number's validity rests on.
    note
        Anything a reader must know (a solver's claim that did not hold, why a method was chosen); "" if nothing.
    value_s
        The method's own objective (a primal value of the relaxation, or an incumbent for milp), where known; >= the bound.
    step_s
        float64[T]: how long each step lasts. Proven one by one for roofline, step and step-integer; for compact and lp the
        times of the relaxed placement last found (of the per-step bound if there is none), which show where the time goes.
    prices
        The multipliers behind the bound, where there are any.
    details
        JSON-able sizes and counts (rows, columns, rounds).

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.bound(instance, "roofline")
    >>> found
    Bound(roofline: 3.36449e-06 s, optimal)
    >>> found.method, str(found.status), f"{found.lower_bound_s:.4g} of {found.value_s:.4g}", found.note
    ('roofline', 'optimal', '3.364e-06 of 3.364e-06', '')
    >>> [f"{seconds:.4g}" for seconds in found.step_s], found.prices.rho.shape, found.details, found.solve_s < 60
    (['1.682e-06', '8.411e-07', '8.411e-07'], (3, 4), {'steps': 3}, True)
    >>> found.rests_on
    'weak duality at the extreme resource prices of each step, rounding subtracted; no solver'
    """

    method: str
    status: Status
    lower_bound_s: float | None
    solve_s: float
    rests_on: str
    note: str = ""
    value_s: float | None = None
    step_s: Float64 | None = None
    prices: Prices | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        value = "nothing" if self.lower_bound_s is None else f"{self.lower_bound_s:.6g} s"
        return f"Bound({self.method}: {value}, {self.status})"

    def to_records(self) -> list[Record]:
        """One row: what is proven, and how.

        Returns
        -------
        list of dict
            Times in seconds.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> [row] = po.bound(instance, "lp").to_records()
        >>> row["method"], row["status"], f"{row['lower_bound_s']:.4g}"
        ('lp', 'optimal', '2e-05')
        """
        names = ("method", "status", "lower_bound_s", "value_s", "solve_s", "rests_on", "note")
        return [{name: str(value) if name == "status" else value for name in names for value in [getattr(self, name)]}]
