"""Random instances and changes of instances that the tests of several bounds share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.bounds.dual import tracked
from placement_opt.bounds.dual.evaluate import legal
from placement_opt.bounds.dual.slopes import Slopes
from placement_opt.bounds.result import Prices
from placement_opt.certify import paths as certify_paths
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.workload.trace import Trace
from tests.small import chain, make_instance, make_trace, random_instance


def draw(seed: int, tiers: int | None = None, *, max_size: int = 3, shares: bool = True, blocks: int = 5) -> Instance:
    """An instance of up to four tiers, any rule, with whatever the seed switches on; floors on some steps."""
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng,
        int(rng.integers(1, 5)) if tiers is None else tiers,
        KEEPING[int(rng.integers(3))],
        blocks=int(rng.integers(1, blocks + 1)),
        steps=int(rng.integers(1, 6)),
        max_size=int(rng.integers(1, max_size + 1)),
        shares=shares and bool(rng.integers(2)),
        deaths=bool(rng.integers(2)),
        given=rng.random() < 0.3,
    )
    floor = np.where(rng.random(instance.num_steps) < 0.3, rng.random(instance.num_steps) * 0.2, 0.0)
    return replace(instance, floor=floor)


def tight(instance: Instance, rng: np.random.Generator) -> Instance:
    """Of two tiers without a given start: a home tier too small for everything, where the rules allow that; often busy hbm."""
    if instance.inclusive or instance.initial is not None or instance.num_tiers != 2:
        return instance
    fast = 1 - instance.home
    peak, largest = int(instance.alive_bytes.max()), int(instance.size.max())
    capacity = instance.capacity.copy()
    capacity[instance.home] = max(peak - capacity[fast], largest)
    fixed = instance.fixed.copy()
    fixed[:, fast] += rng.choice([0, 20, 60], instance.num_steps)
    return replace(instance, capacity=capacity, fixed=fixed)


def random_prices(instance: Instance, rng: np.random.Generator) -> Prices:
    """Prices of the right order, many of them zero; the sum of rates times prices is at most 1, at some steps less."""
    rho = rng.random((instance.num_steps, instance.num_resources)) * (
        rng.random((instance.num_steps, instance.num_resources)) < 0.7
    )
    total = rho @ instance.memory.rates
    rho *= (rng.choice([0.5, 0.9, 1.0], instance.num_steps) / np.maximum(total, 1e-9))[:, None]
    rent = rng.random((instance.num_steps + 1, instance.num_tiers)) * (
        rng.random((instance.num_steps + 1, instance.num_tiers)) < 0.5
    )
    return Prices(rho, rent / float(instance.memory.rates.max()))


def scaled(instance: Instance, factor: int) -> Instance:
    """All bytes and all rates times a factor: no time changes."""
    memory = replace(
        instance.memory,
        tiers=tuple(replace(tier, capacity=tier.capacity * factor) for tier in instance.memory.tiers),
        rates=instance.memory.rates * factor,
    )
    return replace(
        instance,
        memory=memory,
        capacity=instance.capacity * factor,
        size=instance.size * factor,
        fixed=instance.fixed * factor,
    )


def relabelled(instance: Instance, rng: np.random.Generator) -> Instance:
    """The same blocks under other ids."""
    trace = instance.trace
    name = rng.permutation(trace.num_blocks)
    order = np.argsort(name)
    renamed = name[trace.blocks].astype(np.int32)
    by_step = np.lexsort((renamed, trace.read_step))
    permuted = Trace(
        indptr=trace.indptr,
        blocks=renamed[by_step],
        birth=trace.birth[order],
        death=trace.death[order],
        size=trace.sizes[order].copy(),
        size_unit="bytes",
        shares=None if trace.shares is None else trace.shares[by_step],
        share_base=trace.share_base,
        block_kind=None if trace.block_kind is None else trace.block_kind[order],
        pieces=trace.pieces if trace.pieces is None or len(trace.pieces) == 1 else trace.pieces[order],
    )
    initial = None if instance.initial is None else instance.initial[:, order]
    return replace(instance, trace=permuted, size=instance.size[order], initial=initial)


def absurd_prices(rng: np.random.Generator, instance: Instance, scale: float) -> Prices:
    """Prices of any size and sign, some absurd."""
    rho = rng.exponential(scale, (instance.num_steps, instance.num_resources)) / instance.memory.rates
    rho[rng.random(rho.shape) < 0.3] = 0.0
    rent = rng.exponential(scale / 50, (instance.num_steps + 1, instance.num_tiers))
    rent[rng.random(rent.shape) < 0.4] = 0.0
    if rng.random() < 0.3:
        rho[rng.random(rho.shape) < 0.2] *= -1.0
        rent[rng.random(rent.shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, 1e300, 1e-300, -5.0])
        rho[rng.random(rho.shape) < 0.1] = rng.choice([np.nan, np.inf, 1e300, 1e-300])
    return Prices(rho, rent)


def half_copied_twice() -> Instance:
    """One block in a slow home tier, a small middle tier, a fast tier: the LP copies the same half on twice."""
    memory = chain([1, 1, 10], [100, 1000, 1000], [1000, 1])
    trace = make_trace([[], [], [], [0]], [-1])
    start = np.array([[False], [False], [True]])
    return make_instance(memory, trace, initial=start)


def positive_prices(instance: Instance, rng: np.random.Generator) -> Prices:
    """Legal prices without zeros, so that no two paths cost the same."""
    rho = 0.1 + rng.random((instance.num_steps, instance.num_resources))
    rho *= (rng.uniform(0.5, 1.0, instance.num_steps) / (rho @ instance.memory.rates))[:, None]
    rent = 0.1 + rng.random((instance.num_steps + 1, instance.num_tiers))
    return legal(instance, Prices(rho, rent / float(instance.memory.rates.max())))


def change(at: Slopes, prices: Prices) -> float:
    """What the slope says of the way to other prices."""
    return float(np.vdot(at.rho, prices.rho - at.prices.rho) + np.vdot(at.rent, prices.rent - at.prices.rent))


def track_few(monkeypatch: pytest.MonkeyPatch, sets: int) -> None:
    """As if the tables, the verifier's too, had room for so many sets only."""
    for module, name in ((tracked, "FEW_SETS"), (tracked, "MOST_SETS"), (certify_paths, "MOST_SETS")):
        monkeypatch.setattr(module, name, sets)
