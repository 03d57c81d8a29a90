"""What binary files of ours are made of: the bytes are pinned, they read back, and nothing is unpacked beyond its length."""

from __future__ import annotations

import hashlib
import io
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.binary import PIECE, begins_with, checksum, hash_on, of_planes, planes, ratio_bytes, ratio_of, unpacked
from placement_opt.base.errors import InputError


def test_planes_lie_low_bytes_first() -> None:
    """All lowest bytes, then the next, whatever the array's own dtype and order; one may begin in the middle of data."""
    numbers = np.array([[1, 0x10203], [0x04000000, 255]], dtype=np.int64)
    written = planes(numbers, "<u4")
    assert written == bytes([1, 3, 0, 255, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0])
    assert planes(np.asfortranarray(numbers), "<u4") == written
    assert of_planes(b"??" + written, "<u4", 4, 2).tolist() == numbers.ravel().tolist()
    assert of_planes(memoryview(planes(numbers, "<u8")), "<u8", 4).tolist() == numbers.ravel().tolist()
    assert planes([], "<u2") == b""
    assert of_planes(b"", "<u2", 0).dtype == np.uint16


def test_rational_numbers() -> None:
    """Little endian, 0 without a byte; no denominator of 0, none of more bytes than their count can say."""
    assert ratio_bytes(Fraction(258, 7), "claim") == (b"\x02\x01", b"\x07")
    assert ratio_bytes(Fraction(0), "claim") == (b"", b"\x01")
    assert ratio_of(b"\x02\x01\x07", 2, "f", "claim") == Fraction(258, 7)
    with pytest.raises(InputError, match="f: claim: found a denominator of 0, expected a rational number"):
        ratio_of(b"\x02", 1, "f", "claim")
    with pytest.raises(InputError, match="claim: found a claim of 65536/1 bytes, expected at most 65535"):
        ratio_bytes(Fraction(2 ** (8 * 65535)), "claim")


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"no zlib", "f: found data that cannot be unpacked .*, expected zlib"),
        (zlib.compress(bytes(99)), "f: found data of another length, expected 100 bytes unpacked"),
        (zlib.compress(bytes(10**6)), "f: found data of another length, expected 100 bytes unpacked"),
        (zlib.compress(bytes(100)) + b"\0", "f: found data of another length, expected 100 bytes unpacked"),
        (zlib.compress(bytes(100))[:-1], "f: found data of another length, expected 100 bytes unpacked"),
    ],
)
def test_what_does_not_unpack_to_its_length_is_refused(packed: bytes, message: str) -> None:
    """Shorter, longer, with something behind it, cut off, or not packed at all."""
    assert unpacked(zlib.compress(bytes(100)), 100, "f") == bytes(100)
    with pytest.raises(InputError, match=message):
        unpacked(packed, 100, "f")


def test_checksums_are_of_the_bytes_asked_for(tmp_path: Path) -> None:
    """The first ones of a file, of more than a piece; a hash that goes on where a handle stands."""
    data = b"abc" * (PIECE // 2)
    (tmp_path / "f").write_bytes(data)
    for length in (0, 5, len(data) - 1, len(data) + 9):
        assert checksum(tmp_path / "f", length) == hashlib.sha256(data[:length]).digest()
    handle = io.BytesIO(b"12345")
    handle.seek(1)
    assert hash_on(hashlib.sha256(b"0"), handle, 2) == hashlib.sha256(b"023").digest()
    assert begins_with(tmp_path / "f", b"abca")
    assert not begins_with(tmp_path / "f", b"abcb")
