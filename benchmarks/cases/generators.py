"""Generators of traces: reads that each draws in a second, and how many numbers a copy in memory moves in the time of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.registry import Figure, Spec, State, register
from placement_opt.workload.synth import GENERATORS, OUTLINES

#: Case -> (generator, parameters, value of its ``longer`` for each million of reads).
CASES: Mapping[str, tuple[str, dict[str, Any], int]] = {
    "drift": ("drift", {"prefill": 5000}, 100),
    "zipf-race": ("zipf", {}, 10_000),
    "zipf-successive": ("zipf", {"blocks": 100_000, "reads": 500, "draws": "successive"}, 2000),
    "zipf-drift": ("zipf", {"blocks": 100_000, "reads": 500, "draws": "successive", "drift": 0.001}, 2000),
    "requests": ("requests", {"turns": 6.0}, 37_000),
    "chat": ("chat", {}, 1200),
    "rag": ("rag", {}, 45_000),
    "rag-free": ("rag", {"order": "free"}, 19_000),
    "segments": ("segments", {}, 3800),
    "diffusion": ("diffusion", {"prompt": 16_384}, 5),
    "needle": ("needle", {}, 7500),
    "moe": ("moe", {}, 15_000),
    "moe-many": ("moe", {"model": "qwen3-30b-a3b", "batch": 32}, 200),
    "embedding": ("embedding", {}, 2500),
    "decode": ("decode", {"context": 8192, "block_tokens": 16}, 7),
}
#: Numbers of 8 bytes that are copied to compare with.
_COPIED = 1 << 24


def _build(millions: int) -> State:
    for case in CASES:
        _draw(case, 1)  # loops are compiled, modules imported
    return {"millions": millions, "numbers": np.arange(_COPIED)}


def _draw(case: str, millions: int) -> int:
    name, values, longer = CASES[case]
    params, generate = GENERATORS[name]
    count = longer * millions if millions > 1 else max(1, longer // 100)
    return generate(params(**values, **{OUTLINES[name].longer: count}), np.random.default_rng(1)).num_reads


def _copy(state: State) -> Mapping[str, Figure]:
    state["copy_rate"] = max(_COPIED / _seconds(state["numbers"].copy) for _ in range(5))
    return {"copied_numbers_per_s": round(state["copy_rate"])}


def _measure(case: str, state: State) -> Mapping[str, Figure]:
    begun = time.process_time()
    reads = _draw(case, state["millions"])
    rate = reads / max(1e-9, time.process_time() - begun)
    key = case.replace("-", "_")
    return {f"{key}_reads": reads, f"{key}_reads_per_s": round(rate), f"{key}_copied": round(state["copy_rate"] / rate, 1)}


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return max(1e-9, time.process_time() - begun)


register(
    Spec(
        name="generators",
        about="Reads a second of every generator, and numbers copied in memory meanwhile.",
        build=_build,
        phases={"copy": _copy} | {case.replace("-", "_"): partial(_measure, case) for case in CASES},
        sizes=(1, 5),
    )
)
