"""Pages of the documentation that are run: what they show against what comes out."""

from __future__ import annotations


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
