"""Plain text tables: columns wide enough, numbers to the right, nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_WIDTH = 118


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Header, rule and rows; ``align`` has one of "l" and "r" per column. Ends without a newline."""
    widths = [max(len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.ljust(width) if side == "l" else cell.rjust(width)
            for cell, width, side in zip(cells, widths, align, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(headers), "  ".join("-" * width for width in widths), *(line(row) for row in rows)])


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """One fact a line, the values below each other; long values are wrapped under their beginning, empty ones left out."""
    pairs = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in pairs), default=0) + 2
    lines = []
    for name, value in pairs:
        wrapped = textwrap.wrap(value, max(40, _WIDTH - width), break_long_words=False, break_on_hyphens=False) or [""]
        lines.append(f"{name:<{width}}{wrapped[0]}")
        lines += [" " * width + part for part in wrapped[1:]]
    return "\n".join(lines)


def paragraph(text: str) -> str:
    """Text wrapped to the width of the tables."""
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
