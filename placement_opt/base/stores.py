"""Input files where they lie: by name, or in a store at an address such as ``s3://bucket/t.runs`` that fsspec opens.

What is read layer by layer need not be copied to each machine that reads it. fsspec comes with the extra "dask"; what it needs
besides for a kind of store (s3fs, gcsfs) is the user's to install.
"""

from __future__ import annotations

import io
import re
from typing import Any, BinaryIO, cast

from placement_opt.base.atomic import AnyPath, open_regular
from placement_opt.base.errors import InputError

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII)
#: Read at once: stores answer slowly, and much.
_BUFFER = 1 << 20


def is_url(name: object) -> bool:
    """Whether a text is an address in a store, and no name of a file."""
    return isinstance(name, str) and _URL.match(name) is not None


def open_stored(path: AnyPath) -> BinaryIO:
    """A file by its name or its address, opened for reading bytes anywhere in it.

    Raises
    ------
    InputError
        As :func:`placement_opt.base.atomic.open_regular`; no package that opens such an address, or the store refuses. What
        goes wrong later, while it is being read, is an InputError that names it, too.
    """
    if not is_url(path):
        return open_regular(path)
    address = str(path)
    if "::" in address:
        raise InputError("found a chain of stores", "expected one address", path=address)
    if address.startswith("file://"):
        return open_regular(address.removeprefix("file://"))
    try:
        import fsspec
    except ImportError:
        expected = 'expected the extra "dask": pip install "placement-opt[dask]"'
        raise InputError("found no package fsspec", expected, path=address) from None
    try:
        handle = fsspec.open(address, "rb").open()
    except FileNotFoundError:
        raise InputError("found no such file", "expected an existing file", path=address) from None
    except Exception as error:  # each kind of store has its own
        raise _refused(address, error) from None
    return cast(BinaryIO, io.BufferedReader(_Stored(handle, address), _BUFFER))


class _Stored(io.RawIOBase):
    """A file in a store, whose complaints are ours."""

    def __init__(self, handle: Any, address: str) -> None:
        self._handle, self.name = handle, address

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            data = self._handle.read(len(buffer))
        except Exception as error:
            raise _refused(self.name, error) from None
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return int(self._handle.seek(offset, whence))
        except Exception as error:
            raise _refused(self.name, error) from None

    def tell(self) -> int:
        return int(self._handle.tell())

    def close(self) -> None:
        if not self.closed:
            self._handle.close()
        super().close()


def _refused(address: str, error: Exception) -> InputError:
    why = str(error)[:200] or type(error).__name__
    return InputError(f"found a file that cannot be read ({why})", "expected a file in a store that fsspec opens", path=address)
