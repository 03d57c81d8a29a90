"""One instance at many points: keys of its file take several values, and each point gets its bound and its schedulers.

A point's bound is the best of its own and what the prices of other points prove there (:mod:`placement_opt.study.neighbours`),
so that it never rises with a growing room or rate, whatever a method leaves open (but for milp, whose values are more than its
prices prove). Points whose reads have no room as rows are answered in runs or layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import overload

from placement_opt.answer.prove import Proof, check_method, prove_known, unproven
from placement_opt.base.backend import Backend
from placement_opt.base.errors import PlacementError
from placement_opt.base.given import several
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import Source
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.study.asked import asked_at, check_varies
from placement_opt.study.auto_capacity import spelt_out
from placement_opt.study.compare import Named, named_schedulers, sources_of
from placement_opt.study.comparison import Comparison
from placement_opt.study.grid import Bounding, Cell, Grid, Timing, all_scheduled
from placement_opt.study.keys import SweepKey, parse_keys, points_of
from placement_opt.study.neighbours import from_neighbours, from_others, lending, raised
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, held_against


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
        these. Points of a file whose reads have no room as rows are asked in runs or layer by layer; a question that is already
        in that form knows no keys.
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
        Deadline, memory and stop request of the whole; the points whose bound is known by then come back.
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
    NoRoom, LimitError
        A point that has no room in any form, or with a method that needs the reads as rows, which it is not asked in.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> po.sweep(instance, ["hbm.capacity=0B,9MB", "c2c.up.rate=400GB/s,450GB/s"], method="roofline")
    Sweep(instance: 4 points of hbm.capacity, c2c.up.rate)
    """
    check_limits(limits)
    limits = limits or Limits()
    if not isinstance(instance, AnyQuestion | str | PathLike):
        sweep_one = partial(sweep, method=method, bound_seconds=bound_seconds, layers=layers, jobs=jobs, backend=backend)
        return [sweep_one(one, keys, schedulers, limits=limits, report=report) for one in sources_of(instance)]
    jobs = jobs if backend is None else backend.jobs
    if backend is not None:
        backend.check_whole()
    copied = jobs > 1 or (backend is not None and backend.away)
    (source,), schedulers = sources_of(instance), named_schedulers(schedulers, copied=copied)
    check_varies(source, "instance")
    parsed = parse_keys(spelt_out(several(keys), source, limits))
    path = source if isinstance(source, Path) else Path(source.name)
    points, values = points_of(parsed)
    asked = asked_at(source, values, layers, limits, jobs=jobs)
    for one in asked:
        check_method(one.source, method)
    width, prove = 1 + len(schedulers), partial(_prove, method, bound_seconds)
    grid = Grid(len(asked) * width, jobs, report, "{:.5g} s".format, backend=backend)
    cells: list[Cell] = []
    for one in asked:
        cells += [Bounding(one, prove, spared=one.by_layer), *(Timing(one, spec) for spec in schedulers)]
    results = grid.run(cells, limits)
    own: dict[int, Proof] = {}
    for n, result in enumerate(results[::width]):
        if isinstance(result, Proof):
            own[n] = result
        elif isinstance(result, PlacementError):  # a process was killed
            own[n] = unproven(path.stem, "", method, str(result))
    found, best = [], from_others(asked, own)
    for n, proof in (best if limits.reached else from_neighbours(asked, best)).items():
        rows = all_scheduled(schedulers, results[n * width + 1 : (n + 1) * width], limits)
        found.append(Point(points[n], held_against(proof, rows), raised(own[n].bound, proof.bound)))
    return Sweep(path, parsed, tuple(found), interrupted=limits.interrupted)


def _prove(method: str, seconds: float | None, instance: AnyQuestion, limits: Limits, backend: Backend | None = None) -> Proof:
    """The bound of one point, its layers worked on on the ``backend`` where it comes so."""
    within = limits if seconds is None else limits.within(seconds)
    proof = prove_known(instance, method, limits=within, backend=backend)
    return proof if isinstance(instance, Instance) else lending(instance, proof)
