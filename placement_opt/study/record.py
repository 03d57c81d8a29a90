"""What is recorded of an instance in ``NAME.best.json``: every bound and every schedule, to be found again or accounted for."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from placement_opt.base.errors import InputError, PlacementError, shown
from placement_opt.base.json import parse_json
from placement_opt.base.limits import Limits
from placement_opt.base.toml import read_text
from placement_opt.bounds import METHODS
from placement_opt.bounds.auto import WORK
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.schedulers.theirs import file_hash, file_of
from placement_opt.study.enclosed import NOTHING, Enclosed, from_document, to_document
from placement_opt.study.scheduled import ROUNDING, Outcome, time_scheduler

SCHEMA = 1
SUFFIX = ".best.json"
_LARGEST = 1 << 20
UNCERTIFIED: Mapping[str, float | None] = {"bound_s": None, "latency_s": None, "gap": None}
_KEYS = {
    "best",
    "bounds",
    "certificates",
    "certified",
    "hash",
    "instance",
    "methods",
    "schedulers",
    "schedules",
    "schema",
    "versions",
}


@dataclass(frozen=True)
class Record:
    """The content of a best file.

    Attributes
    ----------
    instance, hash
        Which.
    methods, schedulers
        What to recompute, in this order; a file may list fewer than there are.
    bounds
        Method -> proven seconds.
    schedules
        Scheduler -> latency in seconds (what it costs, by the instance's objective), or None where it declines the instance
        or keeps no budgets.
    versions
        Package -> version it was recorded with.
    stated_best
        What a file says is best (see :attr:`best`); None where nothing was read.
    certificates
        Of the best prices and the best schedule known (:mod:`placement_opt.study.enclosed`).
    certified
        Seconds that they prove, and the gap between them.
    sources
        Scheduler -> SHA-256 of its file, of those that users brought.
    """

    instance: str
    hash: str
    bounds: Mapping[str, float]
    schedules: Mapping[str, float | None]
    versions: Mapping[str, str]
    stated_best: Mapping[str, Any] | None = field(default=None, compare=False)
    certificates: Enclosed = field(default_factory=lambda: NOTHING)
    certified: Mapping[str, float | None] = field(default_factory=lambda: dict(UNCERTIFIED))
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.bounds)

    @property
    def schedulers(self) -> tuple[str, ...]:
        return tuple(self.schedules)

    @property
    def best_bound(self) -> tuple[str, float] | None:
        """(method, seconds) of the highest bound, the first of equals."""
        return max(self.bounds.items(), key=lambda item: item[1], default=None)

    @property
    def best_schedule(self) -> tuple[str, float] | None:
        """(scheduler, seconds) of the lowest latency, the first of equals."""
        timed = [(name, value) for name, value in self.schedules.items() if value is not None]
        return min(timed, key=lambda item: item[1], default=None)

    @property
    def gap(self) -> float | None:
        """Best schedule / best bound - 1."""
        bound, schedule = self.best_bound, self.best_schedule
        return schedule[1] / bound[1] - 1.0 if bound and schedule and bound[1] > 0 else None

    @property
    def best(self) -> dict[str, str | float | None]:
        """The best of both sides, as the file has it."""
        bound, schedule = self.best_bound or (None, None), self.best_schedule or (None, None)
        return {
            "bound_s": bound[1],
            "method": bound[0],
            "latency_s": schedule[1],
            "scheduler": schedule[0],
            "gap": self.gap,
        }


def best_path(instance: Path) -> Path:
    """``NAME.best.json`` beside ``NAME.toml``."""
    return instance.with_name(instance.name.removesuffix(".toml") + SUFFIX)


class Measured(NamedTuple):
    """A record without certificates, what went wrong on the way (a method that fails, an illegal move), and prices found."""

    record: Record
    troubles: list[str]
    prices: list[Prices]


def measure(instance: Instance, methods: Sequence[str], schedulers: Sequence[str], limits: Limits) -> Measured:
    """Recompute everything, with counted work and no clock, so that it is the same on every machine.

    What the limits leave undone or cut short is missing from the record: look at them before believing it.
    """
    bounds: dict[str, float] = {}
    schedules: dict[str, float | None] = {}
    troubles: list[str] = []
    prices: list[Prices] = []
    for method in methods:
        if limits.reached:
            break
        try:
            found = METHODS[method](instance, limits=limits.counted(WORK))
        except PlacementError as error:
            troubles.append(f"bound {method} failed: {error}")
            continue
        if limits.cut_short:
            break
        if found.lower_bound_s is None:
            troubles.append(f"bound {method} proved nothing: {found.note}")
        else:
            bounds[method] = found.lower_bound_s
        if found.prices is not None:
            prices.append(found.prices)
    for spec in schedulers:
        if limits.reached:
            break
        timed = time_scheduler(instance, spec, limits)
        if timed.outcome in (Outcome.TIMED, Outcome.REFUSED, Outcome.OVER_BUDGET):
            schedules[spec] = timed.cost_s
        else:
            troubles.append(f"scheduler {spec}: {timed.outcome}: {timed.note}")
    sources = {spec: file_hash(path) for spec in schedules if (path := file_of(spec)) is not None}
    record = Record(instance.name, instance.hash, bounds, schedules, current_versions(), sources=sources)
    return Measured(record, troubles + contradictions(record), prices)


def contradictions(record: Record) -> list[str]:
    """Bounds above schedules: whatever else is recorded, one of the two is wrong."""
    return [
        f"bound {method} {_seconds(bound)} lies above the schedule of {scheduler} {_seconds(latency)}"
        for method, bound in record.bounds.items()
        for scheduler, latency in record.schedules.items()
        if latency is not None and bound > latency * (1.0 + ROUNDING)
    ]


def differences(old: Record, new: Record) -> list[str]:
    """One line for every recorded thing that is no longer so."""
    lines = []
    if old.hash != new.hash:
        lines.append(f"hash was {old.hash[:16]}, is {new.hash[:16]}: not the instance that was recorded")
    if old.instance != new.instance:
        lines.append(f"name was {old.instance!r}, is {new.instance!r}")
    lines += _moved("bound ", old.bounds, new.bounds, ("fell", "rose"))
    lines += _moved("scheduler ", old.schedules, new.schedules, ("is faster", "is slower"))
    for spec, digest in old.sources.items():
        if spec in new.sources and new.sources[spec] != digest:
            lines.append(f"scheduler {spec}: its file is not the one recorded (was {digest[:16]}, is {new.sources[spec][:16]})")
    return lines or _misstated(old)  # where values moved, the best of them did too


def _misstated(record: Record) -> list[str]:
    """One line for each key of a file's ``best`` that does not follow from its own bounds and schedules."""
    if record.stated_best is None:
        return []
    stated, true = dict(record.stated_best), record.best
    return [
        f"best.{key} is stated as {_stated(stated, key)}, the recorded values give {_stated(true, key)}"
        for key in [*true, *sorted(set(stated) - set(true))]
        if key not in stated or key not in true or stated[key] != true[key] or isinstance(stated[key], bool)
    ]


def _stated(best: Mapping[str, Any], key: str) -> str:
    return ("none" if best[key] is None else shown(best[key])) if key in best else "nothing"


def _moved(what: str, old: Mapping[str, float | None], new: Mapping[str, float | None], words: tuple[str, str]) -> list[str]:
    lines = []
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            lines.append(f"{what}{name} was {_seconds(old[name])}, is missing")
        elif name not in old:
            lines.append(f"{what}{name} is {_seconds(new[name])}, was not recorded")
        elif differs(old[name], new[name]):
            before, after = old[name], new[name]
            if before is None or after is None:
                lines.append(f"{what}{name} was {_seconds(before)}, is {_seconds(after)}")
                continue
            change = f" ({100 * (after / before - 1):+.3g} %)" if before else ""
            lines.append(f"{what}{name} {words[after > before]}: {_seconds(before)} -> {_seconds(after)}{change}")
    return lines


def differs(old: float | None, new: float | None) -> bool:
    """Whether two values are further apart than rounding."""
    if old is None or new is None:
        return old is not new
    return abs(old - new) > ROUNDING * max(abs(old), abs(new))


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value!r} s"


