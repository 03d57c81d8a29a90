"""Traces side by side, such as requests served together: their steps take turns, and all of them share the tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.join import joined, unified
from placement_opt.workload.transforms.made import Made, Transform


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    order: str = p.choice("turns", ("turns", "even"), "a turn of each while it has steps, or spread so that all end together")
    steps: int = p.integer(1, 1, "consecutive steps of a turn, such as those of a token")
    same: str = p.choice(
        "no", ("no", "ids", "labels"), "which blocks of two traces are one: none, those of equal ids, or labels"
    )

    def __post_init__(self) -> None:
        p.check(self)


def make(traces: Sequence[Trace], params: Params) -> Made:
    """What any of them begins with is there from the start."""
    found = joined(traces, _when(traces, params), [-1] * len(traces))
    shared = 0
    if params.same != "no":
        found, shared = unified(found, params.same, later_says=False)
    told = [f"{shared:,} blocks are the same as one of a trace before"] if shared else []
    return Made(found.trace, {"shared_blocks": shared}, [*told, *found.lost])


def _when(traces: Sequence[Trace], params: Params) -> list[Int64]:
    """The number of each step of each trace in the whole."""
    turn = [np.arange(trace.num_steps) // params.steps for trace in traces]
    if params.order == "even":  # in the middle of its share of the whole
        moment = np.concatenate([(2 * one + 1) / (2 * (one[-1] + 1)) for one in turn])
    else:
        moment = np.concatenate(turn).astype(np.float64)
    step = np.concatenate([np.arange(trace.num_steps) for trace in traces])
    number = np.repeat(np.arange(len(traces)), [trace.num_steps for trace in traces])
    order = np.lexsort((step, number, moment))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return np.split(place, np.cumsum([trace.num_steps for trace in traces])[:-1])


TRANSFORM = Transform(Params, make, joins=True)
