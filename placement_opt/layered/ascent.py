"""A concave function of some dozens of variables raised by cutting planes inside a box that moves along (a trust region).

Every evaluation gives a value and a slope, that is a plane above the function. The next point is where the lowest of all
planes is highest within the box around the best point so far; that height less the best value bounds what is left to gain in
the box. Kinks, of which dual functions are made, are what planes describe best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.highs import Ended, LinearProgram, solve
from placement_opt.base.limits import Limits

Function = Callable[[Float64], tuple[float, Float64]]

_RADIUS = 0.25
_SMALLEST_RADIUS = 1e-5


@dataclass(frozen=True, eq=False)
class Point:
    """Where an ascent ended: the point, its value, what the planes still promised in the box, and evaluations made.

    ``weight`` float64[rounds]: the mix of all planes, one for each evaluation, that is flat where their lowest is highest.
    """

    x: Float64
    value: float
    promised: float
    rounds: int
    weight: Float64


def maximise(
    function: Function,
    x: Float64,
    low: Float64,
    high: Float64,
    *,
    rounds: int,
    tolerance: float,
    limits: Limits,
) -> Point:
    """The best point found within ``low <= x <= high`` in at most so many evaluations.

    It ends when the planes promise less than ``tolerance`` (relative to the value) in a box of at least the first size, at a
    limit, or after ``rounds`` evaluations.
    """
    best = np.clip(x, low, high)
    value, slope = function(best)
    points, values, slopes = [best], [value], [slope]
    radius, promised, made = _RADIUS, np.inf, 1
    while made < rounds and not limits.reached and radius > _SMALLEST_RADIUS:
        step = _highest(best, np.array(points), np.array(values), np.array(slopes), low, high, radius)
        if step is None:
            break
        trial, height, _ = step
        promised = max(0.0, height - value)
        if promised <= tolerance * abs(value):
            if radius >= _RADIUS:
                break
            radius = min(2 * radius, _RADIUS)
            continue
        found, slope = function(trial)
        made += 1
        points.append(trial)
        values.append(found)
        slopes.append(slope)
        if found >= value + 0.3 * promised:
            radius = min(2 * radius, 4 * _RADIUS)
        elif found < value:
            radius *= 0.7
        if found > value:
            best, value = trial, found
    last = _highest(best, np.array(points), np.array(values), np.array(slopes), low, high, _RADIUS)
    weight = (np.arange(made) == values.index(value)).astype(np.float64) if last is None else last[2]
    return Point(best, value, promised, made, weight)


def _highest(
    centre: Float64, points: Float64, values: Float64, slopes: Float64, low: Float64, high: Float64, radius: float
) -> tuple[Float64, float, Float64] | None:
    """(point, height, weight of each plane) of the maximum of the lowest plane in the box; None if the solver has no answer."""
    size = float(np.abs(values).max()) or 1.0
    count = len(centre)
    # rows: height - slope (x - centre) <= value + slope (centre - point), all in units of the largest value
    scaled = slopes / size
    scaled[np.abs(scaled) < 1e-7] = 0.0
    right = values / size + np.einsum("ij,ij->i", scaled, centre - points)
    matrix = np.column_stack([-scaled, np.ones(len(values))])
    rows, columns = np.nonzero(matrix.T)[1], np.nonzero(matrix.T)[0]
    start = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=count + 1))]).astype(np.int32)
    program = LinearProgram(
        cost=np.append(np.zeros(count), -1.0),
        lower=np.append(np.maximum(low - centre, -radius), -10.0),
        upper=np.append(np.minimum(high - centre, radius), 10.0),
        row_lower=np.full(len(values), -np.inf),
        row_upper=right,
        start=start,
        index=rows.astype(np.int32),
        value=matrix[rows, columns],
    )
    solution = solve(program)
    weight = np.abs(solution.row_dual)
    if solution.ended is not Ended.SOLVED or not weight.any():
        return None
    point = np.clip(centre + solution.x[:count], low, high)
    return point, float(-solution.objective) * size, weight / weight.sum()
