"""Streams, progress and signals of the command line."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from placement_opt.base.limits import Limits
from placement_opt.cli import bar, main
from placement_opt.cli.console import Console
from tests.cli.cases import write_ahead

REPO = Path(__file__).parents[2]
#: Before any test has changed it.
PARTS = bar._parts
RUN = [sys.executable, "-m", "placement_opt"]


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


# ---- streams -----------------------------------------------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_error() -> None:
    """``placement-opt ... | head``: no traceback, and the exit code is that of the command."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*RUN, "memory", "list"], cwd=REPO, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("argv", [["--help"], ["memory", "list"]])
def test_an_answer_that_cannot_be_written_is_an_error(argv: list[str]) -> None:
    """A full disk under stdout: exit code 2 and one line on stderr."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([*RUN, *argv], cwd=REPO, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: stdout: found an output that cannot be written (")
    assert done.stderr.count("\n") == 1


def test_closed_streams_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without stdout and stderr the exit code still tells what came of it."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["memory", "list"]) == 0
    assert main(["memory", "show", "none"]) == 2


def test_a_fault_of_the_program_is_told_from_bad_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An unexpected exception shows its traceback and ends with a code of its own."""

    def crash(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("placement_opt.report.presets.presets_text", crash)
    assert main(["memory", "list"]) == 70
    err = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in err
    assert "error: a fault of placement-opt itself" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError(), 3, "error: found too little memory"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (PermissionError(13, "Permission denied", "x.npz"), 2, "error: x.npz: Permission denied"),
        (OSError("strange"), 2, "error: strange"),
    ],
)
def test_what_the_system_refuses_has_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    """Memory, Ctrl-C and files that cannot be opened end without a traceback."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("placement_opt.report.presets.presets_text", refuse)
    assert main(["memory", "list"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1


# ---- progress ----------------------------------------------------------------------------------------------------------


def test_progress_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing on a stderr that is a file; on a terminal a line that is wiped before the answer; nothing with --quiet."""
    argv = ["bound", str(write_ahead(tmp_path))]
    seen = []
    for stream, more in ((io.StringIO(), []), (Terminal(), []), (Terminal(), ["--quiet"])):
        monkeypatch.setattr(sys, "stderr", stream)
        assert main([*argv, *more]) == 0
        seen.append(stream.getvalue())
    lines = [line for line in seen[1].split("\r") if line.strip()]
    assert [line.split(";")[0] for line in lines] == ["intervals begun", "compact begun", "milp begun"]
    assert lines[0] == "intervals begun; proven so far 48.29 ms by roofline"
    assert seen[1].endswith("\r")
    assert not seen[1].split("\r")[-2].strip()  # the last line is wiped
    assert (seen[0], seen[2]) == ("", "")


def test_a_shorter_line_wipes_the_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines overwrite each other completely and are cut to a terminal's width."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    console = Console()
    console.progress("a longer line")
    console.progress("short")
    console.progress("x" * 500 + "\n")
    assert stream.getvalue() == "\ra longer line\rshort        \r" + "x" * 100


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not rich is installed, lines are plain."""
    monkeypatch.setattr(bar, "_parts", lambda: None)


@pytest.fixture
def rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package rich, or else the copy of it that pip has."""
    if importlib.util.find_spec("rich") is None:
        for name in ("", ".console", ".progress_bar", ".text"):
            monkeypatch.setitem(sys.modules, f"rich{name}", pytest.importorskip(f"pip._vendor.rich{name}"))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(bar, "_parts", PARTS.__wrapped__)


@pytest.mark.usefixtures("rich")
def test_rich_draws_the_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar for what is counted, never wider than the terminal; it is wiped before the next output and not on stdout."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    console = Console(sys.stdout)
    console.progress("[3/12] drift.toml: lru  2.4 us " + "x" * 200)
    console.progress("[bold]no markup")
    console.print("answer")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in stream.getvalue().split(bar.WIPE)]
    assert lines[0] == lines[3] == ""
    assert re.fullmatch(r"[━╸╺]{6}[━╸╺ ]{18} 3/12 drift\.toml: lru  2\.4 us x+… *", lines[1])
    assert len(lines[1]) <= 59
    assert lines[2].rstrip() == "[bold]no markup"
    assert capsys.readouterr().out == "answer\n"


@pytest.mark.usefixtures("rich")
def test_rich_is_not_for_terminals_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where stderr is a file: the plain line stands, or nothing."""
    for stream, term, wanted in ((Terminal(), "dumb", "\r[1/2] a"), (io.StringIO(), "xterm", "")):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", term)
        Console().progress("[1/2] a")
        assert stream.getvalue() == wanted


def test_progress_steers_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters of a name are shown, not sent."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    Console().progress("a\x1b[31m\nb")
    assert stream.getvalue() == "\ra\\x1b[31m b"


# ---- signals -----------------------------------------------------------------------------------------------------------


def test_a_first_signal_asks_for_a_stop(capfd: pytest.CaptureFixture[str]) -> None:
    """The limits hear of it, nothing is raised, and the handlers are put back."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Console().interruptible(Limits()) as limits:
        assert not limits.interrupted
        os.kill(os.getpid(), signal.SIGINT)
        assert limits.interrupted
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert "stopping; once more to end at once" in capfd.readouterr().err


