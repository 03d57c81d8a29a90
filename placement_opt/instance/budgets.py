"""Budgets over a whole run, and what is minimised (time, unless an instance says otherwise).

A budget h holds over the run, whose steps take tau seconds in all and add load_h to the budget's meter:

    load_h <= fixed + per_second * tau

Both numbers may have any sign: background power is a ``per_second`` lowered by so many watts, a cap on time one of -1 without a
meter. The objective is ``time * tau + sum over meters of weight * load``, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from placement_opt.memory.meters import Meters


@dataclass(frozen=True)
class Budget:
    """One budget.

    Attributes
    ----------
    name
        As the instance says it: "energy", "flash.lifetime", "time".
    meter
        Column of the memory system's meters; None: nothing is loaded, only time counts.
    fixed
        What may be loaded whatever the run takes, in parts of the meter's unit.
    per_second
        What may be loaded for each second that it takes, likewise.
    """

    name: str
    meter: int | None
    fixed: Fraction
    per_second: Fraction = Fraction(0)


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    Attributes
    ----------
    time
        Weight of a second of the run, >= 0.
    weights
        (meter, seconds) pairs: what one part of the meter's unit weighs, > 0; ascending by meter.
    """

    time: Fraction = Fraction(1)
    weights: tuple[tuple[int, Fraction], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is time and nothing else."""
        return self.time == 1 and not self.weights


TIME = Objective()


def amount_text(meters: Meters, budget: Budget, amount: float | Fraction) -> str:
    """So many parts of a budget's meter (seconds, where it has none), in its unit."""
    if budget.meter is None:
        return f"{float(amount):.6g} s"
    return f"{float(amount / meters.parts[budget.meter]):.6g} {meters.units[budget.meter]}"
