"""How long it takes to build the LPs of a trace with a million intervals between reads, solver call excluded."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.inputs import drift_instance
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.lp import horizon_program


def _build(tokens: int) -> State:
    return {"instance": drift_instance(layers=4, prefill=500, tokens=tokens, capacity=0.3, drift=0.1)}


def _horizon(state: State) -> Mapping[str, Figure]:
    instance = state["instance"]
    program = horizon_program(instance, classify(instance)).build()
    return {
        "reads": instance.trace.num_reads,
        "rows": program.num_rows,
        "columns": program.num_columns,
    }


register(
    Spec(
        name="build-lp",
        about="Building the exact horizon LP (one kept-variable per interval, arrays ready for HiGHS) of a drifting trace.",
        build=_build,
        phases={"horizon": _horizon},
        sizes=(3, 756),
        targets=(Target("horizon_s", "at most", 3.0),),
    )
)
