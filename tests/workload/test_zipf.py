"""The Zipf generator: different blocks in every step, drawn with the popularity it promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.synth.zipf import Params, generate
from placement_opt.workload.trace import Trace


def make(seed: int = 0, **parameters: object) -> Trace:
    return generate(Params(**parameters), np.random.default_rng(seed))  # type: ignore[arg-type]


def inclusion(weights: list[float], draws: int) -> list[float]:
    """How often each item is among so many successive draws without putting back, by enumeration of all orders."""
    chance = [0.0] * len(weights)
    for order in itertools.permutations(range(len(weights)), draws):
        left, probability = sum(weights), 1.0
        for item in order:
            probability *= weights[item] / left
            left -= weights[item]
        for item in order:
            chance[item] += probability
    return chance


def test_every_step_reads_different_blocks_that_exist_from_the_start() -> None:
    """Equal rows of ascending ids over blocks of one size in bytes that are never produced nor freed."""
    trace = make(blocks=50, steps=40, reads=7, block_size="4 KiB")
    assert np.diff(trace.indptr).tolist() == [7] * 40
    assert all(len(set(trace.reads(t).tolist())) == 7 for t in range(40))
    assert (set(trace.birth.tolist()), set(trace.death.tolist())) == ({-1}, {40})
    assert (trace.size.tolist(), trace.size_unit, trace.step_layer) == ([4096], "bytes", None)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_reads_follow_the_popularity_of_successive_draws(exponent: float) -> None:
    """Blocks, sorted by how often they are read, are read as often as enumeration of all draws says (5 standard errors)."""
    steps = 20_000
    trace = make(3, blocks=6, steps=steps, reads=3, exponent=exponent)
    seen = np.sort(np.bincount(trace.blocks, minlength=6))[::-1] / steps
    expected = np.array(inclusion([rank**-exponent for rank in range(1, 7)], 3))
    assert (np.abs(seen - expected) < 5 * np.sqrt(expected * (1 - expected) / steps) + 1e-12).all()


def test_ids_say_nothing_about_popularity() -> None:
    """The most read blocks lie anywhere among the ids, elsewhere for another seed."""
    tops = [int(np.bincount(make(seed, blocks=100, reads=5).blocks).argmax()) for seed in range(4)]
    assert len(set(tops)) == 4


def test_equal_seeds_give_equal_traces() -> None:
    """A seed decides everything."""
    assert (make(7).blocks == make(7).blocks).all()
    assert (make(7).blocks != make(8).blocks).any()


def test_a_step_may_read_every_block() -> None:
    """reads = blocks reads all of them, every time."""
    assert make(blocks=9, steps=3, reads=9).blocks.tolist() == list(range(9)) * 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"blocks": 0}, "blocks: found 0, expected a whole number from 1 to 100000000"),
        ({"reads": 1001}, "reads: found 1001, expected at most the number of blocks, 1000"),
        ({"exponent": -1}, "exponent: found -1, expected a finite number in [0, 10]"),
        (
            {"block_size": 4096},
            'block_size: found 4096 without a unit, expected a size with its unit such as "80 GiB" or "80 GB"',
        ),
        ({"block_size": "0 B"}, "block_size: found '0 B', expected a size above zero"),
        (
            {"block_size": "2 PiB"},
            "block_size: found 1000 blocks of 2 PiB, expected blocks of at most 2**50 bytes, 2**60 in all",
        ),
        (
            {"blocks": 10**8, "block_size": "1 TiB"},
            "block_size: found 100000000 blocks of 1 TiB, expected blocks of at most 2**50 bytes, 2**60 in all",
        ),
    ],
)
def test_refuses_settings_out_of_range(parameters: dict[str, object], message: str) -> None:
    """Every parameter out of range is refused with its name."""
    with pytest.raises(InputError) as caught:
        Params(**parameters)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_refuses_a_trace_that_rows_cannot_hold() -> None:
    """Too many reads are refused before anything is made."""
    with pytest.raises(LimitError, match=r"make 1e\+10 reads"):
        make(steps=10**8)
