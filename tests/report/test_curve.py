"""The picture of a sweep: where values lie, what is refused, and that the files are what they are called."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.report.curve import Axis, check_picture, draw, make_axis
from placement_opt.study.keys import parse_keys
from placement_opt.study.sweep import sweep
from tests.cli.cases import write_drift


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        (("18GiB", "20 GiB", "25GiB"), Axis((18.0, 20.0, 25.0), "GiB", True)),
        (("512MiB", "1GiB"), Axis((0.5, 1.0), "GiB", True)),
        (("1GB", "2500 MB"), Axis((1.0, 2.5), "GB", True)),
        (("64 GB/s", "450GB/s"), Axis((64.0, 450.0), "GB/s", True)),
        (("10%", "12.5 %"), Axis((10.0, 12.5), "%", True)),
        (("1000 tokens", "3000tokens"), Axis((1000.0, 3000.0), "tokens", True)),
        (("8 blocks", "16 pages"), Axis((8.0, 16.0), "blocks", True)),
        (("8 blocks", "16 tokens"), Axis((0.0, 1.0), "", False)),
        (("1GiB", "unlimited"), Axis((0.0, 1.0), "", False)),
        (("200Gbps", "100GB/s"), Axis((25.0, 100.0), "GB/s", True)),
        (("5us", "1ms"), Axis((0.005, 1.0), "ms", True)),
        (("0.1", "0.3", "1"), Axis((0.1, 0.3, 1.0), "", True)),
        (("inclusive", "free"), Axis((0.0, 1.0), "", False)),
        (("1GiB", "free"), Axis((0.0, 1.0), "", False)),
        (("true", "false"), Axis((0.0, 1.0), "", False)),
        (("0B", "1B"), Axis((0.0, 1.0), "B", True)),
    ],
)
def test_axes(values: tuple[str, ...], axis: Axis) -> None:
    """Sizes, rates, durations and numbers lie where they are, in the unit of the largest; words one after the other."""
    found = make_axis(values)
    assert found.places == pytest.approx(axis.places)
    assert (found.unit, found.counted) == (axis.unit, axis.counted)


def test_wide_axes_are_logarithmic() -> None:
    """From a ratio of twelve on, unless a value is zero or a word."""
    assert make_axis(("1GiB", "16GiB")).log
    assert not make_axis(("4GiB", "16GiB")).log
    assert not make_axis(("0B", "16GiB")).log
    assert make_axis(("10%", "17.8%", "31.7%", "56.3%", "100%")).log  # even ratios
    assert not make_axis(("10%", "20%", "30%", "40%", "50%")).log
    assert not make_axis(("10%", "15%", "22.5%", "33.8%")).log
    assert not make_axis(("a", "b")).log


def test_gaps_between_values() -> None:
    """The smallest distance decides whether the values' own texts fit below the axis."""
    assert make_axis(("1", "2", "5")).gap() == pytest.approx(0.25)
    assert make_axis(("1", "4", "16")).gap() == pytest.approx(0.5)
    assert make_axis(("7",)).gap() == 1.0


def test_pictures_that_cannot_be_drawn_are_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown ending, too many panels, no matplotlib: each with its message."""
    one, many = parse_keys(["trace.seed=1,2"]), parse_keys(["trace.seed=1,2", "trace.tokens=" + ",".join(map(str, range(17)))])
    with pytest.raises(InputError, match=r"^--plot: found 'curve', expected a name that ends in .png or .svg$"):
        check_picture("curve", one)
    with pytest.raises(
        InputError, match=r"^--plot: found 17 combinations of the keys after the first, each a panel of its own"
    ):
        check_picture("curve.png", many)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = r"^--plot: found no matplotlib, which draws the curve, expected it to be installed: "
    with pytest.raises(InputError, match=found + r"pip install 'placement-opt\[plot\]'$"):
        check_picture("curve.svg", one)


def test_png_and_svg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--plot`` writes the format that the name ends with; one panel for each value of the other keys."""
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    path = str(write_drift(tmp_path))
    arguments = ["sweep", path, "--set", "hbm.capacity=256KiB,512KiB,1MiB", "--schedulers", "static,lru", "--method", "compact"]
    assert main([*arguments, "--plot", str(tmp_path / "one.png")]) == 0
    data = (tmp_path / "one.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    assert width > height > 300
    assert main([*arguments, "--set", "trace.seed=1,2", "--plot", str(tmp_path / "two.SVG")]) == 0
    text = (tmp_path / "two.SVG").read_text()
    assert "<svg " in text
    for word in ("static", "lru", "lower bound", "roofline", "no policy gets here", "total time [us]", "hbm.capacity"):
        assert f">{word}</text>" in text
    assert all(f">trace.seed = {seed}</text>" in text for seed in (1, 2))
    capsys.readouterr()


def test_the_same_sweep_gives_the_same_picture(tmp_path: Path) -> None:
    """No dates, no random names inside; wide axes, words and single points draw too."""
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    path = write_drift(tmp_path)
    for keys in (
        ["c2c.up.rate=1GB/s,10GB/s,450GB/s"],
        ["rules.residency=inclusive,free"],
        ["hbm.capacity=2MiB", "trace.seed=1,2,3,4"],
    ):
        found = sweep(path, keys, ["lru"], method="compact")
        assert draw(found, "a.svg") == draw(found, "a.svg")


def test_weak_points_are_hollow(tmp_path: Path) -> None:
    """A point whose bound judges nothing is marked as such in the picture; without any the legend has no such entry."""
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    path = write_drift(tmp_path)
    weak = draw(sweep(path, ["hbm.capacity=256KiB,64MiB"], ["lru"], method="roofline"), "a.svg")
    assert b">weak bound</text>" in weak
    close = draw(sweep(path, ["hbm.capacity=64MiB,65MiB"], ["lru"], method="roofline"), "a.svg")
    assert b">weak bound</text>" not in close
