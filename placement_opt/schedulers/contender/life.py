"""Life tables, learnt online: who is read again, how soon and how often, and what room for it is worth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.play.protocol import Ids, Setting, View
from placement_opt.schedulers.base import cache_tiers, layer_of

#: Reads between two solutions at most, the part of them all at first, and what is forgotten of the counts at each at most.
_BATCH, _FIRST, _KEPT = 4000, 0.1, 0.8
#: Reads that the other runs of a column count for.
_POOLED = 8.0
#: Beforehand, where a step reads all the room of its layer: the rent, and the chance that a block unread is read at a step.
_RENT, _BACK = 0.5, 0.1


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

    ``rent[k]`` is the price of a byte's room at level k of the hierarchy for a step of its layer, in reads of that byte, and
    ``write[k]`` what it takes to store a byte there, in reads of it saved; ``fresh[k]`` and ``idle[k]`` are the values by them.
    Where blocks have to lie somewhere there is level 0 alone.
    """

    def __init__(self, setting: Setting) -> None:
        from placement_opt.schedulers.contender import life_kernels

        self._kernels = life_kernels
        blocks, ages, layers = len(setting.size), len(EDGES), setting.num_layers
        self.layer = layer_of(setting)
        self._size, self._order = setting.size, cache_tiers(setting)
        # A layer's even part of the fastest tier.
        self._room = float(setting.capacity[self._order[0]]) / layers if self._order else 1.0
        self._clock = np.zeros(layers, dtype=np.int64)
        self._before: list[Ids] = [np.zeros(0, dtype=np.int64) for _ in self._clock]
        block = np.full((blocks, life_kernels.FIELDS), -1, dtype=np.int32)
        block[:, life_kernels.RUN : life_kernels.ALIVE + 1] = 0
        block[setting.initial_blocks, life_kernels.ALIVE] = 1
        none = np.full((layers, ages), -1, dtype=np.int64)
        levels = len(self._order) if setting.residency == "cache" else 1
        self.rent, self.write = np.full(levels, _RENT), np.ones(levels)
        self._reads = self._open = 0
        self.solved, self._begun = False, False
        self._prior(1.0)
        tables = self._after0.copy(), self._tried0.copy(), self._hit0.copy()
        self._seen = life_kernels.Seen(block, none, none.copy(), EDGES, *tables)
        self.fresh, self.idle = np.zeros((levels, life_kernels.STATES)), np.zeros((levels, life_kernels.CLASSES, ages))
        self._solve(30)

    @property
    def last(self) -> Int32:
        """int32[B]: when each block was last read or produced, by its layer's clock; -1 where it never was."""
        return np.asarray(self._seen.block[:, self._kernels.LAST])

    def begin(self, size: float) -> None:
        """Scale what is believed beforehand by the part of a layer's room that the first step reads, in bytes."""
        turn = min(1.0, size / self._room) if self._room else 1.0
        self.rent[:] = max(_RENT * turn, 1e-6)
        self._prior(turn)
        self._seen.hit[:] = self._hit0
        self._begun = True
        self.fresh[:], self.idle[:] = 0.0, 0.0
        self._solve(30)

    def _prior(self, turn: float) -> None:
        """What is believed before anything is seen, at the weight of a few reads: newer stay longer, and who is not read
        comes back the sooner the larger the part of the room is that a step reads."""
        k = self._kernels
        self._after0 = np.zeros((k.STATES, k.STATES + k.CLASSES))
        for state in range(k.STATES):
            row, column = divmod(state, k.COLUMNS) if state < k.BORN else (-1, k.COLUMNS - 1)
            goes = 0.3 - 0.2 * column / (k.COLUMNS - 1)
            self._after0[state, min(row + 1, k.ROWS - 1) * k.COLUMNS + column] = 1 - goes
            self._after0[state, k.STATES :] = goes / k.CLASSES
        self._tried0 = np.ones((k.CLASSES, len(EDGES)))
        chance = np.minimum(0.9, 1 - np.exp(-_BACK * turn * WIDTH))
        self._hit0 = np.zeros((k.CLASSES, len(EDGES), k.COLUMNS)) + (chance / k.COLUMNS)[:, None]

    def step(self, view: View) -> tuple[Ids, npt.NDArray[np.float64]]:
        """See a step; blocks that are not read now but have come to another age, and their values."""
        reads, births = view.reads.astype(np.int64), view.births.astype(np.int64)
        if not self._begun and len(reads):
            self.begin(float(self._size[reads].sum()))
        if len(self._clock) == 1:
            turned = self._layer_step(0, reads, births)
        else:
            own, new = self.layer[reads], self.layer[births]
            layers = np.unique(np.concatenate([own, new])).tolist()
            if len(layers) == 1:
                turned = self._layer_step(layers[0], reads, births)
            else:
                parts = [self._layer_step(layer, reads[own == layer], births[new == layer]) for layer in layers]
                turned = np.concatenate(parts) if parts else reads
        self._seen.block[view.freed, self._kernels.ALIVE] = 0
        self._reads += len(reads)
        self._open += len(reads)
        self.solved = self._open > min(_BATCH, _FIRST * self._reads)
        if self.solved:
            self._learn()
        if len(view.freed):
            turned = turned[self._seen.block[turned, self._kernels.ALIVE] > 0]
        return turned, self.values(turned)

    def values(self, ids: Ids, level: int = 0) -> npt.NDArray[np.float64]:
        """Of blocks at a level, in the states they are in now; nothing for those never seen."""
        return np.asarray(self._kernels.values(self._seen.block, ids, self.fresh[level], self.idle[level]))

    def _layer_step(self, layer: int, reads: Ids, births: Ids) -> Ids:
        self._clock[layer] += 1
        now, before = int(self._clock[layer]), self._before[layer]
        self._before[layer] = np.concatenate([reads, births]) if len(births) else reads
        return np.asarray(self._kernels.step(self._seen, layer, now, reads, births, before))

    def _learn(self) -> None:
        """Forget a part by how much was seen since, and solve anew."""
        kept = _KEPT ** (self._open / _BATCH)
        for table, prior in ((self._seen.after, self._after0), (self._seen.hit, self._hit0), (self._seen.tried, self._tried0)):
            table -= prior
            table *= kept
            table += prior
        self._open = 0
        self._solve(3)

    def _solve(self, sweeps: int) -> None:
        after, seen = self._seen.after + self._pooled(), self._seen
        for level, (rent, write) in enumerate(zip(self.rent.tolist(), self.write.tolist(), strict=True)):
            fresh, idle = self.fresh[level], self.idle[level]
            self._kernels.solve(after, seen.tried, seen.hit, WIDTH, rent, write, fresh, idle, sweeps)

    def _pooled(self) -> npt.NDArray[np.float64]:
        """What all runs together say of a column, at the weight of a few reads, for each run that was seen little."""
        k = self._kernels
        seen = self._seen.after[: k.BORN].reshape(k.ROWS, k.COLUMNS, k.STATES + k.CLASSES).sum(axis=0)
        stay = seen[:, : k.BORN].reshape(k.COLUMNS, k.ROWS, k.COLUMNS).sum(axis=1)
        total = seen.sum(axis=1, keepdims=True) / _POOLED
        table = np.zeros((k.STATES, k.STATES + k.CLASSES))
        for row in range(k.ROWS):
            here, longer = slice(row * k.COLUMNS, (row + 1) * k.COLUMNS), min(row + 1, k.ROWS - 1) * k.COLUMNS
            table[here, longer : longer + k.COLUMNS] = stay / total
            table[here, k.STATES :] = seen[:, k.STATES :] / total
        return table
