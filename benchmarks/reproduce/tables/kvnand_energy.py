"""KVNAND's figure 16: joules a token, from the energies of its components and with one constant that the labels imply."""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Target
from benchmarks.reproduce.kvnand import BASE1, BASE2, DATA, DISCRETE, NO_ROOM, best_group, discrete, label, simulated, token
from benchmarks.reproduce.play import Memory
from benchmarks.reproduce.table import Figure, Outcome, Table, errors
from placement_opt.workload.llm import SHAPES

#: pJ a bit and query head that multiplies it; of weights one.
_CONSTANT = 0.2
#: Of all ways to serve the reads in the least time the one that takes least energy: a joule counts for next to nothing.
_JOULE = "1e-6 s/J"


def compute() -> Outcome:
    """Every cell twice: without energy of computing, and with the constant."""
    figures: list[Figure] = []
    summary: dict[str, float] = {}
    for constant, name in ((0.0, "components alone"), (_CONSTANT, "components and constant")):
        made = []
        for entry in DATA["energy"]:
            for context, *values in entry["cells"]:
                systems = ("Base-1", "Base-2", "KVNAND")
                for system, value in zip(systems, values, strict=True):
                    ours = joules(system, entry["model"], context, constant)
                    made.append(Figure(f"{entry['model']}, {label(context)}", f"{system}, {name}", ours, value))
        figures += made
        summary |= errors(made, name)
    labels = sum(figure.error is not None for figure in figures) // 2
    return Outcome(figures, {"labels": labels, **summary})


def joules(system: str, model: str, context: int, constant: float) -> float | str:
    """Of a simulated token, by the meters of the memory system."""
    shared = SHAPES[model].heads // SHAPES[model].kv_heads
    by_kind = {"compute.weights.energy": f"{constant} pJ/bit", "compute.kv.energy": f"{constant * shared:.3f} pJ/bit"}
    memory: dict[str, Any]
    if system == "KVNAND":
        memory = discrete(best_group(model, context)) | {
            f"{tier}.{key}": value for tier in ("g1", "g2") for key, value in by_kind.items()
        }
        return _run(memory, model, context, DISCRETE, "head-groups")
    memory = {
        "preset": f"kvnand-{system.lower().replace('-', '')}",
        "ifc.compute.weights.energy": by_kind["compute.weights.energy"],
    }
    return _run(memory, model, context, BASE1 if system == "Base-1" else BASE2, "sequential")


def _run(memory: Memory, model: str, context: int, tiers: dict[str, str], steps: str) -> float | str:
    run = simulated(memory, token(model, context, steps), tiers, _JOULE)
    if run is None:
        return NO_ROOM
    assert run.consumption.joules is not None
    return run.consumption.joules


TABLES = (
    Table(
        name="kvnand-energy",
        title="KVNAND's figure 16",
        unit="J a token",
        data=("kvnand",),
        how="the presets, one token decoded as in kvnand-throughput, D-16 at its fastest split, the joules that the meters of "
        "the simulator add up; reads are served so that time is least, and of equals energy (a joule counts for 1 us)",
        compute=compute,
        targets=(
            Target("labels", "at least", 16),
            Target("mean error of components alone", "at most", 0.041),
            Target("mean error of components and constant", "at most", 0.015),
            Target("worst error of components and constant", "at most", 0.025),
        ),
        assumes=(
            f"the constant, {_CONSTANT} pJ for each bit and query head multiplied in flash (weights 1; KV as many as share a "
            "KV head), is inferred from these labels",
            "results on the channels take ONFI's energy: 4 bytes a page of weights, 1/256 of KV (as presets assume)",
        ),
    ),
)
