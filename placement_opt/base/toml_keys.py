"""Where the keys of a TOML file stand, in one pass over its tokens, before any parser has seen them.

No part of the text is looked at twice (every repetition below is possessive), and what would cost a parser more than its length
is refused: keys of very many parts, keys that are very long, brackets nested very deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from placement_opt.base.errors import InputError

#: Parts of a dotted key or header, characters of a whole name (header and key), brackets within brackets.
MOST_PARTS, LONGEST_NAME, MOST_DEPTH = 16, 256, 64
PATTERN = re.compile(
    r"""
      (?P<blank> [ \t\r]++ | \#[^\n]*+ )
    | (?P<end>   \n )
    | (?P<part>  \"{3} (?: [^"\\]++ | \\. | "(?!"") )*+ (?: \"{3,5} )?+
               | '{3} (?: [^']++ | '(?!'') )*+ (?: '{3,5} )?+
               | " (?: [^"\\\n]++ | \\[^\n] )*+ "?+
               | ' [^'\n]*+ '?+
               | [A-Za-z0-9_+-]++ )
    | (?P<mark>  . )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(text: str) -> Iterator[tuple[str, str]]:
    """(kind, token) in order, the whole text: "blank" (or comment), "end" of a line, "part" (of a key, or a value), "mark"."""
    for found in PATTERN.finditer(text):
        yield found.lastgroup or "", found[0]


def key_lines(text: str) -> dict[str, int]:
    """Line of each dotted key and of each table on the way to one.

    Raises
    ------
    InputError
        With its line: a key of too many parts, a name that is too long, brackets nested too deeply.
    """
    scan = _Scan()
    for kind, token in tokens(text):
        if kind == "part":
            scan.part(token)
        elif kind == "end":
            scan.end()
        elif kind == "mark":
            scan.mark(token)
    return scan.lines


class _Scan:
    """What is known between two tokens."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._line = 1
        self._parts: list[str] = []  # of a key that may be about to end
        self._dotted = False  # another part of it is to come
        self._table = self._key = ""  # what keys are below, and the last key
        self._open: list[tuple[str, str]] = []  # the same outside each bracket that is open
        self._begun = self._header = False  # something stands on this line; it is a header

    def part(self, token: str) -> None:
        self._parts = [*self._parts, token.strip("\"'")] if self._dotted else [token.strip("\"'")]
        self._dotted, self._begun = False, True
        self._line += token.count("\n")
        if len(self._parts) > MOST_PARTS:
            raise self._error(f"found a key of more than {MOST_PARTS} parts", "expected fewer dots")

    def end(self) -> None:
        self._line += 1
        self._dotted = False
        if not self._open:
            self._begun = self._header = False

    def mark(self, mark: str) -> None:
        if mark == "[" and not self._begun and not self._open:
            self._begun = self._header = True
        elif mark in "[{" and not self._header:
            self._open.append((self._table, self._key))
            self._table = self._key if mark == "{" else self._table
            if len(self._open) > MOST_DEPTH:
                raise self._error("found values nested too deeply", "expected flat tables")
        elif mark == "]" and self._header:
            self._table = self._noted("")
            self._header = False
        elif mark in "]}" and self._open:
            self._table, self._key = self._open.pop()
        elif mark == "=" and self._parts:
            self._key = self._noted(self._table)
        self._dotted = mark == "." and bool(self._parts)
        if not self._dotted and mark != "[":
            self._parts = []

    def _noted(self, table: str) -> str:
        """The name that the parts are below a table, its line and those of the tables on the way noted where they are new."""
        name = full = ".".join([table, *self._parts] if table else self._parts)
        if len(full) > LONGEST_NAME:
            raise self._error(f"found a key of {len(full)} characters with its table", f"expected at most {LONGEST_NAME}")
        while name and name not in self.lines:
            self.lines[name] = self._line
            name = name.rpartition(".")[0]
        return full

    def _error(self, found: str, expected: str) -> InputError:
        return InputError(found, expected, line=self._line)
