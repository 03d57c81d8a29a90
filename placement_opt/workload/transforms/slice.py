"""Some consecutive steps: what was produced before is there from the start, what outlives them is never freed.

With a free start and capacities in bytes a bound of the slice is at most one of the whole trace, for the whole's schedule,
from the slice's first step on, is one of the slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.made import Made, Transform
from placement_opt.workload.transforms.select import take_steps


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    start: int = p.integer(0, 0, "first step, from 0")
    stop: int | None = p.integer(None, 1, "the step behind the last (default: the end)")

    def __post_init__(self) -> None:
        p.check(self)
        if self.stop is not None and self.stop <= self.start:
            raise InputError(f"found {self.stop}", f"expected more than start, {self.start}", field="stop")


def make(trace: Trace, params: Params) -> Made:
    """The steps start .. stop - 1; blocks that are alive at none of their states are left out."""
    stop = trace.num_steps if params.stop is None else params.stop
    if params.start >= trace.num_steps:
        raise InputError(f"found {params.start}", f"expected one of the {trace.num_steps} steps", field="start")
    if stop > trace.num_steps:
        raise InputError(f"found {stop}", f"expected at most {trace.num_steps}, the steps that there are", field="stop")
    made = take_steps(trace, np.arange(params.start, stop))
    gone = trace.num_blocks - made.num_blocks
    return Made(made, {"blocks_left_out": gone}, [f"{gone:,} blocks that do not live then are left out"] if gone else ())


TRANSFORM = Transform(Params, make)
