"""What a run with a given split of its reads costs, and whether it keeps the budgets: in exact fractions.

Written for the verifier alone. Where an instance has budgets or another objective than time, the steps are no longer timed one
by one: a slower split may be what keeps a budget. So a certificate says how reads are split, and here that is only checked and
added up. A run may wait between its steps: then budgets that grow by the second allow more.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import CertificateError
from placement_opt.certify.rows import Kinds
from placement_opt.certify.split import Pattern
from placement_opt.instance.budgets import amount_text
from placement_opt.instance.instance import Instance


class Account:
    """Seconds and meters of all steps so far, their reads split as a certificate says.

    Parameters
    ----------
    parts, split
        As in a certificate: for each step, kind of block and set of operations, what each of them serves but the last.
    """

    def __init__(self, instance: Instance, kinds: Kinds, parts: int, split: npt.NDArray[np.int64]) -> None:
        if split.ndim != 1 or split.dtype != np.int64 or parts < 1:
            raise CertificateError(f"the split is {split.dtype}{split.shape} in 1/{parts}, expected whole numbers in a row")
        self._instance, self._kinds, self._parts = instance, kinds, parts
        self._rates: list[int] = instance.memory.rates.tolist()
        self._numbers: Iterator[int] = iter(split.tolist())
        self._scale = parts * instance.share_base
        self._step = 0
        self._sums: dict[int, int] = {}  # denominator of seconds to numerators, so that few fractions are added
        self._counted = [load * self._scale for load in instance.metered.tolist()]

    def add(self, loads: list[int], served: dict[Pattern, int]) -> None:
        """The next step: loads on resources and meters, and what is read by kind and the operations that can serve it."""
        loads = [load * self._parts for load in loads]
        for (kind, ways), total in sorted(served.items()):
            row, left = self._kinds.rows[kind].serve, total * self._parts
            for way in ways[:-1]:
                some = next(self._numbers, -1)
                left -= some
                if some < 0 or left < 0:
                    self._refuse(total, some)
                loads = _plus(loads, some, row[way].tolist())
            loads = _plus(loads, left, row[ways[-1]].tolist())
        self._time(loads[: len(self._rates)])
        self._counted = list(map(operator.add, self._counted, loads[len(self._rates) :]))

    def cost(self) -> Fraction:
        """The objective of the whole run, in seconds.

        Raises
        ------
        CertificateError
            Numbers of the split are left over; a budget is not kept, however long the run waits.
        """
        if next(self._numbers, None) is not None:
            raise CertificateError("the split has more numbers than there are reads to split")
        counted = dict(zip(self._instance.used_meters, (Fraction(load, self._scale) for load in self._counted), strict=True))
        seconds = sum((Fraction(over, under) for under, over in self._sums.items()), Fraction(0))
        over = [
            (budget, (Fraction(0) if budget.meter is None else counted[budget.meter]) - budget.fixed)
            for budget in self._instance.budgets
        ]
        waits = [excess / budget.per_second for budget, excess in over if budget.per_second > 0]
        seconds = max([seconds, *waits])
        for budget, excess in over:
            excess -= budget.per_second * seconds
            if excess > 0:
                amount = amount_text(self._instance.memory.meters, budget, excess)
                raise CertificateError(f"breaks the budget {budget.name} by {amount} in {float(seconds):.6g} s")
        objective = self._instance.objective
        return objective.time * seconds + sum((weight * counted[meter] for meter, weight in objective.weights), Fraction(0))

    def _time(self, loads: list[int]) -> None:
        over, under = float(self._instance.floor[self._step]).as_integer_ratio()
        for load, rate in zip(loads, self._rates, strict=True):
            if load * under > over * rate * self._scale:
                over, under = load, rate * self._scale
        self._sums[under] = self._sums.get(under, 0) + over
        self._step += 1

    def _refuse(self, total: int, some: int) -> None:
        if some < 0:
            message = "the split ends before all reads are served" if some == -1 else f"the split holds {some}, below 0"
        else:
            message = f"the split serves more than the {total} units that are read"
        raise CertificateError(message, step=self._step)


def _plus(loads: list[int], amount: int, row: list[int]) -> list[int]:
    return [load + amount * factor for load, factor in zip(loads, row, strict=True)]
