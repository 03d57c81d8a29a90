"""Engines and computing by kinds in questions: values by hand, and everything agrees as it does without them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.bounds import METHODS
from placement_opt.instance.instance import Instance
from placement_opt.memory import Link, Tier, build_memory
from placement_opt.memory.parts import Compute, Engine, OfKind
from tests.agreement import check
from tests.brute import optimum
from tests.small import make_instance, make_trace


def behind(rate: int | None, ratio: Fraction) -> Instance:
    """One step that reads 10 blocks of 16 B, all in a tier of 1,000 B/s behind a link of 10 B/s and, at a rate, an engine."""
    far, link = Tier("far", 1000, "host", 1000, 1000, True), Link("l", "host", "gpu", 10, 10, True)
    engines = [] if rate is None else [Engine("zip", rate, ("l",), ratio)]
    memory = build_memory("m", "gpu", [far], [link], engines=engines)
    trace = make_trace([list(range(10))], [-1] * 10, sizes=[16] * 10)
    return make_instance(memory, trace, "free", initial=np.ones((1, 10), dtype=bool))


@pytest.mark.parametrize(
    ("rate", "ratio", "seconds"),
    [
        (None, Fraction(1), 16.0),  # 160 B over the link
        (40, Fraction(1, 2), 8.0),  # 80 B over the link
        (16, Fraction(1, 2), 10.0),  # 160 B out of the engine
        (40, Fraction(5, 16), 5.0),  # 50 B over the link
        (8, Fraction(1), 20.0),  # an engine that only slows down
    ],
)
def test_a_decompressor(rate: int | None, ratio: Fraction, seconds: float) -> None:
    """What is smaller on the link must still come out of the engine."""
    instance = behind(rate, ratio)
    assert METHODS["lp"](instance).lower_bound_s == pytest.approx(seconds, rel=1e-9)
    assert optimum(instance).seconds == pytest.approx(seconds, rel=1e-9)


def test_kinds_share_what_computes() -> None:
    """Array 10 B/s, cores 5 B/s, channel 1 B/s, 80 B of weights and 80 B of KV; results of a sixteenth and an eighth.

    Cores alone take 32 s. Reading x of the KV takes (160 - x)/5 = 5 + (80 - x)/8 + x: 1240/43 s. Without attending the channel
    takes all KV and the results of the weights, 85 s.
    """
    trace = make_trace([list(range(10))], [-1] * 10, sizes=[16] * 10)
    trace = replace(trace, block_kind=(np.arange(10) < 5).astype(np.int8))
    link = Link("channel", "die", "gpu", 1, 1, True)
    for kv, seconds in ((OfKind(Fraction(1, 8)), 1240 / 43), (None, 85.0)):
        compute = Compute(5, None, kv=kv, weights=OfKind(Fraction(1, 16)))
        flash = Tier("flash", 1000, "die", 10, 10, True, compute=compute)
        memory = build_memory("m", "gpu", [flash], [link])
        instance = make_instance(memory, trace, "free", initial=np.ones((1, 10), dtype=bool))
        assert METHODS["lp"](instance).lower_bound_s == pytest.approx(seconds, rel=1e-9)
        assert optimum(instance).seconds == pytest.approx(seconds, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_everything_agrees_with_engines(seed: int) -> None:
    """Enumeration, programs, statements, schedulers on random systems whose engines shrink what passes tiers and links."""
    rng = np.random.default_rng(seed)
    rates = [int(rate) for rate in rng.integers(5, 60, 6)]
    compute = Compute(rates[0], Fraction(1, 4), kv=OfKind(), weights=OfKind(Fraction(1, 3))) if seed % 2 else None
    tiers = [
        Tier("hbm", 4, "gpu", 90, 90, True),
        Tier("far", 9, "host", rates[1], rates[2], False, compute=compute),
    ]
    links = [Link("l", "host", "gpu", rates[3], rates[3], True)]
    on = (("l",), ("far", "l"), ("hbm", "l"), ("far",))[seed]
    engines = [Engine("zip", rates[4], on, Fraction(int(rng.integers(1, 4)), 4)), Engine("bus", rates[5] + 60, ("hbm", "far"))]
    memory = build_memory("m", "gpu", tiers, links, engines=engines)
    reads = [sorted(rng.choice(4, 2, replace=False).tolist()) for _ in range(3)]
    trace = make_trace(reads, [-1] * 4, sizes=[2, 1, 2, 1])
    if seed % 2:
        trace = replace(trace, block_kind=np.array([0, 1, 0, 1], dtype=np.int8))
    check(make_instance(memory, trace, ("free", "exclusive", "inclusive", "free")[seed]))
