"""Formats are recognised by how files begin; standard input and packed files."""

from __future__ import annotations

import gzip
import importlib
import io
import struct
import sys
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.workload.formats.detect import detect, read_any
from tests.workload.traces import same

LINE = b'{"timestamp": 0, "input_length": 600, "output_length": 4, "hash_ids": [1, 2]}\n'
HEADS = {
    "mooncake": [LINE, b"\xef\xbb\xbf\n" + LINE, b"[" + LINE + b"]", b'{"input_length": 600}\n', LINE[:-3]],
    "bailian": [b'{"chat_id": 7, "parent_chat_id": -1, "timestamp": 1, "input_length": 40, "hash_ids": [5, 6, 7]}\n'],
    "lmcache": [b'{"timestamp": 1.5, "chunk_size": 256, "seq_len": 600, "chunk_hashes": ["aa", "bb"]}\n'],
    "agentic": [b'{"block_size": 64, "requests": [{"t": 0, "in": 64, "hash_ids": [1]}]}', b'{\n "requests": [\n'],
    "kv-events": [
        b'{"ts": 1.5, "events": [{"type": "BlockStored", "block_hashes": [1], "parent_block_hash": 0, "token_ids": [],'
        b' "block_size": 8}]}\n',
        b'[1.5, [["BlockStored", [1], null, [], 16, null]], 0]\n',
        b"\x92\xcb" + bytes(8) + b"\x90",
        b"\x81\xa9kv-events\x01",
        b"\x82\xa2ts\x01",
    ],
    "selections": [b'{"request_id": "r", "layer_id": 0, "seq_len_current": 100, "selected_token_pos": [3, 50, 99]}\n'],
    "access-csv": [b"Step,Block,bytes,layer,rw\n0,a,5,0,r\n0,b,6,0,w\n1,b,6,0,r\n"],
    "lengths": [b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"],
    "reads-csv": [b'n,l,read_kv\n1,0,"[0]"\n'],
}


@pytest.mark.parametrize(("name", "head"), [(name, head) for name, heads in HEADS.items() for head in heads])
def test_recognised(tmp_path: Path, name: str, head: bytes) -> None:
    """By keys and columns, packed or not."""
    (tmp_path / "t").write_bytes(head)
    (tmp_path / "z").write_bytes(gzip.compress(head))
    assert detect(tmp_path / "t") == detect(tmp_path / "z") == name


@pytest.mark.parametrize("head", [b"hello\n", b"{}\n", b"\x1f\x8b\x00", b"a,b,c\n", bytes(5), b"\x93NUMPO\x01", b"[1, 2]\n"])
def test_not_recognised(tmp_path: Path, head: bytes) -> None:
    """What no format begins with is refused, with the names that there are."""
    (tmp_path / "t").write_bytes(head)
    with pytest.raises(InputError, match=r"found a (format that is not recognised|file that cannot be read on)"):
        detect(tmp_path / "t")


@pytest.mark.parametrize("head", [b"0,1\n1,2\n", b"step;block\n0;1\n", b"step\tblock\n0\t1\n"])
def test_a_table_without_names_is_told_how_to_begin(tmp_path: Path, head: bytes) -> None:
    """No header, or other separators than commas."""
    (tmp_path / "t").write_bytes(head)
    with pytest.raises(InputError, match=r"names of its columns and has commas between them, such as step,block$"):
        detect(tmp_path / "t")


@pytest.mark.parametrize("head", [b"", b"\n \n", b"\xef\xbb\xbf\n"])
def test_what_is_empty_is_said_to_be(tmp_path: Path, head: bytes) -> None:
    """A file of no record is no question of its format."""
    (tmp_path / "t").write_bytes(head)
    with pytest.raises(InputError, match=r"t: found nothing in the file, expected a log of at least one record"):
        detect(tmp_path / "t")


def test_options_are_for_formats_that_use_them(tmp_path: Path) -> None:
    """A number of tokens says nothing about rows of tokens."""
    (tmp_path / "t").write_bytes(b'n,l,read_kv\n1,0,"[0]"\n')
    with pytest.raises(InputError, match="block_tokens: found it with the format reads-csv, expected a format that has a use"):
        read_any(tmp_path / "t", block_tokens=16)
    assert main(["trace", "import", str(tmp_path / "t"), "--block-tokens", "16", "-o", str(tmp_path / "t.npz")]) == 2


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` is read with a format named, and refused packed."""
    (tmp_path / "t").write_bytes(LINE)

    def given(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    given(LINE)
    found = read_any("-", "mooncake")
    assert found.meta["file"] == "-"
    assert found.blocks.tolist() == read_any(tmp_path / "t").blocks.tolist()
    given(gzip.compress(LINE))
    with pytest.raises(InputError, match=r"-: found packed data, expected text \(unpack it on the way: `zcat FILE | ...`\)"):
        read_any("-", "mooncake")
    with pytest.raises(InputError, match="format: found nothing with standard input, expected one of "):
        read_any("-")


def test_zstd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacked where something does that, else refused by the name of what would; damage is an InputError."""
    (tmp_path / "t").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))

    with monkeypatch.context() as patch:
        for name in ("compression.zstd", "zstandard"):
            patch.setitem(sys.modules, name, None)
        with pytest.raises(InputError, match="found zstd data, which nothing here unpacks, expected the package zstandard"):
            read_any(tmp_path / "t", "mooncake")
    zstd = next((importlib.import_module(name) for name in ("compression.zstd", "zstandard") if _has(name)), None)
    if zstd is None:
        pytest.skip("needs zstandard, or Python 3.14")
    with pytest.raises(InputError):
        read_any(tmp_path / "t", "mooncake")
    (tmp_path / "t").write_bytes(LINE)
    plain = read_any(tmp_path / "t")
    (tmp_path / "t").write_bytes(zstd.compress(LINE))
    assert same(read_any(tmp_path / "t"), plain)


def _has(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("name", [name for name in HEADS if name != "reads-csv"])
def test_cut_off_anywhere(tmp_path: Path, name: str) -> None:
    """Truncated or with a bit flipped at every byte: a trace, or an InputError that names the file."""
    _survives(tmp_path / "t", HEADS[name][0], name)


def test_binary_cut_off_anywhere(tmp_path: Path) -> None:
    """The same for binary records."""
    _survives(tmp_path / "t", struct.pack("<IQIq", 5, 7, 8, -1) * 2, "oracle-general")


def _survives(path: Path, data: bytes, name: str) -> None:
    for place in range(len(data)):
        for broken in (data[:place], data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]):
            path.write_bytes(broken)
            try:
                read_any(path, name)
            except InputError as error:
                message = str(error)
            else:
                message = f"{path}: a trace"
            assert message.startswith(f"{path}:")
