"""A trace of requests as prompts: what the exporters of request logs share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.writers.losses import PREFIX, REQUESTS, UNREAD, lost
from placement_opt.workload.served import Served
from placement_opt.workload.trace import Trace

#: What a trace without a table of its steps' requests does not have.
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


def asked(trace: Trace, size: int) -> Served | None:
    """The table of requests where each step is one of them, in the order in which they come; None where it is another.

    Prompts must be as long as their blocks, of ``size`` tokens, say: partial last blocks counted throughout, or not at all.
    """
    table = trace.requests
    if table is None or len(table) != trace.num_steps:
        return None
    steps = np.arange(trace.num_steps)
    blocks, (full, rest) = np.diff(trace.indptr) + np.diff(trace.births_by_step[0]), np.divmod(table.prompt_tokens, size)
    counted = (blocks == full + (rest > 0)).all() or (blocks == full).all()
    in_turn = (
        all((of == steps).all() for of in (table.admitted, table.first, table.last)) and (np.diff(table.arrival) >= 0).all()
    )
    return table if counted and in_turn else None


def of_request(table: Served | None, step: int, blocks: int, unit: int) -> tuple[int | float, int, int]:
    """When a step's request came, in units of ``unit`` nanoseconds, tokens of its prompt and of its answer.

    Without a table the step's number, the tokens that its blocks have (``blocks``), and 0, which says nothing.
    """
    if table is None:
        return step, blocks, 0
    came = int(table.arrival[step])
    return came // unit if came % unit == 0 else came / unit, int(table.prompt_tokens[step]), int(table.output_tokens[step])


def prompts_lost(trace: Trace, table: Served | None) -> list[str]:
    """What a log of requests cannot say; ``table`` is what :func:`asked` found."""
    early = table is not None and table.arrival[0] > 0
    times = [TIMES] if table is None else ["the time before the first request"] if early else []
    return [*times, *lost(trace, {PREFIX, REQUESTS, UNREAD, "steps that access nothing"})]
