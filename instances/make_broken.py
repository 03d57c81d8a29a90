"""The files of ``hostile/`` that are no text: a small good trace with one thing broken. :mod:`instances.make` writes them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from placement_opt.base.atomic import write_bytes_atomic

Arrays = dict[str, Any]
#: A recording of one message, number 0, in msgpack: [1.0, [["AllBlocksCleared"]]].
_PAYLOAD = b"\x92\xcb" + struct.pack(">d", 1.0) + b"\x91\x91\xb0AllBlocksCleared"
KV_EVENTS = b"\x81\xa9kv-events\x01" + b"\x92\x00\xc4" + bytes([len(_PAYLOAD)]) + _PAYLOAD
_HEADER = {"arrays": [], "meta": {}, "share_base": 1, "size_unit": "bytes"}


def good() -> Arrays:
    """Two steps over three blocks; the third is produced by the first step."""
    return {
        "schema": np.array([1]),
        "header": _text(_HEADER),
        "indptr": np.array([0, 2, 4]),
        "blocks": np.array([0, 1, 1, 2], dtype=np.int32),
        "birth": np.array([-1, -1, 0], dtype=np.int32),
        "death": np.array([2, 2, 2], dtype=np.int32),
        "size": np.array([1]),
    }


def broken() -> Iterator[tuple[str, Arrays]]:
    """(name, arrays) of the files that differ from the good one by one array."""
    changes: dict[str, Arrays] = {
        "npz-schema": {"schema": np.array([99])},
        "npz-header-nan": {
            "header": np.frombuffer(b'{"arrays": [], "meta": NaN, "share_base": 1, "size_unit": "bytes"}', np.uint8)
        },
        "npz-size-unit": {"header": _text(_HEADER | {"size_unit": "pages"})},
        "npz-float-size": {"size": np.array([float("nan")])},
        "npz-zero-size": {"size": np.array([0])},
        "npz-falling-pointers": {"indptr": np.array([0, 5, 4])},
        "npz-unknown-block": {"blocks": np.array([0, 1, 1, 7], dtype=np.int32)},
        "npz-repeated-block": {"blocks": np.array([0, 1, 1, 1], dtype=np.int32)},
        "npz-future-block": {"blocks": np.array([0, 2, 1, 2], dtype=np.int32)},
        "npz-read-after-death": {"death": np.array([2, 0, 2], dtype=np.int32)},
        "npz-two-axes": {"birth": np.array([[-1, -1, 0]], dtype=np.int32)},
        "npz-unknown-array": {"secret": np.array([1])},
        "npz-no-pieces": {"header": _text(_HEADER | {"arrays": ["pieces"]}), "pieces": np.array([0], dtype=np.int32)},
        "npz-parts-of-bytes": {"header": _text(_HEADER | {"arrays": ["pieces"]}), "pieces": np.array([2], dtype=np.int32)},
    }
    for name, change in changes.items():
        yield name, good() | change
    yield "npz-missing-array", {name: array for name, array in good().items() if name != "death"}
    yield "npz-no-steps", good() | {"indptr": np.array([0]), "blocks": np.array([], dtype=np.int32)}


def make_broken(folder: Path) -> None:
    """Write all of them."""
    for name, arrays in broken():
        write_bytes_atomic(folder / f"{name}.npz", pack(arrays))
    whole = pack(good())
    write_bytes_atomic(folder / "npz-empty.npz", b"")
    write_bytes_atomic(folder / "npz-garbage.npz", np.random.default_rng(7).bytes(600))
    write_bytes_atomic(folder / "npz-cut-off.npz", whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[whole.index(b"birth.npy") + 9 + 128] ^= 1
    write_bytes_atomic(folder / "npz-flipped-bit.npz", bytes(flipped))
    write_bytes_atomic(folder / "npz-pickle.npz", pack(good(), {"birth": _pickle()}))
    write_bytes_atomic(folder / "npz-huge-claim.npz", pack(good(), {"blocks": _npy_head("<i4", 2**41) + b"\0" * 16}))
    write_bytes_atomic(folder / "kvevents-cut-off.kvevents", KV_EVENTS[:-1])
    write_bytes_atomic(folder / "kvevents-version.kvevents", KV_EVENTS[:11] + b"\x02" + KV_EVENTS[12:])
    line = b'{"timestamp": 0, "input_length": 512, "output_length": 5, "hash_ids": [1]}\n'
    write_bytes_atomic(folder / "jsonl-cut-off.jsonl.gz", _stored_gzip(line * 50)[:-4])


def _stored_gzip(data: bytes) -> bytes:
    """The beginning of a gzip file, up to its checksum: one stored block. By hand: what Python writes differs by release."""
    return b"\x1f\x8b\x08" + bytes(5) + b"\x04\x03\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data


def pack(arrays: Mapping[str, Any], raw: Mapping[str, bytes] | None = None) -> bytes:
    """An NPZ of arrays, some members replaced by raw bytes; the same bytes every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), (raw or {}).get(name, member.getvalue()))
    return out.getvalue()


class _Canary:
    """What a reader that believes pickles would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('a pickle was run')",))


def _pickle() -> bytes:
    return _npy_head("|O", 3) + pickle.dumps([_Canary(), 0, 0], protocol=2)


def _npy_head(descr: str, count: int) -> bytes:
    about = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({count},), }}".encode()
    about += b" " * (-(len(about) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(about)) + about


def _text(header: Mapping[str, Any]) -> Any:
    return np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
