"""The contender: by hand, against its twin, near the bound where one is known, and blind to the future."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Moves, View
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.contender import contender
from tests.schedulers.cases import any_instance, as_cache, drift
from tests.schedulers.plain_life import PlainLife
from tests.small import make_instance, make_trace, two_tier


class Noted:
    """Plays another policy and keeps what it answers."""

    def __init__(self) -> None:
        self.inner: Any = make_scheduler("contender")
        self.name, self.online, self.source = self.inner.name, True, self.inner.source
        self.moves: list[list[tuple[Any, ...]]] = []

    def start(self, setting: Any, first_reads: Any) -> Any:
        return self.inner.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        moves = self.inner.step(view)
        self.moves.append(
            [(*one[:-1], sorted(one[-1].tolist())) for part in (moves.store, moves.fetch, moves.drop) for one in part]
        )
        return moves


def played(instance: Instance) -> list[list[tuple[Any, ...]]]:
    noted = Noted()
    simulate(instance, noted)
    return noted.moves


@pytest.mark.parametrize("seed", range(12))
def test_equals_its_slow_twin_move_by_move(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of single blocks in dictionaries: any rule, layers, shares, deaths, given starts; a drifting trace."""
    instance = as_cache(any_instance(seed), seed) if seed % 4 == 3 else any_instance(seed)
    if seed == 0:
        instance = drift(layers=2, prefill=30, tokens=12, read_share=0.4, drift=0.2)
    fast = played(instance)
    monkeypatch.setattr(contender, "Life", PlainLife)
    assert played(instance) == fast
