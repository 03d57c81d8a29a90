"""One instance at many points: keys of its file take several values, and each point gets its bound and its schedulers.

A point's bound is the best of three proofs: its own, and those that the prices of the points before and behind it give here
(prices are valid wherever there are as many steps, tiers and resources: :mod:`placement_opt.bounds.dual.evaluate`). Going
through the points forth and back, a bound never rises with a growing room or rate, whatever a method leaves open (but for
milp, whose values are more than its prices prove).
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from placement_opt.answer.binding import binding
from placement_opt.answer.prove import Proof, prove_known, unproven
from placement_opt.base.errors import InputError, LimitError, PlacementError, shown
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.base.ranges import spaced
from placement_opt.base.tabular import Record, Tabular
from placement_opt.base.toml_keys import key_lines
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.gate import check_file
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.scaled import LayerShare
from placement_opt.schedulers import make_scheduler
from placement_opt.study.compare import Comparison
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, held_against, time_scheduler

#: Points beyond which a sweep is taken for a mistake.
MOST_POINTS = 1000
#: A neighbour's prices are named as the source of a bound that they raise by more than this, relatively.
ROUNDING = 1e-9
#: Whose prices the methods hand on that prove more than their prices do.
_PRICED = {"milp": "lp", "step-integer": "step"}
_TABLES = ("memory", "llm", "trace", "rules")
_ROOT = ("name", "schema")
#: What the keys of a memory system end with: these need no "memory." before them.
_OF_MEMORY = ("capacity", "rate", "read_rate", "write_rate", "efficiency")
#: (path, text) of every key at one point.
Values = tuple[tuple[str, str], ...]
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class SweepKey:
    """A key of the instance file and the values it takes.

    Attributes
    ----------
    name
        As the user wrote it, such as "hbm.capacity".
    path
        Where that is in the file: "memory.hbm.capacity".
    values
        As the user wrote them, ranges spelt out.
    """

    name: str
    path: str
    values: tuple[str, ...]


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
    """What :func:`sweep` found: the points in the order of the product of the keys, the last key fastest."""

    file: Path
    keys: tuple[SweepKey, ...]
    points: tuple[Point, ...]
    interrupted: bool = False

    def __repr__(self) -> str:
        return f"Sweep({self.file.name}: {len(self.points)} points of {', '.join(key.name for key in self.keys)})"

    def to_records(self) -> list[Record]:
        """One row for each point and scheduler, or for each point without any; the keys' values as they were written."""
        names = [key.name for key in self.keys]
        rows = []
        for point in self.points:
            proven = {"lower_bound_s": point.compared.proof.bound.lower_bound_s}
            rows += [dict(zip(names, point.values, strict=True)) | row for row in point.compared.to_records() or [proven]]
        return rows

    @property
    def comparison(self) -> Comparison:
        """The points as instances of a comparison."""
        return Comparison(tuple(point.compared for point in self.points), self.interrupted)

    def of(self, *wanted: Outcome) -> list[tuple[Point, Scheduled]]:
        """The (point, schedule) pairs with one of these outcomes."""
        return [(one, row) for one in self.points for row in one.compared.schedules if row.outcome in wanted]


@dataclass(frozen=True)
class _Task:
    """The bound of one point (``scheduler`` None) or one scheduler on it."""

    file: Path
    values: Values
    scheduler: str | None
    method: str
    seconds: float | None
    layers: LayerShare | None = None


def parse_key(text: str) -> SweepKey:
    """``"hbm.capacity=18GiB,20GiB"``: a key of the instance file, and its values separated by commas; ranges are spelt out.

    InputError for a key that cannot be one, no value, an empty one and one given twice. Whether the file takes the key and the
    values is for :func:`placement_opt.instance.load.load_instance` to say.
    """
    key, equals, rest = text.partition("=")
    key, written = key.strip(), [value.strip() for value in rest.split(",")]
    if not equals or not all(written):
        raise InputError(f"found {shown(text)}", "expected KEY=VALUE,VALUE,...", field="--set")
    try:
        values = tuple(value for each in written for value in spaced(each))
    except InputError as error:
        raise error.at(field="--set") from None
    for value in values:
        if values.count(value) > 1:
            raise InputError(f"found {shown(value)} twice for {key}", "expected each value once", field="--set")
    return SweepKey(key, full_key(key), values)


