"""Loops that write schedules down, against slow twins."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.play.schedule import Schedule
from placement_opt.schedulers.search.bundles import Bundles
from placement_opt.schedulers.search.paths_kernels import are_read, put_in_order
from tests.small import fetch_ahead, make_trace


@pytest.mark.parametrize("seed", range(5))
def test_who_is_read_when(seed: int) -> None:
    """Blocks that nobody reads, and steps before the first read and after the last, among them."""
    rng = np.random.default_rng(seed)
    rows = [sorted(rng.choice(6, rng.integers(0, 4), replace=False).tolist()) for _ in range(8)]
    trace = make_trace(rows, [-1] * 7)
    pointers, order = trace.by_block
    block, step = (each.ravel() for each in np.meshgrid(np.arange(7), np.arange(8)))
    found = np.zeros(len(block), dtype=bool)
    are_read(pointers, trace.read_step[order], block, step, found)
    assert found.tolist() == [int(b) in rows[t] for b, t in zip(block, step, strict=True)]


@pytest.mark.parametrize("moves", [0, 1, 40])
def test_moves_are_put_in_the_order_of_their_steps(moves: int) -> None:
    """Those of one step stay in the order given; some steps have none."""
    rng = np.random.default_rng(moves)
    step, block = rng.integers(0, 9, 50).astype(np.int32), rng.integers(0, 99, 50).astype(np.int32)
    which, op = rng.integers(0, 50, moves).astype(np.int32), rng.integers(0, 5, moves).astype(np.int16)
    indptr, ordered, blocks = np.zeros(11, dtype=np.int64), np.empty(moves, dtype=np.int16), np.empty(moves, dtype=np.int32)
    put_in_order(which, op, step, block, indptr, ordered, blocks)
    order = np.argsort(step[which], kind="stable")
    assert ordered.tolist() == op[order].tolist()
    assert blocks.tolist() == block[which][order].tolist()
    assert indptr.tolist() == [int((step[which] < t).sum()) for t in range(11)]


def test_a_move_of_a_bundle_is_one_of_each_of_its_blocks() -> None:
    """In their order; a step without moves stays one."""
    members, start = np.array([4, 1, 0, 2, 3, 5]), np.array([0, 2, 3, 6])
    initial = np.array([[True, False, True], [False, True, False]])
    whole = Schedule(
        "x", initial, np.array([0, 2, 2, 3]), np.array([1, 0, 3], dtype=np.int16), np.array([2, 0, 1], dtype=np.int32)
    )
    found = Bundles(fetch_ahead(), start, members).spread(whole)
    assert found.indptr.tolist() == [0, 5, 5, 6]
    assert found.op.tolist() == [1, 1, 1, 0, 0, 3]
    assert found.block.tolist() == [2, 3, 5, 4, 1, 0]
    assert np.flatnonzero(found.initial[0]).tolist() == [1, 2, 3, 4, 5]
    assert np.flatnonzero(found.initial[1]).tolist() == [0]
