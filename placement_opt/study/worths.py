"""What more of everything is worth to an instance: prices of room and rates, and what was tried of more of them."""

from __future__ import annotations

from dataclasses import dataclass

from placement_opt.answer.verdict import Interval
from placement_opt.base.tabular import Record, Tabular
from placement_opt.bounds.result import Status

GIB = 2**30
GB = 10**9


@dataclass(frozen=True)
class Trial:
    """Some more of one thing: what the prices predict, and what solving again gives.

    Attributes
    ----------
    share, extra
        How much more: as a share of what there is, and in whole bytes or bytes/s (rounded up).
    predicted_s
        Seconds saved according to the prices.
    before_s, lower_bound_s
        What is proven without it and with it; the latter None where a limit came first.
    status
        Of that bound.
    solved
        False where prices of zero prove that nothing changes, so that nothing was solved.
    """

    share: float
    extra: int
    predicted_s: float
    before_s: float
    lower_bound_s: float | None
    status: Status
    solved: bool

    @property
    def actual_s(self) -> float | None:
        """The bound without it less the bound with it. Below zero only where the bound without it was not the best."""
        return None if self.lower_bound_s is None else self.before_s - self.lower_bound_s

    @property
    def held(self) -> float | None:
        """actual / predicted: the share of the prediction that came true; None without either."""
        return None if self.actual_s is None or self.predicted_s == 0 else self.actual_s / self.predicted_s


@dataclass(frozen=True)
class RoomWorth:
    """What room in one tier is worth.

    Attributes
    ----------
    tier, capacity
        Its name, and the bytes it has for KV.
    price_s
        Seconds that one more byte saves, at the margin.
    trials
        One for each share; none where the tier has no room at all, of which there is no share, or the price is dust.
    """

    tier: str
    capacity: int
    price_s: float
    trials: tuple[Trial, ...]

    @property
    def per_gib_s(self) -> float:
        """Seconds for one more GiB at the price of one more byte."""
        return self.price_s * GIB


@dataclass(frozen=True)
class RateWorth:
    """What the rate of one resource is worth.

    Attributes
    ----------
    resource, rate
        Its name, and bytes/s (requests/s, if that is its ``unit``) times ``scale``, as the table of operations counts them.
    price_s
        Seconds that one more of these saves, at the margin.
    share_of_time
        Share of the bound's time that it accounts for (its price times its rate, weighted by the steps' times).
    share_of_steps
        Share of the steps in which it binds; several resources bind at once where reads are split over them.
    """

    resource: str
    rate: int
    price_s: float
    share_of_time: float
    share_of_steps: float
    trials: tuple[Trial, ...]
    unit: str = "bytes"
    scale: int = 1

    @property
    def per_gb_s(self) -> float:
        """Seconds for one more GB/s (10**9 requests/s) at the price of one more byte/s."""
        return self.price_s * self.scale * GB


@dataclass(frozen=True)
class BudgetWorth:
    """What one more unit ("J", "B"; "s" of a cap on time) of what a budget allows saves at the margin, in seconds."""

    budget: str
    unit: str
    per_unit_s: float


@dataclass(frozen=True, repr=False)
class Worth(Tabular):
    """What more of everything is worth to an instance.

    Attributes
    ----------
    method, lower_bound_s
        The bound whose prices these are; every trial is this method again.
    room
        One entry a tier.
    rates
        One entry a resource.
    floor_share
        Share of the bound's time for which the floor under the steps' times accounts.
    unexplained
        Share for which neither the floor nor any resource accounts: more than rounding where the prices are not the best ones.
    interval
        Where the optimum lies: between the bound whose prices these are and the best schedule known.
    note
        Which bound was taken instead, where the one given has no prices that explain it; "" if it has.
    unfinished
        Whether a limit or a stop request left trials undone.
    objective
        What is minimised, in words; all seconds here are of it.
    budgets
        One entry for each budget of the instance.
    """

    method: str
    lower_bound_s: float
    room: tuple[RoomWorth, ...]
    rates: tuple[RateWorth, ...]
    floor_share: float
    unexplained: float
    interval: Interval
    note: str = ""
    unfinished: bool = False
    objective: str = "time"
    budgets: tuple[BudgetWorth, ...] = ()

    def __repr__(self) -> str:
        return f"Worth({self.method} {self.lower_bound_s:.6g} s: {len(self.room)} tiers, {len(self.rates)} resources)"

    def to_records(self) -> list[Record]:
        """One row for each tier's room and each resource's rate: seconds that one more unit saves, at the margin."""
        rows: list[Record] = [
            {"what": f"room in {one.tier}", "there_is": one.capacity, "price_s": one.price_s, "share_of_time": None}
            for one in self.room
        ]
        for one in self.rates:
            row: Record = {"what": f"rate of {one.resource}", "there_is": one.rate, "price_s": one.price_s}
            rows.append(row | {"share_of_time": round(one.share_of_time, 9)})
        return rows

    @property
    def things(self) -> tuple[RoomWorth | RateWorth, ...]:
        """All room, then all rates."""
        return (*self.room, *self.rates)

    @property
    def weak(self) -> bool:
        """Whether the bound is known or suspected to be far from the optimum."""
        return self.interval.weak
