"""stdout holds the answer and nothing else, whatever libraries print there."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from placement_opt.base import highs
from placement_opt.base.stdout import kept_for_answers, silenced
from placement_opt.cli import main

REPO = Path(__file__).parents[2]
#: A solver that prints in all ways there are, and once more when the process ends.
CHATTY = """
import atexit, ctypes, os, sys
from placement_opt.base import highs
from placement_opt.__main__ import entry

def say(how):
    os.write(1, b"banner by descriptor " + how + b"\\n")
    ctypes.CDLL(None).puts(b"banner by stdio " + how)
    print("banner by print", how.decode())

honest = highs._read
def chatty(*args):
    say(b"while solving")
    return honest(*args)
highs._read = chatty
atexit.register(os.write, 1, b"banner by descriptor at the end\\n")
sys.exit(entry())
"""
WAYS = ("by descriptor while solving", "by stdio while solving", "by print while solving", "by descriptor at the end")


def test_one_document_whatever_a_library_prints(ahead: str) -> None:
    """``--json`` stays JSON: print, C's stdio and bare descriptors go to stderr, and so do a library's last words."""
    argv = [sys.executable, "-c", CHATTY, "bound", ahead, "--method", "lp", "--json"]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["method"] == "lp"
    for way in WAYS:
        assert f"banner {way}\n" in done.stderr


def test_workers_print_on_stderr(ahead: str, drift: str, tmp_path: Path) -> None:
    """What libraries print in ``--jobs`` processes does not reach stdout either."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, sys\nif '--multiprocessing-fork' in sys.argv: os.write(1, b'banner\\n')\n"
    )
    argv = [sys.executable, "-m", "placement_opt", "compare", ahead, drift, "--schedulers", "static", "--jobs", "2", "--json"]
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{REPO}"}
    done = subprocess.run(argv, cwd=REPO, env=environment, capture_output=True, text=True)
    assert len(json.loads(done.stdout)["instances"]) == 2
    assert "banner" in done.stderr


def test_a_capture_gets_the_answer_only(ahead: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Called from Python too; afterwards both the descriptor and ``sys.stdout`` are what they were."""
    honest = highs._read

    def chatty(*args: object) -> object:
        os.write(1, b"banner\n")
        print("banner")
        return honest(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(highs, "_read", chatty)
    assert main(["bound", ahead, "--method", "lp", "--json"]) == 0
    os.write(1, b"after\n")
    print("after", flush=True)
    out, err = capfd.readouterr()
    document, *rest = out.split("}\nafter\n")
    assert json.loads(document + "}")["method"] == "lp"
    assert rest == ["after\n"]
    assert err.count("banner") == 2


def test_a_solver_that_greets_is_silent_in_python(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A banner printed before any option can be set (HiGHS 1.16) is not seen by those who use the library."""

    def greet() -> None:
        os.write(1, b"Running HiGHS\n")
        ctypes.CDLL(None).puts(b"Copyright")

    monkeypatch.setitem(sys.modules, "highspy", types.SimpleNamespace(Highs=greet))
    highs.silent_highspy.cache_clear()
    highs.silent_highspy()
    highs.silent_highspy.cache_clear()
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr() == ("", "")


def test_highs_greets_nobody() -> None:
    """The installed release: the first solver of a process prints nothing on either stream."""
    code = "from placement_opt.base.highs import silent_highspy; silent_highspy().Highs()"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("argv", [["memory", "list"], ["memory", "show", "none"]])
def test_without_stdout_nothing_takes_its_place(argv: list[str]) -> None:
    """``>&-``: the exit code is the same, and descriptor 1 is not handed to the next file that is opened."""
    code = "import os, sys; from placement_opt.cli import main; code = main(sys.argv[1:]); os.fstat(1); sys.exit(code)"
    command = ["sh", "-c", 'exec "$0" -c "$@" >&-', sys.executable, code, *argv]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0 if argv[1] == "list" else 2, "")
    assert "Traceback" not in done.stderr


def test_without_both_streams_nothing_is_printed() -> None:
    """``>&- 2>&-``: descriptor 1 leads nowhere, in a command and where a solver is silenced."""
    code = (
        "import os\n"
        "from placement_opt.base.stdout import kept_for_answers, silenced\n"
        "with silenced(): pass\n"
        "with kept_for_answers() as answers: os.write(1, b'banner')\n"
        "os._exit(7 if answers is None else 1)\n"
    )
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, code], cwd=REPO)
    assert done.returncode == 7


def test_descriptors_are_given_back(capfd: pytest.CaptureFixture[str]) -> None:
    """However often a command runs in one process, it leaves no descriptor open."""
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with kept_for_answers(), silenced():
            pass
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert capfd.readouterr() == ("", "")
