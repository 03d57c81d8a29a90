"""Points of a sweep help each other: prices that were found at one prove something at others, whatever was left open there.

In rows the prices of the points before and behind one are evaluated there, forth and back through the points: they are valid
wherever there are as many steps, tiers and resources (:mod:`placement_opt.bounds.dual.evaluate`).

In runs and layer by layer an evaluation would go through every block of every layer once more, and is not needed where room and
rates alone differ. Room has one term in what prices prove, in exact integers,

    D(C') = D(C) - sum_k (C'_k - C_k) sum_t lambda[t, k],

and prices stay legal where no rate that they charge for is higher; a lower one leaves more of a second to the floor. So every
point gets what the prices of any other prove there, and the more room and the higher rates, the lower the bound.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from placement_opt.answer.binding import binding
from placement_opt.answer.prove import Proof
from placement_opt.base.errors import LimitError
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Large
from placement_opt.layered.dual import below
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.study.grid import Question

#: A neighbour's prices are named as the source of a bound that they raise by more than this, relatively.
ROUNDING = 1e-9
#: Whose prices the methods hand on that prove more than their prices do.
_PRICED = {"milp": "lp", "step-integer": "step"}


def from_neighbours(asked: Sequence[Question], proofs: Mapping[int, Proof]) -> dict[int, Proof]:
    """Every proof in rows, or a better one by the prices of the point before it or behind it, forth and back."""
    best, order = dict(proofs), [at for at in proofs if not asked[at].by_layer]
    for other, here in (*itertools.pairwise(order), *itertools.pairwise(order[::-1])):
        instance, own = asked[here].instance(), best[here].bound
        assert isinstance(instance, Instance)
        found = _evaluated(instance, own, best[other].bound)
        if found is not own and found.prices is not None:
            best[here] = replace(best[here].with_bound(found), binds=binding(instance, found.prices.rho))
    return best


def _evaluated(instance: Instance, own: Bound, other: Bound) -> Bound:
    """The bound of a point, or what another point's prices prove there, whichever is higher."""
    if other.prices is None or Status.INFEASIBLE in (own.status, other.status):
        return own
    shapes = (instance.num_steps, instance.num_resources), (instance.num_steps + 1, instance.num_tiers)
    if (other.prices.rho.shape, other.prices.rent.shape) != shapes:
        return own
    try:
        proof = evaluate(instance, other.prices)
    except LimitError:  # more tiers than the dual has tables for
        return own
    if proof.value_s <= (own.lower_bound_s or 0.0):
        return own
    rests_on = "weak duality: the dual value at the prices of a neighbouring point, evaluated here without the solver"
    return replace(_better(own, other, proof.value_s, rests_on), prices=proof.prices)


def _better(own: Bound, other: Bound, value_s: float, rests_on: str) -> Bound:
    """The bound of a point raised to what another point's prices prove there."""
    better = replace(own, lower_bound_s=value_s)
    if not raised(own, better):
        return better
    early = own.status in (Status.LIMIT, Status.INTERRUPTED)
    note = f"prices of a neighbouring point prove more here than {own.method} did"
    return replace(
        better,
        method=_PRICED.get(other.method, other.method),
        status=own.status if early else Status.BOUND,
        rests_on=rests_on,
        note=note if own.status is not Status.NONE else f"{own.note}; {note}",
        value_s=None,
        step_s=None,
        details={},
    )


def raised(own: Bound, found: Bound) -> bool:
    """Whether a bound is more than another, but for rounding."""
    value, least = found.lower_bound_s or 0.0, own.lower_bound_s or 0.0
    return value > least * (1.0 + ROUNDING)


# ---- in runs and layer by layer ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """What prices of a question prove, and how that changes with room.

    Attributes
    ----------
    form
        Of the question: what must not differ.
    seconds
        D where they were found, above 0.
    rents
        Of each tier, summed over the states: seconds that one more byte there takes off.
    capacity
        Bytes for KV of each tier, where they were found.
    rates
        The highest rate of each resource at which they are known to be legal; None: nothing is charged for it.
    """

    form: str
    seconds: Fraction
    rents: tuple[Fraction, ...]
    capacity: tuple[int, ...]
    rates: tuple[int | None, ...]

    def at(self, question: Large) -> Fraction | None:
        """Seconds that the prices prove of another question (negative: nothing); None where nobody knows without a pass."""
        rates = zip(question.memory.rates.tolist(), self.rates, strict=True)
        if question.form != self.form or any(most is not None and rate > most for rate, most in rates):
            return None
        more = zip(question.capacity.tolist(), self.capacity, self.rents, strict=True)
        return self.seconds - sum((rent * (there - here) for there, here, rent in more), Fraction(0))


@dataclass(frozen=True, eq=False)
class Lending(Proof):
    """A proof in runs or layer by layer that keeps of its prices what they claim: the prices themselves may be gigabytes."""

    claim: Claim | None = None


def lending(question: Large, proof: Proof) -> Lending:
    """A proof without its prices and the times of its steps, with what the prices claim."""
    bare = replace(proof, bound=replace(proof.bound, prices=None, step_s=None))
    return Lending(**{one.name: getattr(bare, one.name) for one in fields(Proof)}, claim=_claim(question, proof.bound))


def _claim(question: Large, bound: Bound) -> Claim | None:
    """What a bound's prices prove exactly; None where there are none, or what they prove was cut at 0."""
    if not isinstance(bound.prices, CertifiedPrices) or bound.status is Status.INFEASIBLE:
        return None
    made = bound.prices.certificate
    if made.claim <= 0:
        return None
    rents = [Fraction(int(total), made.quantum) for total in made.rent.sum(axis=0, dtype=object)]
    charged = [bool(column.any()) for column in made.rho.T]
    rates = [rate if paid else None for rate, paid in zip(question.memory.rates.tolist(), charged, strict=True)]
    return Claim(question.form, made.claim, tuple(rents), tuple(question.capacity.tolist()), tuple(rates))


def from_others(asked: Sequence[Question], proofs: Mapping[int, Proof]) -> dict[int, Proof]:
    """Every proof in runs or layer by layer, or a better one by the prices of any other point; those in rows as they are."""
    best, claims = dict(proofs), {at: one.claim for at, one in proofs.items() if isinstance(one, Lending) and one.claim}
    for here, own in proofs.items():
        question = asked[here].source
        if not isinstance(question, Large) or own.bound.status is Status.INFEASIBLE:
            continue
        values = [(value, at) for at, claim in claims.items() if (value := claim.at(question)) is not None]
        value, at = max(values, default=(Fraction(0), here))
        if at != here and below(value) > (own.bound.lower_bound_s or 0.0):
            rests_on = "weak duality: the dual value at the prices of another point, in exact integers, less rents of more room"
            found = _better(own.bound, proofs[at].bound, below(value), rests_on)
            best[here] = replace(own.with_bound(found), binds=proofs[at].binds)
    return best
