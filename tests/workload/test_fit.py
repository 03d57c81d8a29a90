"""Estimates of generators' parameters: recovered from what the generators draw, refused where a trace is of another kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.fit import FITS
from placement_opt.workload.fit.estimate import LogNormal, least_digits, likeliest_length, rounded, share_taken
from placement_opt.workload.fit.zipf import _chances, _ranks
from placement_opt.workload.synth import GENERATORS, synthesize
from placement_opt.workload.trace import Trace
from tests.small import make_trace
from tests.workload.traces import REAL, needs_data


def estimated(name: str, seed: int = 3, **parameters: object) -> dict[str, Any]:
    return FITS[name](synthesize(name, parameters, seed), None).parameters


def test_every_fit_is_of_a_generator_and_gives_what_it_takes() -> None:
    """Names and parameters are the generator's own, whatever trace they are from."""
    for name in FITS:
        parameters, _ = GENERATORS[name]
        parameters(**estimated(name))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"drift": 0.03, "layers": 2, "read_share": 0.25, "window": 0.5},
        {"drift": 0.2, "leave": "random", "window": 0.7},
        {"drift": 0.4, "read_share": 0.33, "prefill": 300, "tokens": 60},
        {"drift": 0.0, "window": 1.0},
    ],
)
def test_drift_is_recovered(given: dict[str, Any]) -> None:
    """Shares as they were written, the window to a hundredth; who leaves, where anything does."""
    found = estimated("drift", **given)
    for name, default in {"layers": 4, "prefill": 500, "tokens": 100, "read_share": 0.4, "drift": 0.1}.items():
        assert found[name] == given.get(name, default), name
    assert found["window"] == pytest.approx(given.get("window", 1.0), abs=0.01)
    if found["drift"]:
        assert found["leave"] == given.get("leave", "oldest")


def test_drift_needs_no_labels_of_blocks() -> None:
    """Layers of blocks follow from the steps that read and produce them; without layers there is one."""
    trace = synthesize("drift", {"layers": 2}, 3)
    assert FITS["drift"](replace(trace, block_layer=None), None) == FITS["drift"](trace, None)
    alone = synthesize("drift", {"layers": 1}, 3)
    assert FITS["drift"](replace(alone, step_layer=None, block_layer=None), None).parameters["drift"] == 0.1


@pytest.mark.parametrize(
    ("exponent", "blocks", "steps", "reads", "tolerance"),
    [(0.0, 1000, 100, 100, 0.06), (0.7, 8000, 200, 200, 0.02), (1.0, 1000, 100, 100, 0.03), (1.6, 5000, 100, 50, 0.03)],
)
def test_zipf_is_recovered(exponent: float, blocks: int, steps: int, reads: int, tolerance: float) -> None:
    """Counts exactly, the exponent to a few hundredths (near none at all it is hardly seen)."""
    found = estimated("zipf", exponent=exponent, blocks=blocks, steps=steps, reads=reads, block_size="4 KiB")
    assert found.pop("exponent") == pytest.approx(exponent, abs=tolerance)
    assert found == {"blocks": blocks, "steps": steps, "reads": reads, "block_size": "4096 B"}


def test_groups_of_ranks_stand_for_all() -> None:
    """Sums over grouped ranks are those over single ones."""
    rank, of = _ranks(50_000)
    assert of.sum() == 50_000
    single = np.arange(1, 50_001, dtype=float)
    grouped = float(of @ _chances(rank, of, 0.8, 300) ** 2)
    assert grouped == pytest.approx(float((_chances(single, np.ones(50_000), 0.8, 300) ** 2).sum()), rel=1e-4)


@pytest.mark.parametrize(
    "given",
    [
        {
            "requests": 4000,
            "prefixes": 8,
            "prefix_tokens": 2048,
            "turns": 4.0,
            "prompt": 8000,
            "prompt_spread": 0.6,
            "question": 900,
            "question_spread": 0.8,
            "think": "40 s",
            "think_spread": 0.5,
        },
        {
            "requests": 3000,
            "prefix_tokens": 0,
            "turns": 2.0,
            "prompt": 600,
            "prompt_spread": 1.0,
            "question": 120,
            "question_spread": 0.5,
            "think": "20 s",
            "think_spread": 1.0,
            "block_tokens": 64,
        },
    ],
)
def test_requests_are_recovered(given: dict[str, Any]) -> None:
    """Counts and prefixes exactly; rates, turns and medians to a tenth; spreads to a tenth of a unit of the logarithm."""
    found = estimated("requests", **given, answer=1, answer_spread=0.0, sessions_per_second=2.0)
    for name, value in ({"prefixes": 1, "block_tokens": 512, "answer": 1} | given).items():
        if name in ("requests", "prefixes", "prefix_tokens", "block_tokens"):
            assert found[name] == value, name
        elif name == "answer":
            assert found[name] <= 0.1 * given["question"]  # there is none, and little is taken for it
        elif name.endswith("spread"):
            assert found[name] == pytest.approx(value, abs=0.1), name
        elif name == "think":
            assert float(found[name].removesuffix(" s")) == pytest.approx(float(value.removesuffix(" s")), rel=0.1)
        else:
            assert found[name] == pytest.approx(value, rel=0.1), name
    assert found["sessions_per_second"] == pytest.approx(2.0, rel=0.1)


