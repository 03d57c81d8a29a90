"""JSON is read and written strictly: what does not come back equal is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.base.json import dump_json, parse_json, plain

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20
)


@settings(derandomize=True, deadline=None)
@given(VALUES)
def test_what_is_dumped_parses_equal(value: object) -> None:
    """Every JSON value survives dump and parse, and dumps to the same text again."""
    text = dump_json(value)
    assert parse_json(text) == value
    assert dump_json(parse_json(text)) == text


def test_keys_are_sorted_and_text_is_ascii() -> None:
    """Equal tables give equal text, whatever the order of their keys."""
    assert dump_json({"b": 1, "a": ["é", (1, 2)]}) == '{"a":["\\u00e9",[1,2]],"b":1}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "found NaN, expected a finite number"),
        ('{"a": -Infinity}', "found -Infinity, expected a finite number"),
        ("[1e999]", "found 1e999, expected a finite number"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "found the key 'c' twice, expected each key once"),
        ("[" * 200_000, "found values nested too deeply, expected at most 64 levels"),
        ("[" * 70 + "]" * 70, "found values nested too deeply, expected at most 64 levels"),
        ("1" * 5000, "found a number of thousands of digits, expected numbers of a sensible size"),
        ('"\\ud800"', "found half of a surrogate pair, expected Unicode text"),
        ('{"\\ud800": 1}', "found the key '\\ud800', expected Unicode texts as keys"),
        ("", "found no valid JSON (Expecting value at column 1), expected JSON"),
        ('{"a":\n1 2}', "found no valid JSON (Expecting ',' delimiter at line 2 column 3), expected JSON"),
        ("1 2", "found no valid JSON (Extra data at column 3), expected JSON"),
        ("\ufeff1", "found no valid JSON (Expecting value at column 1), expected JSON"),
    ],
)
def test_bad_text_is_refused(text: str, message: str) -> None:
    """Each trap of the standard parser is an InputError that says what was found."""
    with pytest.raises(InputError) as caught:
        parse_json(text)
    assert str(caught.value) == message


def test_whole_surrogate_pairs_are_text() -> None:
    """An escaped character beyond 16 bits is fine."""
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, math.nan]}, "meta.a[1]: found nan, expected a finite number"),
        ({"a": {1: 2}}, "meta.a: found the key 1, expected Unicode texts as keys"),
        ({"a": np.int64(1)}, "meta.a: found a value of type int64, expected what JSON can hold"),
        ({"a": "\ud800"}, "meta.a: found half of a surrogate pair, expected Unicode text"),
        ({"a": 2**1024}, "meta.a: found a number of hundreds of digits, expected numbers of a sensible size"),
    ],
)
def test_values_that_json_cannot_hold_are_refused(value: object, message: str) -> None:
    """What would not come back equal is an InputError that names the place."""
    with pytest.raises(InputError) as caught:
        dump_json(value, "meta")
    assert str(caught.value) == message


def test_endless_values_are_refused() -> None:
    """A list that contains itself ends in an InputError."""
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InputError, match="nested too deeply"):
        plain(loop)
