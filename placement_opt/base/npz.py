"""NPZ files: written the same way every time, read without trust.

``numpy.load`` opens them; the reader here does not use it, as it parses headers as Python literals and allocates what a header
claims. No code in a file is run, and every array is held against the size that the directory declares.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np

from placement_opt.base.arrays import Array
from placement_opt.base.atomic import AnyPath, open_regular
from placement_opt.base.errors import InputError

_VERSION_1 = b"\x93NUMPY\x01\x00"
#: The header of an array of one axis or two.
_NPY = re.compile(
    rb"\{\s*'descr':\s*'([<|][a-z][0-9])',\s*'fortran_order':\s*(False|True),"
    rb"\s*'shape':\s*\(([0-9]{1,18}),\s*([0-9]{1,18})?\),?\s*\}\s*"
)
#: All members together, unpacked; a file may unpack to ``SMALL_ARRAYS`` whatever its size, and beyond it to at most
#: ``MOST_RATIO`` times its size.
LARGEST_ARRAYS, SMALL_ARRAYS, MOST_RATIO = 2**35, 2**26, 100
_LARGEST_DIRECTORY = 2**17
#: Kinds of whole numbers, as the end of a dtype in a head.
INTEGERS = {"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}
#: Bytes that are read of a member at a time.
_PIECE = 2**17
#: What the parts below can raise on bytes that are no archive of ours.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    OverflowError,
    struct.error,
)


class SmallReads:
    """A file that hands out only so much at a time: keeps ``zipfile`` from reading a directory of gigabytes."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.seek, self.tell, self.seekable = handle.seek, handle.tell, handle.seekable

    def read(self, size: int = -1) -> bytes:
        data = self._handle.read(_LARGEST_DIRECTORY + 1 if size < 0 else min(size, _LARGEST_DIRECTORY + 1))
        if len(data) > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile("a directory of more members than a trace has")
        return data


def check_packing(infos: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Refuse members of a file of so many bytes by what the directory says of them, before anything is unpacked."""
    total = 0
    for info in infos:
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"found the member {info.filename!r} encrypted or packed unusually", "expected stored or deflated")
        total += info.file_size
    most = min(LARGEST_ARRAYS, max(SMALL_ARRAYS, MOST_RATIO * size))
    if total > most:
        raise InputError(f"found {size} bytes that unpack to {total}", f"expected at most {most}")


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Head(NamedTuple):
    """What an array in a file says of itself: bytes of the head, dtype, whether columns lie together, shape (one axis or two).

    Without axes where it says anything else.
    """

    length: int
    dtype: str
    columns: bool
    shape: tuple[int, ...]


@contextmanager
def opened(path: AnyPath, expected: str, smaller: str) -> Iterator[BinaryIO]:
    """A file; whatever is wrong with it becomes an InputError that names it.

    ``expected``: what it should be, such as "a trace file"; ``smaller``: what would fit in memory, such as "a smaller trace".
    """
    with open_regular(path) as handle:
        try:
            yield handle
        except InputError as error:
            raise error.at(path=path) from None
        except MemoryError:
            raise InputError("found arrays that do not fit in memory", f"expected {smaller}", path=path) from None
        except _BROKEN as error:
            found = f"found no readable NPZ ({str(error) or type(error).__name__})"
            raise InputError(found, f"expected {expected}", path=path) from None


def entry(name: str, method: int) -> zipfile.ZipInfo:
    """A member of an archive, packed by a method of :mod:`zipfile`, its date and rights fixed."""
    info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
    info.compress_type, info.create_system, info.external_attr = method, 3, 0o100644 << 16
    return info


def write_vectors(handle: BinaryIO, members: Mapping[str, Array], dtypes: Mapping[str, str], method: int) -> int:
    """Write an archive of arrays of one axis, each as its dtype; the number of bytes they unpack to."""
    total = 0
    with zipfile.ZipFile(handle, "w", method, compresslevel=1) as archive:
        for name, array in members.items():
            data = np.ascontiguousarray(array, dtype=dtypes[name])
            about = f"{{'descr': '{dtypes[name]}', 'fortran_order': False, 'shape': ({len(data)},), }}".encode()
            about += b" " * (-(len(about) + 11) % 64) + b"\n"
            prefix = _VERSION_1 + struct.pack("<H", len(about)) + about
            info = entry(name, method)
            info.file_size = len(prefix) + data.nbytes
            total += info.file_size
            with archive.open(info, "w") as member:
                member.write(prefix)
                member.write(data.view(np.uint8).data)
    return total


def read_head(stream: _Stream) -> Head | None:
    """The head of an array; None where none of version 1 begins."""
    start = stream.read(10)
    if len(start) < 10 or start[:8] != _VERSION_1:
        return None
    length = int.from_bytes(start[8:], "little")
    about = _NPY.fullmatch(stream.read(length))
    if about is None:
        return Head(10 + length, "", False, ())
    shape = tuple(int(axis) for axis in about.groups()[2:] if axis is not None)
    return Head(10 + length, about[1].decode(), about[2] == b"True", shape)


def read_vector(archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: np.dtype[Any], most: int) -> Array:
    """A member as an array of one axis, of that dtype and at most ``most`` bytes; InputError without a place."""
    with archive.open(info) as stream:
        head = read_head(stream)
        if head is None:
            raise InputError("found no array of version 1", "expected an .npy member")
        if len(head.shape) != 1 or head.dtype != dtype.str:
            found = head.dtype if len(head.shape) == 1 else "another header"
            raise InputError(f"found {found}", f"expected one axis of {dtype}")
        (count,) = head.shape
        if head.length + count * dtype.itemsize != info.file_size:
            found = f"found {count} entries in {info.file_size} bytes"
            raise InputError(found, "expected as many bytes as the entries take")
        if count * dtype.itemsize > most:
            raise InputError(f"found {count * dtype.itemsize} bytes", f"expected at most {most}")
        array = np.empty(count, dtype)
        _fill(stream, array)
        return array.astype(dtype.newbyteorder("="), copy=False)


def _fill(stream: _Stream, array: Array) -> None:
    """Read the whole of an array and, so that the checksum is looked at, the end of the stream."""
    view = array.view(np.uint8).data
    done = 0
    while done < len(view):
        chunk = stream.read(min(_PIECE, len(view) - done))
        if not chunk:
            raise EOFError("a member ends early")
        view[done : done + len(chunk)] = chunk
        done += len(chunk)
    if stream.read(1):
        raise EOFError("a member goes on after its end")
