"""docs/capture.md, from a model to a verdict: what needs the extra is parsed, all else is run and shows what comes out."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from instances.captured import compare
from placement_opt.cli import main, make_parser

PAGE = compare.PAGE.read_text(encoding="utf-8")
STEPS = dict(re.findall(r"^## (\d+)\. .*?\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
#: Steps whose commands need torch and transformers.
EXTRA = ("1", "2")


def commands(step: str) -> list[tuple[str, list[str]]]:
    """Each command of a step with the lines that the page shows of it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```\n(\$ .*?)```", STEPS[step], re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def lacking(wanted: list[str], out: list[str]) -> list[str]:
    """Lines that the page shows and that do not come out in this order."""
    lines = iter(out)
    return [line for line in wanted if line != "..." and line not in lines]


def test_the_page_has_its_steps() -> None:
    """Numbered, each with commands, the last ones on the committed capture."""
    assert list(STEPS) == ["1", "2", "3", "4", "5"]
    assert all(commands(step) for step in STEPS)


@pytest.mark.parametrize("step", EXTRA)
def test_commands_that_need_the_extra_are_commands(step: str) -> None:
    """With options that there are."""
    for command, _ in commands(step):
        words = shlex.split(command)
        if words[0] == "placement-opt":
            assert make_parser().parse_args(words[1:]).model
        else:
            assert words[:2] in (["pip", "install"], ["python", "-m"])


def test_a_step_shows_what_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands of the other steps one after the other, in a folder with the page's file and the committed capture."""
    (tmp_path / "instances").mkdir()
    shutil.copytree(compare.FOLDER, tmp_path / "instances" / "captured")
    for name, text in re.findall(r"`(\w+\.toml)`:\n\n```toml\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for step in STEPS:
        for command, wanted in commands(step) if step not in EXTRA else []:
            words = shlex.split(command)
            if words[0] != "placement-opt":
                continue
            assert main(words[1:]) == 0, command
            out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
            assert lacking(wanted, out) == [], command


def test_a_line_that_does_not_come_out_is_found() -> None:
    """The comparison can fail: a wrong line, lines out of order."""
    assert lacking(["a", "...", "c"], ["a", "b", "c"]) == []
    assert lacking(["b", "a"], ["a", "b"]) == ["a"]
    assert lacking(["d"], ["a"]) == ["d"]


def test_the_losses_are_those_of_the_training() -> None:
    """The page's numbers are those that the committed files say."""
    read = {
        name: json.loads((compare.FOLDER / f"{name}.training.json").read_text())["loss"] for name in ("learnt", "untrained")
    }
    learnt, before = read["learnt"], read["untrained"]
    text = " ".join(PAGE.split())
    assert f"{learnt['model']:.2f} nats a token on files that it has not seen" in text
    assert f"{learnt['unigram']:.2f} for the frequencies of tokens" in text
    assert f"{learnt['uniform']:.2f} for nothing" in text
    assert f"{before['model']:.2f} before it learnt" in text
