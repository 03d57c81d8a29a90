"""One instance at many points: keys of its file take several values, and each point gets its bound and its schedulers.

A point's bound is the best of three proofs: its own, and those that the prices of the points before and behind it give here
(prices are valid wherever there are as many steps, tiers and resources: :mod:`placement_opt.bounds.dual.evaluate`). Going
through the points forth and back, a bound never rises with a growing room or rate, whatever a method leaves open (but for
milp, whose values are more than its prices prove).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import overload

from placement_opt.answer.binding import binding
from placement_opt.answer.prove import Proof, prove_known, unproven
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.given import several
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.gate import check_file
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import Source
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import Stacked
from placement_opt.study.auto_capacity import spelt_out
from placement_opt.study.compare import Named, named_schedulers, sources_of
from placement_opt.study.comparison import Comparison
from placement_opt.study.grid import Bounding, Cell, Grid, Lost, Question, Timing, all_scheduled
from placement_opt.study.keys import SweepKey, parse_keys, parse_value, points_of
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, held_against

#: A neighbour's prices are named as the source of a bound that they raise by more than this, relatively.
ROUNDING = 1e-9
#: Whose prices the methods hand on that prove more than their prices do.
_PRICED = {"milp": "lp", "step-integer": "step"}


@dataclass(frozen=True)
class Point:
    """One combination of values.

    Attributes
    ----------
    values
        One text for each key.
    compared
        What is proven, and the schedulers.
    from_neighbour
        Whether the bound is what the prices of a neighbouring point prove here.
    """

    values: tuple[str, ...]
    compared: Compared
    from_neighbour: bool = False


@dataclass(frozen=True)
class Sweep(Tabular):
    """What :func:`sweep` found.

    Attributes
    ----------
    file
        The instance's file, or its name where it came from keys.
    keys
        What varied.
    points
        In the order of the product of the keys, the last key fastest.
    interrupted
        Whether somebody asked for a stop.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.sweep(instance, "hbm.capacity=0B,9MB", "lru", method="lp")
    >>> found
    Sweep(instance: 2 points of hbm.capacity)
    >>> found.file.name, found.keys[0].path, [point.values for point in found.points], found.interrupted
    ('instance', 'memory.hbm.capacity', [('0B',), ('9MB',)], False)
    """

    file: Path
    keys: tuple[SweepKey, ...]
    points: tuple[Point, ...]
    interrupted: bool = False

    def __repr__(self) -> str:
        return f"Sweep({self.file.name}: {len(self.points)} points of {', '.join(key.name for key in self.keys)})"

    def to_records(self) -> list[Record]:
        """One row for each point and scheduler, or for each point without any.

        Returns
        -------
        list of dict
            The keys' values as they were written; times in seconds.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> rows = po.sweep(instance, "hbm.capacity=0B,9MB", method="lp").to_records()
        >>> [(row["hbm.capacity"], f"{row['lower_bound_s']:.4g}") for row in rows]
        [('0B', '4e-05'), ('9MB', '3.364e-06')]
        """
        names = [key.name for key in self.keys]
        rows = []
        for point in self.points:
            proven = {"lower_bound_s": point.compared.proof.bound.lower_bound_s}
            rows += [dict(zip(names, point.values, strict=True)) | row for row in point.compared.to_records() or [proven]]
        return rows

    @property
    def comparison(self) -> Comparison:
        """The points as instances of a comparison.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> po.sweep(instance, "hbm.capacity=0B,9MB", "lru", method="lp").comparison
        Comparison(2 instances, 2 schedules)
        """
        return Comparison(tuple(point.compared for point in self.points), self.interrupted)

    def of(self, *wanted: Outcome) -> list[tuple[Point, Scheduled]]:
        """The (point, schedule) pairs with one of these outcomes.

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
        >>> [(point, schedule)] = po.sweep(instance, "hbm.capacity=9MB", "lru", method="lp").of("timed")
        >>> point.values, schedule.scheduler
        (('9MB',), 'lru')
        """
        return [(one, row) for one in self.points for row in one.compared.schedules if row.outcome in wanted]


@overload
def sweep(  # type: ignore[overload-overlap]  # a text is one, and a sequence of texts, too
    instance: Source,
    keys: str | Sequence[str],
    schedulers: Named | Sequence[Named] = ...,
    *,
    method: str = ...,
    bound_seconds: float | None = ...,
    layers: LayerShare | None = ...,
    jobs: int = ...,
    backend: Backend | None = ...,
    limits: Limits | None = ...,
    report: Callable[[str], None] | None = ...,
) -> Sweep: ...


@overload
def sweep(
    instance: Sequence[Source],
    keys: str | Sequence[str],
    schedulers: Named | Sequence[Named] = ...,
    *,
    method: str = ...,
    bound_seconds: float | None = ...,
    layers: LayerShare | None = ...,
    jobs: int = ...,
    backend: Backend | None = ...,
    limits: Limits | None = ...,
    report: Callable[[str], None] | None = ...,
) -> list[Sweep]: ...


def sweep(
    instance: Source | Sequence[Source],
    keys: str | Sequence[str],
    schedulers: Named | Sequence[Named] = (),
    *,
    method: str = "auto",
    bound_seconds: float | None = None,
    layers: LayerShare | None = None,
    jobs: int = 1,
    backend: Backend | None = None,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Sweep | list[Sweep]:
    """The bound and some schedulers at every combination of the keys' values.

    Parameters
    ----------
    instance
        One that came from a file or from keys (:func:`placement_opt.build_instance`), or the path of its file; or a list of
        these.
    keys
        What varies, one or a list, each as ``"hbm.capacity=18GiB,20GiB"``; see :func:`placement_opt.study.keys.parse_key`.
        ``"hbm.capacity=auto"``: from the largest step to everything (:mod:`placement_opt.study.auto_capacity`).
    schedulers
        As in :func:`placement_opt.study.compare.compare`; none, to have the bounds alone.
    method, bound_seconds
        Of each point's bound, as in :func:`placement_opt.study.compare.compare`.
    layers
        Take this share of the layers at each point (:mod:`placement_opt.instance.scaled`).
    jobs
        Processes; the answer does not depend on their number.
    backend
        As in :func:`placement_opt.study.compare.compare`; None: here, in so many processes.
    limits
        Deadline and stop request of the whole; the points whose bound is known by then come back.
    report
        Called with a line of text for each finished piece.

    Returns
    -------
    Sweep or list of Sweep
        A list for a list.

    Raises
    ------
    InputError
        A key that is given twice, too many points, or a point that is no instance: raised as soon as that is known; an instance
        that came neither from a file nor from keys.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> po.sweep(instance, ["hbm.capacity=0B,9MB", "c2c.up.rate=400GB/s,450GB/s"], method="roofline")
    Sweep(instance: 4 points of hbm.capacity, c2c.up.rate)
    """
    check_limits(limits)
    limits = limits or Limits()
    if not isinstance(instance, Instance | str | PathLike):
        sweep_one = partial(sweep, method=method, bound_seconds=bound_seconds, layers=layers, jobs=jobs, backend=backend)
        return [sweep_one(one, keys, schedulers, limits=limits, report=report) for one in sources_of(instance)]
    jobs = jobs if backend is None else backend.jobs
    copied = jobs > 1 or (backend is not None and backend.away)
    (source,), schedulers = sources_of(instance), named_schedulers(schedulers, copied=copied)
    if isinstance(source, Layered | Stacked):
        raise InputError(f"found {source.name}, a question in runs", "expected one in rows", field="instance")
    parsed = parse_keys(spelt_out(several(keys), source, limits))
    path = Path(source.name) if isinstance(source, Instance) else source
    points, values = points_of(parsed)
    asked = [Question(source, layers, at) for at in values]
    width, prove = 1 + len(schedulers), partial(_prove, method, bound_seconds)
    grid = Grid(len(asked) * width, jobs, report, "{:.5g} s".format, backend=backend)
    cells: list[Cell] = []
    for one in asked:
        cells += [Bounding(one, prove), *(Timing(one, spec) for spec in schedulers)]
    results = grid.run(cells, limits)
    own: dict[int, Proof] = {}
    for n, result in enumerate(results[::width]):
        if isinstance(result, Proof):
            own[n] = result
        elif isinstance(result, Lost):
            own[n] = unproven(path.stem, "", method, str(result))
    found = []
    for n, proof in (own if limits.reached else _from_neighbours(asked, own)).items():
        rows = all_scheduled(schedulers, results[n * width + 1 : (n + 1) * width], limits)
        found.append(Point(points[n], held_against(proof, rows), _raised(own[n].bound, proof.bound)))
    return Sweep(path, parsed, tuple(found), interrupted=limits.interrupted)


def check_points(
    file: str | PathLike[str], keys: Sequence[SweepKey], limits: Limits, *, jobs: int = 1, layers: LayerShare | None = None
) -> None:
    """NoRoom for the first point at which the trace could not be held; what else is wrong is for its own work to say."""
    traces = [key for key in keys if key.path.partition(".")[0] in ("trace", "rules")]
    for values in points_of(traces)[1]:
        with suppress(InputError):
            overrides = {key: parse_value(text) for key, text in values}
            check_file(file, limits, jobs=jobs, layers=layers, overrides=overrides)


def _prove(method: str, seconds: float | None, instance: Instance, limits: Limits) -> Proof:
    """The bound of one point."""
    return prove_known(instance, method, limits=limits if seconds is None else limits.within(seconds))


def _from_neighbours(asked: Sequence[Question], proofs: Mapping[int, Proof]) -> dict[int, Proof]:
    """Every proof, or a better one by the prices of the point before it or behind it, forth and back through the points."""
    best, order = dict(proofs), list(proofs)
    for other, here in (*itertools.pairwise(order), *itertools.pairwise(order[::-1])):
        instance, own = asked[here].instance(), best[here].bound
        assert isinstance(instance, Instance)  # points are files, read in rows
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
    better = replace(own, lower_bound_s=proof.value_s, prices=proof.prices)
    if not _raised(own, better):
        return better
    rests_on = "weak duality: the dual value at the prices of a neighbouring point, evaluated here without the solver"
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


def _raised(own: Bound, found: Bound) -> bool:
    value, least = found.lower_bound_s or 0.0, own.lower_bound_s or 0.0
    return value > least * (1.0 + ROUNDING)
