"""Make ``docs/report.svg``, the top of a report, from the page of an instance: ``python -m benchmarks.report``."""

from __future__ import annotations

import re
import textwrap
from html import escape
from pathlib import Path

from placement_opt.base.atomic import write_text_atomic
from placement_opt.report.page.content import About, about
from placement_opt.report.page.page import page
from placement_opt.study.survey import survey

_REPO = Path(__file__).parent.parent
PICTURE, INSTANCE = _REPO / "docs" / "report.svg", _REPO / "instances" / "seed" / "nvlink4-18gib-drift10.toml"
SCHEDULERS = ("static", "reactive", "page", "lru", "belady", "lp-rounded")
_WIDTH, _LETTERS, _LINE, _MARGIN = 720.0, 92, 22.0, 20.0
_SHOWN = ("gaps", "steps")
_FONT = "font-family: system-ui, 'DejaVu Sans', sans-serif; fill: var(--ink)"


def render() -> str:
    """The verdict and two pictures of the page, one below the other, in the page's colours by day and by night."""
    found = survey(INSTANCE, SCHEDULERS, curve=False)
    colours = re.search(r":root \{[^}]*\}\n@media \(prefers-color-scheme: dark\) \{ :root \{[^}]*\} \}", page([found], ""))
    assert colours is not None
    told = about(found, 1, {})
    parts, height = _head(told)
    for section in told.sections:
        if section.picture is None or not section.name.endswith(_SHOWN):
            continue
        svg = section.picture.svg
        size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        assert size is not None
        width, tall = _WIDTH - 2 * _MARGIN, (_WIDTH - 2 * _MARGIN) * float(size[2]) / float(size[1])
        parts.append(_text(section.title, height + 16.0, 16, "600"))
        place = f'x="{_MARGIN:g}" y="{height + 30.0:.1f}" width="{width:g}" height="{tall:.1f}"'
        parts.append(svg.replace("<svg ", f"<svg {place} ", 1))
        height += 54.0 + tall
    size_text = f'viewBox="0 0 {_WIDTH:g} {height:.1f}" width="{_WIDTH:g}" height="{height:.1f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size_text} style="color: var(--ink)">'
    back = f'<rect width="{_WIDTH:g}" height="{height:.1f}" style="fill: var(--paper)"/>'
    return "\n".join([head, f"<style>{colours[0]}</style>", back, *parts, "</svg>", ""])


def _head(told: About) -> tuple[list[str], float]:
    """The page's heading and verdict, and where they end."""
    parts, height = [_text(f"{told.name}: schedulers and the optimum", 40.0, 20, "700")], 72.0
    for line in textwrap.wrap(" ".join(told.verdict), _LETTERS):
        parts.append(_text(line, height, 14, "400"))
        height += _LINE
    return parts, height + 8.0


def _text(text: str, y: float, size: int, weight: str) -> str:
    style = f"{_FONT}; font-size: {size}px; font-weight: {weight}"
    return f'<text x="{_MARGIN:g}" y="{y:.1f}" style="{style}">{escape(text)}</text>'


if __name__ == "__main__":
    write_text_atomic(PICTURE, render())
