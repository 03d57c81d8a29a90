"""What :func:`placement_opt.study.compare.compare` finds: schedulers on instances, each with its outcome."""

from __future__ import annotations

from dataclasses import dataclass

from placement_opt.base.tabular import Record, Tabular
from placement_opt.bounds.result import Status
from placement_opt.study.scheduled import Compared, Outcome, Scheduled


@dataclass(frozen=True)
class Comparison(Tabular):
    """What :func:`compare` found.

    Attributes
    ----------
    instances
        In the order asked for; an interrupted comparison holds those of which anything is known.
    interrupted
        Whether somebody asked for a stop.
    unanswered
        Bounds that gave no answer (not begun, too large, killed), for which the roofline stands.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.compare(instance, "lru,static", method="lp")
    >>> found
    Comparison(1 instances, 2 schedules)
    >>> found.interrupted, found.unanswered, [one.scheduler for one in found.instances[0].timed]
    (False, 0, ['lru', 'static'])
    """

    instances: tuple[Compared, ...]
    interrupted: bool = False
    unanswered: int = 0

    def __repr__(self) -> str:
        rows = len(self.to_records())
        return f"Comparison({len(self.instances)} instances, {rows} schedules)"

    def to_records(self) -> list[Record]:
        """One row for each instance and scheduler.

        Returns
        -------
        list of dict
            Times in seconds; ``gap`` is latency / bound - 1.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> [(row["scheduler"], round(row["gap"], 4)) for row in po.compare(instance, "lru", method="lp").to_records()]
        [('lru', 0.0421)]
        """
        return [row for one in self.instances for row in one.to_records()]

    def of(self, *wanted: Outcome) -> list[tuple[Compared, Scheduled]]:
        """The (instance, schedule) pairs with one of these outcomes.

        Parameters
        ----------
        wanted
            Outcomes, or their texts.

        Returns
        -------
        list of tuple
            In the order of the rows.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> found = po.compare(instance, "lru", method="lp")
        >>> len(found.of("timed")), found.of("refused", "illegal")
        (1, [])
        """
        return [(one, schedule) for one in self.instances for schedule in one.schedules if schedule.outcome in wanted]

    def exit_code(self, *, everything: bool) -> int:
        """What the command line ends with.

        Parameters
        ----------
        everything
            Whether all schedulers were asked for, which then may decline an instance.

        Returns
        -------
        int
            As below.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> po.compare(instance, "lru", method="lp").exit_code(everything=False)
        0

        Notes
        -----
        0 done; 1 a schedule below its bound or against the rules, or proof that no schedule keeps the budgets; 2 a scheduler
        that was asked for by name declined; 3 a bound or a schedule not found within the limits; 130 interrupted.
        """
        if self.of(Outcome.BELOW_BOUND, Outcome.ILLEGAL):
            return 1
        if self.interrupted:
            return 130
        if not everything and self.of(Outcome.REFUSED):
            return 2
        if any(one.proof.bound.status is Status.INFEASIBLE for one in self.instances):
            return 1
        unproven = self.unanswered or any(one.proof.bound.lower_bound_s is None for one in self.instances)
        return 3 if unproven or self.of(Outcome.LIMIT) else 0