def parse_keys(texts: Sequence[str]) -> tuple[SweepKey, ...]:
    """What varies; InputError also for a key given twice and for more than ``MOST_POINTS`` combinations."""
    keys = tuple(parse_key(text) for text in texts)
    paths = [each.path for each in keys]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"found {path} twice", "expected each key once", field="--set")
    count = math.prod(len(each.values) for each in keys)
    if count > MOST_POINTS:
        raise InputError(f"found {count:,} combinations of values", f"expected at most {MOST_POINTS:,}", field="--set")
    return keys


def full_key(key: str) -> str:
    """Where a key is in an instance file: as it stands, or below ``memory`` for TIER.capacity, LINK.up.rate and the like."""
    if not _KEY.fullmatch(key):
        raise InputError(f"found key {shown(key)}", "expected names separated by dots, such as hbm.capacity", field="--set")
    first, *rest = key.split(".")
    if first in _TABLES + _ROOT:
        return key
    close = get_close_matches(first, _TABLES, 1, 0.75)
    if rest and (rest[-1] in _OF_MEMORY or not close):
        return f"memory.{key}"
    expected = "expected TIER.capacity, LINK.rate or TABLE.KEY of an instance file"
    if close:
        expected = f"did you mean {'.'.join([close[0], *rest])!r}?"
    raise InputError(f"found unknown key {shown(key)}", expected, field="--set")


def parse_value(text: str) -> Any:
    """A value as an instance file would have it: TOML where it is TOML, else the text itself (``18GiB``, ``inclusive``)."""
    try:
        key_lines(f"value = {text}")  # refuses what would cost the parser dear
        found = tomllib.loads(f"value = {text}")
    except (ValueError, InputError):  # TOMLDecodeError is a ValueError
        return text
    return found["value"] if list(found) == ["value"] else text


