"""Random instances with meters, budgets and objectives: prices, splits and what keeps the budgets equal slow, obvious twins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base.errors import CertificateError, ScheduleError
from placement_opt.certify import verify as certify
from placement_opt.certify.files import ScheduleCertificate
from placement_opt.certify.replay import _play, _Replay
from placement_opt.certify.rows import kinds_of
from placement_opt.instance.budgets import Budget, Objective
from placement_opt.instance.instance import Instance
from placement_opt.memory.meters import Meters
from placement_opt.play.replay import Replay
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from tests.certify.certificates import draw_prices
from tests.certify.played import random_schedule
from tests.twins import cheapest_path
from tests.worlds import any_operations

SEEDS = range(24)


def metered(seed: int) -> tuple[np.random.Generator, Instance]:
    """A random instance with two meters, both weighed."""
    rng, instance = np.random.default_rng(seed), any_operations(seed)
    rows = len(instance.memory.operations.names)
    per_byte = rng.integers(0, 9, (rows, 2)) * (rng.random((rows, 2)) < 0.8)
    counted = Meters(("energy", "wear"), ("J", "B"), (1, 1), per_byte.astype(np.int64))
    weights = tuple((m, Fraction(int(rng.integers(1, 50)), 10 ** int(rng.integers(1, 5)))) for m in range(2))
    objective = Objective(Fraction(int(rng.integers(0, 3))), weights)
    fixed = rng.integers(0, 50, 2)
    return rng, replace(instance, memory=replace(instance.memory, counted=counted), objective=objective, fixed_metered=fixed)


def as_resources(instance: Instance) -> Instance:
    """The same table with meters as further resources."""
    table, added = instance.memory.operations, instance.memory.meters.per_byte
    table = replace(
        table,
        per_byte=np.hstack([table.per_byte, added]),
        per_call=np.hstack([table.per_call, np.zeros_like(added)]),
    )
    memory = replace(
        instance.memory,
        operations=table,
        resources=(*instance.memory.resources, "a", "b"),
        rates=np.r_[instance.memory.rates, 10**9, 10**9],
        counted=None,
    )
    fixed = np.hstack([instance.fixed, np.zeros((instance.num_steps, 2), dtype=np.int64)])
    home = instance.home if instance.inclusive else None
    return replace(instance, memory=memory, fixed=fixed, budgets=(), objective=Objective(), fixed_metered=None, home_tier=home)


@pytest.mark.parametrize("none", [False, True])
def test_prices_equal_the_slow_twin(none: bool) -> None:
    """D term by term, meters being resources at one price: what two budgets and the objective make of it, in fractions."""
    for seed in SEEDS:
        rng, instance = metered(seed)
        budgets = (Budget("x", 0, Fraction(int(rng.integers(-9, 999)), 7)), Budget("y", 1, Fraction(3), Fraction(-1, 3)))
        instance = replace(instance, budgets=(*budgets, Budget("time", None, Fraction(9, 4), Fraction(-1))))
        quantum = 10**9
        rho, rent = draw_prices(rng, instance, quantum)
        mu = rng.integers(5 * 10**7, 10**8, 3)
        rho = rho // (100 if none or not instance.objective.time else 2)  # within what they leave of a second
        value = certify.lower_bound(instance, quantum, rho, rent, mu, no_schedule=none)
        weights = {} if none else dict(instance.objective.weights)
        nu = [int(weights.get(m, Fraction(0)) * quantum) + int(mu[m]) for m in range(2)]
        wide = np.hstack([rho, np.tile(nu, (instance.num_steps, 1))])
        twin = as_resources(instance)
        paths = (cheapest_path(twin, b, wide.tolist(), rent.tolist()).cost for b in range(instance.num_blocks))
        expected = sum((Fraction(cost, quantum) for cost in paths), Fraction(0))
        second = (0 if none else instance.objective.time) + Fraction(int(mu[1]), 3 * quantum) + Fraction(int(mu[2]), quantum)
        for t in range(instance.num_steps):
            used = Fraction(int(rho[t].astype(object) @ instance.memory.rates.astype(object)), quantum)
            assert used <= second
            expected += (second - used) * Fraction(float(instance.floor[t]))
            expected += Fraction(int(rho[t].astype(object) @ instance.fixed[t].astype(object)), quantum)
        expected += Fraction(sum(n * int(load) for n, load in zip(nu, instance.metered, strict=True)), quantum)
        expected -= sum(int(m) * budget.fixed for m, budget in zip(mu, instance.budgets, strict=True)) / quantum
        expected -= Fraction(int((rent.astype(object) @ instance.capacity.astype(object)).sum()), quantum)
        assert value == max(0, expected)


@dataclass(frozen=True)
class Steps:
    """What the verifier's replay says of each step: loads on resources and meters, and what is read by ways to serve it."""

    loads: list[list[int]]
    served: list[dict]  # type: ignore[type-arg]


