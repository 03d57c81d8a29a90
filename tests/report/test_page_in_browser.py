"""The page as a browser reads it, where there is one; and what of its look can be told without."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from placement_opt.cli import main
from tests.cli.cases import write_drift
from tests.report.pages import read_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser() -> str:
    """The first of the browsers on the path; skips, naming what was looked for, where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: looked for {', '.join(BROWSERS)}")
    return found


def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    """Headless Chromium, on a wide screen and on a narrow one: a picture, and the same elements as are in the file."""
    program = browser()
    pytest.importorskip("jinja2", reason="jinja2, the report extra, is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")
    out = tmp_path / "page.html"
    assert main(["report", str(write_drift(tmp_path)), "--schedulers", "lru", "--method", "compact", "-o", str(out)]) == 0
    plain = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}"]
    for width in (1200, 400):
        shot = tmp_path / f"{width}.png"
        options = [f"--window-size={width},1600", f"--screenshot={shot}", out.as_uri()]
        subprocess.run([program, *plain, *options], check=True, capture_output=True, timeout=120)
        assert struct.unpack(">II", shot.read_bytes()[16:24])[0] == width
    dumped = subprocess.run([program, *plain, "--dump-dom", out.as_uri()], check=True, capture_output=True, timeout=120)
    page, read = read_page(out.read_text()), dumped.stdout.decode()
    for tag in ("section", "svg", "table", "figure"):
        assert len(re.findall(rf"<{tag}[ >]", read)) == len(page.all(tag))


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, as WCAG defines it."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_can_be_told_from_the_paper() -> None:
    """By day, by night and printed: texts by 4.5 to 1, lines of pictures by 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    text = resources.files("placement_opt.report.page").joinpath("page.html.j2").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{([^}]*)\}", text)
    assert len(blocks) == 3
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for name, least in {"ink": 4.5, "soft": 4.5, **{f"c{n}": 3.0 for n in range(1, 9)}}.items():
            for ground in ("paper", "card"):
                low, high = sorted(map(luminance, (colours[name], colours[ground])))
                assert (high + 0.05) / (low + 0.05) >= least, (name, ground)


def test_what_is_wide_can_be_scrolled_by_itself() -> None:
    """Tables and pictures are in boxes that scroll, by keys as well, so that the page never does sideways."""
    text = resources.files("placement_opt.report.page").joinpath("page.html.j2").read_text(encoding="utf-8")
    assert ".wide { overflow-x: auto; max-width: 100%; }" in text
    for tag in ("<table>", "{{ section.picture.svg"):
        (before,) = re.findall(r'<div class="wide" tabindex="0" role="group"[^\n]*>\s*' + re.escape(tag), text)
        assert "aria-label" in before
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
