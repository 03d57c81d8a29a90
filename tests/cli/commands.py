"""What a command answers, and what it refuses, as the tests of the command line read it."""

from __future__ import annotations

import pytest

from placement_opt.cli import main


def answer(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The stdout of a command that must succeed and say nothing on stderr."""
    assert main([str(word) for word in argv]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refusal(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 2) -> str:
    """The stderr of a command that must end with an exit code and print nothing on stdout."""
    assert main([str(word) for word in argv]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    return err
