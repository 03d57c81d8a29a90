"""A step of the contender's own rule: prices, who is brought in and where, and rent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from placement_opt.base.compiled import njit
from placement_opt.schedulers.contender.life_kernels import Seen, leave, see, see_layers
from placement_opt.schedulers.contender.shelves_kernels import (
    BORN,
    CACHE,
    EXCLUSIVE,
    FREE,
    GONE,
    INCLUSIVE,
    NOTHING,
    ROUND,
    RULE,
    STATES,
    TOUCHED,
    UNKNOWN,
    Shelves,
    admit,
    level_of,
    take,
    top,
    worth_of,
)

#: How much more the price of a resource is that is used longer.
_POWER = 4.0
#: Rents: of lower tiers at least, reads a step (what is filled later has its rent within some steps), of the fastest at least,
#: of all at most (at 1, what is certain to be read is worth no more than nothing), and how they change at a step.
_LOW, _LOWEST, _HIGHEST, _STEP = 1e-3, 1e-6, 0.5, 1.05
#: What a write at most counts for, in reads.
_DEAR = 1e3


class Market(NamedTuple):
    """K tiers, R resources, L levels of which V have values of their own."""

    table: Any  #: float64[O, R]: what operations load for a byte
    rate: Any  #: float64[R]
    speed: Any  #: int64[K]: tiers, read fastest first
    source: Any  #: int8[2**K, K]: the tier that a copy is made from
    price: Any  #: float64[R]: seconds a byte, averaged
    load: Any  #: float64[R]: bytes of this step but for its moves
    moved: Any  #: float64[R]: bytes that the moves of the last step loaded
    rent: Any  #: float64[V]: reads a step
    write: Any  #: float64[V]: reads saved that a write takes
    copy: Any  #: float64[L]: the same of a copy to the next level
    level: Any  #: int64[STATES]: where blocks in a state are to come, and
    bar: Any  #: float64[STATES]: what may make way
    outside: Any  #: int64[n]: rows of operations that serve what lies nowhere, the fastest first
    base: Any  #: int64[2]: the row that serves what is in no cache but the slowest; steps so far


class Step(NamedTuple):
    """What a step shows."""

    reads: Any  #: int64[n]
    weight: Any  #: float64[n]: bytes read of each
    may: Any  #: int64: those that can be brought in
    births: Any  #: int64
    freed: Any  #: int64
    fixed: Any  #: int64[R]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _least(t: Shelves, capacity: Any, level: int) -> float:
    """The least that anything is worth at a level that has hardly any room; nothing where it has."""
    tier = t.order[level]
    b = top(t, level)
    return worth_of(t, level, b) if b >= 0 and _crowded(t, capacity, tier) else 0.0


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _crowded(t: Shelves, capacity: Any, tier: int) -> bool:
    return bool(t.room[tier] < capacity[tier] // 50 + 1)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _learn_prices(t: Shelves, m: Market, reads: Any, weight: Any, fixed: Any, memory: float) -> None:
    """The resources that bind when all is read from where it is fastest get the price of this step."""
    tiers, resources = len(m.speed), len(m.rate)
    load = np.empty(resources)
    for r in range(resources):
        load[r] = fixed[r]
    served = np.zeros(tiers + 1)
    for i in range(len(reads)):
        mask, at = np.int64(t.block[reads[i]].mask), tiers
        for k in m.speed:
            if mask >> k & 1:
                at = k
                break
        served[at] += weight[i]
    for k in range(tiers + 1):
        if served[k] > 0 and (k < tiers or len(m.outside) > 0):
            row = tiers + tiers * tiers + k if k < tiers else m.outside[0]
            for r in range(resources):
                load[r] += served[k] * m.table[row, r]
    most, total = 0.0, 0.0
    for r in range(resources):
        m.load[r] = load[r]
        load[r] = (load[r] + m.moved[r]) / m.rate[r]
        most = max(most, load[r])
    for r in range(resources):
        load[r] = (load[r] / most) ** _POWER if most > 0 else 1.0
        total += load[r]
    m.base[1] += 1
    share = 1.0 / min(np.float64(m.base[1]), memory)
    for r in range(resources):
        m.price[r] += (load[r] / total / m.rate[r] - m.price[r]) * share


@njit(cache=True)  # type: ignore[untyped-decorator]
def _choose(t: Shelves, m: Market, capacity: Any) -> None:
    """The fastest level worth its write for blocks of each state, and what residents are worth less than that make way."""
    levels, tiers, rule = len(t.order), len(m.speed), t.count[RULE]
    cost = np.zeros(len(m.table))
    for row in range(len(m.table)):
        for r in range(len(m.rate)):
            cost[row] += m.table[row, r] * m.price[r]
    without = cost[m.base[0]]
    for i in range(len(m.outside) if rule == CACHE else 0):
        without = min(without, cost[m.outside[i]]) if i else cost[m.outside[i]]
    serve, last = tiers + tiers * tiers, t.order[levels - 1]
    m.level[:], m.bar[:] = levels, NOTHING
    for at in range(levels - 1, -1, -1):
        tier = t.order[at]
        least, saved, write = min(0.0, _least(t, capacity, at)), without - cost[serve + tier], cost[tier]
        m.copy[at] = cost[tiers + t.order[at - 1] * tiers + tier] / saved if at > 0 and saved > 0 else np.inf
        if rule == EXCLUSIVE and at + 1 < levels:
            write += cost[tiers + tier * tiers + t.order[at + 1]]
        if at < len(m.write):
            m.write[at] = min(write / saved, _DEAR) if saved > 0 else _DEAR
        if saved <= 0:
            continue
        for s in range(STATES):
            must = s == BORN and rule in (EXCLUSIVE, FREE)
            here = at if at < len(t.worth) else 0
            # What has to lie somewhere is written somewhere in any case.
            worth = t.worth[here, s] - (write - cost[last] if must else write) / saved
            if worth > least or (must and least == 0.0 and cost[tier] <= cost[last]):
                m.level[s], m.bar[s] = at, (t.worth[0, s] if here > 0 else worth)
    if rule in (EXCLUSIVE, FREE):
        m.level[BORN] = min(m.level[BORN], levels - 1)
    if rule == CACHE:
        for s in range(t.worth.shape[1] - 1):
            t.barred[s] = 0
            for at in range(1, levels):
                t.barred[s] |= np.uint16(np.int64(t.worth[at, s] <= m.copy[at]) << at)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _wanted(t: Shelves, m: Market, reads: Any, births: Any) -> Any:
    """Blocks to be brought in, those worth most first, then higher ids."""
    levels, rule = len(t.order), t.count[RULE]
    key, n = np.empty(len(reads) + len(births), dtype=np.int64), 0
    for i in range(len(key)):
        b = np.int64(reads[i]) if i < len(reads) else np.int64(births[i - len(reads)])
        state = np.int64(t.block[b].state)
        if m.level[state] >= levels or t.block[b].near == GONE:
            continue
        held = rule != INCLUSIVE and level_of(t, b) == 0
        if rule == INCLUSIVE:
            held = True
            for k in t.order:
                held = held and bool(np.int64(t.block[b].mask) >> k & 1)
        if not held:
            key[n] = np.int64(t.rank[state]) << 32 | b
            n += 1
    return np.sort(key[:n])[::-1] & 0xFFFFFFFF


@njit(cache=True)  # type: ignore[untyped-decorator]
def _spread(t: Shelves, m: Market, wanted: Any, bars: Any, levels: Any) -> None:
    """What has to lie somewhere goes to a slower tier than has room only as long as that makes the step no longer."""
    rule = t.count[RULE]
    if m.level[BORN] == 0 or rule not in (EXCLUSIVE, FREE):
        return
    fast, slow, room, total = t.order[0], t.order[m.level[BORN]], t.room[t.order[0]], 0
    for b in wanted:
        if t.block[b].state == BORN:
            total += t.size[b]
    if total == 0:
        return
    most, load = 0.0, m.load.copy()
    for r in range(len(load)):
        most = max(most, (load[r] + total * m.table[fast, r]) / m.rate[r])
    for i in range(len(wanted)):
        b = np.int64(wanted[i])
        if t.block[b].state != BORN:
            continue
        longest = 0.0
        for r in range(len(load)):
            load[r] += t.size[b] * m.table[slow, r]
            longest = max(longest, load[r] / m.rate[r])
        if longest > most and t.size[b] <= room:
            levels[i], bars[i] = 0, NOTHING
            room -= t.size[b]
            for r in range(len(load)):
                load[r] += t.size[b] * (m.table[fast, r] - m.table[slow, r])


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _learn_rent(t: Shelves, m: Market, capacity: Any) -> None:
    """Up where the least of what a full tier holds is worth more than its rent, else down; of the fastest it stays where there
    is room, which tells nothing of when there is none, of others it falls fast."""
    for at in range(len(m.rent)):
        if _least(t, capacity, at) > 0:
            m.rent[at] *= _STEP
        elif _crowded(t, capacity, t.order[at]):
            m.rent[at] /= _STEP
        elif at > 0:
            m.rent[at] *= 0.5
        m.rent[at] = min(max(m.rent[at], _LOW if at > 0 else _LOWEST), _HIGHEST)


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _note(t: Shelves, m: Market) -> None:
    """What a step's moves load, for the price of the next."""
    tiers = len(m.speed)
    m.moved[:] = 0.0
    for i in range(t.count[TOUCHED]):
        b = np.int64(t.touched[i])
        if t.block[b].near == GONE:
            continue
        before = np.int64(t.block[b].before)
        gained, tier = np.int64(t.block[b].mask) & ~before, 0
        while gained >> tier:
            if gained >> tier & 1:
                row = tier if t.block[b].near == t.count[ROUND] else tiers + m.source[before, tier] * tiers + tier
                for r in range(len(m.rate)):
                    m.moved[r] += t.size[b] * m.table[row, r]
            tier += 1


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _free(s: Seen, t: Shelves, freed: Any) -> None:
    """Blocks freed after this step are nowhere."""
    levels = len(t.order)
    for b in freed:
        place = True
        for level in range(levels):
            if np.int64(t.block[b].mask) >> t.order[level] & 1:
                take(t, level if place or t.count[RULE] == INCLUSIVE else levels + level, b)
                place = False
        leave(s, t.block, np.int64(t.layer[b]) if len(t.layer) else 0, b)
        t.block[b].mask, t.block[b].near = 0, GONE


