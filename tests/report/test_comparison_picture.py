"""Gaps as a picture."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from placement_opt import compare
from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.report.comparison_picture import check_gaps, draw_gaps, gap_bars
from tests.cli.cases import write_drift
from tests.turns import Stay, Turn, turns


def test_bars_are_the_intervals() -> None:
    """In per cent, from what is proven to what is possible; those without a time have none."""
    (one,) = compare([turns()], [Stay(), Turn()], method="step").instances
    rows = [row.judgement for row in one.schedules if row.judgement is not None]
    assert gap_bars(one) == [
        (name, 100.0 * each.above_least, 100.0 * (each.above_most or 0.0), str(each.verdict))
        for name, each in zip(("stay", "turn"), rows, strict=True)
    ]
    (judged,) = compare([turns()], "lru", method="step").instances
    assert [name for name, *_ in gap_bars(judged)] == ["lru"]


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown ending, too many panels, no matplotlib: each with its message."""
    with pytest.raises(InputError, match=r"^--plot: found 'gaps', expected a name that ends in .png or .svg$"):
        check_gaps("gaps", 1)
    with pytest.raises(InputError, match=r"^--plot: found 65 instances, each a panel of its own, expected at most 64$"):
        check_gaps("gaps.svg", 65)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"^--plot: found no matplotlib, which draws the gaps, expected it to be installed: "):
        check_gaps("gaps.svg", 1)


def test_the_command_draws(tmp_path: Path) -> None:
    """The format that the name ends with, equal bytes from equal questions, with the names of schedulers and instances."""
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    picture = tmp_path / "gaps.svg"
    asked = ["compare", str(write_drift(tmp_path)), "--schedulers", "lru,static", "--method", "step"]
    assert main([*asked, "--plot", str(picture)]) == 0
    assert all(word in picture.read_text() for word in ("lru", "static", "drift", "above the optimum"))
    found = compare([turns()], [Stay(), Turn()], method="step")
    assert draw_gaps(found, "a.svg") == draw_gaps(found, "b.svg")
    assert draw_gaps(found, "a.png").startswith(b"\x89PNG")
