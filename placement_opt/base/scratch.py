"""Large arrays whose memory is used again: to get fresh memory can take longer than to write into it."""

from __future__ import annotations

import sys
import threading

import numpy as np

from placement_opt.base.arrays import Int32

_kept: list[Int32] = []
_door = threading.Lock()


def _held(kept: list[Int32], n: int) -> int:
    """How many hold an array or a part of it, the list and this question among them."""
    return sys.getrefcount(kept[n])


_NOBODYS = _held([np.empty(0, dtype=np.int32)], 0)


def scratch(size: int) -> Int32:
    """int32[size] of any content, in the least memory that is enough of an array which nobody holds any more, if there is some.

    Memory of more than twice the size waits for what needs it; what has become too small is let go of.
    """
    with _door:
        free = [n for n in range(len(_kept)) if _held(_kept, n) == _NOBODYS]
        fitting = [n for n in free if size <= len(_kept[n]) <= 2 * size]
        if fitting:
            return _kept[min(fitting, key=lambda n: len(_kept[n]))][:size]
        for n in reversed(free):
            if len(_kept[n]) < size:
                del _kept[n]
        _kept.append(np.empty(size, dtype=np.int32))
        return _kept[-1][:size]


def let_go() -> None:
    """Give back what nobody holds."""
    with _door:
        for n in reversed([n for n in range(len(_kept)) if _held(_kept, n) == _NOBODYS]):
            del _kept[n]
