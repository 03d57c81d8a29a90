"""docs/csv.md and docs/mooncake.md: their commands in an empty folder, in order, and what they show of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from placement_opt.cli import main
from tests.pages import commands, shown

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(("page", "count"), [("csv.md", 4), ("mooncake.md", 3), ("compare.md", 4)])
def test_the_page_shows_what_comes_out(
    page: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Line by line but for those left out; they end in a proven bound and a verdict."""
    monkeypatch.chdir(tmp_path)
    found = list(commands((DOCS / page).read_text()))
    assert len(found) == count
    for command, wanted in found:
        assert main(shlex.split(command)) == 0, command
        assert shown(wanted, [line.rstrip() for line in capsys.readouterr().out.splitlines()]) is None, command
    assert any("verdict" in line for _, wanted in found for line in wanted)


#: What the table of mistakes in csv.md is about -> a table that has it.
MISTAKES = {
    "has no header": "0,1\n0,2\n",
    "is separated by `;`": "step;block\n0;1\n",
    "has steps that fall": "step,block,bytes\n1,1,64\n0,2,64\n",
    "has sizes with units": "step,block,bytes\n0,1,64 KiB\n",
    "has a block that changes its size": "step,block,bytes\n0,1,64\n1,1,65\n",
    "reads a block before it is written": "step,block,bytes,rw\n0,1,64,r\n1,1,64,w\n",
    "has no bytes, and `[llm]` does not say them": "step,block\n0,1\n1,1\n",
}
INSTANCE = 'schema = 1\nname = "x"\n[memory]\npreset = "gh200"\n[trace]\nfile = "reads.csv"\n'


def test_mistakes_are_told_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row of the table, and no other."""
    monkeypatch.chdir(tmp_path)
    rows = dict(re.findall(r"^\| ([^|]+) \| `(.+)` \|$", (DOCS / "csv.md").read_text(), re.MULTILINE))
    assert set(rows) == set(MISTAKES)
    Path("instance.toml").write_text(INSTANCE)
    for what, text in MISTAKES.items():
        Path("reads.csv").write_text(text)
        assert main(["bound", "instance.toml"]) == 2
        assert capsys.readouterr().err == f"error: {rows[what]}\n"
