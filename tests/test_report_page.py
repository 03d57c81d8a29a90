"""docs/report.md: its commands in an empty folder, in order, what they show of them, and its picture."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from placement_opt.cli import COMMANDS, main
from placement_opt.report.perfetto import MOST_EVENTS
from placement_opt.study.survey import CURVE_POINTS, CURVE_READS, PIECES
from tests.pages import commands, shown
from tests.report.pages import read_page

pytest.importorskip("jinja2", reason="jinja2, the report extra, is not installed")
pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "report.md").read_text()


def test_the_page_shows_what_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line but for those left out; the report has the sections of the page's table, in its order, after its top."""
    monkeypatch.chdir(tmp_path)
    for command, wanted in commands(PAGE):
        assert main(shlex.split(command)) == 0, command
        assert shown(wanted, [line.rstrip() for line in capsys.readouterr().out.splitlines()]) is None, command
    found = read_page(Path("report.html").read_text())
    rows = re.findall(r"^\| ([A-Z][^|]+) \| ", PAGE, re.MULTILINE)
    assert [one.text for one in found.all("h3")] == rows
    assert Path("run.png").stat().st_size > 10_000
    assert len(json.loads(Path("run.json").read_text())["traceEvents"]) > 100


def test_numbers_of_the_page_are_the_program_s() -> None:
    """Limits that it names."""
    assert f"at most {MOST_EVENTS:,} events" in PAGE
    assert f"up to {CURVE_READS:,} reads" in PAGE
    assert f"in {PIECES} pieces" in PAGE
    assert f"auto:{CURVE_POINTS}`" in PAGE
    assert "report" in COMMANDS


def test_the_picture_stands_alone() -> None:
    """A small SVG with the verdict, two pictures, every scheduler of them, and nothing from elsewhere."""
    path = DOCS / "report.svg"
    assert path.stat().st_size < 300_000
    root = ElementTree.parse(path).getroot()
    texts = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"static", "reactive", "page", "lru", "belady", "lp-rounded", "times the optimum", "step"} <= set(texts)
    assert any(text.startswith("The optimum is known: 24.01 ms (lp-rounded)") for text in texts)
    assert all(one.get("href", "#").startswith("#") for one in root.iter())
    names = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(set(names)) == len(names)
