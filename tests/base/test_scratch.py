"""Memory that is used again is nobody else's."""

from __future__ import annotations

import numpy as np

from placement_opt.base.scratch import _kept, let_go, scratch


def test_arrays_in_use_never_share_memory_and_those_let_go_of_are_used_again() -> None:
    """A part of an array keeps all of it, however it was made."""
    let_go()
    one, two = scratch(1000), scratch(500)
    assert not np.shares_memory(one, two)
    part = one.reshape(2, -1)[1:, 3:]
    del one
    three = scratch(900)
    assert not np.shares_memory(part, three)
    address = part.base.__array_interface__["data"][0]
    del part
    assert scratch(1000).__array_interface__["data"][0] == address
    again = scratch(600)
    assert again.__array_interface__["data"][0] == address
    assert (len(again), again.dtype) == (600, np.int32)
    assert not np.shares_memory(again, three)


def test_what_is_too_small_is_let_go_of() -> None:
    """Memory of the sizes of questions before is not kept beside that of now."""
    let_go()
    del_me = scratch(10)
    del del_me
    large = scratch(10_000)
    assert [len(kept) for kept in _kept] == [10_000]
    del large
    few = [scratch(size) for size in (4000, 6000)]  # large memory is not spent on small arrays
    assert [len(kept) for kept in _kept] == [10_000, 4000]
    del few
    let_go()
    assert not _kept