@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_a_second_signal_ends_at_once(second: str) -> None:
    """Exit code 130 in the middle of whatever is going on."""
    code = (
        "import os, signal\n"
        "from placement_opt.cli.console import Console\n"
        "from placement_opt.base.limits import Limits\n"
        "with Console().interruptible(Limits()):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        f"    os.kill(os.getpid(), signal.{second})\n"
        "    print('still there', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")


#: The command line, which gets a signal in the middle of writing a file, or of reading one.
HIT = """
import os, signal, sys
from placement_opt import __main__
from placement_opt.bounds.programs import export
from placement_opt.instance import outline
from placement_opt.workload.files import npz

def hitting(true):
    def hit(*arguments):
        if hasattr(arguments[0], "flush"):
            arguments[0].write(b"half")
        os.kill(os.getpid(), signal.{name})
        return true(*arguments)
    return hit

for module, key in ((npz, "write_vectors"), (export, "_holds"), (outline, "rooms")):
    setattr(module, key, hitting(getattr(module, key)))
sys.exit(__main__.entry())
"""


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("trace", "synth", "drift", "--tokens", "2", "-o", "out"), "SIGINT"),
        (("trace", "synth", "drift", "--tokens", "2", "-o", "out"), "SIGTERM"),
        (("trace", "synth", "drift", "--tokens", "2", "-o", "out"), "SIGHUP"),
        (("trace", "import", "me.csv", "--format", "reads-csv", "-o", "out"), "SIGTERM"),
        (("export", "ahead.toml", "--format", "lp", "-o", "out"), "SIGINT"),
        (("bound", "ahead.toml", "--certificate", "out"), "SIGTERM"),
        (("verify", "ahead.toml", "prices"), "SIGHUP"),
    ],
    ids=lambda part: part if isinstance(part, str) else " ".join(part[:2]),
)
def test_a_signal_ends_every_command_and_leaves_nothing(tmp_path: Path, argv: tuple[str, ...], name: str) -> None:
    """Where there is nothing to be reported yet: exit code 130, a word on stderr, no draft, and the old file as it was."""
    write_ahead(tmp_path)
    (tmp_path / "me.csv").write_bytes(b'n,l,read_kv\n2,0,"[0,1]"\n')
    (tmp_path / "prices").write_bytes(b"\x89POP\r\n\x1a\n" + bytes(100))
    (tmp_path / "out").write_bytes(b"old")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code = [sys.executable, "-c", HIT.format(name=name), *argv]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(code, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_signal_takes_workers_and_what_they_write_along(tmp_path: Path) -> None:
    """The second Ctrl-C, while processes work: they are ended, and take away what they have begun to write."""
    code = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from placement_opt.cli.console import Console\n"
        "from placement_opt.base.jobs import run_jobs\n"
        "from placement_opt.base.limits import Limits\n"
        "from tests.base.work import deaf\n"
        "markers = [Path(name) for name in sys.argv[1:]]\n"
        "def wait():\n"
        "    while not all(marker.exists() for marker in markers):\n"
        "        pass\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "if __name__ == '__main__':\n"
        "    threading.Thread(target=wait, daemon=True).start()\n"
        "    with Console().interruptible(Limits()) as limits:\n"
        "        run_jobs(deaf, markers, jobs=2, limits=limits)\n"
    )
    for name in "ab":
        (tmp_path / name).mkdir()
    argv = [sys.executable, "-c", code, *(str(tmp_path / name / "marker") for name in "ab")]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert [os.listdir(tmp_path / name) for name in "ab"] == [["marker"], ["marker"]]


@pytest.mark.parametrize("module", ["typing", "placement_opt.__main__"])
def test_ctrl_c_is_silent_before_the_program_has_begun(tmp_path: Path, module: str) -> None:
    """``python -m``: from the package's first import on, what Python shows of it is no traceback."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Hit:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r} and 'placement_opt' in sys.modules:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Hit())\n"
        "sys.modules.pop('typing', None)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPO}"}
    done = subprocess.run([*RUN, "memory", "list"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_library_leaves_signals_alone() -> None:
    """Importing the package changes no handler."""
    code = "import signal, placement_opt\nassert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True)


def test_signals_that_are_ignored_stay_so(capfd: pytest.CaptureFixture[str]) -> None:
    """A command that was begun by nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Console().interruptible(Limits()) as limits:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not limits.interrupted
    finally:
        signal.signal(signal.SIGHUP, before)
    assert capfd.readouterr().err == ""


def test_other_threads_run_without_handlers() -> None:
    """Only the main thread can have handlers; a command in another thread does without."""
    seen: list[object] = []

    def work() -> None:
        with Console().interruptible(Limits()):
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
