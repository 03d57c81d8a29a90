"""What a ledger looks at and writes for every block that is moved: whether all is well, never what is wrong."""

from __future__ import annotations

from typing import Any

from placement_opt.base.compiled import njit


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def sound(ids: Any, seen: Any, turn: int, doomed: Any, state: Any, wanted: int) -> bool:
    """Whether these are blocks, each named once, none freed, of all of which the state is the one wanted.

    Writes ``turn`` where it saw them, which nothing else has written there.
    """
    for b in ids:
        if b < 0 or b >= len(seen) or doomed[b] or state[b] != wanted or seen[b] == turn:
            return False
        seen[b] = turn
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def turn(ids: Any, row: Any, mask: Any, tier: int, on: bool) -> bool:
    """Note blocks, each named once, as being in a tier or not, if that is news of all of them; whether it is."""
    for b in ids:
        if row[b] == on:
            return False
    for b in ids:
        row[b] = on
        mask[b] ^= 1 << tier
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def meet(reads: Any, present: Any, step: int, mask: Any, found: Any) -> None:
    """Note blocks as read at a step, and the tiers that hold each."""
    for i in range(len(reads)):
        present[reads[i]] = step
        found[i] = mask[reads[i]]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def count(held: Any, starts: Any, ends: Any, found: Any) -> None:
    """How many of the reads of each step were held by each set of tiers: a sweep for each of the few there are, without
    branches, is several reads at a time."""
    for t in range(len(starts)):
        for mask in range(found.shape[1]):
            alike = 0
            for i in range(starts[t], ends[t]):
                alike += held[i] == mask
            found[t, mask] = alike
