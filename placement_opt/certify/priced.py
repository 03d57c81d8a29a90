"""What one unit of a block (a byte, or the whole of it) pays in each step at given prices, from set of tiers to set of tiers.

Written for the verifier alone. From set i to set j a block that is not read is copied to the tiers that are new, from the
cheapest of i. One that is read is served by some operation; if that brings it to the processor, it may be stored instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.certify.rows import Exact, Rows

#: Costs what cannot be, in 64 bits: two of it fit.
_NEVER = 2**61


@dataclass(frozen=True)
class Sets:
    """The sets of tiers in which a block may lie, ``held``, and the tiers that all of them contain, ``always``.

    ``forgets``: a block may lie nowhere; the empty set is one of them, unless there are tiers that hold it always.
    """

    held: list[tuple[int, ...]]
    always: tuple[int, ...] = ()
    forgets: bool = False


@dataclass(frozen=True, eq=False)
class Priced:
    """What one unit pays in the w steps of a window.

    ``serve`` [S, w]: a read from each set; ``idle`` and ``busy`` [S, S, w]: from set i at state t to set j at state t + 1
    without and with a whole read at t, rent of j included; ``born`` [S, w]: produced at t and stored in each set.
    ``no_idle``, ``no_busy`` bool[S, S]: cannot be (what lies nowhere cannot be copied); who cannot when read cannot otherwise.
    """

    serve: Exact
    idle: Exact
    busy: Exact
    born: Exact
    no_idle: npt.NDArray[np.bool_]
    no_busy: npt.NDArray[np.bool_]


def price(rows: Rows, sets: Sets, rho: Exact, rent: Exact) -> Priced:
    """Price the loads of a kind; ``rho`` [w, R + M] of the window's steps, ``rent`` [w + 1, K] of its states."""
    tiers, count = range(len(rows.store)), len(sets.held)
    paid, store = _paid(rho, rows.serve), _paid(rho, rows.store)
    copy = [_paid(rho, rows.copy[j]) for j in tiers]
    rent = rent * rows.size
    for o, tier in enumerate(rows.source):
        if tier in sets.always:
            paid[o] = paid[o] + rent[:-1, tier]
    masks = [sum(1 << k for k in held) for held in sets.held]
    serve = np.array([paid[list(rows.ways(mask))].min(axis=0) for mask in masks])
    tracked = [[k for k in held if k not in sets.always] for held in sets.held]
    rents = np.array([rent[1:, held].sum(axis=1) for held in tracked])
    nowhere = rents[0] * 0 if sets.forgets else store[list(sets.always)].min(axis=0) if sets.always else None
    born = rents + np.array([store[held].sum(axis=0) if held else nowhere for held in tracked])
    idle = np.array([rents] * count)
    stored = idle.copy()
    no_idle, no_busy = np.zeros((count, count), dtype=bool), np.zeros((count, count), dtype=bool)
    for i, held in enumerate(sets.held):
        for k in (k for k in tiers if k not in held):
            into = [j for j, wanted in enumerate(sets.held) if k in wanted]
            copied = np.min([copy[j][k] for j in held], axis=0) if held else None
            no_idle[i, into] |= copied is None
            idle[i, into] += 0 if copied is None else copied
            stored[i, into] += store[k] if copied is None else np.minimum(copied, store[k])
    busy = serve[:, None] + idle
    for i, mask in enumerate(masks):
        bringing = list(rows.ways(mask, bringing=True))
        if not bringing:
            no_busy[i] = no_idle[i]
            continue
        brought = paid[bringing].min(axis=0) + stored[i]
        busy[i] = np.where(no_idle[i][:, None], brought, np.minimum(busy[i], brought))
    return Priced(serve, idle, busy, born, no_idle, no_busy)


def price_turns(rows: Rows, sets: Sets, rho: Exact, rent: Exact) -> Priced:
    """The same where a step is a turn of a layer: other layers' steps, at the same prices and without rent, come before and
    after it, in which a block may be copied on and on.

    Costs of copies become those of any number of them one after the other; a read has such copies before and after it. What is
    read in part pays for its share of that and of the other: no more than any way of doing it. Tiers that are not tracked take
    no rent: what is read there may have come after the state that has one.
    """
    one = price(rows, sets, rho, rent * 0)
    never = _NEVER if rho.dtype != object else 1 + sum(int(part.sum()) for part in (one.idle, one.busy, one.born))
    copies, busy = one.idle.copy(), one.busy.copy()
    copies[one.no_idle], busy[one.no_busy] = never, never
    for middle in range(len(copies)):
        copies = np.minimum(copies, copies[:, middle, None] + copies[middle])
    busy = np.minimum(_after(np.minimum(_after(copies, busy), never), copies), never)
    serve = (copies + one.serve).min(axis=1)
    born = (one.born[:, None] + copies).min(axis=0)
    no_busy: npt.NDArray[np.bool_] = np.array((busy >= never).all(axis=2))
    copies[one.no_idle], busy[no_busy] = 0, 0
    tracked = [[k for k in held if k not in sets.always] for held in sets.held]
    rents = np.array([(rent[1:] * rows.size)[:, held].sum(axis=1) for held in tracked])
    return Priced(serve, copies + rents, busy + rents, born + rents, one.no_idle, no_busy)


def _after(a: Exact, b: Exact) -> Exact:
    """Min-plus products of w pairs of matrices [S, S, w]."""
    out: Exact = np.min([a[:, middle, None] + b[middle] for middle in range(len(a))], axis=0)
    return out


def _paid(rho: Exact, loads: Exact) -> Exact:
    """[n, w]: what n operations pay in each step.

    Loads that no 64-bit number holds are met in 64 bits only where nothing has a price on their resource.
    """
    if rho.dtype != object and loads.dtype == object:
        loads = np.minimum(loads, 2**60).astype(np.int64)
    elif rho.dtype == object:
        loads = loads.astype(object)
    paid: Exact = (rho @ loads.T).T
    return paid
