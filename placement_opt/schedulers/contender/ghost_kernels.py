"""What the moves of a ghost load."""

from __future__ import annotations

from typing import Any

from placement_opt.base.compiled import njit


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def add_moves(blocks: Any, before: Any, after: Any, near: Any, size: Any, source: Any, moved: Any) -> None:
    """Add to the bytes of each operation (K stores, then K x K copies) what blocks take that come from one set of tiers, a
    mask, to another: stored where they are near, else copied from the tier that ``source`` says for where they were."""
    tiers = source.shape[1]
    for i in range(len(blocks)):
        gained, tier = after[i] & ~before[i], 0
        while gained >> tier:
            if gained >> tier & 1:
                at = tier if near[i] else tiers + source[before[i], tier] * tiers + tier
                moved[at] += size[blocks[i]]
            tier += 1
