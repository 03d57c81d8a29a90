"""The scan for the lines of TOML keys: what it finds, and that no text costs it more than its length."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.toml import read_toml
from placement_opt.base.toml_keys import LONGEST_NAME, MOST_DEPTH, MOST_PARTS, PATTERN, key_lines, tokens

ALL = '''\
# a = 1 in a comment
plain = "x = 1"
long = """
inside = "no key" \\"""
[nor.a.table]
"""
other = \'\'\'
too = 1\'\'\'
"quoted.part"."x" = 1.5
dates = 1979-05-27T07:32:00.999999
list = [
  { one = 1, two = [ { three = 3 } ] }, # }
  { four = 4 },
]
after = 5
[ a . "b" ] # [c]
d.e = [1.5, 2.5]
f = { g.h = 1 }
[[a.c]]
i = 1
'''


def test_keys_are_found_where_they_are() -> None:
    """Strings and comments hold no keys; tables within lists within tables are below their key."""
    assert tomllib.loads(ALL)
    assert key_lines(ALL) == {
        "plain": 2,
        "long": 3,
        "other": 7,
        "quoted": 9,
        "quoted.part": 9,
        "quoted.part.x": 9,
        "dates": 10,
        "list": 11,
        "list.one": 12,
        "list.two": 12,
        "list.two.three": 12,
        "list.four": 13,
        "after": 15,
        "a": 16,
        "a.b": 16,
        "a.b.d": 17,
        "a.b.d.e": 17,
        "a.b.f": 18,
        "a.b.f.g": 18,
        "a.b.f.g.h": 18,
        "a.c": 19,
        "a.c.i": 20,
    }


HOSTILE = {
    "blanks": "schema = 1\n" + " " * 500_000,
    "blanks before =": "a" + " " * 500_000 + "= 1",
    "blank header": "[" + " " * 500_000,
    "quotes": '"' * 500_001,
    "escaped quotes": 'a = "' + '\\"' * 250_000,
    "long quotes": 'a = """' + '\\"' * 250_000,
    "pairs of quotes": 'a = """' + '""x' * 150_000,
    "letters and blanks": "a " * 250_000,
    "lines": "\n" * 500_000,
    "closing brackets": "]}" * 250_000,
    "equals": "a" + "=" * 500_000,
    "hashes": "#" * 500_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_character_is_looked_at_once(text: str) -> None:
    """The tokens are the text, none overlapping another: that is all the work there is, for repetitions do not give back."""
    found = [token for _, token in tokens(text)]
    assert sum(map(len, found)) == len(text)
    assert "".join(found) == text
    assert len(key_lines(text)) <= 1


def test_no_repetition_of_the_pattern_gives_back() -> None:
    """Every *, + and ? of the pattern is possessive, so that no text makes it look at a character again and again."""
    plain = re.sub(r"\\.|\[[^]]*\]", "x", PATTERN.pattern)  # without escapes and classes
    assert re.findall(r"[*+?]\+", plain)
    assert not re.findall(r"(?<![(*+?])[*+?](?!\+)", plain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a = 1\n" + ".".join(["a"] * 12_000) + " = 1\n",
            f"x.toml:2: found a key of more than {MOST_PARTS} parts, expected fewer dots",
        ),
        ("[" + ".".join(["a"] * 12_000) + "]\n", f"x.toml:1: found a key of more than {MOST_PARTS} parts, expected fewer dots"),
        (
            "a = { " + ".".join(['"a"'] * 12_000) + " = 1 }\n",
            f"x.toml:1: found a key of more than {MOST_PARTS} parts, expected fewer dots",
        ),
        (
            "b = 1\n[" + "a" * 200 + "]\n" + "b" * 56 + " = 1\n",
            f"x.toml:3: found a key of {LONGEST_NAME + 1} characters with its table, expected at most {LONGEST_NAME}",
        ),
        (
            "a = " + "{ a = " * (MOST_DEPTH + 1) + "1" + " }" * (MOST_DEPTH + 1),
            "x.toml:1: found values nested too deeply, expected flat tables",
        ),
        ("a = " + "[" * 400_000, "x.toml:1: found values nested too deeply, expected flat tables"),
    ],
)
def test_what_would_cost_a_parser_dear_is_refused_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    """Many parts, long names and deep brackets never reach the parser."""
    monkeypatch.setattr(tomllib, "loads", lambda _: pytest.fail("the parser was asked"))
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_toml(tmp_path / "x.toml")
    assert str(caught.value).removeprefix(f"{tmp_path}/") == message


def test_what_is_just_not_too_much_is_read(tmp_path: Path) -> None:
    """The limits are inclusive, and long values are no keys."""
    deep = "[" * MOST_DEPTH + "]" * MOST_DEPTH
    parts = ".".join("a" * MOST_PARTS)
    text = f'{parts} = 1\n{"b" * LONGEST_NAME} = {deep}\nc = "{"a." * 1000}"\nd = [{"1.5, " * 1000}]\n'
    (tmp_path / "x.toml").write_text(text)
    assert list(read_toml(tmp_path / "x.toml").data) == ["a", "b" * LONGEST_NAME, "c", "d"]
