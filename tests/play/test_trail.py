"""What layers that take turns move and hold together is what the whole does in rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import placement_opt as po
from placement_opt.answer.played import KeepMoves, play
from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.play.schedule import numbered
from placement_opt.play.trail import Trail, interleaved, trail_of, trail_of_run
from placement_opt.schedulers import make_scheduler
from tests.layered.cases import write
from tests.small import random_instance
from tests.stacking import ASKED, written

KEEP = KeepMoves(None, trail=True)


def lists(trail: Trail) -> dict[str, list[Any]]:
    return {name: getattr(trail, name).tolist() for name in ("held", "alive", "step", "operation", "blocks", "moved")}


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_those_of_the_moves(seed: int) -> None:
    """Step by step, as the schedule gives them; what is held and alive is said at every state."""
    instance = random_instance(np.random.default_rng(seed), 2 + seed % 2, "free", blocks=6, steps=7, max_size=3, deaths=True)
    run = po.simulate(instance, make_scheduler(("lru", "belady")[seed % 2]), record=True)
    assert run.schedule is not None
    trail, slow = trail_of(instance, run.schedule), []
    for step in range(instance.num_steps):
        for number, ids in numbered(run.schedule.moves(step), instance.num_tiers):
            slow.append((step, number, len(ids), int(instance.size[ids].sum())))
    assert list(zip(*(lists(trail)[name] for name in ("step", "operation", "blocks", "moved")), strict=True)) == slow
    assert trail.held.shape == (instance.num_steps + 1, instance.num_tiers)
    assert trail.alive.tolist() == instance.alive_bytes.tolist()


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(asked) or "plain")
def test_layers_together_are_the_whole(tmp_path: Path, asked: dict[str, Any]) -> None:
    """Of every rule and start, with weights among the blocks and budgets."""
    path = written(tmp_path)
    rows, layers = load_instance(path, asked), in_layers(read_outline(path, asked))
    whole, parts = (play(question, make_scheduler("lru"), KEEP) for question in (rows, layers))
    assert whole.layers is None
    assert parts.layers is not None
    one, two = lists(whole.trail()), lists(parts.trail())
    assert two == one
    assert len(one["step"]) > 10
    assert [kept.part for kept in parts.layers] == [None] * layers.layers


def test_runs_are_played_in_rows_for_their_moves(tmp_path: Path) -> None:
    """`lru`, which needs no rows, does with them what it does without; and is in all what it is in rows at once."""
    rows, runs = load_instance(write(tmp_path)), load_layered(write(tmp_path))
    scheduler = make_scheduler("lru")
    kept, bare, whole = play(runs, scheduler, KEEP), play(runs, scheduler, None), play(rows, scheduler, KEEP)
    assert bare.layers == []
    assert kept.run.instance is bare.run.instance is runs
    assert kept.run.step_s.tolist() == bare.run.step_s.tolist()
    assert kept.run.moved.tolist() == bare.run.moved.tolist()
    assert kept.run.exact_latency() == bare.run.exact_latency() == whole.run.exact_latency()
    assert kept.run.to_records()[0] == bare.run.to_records()[0]
    assert lists(kept.trail()) == lists(whole.trail())


def test_layers_that_move_nothing() -> None:
    """Two layers of one turn: no groups, and what they hold adds up."""
    nothing = np.zeros(0, dtype=np.int64)
    one = Trail(np.array([[1, 2], [1, 5]]), np.array([2, 5]), nothing, nothing, nothing, nothing)
    two = Trail(np.array([[0, 7], [4, 7]]), np.array([7, 9]), *np.array([[0], [1], [2], [4]]))
    assert lists(interleaved([one, two])) == {
        "held": [[1, 9], [1, 12], [5, 12]],
        "alive": [9, 12, 14],
        "step": [1],
        "operation": [1],
        "blocks": [2],
        "moved": [4],
    }


def test_runs_without_moves_have_no_trail(tmp_path: Path) -> None:
    """One that was not recorded."""
    run = po.simulate(load_instance(write(tmp_path)), make_scheduler("lru"))
    with pytest.raises(InputError, match=r"^run: found a run without its moves, expected one with record=True$"):
        trail_of_run(run)
