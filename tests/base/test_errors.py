"""The family of errors: how they read, what they carry, that they travel between processes."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path

import pytest

from placement_opt.base.errors import (
    CertificateError,
    InputError,
    Interrupted,
    LimitError,
    PlacementError,
    ScheduleError,
    named,
    shown,
)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "found 1, expected 2"),
        ({"path": "a.toml"}, "a.toml: found 1, expected 2"),
        ({"path": Path("a.toml"), "line": 7}, "a.toml:7: found 1, expected 2"),
        ({"path": "a.toml", "line": 7, "field": "x.y"}, "a.toml:7: x.y: found 1, expected 2"),
        ({"field": "x.y"}, "x.y: found 1, expected 2"),
        ({"line": 7}, "found 1, expected 2"),
    ],
)
def test_input_error_reads_file_line_field(place: dict[str, object], text: str) -> None:
    """FILE:LINE: FIELD: found, expected; what is unknown is left out."""
    assert str(InputError("found 1", "expected 2", **place)) == text  # type: ignore[arg-type]


def test_input_error_without_expectation() -> None:
    """Where nothing can be said of what was expected there is no comma."""
    assert str(InputError("found garbage", path="a.npz")) == "a.npz: found garbage"


def test_place_is_filled_in_but_never_replaced() -> None:
    """at() adds what was missing and keeps what was known."""
    error = InputError("found 1", "expected 2", field="x").at(path="a.toml", line=3, field="y")
    assert str(error) == "a.toml:3: x: found 1, expected 2"
    assert str(error.at(path="b.toml", line=4)) == str(error)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "moved nothing"),
        ({"scheduler": "lru"}, "scheduler lru: moved nothing"),
        ({"step": 0, "block": 3}, "step 0, block 3: moved nothing"),
        ({"scheduler": "lru", "step": 5, "block": 0}, "scheduler lru, step 5, block 0: moved nothing"),
    ],
)
def test_schedule_error_names_scheduler_step_and_block(place: dict[str, object], text: str) -> None:
    """Step 0 and block 0 are named like the others."""
    assert str(ScheduleError("moved nothing", **place)) == text  # type: ignore[arg-type]


def test_exit_codes() -> None:
    """1 a check said no, 2 bad input, 3 no answer within the limits, 130 interrupted."""
    codes = {error: error.exit_code for error in (InputError, ScheduleError, LimitError, Interrupted)}
    assert codes == {InputError: 2, ScheduleError: 1, LimitError: 3, Interrupted: 130}
    assert all(issubclass(error, PlacementError) for error in codes)


@pytest.mark.parametrize(
    "error",
    [
        InputError("found 1", "expected 2", path="a", line=3, field="x"),
        ScheduleError("no", scheduler="lru", step=4, block=5),
        LimitError("none"),
    ],
)
def test_errors_survive_pickling(error: PlacementError) -> None:
    """An error raised in a worker process says the same in the parent."""
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (25, "25"),
        ("abc", "'abc'"),
        ("a\nb", r"'a\nb'"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        (16**5000, "a value of type int too long to print"),
        ([1, 2], "a list"),
        ({"a": 1}, "a table"),
        (date(2024, 3, 1), "the date or time 2024-03-01"),
    ],
    ids=["integer", "text", "line break", "long text", "endless integer", "list", "table", "date"],
)
def test_values_are_shown_briefly(value: object, text: str) -> None:
    """Messages show what was found, on one line, never more than 60 characters of it."""
    assert shown(value) == text


def test_a_name_longer_than_any_is_cut() -> None:
    """Both ends of it are shown, in every kind of error that has a file; what a system takes is shown whole."""
    long = "a" * 5000 + "z" * 5000
    cut = "a" * 490 + "..." + "z" * 490
    assert str(InputError("found 1", path=long, line=3)) == f"{cut}:3: found 1"
    assert str(CertificateError("is damaged", path=long)) == f"{cut}: is damaged"
    assert named("b" * 1000) == "b" * 1000
