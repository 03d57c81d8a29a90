"""The requests of a trace (:mod:`placement_opt.workload.served`) when its steps are taken, or come beside others'."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.workload.served import COLUMNS, Served
from placement_opt.workload.trace import Trace

_STEPS = ("admitted", "first", "last")


def taken(served: Served | None, steps: Int64) -> Served | None:
    """Those that steps, ascending, serve, by the numbers that these then have; None where there are none.

    Of consecutive steps, those that are let in and end there. Else, such as of one layer's steps, those that any serves: let
    in by the first step from there on, answered by the last up to there. Arrivals are those of the whole trace.
    """
    if served is None:
        return None
    if steps[-1] - steps[0] + 1 == len(steps):
        return served.within(int(steps[0]), int(steps[-1]) + 1)
    admitted = np.searchsorted(steps, served.admitted)
    first, last = (np.searchsorted(steps, ends, side="right") - 1 for ends in (served.first, served.last))
    kept = np.flatnonzero(admitted <= last)
    if not len(kept):
        return None
    return _with(
        _chosen(served, kept), {"admitted": admitted[kept], "first": np.maximum(first, admitted)[kept], "last": last[kept]}
    )


def joined_requests(traces: Sequence[Trace], when: Sequence[Int64]) -> Served | None:
    """Those of all traces that begin together, ``when`` as for ``joined``; None where no trace has any."""
    parts = [
        _with(trace.requests, {name: steps[getattr(trace.requests, name)] for name in _STEPS})
        for trace, steps in zip(traces, when, strict=True)
        if trace.requests is not None
    ]
    if not parts:
        return None
    return Served(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS})


def _chosen(served: Served, kept: Int64 | Flags) -> Served:
    return Served(**{name: getattr(served, name)[kept] for name in COLUMNS})


def _with(served: Served, steps: dict[str, Int64]) -> Served:
    columns = {name: getattr(served, name) for name in COLUMNS}
    return Served(**{**columns, **{name: values.astype(np.int32) for name, values in steps.items()}})
