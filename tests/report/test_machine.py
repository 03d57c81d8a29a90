"""JSON and CSV for programs."""

from __future__ import annotations

import json
from enum import StrEnum
from fractions import Fraction

import numpy as np

from placement_opt.report.machine import SCHEMA, to_csv, to_json


class _Word(StrEnum):
    A = "a word"


def test_json_begins_with_the_schema_number() -> None:
    """Every document says first which layout it has."""
    assert to_json({"b": 1, "a": 2}) == f'{{\n  "schema": {SCHEMA},\n  "b": 1,\n  "a": 2\n}}\n'


def test_json_never_holds_what_json_does_not_know() -> None:
    """NaN and infinities become null, numpy values plain ones, enums their words."""
    document = {
        "bad": [float("nan"), float("inf"), -float("inf"), np.float64("nan")],
        "array": np.array([[1.5, np.inf]]),
        "integer": np.int64(3),
        "flag": np.bool_(True),
        "word": _Word.A,
        "other": Fraction(1, 3),
        "inner": {1: (None, True)},
    }
    read = json.loads(to_json(document), parse_constant=lambda name: name)
    assert read["bad"] == [None] * 4
    assert read["array"] == [[1.5, None]]
    assert (read["integer"], read["flag"], read["word"], read["other"]) == (3, True, "a word", "1/3")
    assert read["inner"] == {"1": [None, True]}


def test_floats_read_back_as_they_were() -> None:
    """All digits of a number are in the text."""
    value = 0.1 + 0.2
    assert json.loads(to_json({"x": value}))["x"] == value
    assert to_csv(["x"], [[value]]) == f"x\n{value!r}\n"


def test_csv_leaves_out_what_is_no_number() -> None:
    """None, NaN and infinities are empty fields; commas and quotes in names are quoted."""
    assert to_csv(["a", "b"], [[None, float("nan")], [float("inf"), 'x,"y']]) == 'a,b\n,\n,"x,""y"\n'
