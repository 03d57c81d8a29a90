"""The Zipf generator: different blocks in every step, drawn with the popularity it promises."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.synth.zipf import Params, _wandering, generate
from placement_opt.workload.trace import Trace
from tests.workload.traces import digest, inclusion


def make(seed: int = 0, **parameters: object) -> Trace:
    return generate(Params(**parameters), np.random.default_rng(seed))  # type: ignore[arg-type]


def test_every_step_reads_different_blocks_that_exist_from_the_start() -> None:
    """Equal rows of ascending ids over blocks of one size in bytes that are never produced nor freed."""
    trace = make(blocks=50, steps=40, reads=7, block_size="4 KiB")
    assert np.diff(trace.indptr).tolist() == [7] * 40
    assert all(len(set(trace.reads(t).tolist())) == 7 for t in range(40))
    assert (set(trace.birth.tolist()), set(trace.death.tolist())) == ({-1}, {40})
    assert (trace.size.tolist(), trace.size_unit, trace.step_layer) == ([4096], "bytes", None)


@pytest.mark.parametrize("draws", ["race", "successive"])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_reads_follow_the_popularity_of_successive_draws(exponent: float, draws: str) -> None:
    """Blocks, sorted by how often they are read, are read as often as enumeration of all draws says (5 standard errors)."""
    steps = 20_000
    trace = make(3, blocks=6, steps=steps, reads=3, exponent=exponent, draws=draws)
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
    ("parameters", "expected"),
    [
        ({}, "07a567379f66"),
        ({"blocks": 300, "steps": 50, "reads": 17, "exponent": 0.8}, "669fe486832c"),
        ({"draws": "successive"}, "28a16e6649bd"),
        ({"layers": 3, "drift": 0.05}, "b6a948265ca1"),
        ({"layers": 3, "drift": 0.05, "draws": "successive"}, "e31b182bc734"),
    ],
)
def test_draws_never_change(parameters: dict[str, object], expected: str) -> None:
    """The first two are older than layers, drift and the other way to draw."""
    assert digest(make(3, **parameters)) == expected


def test_layers_take_turns_with_blocks_of_their_own() -> None:
    """Step i * 3 + l is of layer l, and reads blocks l * 50 .. l * 50 + 49."""
    trace = make(blocks=50, steps=4, reads=5, layers=3)
    assert trace.step_layer is not None
    assert trace.step_token is not None
    assert trace.block_layer is not None
    assert (trace.step_layer.tolist(), trace.step_token.tolist()) == ([0, 1, 2] * 4, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    assert trace.block_layer.tolist() == [0] * 50 + [1] * 50 + [2] * 50
    assert (trace.block_layer[trace.blocks] == np.repeat(trace.step_layer, 5)).all()


@pytest.mark.parametrize("draws", ["race", "successive"])
def test_popularity_wanders(draws: str) -> None:
    """The most read blocks of the beginning are those of the end without drift alone."""
    for drift, low, high in ((0.0, 0.7, 1.0), (0.02, 0.0, 0.4)):
        trace = make(1, blocks=200, steps=4000, reads=5, exponent=1.2, drift=drift, draws=draws)
        half = trace.num_reads // 2
        tops = [set(np.argsort(np.bincount(part, minlength=200))[-10:].tolist()) for part in np.split(trace.blocks, [half])]
        assert low <= len(tops[0] & tops[1]) / 10 <= high


def test_the_share_that_changes_ranks_is_as_asked() -> None:
    """Of 10 blocks 4 % change ranks after each step: one pair after every fifth."""
    rows = (np.arange(10)[None, :].copy() for _ in range(20))
    shown = np.concatenate(list(_wandering(Params(blocks=10, steps=20, reads=10, drift=0.04), rows, np.random.default_rng(0))))
    changed = (shown[1:] != shown[:-1]).sum(axis=1)
    assert changed.tolist() == [0, 0, 0, 0, 2] * 3 + [0, 0, 0, 0]
    assert (np.sort(shown, axis=1) == np.arange(10)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"blocks": 0}, "blocks: found 0, expected a whole number from 1 to 100000000"),
        ({"reads": 1001}, "reads: found 1001, expected at most the number of blocks, 1000"),
        ({"layers": 0}, "layers: found 0, expected a whole number from 1 to 65536"),
        (
            {"layers": 65536, "blocks": 10**5, "block_size": "1 B"},
            "layers: found 65536, expected fewer than 2**31 blocks in all",
        ),
        ({"drift": 1.5}, "drift: found 1.5, expected a finite number in [0, 1]"),
        ({"draws": "rac"}, "draws: found 'rac', did you mean 'race'?"),
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
