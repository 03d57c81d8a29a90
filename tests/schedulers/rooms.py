"""Small rooms whose contents can be followed by hand: blocks of one byte, a fast tier of so many, everything else at home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.reference import replay
from tests.small import make_instance, make_trace, two_tier

Reads = Sequence[Sequence[int]]


def room(capacity: int, reads: Reads, initial: int, births: Sequence[int] = (), layers: int | None = None) -> Instance:
    """So many blocks at the start, and one born at each of the steps ``births``; the start is free. Inclusive rule."""
    trace = make_trace(reads, [-1] * initial + list(births), layers=layers)
    return make_instance(two_tier(hbm=capacity), trace)


def empty(capacity: int, reads: Reads, initial: int, births: Sequence[int] = (), layers: int | None = None) -> Instance:
    """The same with nothing in the fast tier at the start."""
    instance = room(capacity, reads, initial, births, layers)
    start = np.zeros((2, initial + len(births)), dtype=bool)
    start[1, :initial] = True
    return replace(instance, initial=start)


def busy(instance: Instance, load: int = 4900) -> Instance:
    """The same where each step has the fast tier read so many bytes besides: 4,900 take a second, in which the link is idle."""
    fixed = instance.fixed.copy()
    fixed[:, 0] = load
    return replace(instance, fixed=fixed)


def contents(instance: Instance, spec: str) -> list[list[int]]:
    """The blocks in the fast tier at every state, from the moves, played by the slow twin of the simulator."""
    run = simulate(instance, make_scheduler(spec), record=True)
    assert run.schedule is not None
    return [sorted(b for b, where in held.items() if 0 in where) for held in replay(instance, run.schedule).states]


def missed(instance: Instance, spec: str) -> float:
    """Reads (of blocks of one byte, whole) that the lossy policy would have missed."""
    run = simulate(instance, make_scheduler(spec))
    assert run.would_miss is not None
    return run.would_miss * instance.trace.num_reads
