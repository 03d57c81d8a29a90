"""What every statement here needs and none is about: the instance's numbers in scaled units, the solver call, the command line.

Bytes and seconds are hidden in two units, so that the solver sees numbers near one (its tolerances are absolute):

    one unit of size = the largest block
    one unit of time = one unit of size over the slowest resource

A value leaves :func:`solve` in seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import TerminationCondition
from pyomo.contrib.solver.solvers.highs import Highs

from placement_opt.base.errors import InputError, PlacementError
from placement_opt.base.highs import silent_highspy
from placement_opt.base.stdout import kept_for_answers
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance

#: Tolerances of the solver, in scaled units: far below what two statements of one problem are compared to (1e-9).
TOLERANCE = 1e-10
#: How far the dual bound of a MILP may stay below the schedule it proves best (relative): above it something is wrong.
MILP_GAP = 1e-6


@dataclass(frozen=True)
class Data:
    """An instance as Pyomo likes it: lists and dictionaries, sizes and times in scaled units (problem statement, section 1).

    Attributes
    ----------
    tiers, resources
        Their names, by which everything here is indexed.
    read, born
        Step -> ids of the blocks it reads, of those it produces.
    live
        State -> ids of the blocks alive at it.
    stay
        Step -> ids of the blocks alive both before and after it: those it may move.
    near
        Step -> ids of the blocks that are at the processor during it and live on after it: read, or produced.
    ways
        Names of the operations that serve reads: the read from a tier has the tier's, the others their own.
    needs
        Way -> the tier that it needs; without those that need none.
    brings
        Ways after which the block is at the processor.
    serves
        Block -> ways that are for blocks of its kind.
    s, a, C, B, F, l
        The symbols of section 1 by the indices they carry there.
    serve, store, copy
        What an operation on the whole of a block loads on a resource, (way, block, resource), (tier, block, resource) and
        (source, target, block, resource), where it is not zero; a meter that a budget or the objective names is there like a
        resource, in units of its own.
    meters
        Their names.
    G
        Meter -> what the run adds to it whatever the placement.
    budgets
        Name -> (meter, or None; what may be added to it whatever the run takes; and for each unit of time), in its units.
    weight
        Meter -> what one unit of it weighs in the objective, in units of time.
    second
        What one unit of time weighs.
    home
        The tier that keeps everything under the inclusive rule.
    unit_bytes, unit_seconds
        One unit of size in bytes; one unit of time in seconds.
    """

    tiers: tuple[str, ...]
    resources: tuple[str, ...]
    read: dict[int, list[int]]
    born: dict[int, list[int]]
    live: dict[int, list[int]]
    stay: dict[int, list[int]]
    near: dict[int, list[int]]
    s: dict[int, float]
    a: dict[tuple[int, int], float]
    C: dict[str, float]
    B: dict[str, float]
    F: dict[tuple[str, int], float]
    l: dict[int, float]  # noqa: E741 (the symbol of the problem statement)
    ways: tuple[str, ...]
    needs: dict[str, str]
    brings: tuple[str, ...]
    serves: dict[int, tuple[str, ...]]
    serve: dict[tuple[str, int, str], float]
    store: dict[tuple[str, int, str], float]
    copy: dict[tuple[str, str, int, str], float]
    meters: tuple[str, ...]
    G: dict[str, float]
    budgets: dict[str, tuple[str | None, float, float]]
    weight: dict[str, float]
    second: float
    home: str
    unit_bytes: int
    unit_seconds: Fraction


def scaled(instance: Instance) -> Data:
    """The numbers of an instance in scaled units."""
    trace, memory = instance.trace, instance.memory
    steps, blocks = range(instance.num_steps), range(instance.num_blocks)
    tiers, resources = list(enumerate(memory.tier_names)), list(enumerate(memory.resources))
    unit_bytes = int(instance.size.max())
    unit_seconds = Fraction(unit_bytes, int(memory.rates.min()))

    def size(value: Any) -> float:
        return float(Fraction(int(value), unit_bytes))

    reads = {t: [int(b) for b in trace.reads(t)] for t in steps}
    first = [int(birth) + 1 for birth in trace.birth]
    last = [int(death) for death in trace.death]
    live = {t: [b for b in blocks if first[b] <= t <= last[b]] for t in range(instance.num_steps + 1)}
    stay = {t: [b for b in live[t] if last[b] > t] for t in steps}
    born = {t: [b for b in blocks if first[b] == t + 1] for t in steps}
    share = {
        (int(trace.blocks[i]), t): instance.share(i)
        for t in steps
        for i in range(int(trace.indptr[t]), int(trace.indptr[t + 1]))
    }
    serve, store, copy = loads(instance)
    meters, weights = metering(instance), dict(instance.objective.weights)
    parts = {meter: part for meter, (_, part) in zip(instance.used_meters, meters.items(), strict=True)}
    name = {meter: memory.meters.names[meter] for meter in instance.used_meters}

    def budget(one: Budget) -> tuple[str | None, float, float]:
        if one.meter is None:
            return None, float(one.fixed / unit_seconds), float(one.per_second)
        part = parts[one.meter]
        return name[one.meter], float(one.fixed / part), float(one.per_second * unit_seconds / part)

    table, ways = memory.operations, way_names(instance)
    source, brings = table.source[-len(ways) :].tolist(), table.brings[-len(ways) :].tolist()
    applies, labels = table.applies[-len(ways) :].tolist(), block_kinds(instance)
    return Data(
        tiers=memory.tier_names,
        resources=memory.resources,
        read=reads,
        born=born,
        live=live,
        stay=stay,
        near={t: [b for b in stay[t] if (b, t) in share] + born[t] for t in steps},
        s={b: size(instance.size[b]) for b in blocks},
        a=share,
        C={tier: size(instance.capacity[k]) for k, tier in tiers},
        B={resource: float(int(memory.rates[r]) * unit_seconds / unit_bytes) for r, resource in resources},
        F={(resource, t): size(instance.fixed[t, r]) for r, resource in resources for t in steps},
        l={t: float(instance.floor[t]) / float(unit_seconds) for t in steps},
        ways=ways,
        needs={way: memory.tier_names[k] for way, k in zip(ways, source, strict=True) if k >= 0},
        brings=tuple(way for way, flag in zip(ways, brings, strict=True) if flag),
        serves={b: tuple(way for way, some in zip(ways, applies, strict=True) if some[labels[b]]) for b in blocks},
        serve=serve,
        store=store,
        copy=copy,
        meters=tuple(meters),
        G={each: float(Fraction(int(load), meters[each])) for each, load in zip(meters, instance.metered, strict=True)},
        budgets={one.name: budget(one) for one in instance.budgets},
        weight={name[meter]: float(weight * parts[meter] / unit_seconds) for meter, weight in weights.items()},
        second=float(instance.objective.time),
        home=memory.tier_names[instance.home],
        unit_bytes=unit_bytes,
        unit_seconds=unit_seconds,
    )


def block_kinds(instance: Instance) -> list[int]:
    """Of each block what it is, KV (0) or weights (1)."""
    labels = instance.trace.block_kind
    return [0] * instance.num_blocks if labels is None else labels.tolist()


def block_pieces(instance: Instance) -> list[int]:
    """Of each block in how many pieces it is stored."""
    pieces = instance.trace.pieces
    return [1] * instance.num_blocks if pieces is None else np.broadcast_to(pieces, instance.num_blocks).tolist()


def way_names(instance: Instance) -> tuple[str, ...]:
    """The operations that serve reads: the read from a tier is called like the tier, the others have names of their own."""
    tiers, table = instance.memory.tier_names, instance.memory.operations
    names = (*tiers, *table.names[len(tiers) * (len(tiers) + 2) :])
    if len(set(names)) < len(names):
        raise InputError(f"found operations called {', '.join(names)}", "expected names that differ", field="memory")
    return names


def block_loads(instance: Instance, size: int, pieces: int = 1) -> list[dict[str, float]]:
    """What each operation, by its row, loads on each resource and meter for a whole block of so many bytes in so many equal
    pieces, in scaled units.

    It is ``pieces * (per_call + per_byte * ceil(size / pieces / grain) * grain)``; no call counts on a meter.
    """
    table, resources, unit_bytes = instance.memory.operations, instance.memory.resources, int(instance.size.max())
    on_meters = instance.memory.meters.per_byte[:, list(instance.used_meters)].tolist()
    meters, piece = metering(instance), size // pieces
    counted = [
        {
            name: float(Fraction(pieces * each * -(-piece // grain) * grain, part))
            for (name, part), each in zip(meters.items(), row, strict=True)
        }
        for grain, row in zip(table.grain.tolist(), on_meters, strict=True)
    ]
    loaded = [
        {
            name: float(Fraction(pieces * (once + each * -(-piece // grain) * grain), unit_bytes))
            for name, once, each in zip(resources, call, byte, strict=True)
        }
        for grain, call, byte in zip(table.grain.tolist(), table.per_call.tolist(), table.per_byte.tolist(), strict=True)
    ]
    return [one | other for one, other in zip(loaded, counted, strict=True)]


def metering(instance: Instance) -> dict[str, int]:
    """Meter that counts -> parts that are one unit of it: what the largest block adds by the operation that adds most."""
    meters = instance.memory.meters
    largest = int(instance.size.max())
    found = {meters.names[meter]: max(1, int(meters.per_byte[:, meter].max()) * largest) for meter in instance.used_meters}
    if taken := set(found) & set(instance.memory.resources):
        raise InputError(f"found meters called {', '.join(taken)} like resources", "expected names that differ", field="memory")
    return found


def time_alone(instance: Instance) -> None:
    """InputError where more is minimised than time: for statements that know of nothing else."""
    if not instance.objective.plain:
        raise InputError("found an objective besides time", "expected time alone; models.horizon states all", field="objective")


def loads(instance: Instance) -> tuple[dict[Any, float], dict[Any, float], dict[Any, float]]:
    """What serving, storing and copying the whole of a block loads, as in :class:`Data`."""
    tiers, ways = instance.memory.tier_names, way_names(instance)
    store, copy, serve = dict[Any, float](), dict[Any, float](), dict[Any, float]()
    rows: list[tuple[dict[Any, float], tuple[str, ...]]] = [(store, (tier,)) for tier in tiers]
    rows += [(copy, (start, end)) for start in tiers for end in tiers]
    rows += [(serve, (way,)) for way in ways]
    stored = list(zip(instance.size.tolist(), block_pieces(instance), strict=True))
    known = {each: block_loads(instance, *each) for each in set(stored)}
    for b, each in enumerate(stored):
        for (into, names), loads in zip(rows, known[each], strict=True):
            if into is not copy or names[0] != names[1]:
                into |= {(*names, b, resource): load for resource, load in loads.items() if load}
    return serve, store, copy


def solve(model: pyo.ConcreteModel) -> float:
    """Solve a statement with HiGHS and return its value in seconds; the variables keep the solution, in scaled units.

    A MILP is solved to a gap of zero. Its integer variables are then fixed at the integers found and the rest is solved once
    more, so that the value is that of an integral placement and not of one that is integral up to a tolerance.

    Raises
    ------
    PlacementError
        If the solver finds no optimum (nothing satisfies the constraints), or its two bounds do not meet.
    """
    results = _run(model)
    integers = [var for var in model.component_data_objects(pyo.Var) if var.is_integer() and not var.fixed]
    if integers:
        lower = results.objective_bound
        for var in integers:
            var.fix(round(var.value))
        results = _run(model)
        for var in integers:
            var.unfix()
        if results.incumbent_objective - lower > MILP_GAP * max(1.0, abs(lower)):
            raise PlacementError(f"the solver's bound {lower} and its solution {results.incumbent_objective} do not meet")
    return float(results.incumbent_objective * model.unit_seconds)


def _run(model: pyo.ConcreteModel) -> Any:
    silent_highspy()
    results = Highs().solve(
        model,
        threads=1,
        rel_gap=0.0,
        abs_gap=0.0,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
        solver_options={
            "primal_feasibility_tolerance": TOLERANCE,
            "dual_feasibility_tolerance": TOLERANCE,
            "mip_feasibility_tolerance": TOLERANCE,
        },
    )
    if results.termination_condition != TerminationCondition.convergenceCriteriaSatisfied:
        raise PlacementError(f"{model.name}: no optimum found ({results.termination_condition.name})")
    results.solution_loader.load_vars()
    return results


def prices(model: pyo.ConcreteModel, instance: Instance) -> npt.NDArray[np.float64]:
    """float64[T, R], seconds per byte: solve a statement that has ``rate`` rows as an LP; what one byte of load costs there."""
    results = _run(model)
    rho = np.zeros((instance.num_steps, instance.num_resources))
    for (resource, t), worth in _worth(results, model, model.rate).items():
        rho[t, instance.memory.resources.index(resource)] = worth
    # what rounding puts above the limit sum_r B_r rho <= 1 is taken back
    return rho / np.maximum(1.0, rho @ instance.memory.rates)[:, None]


def rents(model: pyo.ConcreteModel, instance: Instance) -> npt.NDArray[np.float64]:
    """float64[T + 1, K], seconds per byte: the same of ``capacity`` rows; what one byte of room is worth at each state."""
    results = _run(model)
    rent = np.zeros((instance.num_steps + 1, instance.num_tiers))
    for (tier, t), worth in _worth(results, model, model.capacity).items():
        rent[t, instance.memory.tier_index(tier)] = worth
    return rent


def _worth(results: Any, model: pyo.ConcreteModel, rows: pyo.Constraint) -> dict[tuple[Any, ...], float]:
    """Index -> multiplier of each of some rows <=, in seconds per byte."""
    scale = float(model.unit_seconds) / model.unit_bytes
    duals = results.solution_loader.get_duals(list(rows.values()))
    return {row.index(): max(0.0, -dual) * scale for row, dual in duals.items()}


def command(
    name: str,
    value: Callable[[Instance, argparse.Namespace], float],
    options: Callable[[argparse.ArgumentParser], object],
    argv: Sequence[str] | None,
) -> int:
    """``python -m models.NAME INSTANCE [options]``: print the value in seconds; bad input ends with 2."""
    from placement_opt.instance.load import load_instance

    parser = argparse.ArgumentParser(prog=f"python -m models.{name}", description=f"The {name} statement's value in seconds.")
    parser.add_argument("instance", help="instance file (TOML)")
    options(parser)
    args = parser.parse_args(argv)
    with kept_for_answers() as answers:
        try:
            print(value(load_instance(args.instance), args), file=answers)
        except PlacementError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
    return 0
