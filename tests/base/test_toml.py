"""TOML with places."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.toml import (
    Table,
    as_choice,
    as_duration,
    as_flag,
    as_integer,
    as_number,
    as_rate,
    as_size,
    as_text,
    nearest,
    read_text,
    read_toml,
)


def table(folder: Path, text: str | bytes) -> Table:
    path = folder / "x.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_toml(path)


def message(folder: Path, caught: pytest.ExceptionInfo[InputError]) -> str:
    """The message with the folder's name taken out."""
    return str(caught.value).removeprefix(f"{folder}{os.sep}")


def test_values_come_back_converted(tmp_path: Path) -> None:
    """Each getter gives its type, tables nest, absent keys give None."""
    root = table(tmp_path, 'a = 1\nb = "4 GB"\nc = "2 GB/s"\nd = "3 ms"\ne = true\nf = "up"\n[g]\nh = 0.5\n[g.i]\nj = "text"\n')
    assert root.need("a", as_integer(0)) == 1
    assert root.need("b", as_size) == 4 * 10**9
    assert root.need("c", as_rate) == 2 * 10**9
    assert root.need("d", as_duration) == Fraction(3, 1000)
    assert root.need("e", as_flag) is True
    assert root.need("f", as_choice(["up", "down"])) == "up"
    inner = root.table("g")
    assert inner is not None
    assert (inner.need("h", as_number(0, 1)), inner.get("none", as_text), inner.table("nothing")) == (0.5, None, None)
    deepest = inner.table("i")
    assert deepest is not None
    assert (deepest.name, deepest.keys(), "j" in deepest, "k" in deepest) == ("g.i", ["j"], True, False)
    assert deepest.need("j", as_text) == "text"
    for part in (root, inner, deepest):
        part.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = [1\n", "x.toml:2: found no valid TOML (Unclosed array (at end of document)), expected TOML"),
        ("a = 1\nb = \n", "x.toml:2: found no valid TOML (Invalid value (at line 2, column 5)), expected TOML"),
        ("a = 1\na = 2\n", "x.toml:2: found no valid TOML (Cannot overwrite a value (at line 2, column 6)), expected TOML"),
        (b"a = '\xff'\n", "x.toml: found bytes that are not UTF-8 at offset 5, expected text"),
        (b"\xef\xbb\xbfa = 1\n", "x.toml:1: found no valid TOML (Invalid statement (at line 1, column 1)), expected TOML"),
        ("a = " + "[" * 100_000, "x.toml:1: found values nested too deeply, expected flat tables"),
        ("# " + "x" * (1 << 20), "x.toml: found more than 1048576 bytes, expected at most 1048576"),
    ],
)
def test_files_that_are_not_toml_are_refused(tmp_path: Path, text: str | bytes, expected: str) -> None:
    """Syntax errors have their line; other texts are refused before they cost anything."""
    with pytest.raises(InputError) as caught:
        table(tmp_path, text)
    assert message(tmp_path, caught) == expected


