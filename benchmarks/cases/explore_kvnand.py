"""KVNAND's own exploration: how many of the 16 dies of its discrete design should keep the KV at each context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.registry import Figure, Spec, State, register
from placement_opt.study.explore.explore import explore
from placement_opt.study.explore.read import read_spec

_FILE = Path(__file__).parents[2] / "instances" / "explore" / "kvnand-g2.toml"
_ALL = 15


def _build(dies: int) -> State:
    spec = read_spec(_FILE)
    few = replace(spec.choices[0], alternatives=spec.choices[0].alternatives[:dies])
    return {"spec": replace(spec, choices=(few,), workloads=spec.workloads if dies == _ALL else spec.workloads[:1])}


def _explore(state: State) -> Mapping[str, Figure]:
    figures: dict[str, Figure] = {}
    for found in explore(state["spec"]).best:
        best = found.best
        if best is None or best.value is None:
            raise RuntimeError(f"{found.workload}: no schedule")
        others = [design.label.removeprefix("g2=") for design in found.of("not told apart") if design is not best]
        said = "proven" if found.proven else f"not told apart from {', '.join(others)}"
        figures[f"{found.workload}: dies for KV"] = f"{best.label.removeprefix('g2=')} ({said} to {100 * found.gap:g} %)"
        figures[f"{found.workload}: time_s"] = best.value[0]
        figures[f"{found.workload}: lower_bound_s"] = best.lower[0] or 0.0
    return figures


register(
    Spec(
        name="explore-kvnand-g2",
        about="Dies of 16 that keep KV (KVNAND, discrete; 4 layers of Llama 3.1 8B, blocks stay), best at each context.",
        build=_build,
        phases={"explore": _explore},
        sizes=(2, _ALL),
    )
)
