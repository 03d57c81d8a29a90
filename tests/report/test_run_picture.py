"""The picture of a run: what decides each step, what lies in each tier."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import placement_opt as po
from placement_opt.cli import main
from placement_opt.report.picture import size_unit
from placement_opt.study.survey import means, most, piece_ends
from tests.small import random_instance

REPO = Path(__file__).parents[2]


def test_pieces_of_steps() -> None:
    """They cover all steps, differ in length by one at most, and their means add up to the whole; states keep their peaks."""
    for steps in (1, 7, 240, 241, 1000):
        ends = piece_ends(steps, 240)
        lengths = np.diff(np.r_[0, ends])
        assert ends[-1] == steps
        assert lengths.min() >= 1
        assert lengths.max() - lengths.min() <= 1
        values = np.random.default_rng(steps).random(steps)
        assert (means(values, ends) * lengths).sum() == pytest.approx(values.sum())
    held = np.array([[1, 9], [5, 0], [2, 0], [0, 3], [7, 1]])
    assert most(held, piece_ends(4, 2)).tolist() == [[1, 9], [5, 0], [7, 3]]


def test_what_decides_adds_up() -> None:
    """With the floor's share all of each step, and only critical resources have any; with budgets, too."""
    runs = [
        po.simulate(random_instance(np.random.default_rng(n), 3), po.make_scheduler("lru"), per_step=True) for n in range(5)
    ]
    runs.append(
        po.simulate(po.load_instance(REPO / "instances/budgets/two-budget.toml"), po.make_scheduler("belady"), per_step=True)
    )
    for run in runs:
        assert run.per_step is not None
        sums = run.deciding.sum(axis=1)
        for step, names in enumerate(run.per_step["critical"]):
            deciding = {run.instance.memory.resources[r] for r in np.flatnonzero(run.deciding[step])}
            assert deciding == set(names.split("+")) - {""}
            assert sums[step] == pytest.approx(1.0 if names else 0.0)


def test_units_of_sizes() -> None:
    """That of the largest size."""
    assert [size_unit(size) for size in (0, 5, 2**10, 3 * 2**30)] == [
        (1.0, "B"),
        (1.0, "B"),
        (2.0**10, "KiB"),
        (2.0**30, "GiB"),
    ]


def test_png_and_svg(tmp_path: Path, drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--plot`` writes the format that the name ends with, with every tier and resource that decides; the same bytes again."""
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    one, two = tmp_path / "one.png", tmp_path / "two.svg"
    assert main(["simulate", drift, "--scheduler", "lru", "--plot", str(one)]) == 0
    assert one.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert main(["simulate", drift, "--scheduler", "lru", "--plot", str(two)]) == 0
    first = two.read_text()
    texts = re.findall(r">([^<>]+)</text>", first)
    assert any(text.startswith("lru on drift: ") for text in texts)
    assert {"What decides", "hbm", "lpddr", "step", "hbm: room for 2 MiB", "lpddr: room for 447 GiB", "room"} <= set(texts)
    assert main(["simulate", drift, "--scheduler", "lru", "--plot", str(two)]) == 0
    assert two.read_text() == first
    assert "latency" in capsys.readouterr().out


def test_refusals(drift: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No format, nothing to draw with."""
    command = ["simulate", drift, "--scheduler", "lru", "--plot"]
    assert main([*command, "picture"]) == 2
    assert "--plot: found 'picture', expected a name that ends in .png or .svg" in capsys.readouterr().err
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([*command, "a.svg"]) == 2
    assert "--plot: found no matplotlib, which draws the run, expected it to be installed" in capsys.readouterr().err
