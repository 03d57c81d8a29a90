"""A step of a ghost: what is read from where, what moves, and what that loads."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical import engine_kernels as engine
from placement_opt.schedulers.classical.state_kernels import BEFORE, LIST, MASK, NEAR, ROUND, TIERS, TOUCHED, State


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _add(before: Any, after: Any, near: Any, size: Any, source: Any, moved: Any) -> None:
    tiers, gained, tier = source.shape[1], after & ~before, 0
    while gained >> tier:
        if gained >> tier & 1:
            moved[tier if near else tiers + source[before, tier] * tiers + tier] += size
        tier += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def add_moves(blocks: Any, before: Any, after: Any, near: Any, size: Any, source: Any, moved: Any) -> None:
    """Add to the bytes of each operation (K stores, then K x K copies) what blocks take that come from one set of tiers, a
    mask, to another: stored where they are near, else copied from the tier that ``source`` says for where they were."""
    for i in range(len(blocks)):
        _add(np.int64(before[i]), np.int64(after[i]), near[i], size[blocks[i]], source, moved)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def play(s: State, kind: int, rule: int, home: int, now: Any, born: int, until: int, weight: Any, loads: Any) -> int:
    """A step of a classical policy (:func:`placement_opt.schedulers.classical.engine_kernels.step`) and what it loads.

    ``now``: blocks freed, read, and with a turn; ``weight``: bytes read of those read. ``loads``: the tiers that copies come
    from, bytes by the set of tiers that serves them, and bytes of each operation, to which are added.
    """
    freed, reads, touched = now
    source, served, moved = loads
    for i in range(len(reads)):
        served[s.block[reads[i], MASK] & TIERS] += weight[i]
    homeless = engine.step(s, kind, rule, home, freed, touched, born, until)
    for i in range(s.level[-1, TOUCHED]):
        b = s.block[i, LIST]
        if s.block[b, NEAR] != engine.GONE:
            before, after = s.block[b, MASK] >> BEFORE & TIERS, s.block[b, MASK] & TIERS
            _add(before, after, s.block[b, NEAR] == s.level[-1, ROUND], s.size[b], source, moved)
    return int(homeless)
