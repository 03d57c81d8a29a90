"""``reads-csv``: what a row reads and produces, and what is refused with its line."""

from __future__ import annotations

import ast
import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import READERS, reads_csv
from tests.workload.traces import same

HEADER = "n,l,read_kv\n"


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def refusal(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        reads_csv.read(path)
    return str(caught.value).removeprefix(str(path))


def test_small_file_by_hand(tmp_path: Path) -> None:
    """Two layers, a prefill of two tokens: ids in order of production, reads sorted, labels, sizes and provenance set."""
    path = written(tmp_path / "t.csv", HEADER + '2,0,"[1,0]"\n2,1,[]\n3,0,"[2, 0]"\n3,1,[1]\n')
    trace = reads_csv.read(path)
    # Prefill: token 0 layers 0, 1 -> 0, 1; token 1 -> 2, 3; then the rows' blocks 4 (2, 0), 5 (2, 1), 6 (3, 0), 7 (3, 1).
    assert [trace.reads(step).tolist() for step in range(4)] == [[0, 2], [], [0, 4], [3]]
    assert trace.birth.tolist() == [-1, -1, -1, -1, 0, 1, 2, 3]
    assert trace.death.tolist() == [4] * 8
    assert trace.block_token is not None
    assert trace.block_layer is not None
    assert trace.step_token is not None
    assert trace.step_layer is not None
    assert trace.block_token.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert trace.block_layer.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert trace.step_token.tolist() == [2, 2, 3, 3]
    assert trace.step_layer.tolist() == [0, 1, 0, 1]
    assert (trace.size.tolist(), trace.size_unit, trace.shares) == ([1], "token-layers", None)
    assert trace.meta == {"format": "reads-csv", "file": "t.csv", "rows": 4, "prefill_tokens": 2, "layers": 2}


def slow_rows(path: Path) -> tuple[list[list[tuple[int, int]]], list[tuple[int, int]]]:
    """The obvious reader: the (token, layer) pairs that each row reads, sorted, and those that exist at the end."""
    with open(path, newline="") as handle:
        rows = [(int(row["n"]), int(row["l"]), ast.literal_eval(row["read_kv"])) for row in csv.DictReader(handle)]
    layers = sorted({layer for _, layer, _ in rows})
    blocks = [(token, layer) for token in range(rows[0][0]) for layer in layers] + [(token, layer) for token, layer, _ in rows]
    return [[(token, layer) for token in sorted(tokens)] for _, layer, tokens in rows], blocks


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.booleans(), st.integers(1, 200))
def test_reader_equals_the_obvious_one(tmp_path_factory: pytest.TempPathFactory, seed: int, gaps: bool, batch: int) -> None:
    """Files written by the csv module, with layers or whole tokens missing where ``gaps``, read in batches of any size."""
    rng = np.random.default_rng(seed)
    first, layers = int(rng.integers(0, 6)), sorted(rng.choice(9, rng.integers(1, 4), replace=False).tolist())
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    exist = {layer: list(range(first)) for layer in layers}
    with open(path, "w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["n", "l", "read_kv"])
        for token in range(first, first + int(rng.integers(1, 7))):
            for layer in layers:
                if token > first and gaps and rng.random() < 0.3:
                    continue
                read = rng.permutation([other for other in exist[layer] if rng.random() < 0.5]).astype(int).tolist()
                rows.writerow([token, layer, read if rng.random() < 0.5 else str(read).replace(" ", "")])
                exist[layer].append(token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reads_csv, "_BATCH_BYTES", batch)
        trace = reads_csv.read(path)
    expected, blocks = slow_rows(path)
    assert trace.block_token is not None
    assert trace.block_layer is not None
    assert list(zip(trace.block_token.tolist(), trace.block_layer.tolist(), strict=True)) == blocks
    assert [[blocks[block] for block in trace.reads(step)] for step in range(trace.num_steps)] == expected
    assert trace.birth[trace.birth >= 0].tolist() == list(range(trace.num_steps))


def test_packed_file_reads_the_same(tmp_path: Path) -> None:
    """Gzip is recognised by content, and line ends of either kind are fine, also a last line without."""
    text = HEADER + '3,0,"[0,2]"\n4,0,"[0,3]"\n5,0,[]'
    plain = reads_csv.read(written(tmp_path / "t.csv", text))
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "t.csv").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "x" / "y" / "t.csv").write_bytes(text.replace("\n", "\r\n").encode() + b"\r\n")
    assert same(reads_csv.read(tmp_path / "x" / "t.csv"), plain)
    assert same(reads_csv.read(tmp_path / "x" / "y" / "t.csv"), plain)


