"""Slow and obvious twins: a simulator in sets and fractions, and the hierarchy of caches with lists and copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction

from placement_opt.instance.instance import Instance
from placement_opt.memory.split.read_split import Ways, exact_time
from placement_opt.play.schedule import Schedule
from tests.twins import allowed, nearest

Holders = dict[int, frozenset[int]]


@dataclass
class Played:
    """What the slow simulator found; ``states[t]`` says which tiers hold each alive block."""

    latency: Fraction = Fraction(0)
    read: Fraction = Fraction(0)
    hit: Fraction = Fraction(0)
    stored: dict[int, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    copied: dict[tuple[int, int], Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    states: list[Holders] = field(default_factory=list)


def replay(instance: Instance, schedule: Schedule) -> Played:
    """Play recorded moves by the letter of the problem statement, section 2; AssertionError where they break a rule."""
    memory, trace, tiers = instance.memory, instance.trace, range(instance.num_tiers)
    birth, death, size = trace.birth.tolist(), trace.death.tolist(), instance.size.tolist()
    fastest = memory.fastest
    held: Holders = {
        b: frozenset(k for k in tiers if schedule.initial[k, b]) for b in range(instance.num_blocks) if birth[b] == -1
    }
    played = Played(states=[dict(held)])
    check_state(instance, held)
    for t in range(instance.num_steps):
        low, high = int(trace.indptr[t]), int(trace.indptr[t + 1])
        share = {
            int(trace.blocks[i]): Fraction(1 if trace.shares is None else int(trace.shares[i]), trace.share_base)
            for i in range(low, high)
        }
        births = [b for b in range(instance.num_blocks) if birth[b] == t]
        load = [Fraction(int(x)) for x in instance.fixed[t]]
        served: dict[frozenset[int], Fraction] = defaultdict(Fraction)
        for b, a in share.items():
            served[held[b]] += a * size[b]
            played.read += a * size[b]
            played.hit += a * size[b] if fastest in held[b] else 0
        after = {b: set(where) for b, where in held.items() if death[b] > t} | {b: set() for b in births}

        def store(b: int, k: int, amount: Fraction, load: list[Fraction] = load) -> None:
            played.stored[k] += amount * size[b]
            for r in range(len(load)):
                load[r] += amount * size[b] * int(memory.write[k, r])

        def copy(b: int, j: int, k: int, amount: Fraction, load: list[Fraction] = load) -> None:
            played.copied[j, k] += amount * size[b]
            for r in range(len(load)):
                load[r] += amount * size[b] * int(memory.copy[j, k, r])

        if instance.inclusive:
            for b in births:
                store(b, instance.home, Fraction(1))
                after[b].add(instance.home)
        moves = schedule.moves(t)
        for k, ids in moves.store:
            for b in ids.tolist():
                part = Fraction(1) if b in births else share[b]
                store(b, k, part)
                if part < 1:
                    copy(b, nearest(instance, held[b], k), k, 1 - part)
                assert k not in after[b]
                after[b].add(k)
        for j, k, ids in moves.fetch:
            for b in ids.tolist():
                assert j in held[b]
                assert k not in after[b]
                copy(b, j, k, Fraction(1))
                after[b].add(k)
        for k, ids in moves.drop:
            for b in ids.tolist():
                assert k in held[b]
                after[b].remove(k)
        patterns = sorted(served, key=sorted)
        base = instance.share_base
        amounts = [int(served[p] * base) for p in patterns]
        time = (
            exact_time(Ways(memory.rates, memory.read), [sorted(p) for p in patterns], amounts, [int(x * base) for x in load])
            / base
        )
        played.latency += max(time, Fraction(float(instance.floor[t])))
        held = {b: frozenset(where) for b, where in after.items()}
        check_state(instance, held)
        played.states.append(dict(held))
    return played


def check_state(instance: Instance, held: Holders) -> None:
    """Capacity and copies of one state."""
    for k, capacity in enumerate(instance.capacity.tolist()):
        assert sum(int(instance.size[b]) for b, where in held.items() if k in where) <= capacity
    assert all(allowed(instance, where) for where in held.values())


def followed(instance: Instance, schedule: Schedule) -> list[Holders]:
    """Which tiers hold each alive block at every state, under any rule; nothing is checked."""
    birth, death = instance.trace.birth.tolist(), instance.trace.death.tolist()
    tiers, home = range(instance.num_tiers), {instance.home} if instance.inclusive else set()
    held = {b: {k for k in tiers if schedule.initial[k, b]} for b, born in enumerate(birth) if born == -1}
    states = [{b: frozenset(where) for b, where in held.items()}]
    for t in range(instance.num_steps):
        held = {b: where for b, where in held.items() if death[b] > t} | {b: set(home) for b, s in enumerate(birth) if s == t}
        moves = schedule.moves(t)
        for k, ids in [*moves.store, *((k, ids) for _, k, ids in moves.fetch)]:
            for b in ids.tolist():
                held[b].add(k)
        for k, ids in moves.drop:
            for b in ids.tolist():
                held[b].remove(k)
        states.append({b: frozenset(where) for b, where in held.items()})
    return states


class SlowCaches:
    """The hierarchy of caches, written for reading: every attempt works on a copy of everything.

    ``place[b]``: the tiers in which the block counts (several under the inclusive rule); ``spare[b]``: its spare copies.
    Under the rule cache a block may have neither.
    """

    def __init__(self, instance: Instance, group: Sequence[int], quota: dict[tuple[int, int], int], grouped: set[int]) -> None:
        self.rule, self.size = instance.residency, instance.size.tolist()
        self.capacity = instance.capacity.tolist()
        speed = list(instance.memory.by_speed)
        self.levels = speed[: speed.index(instance.home)] if instance.inclusive else speed
        self.group, self.quota, self.grouped = list(group), quota, grouped
        self.key: dict[int, int] = {}
        self.place: dict[int, set[int]] = {}
        self.spare: dict[int, set[int]] = {}

    def members(self, k: int, b: int) -> list[int]:
        """Blocks placed in tier k that block b competes with, the next victim first."""
        same = [
            x for x, where in self.place.items() if k in where and (k not in self.grouped or self.group[x] == self.group[b])
        ]
        return sorted(same, key=lambda x: (self.key[x], x))

    def room(self, k: int) -> int:
        return self.capacity[k] - sum(self.size[x] for where in (self.place, self.spare) for x, ts in where.items() if k in ts)

    def fits(self, k: int, b: int, *, quota: bool = True) -> bool:
        used = sum(self.size[x] for x in self.members(k, b))
        allowed = self.quota.get((k, self.group[b]), 2**62) if k in self.grouped else 2**62
        return self.room(k) >= self.size[b] and (not quota or used + self.size[b] <= allowed)

    def reclaim(self, k: int, b: int) -> None:
        while self.room(k) < self.size[b]:
            spares = sorted((x for x, where in self.spare.items() if k in where), key=lambda x: (self.key[x], x))
            if not spares:
                return
            self.spare[spares[0]].remove(k)

    def within_quota(self, k: int, b: int) -> bool:
        used = sum(self.size[x] for x in self.members(k, b))
        return k not in self.grouped or used + self.size[b] <= self.quota.get((k, self.group[b]), 2**62)

    def fall_back(self, b: int) -> bool:
        for k in self.levels:
            if k in self.spare.get(b, ()):
                self.spare[b].remove(k)
                self.place[b].add(k)
                return True
        return False

    def attempt(self, b: int, start: int, stop: int, bar: int) -> SlowCaches | None:
        """These caches with the block placed at one of these levels and its victims further down; None if that cannot be."""
        for level in range(start, stop):
            trial, k, evicted = deepcopy(self), self.levels[level], []
            while True:
                if trial.within_quota(k, b):
                    trial.reclaim(k, b)
                if trial.fits(k, b):
                    break
                victims = [x for x in trial.members(k, b)[:1] if trial.key[x] < bar and self.displaces(level)]
                if not victims:
                    break
                trial.place[victims[0]].remove(k)
                if not trial.fall_back(victims[0]):
                    evicted.append(victims[0])
            if not trial.fits(k, b):
                continue
            trial.place.setdefault(b, set()).add(k)
            for victim in reversed(evicted):
                below = trial.attempt(victim, level + 1, len(self.levels), trial.key[victim])
                if below is None and self.rule != "cache":
                    return None
                trial = below or trial
            return trial
        return None

    def displaces(self, level: int) -> bool:
        return self.rule == "cache" or level < len(self.levels) - 1

    def adopt(self, other: SlowCaches) -> None:
        self.place, self.spare = other.place, other.spare

    def level_of(self, b: int) -> int:
        return next((i for i, k in enumerate(self.levels) if k in self.place.get(b, ())), len(self.levels))

    def lift(self, b: int) -> None:
        level = self.level_of(b)
        if level < len(self.levels):
            self.place[b].remove(self.levels[level])
            if self.rule in ("free", "cache"):
                self.spare.setdefault(b, set()).add(self.levels[level])

    def admit(self, wanted: Sequence[tuple[int, int, int]]) -> None:
        """(block, bar, level) in order."""
        if self.rule == "inclusive":
            for level, k in enumerate(self.levels):
                for b, bar, first in wanted:
                    if level < first or k in self.place.get(b, ()):
                        continue
                    trial = deepcopy(self)
                    while not trial.fits(k, b):
                        victims = [x for x in trial.members(k, b)[:1] if trial.key[x] < bar]
                        if not victims:
                            break
                        trial.place[victims[0]].remove(k)
                    if trial.fits(k, b):
                        trial.place.setdefault(b, set()).add(k)
                        self.adopt(trial)
            return
        for b, bar, first in wanted:
            level = self.level_of(b)
            if first >= level:
                continue
            trial = deepcopy(self)
            trial.lift(b)
            found = trial.attempt(b, first, level, bar)
            if found is None and level == len(self.levels) and self.rule != "cache":
                found = self.squeezed(b)
            if found is not None:
                self.adopt(found)

    def squeezed(self, b: int) -> SlowCaches:
        trial = deepcopy(self)
        for k in self.levels:
            trial.reclaim(k, b)
            if trial.fits(k, b, quota=False):
                trial.place.setdefault(b, set()).add(k)
                return trial
        raise AssertionError(f"no room for block {b}")

    def flush_in(self, wanted: Sequence[int]) -> None:
        for level in range(len(self.levels) if self.rule == "inclusive" else 1):
            k = self.levels[level]
            for b in [b for b in wanted if k not in self.place.get(b, ())]:
                trial = deepcopy(self)
                if self.rule != "inclusive":
                    trial.lift(b)
                    trial.reclaim(k, b)
                if not trial.fits(k, b):
                    for x in sorted(trial.members(k, b)):
                        before = deepcopy(trial)
                        trial.place[x].remove(k)
                        if self.rule == "inclusive" or trial.fall_back(x):
                            continue
                        moved = trial.attempt(x, level + 1, len(self.levels), -(2**62))
                        if moved is not None or self.rule != "cache":
                            trial.adopt(before if moved is None else moved)
                if trial.fits(k, b):
                    trial.place.setdefault(b, set()).add(k)
                    self.adopt(trial)
                elif self.rule == "inclusive":
                    self.adopt(trial)

    def start(self, instance: Instance, keys: dict[int, int]) -> None:
        """State 0, as given or filled."""
        self.key |= keys
        if instance.initial is not None:
            for b in keys:
                held = [k for k in self.levels if instance.initial[k, b]]
                split = len(held) if self.rule == "inclusive" else 1
                self.place[b], self.spare[b] = set(held[:split]), set(held[split:])
            return
        for b in sorted(keys, key=lambda x: (keys[x], x), reverse=True):
            if self.rule == "inclusive":
                self.place[b] = {k for k in self.levels if self.fits(k, b)}
            else:
                found = self.attempt(b, 0, len(self.levels), -(2**62))
                if found is not None or self.rule != "cache":
                    self.adopt(found or self.squeezed(b))
        if self.rule in ("free", "cache"):
            for b in sorted(keys, key=lambda x: (keys[x], x), reverse=True):
                if self.levels[-1] not in self.place.get(b, ()) and self.room(self.levels[-1]) >= self.size[b]:
                    self.spare.setdefault(b, set()).add(self.levels[-1])

    def forget(self, b: int) -> None:
        for table in (self.place, self.spare):
            table.pop(b, None)

    def holders(self, instance: Instance, alive: Sequence[int]) -> Holders:
        """Which tiers hold each of these blocks, the home tier included; copies in tiers slower than it are not ours."""
        home = {instance.home} if instance.inclusive else set()
        return {b: frozenset(self.place.get(b, set()) | self.spare.get(b, set()) | home) for b in alive}
