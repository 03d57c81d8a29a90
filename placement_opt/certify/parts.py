"""The blocks of an instance by the loads that operations have for them, and how much one of them can pay in a step.

Written for the verifier alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.certify.priced import Sets
from placement_opt.certify.rows import Exact, Rows, kinds_of
from placement_opt.instance.instance import Instance


@dataclass(frozen=True, eq=False)
class Part:
    """The n blocks of one kind, renumbered, and their reads.

    Attributes
    ----------
    rows
        What operations load for a unit of them.
    weight
        int64[n]: units that each counts.
    first, last
        int64[n]: the states from and to which each lives.
    initial
        bool[K, n], or None.
    indptr, blocks, shares
        The reads of each step, as in a trace.
    share_base
        What shares are numerators over.
    """

    rows: Rows
    weight: Int64
    first: Int64
    last: Int64
    initial: npt.NDArray[np.bool_] | None
    indptr: Int64
    blocks: npt.NDArray[np.integer[Any]]
    shares: npt.NDArray[np.integer[Any]] | None
    share_base: int

    @property
    def num_steps(self) -> int:
        return len(self.indptr) - 1


def parts(instance: Instance) -> Iterator[Part]:
    """An instance's blocks kind by kind."""
    trace, kinds = instance.trace, kinds_of(instance)
    first, last, base = instance.first_state, instance.last_state, instance.share_base
    if len(kinds.rows) == 1:
        given = instance.initial
        yield Part(kinds.rows[0], kinds.amount, first, last, given, trace.indptr, trace.blocks, trace.shares, base)
        return
    kind_of_read = kinds.kind[trace.blocks]
    for number, rows in enumerate(kinds.rows):
        ids, reads = np.flatnonzero(kinds.kind == number), np.flatnonzero(kind_of_read == number)
        place = np.zeros(instance.num_blocks, dtype=np.int64)
        place[ids] = np.arange(len(ids))
        yield Part(
            rows,
            kinds.amount[ids],
            first[ids],
            last[ids],
            None if instance.initial is None else instance.initial[:, ids],
            np.searchsorted(reads, trace.indptr),
            place[trace.blocks[reads]],
            None if trace.shares is None else trace.shares[reads],
            base,
        )


def as_exact(array: Exact, largest_sum: int) -> Exact:
    """The array itself where sums up to ``largest_sum`` fit 64 bits, otherwise as Python integers."""
    return array if largest_sum < 2**62 else array.astype(object)


def step_costs(part: Part, sets: Sets, rho: Int64, rent: Int64) -> list[int]:
    """For each step at least what one unit can pay in it, times the share base; the last entry is for the start.

    ``rho`` int64[T, R + M], ``rent`` int64[T + 1, K].
    """
    rows, tiers = part.rows, rent.shape[1]
    loads = np.concatenate([rows.serve, rows.store, rows.copy.reshape(-1, rho.shape[1])]).max(axis=0)
    dearest = as_exact(rho, int(rho.max(initial=0)) * sum(loads.tolist())) @ loads  # no operation costs more, per step
    rents = as_exact(rent, int(rent.max(initial=0)) * tiers * rows.size).sum(axis=1) * rows.size
    held = rents[1:] + rents[:-1] if sets.always else rents[1:]  # what is not tracked is read at a state's rent
    scale, steps = part.share_base, zip(dearest.tolist(), held.tolist(), strict=True)
    # a read, and a copy or store into every other tier; or, at birth, a store into every tier
    return [scale * ((1 + tiers) * paid + rented) for paid, rented in steps] + [scale * int(rents[0])]
