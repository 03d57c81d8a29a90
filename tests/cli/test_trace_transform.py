"""``trace transform``: files in, files out, what is told, and what is refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import placement_opt as po
from placement_opt.cli import main
from placement_opt.workload.synth import synthesize
from placement_opt.workload.transforms.names import TRANSFORMS
from tests.workload.transforming import same


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> po.Trace:
    """A small trace of two layers in ``t.npz``, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    trace = synthesize("drift", {"layers": 2, "prefill": 20, "tokens": 6}, 1)
    po.save_trace(trace, "t.npz")
    return trace


def test_transforms_are_applied_in_order_and_told(stored: po.Trace, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is what the same texts make from Python; a line for all that is to be told, one for the file."""
    assert main(["trace", "transform", "t.npz", "-o", "u.npz", "--apply", "page:tokens=4", "--apply", "slice:start=2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split(":")[0] for line in out.splitlines()] == ["page", "u.npz"]
    assert same(po.load_trace("u.npz"), po.transform(stored, "page:tokens=4", "slice:start=2"))


@pytest.mark.usefixtures("stored")
def test_several_files_are_joined(capsys: pytest.CaptureFixture[str]) -> None:
    """And go on from there."""
    argv = ["t.npz", "t.npz", "-o", "u.npz", "--apply", "merge:steps=2,same=ids", "--apply", "slice:stop=10"]
    assert main(["trace", "transform", *argv]) == 0
    assert "52 blocks are the same as one of a trace before" in capsys.readouterr().out
    assert po.load_trace("u.npz").num_steps == 10


def test_every_layer_has_a_file(stored: po.Trace, capsys: pytest.CaptureFixture[str]) -> None:
    """By the name that is asked for."""
    assert main(["trace", "transform", "t.npz", "-o", "l{layer}.npz", "--apply", "slice:stop=8", "--apply", "split"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["slice", "l0.npz", "l1.npz"]
    for layer in range(2):
        assert same(po.load_trace(f"l{layer}.npz"), po.transform(stored, "slice:stop=8", f"split:layer={layer}"))


def test_the_list_names_every_transform_and_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else is needed for it."""
    assert main(["trace", "transform", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == list(TRANSFORMS)
    assert "    tokens: tokens of one layer that make a page; a multiple of those of the trace's blocks (default: 16)" in lines


@pytest.mark.usefixtures("stored")
def test_info_says_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each transform with its parameters, and what it told below it."""
    main(["trace", "transform", "t.npz", "-o", "u.npz", "--apply", "page:tokens=4"])
    capsys.readouterr()
    assert main(["trace", "info", "u.npz"]) == 0
    out = capsys.readouterr().out
    assert "transform       page: tokens 4\n" in out
    assert "which rules.page_tokens counts" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "TRACE: found nothing, expected trace files, --apply and -o (or --list)"),
        (["t.npz"], "--apply: found nothing, expected"),
        (["t.npz", "--apply", "page"], "-o: found nothing, expected"),
        (["t.npz", "--apply", "pages", "-o", "u.npz"], "--apply: found transform 'pages', did you mean 'page'?"),
        (
            ["t.npz", "--apply", "page:tokens=x", "-o", "u.npz"],
            "page.tokens: found 'x', expected a whole number from 1 to 65535",
        ),
        (["t.npz", "--apply", "slice:start=99", "-o", "u.npz"], "t.npz: slice.start: found 99, expected one of the 12 steps"),
        (["t.npz", "t.npz", "--apply", "page", "-o", "u.npz"], "trace: found 2 traces, expected one, or concat or merge"),
        (["t.npz", "--apply", "split", "-o", "u.npz"], "-o: found no {layer} in 'u.npz', expected it with split"),
        (["t.npz", "--apply", "page", "-o", "{layer}.npz"], "-o: found {layer} in '{layer}.npz', expected it with split"),
        (["t.npz", "--apply", "page", "-o", "t.npz"], "t.npz: -o: found an input of this command"),
        (["none.npz", "--apply", "page", "-o", "u.npz"], "none.npz: "),
    ],
)
@pytest.mark.usefixtures("stored")
def test_refusals(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    """Of the command line and of traces; nothing is written."""
    assert main(["trace", "transform", *argv]) == 2
    out, err = capsys.readouterr()
    assert (out, err[: 7 + len(message)]) == ("", f"error: {message}")
    assert not Path("u.npz").exists()


def test_the_page_about_transforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its commands run as they stand, and its table has a row for each transform."""
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "transforms.md").read_text()
    commands = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("placement-opt ")]
    assert [command[1] for command in commands] == ["synth", "transform", "info", "transform"]
    for command in commands:
        assert main(command) == 0
    assert "blocks are rewritten as they age" in capsys.readouterr().out
    assert re.findall(r"^\| `([a-z-]+)` \| [^|]*\| [^|]*\| [^|]*\|$", text, re.MULTILINE) == list(TRANSFORMS)