def test_requests_without_times_come_at_one_a_second() -> None:
    """Which is said; so is what is freed, found behind a hole, or of unknown tokens."""
    trace = synthesize("requests", {"requests": 50, "keep": "session"}, 1)
    meta = {"reads_after_new": 3}
    found = FITS["requests"](replace(trace, meta=meta, size_unit="bytes"), None)
    assert found.parameters["sessions_per_second"] <= 1
    for words in ("the trace has no times", "no block is freed", "512 tokens", "behind one that is missing"):
        assert any(words in text for text in found.lost), words
    timed = FITS["requests"](replace(trace, meta={"first_ms": 0, "last_ms": 50_000}), None)
    assert "the trace has no times" not in str(timed.lost)


@pytest.mark.parametrize(
    ("name", "trace", "message"),
    [
        ("drift", make_trace([[]], [-1]), "found a trace without reads"),
        ("zipf", make_trace([[]], [-1]), "found a trace without reads"),
        ("drift", make_trace([[0], [1, 2]], [-1, 0, 0, 0, 0, 0]), "found 2.5 blocks produced by a step, expected about one"),
        ("zipf", make_trace([[0], [1, 2]], [-1, 0, 0]), "found a trace that produces most of its blocks"),
        ("requests", make_trace([[0]], [-1]), "does not say in which order steps ask for blocks, expected one of requests"),
    ],
)
def test_traces_of_another_kind_are_declined(name: str, trace: Trace, message: str) -> None:
    """With what was found instead."""
    with pytest.raises(InputError) as found:
        FITS[name](trace, None)
    assert message in str(found.value)


def test_what_a_generator_cannot_have_is_said() -> None:
    """Sizes, births, layers and shares that change."""
    zipf = FITS["zipf"](make_trace([[0, 1], [0]], [-1, -1, 0], deaths=[2, 1, 2], sizes=[1, 2, 3], layers=1), None)
    for words in ("as many blocks as any other", "produced or freed", "one size, the mean", "no layers"):
        assert any(words in text for text in zipf.lost), words
    drift = FITS["drift"](make_trace([[0, 1], [0], []], [-1, -1, 0], deaths=[2, 1, 2], sizes=[1, 2, 3]), None)
    for words in ("one block", "same share", "nothing is freed", "one size"):
        assert any(words in text for text in drift.lost), words


def test_shares_are_those_somebody_would_have_written() -> None:
    """The fewest digits of which all follows; the ratio where none does; nothing of nothing."""
    whole = np.arange(200, 260)
    assert share_taken(np.floor(0.1 * whole + 1e-9).astype(int), whole) == 0.1
    assert share_taken(np.floor(0.123 * whole).astype(int), whole) == pytest.approx(0.123, abs=0.001)
    assert share_taken(np.array([10, 90]), np.array([100, 100])) == pytest.approx(0.505)
    assert share_taken(np.array([0, 0]), np.array([5, 0])) == share_taken(np.array([], int), np.array([], int)) == 0.0
    assert (least_digits(0.39, 0.41), least_digits(0.401, 0.4019), rounded(1234.5)) == (0.4, 0.401, 1230.0)


def test_log_normal_law_and_its_estimate() -> None:
    """Probabilities and means are those of draws; median and spread come back from whole numbers alone."""
    rng = np.random.default_rng(1)
    drawn = np.exp(rng.normal(np.log(300), 0.7, 20_000))
    law = LogNormal(300, 0.7)
    for length in (100.0, 300.0, 1000.0):
        assert law.below(np.array([length]))[0] == pytest.approx((drawn <= length).mean(), abs=0.01)
        assert law.spared(np.array([length]))[0] == pytest.approx(np.maximum(0, length - drawn).mean(), rel=0.03, abs=0.3)
    counts = np.bincount((drawn / 64).astype(int))

    def chances(of: LogNormal, count: int) -> Any:
        return np.diff(of.below(64.0 * np.arange(count + 1)))

    median, spread = likeliest_length(chances, counts, 50)
    assert median == pytest.approx(300, rel=0.02)
    assert spread == pytest.approx(0.7, abs=0.02)


@needs_data
def test_mooncake_gives_the_generator_its_own_defaults() -> None:
    """The generator's defaults were set by that trace by hand: the fit finds them within a quarter."""
    from placement_opt.workload.formats.mooncake import read

    found = FITS["requests"](read(REAL), None).parameters
    defaults = GENERATORS["requests"][0]()
    assert (found["requests"], found["prefixes"], found["prefix_tokens"]) == (12_031, 1, 512)
    for name in ("sessions_per_second", "turns", "prompt", "prompt_spread", "think_spread"):
        assert found[name] == pytest.approx(getattr(defaults, name), rel=0.25), name
