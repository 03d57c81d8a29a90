"""What the tests of certificates share: instances, integer prices, and slow, obvious twins of the verifier in fractions."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Set
from fractions import Fraction
from pathlib import Path

import numpy as np

from models import common, horizon
from placement_opt.certify.files import PriceCertificate, ScheduleCertificate
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.memory.split.timing import StepTimer
from tests.small import random_instance
from tests.twins import allowed, cheapest_path, label_of, nearest, pieces_of, serving, share_of, whole_load

FLOORS = (0.0, 0.1, 1e-3, 5e-324)


def draw(seed: int, tiers: int | None = None) -> tuple[np.random.Generator, Instance]:
    """A random instance of any rule with 1 to 4 tiers; some have floors, shares, deaths, unequal sizes, a given start."""
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng,
        int(rng.integers(1, 5)) if tiers is None else tiers,
        KEEPING[seed % 3],
        blocks=int(rng.integers(1, 5)),
        steps=int(rng.integers(2, 9)),
        max_size=1 + seed % 3,
        shares=seed % 2 == 0,
        deaths=seed % 5 < 2,
        given=seed % 4 == 0,
    )
    floor = rng.choice(FLOORS, instance.num_steps) if seed % 3 == 1 else np.zeros(instance.num_steps)
    return rng, dataclasses.replace(instance, floor=floor)


def draw_prices(rng: np.random.Generator, instance: Instance, quantum: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 (rho, rent): random multiples of 1/quantum, many of them zero, some steps priced to the limit."""
    steps, rates = instance.num_steps, instance.memory.rates.tolist()
    weights = rng.random((steps, len(rates))) * (rng.random((steps, len(rates))) < 0.7)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9) * rng.choice([1.0, 1.3], (steps, 1))
    rho = [[int(w * quantum * (1 - 2.0**-40)) // rate for w, rate in zip(row, rates, strict=True)] for row in weights.tolist()]
    most = max(1, quantum // (50 * max(rates)))
    rent = rng.integers(0, most + 1, (steps + 1, instance.num_tiers)) * (rng.random((steps + 1, instance.num_tiers)) < 0.5)
    return np.array(rho, dtype=np.int64), rent.astype(np.int64)


def lp_prices(instance: Instance, quantum: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 (rho, rent): the multipliers of the LP relaxation as it is stated in algebra, in multiples of 1/quantum."""
    model = horizon.build(instance, relax=True)
    rho, rent = common.prices(model, instance), common.rents(model, instance)
    return np.floor(rho * quantum * (1 - 2.0**-40)).astype(np.int64), np.rint(rent * quantum).astype(np.int64)


def slow_value(instance: Instance, quantum: int, rho: np.ndarray, rent: np.ndarray) -> Fraction:
    """D, term by term from the statement; may be negative."""
    rates, steps = instance.memory.rates.tolist(), range(instance.num_steps)
    value = Fraction(0)
    for t in steps:
        used = sum(Fraction(n * rate, quantum) for n, rate in zip(rho[t].tolist(), rates, strict=True))
        value += (1 - used) * Fraction(float(instance.floor[t]))
        value += sum(Fraction(n * load, quantum) for n, load in zip(rho[t].tolist(), instance.fixed[t].tolist(), strict=True))
    for row in rent.tolist():
        value -= sum(Fraction(m * room, quantum) for m, room in zip(row, instance.capacity.tolist(), strict=True))
    paths = (cheapest_path(instance, b, rho.tolist(), rent.tolist()).cost for b in range(instance.num_blocks))
    return value + sum((Fraction(cost, quantum) for cost in paths), Fraction(0))


class Table:
    """What the rows of the table load for one block of an instance, by what they do."""

    def __init__(self, instance: Instance, block: int) -> None:
        rows, tiers = instance.memory.operations, instance.num_tiers
        load = [whole_load(instance, o, block) for o in range(len(rows.names))]

        self.store = [load[k] for k in range(tiers)]
        self.copy = [[load[tiers + j * tiers + k] for k in range(tiers)] for j in range(tiers)]
        more = range(tiers + tiers * tiers, len(rows.names))
        self.applies = rows.applies[more.start :, label_of(instance, block)].tolist()
        self.serve = [(int(rows.source[o]), bool(rows.brings[o]), load[o]) for o in more]

    def usable(self, held: Set[int], *, bringing: bool = False) -> list[int]:
        """Which of those that serve can, of a block in these tiers."""
        return [
            o
            for o, (source, brings, _) in enumerate(self.serve)
            if self.applies[o] and (source == -1 or source in held) and (brings or not bringing)
        ]


def slow_replay(instance: Instance, schedule: ScheduleCertificate) -> Fraction | None:
    """Seconds of a schedule, played with a set of tiers for each block; None where it breaks a rule."""
    tiers = instance.num_tiers
    tables = [Table(instance, b) for b in range(instance.num_blocks)]
    alive = lambda b, state: instance.first_state[b] <= state <= instance.last_state[b]  # noqa: E731
    held = {b: set(np.flatnonzero(schedule.initial[:, b]).tolist()) for b in range(instance.num_blocks)}
    if any(held[b] for b in held if not alive(b, 0)) or not lawful(instance, held, 0):
        return None
    if instance.initial is not None and (schedule.initial != instance.initial).any():
        return None
    total = Fraction(0)
    for t in range(instance.num_steps):
        load = [Fraction(int(f)) for f in instance.fixed[t]]
        shares = {int(b): share_of(instance, t, int(b)) for b in instance.trace.reads(t)}
        reads, stored = dict(shares), set[int]()
        after = {b: set(s) for b, s in held.items()}
        for b in np.flatnonzero(instance.trace.birth == t).tolist():
            shares[b] = Fraction(1)
            if instance.inclusive:
                after[b].add(instance.home)
                charge(load, tables[b].store[instance.home], 1)
        part = slice(int(schedule.indptr[t]), int(schedule.indptr[t + 1]))
        for op, b in zip(schedule.op[part].tolist(), schedule.block[part].tolist(), strict=True):
            if not 0 <= b < instance.num_blocks or not alive(b, t + 1) or op >= tiers * (tiers + 2):
                return None
            if op >= tiers + tiers * tiers:
                k = op - tiers - tiers * tiers
                if k not in held[b]:
                    return None
                after[b].discard(k)
                continue
            j, k = divmod(op - tiers, tiers) if op >= tiers else (-1, op)
            if k in after[b] or (j >= 0 and j not in held[b]) or (j < 0 and b not in shares):
                return None
            after[b].add(k)
            if j >= 0:
                charge(load, tables[b].copy[j][k], 1)
            else:
                stored.add(b)
                charge(load, tables[b].store[k], shares[b])
                if shares[b] < 1:
                    if not held[b]:
                        return None
                    charge(load, tables[b].copy[nearest(instance, held[b], k)][k], 1 - shares[b])
        if any(not alive(b, t) and not alive(b, t + 1) and after[b] for b in after):
            return None
        found = serving(instance, t, held)
        ways = {b: tables[b].usable(set(found[b]), bringing=b in stored) for b in reads}
        if not all(ways.values()):
            return None
        held = {b: s if alive(b, t + 1) else set() for b, s in after.items()}
        if not lawful(instance, held, t + 1):
            return None
        total += max(split_time(instance, tables, reads, ways, load), Fraction(float(instance.floor[t])))
    return total


def split_time(instance, tables, reads, ways, load):  # type: ignore[no-untyped-def]
    """Seconds of a step that reads shares of blocks, each by any of some operations, beside other loads."""
    told = [(int(instance.size[b]), pieces_of(instance, b)) for b in range(instance.num_blocks)]
    base, kinds = instance.share_base, sorted(set(told))
    number = len(tables[0].serve)
    loads, served = np.zeros((len(kinds) * number, len(load)), dtype=np.int64), dict[int, Fraction]()
    for b, share in reads.items():
        place = kinds.index(told[b]) * number
        loads[place : place + number] = [row for _, _, row in tables[b].serve]
        mask = sum(1 << place + o for o in ways[b])
        served[mask] = served.get(mask, Fraction(0)) + share
    timer = StepTimer(instance.memory, sorted(served), loads)
    return timer.exact([int(served[mask] * base) for mask in sorted(served)], [int(x * base) for x in load], base)


def charge(load: list[Fraction], row: list[int], amount: Fraction | int) -> None:
    for r, c in enumerate(row):
        load[r] += c * amount


def lawful(instance: Instance, held: dict[int, set[int]], state: int) -> bool:
    """The residency rule and the capacities at a state."""
    for b, s in held.items():
        alive = instance.first_state[b] <= state <= instance.last_state[b]
        if alive and not allowed(instance, s):
            return False
    used = [sum(int(instance.size[b]) for b, s in held.items() if k in s) for k in range(instance.num_tiers)]
    return all(u <= c for u, c in zip(used, instance.capacity.tolist(), strict=True))


def reseal(path: Path, data: bytes) -> Path:
    """Write a certificate's bytes with the checksum that belongs to them."""
    path.write_bytes(data[:-32] + hashlib.sha256(data[:-32]).digest())
    return path


def same_prices(a: PriceCertificate, b: PriceCertificate) -> bool:
    arrays = np.array_equal(a.rho, b.rho) and np.array_equal(a.rent, b.rent)
    return arrays and (a.instance_hash, a.quantum, a.claim) == (b.instance_hash, b.quantum, b.claim)


def same_schedule(a: ScheduleCertificate, b: ScheduleCertificate) -> bool:
    names = ("initial", "indptr", "op", "block")
    arrays = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
    return arrays and (a.instance_hash, a.scheduler, a.claim) == (b.instance_hash, b.scheduler, b.claim)
