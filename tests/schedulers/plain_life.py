"""The life tables of the contender once more, one block at a time, in dictionaries."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np

from placement_opt.play.protocol import Setting, View
from placement_opt.schedulers.base import cache_tiers

_EDGES = [1, 2, 3, 4, 5]
while _EDGES[-1] < 2**20:
    _EDGES.append(max(_EDGES[-1] + 1, _EDGES[-1] * 5 // 4))
_WIDTHS = [float(b - a) for a, b in pairwise(_EDGES)] + [float(_EDGES[-1])]
_COLUMNS, _ROWS, _CLASSES, _BORN = 16, 5, 8, 80
_FRESH = _BORN + 1


class PlainLife:
    """As :class:`placement_opt.schedulers.contender.life.Life`; counts are kept apart from what is believed beforehand."""

    def __init__(self, setting: Setting) -> None:
        blocks = len(setting.size)
        self._layer = [0] * blocks if setting.block_layer is None else setting.block_layer.tolist()
        self._clock = [0] * setting.num_layers
        self.last, self.state = np.full(blocks, -1), np.full(blocks, -1)
        self.alive = np.zeros(blocks, dtype=bool)
        self._run, self._reads, self._age = [0] * blocks, [0] * blocks, [-1] * blocks
        self._after: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._tried: dict[tuple[int, int], float] = defaultdict(float)
        self._hit: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self.alive[setting.initial_blocks] = True
        fastest = cache_tiers(setting)[:1]
        self._room = float(setting.capacity[fastest[0]]) / setting.num_layers if fastest else 1.0
        self._size, self._turn, self.begun = setting.size, 1.0, False
        layers = setting.num_layers if setting.block_layer is not None else 1
        self.groups = min(layers, 8)
        self._group, self._classes = [layer * self.groups // layers for layer in range(layers)], _CLASSES * self.groups
        levels = len(cache_tiers(setting)) if setting.residency == "cache" else 1
        self.rent, self.write = np.full(levels, 0.5), np.ones(levels)
        self.fresh = np.zeros((levels, _FRESH))
        self.idle = [[[0.0] * len(_EDGES) for _ in range(self._classes)] for _ in range(levels)]
        self._seen = self._open = 0
        self.solved = False
        self._solve(30)

    def begin(self, size: float) -> None:
        """Believe by how much of a layer's room is read."""
        self._turn = min(1.0, size / self._room) if self._room else 1.0
        self.rent[:], self.begun = max(0.5 * self._turn, 1e-6), True
        self.fresh[:] = 0.0
        self._solve(30)

    def step(self, view: View) -> list[int]:
        """See a step; blocks that have come to another state, layer by layer: read, then unread, the oldest first."""
        reads, births = view.reads.tolist(), view.births.tolist()
        self.alive[view.reads] = True
        turned: list[int] = []
        for layer in sorted({self._layer[b] for b in reads + births} if len(self._clock) > 1 else {0}):
            own = [[b for b in ids if self._layer[b] == layer] for ids in (reads, births)]
            turned += own[0]
            turned += sorted(self._layer_step(layer, *own), key=lambda b: (-self.interval(b), self.state[b] == _BORN, b))
        self.alive[view.freed] = False
        self._seen += len(reads)
        self._open += len(reads)
        self.solved = self._open > min(4000, 0.1 * self._seen)
        if self.solved:
            self._learn()
        return turned

    def kind(self, b: int) -> int:
        """The class of a block, by its layer and its reads."""
        own = _CLASSES * self._group[self._layer[b]] if self.groups > 1 else 0
        return own + sum(self._reads[b] >= most for most in (1, 2, 3, 6, 12, 24, 48))

    def interval(self, b: int) -> int:
        """Of its age; -1 where it was just read or produced."""
        age = self._clock[self._layer[b]] - self.last[b]
        return -1 if age < 1 else self._interval(age)

    def _layer_step(self, layer: int, reads: list[int], births: list[int]) -> list[int]:
        self._clock[layer] += 1
        now = self._clock[layer]
        for at, b in enumerate(reads):
            column, age = at * _COLUMNS // len(reads), now - 1 - self.last[b]
            again = self.last[b] >= 0 and age == 0
            self._run[b] = self._run[b] + 1 if again and self.state[b] != _BORN else 1
            fresh = min(self._run[b].bit_length() - 1, _ROWS - 1) * _COLUMNS + column
            if again:
                self._after[int(self.state[b])][fresh] += 1
            elif self.last[b] >= 0:
                where = self.kind(b), self._interval(age)
                self._hit[where][column] += 1
                self._tried[where] += 1
            self.last[b], self.state[b] = now, fresh
            self._reads[b] += 1
        turned = []
        for b in range(len(self._layer)):
            if self._layer[b] != layer or not self.alive[b] or not 0 <= self.last[b] < now or b in births:
                continue
            age = now - self.last[b]
            if age == 1:
                self._after[int(self.state[b])][_FRESH + self.kind(b)] += 1
                turned.append(b)
            elif age in _EDGES:
                self._tried[self.kind(b), _EDGES.index(age) - 1] += 1
                turned.append(b)
        for b in births:
            self.last[b], self.state[b], self.alive[b] = now, _BORN, True
            self._run[b] = self._reads[b] = 0
        return turned

    @staticmethod
    def _interval(age: int) -> int:
        return max(i for i, edge in enumerate(_EDGES) if edge <= max(age, 1))

    def _learn(self) -> None:
        kept = 0.8 ** (self._open / 4000)
        for table in (*self._after.values(), *self._hit.values(), self._tried):
            for key in table:
                table[key] *= kept  # type: ignore[index]
        self._open = 0
        self._solve(3)

    def _outcomes(self, s: int) -> dict[int, float]:
        """Counts of what comes after a state: believed, seen, and seen of other runs."""
        row, column = divmod(s, _COLUMNS) if s < _BORN else (-1, _COLUMNS - 1)
        goes = 0.3 - 0.2 * column / (_COLUMNS - 1)
        found: dict[int, float] = defaultdict(float)
        for j, count in self._believed(row, column, goes).items():
            found[j] += count
        for j, count in self._after[s].items():
            found[j] += count
        if s == _BORN:
            return found
        pool: dict[int, float] = defaultdict(float)
        for r in range(_ROWS):
            one = r * _COLUMNS + column
            for table in (self._believed(r, column, goes), self._after[one]):
                for j, count in table.items():
                    pool[j if j >= _FRESH else min(row + 1, _ROWS - 1) * _COLUMNS + j % _COLUMNS] += count
        total = sum(pool.values())
        for j, count in pool.items():
            found[j] += 8.0 * count / total
        return found

    def _believed(self, row: int, column: int, goes: float) -> dict[int, float]:
        stays = {min(row + 1, _ROWS - 1) * _COLUMNS + column: 1 - goes}
        return stays | {_FRESH + f: goes / self._classes for f in range(self._classes)}

    def _solve(self, sweeps: int) -> None:
        outcomes, shared = [self._outcomes(s) for s in range(_FRESH)], self._shared()
        for _ in range(sweeps):
            for fresh, idle, rent, write in zip(self.fresh, self.idle, self.rent, self.write, strict=True):
                self._improve(outcomes, shared, fresh, idle, rent, write)

    def _improve(self, outcomes: list[dict[int, float]], shared: Any, fresh: Any, idle: Any, rent: float, write: float) -> None:
        worth = [1 + min(write, max(0.0, value)) for value in fresh.tolist()]
        for f in range(self._classes):
            later = 0.0
            for i in reversed(range(len(_EDGES))):
                hit, tried = shared[f, i]
                chance = sum(hit) / tried
                back = sum(h * w for h, w in zip(hit, worth, strict=False)) / tried
                later = back - _WIDTHS[i] * (1 - chance / 2) * rent + (1 - chance) * max(0.0, later)
                idle[f][i] = later
        for s in reversed(range(_FRESH)):
            value = 0.0
            for j, count in outcomes[s].items():
                stays = j < _FRESH
                value += count * (1 + min(write, max(0.0, fresh[j])) if stays else max(0.0, idle[j - _FRESH][0]))
            fresh[s] = value / sum(outcomes[s].values()) - rent

    def _shared(self) -> dict[tuple[int, int], tuple[list[float], float]]:
        """How many of a class and age were read, by column, and of how many: its own, and of all layers and classes."""
        found = {}
        for i in range(len(_EDGES)):
            kinds = [self._counts([c + _CLASSES * g for g in range(self.groups)], i) for c in range(_CLASSES)]
            total = sum(count for _, count in kinds[2:])
            several = [50.0 * sum(one[c] for one, _ in kinds[2:]) / total for c in range(_COLUMNS)]
            for f in range(self._classes):
                hit, tried = kinds[f % _CLASSES]
                if f % _CLASSES >= 2:
                    hit, tried = [h + more for h, more in zip(hit, several, strict=True)], tried + 50.0
                if self.groups > 1:
                    own, count = self._counts([f], i)
                    hit, tried = [o + 400.0 * h / tried for o, h in zip(own, hit, strict=True)], count + 400.0
                found[f, i] = hit, tried
        return found

    def _counts(self, classes: list[int], i: int) -> tuple[list[float], float]:
        """The same of what is believed, once, and seen of these classes."""
        chance = min(0.9, 1 - math.exp(-0.1 * self._turn * _WIDTHS[i]))
        hit = [chance / _COLUMNS + sum(self._hit[f, i].get(c, 0.0) for f in classes) for c in range(_COLUMNS)]
        return hit, 1 + sum(self._tried[f, i] for f in classes)
