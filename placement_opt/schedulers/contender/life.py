"""Life tables, learnt online: who is read again, how soon and how often, and what room for it is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Ids, Setting, View
from placement_opt.schedulers.base import layer_of

#: Columns: quantiles of position in a read set. Rows: runs of consecutive reads, by their logarithm. Classes: reads so far.
COLUMNS, ROWS, CLASSES = 16, 5, 5
#: States of blocks just read, and the state of those just produced.
BORN = COLUMNS * ROWS
STATES = BORN + 1
#: Reads between two solutions at most, the part of them all at first, and what is forgotten of the counts at each at most.
_BATCH, _FIRST, _KEPT = 4000, 0.1, 0.8
#: Reads that the other runs of a column count for.
_POOLED = 8.0


def _edges() -> Int64:
    """int64: ages at which an interval begins: 1, 2, ..., then by a quarter wider each time."""
    edges = [1]
    while edges[-1] < 2**20:
        edges.append(max(edges[-1] + 1, edges[-1] * 5 // 4))
    return np.array(edges, dtype=np.int64)


EDGES = _edges()
WIDTH = np.append(np.diff(EDGES), EDGES[-1]).astype(np.float64)


class Life:
    """What is known of every block, and of blocks in general. A clock counts the steps of each layer.

    ``rent`` is the price of a byte's room for a step of its layer, in reads of that byte, and ``write`` what it takes to
    store a byte in the fastest tier, in reads of it saved.
    """

    def __init__(self, setting: Setting) -> None:
        from placement_opt.schedulers.contender import life_kernels

        self._kernels = life_kernels
        blocks, ages = len(setting.size), len(EDGES)
        self.layer = layer_of(setting)
        self._clock = np.zeros(setting.num_layers, dtype=np.int64)
        self.last = np.full(blocks, -1, dtype=np.int64)  # when it was last read or produced, by its layer's clock
        self.state = np.full(blocks, -1, dtype=np.int8)  # of that time
        self.run = np.zeros(blocks, dtype=np.int32)
        self.reads = np.zeros(blocks, dtype=np.int32)
        self.alive = np.zeros(blocks, dtype=bool)
        self._due: list[dict[int, list[Ids]]] = [{} for _ in self._clock]
        self._before: list[Ids] = [np.zeros(0, dtype=np.int64) for _ in self._clock]
        self._prior()
        self._after, self._hit, self._tried = self._after0.copy(), self._hit0.copy(), self._tried0.copy()
        self.fresh, self.idle = np.zeros(STATES), np.zeros((CLASSES, ages))
        self.rent, self.write = 1 / 64, 1.0
        self._seen = self._open = 0
        self._solve(30)

    def _prior(self) -> None:
        """What is believed before anything is seen, at the weight of a few reads: newer stay longer, older return later."""
        ages = len(EDGES)
        self._after0 = np.zeros((STATES, STATES + CLASSES))
        for state in range(STATES):
            row, column = divmod(state, COLUMNS) if state < BORN else (-1, COLUMNS - 1)
            goes = 0.3 - 0.2 * column / (COLUMNS - 1)
            self._after0[state, min(row + 1, ROWS - 1) * COLUMNS + column] = 1 - goes
            self._after0[state, STATES:] = goes / CLASSES
        self._tried0 = np.ones((CLASSES, ages))
        self._hit0 = np.full((CLASSES, ages, COLUMNS), 0.2 / COLUMNS)

    def step(self, view: View) -> tuple[Ids, npt.NDArray[np.float64]]:
        """See a step; blocks that are not read now but have come to another age, and their values."""
        self.alive[view.reads] = True
        layers = np.unique(self.layer[np.concatenate([view.reads, view.births])]) if len(self._clock) > 1 else np.zeros(1, int)
        turned = [self._layer_step(int(layer), *self._of(layer, view)) for layer in layers]
        self.alive[view.freed] = False
        self._seen += len(view.reads)
        self._open += len(view.reads)
        self.solved = self._open > min(_BATCH, _FIRST * self._seen)
        if self.solved:
            self._learn()
        ids = np.concatenate(turned) if turned else np.zeros(0, dtype=np.int64)
        ids = ids[self.alive[ids]]
        return ids, self.values(ids)

    def values(self, ids: Ids) -> npt.NDArray[np.float64]:
        """Of blocks, in the states they are in now; nothing for those never seen."""
        age = self._clock[self.layer[ids]] - self.last[ids]
        value = np.where(age < 1, self.fresh[self.state[ids]], self.idle[self._class(ids), self._interval(ids)])
        return np.where(self.last[ids] < 0, -1e3, value)

    def _of(self, layer: int, view: View) -> tuple[Ids, Ids]:
        if len(self._clock) == 1:
            return view.reads.astype(np.int64), view.births.astype(np.int64)
        reads, births = (ids[self.layer[ids] == layer].astype(np.int64) for ids in (view.reads, view.births))
        return reads, births

    def _layer_step(self, layer: int, reads: Ids, births: Ids) -> Ids:
        self._clock[layer] += 1
        now, due = int(self._clock[layer]), self._due[layer]
        column = np.arange(len(reads)) * COLUMNS // max(1, len(reads))
        last, state = self.last[reads], self.state[reads]
        again, old = last == now - 1, (last >= 0) & (last < now - 1)
        self.run[reads] = np.where(again & (state != BORN), self.run[reads] + 1, 1)
        fresh = np.minimum(np.log2(self.run[reads]).astype(np.int64), ROWS - 1) * COLUMNS + column
        pairs = state[again].astype(np.int64) * (STATES + CLASSES) + fresh[again]
        self._after += np.bincount(pairs, minlength=self._after.size).reshape(self._after.shape)
        if old.any():
            kind = self._class(reads[old])
            interval = np.searchsorted(EDGES, now - 1 - last[old], side="right") - 1
            np.add.at(self._hit, (kind, interval, column[old]), 1.0)
            np.add.at(self._tried, (kind, interval), 1.0)
        self.last[reads], self.state[reads] = now, fresh
        self.reads[reads] += 1
        # Those of the step before that are not read now begin to age; others come to the next interval of their age.
        was = self._before[layer]
        gone = was[(self.last[was] == now - 1) & self.alive[was]]
        np.add.at(self._after, (self.state[gone].astype(np.int64), STATES + self._class(gone)), 1.0)
        older = due.pop(now, [])
        self.last[births], self.state[births], self.alive[births] = now, BORN, True
        self.run[births] = self.reads[births] = 0
        self._before[layer] = np.concatenate([reads, births])
        return self._age(layer, now, gone, np.concatenate(older) if older else gone[:0])

    def _age(self, layer: int, now: int, gone: Ids, older: Ids) -> Ids:
        """Enter blocks into the interval of their age, and note when they leave it."""
        due = self._due[layer]
        self._enter(due, gone, 0, now)
        age = now - self.last[older]
        interval = np.maximum(np.searchsorted(EDGES, age, side="right") - 1, 0)
        still = self.alive[older] & (interval > 0) & (age == EDGES[interval])  # others were read meanwhile
        older, interval = older[still], interval[still]
        # One read again may have been noted twice for this age.
        older, first = np.unique(older, return_index=True)
        interval = interval[first]
        np.add.at(self._tried, (self._class(older), interval - 1), 1.0)
        for i in np.flatnonzero(np.bincount(interval)):
            self._enter(due, older[interval == i], int(i), now)
        return np.concatenate([gone, older])

    @staticmethod
    def _enter(due: dict[int, list[Ids]], ids: Ids, interval: int, now: int) -> None:
        if len(ids) and interval + 1 < len(EDGES):
            due.setdefault(now + int(EDGES[interval + 1] - EDGES[interval]), []).append(ids)

    def _class(self, ids: Ids) -> Int64:
        many = self.reads[ids]
        return np.where(many < 3, many, np.where(many < 6, 3, 4)).astype(np.int64)

    def _interval(self, ids: Ids) -> Int64:
        age = self._clock[self.layer[ids]] - self.last[ids]
        return np.maximum(np.searchsorted(EDGES, age, side="right") - 1, 0)

    def _learn(self) -> None:
        """Forget a part by how much was seen since, and solve anew."""
        kept = _KEPT ** (self._open / _BATCH)
        for table, prior in ((self._after, self._after0), (self._hit, self._hit0), (self._tried, self._tried0)):
            table -= prior
            table *= kept
            table += prior
        self._open = 0
        self._solve(3)

    def _solve(self, sweeps: int) -> None:
        self._kernels.solve(
            self._after + self._pooled(), self._tried, self._hit, WIDTH, self.rent, self.write, self.fresh, self.idle, sweeps
        )

    def _pooled(self) -> npt.NDArray[np.float64]:
        """What all runs together say of a column, at the weight of a few reads, for each run that was seen little."""
        seen = self._after[:BORN].reshape(ROWS, COLUMNS, STATES + CLASSES).sum(axis=0)
        stay = seen[:, :BORN].reshape(COLUMNS, ROWS, COLUMNS).sum(axis=1)
        total = seen.sum(axis=1, keepdims=True) / _POOLED
        table = np.zeros((STATES, STATES + CLASSES))
        for row in range(ROWS):
            here, longer = slice(row * COLUMNS, (row + 1) * COLUMNS), min(row + 1, ROWS - 1) * COLUMNS
            table[here, longer : longer + COLUMNS] = stay / total
            table[here, STATES:] = seen[:, STATES:] / total
        return table
