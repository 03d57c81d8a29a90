"""What a schedule takes when every step is written out for scipy, block by block, straight from the table of operations."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from placement_opt.instance.instance import Instance
from placement_opt.play.schedule import Schedule
from tests.twins import allowed, label_of, nearest, serving, whole_load

Held = dict[int, frozenset[int]]


def played(instance: Instance, schedule: Schedule) -> list[float]:
    """Seconds of every step; AssertionError where a move breaks a rule."""
    trace, tiers = instance.trace, range(instance.num_tiers)
    birth, death = trace.birth.tolist(), trace.death.tolist()
    held: Held = {
        b: frozenset(k for k in tiers if schedule.initial[k, b]) for b in range(instance.num_blocks) if birth[b] == -1
    }
    seconds = []
    _allowed(instance, held)
    for t in range(instance.num_steps):
        rows = range(int(trace.indptr[t]), int(trace.indptr[t + 1]))
        share = {int(trace.blocks[i]): instance.share(i) for i in rows}
        born = [b for b in range(instance.num_blocks) if birth[b] == t]
        after = {b: set(where) for b, where in held.items() if death[b] > t} | {b: set() for b in born if death[b] > t}
        load, stored, moves = instance.fixed[t].astype(float), set(), schedule.moves(t)
        stores = [(k, b) for k, ids in moves.store for b in ids.tolist()]
        for k, b in stores + [(instance.home, b) for b in born if instance.inclusive]:
            part = 1.0 if b in born else share[b]
            load += part * np.array(whole_load(instance, k, b))
            if part < 1.0:
                copy = _copy(instance, nearest(instance, held[b], k), k)
                load += (1.0 - part) * np.array(whole_load(instance, copy, b))
            stored |= {b} - set(born)
            assert k not in after[b]
            after[b].add(k)
        for j, k, ids in moves.fetch:
            for b in ids.tolist():
                assert j in held[b]
                assert k not in after[b]
                load += whole_load(instance, _copy(instance, j, k), b)
                after[b].add(k)
        for k, ids in moves.drop:
            for b in ids.tolist():
                assert k in held[b]
                after[b].remove(k)
        seconds.append(max(_least(instance, t, load, share, held, stored), float(instance.floor[t])))
        held = {b: frozenset(where) for b, where in after.items()}
        _allowed(instance, held)
    return seconds


def _least(instance: Instance, t: int, load: np.ndarray, share: dict[int, float], held: Held, stored: set[int]) -> float:
    """min tau: every read served by what may serve it, all loads within rate times tau; times in units of the slowest rate."""
    table, rates = instance.memory.operations, instance.memory.rates.astype(float)
    found = serving(instance, t, held)
    ways = [
        (b, o)
        for b in share
        for o in np.flatnonzero(table.serves & table.applies[:, label_of(instance, b)]).tolist()
        if (table.source[o] < 0 or table.source[o] in found[b]) and (table.brings[o] or b not in stored)
    ]
    blocks = list(share)
    upper = np.zeros((len(rates), 1 + len(ways)))
    upper[:, 0] = -1.0
    equal = np.zeros((len(blocks), 1 + len(ways)))
    for column, (b, o) in enumerate(ways, start=1):
        upper[:, column] = np.array(whole_load(instance, o, b)) / rates
        equal[blocks.index(b), column] = 1.0
    answer = linprog(
        np.eye(1, 1 + len(ways))[0],
        A_ub=upper,
        b_ub=-load / rates,
        A_eq=equal if blocks else None,
        b_eq=np.array(list(share.values())) if blocks else None,
        method="highs",
    )
    assert answer.status == 0, answer.message
    return float(answer.fun)


def _copy(instance: Instance, source: int, target: int) -> int:
    return instance.memory.operations.names.index(
        f"copy {instance.memory.tier_names[source]}->{instance.memory.tier_names[target]}"
    )


def _allowed(instance: Instance, held: Held) -> None:
    for k, capacity in enumerate(instance.capacity.tolist()):
        assert sum(int(instance.size[b]) for b, where in held.items() if k in where) <= capacity
    assert all(allowed(instance, where) for where in held.values())
