"""Single accesses, in a table or in libCacheSim's records: steps, sizes, layers, productions, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import READERS
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.transforms.keep import Keep


def test_steps_and_blocks(tmp_path: Path) -> None:
    """Two columns are enough: numbers of steps may have gaps, blocks any name, a repeated read counts once."""
    (tmp_path / "t").write_text("\ufeffblock,step\na,3\nb,3\na,3.0\nb,9\n\n")
    trace = read_any(tmp_path / "t")
    assert [trace.reads(step).tolist() for step in range(2)] == [[0, 1], [1]]
    assert (trace.size.tolist(), trace.size_unit, trace.meta["repeated"]) == ([1], "tokens", 1)
    assert read_any(tmp_path / "t", block_tokens=16, limit=1, keep=Keep("last-use")).size.tolist() == [16]


def test_all_columns(tmp_path: Path) -> None:
    """Bytes of each block, a layer for each step, writes that produce: blocks of one name in two layers are two."""
    text = "step,layer,block,bytes,rw\n0,0,x,10,r\n0,0,n,20,w\n0,1,x,30,read\n1,0,n,20,R\n"
    (tmp_path / "t").write_text(text)
    trace = read_any(tmp_path / "t")
    assert [trace.reads(step).tolist() for step in range(3)] == [[0], [1], [2]]
    assert (trace.birth.tolist(), trace.size.tolist()) == ([-1, -1, 0], [10, 30, 20])
    assert trace.step_layer is not None
    assert trace.block_layer is not None
    assert (trace.step_layer.tolist(), trace.block_layer.tolist()) == ([0, 1, 0], [0, 1, 0])


def records(*rows: tuple[int, int, int]) -> bytes:
    return b"".join(struct.pack("<IQIq", *row, -1) for row in rows)


def test_oracle_general(tmp_path: Path) -> None:
    """Each record is a step; a ttl is in the records' seconds."""
    (tmp_path / "t.oracleGeneral").write_bytes(records((5, 2**63, 8), (5, 1, 4), (9, 2**63, 8)))
    trace = read_any(tmp_path / "t.oracleGeneral")
    assert [trace.reads(step).tolist() for step in range(3)] == [[1], [0], [1]]
    assert (trace.size.tolist(), trace.size_unit, trace.meta["last_s"]) == ([4, 8], "bytes", 9)
    assert READERS["oracle-general"](tmp_path / "t.oracleGeneral", keep=Keep.of("ttl", "3 s")).num_blocks == 3
    assert READERS["oracle-general"](tmp_path / "t.oracleGeneral", limit=2).num_steps == 2


WAY = "expected each block written once, before it is read (what is written anew is another block)"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("access-csv", b"", ":1: found '', expected the columns step and block, and perhaps bytes, layer, rw"),
        ("access-csv", b"step,block,x\n", ":1: found 'step,block,x', expected the columns step and block, and perhaps bytes"),
        ("access-csv", b"step,block\n", ":1: found no rows, expected at least one"),
        ("access-csv", b"step,block\n1\n", ":2: found 1 columns, expected 2"),
        (
            "access-csv",
            b"step,block\n-1,a\n",
            ":2: step: found '-1', expected a whole number from 0 and below 4611686018427387904",
        ),
        ("access-csv", b"step,block\n" + b"9" * 4000 + b",a\n", ":2: step: found '9999"),
        ("access-csv", b"step,block\n2,a\n1,a\n", ":3: step: found 1 after 2, expected steps (and layers) that never fall"),
        ("access-csv", b"step,block\n2,\n", ":2: block: found nothing, expected a block"),
        ("access-csv", b"step,block\n\n2,a\n", ":2: found an empty line, expected a row"),
        ("access-csv", b"step,block,rw\n2,a,x\n", ":2: rw: found 'x', expected r or w"),
        ("access-csv", b"step,block,rw\n2,a,r\n3,a,w\n", f":3: rw: found a write of a block that was accessed before, {WAY}"),
        (
            "access-csv",
            b"step,block,rw\n2,a,w\n2,a,r\n",
            ":3: rw: found a read of a block by the step that writes it, expected later",
        ),
        (
            "access-csv",
            b"step,block,bytes\n2,a,1\n3,a,2\n",
            ":3: bytes: found another size than before of this block, expected one",
        ),
        ("oracle-general", b"", ": found 0 bytes, expected records of 24 bytes (unpacked)"),
        ("oracle-general", bytes(25), ": found 25 bytes, expected records of 24 bytes (unpacked)"),
        ("oracle-general", records((0, 1, 0)), ":1: size: found 0, expected at least 1"),
        (
            "oracle-general",
            records((0, 1, 1), (1, 1, 2)),
            ":2: bytes: found another size than before of this block, expected one",
        ),
        ("oracle-general", records((1, 1, 1), (0, 1, 1)), ":2: time: found a time before that of the record before, expected"),
    ],
)
def test_refused_with_its_place(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    """Line or record, column, what was found and expected."""
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(InputError) as caught:
        READERS[name](tmp_path / "t")
    assert str(caught.value).startswith(str(tmp_path / "t") + message)


def test_bytes_and_tokens_exclude_each_other(tmp_path: Path) -> None:
    """A size is said once."""
    (tmp_path / "t").write_text("step,block,bytes\n1,a,5\n")
    with pytest.raises(InputError, match="block_tokens: found it with a column bytes, expected one of the two"):
        read_any(tmp_path / "t", block_tokens=16)
