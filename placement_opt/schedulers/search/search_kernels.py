"""Chains of best paths, for :mod:`placement_opt.schedulers.search.search`: one block moves, and others make room for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.schedulers.search.best_path_kernels import best_path
from placement_opt.schedulers.search.game_kernels import FIRST, LAST, LINKS, PLACE, WORK, place
from placement_opt.schedulers.search.paths_kernels import SET
from placement_opt.schedulers.search.smooth_kernels import compiled

#: Blocks looked at, at random, for one that holds room where it is needed.
_LOOKS = 64


@compiled  # type: ignore[untyped-decorator]
def _roll(g: Any, below: int) -> int:
    """A random number from 0 to below - 1 (a 64-bit congruential generator)."""
    g.dice[0] = g.dice[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    return int(np.int64(g.dice[0] >> np.uint64(33)) % below)


@compiled  # type: ignore[untyped-decorator]
def _save(g: Any, b: int, slot: int) -> None:
    """Keep the path of a block in a slot."""
    length = g.block[b, LAST] - g.block[b, FIRST] + 1
    base = slot * len(g.back)
    for n in range(length):
        g.saved[base + n] = g.path[g.block[b, PLACE] + n]


@compiled  # type: ignore[untyped-decorator]
def _restore(g: Any, b: int, slot: int) -> None:
    """Give a block back the path in a slot."""
    length = g.block[b, LAST] - g.block[b, FIRST] + 1
    base = slot * len(g.back)
    for n in range(length):
        g.path[g.block[b, PLACE] + n] = g.saved[base + n]


@compiled  # type: ignore[untyped-decorator]
def _moved(g: Any, b: int) -> bool:
    """Whether the path of a block differs from the one in slot 0."""
    at = g.block[b, PLACE]
    for n in range(g.block[b, LAST] - g.block[b, FIRST] + 1):  # noqa: SIM110
        if g.path[at + n] != g.saved[n]:
            return True
    return False


@compiled  # type: ignore[untyped-decorator]
def _overfull(g: Any) -> tuple[int, int]:
    """A (state, limited tier) that a block of the open chain overfills; -1, -1 if there is none."""
    for link in range(g.count[LINKS]):
        b = g.chain[link]
        at = g.block[b, PLACE]
        for t in range(g.block[b, FIRST], g.block[b, LAST] + 1):
            for k in range(g.room.shape[1]):
                if g.room[t, k] < 0 and g.member[g.path[at] & SET, k]:
                    return t, k
            at += 1
    return -1, -1


@compiled  # type: ignore[untyped-decorator]
def _holds(g: Any, b: int, t: int, k: int) -> bool:
    """Whether a block outside the open chain lies in a limited tier at a state."""
    if t < g.block[b, FIRST] or t > g.block[b, LAST]:
        return False
    if not g.member[g.path[g.block[b, PLACE] + t - g.block[b, FIRST]] & SET, k]:
        return False
    for link in range(g.count[LINKS]):  # noqa: SIM110
        if g.chain[link] == b:
            return False
    return True


@compiled  # type: ignore[untyped-decorator]
def _eject(g: Any, t: int, k: int, probes: int, tie: float, least: float) -> float:
    """Let one of a few random blocks that hold room where it lacks move out of the way, the one to which that costs least.

    Returns the change of the objective; infinite, with nothing changed, if it were not below ``least``.
    """
    blocks, spare = len(g.block) - 1, len(g.chain)
    chosen, found = -1, 0
    for _ in range(_LOOKS):
        c = _roll(g, blocks)
        if not _holds(g, c, t, k):
            continue
        _save(g, c, g.count[LINKS])
        change = place(g, c, -1, tie)
        change += best_path(g, c, tie, -1.0)
        if change < least:
            least, chosen = change, c
            _save(g, c, spare)
        _restore(g, c, g.count[LINKS])
        place(g, c, 1, tie)
        found += 1
        if found == probes:
            break
    if chosen < 0:
        return np.inf
    _save(g, chosen, g.count[LINKS])
    change = place(g, chosen, -1, tie)
    _restore(g, chosen, spare)
    change += place(g, chosen, 1, tie)
    g.chain[g.count[LINKS]] = chosen
    g.count[LINKS] += 1
    return float(change)


@compiled  # type: ignore[untyped-decorator]
def _undo(g: Any, tie: float) -> None:
    for link in range(g.count[LINKS] - 1, -1, -1):
        place(g, g.chain[link], -1, tie)
        _restore(g, g.chain[link], link)
        place(g, g.chain[link], 1, tie)


@compiled  # type: ignore[untyped-decorator]
def _improve(g: Any, b: int, tie: float, over: float, probes: int, least: float) -> float:
    """Give one block its best path, others making room in a chain if it needs any; undone unless the objective falls."""
    _save(g, b, 0)
    change = place(g, b, -1, tie)
    cost = best_path(g, b, tie, over)
    if cost == np.inf or not _moved(g, b):
        _restore(g, b, 0)
        place(g, b, 1, tie)
        return 0.0
    change += place(g, b, 1, tie)
    g.chain[0], g.count[LINKS] = b, 1
    while change < -least:
        t, k = _overfull(g) if probes > 0 else (-1, -1)
        if t < 0:
            return float(change)
        if g.count[LINKS] == len(g.chain):
            break
        change += _eject(g, t, k, probes, tie, -change)
    _undo(g, tie)
    return 0.0


@compiled  # type: ignore[untyped-decorator]
def sweep(g: Any, order: Any, tie: float, over: float, probes: int, least: float, budget: int) -> float:
    """Improve one block after the other until the budget of work is spent; the change of the objective.

    Parameters
    ----------
    order
        int64[.]: blocks, in this order.
    tie
        Share of the rent that belongs to the objective.
    over
        Share of the rent (times a random number from 0.2 to 1.5) at which a block may take room that is not there, so that
        others have to make way; negative: it may not, except at a fine.
    probes
        How many blocks are asked to make way, of which one does; 0: none has to.
    least
        Smaller improvements are not made.
    budget
        Of weighted (block, state) pairs in all; see ``count``.
    """
    change = 0.0
    for b in order:
        if g.count[WORK] >= budget:
            break
        price = over * (0.2 + 1.3 * _roll(g, 1 << 20) / (1 << 20)) if over >= 0.0 else over
        change += _improve(g, b, tie, price, probes, least)
    return change


@compiled  # type: ignore[untyped-decorator]
def repair(g: Any, order: Any, tie: float) -> bool:
    """Let the blocks that lie where there is no room take their best paths elsewhere; whether all then have room."""
    for b in order:
        g.chain[0], g.count[LINKS] = b, 1
        if _overfull(g)[0] >= 0:
            place(g, b, -1, tie)
            best_path(g, b, tie, -1.0)
            place(g, b, 1, tie)
    for t in range(g.room.shape[0]):
        for k in range(g.room.shape[1]):
            if g.room[t, k] < 0:
                return False
    return True
