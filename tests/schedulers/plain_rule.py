"""The contender's own rule once more: a list of what is where, searched for every victim, copied before every attempt."""

from __future__ import annotations

from typing import Any

import numpy as np

from placement_opt.play.protocol import Moves, Setting, View
from placement_opt.schedulers.base import cache_tiers
from placement_opt.schedulers.hierarchy.transition import Sources, moves_to, stuck
from tests.schedulers.plain_life import PlainLife

_NEVER = -2.0


class PlainRule:
    """As :class:`placement_opt.schedulers.contender.rule.Rule`. ``place[b]`` is a level's number, ``spare[b]`` a set of them;
    under the inclusive rule all are in ``spare``. ``since[level, b]`` tells who came to its state, or there, before."""

    name, online, source = "plain", True, "this project"

    def __init__(self, memory: float) -> None:
        self.memory = memory

    def start(self, setting: Setting, first_reads: Any) -> Any:
        self.setting, self.rule, self.order = setting, setting.residency, cache_tiers(setting)
        self.life, self.sources = PlainLife(setting), Sources(setting.memory)
        operations = setting.memory.operations
        self.table, self.rate = operations.per_byte.astype(float), setting.memory.rates.astype(float)
        self.serving, self.tiers = operations.tiers + operations.tiers**2, operations.tiers
        outside = [row for row in operations.serving if operations.source[row] < 0]
        self.outside = sorted(outside, key=lambda row: float((self.table[row] / self.rate).max()))
        self.place: dict[int, int] = {}
        self.spare: dict[int, set[int]] = {b: set() for b in range(len(setting.size))}
        self.since: dict[tuple[int, int], int] = {}
        self.turn = self.steps = 0
        self.room = [int(setting.capacity[tier]) for tier in self.order]
        self.first: dict[int, int] = {}  # state of a free start
        self.price, self.moved = np.zeros(len(self.rate)), np.zeros(len(self.rate))
        self.copy: list[float] = []
        if any(len(ids) for ids in first_reads):
            self.life.begin(float(sum(setting.size[ids].sum() for ids in first_reads)) / len(first_reads))
        for ids in first_reads:
            self.first |= {b: at * 16 // len(ids) for at, b in enumerate(ids.tolist())}
        self.worth = self._ranked()
        if setting.initial is not None:
            for b in np.flatnonzero(setting.initial.any(axis=0)).tolist():
                held = [level for level, tier in enumerate(self.order) if setting.initial[tier, b]]
                for at, level in enumerate(held):
                    self._put(b, level, spare=self.rule == "inclusive" or at > 0)
            return None
        among = {b: at / len(ids) for ids in first_reads for at, b in enumerate(ids.tolist())}
        best = sorted(setting.initial_blocks.tolist(), key=lambda b: (self._worth(b), among.get(b, 0.0), b))[::-1]
        for b in best:
            if self.rule == "inclusive":
                for level in range(len(self.order)):
                    self._cache(b, level, -np.inf)
            else:
                self._settle(b, 0, len(self.order), -np.inf)
        if self.rule in ("free", "cache"):
            last = len(self.order) - 1
            for b in best:
                if self.place.get(b) != last and self.room[last] >= setting.size[b]:
                    self._put(b, last, spare=True)
        for b in best[::-1]:
            self._restate(b)
        resident = np.zeros((self.tiers, len(setting.size)), dtype=bool)
        for b in best:
            for level in self._levels(b):
                resident[self.order[level], b] = True
        if self.rule == "inclusive":
            resident[setting.home, setting.initial_blocks] = True
        return resident

    def step(self, view: View) -> Moves:
        if not self.order:
            return Moves()
        life, setting, births = self.life, self.setting, view.births.tolist()
        if not life.begun and len(view.reads):
            life.begin(float(setting.size[view.reads].sum()))
            self.worth = self._ranked()
        for b in life.step(view):
            self.first.pop(b, None)
            self._restate(b)
        if life.solved:
            self.worth = self._ranked()
        self._learn_prices(view)
        for b in view.freed.tolist():
            for level in list(self._levels(b)):
                self._take(b, level, spare=self.place.get(b) != level)
        level, bar = self._choose()
        barred = stuck(setting, view).tolist()
        wanted = [b for b in view.reads.tolist() if b not in barred and self._absent(b)] + births
        wanted = [b for b in wanted if b not in view.freed and level[life.state[b]] < len(self.order)]
        wanted.sort(key=lambda b: (self.worth[0][life.state[b]], life.state[b], b), reverse=True)
        before = {b: set(self._levels(b)) for b in range(len(setting.size))}
        if self.rule == "inclusive":
            for at in range(len(self.order)):
                for b in wanted:
                    if at >= level[life.state[b]] and at not in self.spare[b]:
                        self._cache(b, at, bar[life.state[b]])
        else:
            fast = self._spread([b for b in wanted if b in births], level[80])
            for b in wanted:
                self._promote(b, *((0, -np.inf) if b in fast else (level[life.state[b]], bar[life.state[b]])))
        self._learn_rent()
        changed = [b for b in before if before[b] != set(self._levels(b)) and b not in view.freed]
        after = np.zeros(len(changed), dtype=np.uint16)
        for i, b in enumerate(changed):
            after[i] = sum(1 << self.order[at] for at in self._levels(b))
            after[i] += (self.rule == "inclusive") << setting.home
        moves = moves_to(setting, view, np.array(changed, dtype=np.int64), after, self.sources)
        self.moved = np.zeros(len(self.rate))
        for tier, ids in moves.store:
            self.moved += setting.size[ids].sum() * self.table[tier]
        for source, tier, ids in moves.fetch:
            self.moved += setting.size[ids].sum() * self.table[self.tiers + source * self.tiers + tier]
        return moves

    def _ranked(self) -> Any:
        """Of each shelf at each level."""
        rows = [
            [*fresh, *(x for one in idle for x in one)] for fresh, idle in zip(self.life.fresh, self.life.idle, strict=True)
        ]
        return np.round(np.array(rows) * 2**20) / 2**20

    def _shelf(self, b: int) -> int:
        life = self.life
        if life.last[b] < 0:
            return self.first.get(b, -1)
        age = life.interval(b)
        return int(life.state[b]) if age < 0 else 81 + life.kind(b) * ((len(self.worth[0]) - 81) // (8 * life.groups)) + age

    def _worth(self, b: int, level: int = 0) -> float:
        shelf = self._shelf(b)
        return _NEVER if shelf < 0 else float(self.worth[level if level < len(self.worth) else 0][shelf])

    def _levels(self, b: int) -> set[int]:
        return self.spare[b] | ({self.place[b]} if b in self.place else set())

    def _absent(self, b: int) -> bool:
        return len(self.spare[b]) < len(self.order) if self.rule == "inclusive" else self.place.get(b) != 0

    def _put(self, b: int, level: int, *, spare: bool) -> None:
        if spare:
            self.spare[b].add(level)
        else:
            self.place[b] = level
        self.room[level] -= int(self.setting.size[b])
        self.turn += 1
        self.since[level, b] = self.turn

    def _take(self, b: int, level: int, *, spare: bool) -> None:
        if spare:
            self.spare[b].remove(level)
        else:
            del self.place[b]
        self.room[level] += int(self.setting.size[b])

    def _restate(self, b: int) -> None:
        for level in self._levels(b):
            self.turn += 1
            self.since[level, b] = self.turn

    def _state(self) -> Any:
        return dict(self.place), {b: set(levels) for b, levels in self.spare.items()}, dict(self.since), list(self.room)

    def _revert(self, state: Any) -> None:
        self.place, self.spare, self.since, self.room = state

    def _lowest(self, level: int, *, spare: bool) -> int | None:
        if spare:
            held = [b for b, levels in self.spare.items() if level in levels]
        else:
            held = [b for b, at in self.place.items() if at == level]
        last = len(self.worth[0])
        return min(held, key=lambda b: (self._worth(b), self._shelf(b) % (last + 1), self.since[level, b]), default=None)

    def _reclaim(self, level: int, size: int) -> None:
        while self.rule != "inclusive" and self.room[level] < size:
            b = self._lowest(level, spare=True)
            if b is None:
                return
            self._take(b, level, spare=True)

    def _cache(self, b: int, level: int, bar: float) -> None:
        state = self._state()
        while self.room[level] < self.setting.size[b]:
            victim = self._lowest(level, spare=True)
            if victim is None or not self._worth(victim) < bar:
                self._revert(state)
                return
            self._take(victim, level, spare=True)
        self._put(b, level, spare=True)

    def _open(self, b: int, level: int, bar: float) -> list[int] | None:
        """The victims that find no spare copy; None where no room is made."""
        state, out = self._state(), []
        while True:
            self._reclaim(level, int(self.setting.size[b]))
            if self.room[level] >= self.setting.size[b]:
                return out
            may = self.rule == "cache" or level < len(self.order) - 1
            victim = self._lowest(level, spare=False) if may else None
            if victim is None or not self._worth(victim) < bar:
                self._revert(state)
                return None
            self._take(victim, level, spare=False)
            if self.spare[victim]:
                fastest = min(self.spare[victim])
                self._take(victim, fastest, spare=True)
                self._put(victim, fastest, spare=False)
            else:
                out.append(victim)

    def _settle(self, b: int, start: int, stop: int, bar: float) -> bool:
        todo = [(b, start)]
        while todo:
            one, level = todo.pop()
            own = one == b
            limit, end = (bar, stop) if own else (self._worth(one), len(self.order))
            for at in range(level, end):
                last = self.life.last[one] < 0 and one not in self.first
                barred = (
                    not last and at > 0 and self.rule == "cache" and self._worth(one, at) <= self.copy[at]
                    if self.copy
                    else False
                )
                if not own and barred:
                    continue
                out = self._open(one, at, limit)
                if out is not None:
                    self._put(one, at, spare=False)
                    todo += [(victim, at + 1) for victim in out]
                    break
            else:
                if own or self.rule != "cache":
                    return False
        return True

    def _promote(self, b: int, target: int, bar: float) -> None:
        level = self.place.get(b, len(self.order))
        if target >= level:
            return
        state = self._state()
        if b in self.place:
            self._take(b, level, spare=False)
            if self.rule in ("free", "cache"):
                self._put(b, level, spare=True)
        if not self._settle(b, target, level, bar):
            self._revert(state)
            if self.rule != "cache" and level == len(self.order):
                for at in range(level):
                    self._reclaim(at, int(self.setting.size[b]))
                    if self.room[at] >= self.setting.size[b]:
                        self._put(b, at, spare=False)
                        return

    def _learn_prices(self, view: View) -> None:
        weight = self.setting.size[view.reads].astype(float)
        if view.shares is not None:
            weight = weight * view.shares / self.setting.share_base
        load = view.fixed + self.moved
        for b, w in zip(view.reads.tolist(), weight.tolist(), strict=True):
            tier = next((k for k in self.setting.memory.by_speed if view.resident[k, b]), None)
            row = self.serving + tier if tier is not None else self.outside[0] if self.outside else None
            if row is not None:
                load = load + w * self.table[row]
        used = load / self.rate
        weights = (used / used.max()) ** 4.0 if used.any() else np.ones(len(used))
        self.load = load - self.moved
        self.steps += 1
        self.price = self.price + (weights / weights.sum() / self.rate - self.price) / min(self.steps, self.memory)

    def _crowded(self, level: int) -> bool:
        return self.room[level] < int(self.setting.capacity[self.order[level]]) // 50 + 1

    def _least(self, level: int) -> float:
        b = self._lowest(level, spare=self.rule == "inclusive")
        return self._worth(b, level) if b is not None and self._crowded(level) else 0.0

    def _choose(self) -> tuple[list[int], list[float]]:
        levels, cost, order = len(self.order), self.table @ self.price, self.order
        level, bar, must = [levels] * 81, [-np.inf] * 81, self.rule in ("exclusive", "free")
        last = self.setting.home if self.rule == "inclusive" else order[-1]
        base = min(cost[self.outside]) if self.rule == "cache" and self.outside else cost[self.serving + last]
        self.copy = [np.inf] * levels
        for at in reversed(range(levels)):
            tier, least = order[at], min(0.0, self._least(at))
            saved, write = base - cost[self.serving + tier], cost[tier]
            if at and saved > 0:
                self.copy[at] = cost[self.tiers + order[at - 1] * self.tiers + tier] / saved
            if self.rule == "exclusive" and at + 1 < levels:
                write += cost[self.tiers + tier * self.tiers + order[at + 1]]
            if at < len(self.life.write):
                self.life.write[at] = min(write / saved, 1e3) if saved > 0 else 1e3
            for s in range(81 if saved > 0 else 0):
                here, born = min(at, len(self.worth) - 1), s == 80 and must
                worth = self.worth[here][s] - (write - cost[order[-1]] if born else write) / saved
                if worth > least or (born and least == 0.0 and cost[tier] <= cost[order[-1]]):
                    level[s], bar[s] = at, self.worth[0][s] if here else worth
        if must:
            level[80] = min(level[80], levels - 1)
        return level, bar

    def _spread(self, born: list[int], level: int) -> set[int]:
        """What is produced and must lie somewhere, but goes to the fastest tier, for else the step would be longer."""
        fast: set[int] = set()
        if level == 0 or self.rule not in ("exclusive", "free"):
            return fast
        size, room = self.setting.size, self.room[0]
        quick, slow = self.table[self.order[0]], self.table[self.order[level]]
        most, load = max((self.load + sum(size[b] for b in born) * quick) / self.rate), self.load.copy()
        for b in born:
            if max((load + size[b] * slow) / self.rate) > most and size[b] <= room:
                fast.add(b)
                room -= size[b]
                load += size[b] * quick
            else:
                load += size[b] * slow
        return fast

    def _learn_rent(self) -> None:
        for at in range(len(self.life.rent)):
            rent = float(self.life.rent[at])
            if self._least(at) > 0:
                rent *= 1.05
            elif self._crowded(at):
                rent /= 1.05
            elif at:
                rent *= 0.5
            self.life.rent[at] = min(max(rent, 1e-3 if at else 1e-6), 0.5)