def current_versions() -> dict[str, str]:
    """The versions that decide values."""
    versions = {}
    for package in ("highspy", "numpy", "placement-opt"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def to_text(record: Record) -> str:
    """The best file: sorted keys, floats that read back as they were, one newline at the end."""
    document = {
        "schema": SCHEMA,
        "instance": record.instance,
        "hash": record.hash,
        "methods": list(record.methods),
        "schedulers": list(record.schedulers),
        "bounds": dict(record.bounds),
        "schedules": dict(record.schedules),
        "best": record.best,
        "versions": dict(record.versions),
        "certificates": to_document(record.certificates),
        "certified": dict(record.certified),
    }
    if record.sources:
        document["sources"] = dict(record.sources)
    return json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"


def read_record(path: Path) -> Record:
    """A best file, checked; InputError for anything that :func:`to_text` would not have written."""
    try:
        document = parse_json(read_text(path, _LARGEST))
        return _record(document)
    except InputError as error:
        raise error.at(path=path) from None


def _record(document: Any) -> Record:
    _expect(isinstance(document, dict), document, "a table of values", "")
    for key in sorted(_KEYS - set(document)):
        raise InputError("found nothing", "expected this key", field=key)
    for key in sorted(set(document) - _KEYS - {"sources"}):
        raise InputError(f"found unknown key {key!r}", "expected only " + ", ".join(sorted(_KEYS)), field=key)
    schema = document["schema"]
    _expect(schema == SCHEMA and not isinstance(schema, bool), schema, f"schema {SCHEMA}", "schema")
    for key in ("instance", "hash"):
        _expect(isinstance(document[key], str), document[key], "a text", key)
    for key in ("bounds", "schedules", "versions", "best", "certified"):
        _expect(isinstance(document[key], dict), document[key], "a table", key)
    for name, value in document["bounds"].items():
        _expect(_is_time(value), value, "seconds", f"bounds.{name}")
        _expect(name in METHODS, name, "one of " + ", ".join(METHODS), "bounds")
    for name, value in document["schedules"].items():
        _expect(value is None or _is_time(value), value, "seconds or null", f"schedules.{name}")
    for name, value in document["versions"].items():
        _expect(isinstance(value, str), value, "a version", f"versions.{name}")
    bounds, schedules, sources = document["bounds"], document["schedules"], document.get("sources", {})
    of_files = sorted(name for name in schedules if file_of(name) is not None)
    hashes = isinstance(sources, dict) and all(isinstance(value, str) for value in sources.values())
    _expect(hashes and sorted(sources) == of_files, sources, "the hash of each scheduler's file", "sources")
    for key, names in (("methods", bounds), ("schedulers", schedules)):
        listed = document[key]
        agree = isinstance(listed, list) and all(isinstance(name, str) for name in listed) and sorted(listed) == sorted(names)
        _expect(agree, listed, f"the names that have a value, {', '.join(sorted(names)) or 'none'}", key)
    return Record(
        document["instance"],
        document["hash"],
        {name: float(bounds[name]) for name in document["methods"]},
        {name: None if schedules[name] is None else float(schedules[name]) for name in document["schedulers"]},
        document["versions"],
        document["best"],
        from_document(document["certificates"]),
        document["certified"],
        sources,
    )


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max


def _expect(holds: bool, found: object, expected: str, field: str) -> None:
    if not holds:
        raise InputError(f"found {found!r}"[:200], f"expected {expected}", field=field or None)