def steps_of(instance: Instance, plan: ScheduleCertificate) -> Steps:
    """The steps of a schedule."""
    steps, replay = Steps([], []), _Replay(instance, kinds_of(instance))

    def add(loads: list[int], served: dict) -> None:  # type: ignore[type-arg]
        steps.loads.append(loads)
        steps.served.append(dict(served))

    replay.start(plan.initial)
    _play(replay, plan, add)
    return steps


def best_cost(instance: Instance, steps: Steps) -> float | None:
    """The linear program of the whole run, dense, by another solver; None where it has no solution."""
    rates, scale, kinds = instance.memory.rates.astype(float), instance.share_base, kinds_of(instance)
    ways = [(t, key, way) for t, served in enumerate(steps.served) for key in served for way in key[1]]
    groups = [(t, key) for t, served in enumerate(steps.served) for key in served]
    count, total = len(ways), len(steps.loads)
    rows = [kinds.rows[key[0]].serve[way].astype(float) for _, key, way in ways]
    upper, sides = [], []
    for t, r in np.ndindex(total, len(rates)):
        row = np.zeros(count + total + 1)
        row[:count] = [one[r] if ways[i][0] == t else 0.0 for i, one in enumerate(rows)]
        row[count + t] = -rates[r]
        upper.append(row)
        sides.append(-steps.loads[t][r] / scale)
    fixed = instance.metered + np.sum([loads[len(rates) :] for loads in steps.loads], axis=0, dtype=float) / scale
    meters = np.array([one[len(rates) :] for one in rows]).reshape(count, len(fixed))
    for budget in instance.budgets:
        row = np.r_[np.zeros(count), -float(budget.per_second) * np.ones(total + 1)]
        sides.append(float(budget.fixed))
        if budget.meter is not None:
            m = instance.used_meters.index(budget.meter)
            row[:count] += meters[:, m]
            sides[-1] -= fixed[m]
        upper.append(row)
    equal = np.array([[float((t, key) == (s, other)) for s, other, _ in ways] + [0.0] * (total + 1) for t, key in groups])
    weights = dict(instance.objective.weights)
    worth = np.array([float(weights.get(meter, 0)) for meter in instance.used_meters])
    cost = np.r_[meters @ worth, float(instance.objective.time) * np.ones(total + 1)]
    bounds = [(0, None)] * count + [(float(floor), None) for floor in instance.floor] + [(0, None)]
    given = {"A_eq": equal, "b_eq": [steps.served[t][key] / scale for t, key in groups]} if groups else {}
    found = linprog(cost, np.array(upper), sides, bounds=bounds, **given)
    return float(found.fun + fixed @ worth) if found.status == 0 else None


def test_splits_are_the_best_there_are_and_exact() -> None:
    """Simulator, verifier and a dense program agree on what random schedules cost, with budgets that bind and without."""
    bound = refused = waited = 0
    for seed in SEEDS:
        rng, instance = metered(seed)
        plan = random_schedule(rng, instance)
        if plan is None:
            continue
        schedule = Schedule("random", plan.initial, plan.indptr, plan.op.astype(np.int16), plan.block)
        run = simulate(instance, Replay(schedule))
        assert run.cost_s == pytest.approx(best_cost(instance, steps_of(instance, plan)), rel=1e-6, abs=1e-9)
        assert run.split is not None
        np.testing.assert_allclose(run.metered, [float(one) for one in run.split.counted], rtol=1e-12)
        made = certify_schedule(instance, schedule)
        assert certify.verify_schedule(instance, made) == made.claim == run.split.cost(instance)
        for share in (0.999, 1.001):
            energy = run.split.counted[0] * Fraction(share)
            limited = replace(instance, budgets=(Budget("energy", 0, energy),), objective=Objective())
            best = best_cost(limited, steps_of(limited, plan))
            if best is None:
                with pytest.raises(ScheduleError, match="breaks the budget energy: however its reads are split, by"):
                    simulate(limited, Replay(schedule))
                refused += 1
                continue
            kept = simulate(limited, Replay(schedule))
            assert kept.cost_s == pytest.approx(best, rel=1e-6)
            made = certify_schedule(limited, schedule)
            assert certify.verify_schedule(limited, made) == made.claim
            over = replace(limited, budgets=(Budget("energy", 0, kept.split.counted[0] - 1),))  # type: ignore[union-attr]
            with pytest.raises(CertificateError, match="breaks the budget energy by 1 J in"):
                certify.verify_schedule(over, replace(made, instance_hash=over.hash))
            bound += 1
        power = Fraction(run.split.counted[0] / max(run.split.seconds, Fraction(1, 100)) * Fraction(0.98)).limit_denominator(
            10**6
        )
        if power > 0:  # the run may wait, or save
            waiting = replace(instance, budgets=(Budget("power", 0, Fraction(0), power),), objective=Objective())
            kept = simulate(waiting, Replay(schedule))
            assert kept.latency_s == pytest.approx(best_cost(waiting, steps_of(waiting, plan)), rel=1e-6)
            made = certify_schedule(waiting, schedule)
            assert certify.verify_schedule(waiting, made) == made.claim == kept.exact_latency()
            waited += kept.waited_s > 0
    assert (bound >= 10, refused >= 5, waited >= 5) == (True, True, True)
