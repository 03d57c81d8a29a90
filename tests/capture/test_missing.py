"""Without torch and transformers: the message names the extra, and whatever does not need them works."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from placement_opt.cli import main
from placement_opt.workload.capture.models import check_installed

_find = importlib.util.find_spec


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (("torch", "transformers"), "no torch and no transformers"),
        (("torch",), "no torch"),
        (("transformers",), "no transformers"),
    ],
)
def test_the_message_names_the_extra(
    missing: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read, and nothing is written."""
    present = object()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else present)
    command = ["trace", "capture", "model", "--prompt", "none.txt", "--top-k", "8", "-o", str(tmp_path / "t.npz")]
    assert main(command) == 2
    expected = "expected them to be installed: pip install 'placement-opt[capture]'"
    assert capsys.readouterr().err == f"error: MODEL: found {named}, which the model is run with, {expected}\n"
    assert list(tmp_path.iterdir()) == []


def test_it_is_missing_where_it_is_missing() -> None:
    """The check asks for the packages that are imported."""
    there = all(_find(name) is not None for name in ("torch", "transformers"))
    if there:
        check_installed()
    else:
        with pytest.raises(Exception, match="placement-opt\\[capture\\]"):
            check_installed()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top-k", "8", "--top-p", "0.5"], "found --top-k and --top-p, expected one of --top-k, --top-p and --threshold"),
        (["--top-p", "0"], "--top-p: found 0, expected a number above 0 and up to 1"),
        (["--top-k", "0"], "argument --top-k: found '0', expected a whole number from 1 to 2147483647"),
        (["--top-k", "8", "--weights"], "--weights: found --weights for a trace, expected it with selections (.jsonl): "),
    ],
)
def test_options_are_looked_at_first(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule that is none costs no model."""
    command = ["trace", "capture", "model", "--prompt", "none.txt", *options, "-o", str(tmp_path / "t.npz")]
    assert main(command) == 2
    assert message in capsys.readouterr().err
