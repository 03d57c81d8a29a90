"""What tests say of memory is of what they do, and not of what ran before them in the same process."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tests.taken import taken

_LARGE = 2**24


def test_what_was_taken_before_does_not_count() -> None:
    """Somebody left tracing on, and had taken 16 MiB: ours is ours alone, arrays of numpy included, kept or not."""
    tracemalloc.start()
    np.ones(_LARGE, dtype=np.uint8)
    with taken() as memory:
        kept = np.ones(2**16, dtype=np.uint8)
        np.ones(2**20, dtype=np.uint8)
    assert len(kept) <= memory.held < 2**17
    assert 2**20 <= memory.peak < 2**21


def test_a_fault_is_seen_and_spoils_nothing_after_it() -> None:
    """What takes too much is seen to, also where it is given back at once; a test that fails within leaves nothing traced."""
    with taken() as memory:
        bytes(_LARGE)
    assert memory.peak >= _LARGE > memory.held
    with pytest.raises(MemoryError), taken():
        bytearray(2**62)
    assert not tracemalloc.is_tracing()
    with taken() as memory:
        bytes(2**10)
    assert memory.peak < 2**15
