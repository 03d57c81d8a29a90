"""docs/datasheet.md, from a datasheet to a proven design: its commands in an empty folder, and what it shows of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from placement_opt.cli import main
from tests.pages import shown

PAGE = (Path(__file__).parents[1] / "docs" / "datasheet.md").read_text()
STEPS = dict(re.findall(r"^## (\d+)\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the files of the page, and the one that it describes."""
    made = tmp_path_factory.mktemp("datasheet")
    for name, text in re.findall(r"`(\w+\.toml)`:\n\n```toml\n(.*?)```", PAGE, re.DOTALL):
        (made / name).write_text(text)
    never = (made / "years.toml").read_text().replace("[budgets]", '[budgets]\ntime = "10 ms"')
    (made / "never.toml").write_text(never)
    (synth,) = (command for command, _ in commands("3") if " -o " in command)
    with pytest.MonkeyPatch.context() as patch:  # the steps may be run in any order
        patch.chdir(made)
        assert main(shlex.split(synth)) == 0
    return made


def commands(step: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a step with the lines that it shows."""
    for block in re.findall(r"```\n(\$ .*?)```", STEPS[step], re.DOTALL):
        lines = block.splitlines()
        starts = [n for n, line in enumerate(lines) if line.startswith("$ ")]
        for first, after in pairwise([*starts, len(lines)]):
            yield lines[first].removeprefix("$ placement-opt "), lines[first + 1 : after]


def test_the_page_has_ten_steps() -> None:
    """Numbered from 1, each with a file or a command."""
    assert list(STEPS) == [str(n) for n in range(1, 11)]
    assert all("```" in text for text in STEPS.values())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_shows_what_comes_out(
    step: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command ends as the page shows it, line by line but for those left out."""
    monkeypatch.chdir(folder)
    for command, wanted in commands(step):
        code = main(shlex.split(command))
        out = capsys.readouterr().out.splitlines()
        assert code == ("never.toml" in command and command.startswith("bound")), command
        assert not wanted or shown(wanted, [line.rstrip() for line in out]) is None, command


def test_a_line_that_does_not_come_out_is_found() -> None:
    """The comparison can fail: a wrong line, lines out of order, one too many at the end."""
    assert shown(["...", "b"], ["a", "b"]) is None
    assert shown(["a", "...", "c", "..."], ["a", "b", "c", "d"]) is None
    assert shown(["b"], ["a", "b"]) == "b"
    assert shown(["...", "b", "...", "a"], ["a", "b"]) == "a"
    assert shown(["a"], ["a", "b"]) == "b is not shown"
