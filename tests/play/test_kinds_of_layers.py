"""What layers hit and move, each by itself, adds up to what the whole says, whichever kinds of block a layer lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from placement_opt.instance.outline import read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.play.run import Run
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.stacking import run_of, stored

_PLACED: dict[str, object] = {"llm.weights": "placed", "llm.tiles": 2, "llm.weight_bytes": "9 kB"}
_PAGES: dict[str, object] = {"memory.middle.page": "512 B", "memory.slow.page": "4 kB"}


_ENERGY: dict[str, object] = {"objective.energy": "10 s/J", "memory.slow.energy": "50 pJ/bit"}
_START: dict[str, object] = {"rules.residency": "free", "rules.initial": {"kv": ["slow"], "weights": ["slow"]}}


def _by_tier(run: Run) -> np.ndarray:
    """float64[2, K + 1]: reads, and bytes, that hit each tier."""
    parts = run.hits.parts
    return np.array([np.sum([part.reads for part in parts], axis=0), np.sum([part.bytes for part in parts], axis=0)])


@pytest.mark.parametrize("energy", [{}, _ENERGY], ids=["timed", "tied"])
@pytest.mark.parametrize("pages", [{}, _PAGES], ids=["bytes", "pages"])
@pytest.mark.parametrize("counts", [[4, 8, 4], [1, 30, 0], [0, 9, 9]])
def test_hits_and_moves_of_layers_add_up(
    tmp_path: Path, counts: Sequence[int], pages: dict[str, object], energy: dict[str, object]
) -> None:
    question = in_layers(read_outline(stored(tmp_path, counts), {**_PLACED, **pages, **energy, **_START}))
    run = run_of(question, make_scheduler("lru"))
    alone = [simulate(question.layer(layer), make_scheduler("lru")) for layer in range(question.layers)]
    assert _by_tier(run)[1] == pytest.approx(sum(_by_tier(one) for one in alone)[1])
    assert run.moved.sum() > 0
    assert run.moved.sum() == sum(one.moved.sum() for one in alone)
    assert run.read_bytes == sum(one.read_bytes for one in alone)
    assert run.hits.rate == pytest.approx(run.hit_rate)
    for layer, one in enumerate(alone):
        assert run.base[layer :: question.layers] == pytest.approx(one.base)
        if not energy:
            assert (run.step_s[layer :: question.layers] == one.step_s).all()
