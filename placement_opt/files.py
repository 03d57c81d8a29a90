"""Files in and out: inputs are regular files, outputs appear whole or not at all.

An output is written beside its place, flushed to the disk and moved over (``os.replace``), so whoever reads the name finds
the old content or the new one, never half of it, and a run that fails leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from placement_opt.errors import InputError, named

#: Files begun and not yet in their places.
_drafts: set[Path] = set()


def open_regular(path: str | PathLike[str]) -> BinaryIO:
    """A regular file, opened for reading bytes; InputError for anything else (missing, folder, pipe, device, unreadable)."""
    try:
        # Without O_NONBLOCK the opening of a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputError("found no such file", "expected an existing file", path=path) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError("found something that is not a regular file", "expected a file", path=path)
    return io.BufferedReader(_Input(descriptor, path))


class _Input(io.FileIO):
    """A file whose reads, where the system refuses them, complain as its opening does."""

    def __init__(self, descriptor: int, path: str | PathLike[str]) -> None:
        super().__init__(descriptor, "rb")
        self.name = os.fspath(path)  # of an open descriptor it would be its number
        self._path = path

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _unreadable(self._path, error) from None

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            raise _unreadable(self._path, error) from None


def check_output(path: str | PathLike[str]) -> Path:
    """The place an output will be written to, symbolic links followed; InputError where no file can be put."""
    if not os.fspath(path):
        raise InputError("found an empty name", "expected the name of a file to write")
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise InputError("found a folder", "expected the name of a file to write", path=path)
        if not target.parent.is_dir():
            raise InputError(
                f"found no folder {named(Path(path).parent)!r}", "expected an existing folder to write to", path=path
            )
        if target.exists() and not target.is_file():
            raise InputError("found something that is not a regular file", "expected the name of a file to write", path=path)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    return target


def check_outputs(
    outputs: Mapping[str, str | PathLike[str] | None], inputs: Iterable[str | PathLike[str]] = ()
) -> dict[str, Path]:
    """Refuse, before any work is done, outputs that cannot be written or would overwrite what they are made from.

    Parameters
    ----------
    outputs
        Option -> the file it names, None where it was not given.
    inputs
        The files that the command reads; those that are missing are passed over.

    Returns
    -------
    dict
        Option -> the place it will be written to, for the options that were given.

    Raises
    ------
    InputError
        Names the option: no file can be put there, the file is one of the inputs, or two options name the same file.
    """
    inputs, places = list(inputs), dict[str, Path]()
    for option, path in outputs.items():
        if path is None:
            continue
        try:
            place = check_output(path)
            _try_to_write(place, path)
        except InputError as error:
            raise error.at(field=option) from None
        for other, taken in places.items():
            if place == taken:
                raise InputError(f"found the file of {other}", "expected another file", path=path, field=option)
        for name in inputs:
            if _same(place, name):
                found = f"found an input of this command, {named(name)!r}"
                raise InputError(found, "expected another file to write", path=path, field=option)
        places[option] = place
    return places


def _try_to_write(target: Path, path: str | PathLike[str]) -> None:
    """Put an empty file beside the target and take it away again: rights alone do not tell whether that works."""
    draft = _draft(target)
    try:
        draft.touch(exist_ok=False)
        draft.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def _same(one: Path, other: str | PathLike[str]) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them is not there
        return False


def _draft(target: Path) -> Path:
    return target.with_name(f".placement-{secrets.token_hex(8)}.tmp")


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
    draft = _draft(target)
    _drafts.add(draft)
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
        _drafts.discard(draft)


def discard_drafts() -> None:
    """Take away what :func:`atomic_file` has begun; for who is about to end the process without leaving its blocks."""
    for draft in list(_drafts):
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


def _unreadable(path: str | PathLike[str], error: OSError | ValueError) -> InputError:
    return InputError(f"found a file that cannot be read ({_reason(error)})", "expected a file", path=path)


def _unwritable(path: str | PathLike[str], error: OSError | ValueError) -> InputError:
    return InputError(f"found a file that cannot be written ({_reason(error)})", "expected a place to write to", path=path)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
