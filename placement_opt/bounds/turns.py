"""What is proven of layers that were not drawn, by how much their turns read: a roofline, and the least that prices charge.

A turn takes no less than its fixed loads and its reads at the best split over everything that serves. At prices of turns a
layer pays no less than for its fixed loads and for every byte read the cheapest way, without rents and moves: less than any
path of its blocks, so that D of the whole is at least the sum over layers that were drawn and those that were not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Float64, Int64
from placement_opt.bounds.result import Bound, Status
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.verify import second_worth, used_up
from placement_opt.instance.stacked import Stacked
from placement_opt.memory.split.timing import StepTimer

#: Of sums of times: more than rounding.
_SLACK = 1.0 - 1e-12
SPLIT = "no residency, no capacity, no moves: every byte read at the best split"


def roofline(question: Stacked, drawn: Mapping[int, float] | None = None) -> Bound:
    """The roofline of a question: of layers that were ``drawn`` in seconds as it was found, of others by what they read."""
    began, drawn = clock.now(), drawn or {}
    times, found = dict[bytes, float](), list(drawn.values())
    for layer in set(range(question.layers)) - set(drawn):
        amounts = question.make.amounts(layer)
        key = amounts[0].tobytes() + amounts[1].tobytes()
        if key not in times:
            times[key] = float(question.objective.time) * math.fsum(_times(question, *amounts).tolist())
        found.append(times[key])
    value = math.fsum(found) * _SLACK
    return Bound("roofline", Status.BOUND, value, clock.now() - began, SPLIT, value_s=value)


def _times(question: Stacked, read: Int64, born: Int64) -> Float64:
    """float64[N] seconds."""
    operations = question.memory.operations
    timer = StepTimer(question.memory, [(1 << int(operations.serves.sum())) - 1])
    base = question.fixed + np.zeros((len(read), 1))
    if question.residency == "inclusive":
        base = base + born[:, None].astype(np.float64) * operations.per_byte[operations.store][question.home]
    return np.maximum(question.floor, timer.times(read[:, None].astype(np.float64), base))


class Least:
    """What layers add to D at least, at prices of turns in whole numbers."""

    def __init__(self, question: Stacked, prices: PriceCertificate) -> None:
        self._question, self._prices = question, prices
        operations, rho = question.memory.operations, prices.rho.astype(object)
        self._serve = (rho @ operations.per_byte[operations.serving].astype(object).T).min(axis=1).tolist()
        store = rho @ operations.per_byte[operations.store].astype(object).T
        inclusive = question.residency == "inclusive"
        self._store = (store[:, question.home] if inclusive else store.min(axis=1) * (not question.forgets)).tolist()
        mu = np.zeros(0, dtype=np.int64) if prices.mu is None else prices.mu
        most = second_worth(question, prices.quantum, mu, no_schedule=prices.no_schedule)
        idle = sum(most - used for used in used_up(question.memory.rates, prices.quantum, prices.rho, most))
        self._same = Fraction(question.floor) * idle + sum((rho @ question.fixed.astype(object)).tolist())
        for price, budget in zip(mu.tolist(), question.share_of_budgets, strict=True):
            self._same -= price * budget.fixed
        self._rent = [sum(column) for column in prices.rent.T.tolist()]

    def of(self, layer: int) -> Fraction:
        """Seconds; may be negative."""
        read, born = (amounts.tolist() for amounts in self._question.make.amounts(layer))
        paid = sum(map(operator.mul, self._serve, read)) + sum(map(operator.mul, self._store, born))
        room = sum(map(operator.mul, self._rent, self._question.rooms[layer].tolist()))
        return Fraction(self._same + paid - room) / self._prices.quantum
