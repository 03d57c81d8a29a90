"""docs/share.md, a trace that may not be shared: its commands in an empty folder, its files, and what it shows of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from placement_opt.cli import main
from tests.pages import commands, shown

PAGE = (Path(__file__).parents[1] / "docs" / "share.md").read_text()


def test_the_page_shows_what_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command in order, line by line but for those left out; the fit that is written is the table that is shared."""
    files = dict(re.findall(r"`(\w+\.toml)`:\n\n```toml\n(.*?)```", PAGE, re.DOTALL))
    assert list(files) == ["private.toml", "shared.toml"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    found = list(commands(PAGE))
    assert len(found) == 4
    for command, wanted in found:
        assert main(shlex.split(command)) == 0, command
        assert shown(wanted, [line.rstrip() for line in capsys.readouterr().out.splitlines()]) is None, command
    assert files["shared.toml"].endswith((tmp_path / "fit.toml").read_text())
    before = files["private.toml"].partition("[trace]")[0].replace("private", "shared")
    assert files["shared.toml"].startswith(before)
