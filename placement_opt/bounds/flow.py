"""The flow bound: resource prices fixed, the cheapest residency at those prices found as a min-cost flow.

At prices rho with ``sum_r B_r rho[t,r] <= 1`` every schedule takes at least ``sum_t (1 - sum_r B_r rho) l_t + sum rho F`` plus
what its reads, stores and copies cost at the prices. The least of that over all residencies of an instance with two tiers and
equal blocks is a flow along time (:mod:`placement_opt.bounds.programs.flow_network`): at least as high as the dual at the same
resource prices with any rents, and equal to it at the rents that the flow's node potentials give.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64
from placement_opt.base.cost import Cost, costs, once
from placement_opt.base.errors import InputError
from placement_opt.base.highs import SMALLEST, Ended, LinearProgram, Solution, SolverError, from_triplets, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import step
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.programs.flow_network import Network, build_network
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance

#: The flow is called optimal where its cost and what its potentials prove differ by no more than this, relatively.
TOLERANCE = 1e-7
#: Beyond so many arcs the interior point method (with crossover) is the faster.
_SIMPLEX_ARCS = 30_000
_RESTS_ON = "weak duality: the dual value at the given resource prices and the flow's rents, evaluated without the solver"


@costs(
    Cost[Size](
        "flow",
        {"once": once, "at_100k_reads": lambda size: (size.reads / 1e5) ** 1.8},
        {"once": once, "per_read": lambda size: size.reads},
        defined=lambda size: size.tiers == 2 and size.equal,
    )
)
def bound(instance: Instance, *, limits: Limits | None = None, prices: Prices | None = None) -> Bound:
    """The cheapest residency at fixed resource prices: a lower bound for instances of two tiers and equal blocks.

    Parameters
    ----------
    prices
        Where the resource prices come from, such as another bound's ``prices``; made legal first (negatives clipped, scaled so
        that ``sum_r B_r rho <= 1``). Without them: those of the step bound, which makes flow the higher of the two.

    Returns
    -------
    Bound
        ``prices`` hold the resource prices used and the rents found. The published value uses that a tier holds whole blocks
        only, so :func:`~placement_opt.bounds.dual.evaluate.evaluate` at these prices can be lower where a capacity is no
        multiple.

    Raises
    ------
    InputError
        Other than two tiers, blocks of several sizes, operations that serve a block without bringing it to the processor, the
        rule cache, budgets or an objective besides time, or prices of the wrong shape.
    """
    began = clock.now()
    limits = limits or Limits()
    whole = whole_blocks(instance)
    start = step.bound(instance, limits=limits).prices if prices is None else prices
    assert start is not None
    rho = check_prices(instance, start).rho
    used = rho @ instance.memory.rates.astype(np.float64)
    given = float((np.maximum(0.0, 1.0 - used) @ instance.floor) + (rho * instance.fixed).sum())
    classes = classify(whole)
    network = build_network(whole, classes, rho, given)
    program = flow_program(network)
    solution = _solve(program, limits)
    found, note = [Prices(rho, start.rent)], f"the solver ended with {solution.message!r}: the rents need not be the best"
    if len(solution.row_dual):
        found.append(Prices(rho, rents(whole, network, program, solution)))
    if solution.ended is Ended.SOLVED:
        found, note = found[-1:], ""
    dual = max((evaluate(whole, prices, classes) for prices in found), key=lambda proof: proof.value_s)
    value = None
    if solution.ended is Ended.SOLVED and satisfies(program, solution.x):
        value = network.constant_s + float(network.cost @ solution.x)
    return Bound(
        method="flow",
        status=_status(instance, limits, solution, dual.value_s, value),
        lower_bound_s=dual.value_s,
        solve_s=clock.now() - began,
        rests_on=_RESTS_ON,
        note=note,
        value_s=value,
        prices=dual.prices,
        details={"nodes": len(network.supply), "arcs": network.num_arcs, "classes": len(classes)},
    )


def _solve(program: LinearProgram, limits: Limits) -> Solution:
    algorithm: Literal["simplex", "ipm"] = "simplex" if program.num_columns <= _SIMPLEX_ARCS else "ipm"
    try:
        return solve(program, limits=limits, algorithm=algorithm)
    except SolverError as error:
        return Solution(Ended.FAILED, np.zeros(0), np.zeros(0), np.inf, -np.inf, str(error))


def whole_blocks(instance: Instance) -> Instance:
    """Capacities rounded down to whole blocks, the same to every schedule; InputError where flow is not defined."""
    if instance.num_tiers != 2:
        raise InputError(
            f"found {instance.num_tiers} tiers", "expected two: flow is defined for two tiers", field="method flow"
        )
    sizes = np.unique(instance.size)
    if len(sizes) > 1:
        found = f"found {len(sizes)} block sizes, {sizes[0]} to {sizes[-1]} bytes"
        raise InputError(found, "expected one: flow is defined for equal blocks", field="method flow")
    if instance.forgets:
        expected = "expected another: flow is defined where every block lies somewhere"
        raise InputError("found the rule cache", expected, field="method flow")
    if not instance.timed:
        expected = "expected none: flow is defined for the time alone"
        raise InputError("found budgets, or an objective besides time", expected, field="method flow")
    operations = instance.memory.operations
    if len(apart := np.flatnonzero(operations.serves & ~operations.brings)):
        found = f"found the operation {operations.names[apart[0]]!r}, which leaves nothing at the processor"
        raise InputError(found, "expected none: flow is defined where every read may store in passing", field="method flow")
    if operations.limited:
        expected = "expected none: flow is defined where all blocks are served alike"
        raise InputError("found operations for some kinds of block", expected, field="method flow")
    if len(instance.loads.size) > 1:
        counts = instance.loads.pieces
        found = f"found blocks in {counts.min()} to {counts.max()} pieces"
        raise InputError(found, "expected equally many: flow is defined for equal blocks", field="method flow")
    return replace(instance, capacity=instance.capacity // sizes[0] * sizes[0])


def check_prices(instance: Instance, prices: Prices) -> Prices:
    """Prices made legal; InputError where their shape is not the instance's."""
    shape = (instance.num_steps, instance.num_resources)
    if prices.rho.shape != shape:
        raise InputError(f"found shape {prices.rho.shape}", f"expected steps x resources, {shape}", field="rho")
    shape = (instance.num_steps + 1, instance.num_tiers)
    if prices.rent.shape != shape:
        raise InputError(f"found shape {prices.rent.shape}", f"expected states x tiers, {shape}", field="rent")
    return legal(instance, prices)


