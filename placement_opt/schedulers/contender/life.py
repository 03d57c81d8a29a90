"""Life tables, learnt online: who is read again, how soon and how often, and what room for it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.play.protocol import Setting

if TYPE_CHECKING:
    from placement_opt.schedulers.contender.life_kernels import Seen

#: Reads between two solutions at most, the part of them all at first, and what is forgotten of the counts at each at most.
_BATCH, _FIRST, _KEPT = 4000, 0.1, 0.8
#: Reads that the other runs of a column count for.
_POOLED = 8.0
#: Reads from which on classes share what is seen of an age, and reads that it counts for in each.
_SEVERAL, _SHARED = 2, 50.0
#: Layers are told apart in so many groups; what all of them show counts for so many reads in each.
_GROUPS, _LAYERS = 8, 400.0
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
    """What is known of blocks in general, by the states they are in. A clock counts the steps of each layer.

    ``rent[k]`` is the price of a byte's room at level k of the hierarchy for a step of its layer, in reads of that byte, and
    ``write[k]`` what it takes to store a byte there, in reads of it saved; ``fresh[k]`` and ``idle[k]`` are the values by them
    of blocks just read and of others. Where blocks have to lie somewhere there is level 0 alone.

    Parameters
    ----------
    setting
        Of the run.
    levels
        That have values of their own.
    room
        Bytes of a layer's even part of the fastest tier.
    """

    def __init__(self, setting: Setting, levels: int, room: float) -> None:
        from placement_opt.schedulers.contender import life_kernels, shelves_kernels

        self._kernels, self._states = life_kernels, shelves_kernels
        ages, layers = len(EDGES), setting.num_layers
        self._room = room
        self.rent, self.write = np.full(levels, _RENT), np.ones(levels)
        self._reads = self._open = 0
        self.begun = False
        layers = setting.num_layers if setting.block_layer is not None else 1
        groups = min(layers, _GROUPS)
        #: int64[layers]: of those whose tables are one
        self.group = np.arange(layers) * groups // layers
        self._classes = shelves_kernels.CLASSES * groups
        self._prior(1.0)
        none = np.full((layers, ages + 1), -1, dtype=np.int32)
        tables = self._after0.copy(), self._tried0.copy(), self._hit0.copy()
        self.seen: Seen = life_kernels.Seen(np.zeros(layers, dtype=np.int64), none, none.copy(), EDGES, *tables)
        classes, states = self._classes, shelves_kernels.STATES
        self.fresh, self.idle = np.zeros((levels, states)), np.zeros((levels, classes, ages))
        self._solve(30)

    def begin(self, size: float) -> None:
        """Scale what is believed beforehand by the part of a layer's room that the first step reads, in bytes."""
        turn = min(1.0, size / self._room) if self._room else 1.0
        self.rent[:] = max(_RENT * turn, 1e-6)
        self._prior(turn)
        self.seen.hit[:] = self._hit0
        self.begun = True
        self.fresh[:], self.idle[:] = 0.0, 0.0
        self._solve(30)

    def adopt(self, other: Life) -> None:
        """Know what another one has learnt."""
        self._reads, self._open, self.begun = other._reads, other._open, other.begun
        for name in ("rent", "write", "fresh", "idle", "_after0", "_tried0", "_hit0"):
            getattr(self, name)[:] = getattr(other, name)
        for name in ("after", "tried", "hit"):
            getattr(self.seen, name)[:] = getattr(other.seen, name)

    def learn(self, reads: int) -> bool:
        """So many reads more were seen; whether values were solved anew."""
        self._reads += reads
        self._open += reads
        if self._open <= min(_BATCH, _FIRST * self._reads):
            return False
        kept = _KEPT ** (self._open / _BATCH)
        for table, prior in ((self.seen.after, self._after0), (self.seen.hit, self._hit0), (self.seen.tried, self._tried0)):
            self._kernels.forget(table.ravel(), prior.ravel(), kept)
        self._open = 0
        self._solve(3)
        return True

    def values(self) -> npt.NDArray[np.float64]:
        """float64[levels, STATES + CLASSES * A]: of blocks just read, then of others by class and interval of age."""
        return np.concatenate([self.fresh, self.idle.reshape(len(self.idle), -1)], axis=1)

    def _prior(self, turn: float) -> None:
        """What is believed before anything is seen, at the weight of a few reads: newer stay longer, and who is not read
        comes back the sooner the larger the part of the room is that a step reads."""
        k = self._states
        self._after0 = np.zeros((k.STATES, k.STATES + self._classes))
        for state in range(k.STATES):
            row, column = divmod(state, k.COLUMNS) if state < k.BORN else (-1, k.COLUMNS - 1)
            goes = 0.3 - 0.2 * column / (k.COLUMNS - 1)
            self._after0[state, min(row + 1, k.ROWS - 1) * k.COLUMNS + column] = 1 - goes
            self._after0[state, k.STATES :] = goes / self._classes
        self._tried0 = np.ones((self._classes, len(EDGES)))
        chance = np.minimum(0.9, 1 - np.exp(-_BACK * turn * WIDTH))
        self._hit0 = np.zeros((self._classes, len(EDGES), k.COLUMNS)) + (chance / k.COLUMNS)[:, None]

    def _solve(self, sweeps: int) -> None:
        after, tables = self.seen.after + self._pooled(), (self.seen.tried, self.seen.hit)
        priors = self._tried0, self._hit0
        tried, hit = self._kernels.share(tables, priors, self._states.CLASSES, _SEVERAL, _SHARED, _LAYERS)
        for level, (rent, write) in enumerate(zip(self.rent.tolist(), self.write.tolist(), strict=True)):
            fresh, idle = self.fresh[level], self.idle[level]
            self._kernels.solve(after, tried, hit, WIDTH, rent, write, fresh, idle, sweeps)

    def _pooled(self) -> npt.NDArray[np.float64]:
        """What all runs together say of a column, at the weight of a few reads, for each run that was seen little."""
        k = self._states
        seen = self.seen.after[: k.BORN].reshape(k.ROWS, k.COLUMNS, k.STATES + self._classes).sum(axis=0)
        stay = seen[:, : k.BORN].reshape(k.COLUMNS, k.ROWS, k.COLUMNS).sum(axis=1)
        total = seen.sum(axis=1, keepdims=True) / _POOLED
        table = np.zeros((k.STATES, k.STATES + self._classes))
        for row in range(k.ROWS):
            here, longer = slice(row * k.COLUMNS, (row + 1) * k.COLUMNS), min(row + 1, k.ROWS - 1) * k.COLUMNS
            table[here, longer : longer + k.COLUMNS] = stay / total
            table[here, k.STATES :] = seen[:, k.STATES :] / total
        return table
