"""Small instances with budgets and objectives, with what is known of them by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from placement_opt.instance.budgets import TIME, Budget, Objective
from placement_opt.instance.instance import Instance
from placement_opt.memory.meters import Meters
from tests.operations import system
from tests.small import make_instance, make_trace


def two_copies(budget: int | None, objective: Objective = TIME) -> Instance:
    """One step that reads eight blocks of 1 B, each with a copy in both tiers: 4 B/s at 1 J/B and 1 B/s at 3 J/B.

    ``budget``: joules.
    """
    memory = system([8, 8], {"fast": 4, "slow": 1}, [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    per_byte = np.zeros((len(memory.operations.names), 1), dtype=np.int64)
    per_byte[-2:, 0] = [1, 3]
    memory = replace(memory, counted=Meters(("energy",), ("J",), (1,), per_byte))
    instance = make_instance(memory, make_trace([list(range(8))], [-1] * 8), "free", initial=np.ones((2, 8), dtype=bool))
    budgets = () if budget is None else (Budget("energy", 0, Fraction(budget)),)
    return replace(instance, budgets=budgets, objective=objective)


def worn() -> Instance:
    """Ten blocks of 1 B are produced in one step and must be stored in flash of 1,000 B/s, which may be written at 0.5 B/s."""
    memory = system([10], {"flash": 1000}, [[1]], [[1]])
    per_byte = np.zeros((len(memory.operations.names), 1), dtype=np.int64)
    per_byte[0] = 1
    memory = replace(memory, counted=Meters(("written 0",), ("B",), (1,), per_byte))
    instance = make_instance(memory, make_trace([[]], [0] * 10), "free")
    return replace(instance, budgets=(Budget("0.wear", 0, Fraction(0), Fraction(1, 2)),))


@dataclass(frozen=True)
class Case:
    """An instance, and the optimum of its objective in seconds; None: no schedule keeps the budgets."""

    instance: Instance
    optimum: float | None


ENERGY = Objective(Fraction(1), ((0, Fraction(1)),))
CASES = {
    "no budget": Case(two_copies(None), 1.6),
    "10 J": Case(two_copies(10), 1.75),
    "7 J": Case(two_copies(7), None),
    "time and energy": Case(two_copies(None, ENERGY), 10.0),
    "wear": Case(worn(), 20.0),
}
