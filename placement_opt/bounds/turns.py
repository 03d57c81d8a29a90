"""What is proven of layers that were not drawn, by how much their turns read: a roofline, and the least that prices charge.

A turn takes no less than its fixed loads and its reads at the best split over everything that serves. At prices of turns a
layer pays no less than for its fixed loads and for every byte read the cheapest way, with the rent of the tier that it lies in
at that turn: less than any path of its blocks, so that D of the whole is at least the sum over layers that were drawn and those
that were not.
"""

from __future__ import annotations

import operator
from fractions import Fraction

import numpy as np

from placement_opt.base import clock
from placement_opt.base.arrays import Array, Float64, Int64
from placement_opt.base.sums import exact_sum
from placement_opt.bounds.result import Bound, Status
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.paths import MOST_SETS
from placement_opt.certify.verify import second_worth, used_up
from placement_opt.instance.stacked import Stacked
from placement_opt.memory.split.timing import StepTimer

#: Of sums of times: more than rounding.
_SLACK = 1.0 - 1e-12
SPLIT = "no residency, no capacity, no moves: every byte read at the best split"


def roofline(question: Stacked) -> Bound:
    """The roofline of a question, by what its turns read and produce; ``step_s`` are the times of all steps."""
    began, known = clock.now(), dict[bytes, Float64]()
    step_s = np.empty((question.turns, question.layers))
    for layer in range(question.layers):
        amounts = question.make.amounts(layer)
        key = b"".join(each.tobytes() for each in amounts)
        if key not in known:
            known[key] = _times(question, *amounts)
        step_s[:, layer] = known[key]
    value = float(question.objective.time) * exact_sum(step_s) * _SLACK
    seconds = clock.now() - began
    return Bound("roofline", Status.BOUND, value, seconds, SPLIT, value_s=value, step_s=step_s.ravel())


def _times(question: Stacked, read: Int64, born: Int64) -> Float64:
    """float64[N] seconds: reads by anything that serves, births in the home tier, or any where there is none."""
    operations = question.memory.operations
    serve, store = operations.per_byte[operations.serving], operations.per_byte[operations.store]
    patterns, amounts = [(1 << len(serve)) - 1], [read]
    base = question.fixed + np.zeros((len(read), 1))
    if question.residency == "inclusive":
        base = base + born[:, None].astype(np.float64) * store[question.home]
    elif not question.forgets:
        patterns.append(((1 << len(store)) - 1) << len(serve))
        amounts.append(born)
    timer = StepTimer(question.memory, patterns, np.concatenate([serve, store]))
    return np.maximum(question.floor, timer.times(np.stack(amounts, axis=1).astype(np.float64), base))


class Least:
    """What layers add to D at least, at prices of turns in whole numbers."""

    def __init__(self, question: Stacked, prices: PriceCertificate) -> None:
        self._question, self._prices = question, prices
        operations, rho = question.memory.operations, prices.rho.astype(object)
        serve = rho @ operations.per_byte[operations.serving].astype(object).T
        self._filled, self._held = serve.min(axis=1).tolist(), _served(question, prices, serve).tolist()
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
        read, born = self._question.make.amounts(layer)
        filled = np.minimum(read, self._question.filling)  # of pages that are no blocks yet, at most
        paid = sum(map(operator.mul, self._filled, filled.tolist())) + sum(map(operator.mul, self._store, born.tolist()))
        paid += sum(map(operator.mul, self._held, (read - filled).tolist()))
        room = sum(map(operator.mul, self._rent, self._question.rooms[layer].tolist()))
        return Fraction(self._same + paid - room) / self._prices.quantum


def _served(question: Stacked, prices: PriceCertificate, serve: Array) -> Array:
    """[N]: what a byte that a turn reads of a block pays at least, with the rent of a tier that it lies in as the turn begins.

    It is served from there, or from where it is copied in the steps before its own; or from no tier. ``serve``: [N, V].
    """
    operations, tiers = question.memory.operations, question.num_tiers
    if question.residency != "exclusive" and 1 << tiers > MOST_SETS:  # of some tiers nobody is charged rent
        return np.asarray(serve.min(axis=1))
    turns, source = len(serve), operations.source[operations.serving]
    copied = prices.rho.astype(object) @ operations.per_byte[operations.copies].astype(object).T
    copied = copied.reshape(turns, tiers, tiers)
    copied[:, range(tiers), range(tiers)] = 0
    for middle in range(tiers):
        copied = np.minimum(copied, copied[:, :, middle, None] + copied[:, None, middle])
    near = np.stack([serve[:, source == tier].min(axis=1) for tier in range(tiers)], axis=1)
    paid = (prices.rent[:-1].astype(object) + (copied + near[:, None]).min(axis=2)).min(axis=1)
    anew = serve[:, source < 0]
    return np.asarray(np.minimum(paid, anew.min(axis=1)) if anew.shape[1] else paid)
