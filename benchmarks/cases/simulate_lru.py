"""How many reads a second the simulator handles, LRU included."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.inputs import drift_instance
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler


def _build(tokens: int) -> State:
    instance = drift_instance(layers=4, prefill=500, tokens=tokens, capacity=0.3, drift=0.1)
    # Kernels are compiled once per machine and cached; a user pays for that once.
    simulate(drift_instance(layers=1, prefill=10, tokens=2, capacity=0.5, drift=0.1), make_scheduler("lru"))
    return {"instance": instance}


def _simulate(state: State) -> Mapping[str, Figure]:
    begin = time.perf_counter()
    run = simulate(state["instance"], make_scheduler("lru"))
    seconds = time.perf_counter() - begin
    reads = state["instance"].trace.num_reads
    return {"reads": reads, "reads_per_s": reads / seconds, "latency_s": run.latency_s}


register(
    Spec(
        name="simulate-lru",
        about="The simulator with `lru` on a drifting trace of 4 layers, prefill 500, two tiers: reads handled per second.",
        build=_build,
        phases={"simulate": _simulate},
        sizes=(3, 1000),
        targets=(Target("reads_per_s", "at least", 1e6),),
    )
)
