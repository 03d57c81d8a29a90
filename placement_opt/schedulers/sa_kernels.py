"""Scores of reads by what follows them, for :mod:`placement_opt.schedulers.sa`."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def window_scores(pointers: Any, order: Any, times: Any, window: int) -> Any:
    """float64[N]: for each read, the sum of 1/offset over the reads of its block within the next ``window`` ticks.

    Parameters
    ----------
    pointers, order
        Reads by block, as ``Trace.by_block``.
    times
        int64[N]: the tick of each read, in that order.
    """
    scores = np.zeros(len(order))
    for b in range(len(pointers) - 1):
        for i in range(pointers[b], pointers[b + 1]):
            for j in range(i + 1, pointers[b + 1]):
                offset = times[j] - times[i]
                if offset > window:
                    break
                scores[order[i]] += 1.0 / max(offset, 1)
    return scores
