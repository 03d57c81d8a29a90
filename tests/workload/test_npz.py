"""A trace survives its file, equal traces give equal files, and no file is believed."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base import npz as base_npz
from placement_opt.base import room
from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.files import npz
from placement_opt.workload.files.npz import load_trace, save_trace
from tests.taken import taken
from tests.workload.traces import random_served, random_trace, same

FULL = random_trace(np.random.default_rng(0), layers=2, shares=True, sizes=True, deaths=True, positions=True)


def saved(path: Path) -> bytes:
    save_trace(FULL, path)
    return path.read_bytes()


def unpacked(path: Path) -> dict[str, bytes]:
    """The members of a good file, to break one and pack them again."""
    save_trace(FULL, path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def npy(array: np.ndarray, **options: Any) -> bytes:
    memory = io.BytesIO()
    np.lib.format.write_array(memory, array, **options)
    return memory.getvalue()


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_trace(path)
    return str(caught.value).removeprefix(f"{path}: ")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 3), *[st.booleans()] * 4, st.sampled_from([0.0, 0.5]))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    layers: int,
    shares: bool,
    sizes: bool,
    deaths: bool,
    positions: bool,
    density: float,
) -> None:
    """Every trace, with any of its optional arrays, comes back equal; also one without a single read, and its outline."""
    rng = np.random.default_rng(seed)
    trace = random_trace(rng, layers=layers, shares=shares, sizes=sizes, deaths=deaths, positions=positions, density=density)
    if sizes:
        pieces = rng.integers(1, 9, trace.num_blocks if shares else 1).astype(np.int32)
        trace = replace(trace, block_kind=rng.integers(0, 2, trace.num_blocks).astype(np.int8), pieces=pieces)
    if deaths:
        floors = rng.integers(0, 10**9, trace.num_steps) if shares else None
        trace = replace(trace, step_floor=floors, requests=random_served(rng, trace.num_steps))
    path = tmp_path_factory.mktemp("npz") / "t.npz"
    save_trace(trace, path)
    assert same(load_trace(path), trace)
    outline, reads = npz.outline_trace(path)
    assert (outline.position is not None, reads) == (positions, trace.num_reads)
    assert (outline.step_floor is None, outline.requests is None) == (trace.step_floor is None, trace.requests is None)


def test_same_trace_same_bytes(tmp_path: Path) -> None:
    """The file depends on the trace alone: not on the name, the time, or the order of the metadata."""
    first = saved(tmp_path / "a.npz")
    os.utime(tmp_path / "a.npz", (0, 0))
    again = load_trace(tmp_path / "a.npz")
    object.__setattr__(again, "meta", dict(reversed(list(again.meta.items()))))
    save_trace(again, tmp_path / "b.npz")
    assert (tmp_path / "b.npz").read_bytes() == first


def test_numpy_reads_the_file(tmp_path: Path) -> None:
    """The file is an ordinary NPZ: ``numpy.load`` gives the same arrays."""
    saved(tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz", allow_pickle=False) as arrays:
        assert arrays["schema"].tolist() == [1]
        assert np.array_equal(arrays["blocks"], FULL.blocks)
        assert np.array_equal(arrays["shares"], FULL.shares)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_file_written_by_numpy_is_read(tmp_path: Path, write: Callable[..., None]) -> None:
    """``numpy.savez`` with the same members makes a trace file, too."""
    saved(tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as arrays:
        write(tmp_path / "n.npz", **arrays)
    assert same(load_trace(tmp_path / "n.npz"), FULL)


def test_very_regular_trace_is_stored_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where packing would look like a bomb to the loader, the arrays are stored as they are and the file loads."""
    for module in (npz, base_npz):
        monkeypatch.setattr(module, "SMALL_ARRAYS", 2**10)
        monkeypatch.setattr(module, "MOST_RATIO", 2)
    trace = random_trace(np.random.default_rng(0), steps=3, blocks=5000, density=1.0)
    save_trace(trace, tmp_path / "t.npz")
    with zipfile.ZipFile(tmp_path / "t.npz") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert same(load_trace(tmp_path / "t.npz"), trace)