def test_a_number_of_too_many_digits_is_refused(tmp_path: Path) -> None:
    """Python converts no decimal integer of more than 4300 digits; that is bad input and no crash."""
    with pytest.raises(InputError, match=r"x\.toml: found a value that cannot be read \(Exceeds the limit"):
        table(tmp_path, "a = " + "9" * 5000)
    root = table(tmp_path, "a = 0x" + "f" * 5000)
    for convert in (as_integer(0), as_number(0, float("inf")), as_text, as_flag, as_size, as_choice(["x"])):
        with pytest.raises(InputError, match=r"x\.toml:1: a: found a value of type int too long to print"):
            root.need("a", convert)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Missing files, folders, pipes and impossible names are refused with their name."""
    os.mkfifo(tmp_path / "pipe")
    for name, expected in (
        ("none.toml", "none.toml: found no such file, expected an existing file"),
        ("pipe", "pipe: found something that is not a regular file, expected a file"),
        ("n" * 300, "n" * 300 + ": found a file that cannot be read"),
        ("a\0b", "a\0b: found a file that cannot be read"),
    ):
        with pytest.raises(InputError) as caught:
            read_text(tmp_path / name, 10)
        assert message(tmp_path, caught).startswith(expected)
    with pytest.raises(InputError, match="found something that is not a regular file"):
        read_text(tmp_path, 10)


def test_text_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    """The limit is inclusive."""
    path = tmp_path / "x.txt"
    path.write_text("0123456789", encoding="utf-8")
    assert read_text(path, 10) == "0123456789"
    with pytest.raises(InputError, match="found more than 9 bytes, expected at most 9"):
        read_text(path, 9)


CONVERT: list[tuple[Any, str, str]] = [
    (as_text, "3", "found 3, expected a non-empty text in quotes, on one line"),
    (as_text, '""', "found '', expected a non-empty text"),
    (as_text, r'"a\nb"', r"found 'a\nb', expected a non-empty text in quotes, on one line"),
    (as_integer(1, 5), "0", "found 0, expected a whole number from 1 to 5"),
    (as_integer(1, 5), "6", "found 6, expected a whole number from 1 to 5"),
    (as_integer(1, 5), "2.0", "found 2.0, expected a whole number from 1 to 5"),
    (as_integer(1, 5), "true", "found True, expected a whole number from 1 to 5"),
    (as_integer(1, 5), '"2"', "found '2', expected a whole number from 1 to 5"),
    (as_number(0, 1), "1.5", "found 1.5, expected a finite number in [0, 1]"),
    (as_number(0, 1, open_low=True), "0", "found 0, expected a finite number in (0, 1]"),
    (as_number(0, 1), "nan", "found nan, expected a finite number in [0, 1]"),
    (as_number(0, float("inf")), "inf", "found inf, expected a finite number in [0, inf]"),
    (as_number(0, 1), "true", "found True, expected a finite number in [0, 1]"),
    (as_number(0, 1), '"0.5"', "found '0.5', expected a finite number in [0, 1]"),
    (as_choice(["inclusive", "free"]), '"inclusve"', "found 'inclusve', did you mean 'inclusive'?"),
    (as_choice(["inclusive", "free"]), "3", "found 3, expected one of inclusive, free"),
    (as_choice(["inclusive", "free"]), '["free"]', "found a list, expected one of inclusive, free"),
    (as_flag, "1", "found 1, expected true or false"),
    (as_size, "5", "found 5 without a unit, expected a size"),
    (as_rate, '"0 GB/s"', "found '0 GB/s', expected a rate above zero"),
    (as_duration, '"5"', "found '5' without a unit, expected a duration"),
]


@pytest.mark.parametrize(("convert", "value", "expected"), CONVERT, ids=[expected[:40] for _, _, expected in CONVERT])
def test_bad_values_are_refused_with_their_place(tmp_path: Path, convert: Any, value: str, expected: str) -> None:
    """Whatever a converter refuses is said with file, line and dotted key."""
    inner = table(tmp_path, f"# a comment\n[outer]\nkey = {value}\n").table("outer")
    assert inner is not None
    for getter in (inner.need, inner.get):
        with pytest.raises(InputError) as caught:
            getter("key", convert)
        assert message(tmp_path, caught).startswith(f"x.toml:3: outer.key: {expected}")


def test_numbers_at_the_ends_are_accepted(tmp_path: Path) -> None:
    """Ranges include their ends, except the low one where it is open."""
    root = table(tmp_path, "zero = 0\none = 1\n")
    assert root.need("zero", as_number(0, 1)) == 0.0
    assert root.need("one", as_number(0, 1, open_low=True)) == 1.0
    assert root.need("one", as_integer(1, 1)) == 1


def read_all(inner: Table) -> None:
    inner.need("capacity", as_integer(0))
    inner.get("rate", as_integer(0))
    inner.get("rate", as_integer(0))
    inner.finish()


def test_missing_and_unknown_keys(tmp_path: Path) -> None:
    """A missing key names the table's line; a misspelt one names its own and what was meant, whether it was needed or not."""
    for text, expected in (
        ("x = 1\n[a]\n", "x.toml:2: a.capacity: found nothing, expected this key"),
        ("[a]\ncapcity = 1\n", "x.toml:2: a.capcity: found unknown key 'capcity', did you mean 'capacity'?"),
        ("[a]\ncapacity = 1\nrat = 2\n", "x.toml:3: a.rat: found unknown key 'rat', did you mean 'rate'?"),
        ("[a]\ncapacity = 1\nzzz = 2\n", "x.toml:3: a.zzz: found unknown key 'zzz', expected one of capacity, rate"),
    ):
        inner = table(tmp_path, text).table("a")
        assert inner is not None
        with pytest.raises(InputError) as caught:
            read_all(inner)
        assert message(tmp_path, caught) == expected


def test_a_key_read_under_a_similar_name_is_not_called_misspelt(tmp_path: Path) -> None:
    """What was asked for before is no misspelling of what is missing."""
    root = table(tmp_path, "rate1 = 1\n")
    root.need("rate1", as_integer(0))
    with pytest.raises(InputError, match="rate2: found nothing, expected this key"):
        root.need("rate2", as_integer(0))


def test_a_table_that_knows_no_key_says_so(tmp_path: Path) -> None:
    """Nothing is offered where nothing is known."""
    with pytest.raises(InputError, match="found unknown key 'x', expected none here"):
        table(tmp_path, "x = 1\n").finish()


def test_strange_keys_stay_on_one_line(tmp_path: Path) -> None:
    """A key with a line break or of endless length does not break the message."""
    for key in (r"a\nb", "k" * 500):
        with pytest.raises(InputError) as caught:
            table(tmp_path, f'"{key}" = 1\n').finish()
        assert "\n" not in str(caught.value)
        assert len(message(tmp_path, caught)) < 250


def test_nearest_word() -> None:
    """The nearest known word where one is near, all of them where none is."""
    assert nearest("capacty", ["capacity", "rate"]) == "did you mean 'capacity'?"
    assert nearest("q", ["capacity", "rate", "rate"]) == "expected one of capacity, rate"
    assert nearest("q", []) == "expected none here"


LINES = """\
# comment with a = 1

title = "x"
numbers = [
  [1, 2],
  ["a"],
]
[memory]  # the system
preset = "gh200"
hbm.capacity = "1 GB"
hbm.rate = "1 GB/s"
inline = { up = 1, down = 2 }
[ "quoted" . name ]
"key" = 1
text = "a line separator \u2028 inside"
after = 1
[[list]]
entry = 1
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("title", 3),
        ("numbers", 4),
        ("memory", 8),
        ("memory.preset", 9),
        ("memory.hbm", 10),
        ("memory.hbm.capacity", 10),
        ("memory.hbm.rate", 11),
        ("memory.inline.down", 12),
        ("memory.hbm.none", 10),
        ("quoted.name.key", 14),
        ("quoted.name.after", 16),
        ("list.entry", 18),
        ("absent", None),
    ],
)
def test_the_line_of_a_key(tmp_path: Path, field: str, line: int | None) -> None:
    """Keys, dotted keys, inline tables and headers have their lines; an absent key has its table's."""
    assert table(tmp_path, LINES).error(field, "found it").line == line
    assert table(tmp_path, LINES.replace("\n", "\r\n")).error(field, "found it").line == line
