"""Exporters: what comes back is the same, and what a format cannot carry is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats import READERS
from placement_opt.workload.formats.oracle_general import RECORD
from placement_opt.workload.formats.writers import WRITERS
from placement_opt.workload.served import COLUMNS
from placement_opt.workload.trace import Trace
from tests.workload.traces import REAL, needs_data, random_served

ARRAYS = ("indptr", "blocks", "birth", "death", "size", "position", "step_layer", "block_layer")


def alike(one: Trace, other: Trace) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)  # None is equal to None


@pytest.mark.parametrize("layers", [None, 2])
def test_table_round_trip(tmp_path: Path, layers: int | None) -> None:
    """Bytes, layers and productions come back equal."""
    reads = [[0], [1], [0, 2], [1, 3]]
    trace = Trace.from_reads(reads, births=[-1, -1, 0, 1], sizes=[5, 6, 7, 8], layers=layers)
    assert WRITERS["access-csv"](trace, tmp_path / "t.csv") == []
    assert alike(READERS["access-csv"](tmp_path / "t.csv"), trace)


def test_mooncake_round_trip(tmp_path: Path) -> None:
    """Requests come back equal but for what is named."""
    (tmp_path / "t").write_text(
        "".join(f'{{"input_length": {512 * len(ids)}, "hash_ids": {ids}}}\n' for ids in ([4, 5], [4, 6, 7]))
    )
    trace = READERS["mooncake"](tmp_path / "t")
    assert WRITERS["mooncake"](trace, tmp_path / "u") == []
    assert alike(READERS["mooncake"](tmp_path / "u"), trace)
    nobody = replace(trace, requests=None)
    assert WRITERS["mooncake"](nobody, tmp_path / "u") == ["the times, lengths and outputs of the requests"]
    assert alike(READERS["mooncake"](tmp_path / "u"), nobody)


@pytest.mark.parametrize("ids", [(2, 3), (1, 2)])
@pytest.mark.parametrize(("name", "said"), [("mooncake", []), ("bailian", ["which chat each request is of"])])
def test_requests_keep_their_times_and_lengths(tmp_path: Path, name: str, said: list[str], ids: tuple[int, int]) -> None:
    """Fractions of a unit, prompts that end within a block, whose id is there or is not, and answers come back as they were."""
    more = {"block_size": 16} if name == "mooncake" else {"chat_id": 1, "parent_chat_id": -1, "type": "text", "turn": 1}
    records = (
        {"timestamp": 5 + 1.25 * n, "input_length": 20 + 16 * n, "output_length": 3 + n, "hash_ids": [*range(ids[n])]} | more
        for n in range(2)
    )
    (tmp_path / "t").write_text("".join(json.dumps(record) + "\n" for record in records))
    trace = READERS[name](tmp_path / "t")
    assert WRITERS[name](trace, tmp_path / "u") == said
    again = READERS[name](tmp_path / "u")
    assert alike(again, trace)
    for column in COLUMNS:
        assert getattr(again.requests, column).tolist() == getattr(trace.requests, column).tolist()
    assert again.requests is not None
    assert again.requests.output_tokens.tolist() == [3, 4]


def test_records_round_trip(tmp_path: Path) -> None:
    """One read a step comes back equal; next accesses are numbers of records."""
    trace = Trace.from_reads([[0], [1], [0]], sizes=[5, 6])
    assert WRITERS["oracle-general"](trace, tmp_path / "t") == []
    assert alike(READERS["oracle-general"](tmp_path / "t"), replace(trace, death=trace.death))
    assert np.fromfile(tmp_path / "t", dtype=RECORD)["next"].tolist() == [2, -1, -1]


def test_losses_are_named(tmp_path: Path) -> None:
    """Each by what it is."""
    trace = Trace.from_reads([[0, 1], [], [0]], births=[-1, -1, 0], deaths=[3, 1, 3], sizes=5, positions=True)
    lost = WRITERS["oracle-general"](trace, tmp_path / "t")
    assert lost[:2] == ["which accesses are of one step is told by their time alone", "that steps produce blocks"]
    assert lost[2:] == ["when blocks are freed", "the order of each prefix", "steps that access nothing"]
    shared = Trace.from_reads([[0], [0]], sizes=5, layers=2)
    assert WRITERS["access-csv"](shared, tmp_path / "t") == ["that layers share blocks"]
    labels = replace(Trace.from_reads([[0]]), step_token=np.zeros(1, dtype=np.int32))
    assert WRITERS["access-csv"](labels, tmp_path / "t") == ["the tokens of steps and blocks"]
    timed = replace(Trace.from_reads([[0]], floors=[5]), requests=random_served(np.random.default_rng(0), 1))
    lost = ["how long steps take at least", "when requests come, start and end"]
    assert WRITERS["access-csv"](timed, tmp_path / "t") == lost
    tokens = Trace.from_reads([[0, 1]], sizes=[1, 2], size_unit="tokens")
    for name, message in (
        ("oracle-general", "size: found sizes in tokens, expected bytes, below"),
        ("access-csv", "size: found sizes in tokens, expected bytes, or one size"),
        ("mooncake", "found another kind of trace, expected one of requests"),
    ):
        with pytest.raises(InputError, match=message):
            WRITERS[name](tokens, tmp_path / "t")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names what is lost."""
    save_trace(Trace.from_reads([[0], [0, 1]], sizes=3), tmp_path / "t.npz")
    target = str(tmp_path / "t.bin")
    assert main(["trace", "export", str(tmp_path / "t.npz"), "--format", "oracle-general", "-o", target]) == 0
    assert "lost: which accesses are of one step" in capsys.readouterr().out


@needs_data
def test_real_requests_round_trip(tmp_path: Path) -> None:
    """The beginning of the public conversation trace."""
    trace = READERS["mooncake"](REAL, limit=500)
    WRITERS["mooncake"](trace, tmp_path / "t")
    assert alike(READERS["mooncake"](tmp_path / "t"), trace)
