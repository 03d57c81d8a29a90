"""What tuning found: every setting on every instance, its regret, and what carries over (:mod:`placement_opt.study.tune`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from placement_opt.base.errors import InputError
from placement_opt.base.tabular import Record, Tabular
from placement_opt.study.knobs import Settings
from placement_opt.study.scheduled import Compared, Outcome

#: A setting within this of the best, relatively, is as good as it; costs within the other are the same cost.
AS_GOOD, SAME = 0.01, 1e-9


@dataclass(frozen=True)
class Tuned:
    """A scheduler at all of its settings on one instance.

    Attributes
    ----------
    name
        The instance, and where it is one of several points the values of its keys.
    compared
        What is proven, and one schedule for each of the combinations, in their order.
    default
        Position of the setting that is the scheduler as it comes.
    carried
        Position of the setting chosen on the other instances; None where there are none, or no setting was timed on all.
    """

    name: str
    compared: Compared
    default: int
    carried: int | None = None

    @property
    def best(self) -> int | None:
        """Position of the best setting: the default where none costs less, else the first of the cheapest; None: none timed."""
        costs = [row.cost_s for row in self.compared.schedules]
        known = [(cost, at) for at, cost in enumerate(costs) if cost is not None]
        if not known:
            return None
        least, at = min(known)
        default = costs[self.default]
        return self.default if default is not None and default <= least * (1.0 + SAME) else at

    def regret(self, at: int | None) -> float | None:
        """Cost of a setting over that of the best one, less 1; None where one of them was not timed."""
        if at is None or self.best is None:
            return None
        cost, least = self.compared.schedules[at].cost_s, self.compared.schedules[self.best].cost_s
        if cost is None or least is None:
            return None
        return cost / least - 1.0 if least > 0 else 0.0


@dataclass(frozen=True)
class Tuning(Tabular):
    """What :func:`tune` found.

    Attributes
    ----------
    settings
        The scheduler and its knobs.
    instances
        In the order asked for.
    interrupted
        Whether somebody asked for a stop.
    unanswered
        Bounds that gave no answer; the roofline stands for them.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
    >>> found = po.tune(instance, "slru:protected=0..1:3", method="lp")
    >>> found
    Tuning(slru:protected, 4 settings on 1 instances)
    >>> found.interrupted, found.unanswered, found.settings.knobs[0].values, found.instances[0].name
    (False, 0, ('0', '0.5', '1'), 'instance')
    """

    settings: Settings
    instances: tuple[Tuned, ...]
    interrupted: bool = False
    unanswered: int = 0

    def __repr__(self) -> str:
        keys, count = ",".join(knob.key for knob in self.settings.knobs), len(self.settings.combinations)
        return f"Tuning({self.settings.head}:{keys}, {count} settings on {len(self.instances)} instances)"

    def to_records(self) -> list[Record]:
        """One row for each instance and setting.

        Returns
        -------
        list of dict
            Times in seconds; ``regret`` and ``gap`` as shares.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
        >>> rows = po.tune(instance, "slru:protected=0..1:2", method="lp").to_records()
        >>> [(row["protected"], row["default"]) for row in rows]
        [('0.8', True), ('0', False), ('1', False)]
        """
        rows: list[Record] = []
        for one in self.instances:
            bound = one.compared.proof.bound.lower_bound_s
            for at, (values, row) in enumerate(zip(self.settings.combinations, one.compared.schedules, strict=True)):
                rows.append(
                    {"instance": one.name, "scheduler": row.scheduler}
                    | {knob.key: value for knob, value in zip(self.settings.knobs, values, strict=True)}
                    | {"default": at == one.default, "outcome": str(row.outcome), "cost_s": row.cost_s, "lower_bound_s": bound}
                    | {"gap": row.gap, "regret": one.regret(at), "best": at == one.best, "carried": at == one.carried}
                )
        return rows

    @property
    def overall(self) -> int | None:
        """Position of the setting with the least regret over all instances; None where none was timed on all.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
        >>> found = po.tune(instance, "slru:protected=0..1:2", method="lp")
        >>> found.settings.combinations[found.overall]
        ('0.8',)
        """
        return least_regret(self.instances)

    @property
    def carries(self) -> float | None:
        """Share of what tuning wins over the default that the settings chosen on the other instances win, on the average.

        1 - (log of 1 + regret of the carried settings) / (the same of the defaults); below 0 where tuning elsewhere does harm.
        None where there is one instance, or nothing to win (a mean regret of the default below 1e-9).

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
        >>> po.tune(instance, "slru:protected=0..1:2", method="lp").carries is None
        True
        """
        defaults, carried = self.mean_regret("default"), self.mean_regret("carried")
        if defaults is None or carried is None or defaults <= SAME:
            return None
        return 1.0 - math.log1p(carried) / math.log1p(defaults)

    def mean_regret(self, which: str) -> float | None:
        """The geometric mean over the instances of 1 + regret, less 1.

        Parameters
        ----------
        which
            "default", "carried" (chosen on the other instances) or "overall" (chosen on all).

        Returns
        -------
        float or None
            None where one of the instances has none.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
        >>> po.tune(instance, "slru:protected=0..1:2", method="lp").mean_regret("default")
        0.0
        """
        if which not in ("default", "carried", "overall"):
            raise InputError(f"found {which!r}", "expected default, carried or overall", field="which")
        overall = self.overall
        places = [{"default": one.default, "carried": one.carried}.get(which, overall) for one in self.instances]
        return _mean([one.regret(at) for one, at in zip(self.instances, places, strict=True)])

    def exit_code(self) -> int:
        """What the command line ends with.

        Returns
        -------
        int
            0 done; 1 a schedule below its bound or against the rules; 2 the scheduler declined an instance at every setting;
            3 a bound or a schedule not found within the limits; 130 interrupted.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1, 2], [0], [1]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "9 MB"}, trace, rules={"residency": "free"})
        >>> po.tune(instance, "slru:protected=0..1:2", method="lp").exit_code()
        0
        """
        outcomes = [[row.outcome for row in one.compared.schedules] for one in self.instances]
        if any({Outcome.BELOW_BOUND, Outcome.ILLEGAL} & set(row) for row in outcomes):
            return 1
        if self.interrupted:
            return 130
        if any(set(row) == {Outcome.REFUSED} for row in outcomes):
            return 2
        return 3 if self.unanswered or any(Outcome.LIMIT in row for row in outcomes) else 0


def least_regret(instances: Sequence[Tuned]) -> int | None:
    """Position of the setting with the least mean regret; among equals the default or the first. None: none timed on all."""
    if not instances:
        return None
    found: list[tuple[float, int]] = []
    for at in range(len(instances[0].compared.schedules)):
        mean = _mean([one.regret(at) for one in instances])
        if mean is not None:
            found.append((mean, at))
    if not found:
        return None
    least, default = min(found)[0], instances[0].default
    good = [at for mean, at in found if mean <= least + SAME]
    return default if default in good else good[0]


def _mean(regrets: Sequence[float | None]) -> float | None:
    known = [regret for regret in regrets if regret is not None]
    if not known or len(known) < len(regrets):
        return None
    return math.expm1(math.fsum(math.log1p(regret) for regret in known) / len(known))
