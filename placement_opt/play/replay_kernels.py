"""Recorded moves played in one loop, as :class:`placement_opt.play.ledger.Ledger` plays them one step after the other.

It finds out whether all is well, never what is wrong: where a step breaks a rule it stops, and the ledger says which.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from placement_opt.base.compiled import njit


class Rules(NamedTuple):
    """K tiers; ``home``: tier of the inclusive rule, else -1; whether each block ``keeps`` a copy at least (not under the rule
    "cache"), and ``one`` at most (exclusive). ``base``: of shares; ``columns``: of a kind in ``moved``."""

    tiers: int
    home: int
    keeps: bool
    one: bool
    base: int
    columns: int


class Blocks(NamedTuple):
    """B blocks: bytes, kind (no entry where loads go by the byte), whether a read without any copy brings it to the processor,
    the first state it exists in; ``capacity`` int64[K]; ``source`` int8[2**K, K]: where the rest of a partial read is copied
    from."""

    size: Any
    kind: Any
    remade: Any
    first_state: Any
    capacity: Any
    source: Any


class Asked(NamedTuple):
    """Of steps: where their reads begin int64[T + 1], blocks and shares (no entry where all are whole); where births and ends
    begin and whose they are; where moves begin, operation and block."""

    indptr: Any
    blocks: Any
    shares: Any
    births: Any
    born: Any
    ends: Any
    ending: Any
    moves: Any
    op: Any
    block: Any


class Standing(NamedTuple):
    """Of blocks: the tiers that hold it as a mask, the step at which it was last at the processor, whether it was freed, the
    step at which it was last stored in passing (no entry where that does not matter), the share read; ``used`` int64[K] bytes.
    """

    mask: Any
    present: Any
    freed: Any
    passed: Any
    part: Any
    used: Any


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _charge(rules: Rules, blocks: Blocks, row: Any, operation: int, b: int) -> None:
    """A whole block stored or copied."""
    if len(blocks.kind) > 0:
        row[blocks.kind[b] * rules.columns + operation] += 1
    else:
        row[operation] += blocks.size[b] * rules.base


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _may_store(rules: Rules, blocks: Blocks, now: Standing, step: int, tier: int, b: int, row: Any) -> bool:
    """Charge a store if what is to be stored is at the processor; whether it is."""
    if now.present[b] != step:
        return False
    whole = len(now.part) == 0 or now.part[b] == rules.base
    nowhere = not rules.keeps and now.mask[b] == 0 and blocks.first_state[b] <= step
    if nowhere and not (blocks.remade[b] and whole):
        return False
    if len(now.passed) > 0:
        now.passed[b] = step
    if len(now.part) == 0:
        _charge(rules, blocks, row, tier, b)
        return True
    row[tier] += blocks.size[b] * now.part[b]
    if not whole:
        source = blocks.source[now.mask[b], tier]
        if source >= 0:
            row[rules.tiers + source * rules.tiers + tier] += blocks.size[b] * (rules.base - now.part[b])
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _allowed(rules: Rules, blocks: Blocks, asked: Asked, now: Standing, step: int, row: Any) -> bool:
    """Charge the moves of a step; whether each of them is allowed as all stands before any is made."""
    tiers = rules.tiers
    for n in range(asked.moves[step], asked.moves[step + 1]):
        operation, b = asked.op[n], asked.block[n]
        if operation < 0 or operation >= 2 * tiers + tiers * tiers or b < 0 or b >= len(now.mask) or now.freed[b]:
            return False
        if operation < tiers:
            if not _may_store(rules, blocks, now, step, operation, b, row):
                return False
        elif operation < tiers + tiers * tiers:
            source, target = divmod(operation - tiers, tiers)
            if source == target or now.mask[b] >> source & 1 == 0:
                return False
            _charge(rules, blocks, row, operation, b)
        else:
            tier = operation - tiers - tiers * tiers
            if tier == rules.home or now.mask[b] >> tier & 1 == 0:
                return False
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _moved(rules: Rules, blocks: Blocks, asked: Asked, now: Standing, step: int) -> bool:
    """Make the moves of a step, arrivals first; whether each is news and every tier has room in the end."""
    tiers, drops = rules.tiers, rules.tiers + rules.tiers * rules.tiers
    for leaving in (False, True):
        for n in range(asked.moves[step], asked.moves[step + 1]):
            operation, b = asked.op[n], asked.block[n]
            if (operation >= drops) != leaving:
                continue
            tier = operation - drops if leaving else operation if operation < tiers else (operation - tiers) % tiers
            if (now.mask[b] >> tier & 1 == 1) != leaving:
                return False
            now.mask[b] ^= 1 << tier
            now.used[tier] += -blocks.size[b] if leaving else blocks.size[b]
    for k in range(tiers):  # noqa: SIM110
        if now.used[k] > blocks.capacity[k]:
            return False
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _copies_right(rules: Rules, asked: Asked, now: Standing, step: int) -> bool:
    """Whether what was produced or moved has as many copies as the rule wants."""
    if rules.home >= 0 or not rules.keeps:
        return True
    for n in range(asked.births[step], asked.births[step + 1]):
        if now.mask[asked.born[n]] == 0:
            return False
    for n in range(asked.moves[step], asked.moves[step + 1]):
        held = now.mask[asked.block[n]]
        if held == 0 or (rules.one and held & (held - 1) != 0):
            return False
    return True


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _meet(rules: Rules, asked: Asked, now: Standing, step: int, held: Any) -> None:
    """What a step produces and reads is at the processor; ``held`` is filled with the tiers that hold each read."""
    for n in range(asked.births[step], asked.births[step + 1]):
        now.present[asked.born[n]] = step
        if len(now.part) > 0:
            now.part[asked.born[n]] = rules.base
    for n in range(asked.indptr[step], asked.indptr[step + 1]):
        b = asked.blocks[n]
        now.present[b] = step
        held[n] = now.mask[b]
        if len(now.part) > 0:
            now.part[b] = asked.shares[n]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def _free(rules: Rules, blocks: Blocks, asked: Asked, now: Standing, step: int) -> None:
    """What ends after a step is at the processor no more, and its room is there for the step's moves."""
    for n in range(asked.ends[step], asked.ends[step + 1]):
        b = asked.ending[n]
        now.present[b], now.freed[b] = -1, True
        for k in range(rules.tiers):
            if now.mask[b] >> k & 1:
                now.used[k] -= blocks.size[b]


