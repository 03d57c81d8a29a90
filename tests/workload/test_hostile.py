"""Whatever is in a file: an error of ours that names it, or a valid trace; of every format that can be imported."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from placement_opt.workload.files.npz import load_trace, save_trace
from placement_opt.workload.files.runs import load_rows
from placement_opt.workload.formats import READERS
from placement_opt.workload.layered_rows import layers_of
from placement_opt.workload.trace import Trace
from tests import fuzz
from tests.runs import save_plain
from tests.workload import bombs
from tests.workload.fixtures import APART, FIXTURES
from tests.workload.mutants import cut_and_flipped, outcome


def test_every_format_has_a_fixture() -> None:
    """A format that is added brings a small file of its own, to be cut, flipped and fuzzed (`fixtures.py`)."""
    assert set(FIXTURES) | APART == set(READERS)


@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures_are_whole(tmp_path: Path, name: str) -> None:
    """Each is read as it is, so that what is refused below is refused for what was changed."""
    ending, data = FIXTURES[name]
    (tmp_path / f"t{ending}").write_bytes(data)
    assert READERS[name](tmp_path / f"t{ending}").num_steps > 0
    assert len(data) < 1000


@pytest.mark.parametrize("name", FIXTURES)
def test_cut_or_flipped_anywhere(tmp_path: Path, name: str) -> None:
    """A file that ends at any byte, or has any byte changed."""
    ending, data = FIXTURES[name]
    for changed in cut_and_flipped(data):
        outcome(READERS[name], tmp_path / f"t{ending}", changed)


def test_own_files_cut_or_flipped_anywhere(tmp_path: Path) -> None:
    """Likewise a trace as it is stored, in rows and in runs."""
    trace = Trace.from_reads([[0, 1], [1], [0, 1]], sizes=7)
    save_trace(trace, tmp_path / "t.npz")
    layer = dataclasses.replace(trace, step_layer=np.zeros(3, dtype=np.int32), block_layer=np.zeros(2, dtype=np.int32))
    save_plain(layers_of(layer), 3, tmp_path / "t.runs", size_unit="bytes", size=7)
    for name, read in (("t.npz", load_trace), ("t.runs", load_rows)):
        path = tmp_path / name
        for number, changed in enumerate(cut_and_flipped(path.read_bytes())):
            if number % 4 < 2:  # cut, and the lowest bit
                found = outcome(read, path, changed)
                assert found is None or found.num_reads == 5


@pytest.mark.parametrize("name", FIXTURES)
def test_fuzzed(tmp_path: Path, name: str) -> None:
    """Some hundreds of the files that `python -m tests.fuzz` makes; both outcomes occur."""
    number, good, failed = fuzz.fuzz(name, tmp_path, 7, count=400)
    assert failed == 0
    assert 0 < good < number


def test_bombs(tmp_path: Path) -> None:
    """Small files that ask for much are refused, or read, in a process that never takes 200 MB."""
    bombs.made(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = [sys.executable, "-m", "tests.workload.bombs", str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == list(bombs.BOMBS)
    for name, text, kib, _ in rows:
        assert text.startswith("refused: ") != (name in {"a long sequence"}), (name, text)
        assert int(kib) * 1024 < 200e6, (name, text, kib)
