"""What binds: at each step the resource that carries most of the step's price, counted over the steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.instance.stacked import AnyQuestion

#: A price of no more than this share of a step is a solver's rounding.
DUST = 1e-6


@dataclass(frozen=True)
class Binding:
    """How often one resource binds.

    Attributes
    ----------
    resource
        Its name; None for the floor under the steps' times.
    share
        Of the steps.
    """

    resource: str | None
    share: float


def binding(instance: AnyQuestion, rho: Float64) -> tuple[Binding, ...]:
    """What binds at resource prices ``rho`` (float64[T, R], seconds per byte), the most frequent first.

    The share of a step's price that resource r carries is ``B_r rho[t, r]``; what is left to 1 is the floor's, where the step
    has one. A step whose prices are all dust counts for nothing, so the shares may add up to less than 1.
    """
    used = rho * instance.memory.rates
    idle = np.where(np.greater(instance.floor, 0), 1.0 - used.sum(axis=1), 0.0)
    shares = np.column_stack([used, idle])
    counts = np.bincount(shares.argmax(axis=1)[shares.max(axis=1) > DUST], minlength=shares.shape[1])
    names: list[str | None] = [*instance.memory.resources, None]
    found = [Binding(name, int(count) / len(rho)) for name, count in zip(names, counts, strict=True) if count]
    return tuple(sorted(found, key=lambda one: -one.share))
