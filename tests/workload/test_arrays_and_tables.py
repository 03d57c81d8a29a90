"""NPZ, NPY, Parquet and libCacheSim's tables of others: what is read of them, what is refused and where."""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.files.npz import load_trace, save_trace
from placement_opt.workload.formats import READERS
from placement_opt.workload.formats.detect import detect, read_any
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep
from tests.taken import taken

CSR = {"indptr": np.array([0, 2, 3]), "indices": np.array([7, 3, 3], dtype=np.uint16)}


def rows(trace: Trace) -> list[list[int]]:
    return [trace.reads(step).tolist() for step in range(trace.num_steps)]


def test_sparse_matrix(tmp_path: Path) -> None:
    """Ids that are read are the blocks, in any width; a ttl and a limit are in steps."""
    np.savez_compressed(tmp_path / "t.npz", **CSR)
    assert detect(tmp_path / "t.npz") == "npz-csr"
    trace = read_any(tmp_path / "t.npz", block_tokens=16)
    assert (rows(trace), trace.size.tolist(), trace.size_unit) == ([[0, 1], [0]], [16], "tokens")
    assert rows(read_any(tmp_path / "t.npz", limit=1)) == [[0, 1]]
    assert read_any(tmp_path / "t.npz", keep=Keep("last-use")).death.tolist() == [1, 0]
    with pytest.raises(InputError, match=r"found a sparse matrix of .*, expected a trace file \(trace import FILE -o T.npz"):
        load_trace(tmp_path / "t.npz")


def test_sparse_matrix_of_all_that_there_can_be(tmp_path: Path) -> None:
    """Blocks come in the order of their production; later ones are none of the first steps."""
    more = {"births": [-1, 1, 0], "sizes": [5, 6, 7], "layers": [0, 1, 0], "block_layers": [0, 1, 0], "deaths": [3, 3, 2]}
    np.savez(tmp_path / "t.npz", indptr=[0, 1, 3, 4], indices=[0, 2, 0, 1], **more)  # type: ignore[arg-type]
    trace = read_any(tmp_path / "t.npz")
    assert (rows(trace), trace.birth.tolist(), trace.death.tolist()) == ([[0], [0, 1], [2]], [-1, 0, 1], [3, 2, 3])
    assert (trace.sizes.tolist(), trace.size_unit) == ([5, 7, 6], "bytes")
    assert trace.step_layer is not None
    assert trace.block_layer is not None
    assert (trace.step_layer.tolist(), trace.block_layer.tolist()) == ([0, 1, 0], [0, 0, 1])
    assert read_any(tmp_path / "t.npz", limit=1).birth.tolist() == [-1, 0]


def test_sparse_matrix_of_scipy(tmp_path: Path) -> None:
    """CSR is taken, other formats are refused with what makes it one."""
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix(([1.0, 1.0], ([0, 1], [2, 0])), shape=(2, 3))
    sparse.save_npz(tmp_path / "t.npz", matrix)
    assert rows(read_any(tmp_path / "t.npz")) == [[1], [0]]
    sparse.save_npz(tmp_path / "t.npz", matrix.tocsc())
    with pytest.raises(InputError, match=r"format: found a matrix of the format 'csc', expected csr, .* \(matrix.tocsr\(\)\)"):
        read_any(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": [1]}, "indptr: found no such array, expected it (there are: a)"),
        (CSR | {"b": [1]}, ": found the array 'b', expected births, block_layers, deaths, indices, indptr, layers, sizes"),
        (CSR | {"indices": [0.5, 1, 2]}, "indices: found no whole numbers, expected integers, little endian, of one axis"),
        (CSR | {"indptr": [0, 2, 4]}, "indptr: found pointers 0..4, expected pointers that never fall, from 0 to 3"),
        (CSR | {"indices": [0, -1, 2]}, "indices: found -1 at entry 1, expected numbers from 0"),
        (CSR | {"births": [-1, 0]}, "indices: found 7 at entry 0, expected ids 0..1"),
        (CSR | {"births": [-1] * 7 + [2]}, "births: found 2 at entry 7, expected numbers from -1 to 1"),
        (CSR | {"births": [-1] * 8, "deaths": [1]}, "deaths: found 1 entries, expected 8, as many as births"),
        (CSR | {"births": [-1] * 7 + [1]}, "blocks: found block 7 read at step 0, produced at step 1"),
        (CSR | {"sizes": [0]}, "sizes: found 0 at entry 0, expected numbers from 1 to"),
        (CSR | {"layers": [0]}, "layers: found 1 entries, expected 2"),
        (
            CSR | {"indices": np.array([2**64 - 1] * 3, dtype=np.uint64)},
            "indices: found 18446744073709551615, expected numbers below",
        ),
    ],
)
def test_sparse_matrices_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """With the array, what was found and expected."""
    np.savez(tmp_path / "t.npz", **{name: np.asarray(array) for name, array in arrays.items()})
    with pytest.raises(InputError) as caught:
        READERS["npz-csr"](tmp_path / "t.npz")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/t.npz:")


