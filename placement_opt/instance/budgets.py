"""Budgets over a whole run, and what is minimised (time, unless an instance says otherwise).

A budget h holds over the run, whose steps take tau seconds in all and add load_h to the budget's meter:

    load_h <= fixed + per_second * tau

Both numbers may have any sign: background power is a ``per_second`` lowered by so many watts, a cap on time one of -1 without a
meter. The objective is ``time * tau + sum over meters of weight * load``, in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def used(self, load: float, seconds: float) -> float:
        """The share that a run uses up: of what it may load, so much for each second included.

        ``load``: parts of the meter; ``seconds`` that the run takes. What is lost for each second (background power) counts
        as loaded, so that time is the load of a cap on time.
        """
        rate = float(self.per_second)
        allowed, loaded = float(self.fixed) + max(rate, 0.0) * seconds, load + max(-rate, 0.0) * seconds
        return loaded / allowed if allowed else 0.0


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


def used_meters(budgets: Sequence[Budget], objective: Objective) -> tuple[int, ...]:
    """Columns of the memory system's meters that a budget or the objective names, ascending."""
    named = {budget.meter for budget in budgets if budget.meter is not None}
    return tuple(sorted(named | {meter for meter, _ in objective.weights}))


def objective_text(meters: Meters, objective: Objective) -> str:
    """What is minimised: "time", or "time + 0.5 s/J energy + 2 s/TB written flash"."""
    each = float(objective.time)
    terms = [] if not each else ["time" if each == 1 else f"{each:.6g} time"]
    for meter, weight in objective.weights:
        unit, size = ("J", 1) if meters.units[meter] == "J" else ("TB", 10**12)
        terms.append(f"{float(weight * meters.parts[meter] * size):.6g} s/{unit} {meters.names[meter]}")
    return " + ".join(terms)


def amount_text(meters: Meters, budget: Budget, amount: float | Fraction) -> str:
    """So many parts of a budget's meter (seconds, where it has none), in its unit."""
    if budget.meter is None:
        return f"{float(amount):.6g} s"
    return f"{float(amount / meters.parts[budget.meter]):.6g} {meters.units[budget.meter]}"
