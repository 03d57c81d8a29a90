"""Values of the states of a life table."""

from __future__ import annotations

from typing import Any

from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def solve(after: Any, tried: Any, hit: Any, width: Any, rent: float, write: float, fresh: Any, idle: Any, sweeps: int) -> None:
    """What it is worth that a block is in the tier rather than not: improved from the last values on.

    In reads: those it will save until it is best given up, less rent. A block that is out can come in at its next read for
    the price ``write``, so that being in is worth no more than that beyond it.

    ``after[s, j]`` counts what a block just read in state s was at its layer's next step: read in state j, or unread, of class
    j - S. ``tried[f, i]`` counts blocks of class f that left age interval i, of ``width[i]`` steps, and ``hit[f, i, c]``
    those of them that left it by being read, in state c. ``fresh[s]`` and ``idle[f, i]`` are the values.
    """
    states, (classes, ages, columns) = len(fresh), hit.shape
    for _ in range(sweeps):
        for f in range(classes):
            later = 0.0
            for i in range(ages - 1, -1, -1):
                back, read = 0.0, 0.0
                for c in range(columns):
                    read += hit[f, i, c]
                    back += hit[f, i, c] * (1.0 + min(write, max(0.0, fresh[c])))
                chance = read / tried[f, i]
                held = width[i] * (1.0 - 0.5 * chance) * rent
                idle[f, i] = back / tried[f, i] - held + (1.0 - chance) * max(0.0, later)
                later = idle[f, i]
        for s in range(states - 1, -1, -1):
            total, value = 0.0, 0.0
            for j in range(states + classes):
                if after[s, j] > 0.0:
                    total += after[s, j]
                    if j < states:
                        value += after[s, j] * (1.0 + min(write, max(0.0, fresh[j])))
                    else:
                        value += after[s, j] * max(0.0, idle[j - states, 0])
            fresh[s] = value / total - rent
