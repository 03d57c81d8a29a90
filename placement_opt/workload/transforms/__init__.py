"""Traces made from traces: ``transform(trace, "page:tokens=16", "slice:start=100")``; one kind a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.made import Made
from placement_opt.workload.transforms.step import Step


def transform(trace: Trace | Sequence[Trace], *steps: str | Mapping[str, Any]) -> Trace:
    """A trace made from a trace, or from several, by transforms in order.

    Parameters
    ----------
    trace
        Any trace; several for ``concat`` and ``merge``, which come first then.
    steps
        Each ``"NAME:PARAMETER=VALUE,..."``, or a table of the parameters with the key ``name``; docs/transforms.md and
        ``placement-opt trace transform --list`` say which there are.

    Returns
    -------
    Trace
        Its ``meta["transforms"]`` has a table for each transform, those of before included: ``name``, ``parameters``, what was
        ``found`` (numbers by name) and ``told`` (lines for people: what is lost, what a bound of it is).

    Raises
    ------
    InputError
        No such transform or parameter, a value out of range, or a trace that it cannot be applied to; names all of them.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [0, 1, 2], [2, 3]], births=[-1, -1, 0, 1], sizes=10, layers=1)
    >>> late = po.transform(trace, "slice:start=1", {"name": "scale", "factor": 0.5})
    >>> late, late.birth.tolist(), late.sizes.tolist()
    (Trace(2 steps, 4 blocks, 5 reads), [-1, -1, -1, 0], [5, 5, 5, 5])
    >>> [one["name"] for one in late.meta["transforms"]]
    ['slice', 'scale']
    >>> po.transform([trace, trace], "concat:same=ids")
    Trace(6 steps, 4 blocks, 16 reads)
    """
    traces: list[Any] = list(trace) if isinstance(trace, list | tuple) else [trace]
    for one in traces:
        check_kind(one, Trace, "a trace, or a list of them", field="trace")
    if not traces:
        raise InputError("found no trace", "expected one at least", field="trace")
    return list(transformed(traces, [Step.of(step) for step in steps]))[-1].trace


def transformed(traces: Sequence[Trace], steps: Sequence[Step]) -> Iterator[Made]:
    """What each transform makes of what the one before made, recorded; without any, the one trace itself.

    Raises
    ------
    InputError
        As :func:`transform`; what is wrong is found when its turn comes.
    """
    if len(traces) > 1 and not (steps and steps[0].kind.joins):
        raise InputError(
            f"found {len(traces)} traces", "expected one, or concat or merge as the first transform", field="trace"
        )
    made = Made(traces[0])
    if not steps:
        yield made
    for at, step in enumerate(steps):
        if step.kind.joins and (at or len(traces) == 1):
            found = "found it behind another" if at else "found one trace"
            raise InputError(found, "expected several traces, and this as the first transform", field=step.name)
        given = [made.trace] if at else list(traces)
        try:
            made = _recorded(step, given, step.kind.make(given if step.kind.joins else given[0], step.params))
        except InputError as error:
            field = step.name if error.field is None or error.field == step.name else f"{step.name}.{error.field}"
            raise InputError(error.found, error.expected, path=error.path, field=field) from None
        yield made


def _recorded(step: Step, given: Sequence[Trace], made: Made) -> Made:
    """With the transform in the trace's metadata; of a join, that of all traces."""
    told = list(made.told)
    record = {**step.record(), **({"found": dict(made.found)} if made.found else {}), **({"told": told} if told else {})}
    meta: dict[str, Any] = dict(made.trace.meta)
    if step.kind.joins:
        meta = {}
        record["of"] = [dict(trace.meta) for trace in given]
    meta["transforms"] = [*meta.get("transforms", []), record]
    return dataclasses.replace(made, trace=dataclasses.replace(made.trace, meta=meta))