@njit(cache=True, counts=False)  # type: ignore[untyped-decorator]
def play(
    rules: Rules, blocks: Blocks, asked: Asked, now: Standing, first: int, last: int, held: Any, stored: Any, moved: Any
) -> int:
    """Steps ``first`` to ``last`` - 1; the step that breaks a rule, -1 where none does.

    ``held`` uint16[N], ``stored`` bool[N] and ``moved`` int64[T, .] are filled in as a ledger does.
    """
    for step in range(first, last):
        row = moved[step]
        _meet(rules, asked, now, step, held)
        _free(rules, blocks, asked, now, step)
        if not _allowed(rules, blocks, asked, now, step, row):
            return step
        if rules.home >= 0:
            for n in range(asked.births[step], asked.births[step + 1]):
                b = asked.born[n]
                _charge(rules, blocks, row, rules.home, b)
                now.mask[b] = 1 << rules.home
                now.used[rules.home] += blocks.size[b]
        if not _moved(rules, blocks, asked, now, step) or not _copies_right(rules, asked, now, step):
            return step
        for n in range(asked.ends[step], asked.ends[step + 1]):
            now.mask[asked.ending[n]] = 0
        if len(now.passed) > 0:
            for n in range(asked.indptr[step], asked.indptr[step + 1]):
                stored[n] = now.passed[asked.blocks[n]] == step
    return -1
