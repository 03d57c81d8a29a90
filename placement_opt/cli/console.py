"""stdout for answers, stderr for everything else: progress, warnings, errors."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn, TextIO

from placement_opt.base.errors import InputError, Interrupted, LimitError, PlacementError

if TYPE_CHECKING:
    from placement_opt.base.limits import Limits

#: Characters of a file or a name that must not steer the reader's terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"}
#: Of a progress line.
_WIDTH = 100
#: What asks for an end: Ctrl-C, the system, a terminal that is closed.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Console:
    """Where a command writes to.

    Attributes
    ----------
    quiet
        No progress, even on a terminal.
    answers
        Where answers go: stdout, kept apart by :func:`placement_opt.base.stdout.kept_for_answers` from what libraries print.
    """

    def __init__(self, answers: TextIO | None = None) -> None:
        self.quiet = False
        self.answers = answers
        self._shown, self._wipe = 0, ""
        self._lost = ""
        for stream in (answers, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")

    def print(self, text: str) -> None:
        """An answer, on stdout. A reader that has gone away (``| head``) is no error; a full disk is, see :meth:`finish`."""
        self._clear()
        self._lost = self._lost or _write(self.answers, text)

    def warn(self, text: str) -> None:
        """Something to know, on stderr."""
        self._clear()
        _write(sys.stderr, text)

    def error(self, text: str) -> None:
        """``error: text`` on stderr."""
        self.warn(f"error: {text}")

    def fail(self, error: PlacementError) -> int:
        """Report an error and return its exit code."""
        self.error(str(error))
        return error.exit_code

    def progress(self, text: str) -> None:
        """A line that the next one overwrites, drawn by rich if installed; only on a terminal, never with ``quiet``."""
        if self.quiet or sys.stderr is None or not sys.stderr.isatty():
            return
        from placement_opt.cli.bar import WIPE, drawn

        line = text.translate(_CONTROLS).replace("\n", " ")[:_WIDTH]
        # one column is left free: a line that fills the terminal would wrap, and could not be wiped
        bar = drawn(line, min(_WIDTH, shutil.get_terminal_size().columns - 1))
        self._wipe = f"\r{' ' * len(line)}\r" if bar is None else WIPE
        _write(sys.stderr, f"\r{line.ljust(self._shown)}" if bar is None else f"{WIPE}{bar}", whole=False)
        self._shown = len(line)

    def line(self, text: str) -> None:
        """A line of progress that stays, terminal or not; never with ``quiet``."""
        if not self.quiet:
            self.warn(text)

    def finish(self, code: int) -> int:
        """The exit code in the end: that of bad input where an answer could not be written to stdout."""
        self._clear()
        if not self._lost:
            return code
        self.error(f"stdout: found an output that cannot be written ({self._lost}), expected a place to write to")
        return InputError.exit_code

    def _clear(self) -> None:
        if self._shown:
            _write(sys.stderr, self._wipe, whole=False)
            self._shown = 0

    @contextmanager
    def interruptible(self, limits: Limits) -> Iterator[Limits]:
        """Ctrl-C, SIGTERM and SIGHUP ask for a stop; what is proven so far is still reported. A second one ends at once.

        Signals that are ignored stay so. What is missing because of a stop (LimitError) is Interrupted.
        """
        if threading.current_thread() is not threading.main_thread():
            yield limits
            return

        def stop(*_: object) -> None:
            if limits.interrupted:
                end_at_once()
            limits.interrupt()
            with suppress(OSError):  # nobody may be left to read it
                # The handler may run inside a print; os.write to stderr cannot be caught in the middle of one.
                os.write(2, b"\nstopping; once more to end at once\n")

        heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        old = {number: signal.signal(number, stop) for number in heard}
        try:
            yield limits
        except PlacementError as error:
            if limits.interrupted and error.exit_code == LimitError.exit_code:
                raise Interrupted(str(error)) from None
            raise
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def end_at_once(code: int = 130) -> NoReturn:
    """End the process, now: no file half written, no worker left, whatever other threads are at."""
    with suppress(Exception):  # whatever it is, the process ends
        if "placement_opt.base.jobs" in sys.modules:
            import multiprocessing

            sys.modules["placement_opt.base.jobs"].end_processes(multiprocessing.active_children())
        if "placement_opt.base.atomic" in sys.modules:
            sys.modules["placement_opt.base.atomic"].discard_drafts()
    os._exit(code)


def _write(stream: TextIO | None, text: str, *, whole: bool = True) -> str:
    """Write and flush, ``whole`` lines without control characters; why it failed, "" if it did not or nobody reads on."""
    if stream is None:
        return ""
    try:
        stream.write(text.translate(_CONTROLS).removesuffix("\n") + "\n" if whole else text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        return error.strerror or str(error)
    return ""


def _silence(stream: TextIO) -> None:
    """Send the rest of a stream to nowhere, so that the interpreter's last flush is silent too."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