def test_limit_keeps_the_first_rows(tmp_path: Path) -> None:
    """With a limit only so many rows are read, later ones not even looked at."""
    path = written(tmp_path / "t.csv", HEADER + "1,0,[0]\n1,1,[0]\n2,0,[1]\nnonsense\n")
    trace = READERS["reads-csv"](path, limit=3)
    assert (trace.num_steps, trace.num_blocks, trace.meta["limit"]) == (3, 5, 3)
    assert reads_csv.read(path, limit=1).num_blocks == 2
    with pytest.raises(InputError, match="limit: found 0, expected at least 1"):
        reads_csv.read(path, limit=0)


LIST = 'expected a list in quotes such as "[3,17,42]"'
WHOLE = "expected token positions (whole numbers from 0)"
ORDER = "expected n never to fall and l to rise within n"
BROKEN = [
    ("", ":1: found an empty file, expected the header n,l,read_kv"),
    ("n,l\n", ":1: found 'n,l', expected the header n,l,read_kv"),
    ("\ufeff" + HEADER, ":1: found '\\ufeffn,l,read_kv', expected the header n,l,read_kv"),
    (HEADER, ":1: found no rows, expected at least one after the header"),
    (HEADER + "\n", ':2: found an empty line, expected three, such as 1000,0,"[3,17,42]"'),
    (HEADER + "5,0\n", ':2: found 2 columns, expected three, such as 1000,0,"[3,17,42]"'),
    (HEADER + '5,0,"[1]"\n6,0,"[1,2]",7\n', ":3: read_kv: found more columns after the list (',7'), expected three"),
    (HEADER + "5,0,[1],7\n", ":2: read_kv: found more columns after the list (',7'), expected three"),
    (HEADER + "nan,0,[]\n", ":2: n: found 'nan', expected a whole number from 0 to 16777215"),
    (HEADER + "-1,0,[]\n", ":2: n: found '-1', expected a whole number from 0 to 16777215"),
    (HEADER + "1_0,0,[]\n", ":2: n: found '1_0', expected a whole number from 0 to 16777215"),
    (HEADER + "٣,0,[]\n", ":2: n: found '٣', expected a whole number from 0 to 16777215"),
    (HEADER + "16777216,0,[]\n", ":2: n: found '16777216', expected a whole number from 0 to 16777215"),
    (HEADER + "5,1.0,[]\n", ":2: l: found '1.0', expected a whole number from 0 to 65535"),
    (HEADER + f"5,{'1' * 50},[]\n", f":2: l: found '{'1' * 37}...', expected a whole number from 0 to 65535"),
    (HEADER + '5,0,"[3,4\n', f":2: read_kv: found '\"[3,4', a list that is not closed, {LIST}"),
    (HEADER + '5,0,"[3,4]\n', f":2: read_kv: found '\"[3,4]', {LIST}"),
    (HEADER + "5,0,[3,4]\n", f":2: read_kv: found a list of several tokens without quotes, {LIST}"),
    (HEADER + "5,0,3\n", f":2: read_kv: found '3', {LIST}"),
    (HEADER + "5,0,\n", f":2: read_kv: found '', {LIST}"),
    (HEADER + '5,0,"[3]x"\n', f":2: read_kv: found '\"[3]x\"', {LIST}"),
    (HEADER + '5,0,"[3,nan]"\n', f":2: read_kv: found 'nan', {WHOLE}"),
    (HEADER + '5,0,"[3,-1]"\n', f":2: read_kv: found '-1', {WHOLE}"),
    (HEADER + '5,0,"[3,1.5]"\n', f":2: read_kv: found '1.5', {WHOLE}"),
    (HEADER + '5,0,"[3,1e0]"\n', f":2: read_kv: found '1e0', {WHOLE}"),
    (HEADER + '5,0,"[3,,4]"\n', f":2: read_kv: found '', {WHOLE}"),
    (HEADER + '5,0,"[3,4,]"\n', f":2: read_kv: found '', {WHOLE}"),
    (HEADER + '5,0,"[[3],4]"\n', f":2: read_kv: found '[3]', {WHOLE}"),
    (HEADER + '5,0,"[1 2,4]"\n', f":2: read_kv: found '1 2', {WHOLE}"),
    (HEADER + '5,0,"[1\0,4]"\n', f":2: read_kv: found '1\\x00', {WHOLE}"),
    (HEADER + '5,0,"[3]"\n6,0,"[5,6]"\n', ":3: read_kv: found token 6, expected tokens before n = 6"),
    (HEADER + f'5,0,"[3,{"9" * 30}]"\n', f":2: read_kv: found token {'9' * 20}, expected tokens before n = 5"),
    (HEADER + '5,0,"[3,4,3]"\n', ":2: read_kv: found token 3 twice, expected each token once"),
    (HEADER + '5,0,"[3,3,7]"\n', ":2: read_kv: found token 3 twice, expected each token once"),
    (HEADER + "5,0,[]\n4,0,[]\n", f":3: n: found row (4, 0) after row (5, 0), {ORDER}"),
    (HEADER + "5,1,[]\n5,0,[]\n", f":3: l: found row (5, 0) after row (5, 1), {ORDER}"),
    (HEADER + "5,0,[]\n5,0,[]\n", f":3: l: found row (5, 0) after row (5, 0), {ORDER}"),
    (
        HEADER + "5,0,[]\n5,1,[]\n6,0,[]\n7,0,[6]\n7,1,[6]\n",
        ":6: read_kv: found token 6, which layer 1 did not produce, expected tokens of the prefill or of an earlier row",
    ),
    (
        HEADER + "5,0,[]\n7,0,[6]\n",
        ":3: read_kv: found token 6, which layer 0 did not produce, expected tokens of the prefill or of an earlier row",
    ),
    (
        HEADER + "".join(f"16777215,{layer},[]\n" for layer in range(9)),
        ":2: n: found 16777215 prefill tokens, 9 layers and 9 rows, expected at most 4196608 blocks with so many reads",
    ),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message[:60] for _, message in BROKEN])
