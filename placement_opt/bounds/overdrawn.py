"""What may be said where a program has no solution: that no schedule keeps the budgets, if prices prove it; else nothing."""

from __future__ import annotations

from typing import Any

from placement_opt.bounds.dual.evaluate import DualValue
from placement_opt.bounds.result import Bound, Status

_RESTS_ON = "weak duality with nothing to minimise: at the prices found every schedule pays more than the budgets are worth"


def no_schedule(method: str, ray: DualValue, seconds: float, details: dict[str, Any]) -> Bound:
    """A method's answer from prices that prove more than 0 with nothing to minimise (``evaluate(..., ray=True)``)."""
    assert ray.value_s > 0.0
    note = f"it pays {ray.value_s:.6g} more than they are worth, in the unit of these prices"
    found = {**details, "overdrawn": ray.value_s}
    return Bound(method, Status.INFEASIBLE, None, seconds, _RESTS_ON, note, prices=ray.prices, details=found)