def test_trace_file_needs_no_import(tmp_path: Path) -> None:
    """It says so."""
    save_trace(Trace.from_reads([[0]]), tmp_path / "t.npz")
    with pytest.raises(InputError, match=r"found a trace file, expected a matrix \(a trace file needs no import\)"):
        read_any(tmp_path / "t.npz")


def test_bomb_of_zeros_takes_no_memory(tmp_path: Path) -> None:
    """A small archive that unpacks to a gigabyte is refused by its directory."""
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("indptr", "indices"):
            archive.writestr(f"{name}.npy", bytes(2**26))
    with (
        taken() as memory,
        pytest.raises(InputError, match=r"found \d+ bytes that unpack to 134217728, expected at most 67108864"),
    ):
        read_any(tmp_path / "t.npz")
    assert memory.peak < 2**22


def test_npy(tmp_path: Path) -> None:
    """Two columns in either order of memory, or records with names."""
    table = np.array([[0, 9], [0, 4], [5, 9]])
    for array in (table, np.asfortranarray(table), table.astype(np.uint8)):
        np.save(tmp_path / "t.npy", array)
        assert detect(tmp_path / "t.npy") == "npy"
        assert rows(read_any(tmp_path / "t.npy")) == [[0, 1], [1]]
    fields = [("step", "<i4"), ("block", "<u8"), ("rw", "?"), ("bytes", "<i8")]
    np.save(tmp_path / "t.npy", np.array([(0, 1, True, 8), (1, 1, False, 8)], dtype=fields))
    trace = read_any(tmp_path / "t.npy")
    assert (rows(trace), trace.birth.tolist(), trace.sizes.tolist(), trace.size_unit) == ([[], [0]], [0], [8], "bytes")
    assert read_any(tmp_path / "t.npy", limit=1).num_steps == 1
    with pytest.raises(InputError, match="block_tokens: found it with a column bytes, expected one of the two"):
        read_any(tmp_path / "t.npy", block_tokens=4)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3), dtype=int), "found <i8 of shape (2, 3), expected whole numbers of shape (N, 2)"),
        (np.zeros((2, 2)), "found <f8 of shape (2, 2), expected whole numbers"),
        (np.zeros((0, 2), dtype=int), "found no rows, expected at least one"),
        (np.array([[1, 0], [0, 0]]), ":2: step: found 0 after 1, expected steps (and layers) that never fall"),
        (np.array([[0, -1]]), ":1: block: found -1, expected a whole number from 0"),
        (np.zeros(1, dtype=[("step", "<i4")]), "found the fields step, expected step and block, and perhaps bytes, layer, rw"),
        (np.zeros(1, dtype=[("step", "<f4"), ("block", "<i4")]), "step: found <f4, expected whole numbers"),
        (np.array([[None, 1]]), "found another header"),
        (np.zeros((2, 2), dtype=">i8"), "found another header"),
    ],
)
def test_npy_is_refused(tmp_path: Path, array: Any, message: str) -> None:
    """With row and column."""
    np.save(tmp_path / "t.npy", array, allow_pickle=True)
    with pytest.raises(InputError) as caught:
        read_any(tmp_path / "t.npy")
    assert message in str(caught.value)


