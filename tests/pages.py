"""Pages of docs/ as tests run them: the commands of their blocks, and whether what they show comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a page's blocks with the lines that it shows."""
    for block in re.findall(r"```\n(\$ .*?)```", text, re.DOTALL):
        lines = block.splitlines()
        starts = [n for n, line in enumerate(lines) if line.startswith("$ ")]
        for first, after in pairwise([*starts, len(lines)]):
            yield lines[first].removeprefix("$ placement-opt "), lines[first + 1 : after]


def shown(wanted: list[str], out: list[str]) -> str | None:
    """The first line that does not follow in the output as the page has it; None if all do."""
    at, gap = 0, False
    for line in wanted:
        if line == "...":
            gap = True
            continue
        while gap and at < len(out) and out[at] != line:
            at += 1
        if at >= len(out) or out[at] != line:
            return line
        at, gap = at + 1, False
    return None if gap or at == len(out) else f"{out[at]} is not shown"
