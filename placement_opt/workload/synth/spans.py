"""Rows of a trace from arrays: runs of consecutive numbers laid end to end, and pairs of steps and blocks gathered in rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64

#: Numbers that are written at once: what is needed beside the result stays in caches.
AT_ONCE = 1 << 15


def spans(first: Int64, count: Int64, table: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.int32]:
    """``first[i] .. first[i] + count[i] - 1`` of every i, end to end; with a table, what stands in its places.

    Parameters
    ----------
    first, count
        int64[U]; counts from 0.
    table
        int32[M], or None for the numbers themselves.

    Returns
    -------
    ndarray
        int32[sum(count)].
    """
    ends = np.cumsum(count)
    found = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.int32)
    shift = first - (ends - count)
    at = 0
    while at < len(count):
        start = int(ends[at] - count[at])
        upto = max(at + 1, int(np.searchsorted(ends, start + AT_ONCE, side="right")))
        places = np.arange(start, int(ends[upto - 1])) + np.repeat(shift[at:upto], count[at:upto])
        found[start : int(ends[upto - 1])] = places if table is None else table[places]
        at = upto
    return found


def gathered(step: Int64, block: Int64, steps: int, blocks: int) -> tuple[Int64, npt.NDArray[np.int32]]:
    """Rows of pairs, in any order: each block once in a step, ascending.

    Returns
    -------
    tuple
        (int64[steps + 1] pointers, int32 blocks).
    """
    keys = step * blocks + block
    keys.sort()
    if len(keys):
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    pointers = np.searchsorted(keys, np.arange(steps + 1, dtype=np.int64) * blocks)
    return pointers.astype(np.int64), (keys % blocks).astype(np.int32)
