"""When the residency of a class of equal blocks may change, and the segments of time between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.bounds.dual.classes import Classes
from placement_opt.instance.instance import Instance


@dataclass(frozen=True, eq=False)
class Events:
    """When each class may change: M events, ascending within a class, and the segments between them.

    Attributes
    ----------
    start
        int64[G + 1]: events of class g are start[g]:start[g + 1].
    step
        int64[M].
    share
        float64[M]: share read at the event's step; 0 where the class is not read.
    """

    start: Int64
    step: Int64
    share: Float64

    @cached_property
    def owner(self) -> Int64:
        """int64[M]: the class of each event. The segment before event m is m + owner[m], the one after follows it."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


def make_events(instance: Instance, classes: Classes, extra: tuple[Int64, Int64] | None, every_step: bool) -> Events:
    """Reads before the last state, plus ``extra`` (classes, steps), or all steps at which a class lives.

    Blocks whose start is given may be dropped or moved at their first step: nobody asked for them to lie where they do.
    """
    steps = instance.num_steps + 2
    owner = np.repeat(np.arange(len(classes)), np.diff(classes.start))
    inside = classes.step < classes.last[owner]
    keys = owner[inside] * steps + classes.step[inside]
    shares = classes.share[inside]
    if every_step:
        lengths = classes.last - classes.first
        ends = np.cumsum(lengths)
        offset = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        more = np.repeat(np.arange(len(classes)) * steps + classes.first, lengths) + offset
    else:
        given = np.flatnonzero((classes.begin > 0) & (classes.first < classes.last))
        more = given * steps + classes.first[given]
        if extra is not None:
            more = np.concatenate([more, extra[0] * steps + extra[1]])
    merged = np.sort(np.concatenate([keys, more])) if len(more) else keys
    merged = merged[np.append(True, merged[1:] != merged[:-1])[: len(merged)]]
    share = np.zeros(len(merged))
    share[np.searchsorted(merged, keys)] = shares
    start = np.searchsorted(merged, np.arange(len(classes) + 1) * steps)
    return Events(start.astype(np.int64), merged % steps, share)
