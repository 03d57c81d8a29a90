"""A trace of requests as prompts: what the exporters of request logs share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.writers.losses import PREFIX, REQUESTS, UNREAD, lost
from placement_opt.workload.trace import Trace

#: What no trace has.
TIMES = "the times, lengths and outputs of the requests"


def block_tokens(trace: Trace) -> int:
    """Tokens of a block; InputError where the trace is none of requests."""
    sized = trace.size_unit == "tokens" and len(np.unique(trace.size)) == 1
    if trace.position is None or (trace.birth < 0).any() or not sized or trace.step_layer is not None:
        found = "found another kind of trace"
        raise InputError(found, "expected one of requests (positions, one size in tokens, nothing there from the start)")
    return int(trace.size[0])


def prompts(trace: Trace) -> Iterator[tuple[int, list[int]]]:
    """Each step with its blocks, read or produced, in the order of its prefix.

    Raises
    ------
    InputError
        A step whose places are not those of a whole prompt.
    """
    position = trace.position
    assert position is not None
    pointers, produced = trace.births_by_step
    for step in range(trace.num_steps):
        reads, made = trace.reads(step).tolist(), sorted(produced[pointers[step] : pointers[step + 1]].tolist())
        places = dict(zip(position[trace.indptr[step] : trace.indptr[step + 1]].tolist(), reads, strict=True))
        if max(places, default=-1) >= len(reads) + len(made):
            raise InputError(f"found places beyond the blocks of step {step}", "expected whole prompts", field="position")
        fresh = iter(made)
        yield step, [places[place] if place in places else next(fresh) for place in range(len(reads) + len(made))]


def prompts_lost(trace: Trace) -> list[str]:
    """What a log of requests cannot say."""
    return [TIMES, *lost(trace, {PREFIX, REQUESTS, UNREAD, "steps that access nothing"})]
