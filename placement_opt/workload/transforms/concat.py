"""One trace after another.

With a free start a bound of each is at most what is best for the whole, where blocks are apart: a part of a schedule is one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.join import Joined, joined, unified
from placement_opt.workload.transforms.made import Made, Transform


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    same: str = p.choice(
        "no", ("no", "ids", "labels"), "which blocks of two traces are one: none, those of equal ids, or labels"
    )
    initial: str = p.choice(
        "start",
        ("start", "arrive"),
        "what a later trace begins with: there from the start of all, or produced by the last step before it",
    )

    def __post_init__(self) -> None:
        p.check(self)


def make(traces: Sequence[Trace], params: Params) -> Made:
    """All steps of the first, then all of the second, and so on; blocks that the first never frees stay to the end."""
    ends = np.cumsum([0, *(trace.num_steps for trace in traces)])
    when = [np.arange(begin, end) for begin, end in pairwise(ends.tolist())]
    found = joined(traces, when, [int(begin) - 1 for begin in ends[:-1]])
    shared = 0
    if params.same != "no":
        found, shared = unified(found, params.same, later_says=True)
    made = found.trace
    if params.initial == "start":
        made = dataclasses.replace(made, birth=np.where(found.initial, -1, made.birth).astype(np.int32))
    return Made(made, {"shared_blocks": shared}, [*_told(found, shared, params), *found.lost])


def _told(found: Joined, shared: int, params: Params) -> list[str]:
    later = int(np.count_nonzero(found.initial & (found.trace.birth >= 0)))
    told = [f"{shared:,} blocks are the same as one of a trace before"] if shared else []
    if later:
        where = "there from the start" if params.initial == "start" else "produced by the last step before it"
        told.append(f"{later:,} blocks that a later trace begins with are {where}")
    return told


TRANSFORM = Transform(Params, make, joins=True)
