"""A schedule written down: the start and the moves of every step, compactly, so that it can be played and checked again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.play.protocol import Ids, Moves, Resident


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a scheduler did.

    Operations have numbers, with K tiers: ``k`` stores to tier k, ``K + j * K + k`` fetches from tier j to tier k,
    ``K + K * K + k`` drops from tier k.

    Attributes
    ----------
    scheduler
        Whose moves they are.
    initial
        bool[K, B]: residency at state 0.
    indptr
        int64[T + 1]: step t makes the moves ``indptr[t]:indptr[t + 1]``.
    op, block
        int16[M] operation and int32[M] block of each move, in the order in which they were given.
    """

    scheduler: str
    initial: Resident
    indptr: npt.NDArray[np.int64]
    op: npt.NDArray[np.int16]
    block: npt.NDArray[np.int32]

    @property
    def num_steps(self) -> int:
        return len(self.indptr) - 1

    @property
    def num_moves(self) -> int:
        return len(self.op)

    def moves(self, step: int) -> Moves:
        """The moves of one step."""
        part = slice(self.indptr[step], self.indptr[step + 1])
        return moves_of(self.op[part], self.block[part], len(self.initial))


def numbered(moves: Moves, tiers: int) -> Iterator[tuple[int, Ids]]:
    """(operation number, ids) of each group of moves."""
    for tier, ids in moves.store:
        yield tier, ids
    for source, target, ids in moves.fetch:
        yield tiers + source * tiers + target, ids
    for tier, ids in moves.drop:
        yield tiers + tiers * tiers + tier, ids


def moves_of(op: npt.NDArray[np.integer], block: Ids, tiers: int) -> Moves:
    """The moves with these operation numbers; of each operation in the order given."""
    if not len(op):
        return Moves()
    order = np.argsort(op, kind="stable")
    sorted_op, sorted_block = op[order], block[order]
    starts = np.flatnonzero(np.r_[True, sorted_op[1:] != sorted_op[:-1]])
    groups = [(int(sorted_op[low]), ids) for low, ids in zip(starts, np.split(sorted_block, starts[1:]), strict=True)]
    fetches, drops = tiers, tiers + tiers * tiers
    return Moves(
        store=[(number, ids) for number, ids in groups if number < fetches],
        fetch=[(*divmod(number - fetches, tiers), ids) for number, ids in groups if fetches <= number < drops],
        drop=[(number - drops, ids) for number, ids in groups if number >= drops],
    )


class Recorder:
    """Collects moves, step after step, from the residency at state 0 (bool[K, B], copied) on."""

    def __init__(self, initial: Resident) -> None:
        self._initial = initial.copy()
        self._op: list[npt.NDArray[np.int16]] = []
        self._block: list[npt.NDArray[np.int32]] = []
        self._ends: list[int] = [0]

    def add(self, moves: Moves) -> None:
        """The (already checked) moves of the next step."""
        total = self._ends[-1]
        for number, ids in numbered(moves, len(self._initial)):
            self._op.append(np.full(len(ids), number, dtype=np.int16))
            self._block.append(ids.astype(np.int32))
            total += len(ids)
        self._ends.append(total)

    def schedule(self, scheduler: str) -> Schedule:
        empty_op, empty_block = np.zeros(0, dtype=np.int16), np.zeros(0, dtype=np.int32)
        return Schedule(
            scheduler,
            self._initial,
            np.array(self._ends, dtype=np.int64),
            np.concatenate([empty_op, *self._op]),
            np.concatenate([empty_block, *self._block]),
        )