def test_metadata_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Metadata that would not come back equal, or of more than a mebibyte, is refused, and no file appears."""
    for meta, message in (
        ({"rng": np.int64(3)}, "meta.rng: found a value of type int64, expected what JSON can hold"),
        ({"text": "x" * 2**20}, "meta: found 1048697 bytes of metadata, expected at most 1048576"),
    ):
        trace = random_trace(np.random.default_rng(0), layers=1)
        object.__setattr__(trace, "meta", meta)
        with pytest.raises(InputError) as caught:
            save_trace(trace, tmp_path / "t.npz")
        assert str(caught.value) == message
    assert os.listdir(tmp_path) == []


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    """A missing file, a folder and an empty file are named."""
    assert refusal(tmp_path / "none.npz") == "found no such file, expected an existing file"
    assert refusal(tmp_path) == "found something that is not a regular file, expected a file"
    (tmp_path / "empty.npz").write_bytes(b"")
    assert refusal(tmp_path / "empty.npz") == "found an empty file, expected a trace file"


@pytest.mark.parametrize("data", [b"garbage", b"PK\x03\x04" + bytes(100), b"\x93NUMPY\x01\x00", b"PK\x05\x06" + b"\xff" * 18])
def test_garbage_is_refused(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no archive are refused as such."""
    (tmp_path / "t.npz").write_bytes(data)
    assert refusal(tmp_path / "t.npz").startswith("found no readable NPZ (")


def test_a_log_in_place_of_a_trace_is_told_how_to_become_one(tmp_path: Path) -> None:
    """Who hands a log to what takes a trace reads which command makes a trace of it."""
    (tmp_path / "log.jsonl").write_text('{"timestamp": 0, "input_length": 600, "output_length": 4, "hash_ids": [1, 2]}\n')
    assert refusal(tmp_path / "log.jsonl").endswith("expected a trace file (trace import FILE -o T.npz makes one of a log)")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    """No beginning of a good file is a trace."""
    data = saved(tmp_path / "t.npz")
    for end in range(1, len(data), 3):
        (tmp_path / "t.npz").write_bytes(data[:end])
        refusal(tmp_path / "t.npz")


@pytest.mark.parametrize("by_numpy", [False, True])
def test_flipped_bytes_are_refused_or_harmless(tmp_path: Path, by_numpy: bool) -> None:
    """Wherever bytes of a file change, the answer is an InputError or the same trace: checksums guard the arrays."""
    path = tmp_path / "t.npz"
    saved(path)
    if by_numpy:
        with np.load(path) as arrays:
            members = dict(arrays)
        np.savez(path, **members)
    data = path.read_bytes()
    rng = np.random.default_rng(7)
    messages = []
    for trial in range(1500):
        forged = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4) if trial % 2 else 1):
            forged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(forged)
        try:
            assert same(load_trace(path), FULL)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 1000
    assert all(message.startswith(f"{path}: ") for message in messages)


