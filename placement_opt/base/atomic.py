"""Files in and out: inputs are regular files, outputs appear whole or not at all.

An output is written beside its place, flushed to the disk and moved over (``os.replace``), so whoever reads the name finds
the old content or the new one, never half of it, and a run that fails leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, cast

from placement_opt.base.errors import InputError, named

AnyPath = str | PathLike[str]

#: Files begun and not yet in their places, and folders for the time being.
_drafts: set[Path] = set()
_BUFFER = 1 << 16


def open_regular(path: str | PathLike[str]) -> BinaryIO:
    """A regular file, opened for reading bytes.

    Raises
    ------
    InputError
        Anything else (missing, folder, pipe, device, a window into the kernel such as ``/proc/kmsg``, unreadable), without
        opening what acts when it is opened and without waiting for anybody. What goes wrong later, while the file is being
        read, is an InputError that names it, too.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _irregular(path)
        # Were it replaced by a pipe by now, to open it without O_NONBLOCK would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputError("found no such file", "expected an existing file", path=path) from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not _is_stored(descriptor):
        os.close(descriptor)
        raise _irregular(path)
    return cast(BinaryIO, io.BufferedReader(_Input(descriptor, path), _BUFFER))


def _is_stored(descriptor: int) -> bool:
    """Whether this is a file that holds its bytes: no pipe or device, nor what a kernel makes up when it is read."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return False
    return found.st_size > 0 or not hasattr(os, "fstatvfs") or os.fstatvfs(descriptor).f_blocks > 0


class _Input(io.FileIO):
    """A file whose reads, where the system refuses them, complain as its opening does."""

    def __init__(self, descriptor: int, path: str | PathLike[str]) -> None:
        super().__init__(descriptor, "rb")
        self._path = self.name = os.fspath(path)  # of an open descriptor it would be its number

    def readinto(self, buffer: Any, /) -> int:
        return cast(int, self._named(super().readinto, buffer))

    def readall(self) -> bytes:
        return cast(bytes, self._named(super().readall))

    def _named(self, read: Callable[..., object], *arguments: object) -> object:
        try:
            found = read(*arguments)
        except OSError as error:
            raise _unreadable(self._path, error) from None
        if found is None:  # it would have to be waited for
            raise _irregular(self._path)
        return found


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
    _drafts.add(draft)
    try:
        draft.touch(exist_ok=False)
        draft.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        _drafts.discard(draft)


def _same(one: Path, other: str | PathLike[str]) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them is not there
        return False


def _draft(target: Path, ending: str = ".tmp") -> Path:
    return target.with_name(f".placement-{secrets.token_hex(8)}{ending}")


@contextlib.contextmanager
def atomic_path(path: str | PathLike[str], ending: str = ".tmp") -> Iterator[Path]:
    """The name of a file for others to write, which takes the place of ``path`` when the block ends, or vanishes if it fails.

    Whether the others have written everything is for the block to find out.

    Parameters
    ----------
    path
        The output. Symbolic links are followed; an existing file keeps its permissions, a new one has those that the umask
        leaves.
    ending
        Of the name that is handed out.

    Raises
    ------
    InputError
        ``path`` is a folder or no regular file, its folder is missing, or the system refuses (no room, no permission).
    """
    target = check_output(path)
    draft = _draft(target, ending)
    _drafts.add(draft)
    try:
        yield draft
        _sync(draft)
        with contextlib.suppress(FileNotFoundError):
            os.chmod(draft, stat.S_IMODE(target.stat().st_mode))
        os.replace(draft, target)
        with contextlib.suppress(OSError):  # not every system opens folders
            _sync(target.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        _take_away(draft)


@contextlib.contextmanager
def atomic_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write bytes to that takes the place of ``path`` when the block ends; see :func:`atomic_path`."""
    with atomic_path(path) as draft, open(draft, "xb") as handle:
        yield handle


@contextlib.contextmanager
def scratch_folder(parent: str | PathLike[str] | None = None) -> Iterator[Path]:
    """A folder of one's own until the block ends, in ``parent`` or where the system keeps temporary files.

    Raises
    ------
    InputError
        No folder can be made there.
    """
    folder = _folder(parent)
    try:
        yield folder
    finally:
        _take_away(folder)


def _folder(parent: str | PathLike[str] | None) -> Path:
    import tempfile

    try:
        folder = Path(tempfile.mkdtemp(prefix=".placement-", dir=parent))
    except OSError as error:
        raise _unwritable(parent or tempfile.gettempdir(), error) from None
    _drafts.add(folder)
    return folder


def _take_away(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            draft.unlink()
    _drafts.discard(draft)


def discard_drafts() -> None:
    """Take away files and folders for the time being; for who is about to end the process without leaving their blocks."""
    for draft in _drafts.copy():
        _take_away(draft)


def write_bytes_atomic(path: str | PathLike[str], data: bytes) -> None:
    """Write a whole file at once, see :func:`atomic_file`."""
    with atomic_file(path) as handle:
        handle.write(data)


@dataclass(frozen=True)
class Part:
    """A file that a piece of work has written at its place; where its folder is not there (another machine), as bytes."""

    path: Path
    data: bytes | None = None

    def landed(self) -> Path:
        """Where it lies: now at its place, if it came back as bytes."""
        if self.data is not None:
            write_bytes_atomic(self.path, self.data)
        return self.path


def write_part(path: Path, write: Callable[[BinaryIO], object]) -> Part:
    """Write a file whole, also where another process does the same at the same time; see :class:`Part`."""
    if path.parent.is_dir():
        with atomic_file(path) as handle:
            write(handle)
        return Part(path)
    memory = io.BytesIO()
    write(memory)
    return Part(path, memory.getvalue())


def write_text_atomic(path: str | PathLike[str], text: str) -> None:
    """Write a whole text file at once as UTF-8, line ends as they are, see :func:`atomic_file`."""
    write_bytes_atomic(path, text.encode("utf-8"))


def _sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _irregular(path: str | PathLike[str]) -> InputError:
    return InputError("found something that is not a regular file", "expected a file", path=path)


def _unreadable(path: str | PathLike[str], error: OSError | ValueError) -> InputError:
    return InputError(f"found a file that cannot be read ({_reason(error)})", "expected a file", path=path)


def _unwritable(path: str | PathLike[str], error: OSError | ValueError) -> InputError:
    return InputError(f"found a file that cannot be written ({_reason(error)})", "expected a place to write to", path=path)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