@njit(cache=True)  # type: ignore[untyped-decorator]
def begin(s: Seen, t: Shelves, home: int, reads: Any, births: Any) -> None:
    """Open a round: see the step. ``home`` is the home tier under the inclusive rule, else -1."""
    t.count[ROUND] += 1
    t.count[TOUCHED] = 0
    for b in reads:
        t.block[b].near = t.count[ROUND]
    for b in births:
        t.block[b].near = t.count[ROUND]
        t.block[b].mask = 1 << home if home >= 0 else 0
    layer = t.layer
    one: Any = np.int64(0)
    if len(layer):
        one = np.int64(layer[reads[0]]) if len(reads) else (np.int64(layer[births[0]]) if len(births) else -1)
        for b in reads:
            one = one if layer[b] == one else np.int64(-1)
        for b in births:
            one = one if layer[b] == one else np.int64(-1)
    if one >= 0:
        see(s, t, one, reads, births)
    else:
        see_layers(s, t, reads, births)


@njit(cache=True)  # type: ignore[untyped-decorator]
def decide(s: Seen, t: Shelves, m: Market, capacity: Any, memory: float, now: Step) -> Any:
    """The rest of a round: prices, moves, rent; -1, or a block that has to lie somewhere and finds no place."""
    _learn_prices(t, m, now.reads, now.weight, now.fixed, memory)
    _free(s, t, now.freed)
    _choose(t, m, capacity)
    wanted = _wanted(t, m, now.may, now.births)
    bars, levels = np.empty(len(wanted)), np.empty(len(wanted), dtype=np.int64)
    for i in range(len(wanted)):
        state = np.int64(t.block[wanted[i]].state)
        bars[i], levels[i] = m.bar[state], m.level[state]
    _spread(t, m, wanted, bars, levels)
    homeless = admit(t, wanted, bars, levels)
    _learn_rent(t, m, capacity)
    _note(t, m)
    return homeless


@njit(cache=True)  # type: ignore[untyped-decorator]
def mark(t: Shelves, blocks: Any, states: Any) -> None:
    """Blocks of a free start are as if in these states."""
    for i in range(len(blocks)):
        t.block[blocks[i]].state = states[i]


@njit(cache=True)  # type: ignore[untyped-decorator]
def values(t: Shelves, ids: Any, level: int) -> Any:
    """float64: of blocks at a level, in the states they are in now; nothing for those never seen."""
    found = np.empty(len(ids))
    for i in range(len(ids)):
        b = np.int64(ids[i])
        found[i] = worth_of(t, level, b) if t.block[b].last >= 0 or t.block[b].state != UNKNOWN else -1e3
    return found
