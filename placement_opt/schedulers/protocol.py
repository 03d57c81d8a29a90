"""What a scheduler is, what it sees, and what it answers (problem statement, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.instance import Instance, Residency
from placement_opt.memory.system import Int64, MemorySystem

Ids = npt.NDArray[np.integer]
Resident = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Moves:
    """What one step changes; everything takes effect at the next state.

    Attributes
    ----------
    store
        (tier, ids): write blocks that are at the processor anyway, just read or just produced, to a tier ("in passing").
        Under the inclusive rule the write of a new block to the home tier is done and charged by the simulator.
    fetch
        (source tier, target tier, ids): copy during the step.
    drop
        (tier, ids): forget a copy; free of charge. Room it leaves can be used by what arrives in the same step.
    """

    store: Sequence[tuple[int, Ids]] = ()
    fetch: Sequence[tuple[int, int, Ids]] = ()
    drop: Sequence[tuple[int, Ids]] = ()


@dataclass(frozen=True, eq=False)
class Setting:
    """All that an online scheduler is told before the first step: memory and rules, nothing of the trace.

    Attributes
    ----------
    memory, residency, home, capacity
        As in the instance.
    size
        int64[B]: bytes of each block id (ids are labels; sizes of blocks not yet produced are those of their kind).
    block_layer
        int32[B] layer of each block, or None.
    initial_blocks
        Ids that exist before step 0.
    fixed
        int64[R]: fixed load of the first step, as a guide to the load of weights.
    free_start
        Whether the scheduler chooses the initial residency.
    num_layers
        Number of layers, 1 without layer labels.
    """

    memory: MemorySystem
    residency: Residency
    home: int
    capacity: Int64
    size: Int64
    block_layer: npt.NDArray[np.int32] | None
    initial_blocks: Ids
    fixed: Int64
    free_start: bool
    num_layers: int


@dataclass(frozen=True, eq=False)
class View:
    """The present step, as shown to a scheduler.

    Attributes
    ----------
    step, layer
        Index of the step; its layer (0 without labels).
    reads
        Ids this step reads, ascending.
    births
        Ids this step produces.
    resident
        bool[K, B], read-only: residency when the step begins.
    used
        int64[K]: bytes in each tier that will still be occupied at the next state if nothing is moved (blocks freed after
        this step no longer count; under the inclusive rule the home copies of this step's births do).
    freed
        Ids freed after this step: they need no room at the next state and must not be moved.
    """

    step: int
    layer: int
    reads: Ids
    births: Ids
    resident: Resident
    used: Int64
    freed: Ids = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


class Scheduler(Protocol):
    """An online policy: sees the setting, then one step after the other."""

    name: str
    online: bool
    source: str

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """Prepare for a run; with a free start return the bool[K, B] residency at state 0, otherwise None.

        ``first_reads`` holds the first read set of each layer (of the first step without layers) where the start is free,
        and is empty otherwise. Under the inclusive rule the home row may be left False: the simulator fills it.
        """
        ...

    def step(self, view: View) -> Moves:
        """The moves of one step."""
        ...


class Clairvoyant(Scheduler, Protocol):
    """An offline policy: additionally handed the whole instance before :meth:`start`."""

    def plan(self, instance: Instance) -> None:
        """See everything once, before the run."""
        ...