def flow_program(network: Network) -> LinearProgram:
    """The network (and side rows, if any) as a linear program; ``time_unit`` is the largest cost of an arc."""
    unit = float(np.abs(network.cost).max()) or 1.0
    cost = network.cost / unit
    cost[np.abs(cost) <= SMALLEST] = 0.0  # costs the solver's gate refuses; the proof prices them again
    arcs, nodes = np.arange(network.num_arcs), len(network.supply)
    joint_rows = nodes + np.arange(len(network.joint))
    states = np.flatnonzero(network.demand_least) if len(network.demand) else np.zeros(0, dtype=np.int64)
    row_of_state = np.full(len(network.demand_least), -1)
    row_of_state[states] = nodes + len(network.joint) + np.arange(len(states))
    demand = network.demand[row_of_state[network.demand[:, 0]] >= 0]
    rows = [network.tail, network.head, joint_rows, joint_rows, row_of_state[demand[:, 0]]]
    columns = [arcs, arcs, network.joint[:, 0], network.joint[:, 1], demand[:, 1]]
    values = np.ones(sum(map(len, rows)))
    values[network.num_arcs : 2 * network.num_arcs] = -1.0
    free, least = np.full(len(network.joint), -np.inf), network.demand_least[states]
    return LinearProgram(
        cost,
        network.lower,
        network.upper,
        np.concatenate([network.supply, free, least]),
        np.concatenate([network.supply, network.joint_upper, np.full(len(states), np.inf)]),
        *from_triplets(network.num_arcs, np.concatenate(rows), np.concatenate(columns), values),
        time_unit=unit,
    )


def satisfies(program: LinearProgram, x: Float64) -> bool:
    """Whether a point keeps to the program's rows and bounds, to 1e-6 of a block."""
    columns = np.repeat(np.arange(program.num_columns), np.diff(program.start))
    rows = np.bincount(program.index, program.value * x[columns], program.num_rows)
    inside = (program.lower - 1e-6 <= x) & (x <= program.upper + 1e-6)
    kept = (program.row_lower - 1e-6 <= rows) & (rows <= program.row_upper + 1e-6)
    return bool(inside.all() and kept.all())


def rents(instance: Instance, network: Network, program: LinearProgram, solution: Solution) -> Float64:
    """float64[T + 1, K]: what a byte of room costs at each state, from the potentials of the pool's nodes.

    A positive difference along an empty-slot arc is the rent of the tier whose slots flow. A negative one appears where the
    home tier's capacity keeps slots from being empty: its rent. Under the free rule that capacity has rows of its own.
    """
    states, home = instance.num_steps + 1, instance.home
    unit = program.time_unit / int(instance.size[0])
    slope = np.diff(solution.row_dual[: states + 1]) * unit
    rent = np.zeros((states, 2))
    rent[:, 1 - home] = np.maximum(slope, 0.0)
    rent[:, home] = np.maximum(-slope, 0.0)
    if instance.residency == "free":
        first = len(network.supply) + len(network.joint)
        full = np.flatnonzero(network.demand_least) if len(network.demand) else np.zeros(0, dtype=np.int64)
        rent[:, home] = 0.0
        rent[full, home] = np.maximum(solution.row_dual[first:], 0.0) * unit
    elif instance.inclusive:
        rent[:, home] = 0.0
    return rent


def _status(instance: Instance, limits: Limits, solution: Solution, proven: float, value: float | None) -> Status:
    if limits.interrupted:
        return Status.INTERRUPTED
    if value is not None:
        near = TOLERANCE * value + 1e-12 * float(instance.floor.sum())
        return Status.OPTIMAL if abs(value - proven) <= near else Status.BOUND
    return Status.LIMIT if limits.reached or solution.ended is Ended.LIMIT else Status.BOUND
