"""Where a run's time and bytes went: what served its reads, what was written, how busy each resource was, its longest steps.

A resource is *full* in a step where, at the split of the step's reads, its load alone takes all of the step's time, and *idle*
where it has no load at all. A share of time weighs each step by how long it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Flags, Float64

if TYPE_CHECKING:
    from placement_opt.play.run import Run

#: How many of the longest steps are told.
LONGEST = 5
_FULL = 1.0 - 1e-9


@dataclass(frozen=True)
class ResourceUse:
    """One resource: a tier's rate, a direction of a link, or what else operations load.

    Attributes
    ----------
    resource, unit
        Its name, and what it counts: "bytes" or "requests".
    load
        What it carried in all, in its unit.
    busy
        Share of the time that its load takes alone.
    full
        Share of the time in which it is full.
    idle
        Share of the time in which it is idle while another one is full.
    """

    resource: str
    unit: str
    load: float
    busy: float
    full: float
    idle: float


@dataclass(frozen=True)
class Use:
    """What a run used.

    Attributes
    ----------
    served
        (operation, bytes) of what served reads.
    written
        (tier, bytes) stored to it or copied into it.
    resources
        Of each.
    idle
        Share of the time in which one of the resources that the run ever loads is idle while another one is full.
    longest
        (step, seconds), the longest first; of equals the first.
    """

    served: tuple[tuple[str, float], ...]
    written: tuple[tuple[str, float], ...]
    resources: tuple[ResourceUse, ...]
    idle: float
    longest: tuple[tuple[int, float], ...]


def use_of(run: Run) -> Use:
    """What a run used; the reads of each step are split, one after the other."""
    instance, memory = run.instance, run.instance.memory
    names = memory.operations.names[memory.operations.first_serving :]
    written = run.stored_bytes + run.copied_bytes.sum(axis=0)
    loads = run.step_loads
    idle: Flags = np.equal(loads, 0.0)
    full: Flags = np.greater_equal(loads / memory.rates, run.step_s[:, None] * _FULL) & ~idle
    held_up: Flags = np.asarray(full.any(axis=1))[:, None]
    waiting: Flags = idle & held_up
    ever = np.flatnonzero(loads.any(axis=0))
    order = np.argsort(-run.step_s, kind="stable")[:LONGEST].tolist()
    whole = run.step_s.sum()

    def share(when: Flags) -> Float64:
        return np.asarray(run.step_s @ when / whole if whole > 0 else np.zeros(when.shape[1:]), dtype=np.float64)

    busy = loads.sum(axis=0) / memory.rates / whole if whole > 0 else np.zeros(instance.num_resources)
    shares = np.stack([busy, share(full), share(waiting)], axis=1).tolist()
    return Use(
        served=tuple(zip(names, run.served_bytes.tolist(), strict=True)),
        written=tuple(zip(memory.tier_names, written.tolist(), strict=True)),
        resources=tuple(
            ResourceUse(name, memory.units.get(name, "bytes"), load / memory.scale.get(name, 1), *each)
            for name, load, each in zip(memory.resources, loads.sum(axis=0).tolist(), shares, strict=True)
        ),
        idle=float(share(np.asarray(waiting[:, ever].any(axis=1)))),
        longest=tuple((step, float(run.step_s[step])) for step in order),
    )