def sweep(
    file: str | PathLike[str],
    keys: Sequence[str],
    schedulers: Sequence[str] = (),
    *,
    method: str = "auto",
    bound_seconds: float | None = None,
    layers: LayerShare | None = None,
    jobs: int = 1,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Sweep:
    """The bound and some schedulers at every combination of the keys' values.

    Parameters
    ----------
    file
        The instance file.
    keys
        What varies, each as ``"hbm.capacity=18GiB,20GiB"``; see :func:`parse_key`.
    schedulers
        Names with options, as :func:`placement_opt.schedulers.make_scheduler` takes them.
    method, bound_seconds
        Of each point's bound, as in :func:`placement_opt.study.compare.compare`.
    layers
        Take this share of the layers at each point (:mod:`placement_opt.instance.scaled`).
    jobs
        Processes; the answer does not depend on their number.
    limits
        Deadline and stop request of the whole; the points whose bound is known by then come back.
    report
        Called with a line of text for each finished piece.

    Raises
    ------
    InputError
        A key that is given twice, too many points, or a point that is no instance: raised as soon as that is known.
    """
    limits, path, parsed = limits or Limits(), Path(file), parse_keys(keys)
    for spec in schedulers:
        make_scheduler(spec)
    points, values = _points(parsed)
    tasks = [_Task(path, at, spec, method, bound_seconds, layers) for at in values for spec in (None, *schedulers)]
    _load.cache_clear()  # the file may have changed since
    outcomes = run_jobs(_work, tasks, jobs=jobs, limits=limits, done=_watcher(tasks, report), lost=_lost)
    width = 1 + len(schedulers)
    own = {n: proof for n in range(len(points)) if isinstance(proof := outcomes[n * width], Proof)}
    proofs = own if limits.reached else _from_neighbours(path, values, own, layers)
    found = []
    for n, proof in proofs.items():
        rows = zip(schedulers, outcomes[n * width + 1 : (n + 1) * width], strict=True)
        compared = held_against(proof, [_finished(spec, row) for spec, row in rows])
        found.append(Point(points[n], compared, _raised(own[n].bound, proof.bound)))
    return Sweep(path, parsed, tuple(found), interrupted=limits.interrupted)


def check_points(
    file: str | PathLike[str], keys: Sequence[SweepKey], limits: Limits, *, jobs: int = 1, layers: LayerShare | None = None
) -> None:
    """NoRoom for the first point at which the trace could not be held; what else is wrong is for its own work to say."""
    traces = [key for key in keys if key.path.partition(".")[0] in ("trace", "rules")]
    for values in _points(traces)[1]:
        with suppress(InputError):
            overrides = {key: parse_value(text) for key, text in values}
            check_file(file, limits, jobs=jobs, layers=layers, overrides=overrides)


def _points(keys: Sequence[SweepKey]) -> tuple[list[tuple[str, ...]], list[Values]]:
    """All combinations of the keys' values, the last key fastest: the values alone, and with their paths."""
    points = list(itertools.product(*(each.values for each in keys)))
    return points, [tuple(zip((each.path for each in keys), point, strict=True)) for point in points]


def _finished(spec: str, row: object) -> Scheduled:
    return row if isinstance(row, Scheduled) else Scheduled(spec, Outcome.UNFINISHED, "not begun")


def _work(task: _Task, limits: Limits) -> Proof | Scheduled | PlacementError:
    try:
        instance = _load(task.file, task.values, task.layers)
        if task.scheduler is not None:
            return time_scheduler(instance, task.scheduler, limits)
        limits = limits if task.seconds is None else limits.within(task.seconds)
        return prove_known(instance, task.method, limits=limits)
    except PlacementError as error:
        return error


def _lost(task: _Task, why: str) -> Proof | Scheduled:
    """What stands for the outcome of a task whose process was killed."""
    if task.scheduler is not None:
        return Scheduled(task.scheduler, Outcome.LIMIT, why)
    return unproven(task.file.stem, "", task.method, why)


@lru_cache(maxsize=2)
def _load(file: Path, values: Values, layers: LayerShare | None) -> Instance:
    return load_instance(file, {key: parse_value(text) for key, text in values}, layers=layers)


def _from_neighbours(
    file: Path, values: Sequence[Values], proofs: Mapping[int, Proof], layers: LayerShare | None
) -> dict[int, Proof]:
    """Every proof, or a better one by the prices of the point before it or behind it, forth and back through the points."""
    best, order = dict(proofs), list(proofs)
    for other, here in (*itertools.pairwise(order), *itertools.pairwise(order[::-1])):
        instance, own = _load(file, values[here], layers), best[here].bound
        found = _evaluated(instance, own, best[other].bound)
        if found is not own and found.prices is not None:
            best[here] = replace(best[here].with_bound(found), binds=binding(instance, found.prices.rho))
    return best


def _evaluated(instance: Instance, own: Bound, other: Bound) -> Bound:
    """The bound of a point, or what another point's prices prove there, whichever is higher."""
    if other.prices is None:
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


def _watcher(tasks: Sequence[_Task], report: Callable[[str], None] | None) -> Callable[[int, object], None]:
    """Raises what a point complains of as soon as it is known, and tells what is finished."""
    finished = 0

    def watch(position: int, outcome: object) -> None:
        nonlocal finished
        finished += 1
        task = tasks[position]
        where = ", ".join(f"{key}={value}" for key, value in task.values)
        if isinstance(outcome, InputError):
            expected = f"{outcome.expected} (at {where})".lstrip()
            raise InputError(outcome.found, expected, path=outcome.path, line=outcome.line, field=outcome.field)
        if isinstance(outcome, PlacementError):
            raise outcome
        result = ""
        if isinstance(outcome, Scheduled):
            result = str(outcome.outcome) if outcome.latency_s is None else f"{outcome.latency_s:.5g} s"
        elif isinstance(outcome, Proof) and outcome.bound.lower_bound_s is not None:
            result = f"{outcome.bound.lower_bound_s:.5g} s by {outcome.bound.method}"
        if report is not None:
            report(f"[{finished}/{len(tasks)}] {where}: {task.scheduler or 'bound'}  {result}".rstrip())

    return watch
