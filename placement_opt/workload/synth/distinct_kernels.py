"""The loop of :mod:`placement_opt.workload.synth.distinct`: rows of different items, drawn one after another."""

from __future__ import annotations

from placement_opt.base.arrays import Float64, Int32, Int64
from placement_opt.base.compiled import njit


@njit(cache=True)  # type: ignore[untyped-decorator]
def fill(uniform: Float64, left: Float64, guide: Int32, keeps: Int32, back: int, out: Int32, stamp: Int64, state: Int64) -> int:
    """Fill rows of ``out`` until they, or the uniform numbers, are used up; how many of the latter are.

    ``left[i]``: the chances of items i, i + 1, ... together; ``guide[k]``: the last item where that is above ``k / (K - 1)`` of
    all, -1 where none is. A row keeps of the row ``back`` before it the places that ``keeps`` (rows of 0 and 1) says; the first
    ``back`` rows keep nothing. ``stamp``: the row that last took each item. ``state``: row, places filled (-1: not begun), the
    first item not taken, the number of the first row.
    """
    rows, count = out.shape
    items, used = len(stamp), 0
    scale = (len(guide) - 1) / left[0]
    row, filled, head, base = state[0], state[1], state[2], state[3]
    while row < rows:
        mark = base + row
        if filled < 0:
            filled, head = 0, 0
            if 0 < back <= row:
                for j in range(count):
                    if keeps[row, j]:
                        out[row, filled] = out[row - back, j]
                        stamp[out[row, filled]] = mark
                        filled += 1
        while filled < count:
            while stamp[head] == mark:
                head += 1
            if used == len(uniform):
                state[0], state[1], state[2] = row, filled, head
                return used
            rest = uniform[used] * left[head]
            used += 1
            low, high, width = head, head + 1, 1
            at = int(rest * scale)
            if 0 < at < len(guide) - 1:
                low, high = max(head, guide[at + 1]), guide[at] + 1
            else:
                while high < items and left[high] > rest:
                    low, width = high, 2 * width
                    high = min(items, low + width)
            while high - low > 1:
                middle = (low + high) // 2
                if left[middle] > rest:
                    low = middle
                else:
                    high = middle
            if stamp[low] != mark:
                stamp[low] = mark
                out[row, filled] = low
                filled += 1
        row, filled = row + 1, -1
    state[0], state[1] = row, filled
    return used
