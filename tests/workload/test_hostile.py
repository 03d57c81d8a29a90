"""Whatever is in a file: an error of ours that names it, or a valid trace; of every format that can be imported."""

from __future__ import annotations

from pathlib import Path

import pytest


from placement_opt.workload.formats import READERS
from tests import fuzz
from tests.workload.fixtures import FIXTURES
from tests.workload.mutants import cut_and_flipped, outcome


def test_every_format_has_a_fixture() -> None:
    """A format that is added brings a small file of its own, to be cut, flipped and fuzzed (`fixtures.py`)."""
    assert set(FIXTURES) == set(READERS)


@pytest.mark.parametrize("name", FIXTURES)
def test_fixtures_are_whole(tmp_path: Path, name: str) -> None:
    """Each is read as it is, so that what is refused below is refused for what was changed."""
    ending, data = FIXTURES[name]
    (tmp_path / f"t{ending}").write_bytes(data)
    assert READERS[name](tmp_path / f"t{ending}").num_steps > 0
    assert len(data) < 500


@pytest.mark.parametrize("name", FIXTURES)
def test_cut_or_flipped_anywhere(tmp_path: Path, name: str) -> None:
    """A file that ends at any byte, or has any byte changed."""
    ending, data = FIXTURES[name]
    for changed in cut_and_flipped(data):
        outcome(READERS[name], tmp_path / f"t{ending}", changed)


@pytest.mark.parametrize("name", FIXTURES)
def test_fuzzed(tmp_path: Path, name: str) -> None:
    """Some hundreds of the files that `python -m tests.fuzz` makes; both outcomes occur."""
    number, good, failed = fuzz.fuzz(name, tmp_path, 7, count=400)
    assert failed == 0
    assert 0 < good < number
