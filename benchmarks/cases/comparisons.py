"""Whole comparisons: bound and schedulers on a drifting trace, and on real requests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.inputs import MOONCAKE, drift_instance, mooncake_instance
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.study.compare import compare


def _drift(tokens: int) -> State:
    return {"instance": drift_instance(layers=4, prefill=500, tokens=tokens, capacity=0.3, drift=0.1)}


def _mooncake(requests: int) -> State:
    return {"instance": mooncake_instance(requests, memory='hbm.capacity = "40 GiB"\ndram.capacity = "200 GiB"')}


def _compare(schedulers: tuple[str, ...], state: State) -> Mapping[str, Figure]:
    (found,) = compare([state["instance"]], schedulers).instances
    bound, roofline_s = found.proof.bound, found.proof.roofline_s
    if bound.lower_bound_s is None or roofline_s is None:
        raise RuntimeError(f"no bound: {bound.note}")
    figures: dict[str, Figure] = {
        "reads": state["instance"].trace.num_reads,
        "method": bound.method,
        "lower_bound_s": bound.lower_bound_s,
        "roofline_s": roofline_s,
    }
    for schedule in found.schedules:
        if schedule.latency_s is None or schedule.gap is None:
            raise RuntimeError(f"{schedule.scheduler}: {schedule.outcome}: {schedule.note}")
        figures[f"{schedule.scheduler}_latency_s"] = schedule.latency_s
        figures[f"{schedule.scheduler}_gap"] = schedule.gap
    return figures


register(
    Spec(
        name="drift-88k",
        about="Bound and schedulers on 88k reads: 4 layers, prefill 500, 100 tokens, 40 % read, drift 10 %, room for 30 %.",
        build=_drift,
        phases={"compare": partial(_compare, ("static", "reactive", "sa", "lru", "lp-rounded"))},
        sizes=(2, 100),
        targets=(Target("lp-rounded_gap", "at most", 0.01), Target("compare_s", "at most", 120.0)),
    )
)
register(
    Spec(
        name="mooncake-2000",
        about="The first 2,000 requests of Mooncake's conversation trace on `nvme4`, 40 GiB HBM and 200 GiB DRAM for KV.",
        build=_mooncake,
        phases={"compare": partial(_compare, ("lru", "belady", "lp-rounded"))},
        sizes=(20, 2000),
        requires=(MOONCAKE,),
    )
)
