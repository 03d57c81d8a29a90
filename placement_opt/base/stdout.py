"""stdout belongs to answers. Libraries print there too, in Python and in C (HiGHS 1.16 a banner): that goes elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_FD = 1
#: Held while the descriptor points elsewhere for a moment.
_moved = threading.Lock()


@contextmanager
def kept_for_answers() -> Iterator[TextIO | None]:
    """The stream for answers; until the end whatever else is printed on stdout goes to stderr.

    Both the descriptor, which libraries in C and child processes write to, and ``sys.stdout`` are turned. What
    has replaced ``sys.stdout`` without that descriptor (a test's capture, a StringIO) is itself the stream for answers.
    """
    given = sys.stdout
    try:
        saved = os.dup(_FD)
    except OSError:  # started without stdout: nothing is kept, and the next file opened must not become descriptor 1
        _turn_to(2)
        yield given
        return
    answers = _on_descriptor(given, saved)
    _turn_to(2)
    sys.stdout = sys.stderr
    try:
        yield answers
    finally:
        with suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        _flush_c()
        os.dup2(saved, _FD)
        sys.stdout = given
        if answers is given:
            os.close(saved)
        elif answers is not None:
            with suppress(OSError):
                answers.close()


@contextmanager
def silenced() -> Iterator[None]:
    """What libraries in C print on stdout goes nowhere, for a moment: other threads' output goes there with it."""
    with _moved:
        try:
            saved = os.dup(_FD)
        except OSError:
            yield
            return
        _flush_c()
        _turn_to(None)
        try:
            yield
        finally:
            _flush_c()
            os.dup2(saved, _FD)
            os.close(saved)


def turn_to_stderr() -> None:
    """For good, at the end of the process: what libraries say when they are unloaded is no answer."""
    _turn_to(2)


def _on_descriptor(given: TextIO | None, saved: int) -> TextIO | None:
    """A stream like ``given`` on the descriptor ``saved``, or ``given`` where it does not write to stdout's own."""
    try:
        if given is None or given.fileno() != _FD:
            return given
        given.flush()
    except (OSError, ValueError, AttributeError):
        return given
    return open(saved, "w", encoding=given.encoding, errors="backslashreplace", newline=None)


def _turn_to(descriptor: int | None) -> None:
    """Descriptor 1 becomes another one's twin; nowhere's where there is none."""
    if descriptor is not None:
        with suppress(OSError):
            os.dup2(descriptor, _FD)
            return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _FD)
    if nowhere != _FD:
        os.close(nowhere)


def _flush_c() -> None:
    """Send what C's stdio holds back to where stdout points now; only where something in C can have written."""
    if "ctypes" in sys.modules:
        with suppress(OSError, AttributeError):
            sys.modules["ctypes"].CDLL(None).fflush(None)
