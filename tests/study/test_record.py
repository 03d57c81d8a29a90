"""What is recorded of an instance: written, read back, compared."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Bound, Status
from placement_opt.instance.load import load_instance
from placement_opt.study.record import Record, contradictions, current_versions, differences, measure, read_record, to_text
from tests.cli.cases import write_ahead

RECORD = Record(
    instance="case",
    hash="ab" * 32,
    bounds={"roofline": 1.0, "lp": 1.25},
    schedules={"static": 2.0, "lru": 1.5, "page": None},
    versions={"highspy": "1.15.1", "numpy": "2.4.6", "placement-opt": "0.1.0"},
)


def test_a_record_reads_back_as_it_was(tmp_path: Path) -> None:
    """The text is stable: sorted keys, all digits, and reading it gives the same record."""
    path = tmp_path / "case.best.json"
    path.write_text(to_text(RECORD))
    assert read_record(path) == RECORD
    assert to_text(read_record(path)) == to_text(RECORD)
    assert list(json.loads(to_text(RECORD))) == sorted(json.loads(to_text(RECORD)))


def test_a_record_names_the_best_of_both_sides() -> None:
    """The highest bound, the lowest latency, and the gap between them."""
    best = json.loads(to_text(RECORD))["best"]
    assert best == {"bound_s": 1.25, "gap": pytest.approx(0.2), "latency_s": 1.5, "method": "lp", "scheduler": "lru"}


def test_a_record_without_values_has_no_best() -> None:
    """Nothing recorded is no error."""
    best = json.loads(to_text(replace(RECORD, bounds={}, schedules={})))["best"]
    assert set(best.values()) == {None}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("hash"), "hash: found nothing, expected this key"),
        (lambda d: d.update(extra=1), "extra: found unknown key 'extra'"),
        (lambda d: d.update(schema=2), "schema: found 2, expected schema 1"),
        (lambda d: d.update(schema=True), "schema: found True, expected schema 1"),
        (lambda d: d.update(hash=3), "hash: found 3, expected a text"),
        (lambda d: d.update(bounds=[]), r"bounds: found \[\], expected a table"),
        (lambda d: d["bounds"].update(lp="1"), "bounds.lp: found '1', expected seconds"),
        (lambda d: d["bounds"].update(lp=True), "bounds.lp: found True, expected seconds"),
        (lambda d: d["bounds"].update(lp=-1.0), "bounds.lp: found -1.0, expected seconds"),
        (lambda d: d["bounds"].update(lp=10**400), "bounds.lp: found 1000"),
        (lambda d: d["schedules"].update(lru=10**400), "schedules.lru: found 1000"),
        (lambda d: d["bounds"].update(lpp=1.0), "bounds: found 'lpp', expected one of roofline"),
        (lambda d: d["schedules"].update(lru="x"), "schedules.lru: found 'x', expected seconds or null"),
        (lambda d: d["versions"].update(numpy=2), "versions.numpy: found 2, expected a version"),
        (lambda d: d.update(methods=["lp"]), r"methods: found \['lp'\], expected the names that have a value, lp, roofline"),
        (lambda d: d.update(schedulers="lru"), "schedulers: found 'lru', expected the names that have a value"),
    ],
)
def test_a_best_file_that_is_none_is_refused(tmp_path: Path, edit: Callable[[dict[str, Any]], object], message: str) -> None:
    """Every key is checked, and the error names the file and the key."""
    path = tmp_path / "case.best.json"
    document = json.loads(to_text(RECORD))
    edit(document)
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=message) as caught:
        read_record(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": NaN}', '{"schema": 1, "schema": 1}'])
def test_garbage_is_no_best_file(tmp_path: Path, text: str) -> None:
    """What is no JSON object of ours is bad input, not a traceback."""
    path = tmp_path / "case.best.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_record(path)


def test_equal_records_do_not_differ() -> None:
    """Values within rounding are the same; versions alone are no difference."""
    other = replace(RECORD, bounds={"roofline": 1.0 * (1 + 1e-10), "lp": 1.25}, versions={})
    assert differences(RECORD, other) == []


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ({"bound_s": 1.2}, "best.bound_s is stated as 1.2, the recorded values give 1.25"),
        ({"latency_s": None}, "best.latency_s is stated as none, the recorded values give 1.5"),
        ({"gap": 10**400}, "best.gap is stated as 1000"),
        ({"method": "roofline"}, "best.method is stated as 'roofline', the recorded values give 'lp'"),
        ({"scheduler": ["lru"]}, "best.scheduler is stated as a list, the recorded values give 'lru'"),
        ({"extra": 1}, "best.extra is stated as 1, the recorded values give nothing"),
    ],
)
def test_what_a_file_states_as_best_must_follow_from_its_values(tmp_path: Path, edit: dict[str, Any], line: str) -> None:
    """Every key of ``best`` is derived again; any other value, and any other key, is a difference."""
    path = tmp_path / "case.best.json"
    document = json.loads(to_text(RECORD))
    document["best"].update(edit)
    path.write_text(json.dumps(document))
    (found,) = differences(read_record(path), RECORD)
    assert found.startswith(line)


def test_a_best_file_whose_best_is_empty_differs(tmp_path: Path) -> None:
    """Keys that are missing from ``best`` are named, all five."""
    path = tmp_path / "case.best.json"
    path.write_text(json.dumps(json.loads(to_text(RECORD)) | {"best": {}}))
    found = differences(read_record(path), RECORD)
    assert found[0] == "best.bound_s is stated as nothing, the recorded values give 1.25"
    assert len(found) == 5


def test_every_change_is_named() -> None:
    """Falling and rising bounds, schedules that move either way, declined and missing ones, a new hash: a line each."""
    other = Record(
        instance="renamed",
        hash="cd" * 32,
        bounds={"roofline": 0.5, "step": 1.1, "lp": 1.250001},
        schedules={"static": 1.0, "page": 3.0},
        versions=RECORD.versions,
    )
    assert differences(RECORD, other) == [
        "hash was abababababababab, is cdcdcdcdcdcdcdcd: not the instance that was recorded",
        "name was 'case', is 'renamed'",
        "bound roofline fell: 1.0 s -> 0.5 s (-50 %)",
        "bound lp rose: 1.25 s -> 1.250001 s (+8e-05 %)",
        "bound step is 1.1 s, was not recorded",
        "scheduler static is faster: 2.0 s -> 1.0 s (-50 %)",
        "scheduler lru was 1.5 s, is missing",
        "scheduler page was none, is 3.0 s",
    ]
    assert "scheduler static is slower: 1.0 s -> 2.0 s (+100 %)" in differences(other, RECORD)
    assert "bound roofline rose: 0.0 s -> 1.0 s" in differences(replace(RECORD, bounds={"roofline": 0.0}), RECORD)


def test_a_bound_above_a_schedule_is_a_contradiction() -> None:
    """Whatever was recorded, a bound must not pass a schedule."""
    assert contradictions(RECORD) == []
    wrong = replace(RECORD, bounds={"lp": 1.6})
    assert contradictions(wrong) == ["bound lp 1.6 s lies above the schedule of lru 1.5 s"]


def test_the_versions_that_decide_values_are_recorded() -> None:
    """Solver, numpy and this package."""
    assert set(current_versions()) == {"highspy", "numpy", "placement-opt"}
    assert "unknown" not in current_versions().values()


def test_a_method_that_fails_is_a_trouble_not_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that gives up or proves nothing is named, and the others are still measured."""

    def broken(*_: object, **__: object) -> None:
        raise LimitError("too large")

    def empty(*_: object, **__: object) -> Bound:
        return Bound("step", Status.NONE, None, 0.0, "", "no time")

    known = dict(importlib.import_module("placement_opt.bounds").METHODS)
    monkeypatch.setattr(
        importlib.import_module("placement_opt.study.record"), "METHODS", {**known, "lp": broken, "step": empty}
    )
    record, troubles, _ = measure(load_instance(write_ahead(tmp_path)), ("roofline", "step", "lp"), (), Limits())
    assert troubles == ["bound step proved nothing: no time", "bound lp failed: too large"]
    assert list(record.bounds) == ["roofline"]
