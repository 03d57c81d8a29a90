"""Content hashes: what lies in one array cannot pass for lying in the next, and those on record stay."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from placement_opt.instance.digest import feed
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import load_instance
from placement_opt.workload.layers import Given
from placement_opt.workload.runs import LayerRuns
from tests.runs import collect
from tests.small import make_instance, make_trace, two_tier

ROOT = Path(__file__).resolve().parents[2] / "instances"
RECORDED = sorted(path for name in ("tiny", "requests", "tiers3") for path in (ROOT / name).glob("*.best.json"))


def fed(*arrays: npt.NDArray[np.int64] | None) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        feed(digest, array)
    return digest.hexdigest()


def test_an_array_is_hashed_with_its_length() -> None:
    """The same bytes, parted elsewhere or shaped otherwise, an empty array and none at all: six hashes."""
    one = np.arange(6)
    parts = [(one[:2], one[2:]), (one[:3], one[3:]), (one.reshape(2, 3), one[:0]), (one, one[:0]), (one, None), (one,)]
    assert len({fed(*arrays) for arrays in parts}) == len(parts)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_recorded_hashes_stay(path: Path) -> None:
    """A certificate that somebody has is of the same instance in this version."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    assert load_instance(path.with_name(path.name.replace(".best.json", ".toml"))).hash == recorded["hash"]


def runs(rows: list[list[int]], births: list[int]) -> LayerRuns:
    return collect([np.array(row, dtype=np.int64) for row in rows], np.array(births, dtype=np.int32))


def test_questions_in_runs_whose_data_are_the_same_bytes() -> None:
    """A block read once, and two that nobody reads, the second produced by turn 1."""
    one, other = runs([[0], []], [-1]), runs([[], []], [-1, 1])
    capacity, fixed = np.array([1, 9]), np.zeros(4, dtype=np.int64)
    hashes = [Layered("x", two_tier(), Given((layer,)), capacity, 1, fixed).hash for layer in (one, other)]
    assert hashes[0] != hashes[1]


def test_layers_parted_elsewhere_are_another_trace() -> None:
    """The layers themselves have lengths, too."""
    one, two = runs([[0]], [-1]), runs([[]], [-1])
    digests = {Given(layers).digest for layers in ((one, two), (two, one), (one,), (two,), (one, two, two))}
    assert len(digests) == 5


def test_the_home_counts_where_it_decides() -> None:
    """Under the inclusive rule another home is another problem; under the others the name of one is none."""
    instance = make_instance(two_tier(hbm=9, lpddr=9), make_trace([[0], [0]], [-1]))
    assert replace(instance, home_tier=0).hash != instance.hash == replace(instance, home_tier=1).hash
    free = replace(instance, residency="free")
    assert replace(free, home_tier=0).hash == free.hash == replace(free, home_tier=1).hash
