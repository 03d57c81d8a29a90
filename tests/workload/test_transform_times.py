"""What transforms do with the least times of steps and the requests that these serve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.workload.served import COLUMNS, Served
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms import transform


def served(rows: list[tuple[int, int, int, int]]) -> Served:
    """Of (arrival, admitted, first, last)."""
    columns = [*np.array(rows).T, np.ones(len(rows)), np.ones(len(rows))]
    return Served(**{name: column.astype(dtype) for (name, dtype), column in zip(COLUMNS.items(), columns, strict=True)})


def told(trace: Trace) -> list[tuple[int, ...]]:
    assert trace.requests is not None
    return list(zip(*(getattr(trace.requests, name).tolist() for name in list(COLUMNS)[:4]), strict=True))


TRACE = replace(
    Trace.from_reads([[0, 1]] * 6, layers=2, sizes=8, floors=[1, 2, 3, 4, 5, 6]),
    requests=served([(0, 0, 1, 3), (7, 2, 2, 5), (9, 4, 4, 5)]),
    block_layer=None,
)


@pytest.mark.parametrize(
    "step", ["cluster:size=2,window=2", "scale:factor=1/2", "sample:rate=0.9", "allocate:chunk=8 B", "segments"]
)
def test_steps_that_stay_keep_theirs(step: str) -> None:
    """Other blocks, the same steps."""
    made = transform(TRACE, step)
    assert made.step_floor.tolist() == [1, 2, 3, 4, 5, 6]
    assert told(made) == told(TRACE)


def test_of_a_slice() -> None:
    """Floors of its steps; requests that are let in and end there."""
    made = transform(TRACE, "slice:start=2")
    assert made.step_floor.tolist() == [3, 4, 5, 6]
    assert told(made) == [(7, 0, 0, 3), (9, 2, 2, 3)]
    assert transform(TRACE, "slice:start=3,stop=5").requests is None


def test_of_a_layer() -> None:
    """Floors of its steps; every request that one of them serves."""
    made = transform(TRACE, "split:layer=1")
    assert made.step_floor.tolist() == [2, 4, 6]
    assert told(made) == [(0, 0, 0, 1), (7, 1, 1, 2), (9, 2, 2, 2)]


def test_of_joined_traces() -> None:
    """Floors are 0 where a trace has none; requests of traces that begin together are all there, of others none."""
    other = Trace.from_reads([[0, 1]] * 6, layers=2, sizes=8)
    made = transform([TRACE, other], "merge")
    assert made.step_floor.tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]
    assert told(made) == [(0, 0, 2, 6), (7, 4, 4, 10), (9, 8, 8, 10)]
    after = transform([TRACE, TRACE], "concat")
    assert after.requests is None
    assert "lost: requests, whose times of arrival count from when each trace begins" in after.meta["transforms"][0]["told"]