def test_npy_that_claims_much(tmp_path: Path) -> None:
    """Rows are held against the bytes that there are."""
    about = b"{'descr': '<i8', 'fortran_order': False, 'shape': (999999999999, 2), }\n"
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(about)) + about)
    with pytest.raises(InputError, match=r"found 999999999999 rows in \d+ bytes, expected as many bytes as the rows take"):
        read_any(tmp_path / "t.npy")


def test_libcachesim(tmp_path: Path) -> None:
    """With a header in any order or without one; texts as objects; a ttl in the table's time."""
    text = "time,obj_id,obj_size,next_access_vtime\n0,a,5,2\n1,b,6,-1\n9,a,5,-1\n"
    (tmp_path / "t").write_text(text)
    assert detect(tmp_path / "t") == "libcachesim-csv"
    trace = read_any(tmp_path / "t")
    assert (rows(trace), trace.sizes.tolist(), trace.meta["last_s"]) == ([[0], [1], [0]], [5, 6], 9)
    assert read_any(tmp_path / "t", keep=Keep.of("ttl", "3 s")).num_blocks == 3
    assert read_any(tmp_path / "t", limit=2).num_steps == 2
    for plain in (
        text.split("\n", 1)[1],
        "0,a,5\n1,b,6\n9,a,5\n",
        "0,a\n1,b\n9,a\n",
        "a\nb\na\n",
        "obj_id,x\na,1\nb,2\na,3\n\n",
    ):
        (tmp_path / "t").write_text(plain)
        assert rows(READERS["libcachesim-csv"](tmp_path / "t")) == [[0], [1], [0]]
    with pytest.raises(InputError, match="ttl: found a duration for a format without times"):
        read_any(tmp_path / "t", keep=Keep.of("ttl", "3 s"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: found '', expected a header with obj_id"),
        ("a,b,c,d,e\n", ":1: found 'a,b,c,d,e', expected a header with obj_id"),
        ("obj_id\n", ":1: found no rows, expected at least one"),
        ("obj_id,time\na\n", ":2: found 1 columns, expected 2"),
        ("obj_id,time\na,x\n", ":2: time: found 'x', expected seconds from 0"),
        ("obj_id,time\na,2\nb,1\n", ":3: time: found a time before that of the row before, expected times that never fall"),
        ("obj_id,time\n,1\n", ":2: obj_id: found nothing, expected an object"),
        ("obj_id,obj_size\na,0\n", ":2: obj_size: found '0', expected bytes from 1 to"),
        ("obj_id,obj_size\na,1\na,2\n", ":3: bytes: found another size than before of this block, expected one"),
        ("obj_id\n\na\n", ":2: found an empty line, expected a row"),
    ],
)
def test_libcachesim_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With line and column."""
    (tmp_path / "t").write_text(text)
    with pytest.raises(InputError) as caught:
        READERS["libcachesim-csv"](tmp_path / "t")
    assert str(caught.value).startswith(str(tmp_path / "t") + message)


def table(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def test_parquet_of_accesses(tmp_path: Path) -> None:
    """The columns of access-csv, over several row groups; others are named and not read."""
    columns = {"step": [0, 0, 1], "block": ["a", "b", "a"], "bytes": [5, 6, 5], "rw": ["r", "w", "r"], "note": ["", "", ""]}
    path = table(tmp_path / "t", columns, row_group_size=1)
    assert detect(path) == "parquet"
    trace = read_any(path)
    assert (rows(trace), trace.birth.tolist(), trace.sizes.tolist()) == ([[0], [0]], [-1, 0], [5, 6])
    assert trace.meta["unused_keys"] == ["note"]
    assert read_any(path, limit=1).num_steps == 1
    assert read_any(path, keep=Keep("last-use")).death.tolist() == [1, 1]


def test_parquet_of_requests(tmp_path: Path) -> None:
    """As AIPerf's Baseten traces have them, in order of time; prompts are not read."""
    columns = {
        "timestamp_start_unix_ms": [1700000009000, 1700000000000],
        "prompt": ["never read"] * 2,
        "input_tokens": [40, 32],
        "output_tokens": [1, 1],
        "total_hashes": [[11, 12, 14], [11, 12]],
        "block_size": [16, 16],
    }
    trace = read_any(table(tmp_path / "t", columns), keep=Keep.of("ttl", "10 s"))
    assert (rows(trace), trace.size.tolist(), trace.meta["first_ms"]) == ([[], [0, 1]], [16], 1700000000000)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1]}, "found the columns a, expected step and block, or hash_ids (total_hashes)"),
        ({"step": [0, None], "block": [1, 2]}, ":2: step: found nothing, expected a value in every row"),
        ({"step": [1, 0], "block": [1, 2]}, ":2: step: found 0 after 1, expected steps (and layers) that never fall"),
        ({"step": [0.5], "block": [1]}, "step: found float64, expected whole numbers"),
        ({"step": [0], "block": [""]}, ":1: block: found nothing, expected a block"),
        ({"step": [0], "block": [1], "rw": ["x"]}, ":1: rw: found 'x', expected r or w"),
        ({"step": [0], "block": [[1]]}, "block: found "),
        ({"input_length": [16], "hash_ids": [[1, 1]]}, ":1: hash_ids: found 1 twice"),
        ({"input_length": [1600], "hash_ids": [[1]]}, ":1: hash_ids: found 1 ids, expected 4"),
    ],
)
def test_parquet_is_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    """With row and column."""
    with pytest.raises(InputError) as caught:
        read_any(table(tmp_path / "t", columns))
    assert message in str(caught.value)


