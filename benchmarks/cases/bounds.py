"""Bound methods side by side, as ratios of value and time; and the engine's model against the Pyomo statement."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.inputs import drift_instance
from benchmarks.registry import Figure, Spec, State, register
from placement_opt.bounds import METHODS
from placement_opt.bounds.lp import build

_METHODS = ("roofline", "step", "compact", "lp")


def _build(tokens: int) -> State:
    small = drift_instance(layers=2, prefill=60, tokens=3, capacity=0.3, drift=0.1)
    for method in _METHODS:  # loading compiled loops is no part of what is compared
        METHODS[method](small)
    return {"instance": drift_instance(layers=4, prefill=500, tokens=tokens, capacity=0.3, drift=0.1)}


def _bounds(state: State) -> Mapping[str, Figure]:
    values, times = {}, {}
    for method in _METHODS:
        begin = time.perf_counter()
        found = METHODS[method](state["instance"])
        times[method] = time.perf_counter() - begin
        if found.lower_bound_s is None:
            raise RuntimeError(f"{method} proved nothing: {found.note}")
        values[method] = found.lower_bound_s
    figures: dict[str, Figure] = {"reads": state["instance"].trace.num_reads, "lp_bound_s": values["lp"]}
    for method in _METHODS[:-1]:
        figures[f"{method}_over_lp"] = values[method] / values["lp"]
        figures[f"lp_time_over_{method}_time"] = times["lp"] / times[method]
    return figures


def _build_small(tokens: int) -> State:
    return {"instance": drift_instance(layers=2, prefill=60, tokens=tokens, capacity=0.3, drift=0.1)}


def _engine(state: State) -> Mapping[str, Figure]:
    program = build(state["instance"])
    return {"engine_rows": program.num_rows, "engine_columns": program.num_columns}


def _pyomo(state: State) -> Mapping[str, Figure]:
    from pyomo.core import Constraint, Var

    from models.horizon import build as statement

    model = statement(state["instance"], relax=True)
    rows = sum(1 for _ in model.component_data_objects(Constraint, active=True))
    return {"pyomo_rows": rows, "pyomo_columns": sum(1 for _ in model.component_data_objects(Var))}


register(
    Spec(
        name="bounds",
        about="Bound methods side by side on one drifting trace: value and time relative to the exact LP.",
        build=_build,
        phases={"bounds": _bounds},
        sizes=(3, 100),
    )
)
register(
    Spec(
        name="engine-or-pyomo",
        about="Building one horizon LP: the engine in interval form, the Pyomo statement with rows per block and step.",
        build=_build_small,
        phases={"engine": _engine, "pyomo": _pyomo},
        sizes=(2, 20),
    )
)