def test_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """Each wrong file names the line, the column, what was found and what was expected."""
    assert refusal(tmp_path / "t.csv", text) == message


def test_first_wrong_line_is_named(tmp_path: Path) -> None:
    """A repeated token in an earlier line is reported before a broken later line, though rows are checked in batches."""
    text = HEADER + '5,0,"[1,1]"\n6,0,"[9]"\n7,0,[\n'
    assert refusal(tmp_path / "t.csv", text).startswith(":2: read_kv: found token 1 twice")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """Binary data is refused by its first line."""
    assert refusal(tmp_path / "t.csv", b"\xff\xfe\x00\x01") == ":1: found '��\\x00\\x01', expected the header n,l,read_kv"


def test_mutated_files_are_refused_or_valid(tmp_path: Path) -> None:
    """Whatever bytes change in a file, packed or not: an InputError that names it, or a trace."""
    text = (HEADER + "".join(f'{n},{l},"[{n - 1},{n % 4},{n - 3}]"\n' for n in range(8, 14) for l in range(2))).encode()  # noqa: E741
    rng = np.random.default_rng(5)
    path = tmp_path / "t.csv"
    letters = np.frombuffer(b'0123456789,,[]"\n\r -.n\x00\xff', dtype=np.uint8)
    for trial in range(600):
        data = bytearray(text if trial % 3 else gzip.compress(text, mtime=0))
        for place in rng.integers(0, len(data), rng.integers(1, 3)):
            data[place] = int(rng.choice(letters))
        path.write_bytes(data[: rng.integers(1, len(data))] if trial % 5 == 0 else data)
        try:
            trace = reads_csv.read(path)
        except InputError as error:
            message = str(error)
        else:
            message = f"{path}: a trace of {trace.num_steps} steps"
        assert message.startswith(f"{path}:")
