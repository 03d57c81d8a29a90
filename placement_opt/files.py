"""Files in and out: inputs are regular files, outputs appear whole or not at all.

An output is written beside its place, flushed to the disk and moved over (``os.replace``), so whoever reads the name finds
the old content or the new one, never half of it, and a run that fails leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from placement_opt.errors import InputError


def open_regular(path: str | PathLike[str]) -> BinaryIO:
    """A regular file, opened for reading bytes; InputError for anything else (missing, folder, pipe, device, unreadable)."""
    try:
        # Without O_NONBLOCK the opening of a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputError("found no such file", "expected an existing file", path=path) from None
    except (OSError, ValueError) as error:
        raise InputError(f"found a file that cannot be read ({_reason(error)})", "expected a file", path=path) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError("found something that is not a regular file", "expected a file", path=path)
    return open(descriptor, "rb")


def check_output(path: str | PathLike[str]) -> Path:
    """The place an output will be written to, symbolic links followed; InputError where no file can be put.

    Useful before a long computation; :func:`atomic_file` checks again.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise InputError("found a folder", "expected the name of a file to write", path=path)
        if not target.parent.is_dir():
            raise InputError(
                f"found no folder {str(Path(path).parent)!r}", "expected an existing folder to write to", path=path
            )
        if target.exists() and not target.is_file():
            raise InputError("found something that is not a regular file", "expected the name of a file to write", path=path)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    return target


@contextlib.contextmanager
def atomic_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write bytes to that takes the place of ``path`` when the block ends, or vanishes when the block fails.

    Parameters
    ----------
    path
        The output. Symbolic links are followed, an existing file keeps its permissions.

    Raises
    ------
    InputError
        ``path`` is a folder or no regular file, its folder is missing, or the system refuses (no room, no permission).
    """
    target = check_output(path)
    draft = target.with_name(f".placement-{secrets.token_hex(8)}.tmp")
    try:
        with open(draft, "xb") as handle:
            yield handle
            handle.flush()
            with contextlib.suppress(FileNotFoundError):
                os.chmod(draft, stat.S_IMODE(target.stat().st_mode))
            os.fsync(handle.fileno())
        os.replace(draft, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def write_bytes_atomic(path: str | PathLike[str], data: bytes) -> None:
    """Write a whole file at once, see :func:`atomic_file`."""
    with atomic_file(path) as handle:
        handle.write(data)


def write_text_atomic(path: str | PathLike[str], text: str) -> None:
    """Write a whole text file at once as UTF-8, line ends as they are, see :func:`atomic_file`."""
    write_bytes_atomic(path, text.encode("utf-8"))


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where folders can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unwritable(path: str | PathLike[str], error: OSError | ValueError) -> InputError:
    return InputError(f"found a file that cannot be written ({_reason(error)})", "expected a place to write to", path=path)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