def test_random_members_are_refused_or_valid(tmp_path: Path) -> None:
    """Arrays with random entries and right checksums give an InputError or a trace, nothing else."""
    members = unpacked(tmp_path / "t.npz")
    rng = np.random.default_rng(8)
    names = list(members)
    for _ in range(400):
        forged = dict(members)
        name = names[rng.integers(len(names))]
        data = bytearray(forged[name])
        for place in rng.integers(0, len(data), 2):
            data[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
        forged[name] = bytes(data)
        try:
            assert load_trace(packed(tmp_path / "f.npz", forged)).num_steps == FULL.num_steps
        except InputError:
            continue


def with_header(changes: dict[str, Any]) -> bytes:
    from placement_opt.base.json import dump_json

    optional = ["block_layer", "block_token", "position", "shares", "step_layer", "step_token"]
    header = {"arrays": optional, "meta": {}, "share_base": 8, "size_unit": "tokens"} | changes
    return npy(np.frombuffer(dump_json({k: v for k, v in header.items() if v != "left out"}).encode(), dtype=np.uint8))


def text(data: bytes) -> bytes:
    return npy(np.frombuffer(data, dtype=np.uint8))


class Canary:
    """Leaves a file behind when somebody unpickles it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


BROKEN: list[tuple[str, dict[str, bytes | None], str]] = [
    ("extra member", {"extra.npy": npy(np.zeros(1))}, "found the member 'extra.npy', expected only the arrays of a trace"),
    ("path", {"../blocks.npy": b""}, "found the member '../blocks.npy', expected only the arrays of a trace"),
    ("no npy", {"blocks": b""}, "found the member 'blocks', expected only the arrays of a trace"),
    ("missing", {"birth.npy": None}, "birth: found no such member, expected this array of a trace"),
    (
        "optional gone",
        {"shares.npy": None},
        "header.arrays: found ['block_layer', 'block_token', 'position', 'shares', 'step_layer', 'step_token'], "
        "expected the optional arrays that the file holds",
    ),
    ("schema", {"schema.npy": npy(np.array([2]))}, "schema: found [2], expected schema 1"),
    ("no schema", {"schema.npy": npy(np.array([], dtype=np.int64))}, "schema: found [], expected schema 1"),
    ("other dtype", {"blocks.npy": npy(np.zeros(3))}, "blocks: found <f8, expected one axis of int32"),
    ("big endian", {"blocks.npy": npy(np.zeros(3, ">i4"))}, "blocks: found another header, expected one axis of int32"),
    ("two axes", {"blocks.npy": npy(np.zeros((3, 1), np.int32))}, "blocks: found another header, expected one axis of int32"),
    ("structured", {"size.npy": npy(np.zeros(3, "i8,i8"))}, "size: found another header, expected one axis of int64"),
    (
        "version 2",
        {"size.npy": npy(np.ones(1, np.int64), version=(2, 0))},
        "size: found no array of version 1, expected an .npy member",
    ),
    ("no array", {"size.npy": b"12345678901234567890"}, "size: found no array of version 1, expected an .npy member"),
    ("short", {"size.npy": b"\x93NUMPY"}, "size: found no array of version 1, expected an .npy member"),
    ("no utf-8", {"header.npy": text(b"\xff\xfe")}, "header: found bytes that are not UTF-8, expected JSON"),
    (
        "no json",
        {"header.npy": text(b"{")},
        "header: found no valid JSON (Expecting property name enclosed in double quotes at column 2)",
    ),
    ("nan", {"header.npy": text(b'{"meta": NaN}')}, "header: found NaN, expected a finite number"),
    (
        "key twice",
        {"header.npy": text(b'{"meta": 1, "meta": 2}')},
        "header: found the key 'meta' twice, expected each key once",
    ),
    ("no table", {"header.npy": text(b"[]")}, "header: found other keys, expected arrays, meta, share_base, size_unit"),
    ("key gone", {"header.npy": with_header({"meta": "left out"})}, "header: found other keys, expected arrays, meta"),
    ("key more", {"header.npy": with_header({"more": 1})}, "header: found other keys, expected arrays, meta"),
    ("meta", {"header.npy": with_header({"meta": 3})}, "meta: found int, expected a table"),
    ("share base", {"header.npy": with_header({"share_base": True})}, "share_base: found True, expected a whole number"),
    ("unit", {"header.npy": with_header({"size_unit": ["tokens"]})}, "size_unit: found ['tokens'], expected one of bytes"),
    ("long header", {"header.npy": text(b" " * (2**20 + 1))}, "header: found 1048577 bytes, expected at most 1048576"),
    ("values", {"indptr.npy": npy(np.array([0, 2**63 - 1, -2, 0, 0, 0, 5]))}, "indptr: found "),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_one_wrong_member_is_refused(tmp_path: Path, change: dict[str, bytes | None], message: str) -> None:
    """A good file with one member wrong is refused, saying which and what was expected."""
    members: dict[str, bytes | None] = dict(unpacked(tmp_path / "t.npz")) | change
    path = packed(tmp_path / "t.npz", {name: data for name, data in members.items() if data is not None})
    assert refusal(path).startswith(message)


def test_pickle_is_not_run(tmp_path: Path) -> None:
    """An array of Python objects is refused unopened."""
    members = unpacked(tmp_path / "t.npz")
    members["size.npy"] = npy(np.array([Canary(tmp_path / "ran")], dtype=object), allow_pickle=True)
    assert refusal(packed(tmp_path / "t.npz", members)) == "size: found another header, expected one axis of int64"
    assert not (tmp_path / "ran").exists()


def test_claimed_length_must_match_the_member(tmp_path: Path) -> None:
    """A header that claims terabytes, or more than any number, is refused before anything is allocated."""
    members = unpacked(tmp_path / "t.npz")
    for shape in ("1000000000000", "9" * 18, "9" * 30, "-1"):
        about = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({shape},), }}".encode()
        members["size.npy"] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(about)) + about + bytes(8)
        with taken() as memory:
            message = refusal(packed(tmp_path / "f.npz", members))
        assert memory.peak < 2**22
        known = len(shape) < 19 and shape != "-1"
        assert message == (
            f"size: found {shape} entries in {len(members['size.npy'])} bytes, expected as many bytes as the entries take"
            if known
            else "size: found another header, expected one axis of int64"
        )


def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A small file that would unpack to hundreds of megabytes is refused by its directory."""
    members = unpacked(tmp_path / "t.npz")
    members["size.npy"] = npy(np.ones(2**24, np.int64))
    path = packed(tmp_path / "t.npz", members)
    del members
    with taken() as memory:
        message = refusal(path)
    assert memory.peak < 2**22
    assert message.startswith(f"found {path.stat().st_size} bytes that unpack to 1342")
    assert message.endswith(f"expected at most {2**26}")


def test_a_trace_there_is_no_memory_for_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both numbers are told before anything is unpacked."""
    saved(tmp_path / "t.npz")
    monkeypatch.setattr(room, "SMALL_BYTES", 0)
    monkeypatch.setattr(room, "available", lambda: 100)
    monkeypatch.setattr(npz, "_read_array", None)
    with pytest.raises(LimitError, match=r"t\.npz: reading it needs about .* of memory, 100 B are free"):
        load_trace(tmp_path / "t.npz")


def test_forged_size_is_refused(tmp_path: Path) -> None:
    """A bomb whose directory claims few bytes is cut off there and fails its checksum."""
    members = unpacked(tmp_path / "t.npz")
    honest = len(members["size.npy"])
    members["size.npy"] = members["size.npy"] + bytes(2**24)
    data = packed(tmp_path / "t.npz", members).read_bytes()
    path = tmp_path / "f.npz"
    path.write_bytes(data.replace(struct.pack("<L", honest + 2**24), struct.pack("<L", honest)))
    with taken() as memory:
        message = refusal(path)
    assert memory.peak < 2**22
    assert message.startswith("found no readable NPZ (Bad CRC-32 for file 'size.npy')")


def test_member_twice_is_refused(tmp_path: Path) -> None:
    """Two members of one name are refused: readers differ in which they take."""
    members = unpacked(tmp_path / "t.npz")
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("blocks.npy", members["blocks.npy"])
    assert refusal(tmp_path / "t.npz") == "found the member 'blocks.npy' twice, expected each once"


def test_unusual_packing_is_refused(tmp_path: Path) -> None:
    """Members packed otherwise than NPZ files do, or encrypted, are refused."""
    members = unpacked(tmp_path / "t.npz")
    path = packed(tmp_path / "b.npz", members, zipfile.ZIP_BZIP2)
    assert refusal(path) == "found the member 'schema.npy' encrypted or packed unusually, expected stored or deflated"
    data = bytearray(packed(tmp_path / "e.npz", members).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "e.npz").write_bytes(data)
    assert "encrypted or packed unusually" in refusal(tmp_path / "e.npz")


def test_directory_of_many_members_is_not_read(tmp_path: Path) -> None:
    """An archive with a directory of megabytes is refused without listing it."""
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        for number in range(5000):
            archive.writestr(f"member{number}.npy", b"")
    with taken() as memory:
        message = refusal(tmp_path / "t.npz")
    assert memory.peak < 2**20
    assert message == ("found no readable NPZ (a directory of more members than a trace has), expected a trace file")


def test_half_a_table_of_requests_is_refused(tmp_path: Path) -> None:
    """Its arrays come together, and what they say is checked."""
    trace = replace(FULL, requests=random_served(np.random.default_rng(1), FULL.num_steps))
    save_trace(trace, tmp_path / "t.npz")
    with zipfile.ZipFile(tmp_path / "t.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    late = npy(np.full(3, FULL.num_steps, dtype=np.int32))
    assert refusal(packed(tmp_path / "late.npz", members | {"request_last.npy": late})) == (
        "requests.last: found 6 at entry 0, expected a step from 0 to 5"
    )
    del members["request_first.npy"]
    found = refusal(packed(tmp_path / "half.npz", members))
    assert found == "request_first: found no such member, expected all arrays of requests or none"