def test_parquet_that_claims_much(tmp_path: Path) -> None:
    """A few bytes can stand for any number of equal rows; refused before any are read."""
    path = table(tmp_path / "t", {"step": np.zeros(2**24, dtype=np.int8), "block": np.zeros(2**24, dtype=np.int8)})
    assert path.stat().st_size < 2**17
    with pytest.raises(InputError, match=r"found 16777216 values in \d+ bytes, expected at most "):
        read_any(path)


@pytest.mark.parametrize("place", [3, 20, -9, -60, -150])
def test_parquet_damaged(tmp_path: Path, place: int) -> None:
    """Truncated, or with a bit flipped: a trace, or an InputError that names the file, whatever that does to pyarrow."""
    data = table(tmp_path / "t", {"step": [0, 1], "block": [3, 3]}, store_schema=False).read_bytes()
    for broken in (data[:place], data[:place] + bytes([data[place] ^ 16]) + data[place:][1:]):
        (tmp_path / "t").write_bytes(broken)
        try:
            READERS["parquet"](tmp_path / "t")
        except InputError as error:
            said = str(error)
        else:
            said = f"{tmp_path}/t: a trace"
        assert said.startswith(f"{tmp_path}/t:")


def test_parquet_that_ends_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said, not passed on."""
    path = table(tmp_path / "t", {"step": [0, 1], "block": [3, 3]})
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match="t: found a file that ends what reads it, expected whole Parquet"):
        READERS["parquet"](path)


@pytest.mark.parametrize("name", ["npz-csr", "npy", "libcachesim-csv"])
def test_cut_off_anywhere(tmp_path: Path, name: str) -> None:
    """The same for the others."""
    path = tmp_path / ("t.npz" if name == "npz-csr" else "t.npy")
    if name == "npz-csr":
        np.savez(path, **CSR)
    elif name == "npy":
        np.save(path, np.array([(0, 1), (1, 1)], dtype=[("step", "<i4"), ("block", "<i4")]))
    else:
        path.write_text("time,obj_id,obj_size\n0,a,5\n1,a,5\n")
    data = path.read_bytes()
    for place in range(0, len(data), 1 if len(data) < 200 else 5):
        for broken in (data[:place], data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]):
            path.write_bytes(broken)
            try:
                READERS[name](path)
            except InputError as error:
                said = str(error)
            else:
                said = f"{path}: a trace"
            assert said.startswith(f"{path}:")
