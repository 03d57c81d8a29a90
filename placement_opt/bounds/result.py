"""One result type and one status vocabulary for every bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.tabular import Record, Tabular


class Status(StrEnum):
    """What is known of the published number. No solver's word makes any of these; our own arithmetic does."""

    #: Proven, and shown from the other side to be the method's own optimum within its tolerance.
    OPTIMAL = "optimal"
    #: Proven; how far the method's own optimum lies above is not shown.
    BOUND = "bound"
    #: Proven, but a limit of time or size ended the work early.
    LIMIT = "limit reached"
    #: Proven, but somebody asked for a stop.
    INTERRUPTED = "interrupted"
    #: Nothing was proven: ``lower_bound_s`` is None and ``note`` says why.
    NONE = "no bound"
    #: Proven: no schedule whatever keeps the budgets. ``lower_bound_s`` is None; ``prices`` prove it with nothing to minimise.
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
    """

    rho: Float64
    rent: Float64
    mu: Float64 = field(default_factory=lambda: np.zeros(0))

    def halfway(self, other: Prices) -> Prices:
        """In the middle between two prices of one instance, both of them legal."""
        return Prices((self.rho + other.rho) / 2, (self.rent + other.rent) / 2, (self.mu + other.mu) / 2)


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
        """One row: what is proven, and how."""
        names = ("method", "status", "lower_bound_s", "value_s", "solve_s", "rests_on", "note")
        return [{name: str(value) if name == "status" else value for name in names for value in [getattr(self, name)]}]
