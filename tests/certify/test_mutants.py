"""More than a thousand certificates with something changed: every one is refused, or what it claims is still true."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.bounds import lp, milp
from placement_opt.certify import verify as certify
from placement_opt.certify.files import (
    load_prices,
    load_schedule,
    save_prices,
    save_schedule,
)
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.certify.certificates import draw, reseal, slow_replay, slow_value
from tests.certify.played import flipped, other_moves, other_prices

SEEDS = range(8)
EACH = 22


def survives(path: Path, instance: Instance, load: Callable, verify: Callable):  # type: ignore[no-untyped-def, type-arg]
    """The certificate if it is accepted, None if it is refused; no other exception gets out."""
    try:
        certificate = load(path, instance)
        verify(instance, certificate)
    except (CertificateError, InputError):
        return None
    return certificate


@pytest.mark.parametrize("seed", SEEDS)
def test_mutated_prices(tmp_path: Path, seed: int) -> None:
    """Flipped bits are refused; under a checksum that fits, they and changed fields never prove more than the optimum."""
    rng, instance = draw(seed)
    optimum, prices = milp.bound(instance).value_s, lp.bound(instance).prices
    assert optimum is not None
    assert prices is not None
    made, path = certify_prices(instance, prices), tmp_path / "p"
    save_prices(made, path)
    data = path.read_bytes()
    verdicts = []
    for _ in range(EACH):
        path.write_bytes(flipped(rng, data))
        assert survives(path, instance, load_prices, certify.verify_prices) is None
        reseal(path, flipped(rng, data))
        verdicts.append(survives(path, instance, load_prices, certify.verify_prices))
        changed = other_prices(rng, made)
        if changed.rho.min() >= 0 and changed.rent.min() >= 0:
            save_prices(changed, path)
            verdicts.append(survives(path, instance, load_prices, certify.verify_prices))
        else:
            with pytest.raises(CertificateError, match="below 0"):
                certify.verify_prices(instance, changed)
    for accepted in verdicts:
        if accepted is not None:
            assert accepted.claim <= max(0, slow_value(instance, accepted.quantum, accepted.rho, accepted.rent))
            assert accepted.claim <= Fraction(optimum) * (1 + Fraction(1, 10**9))
    assert sum(accepted is None for accepted in verdicts) >= len(verdicts) // 2


@pytest.mark.parametrize("seed", SEEDS)
def test_mutated_schedules(tmp_path: Path, seed: int) -> None:
    """Flipped bits are refused; whatever else is changed, what is accepted keeps the rules and its time, says the slow twin."""
    rng, instance = draw(seed + 100)
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    made, path = certify_schedule(instance, run.schedule), tmp_path / "s"
    save_schedule(made, path)
    data = path.read_bytes()
    verdicts = []
    for _ in range(EACH):
        path.write_bytes(flipped(rng, data))
        assert survives(path, instance, load_schedule, certify.verify_schedule) is None
        reseal(path, flipped(rng, data))
        verdicts.append(survives(path, instance, load_schedule, certify.verify_schedule))
        changed = other_moves(rng, made)
        save_schedule(changed, path)
        verdicts.append(survives(path, instance, load_schedule, certify.verify_schedule))
        taken = slow_replay(instance, changed)
        legal = taken is not None and taken <= changed.claim
        strict = all(np.diff(changed.op[a:b].astype(int) * 10**6 + changed.block[a:b]).min(initial=1) > 0
                     for a, b in zip(changed.indptr[:-1], changed.indptr[1:], strict=True))  # fmt: skip
        assert (verdicts[-1] is not None) == (legal and strict)
    for accepted in verdicts:
        if accepted is not None:
            taken = slow_replay(instance, accepted)
            assert taken is not None
            assert taken <= accepted.claim
    assert sum(accepted is None for accepted in verdicts) >= len(verdicts) // 2


def test_there_are_enough_of_them() -> None:
    """Three mutants a round, of prices and of schedules."""
    assert 2 * 3 * EACH * len(SEEDS) >= 1000
