"""What binary files of ours are made of: numbers in planes, packed data, rational numbers, checksums.

Nothing that is read is trusted: data is unpacked to the length that it must have, whatever it would become.
"""

from __future__ import annotations

import hashlib
import zlib
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Array
from placement_opt.base.atomic import AnyPath, open_regular
from placement_opt.base.errors import InputError

#: Bytes of a checksum, SHA-256.
CHECKSUM = hashlib.sha256().digest_size
#: Bytes that the numerator or the denominator of a rational number takes at most: their count is stored in 16 bits.
LONGEST_NUMBER = 2**16 - 1
#: Bytes that are read and hashed at a time.
PIECE = 1 << 22


def begins_with(path: AnyPath, magic: bytes) -> bool:
    """Whether a file begins so; InputError where it cannot be read."""
    with open_regular(path) as handle:
        return handle.read(len(magic)) == magic


# ---- numbers -----------------------------------------------------------------------------------------------------------


def planes(numbers: npt.ArrayLike, dtype: str) -> bytes:
    """All lowest bytes, then all second bytes, and so on: what is equal lies together, and packs better.

    ``dtype``: what they are stored as, little endian.
    """
    column = np.ascontiguousarray(numbers).reshape(-1).astype(dtype)
    return np.ascontiguousarray(column.view(np.uint8).reshape(-1, column.itemsize).T).tobytes()


def of_planes(data: bytes | memoryview, dtype: str, count: int, start: int = 0) -> Array:
    """So many numbers of that dtype out of their planes, which begin at byte ``start`` and must all be there."""
    width = np.dtype(dtype).itemsize
    rows = np.frombuffer(data, dtype=np.uint8, offset=start, count=width * count).reshape(width, count)
    return np.ascontiguousarray(rows.T).view(dtype).reshape(count)


def ratio_bytes(value: Fraction, field: str) -> tuple[bytes, bytes]:
    """Numerator and denominator of a number >= 0, little endian; InputError where they are too long."""
    over, under = (number.to_bytes(-(-number.bit_length() // 8), "little") for number in value.as_integer_ratio())
    if max(len(over), len(under)) > LONGEST_NUMBER:
        found = f"found a {field} of {len(over)}/{len(under)} bytes"
        raise InputError(found, f"expected at most {LONGEST_NUMBER}", field=field)
    return over, under


def ratio_of(data: bytes | memoryview, over: int, path: AnyPath, field: str) -> Fraction:
    """The number whose numerator has the first ``over`` bytes and whose denominator has the rest."""
    numerator, denominator = int.from_bytes(data[:over], "little"), int.from_bytes(data[over:], "little")
    if denominator == 0:
        raise InputError("found a denominator of 0", "expected a rational number", path=path, field=field)
    return Fraction(numerator, denominator)


# ---- packed data -------------------------------------------------------------------------------------------------------


def most_packed(length: int) -> int:
    """Bytes that so many bytes become at most when they are packed, by whatever packer."""
    return length + (length >> 8) + 1024


def unpacked(packed: bytes, length: int, path: AnyPath) -> bytes:
    """What zlib packed, which must be so many bytes and no more; InputError that names the file where it is not."""
    unpacker = zlib.decompressobj()
    try:
        # deflate cannot make more than 1032 bytes of one
        data = unpacker.decompress(packed, length + 1) if length <= 1040 * len(packed) else b""
    except zlib.error as error:
        raise InputError(f"found data that cannot be unpacked ({error})", "expected zlib", path=path) from None
    if len(data) != length or not unpacker.eof or unpacker.unused_data:
        raise InputError("found data of another length", f"expected {length} bytes unpacked", path=path)
    return data


# ---- checksums ---------------------------------------------------------------------------------------------------------


def hash_on(digest: Any, handle: BinaryIO, count: int) -> bytes:
    """The value of a hash of :mod:`hashlib` that goes on with the next bytes of a file, so many or those there are."""
    while count > 0 and (data := handle.read(min(count, PIECE))):
        digest.update(data)
        count -= len(data)
    value: bytes = digest.digest()
    return value


def tail_of(path: AnyPath) -> bytes:
    """The last bytes of a file, as many as a checksum has; fewer of a shorter one."""
    with open_regular(path) as handle:
        handle.seek(max(0, handle.seek(0, 2) - CHECKSUM))
        return handle.read()


def checksum(path: AnyPath, length: int) -> bytes:
    """SHA-256 of the first bytes of a file."""
    with open_regular(path) as handle:
        return hash_on(hashlib.sha256(), handle, length)
