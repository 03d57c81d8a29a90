"""A step of a ghost: what is read from where, what moves, and what that loads."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical import engine_kernels as engine
from placement_opt.schedulers.classical.state_kernels import BEFORE, LIST, MASK, NEAR, ROUND, TIERS, TOUCHED, State
from placement_opt.schedulers.contender.shelves_kernels import ROUND as ROUND_THERE
from placement_opt.schedulers.contender.shelves_kernels import TOUCHED as TOUCHED_THERE
from placement_opt.schedulers.contender.shelves_kernels import Shelves
from placement_opt.schedulers.hierarchy import queues_kernels as queues


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


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def play_rows(
    q: queues.Queues, tier: int, home: int, now: Any, weight: Any, loads: Any, lists: Any, stored: Any, noted: Any
) -> tuple[int, int]:
    """A step of ``lru`` (:func:`placement_opt.schedulers.hierarchy.queues_kernels.step`) and what it loads, as :func:`play`.

    ``now``: blocks freed, read, and at the processor; ``loads``: bytes by the set of tiers that serves them, and bytes of each
    operation, to which are added.
    """
    freed, reads, near = now
    served, moved = loads
    for i in range(len(reads)):
        held = 1 << home | np.int64(q.node[reads[i], queues.BITS] & queues.IN) << tier
        served[held] += weight[i]
    came, dropped = queues.step(q, freed, near, True, False, 0, lists, stored, noted)
    for i in range(came):
        moved[tier] += q.size[stored[i]]
    return came, dropped


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def serve(block: Any, reads: Any, weight: Any, served: Any) -> None:
    """Add the bytes of each read to those of the set of tiers that may serve it."""
    for i in range(len(reads)):
        served[block[reads[i]].mask] += weight[i]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def add_moved(t: Shelves, source: Any, moved: Any) -> None:
    """As :func:`add_moves` of all that was moved in this round."""
    for i in range(t.count[TOUCHED_THERE]):
        b = np.int64(t.touched[i])
        if t.block[b].near != engine.GONE:
            near = t.block[b].near == t.count[ROUND_THERE]
            _add(np.int64(t.block[b].before), np.int64(t.block[b].mask), near, t.size[b], source, moved)


@njit(cache=True)  # type: ignore[untyped-decorator]
def seconds(served: Any, moved: Any, loads: Any, fixed: Any, column: Any, cheapest: Any, rho: Any, found: Any) -> bool:
    """What steps take at the extreme prices ``rho``; False where a way to be served has no ``column`` of ``cheapest`` yet.

    ``served[i, c]`` and ``moved[i, o]``: units of the i-th ghost; ``loads[o]``: of a unit moved.
    """
    base = np.empty(rho.shape[1])
    for i in range(len(served)):
        base[:] = fixed
        for o in range(moved.shape[1]):
            if moved[i, o] > 0:
                base += moved[i, o] * loads[o]
        found[i] = 0.0
        for v in range(len(rho)):
            value = 0.0
            for r in range(len(base)):
                value += base[r] * rho[v, r]
            for c in range(served.shape[1]):
                if served[i, c] > 0:
                    if column[c] < 0:
                        return False
                    value += served[i, c] * cheapest[v, column[c]]
            found[i] = max(found[i], value)
    return True
