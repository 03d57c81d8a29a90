"""Random schedules that keep the rules, made without a scheduler, and what is left of one when something is changed."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np

from placement_opt.certify.files import PriceCertificate, ScheduleCertificate
from placement_opt.instance.instance import Instance
from tests.certify.certificates import Table
from tests.twins import share_of, tier_sets

#: Choices of sets that are tried before there is said to be no room.
TRIES = 60
Held = frozenset[int]
#: A set of tiers at the next state, and the operations that lead there.
Way = tuple[Held, list[int]]


def random_schedule(rng: np.random.Generator, instance: Instance) -> ScheduleCertificate | None:
    """Random moves, claimed to take no more than a billion seconds; None where no choice of sets was found that fits."""
    tiers, blocks = instance.num_tiers, instance.num_blocks
    every = sorted(tier_sets(instance), key=lambda held: (len(held), sorted(held)))
    tables = [Table(instance, b) for b in range(blocks)]
    alive = [range(first, last + 1) for first, last in zip(instance.first_state, instance.last_state, strict=True)]
    living = [[b for b in range(blocks) if t in alive[b]] for t in range(instance.num_steps + 1)]
    start: dict[int, list[Way]] = {b: [(s, []) for s in every] for b in living[0]}
    if instance.initial is not None:
        start = {b: [(frozenset(np.flatnonzero(instance.initial[:, b]).tolist()), [])] for b in living[0]}
    chosen, initial, moves = choose(rng, instance, start), np.zeros((tiers, blocks), dtype=bool), list[tuple[int, int, int]]()
    for b, (held, _) in (chosen or {}).items():
        initial[list(held), b] = True
    for t in range(instance.num_steps):
        if chosen is None:
            return None
        before = {b: held for b, (held, _) in chosen.items()}
        chosen = choose(rng, instance, {b: ways(rng, instance, tables[b], every, t, b, before.get(b)) for b in living[t + 1]})
        moves += sorted((t, op, b) for b, (_, ops) in (chosen or {}).items() for op in ops)
    if chosen is None:
        return None
    step, op, block = (np.array([move[i] for move in moves], dtype=np.int64) for i in range(3))
    return ScheduleCertificate(
        instance.hash,
        "at random",
        initial,
        np.searchsorted(step, np.arange(instance.num_steps + 1)),
        op.astype(np.uint16),
        block.astype(np.int32),
        Fraction(10**9),
    )


def ways(rng, instance, table, every, t, b, held):  # type: ignore[no-untyped-def]
    """Every set that a block can lie in after a step, staying first; ``held`` None: it is produced by it."""
    tiers, share = instance.num_tiers, share_of(instance, t, b)
    stores = held is None or (share > 0 and table.usable(held, bringing=True) and (share == 1 or held))
    written = frozenset({instance.home}) if held is None and instance.inclusive else frozenset()
    found: list[Way] = []
    for into in sorted(every, key=lambda s: s != held):
        ops = [tiers + tiers * tiers + k for k in (held or frozenset()) - into]
        for k in into - (held or written):
            how = ([k] if stores else []) + [tiers + j * tiers + k for j in held or ()]
            ops.append(int(rng.choice(how)) if how else -1)
        if -1 not in ops:
            found.append((into, ops))
    return found


def choose(rng: np.random.Generator, instance: Instance, options: dict[int, list[Way]]) -> dict[int, Way] | None:
    """One way for each block, often the first, so that all of them fit; None where none was found."""
    for _ in range(TRIES):
        chosen = {b: some[0 if rng.random() < 0.4 else int(rng.integers(len(some)))] for b, some in options.items()}
        used = [sum(int(instance.size[b]) for b, (held, _) in chosen.items() if k in held) for k in range(instance.num_tiers)]
        if all(u <= c for u, c in zip(used, instance.capacity.tolist(), strict=True)):
            return chosen
    return None


def other_claim(rng: np.random.Generator, claim: Fraction) -> Fraction:
    """A claim that is a little or much more or less, or gone."""
    return claim * rng.choice([0, 1, 2, 1000]).item() + rng.choice([-1, 1]).item() * Fraction(1, 10 ** int(rng.integers(1, 40)))


def other_moves(rng: np.random.Generator, made: ScheduleCertificate) -> ScheduleCertificate:
    """One change to the moves, the start or the claim."""
    tiers, blocks = made.initial.shape
    step = np.repeat(np.arange(len(made.indptr) - 1), np.diff(made.indptr))
    moves = [list(move) for move in zip(step.tolist(), made.op.tolist(), made.block.tolist(), strict=True)]
    kind = int(rng.integers(8)) if moves else int(rng.choice([0, 6, 7]))
    one, two = (int(rng.integers(max(1, len(moves)))) for _ in range(2))
    if kind == 0:
        moves.append(
            [int(rng.integers(len(made.indptr) - 1)), int(rng.integers(tiers * (tiers + 2))), int(rng.integers(blocks))]
        )
    elif kind == 1:
        del moves[one]
    elif kind == 2:
        moves[one][0], moves[two][0] = moves[two][0], moves[one][0]
    elif kind == 3:
        moves[one][0] = max(0, min(len(made.indptr) - 2, moves[one][0] + int(rng.choice([-1, 1]))))
    elif kind == 4:
        moves[one][1] = int(rng.integers(tiers * (tiers + 2) + 1))
    elif kind == 5:
        moves[one][2] = int(rng.integers(blocks + 1))
    elif kind == 6:
        initial = made.initial.copy()
        initial[int(rng.integers(tiers)), int(rng.integers(blocks))] ^= True
        return dataclasses.replace(made, initial=initial)
    else:
        return dataclasses.replace(made, claim=max(Fraction(0), other_claim(rng, made.claim)))
    if rng.random() < 0.9:
        moves.sort()
    counts = np.bincount([t for t, _, _ in moves], minlength=len(made.indptr) - 1) if moves else np.zeros(len(made.indptr) - 1)
    return dataclasses.replace(
        made,
        indptr=np.r_[0, np.cumsum(counts)].astype(np.int64),
        op=np.array([op for _, op, _ in moves], dtype=np.uint16),
        block=np.array([block for _, _, block in moves], dtype=np.int32),
    )


def flipped(rng: np.random.Generator, data: bytes) -> bytes:
    place, bit = int(rng.integers(len(data))), int(rng.integers(8))
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def other_prices(rng: np.random.Generator, made: PriceCertificate) -> PriceCertificate:
    """One change to the prices, the quantum or the claim."""
    rho, rent = made.rho.copy(), made.rent.copy()
    table = rho if rng.random() < 0.5 else rent
    place = tuple(int(rng.integers(n)) for n in table.shape)
    kind = int(rng.integers(8))
    if kind == 0:
        table[place] += int(rng.choice([1, -1, 1000, 2**40]))
    elif kind == 1:
        table[place] = int(rng.choice([0, -1, 2**62, 2**63 - 1]))
    elif kind == 2:
        table[[0, -1]] = table[[-1, 0]]
    elif kind == 3:
        table[:] = np.roll(table, 1, axis=int(rng.integers(2)))
    elif kind == 4:
        table[:] = table * int(rng.integers(2, 5))
    elif kind == 5:
        quantum = made.quantum + int(rng.choice([-1, 1])) if rng.random() < 0.5 else made.quantum * 10
        return dataclasses.replace(made, quantum=quantum)
    elif kind == 6:
        return dataclasses.replace(made, quantum=max(1, made.quantum // 1024), rho=rho >> 10, rent=rent >> 10)
    else:
        return dataclasses.replace(made, claim=max(Fraction(0), other_claim(rng, made.claim)))
    return dataclasses.replace(made, rho=rho, rent=rent)
