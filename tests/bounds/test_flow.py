"""The flow bound: enumeration of residencies at fixed prices, networkx on the same network, the ladder, and trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.base.highs import Ended, LinearProgram, Solution, SolverError, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import flow, lp, step
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.programs.flow_network import Network, build_network, previous_smaller
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation
from tests.bounds.cases import draw, random_prices, relabelled, scaled, tight
from tests.bounds.step_by_step import horizon_value
from tests.brute import cheapest_residency, optimum
from tests.small import chain, fetch_ahead, make_instance, make_trace, two_tier
from tests.worlds import with_operations

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)
SEEDS = st.integers(0, 10**6)


def case(seed: int, *, shares: bool = True) -> tuple[Instance, Prices]:
    """Two tiers, equal blocks of one to three bytes, often with a home tier too small for all of them; random legal prices."""
    rng = np.random.default_rng(seed)
    instance = draw(seed, tiers=2, max_size=1, blocks=4, shares=shares)
    if seed % 4:
        instance = tight(instance, rng)
    instance = scaled(instance, 1 + seed % 3)
    prices = random_prices(instance, rng)
    if seed % 3 == 0:  # the home tier is the cheap one: only its capacity drives blocks away
        prices.rho[:, instance.home] *= 0.01
        prices.rho[:, 2] *= 0.01
    return instance, legal(instance, prices)


def proven(bound: Bound) -> float:
    assert bound.lower_bound_s is not None
    return bound.lower_bound_s


@PROFILE
@given(SEEDS)
def test_equals_the_cheapest_residency(seed: int) -> None:
    """At random prices, all rules, with shares, deaths, given starts and full home tiers: the best of all residencies."""
    instance, prices = case(seed)
    bound = flow.bound(instance, prices=prices)
    expected = cheapest_residency(instance, prices.rho)
    assert bound.value_s == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert proven(bound) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert proven(bound) <= expected
    assert bound.status is Status.OPTIMAL


def bringing(seed: int, instance: Instance) -> Instance:
    """The same with operations that all bring: dearer and cheaper reads, from nowhere too; calls and grains by chance."""
    rng, resources = np.random.default_rng([seed, 3]), instance.num_resources
    rows = [tuple(int(load) for load in rng.integers(0, 3, resources)) for _ in range(2)]
    more = [Operation("read otherwise", int(rng.integers(2)), rows[0], brings=True)]
    more += [Operation("recompute", None, rows[1], brings=True)] if seed % 2 else []
    memory = instance.memory
    if instance.share_base > 1:
        return replace(instance, memory=with_operations(memory, more))
    calls = tuple(rng.integers(0, 2, part.shape) for part in (memory.read, memory.write, memory.copy))
    grains = tuple(rng.integers(1, 4, part.shape[:-1]) for part in (memory.read, memory.write, memory.copy))
    return replace(instance, memory=with_operations(memory, more, calls=calls, grains=grains))


@pytest.mark.parametrize("first", range(0, 40, 20))
def test_equals_the_cheapest_residency_with_further_operations(first: int) -> None:
    """At random prices, reads in several ways, from nowhere, in calls and grains: a program of whole blocks written out."""
    for seed in range(first, first + 20):
        instance, _ = case(seed)
        instance = bringing(seed, instance)
        prices = legal(instance, random_prices(instance, np.random.default_rng(seed)))
        rest = float((np.maximum(0.0, 1.0 - prices.rho @ instance.memory.rates) * instance.floor).sum())
        expected = rest + float((prices.rho * instance.fixed).sum())
        expected += horizon_value(instance, whole=True, rho=prices.rho)
        assert flow.bound(instance, prices=prices).value_s == pytest.approx(expected, rel=1e-6, abs=1e-9), seed


def networkx_cost(network: Network) -> float:
    """The cheapest flow by network simplex, costs as integer multiples of a small quantum."""
    quantum = max(float(np.abs(network.cost).max()), 1e-300) * 2.0**-40
    graph = nx.MultiDiGraph()
    demand = -network.supply.astype(np.int64)
    fixed = 0.0
    slots = int(network.supply.max())
    for tail, head, cost, lower, upper in zip(
        network.tail, network.head, network.cost, network.lower, network.upper, strict=True
    ):
        demand[tail] += int(lower)
        demand[head] -= int(lower)
        fixed += cost * lower
        room = slots if np.isinf(upper) else int(upper - lower)
        graph.add_edge(int(tail), int(head), capacity=room, weight=round(cost / quantum))
    nx.set_node_attributes(graph, dict(enumerate(demand.tolist())), "demand")
    cost, _ = nx.network_simplex(graph)
    return network.constant_s + fixed + cost * quantum


@PROFILE
@given(SEEDS)
def test_equals_networkx(seed: int) -> None:
    """Under the inclusive and exclusive rules it is a plain min-cost flow: network simplex on integer costs agrees."""
    instance, prices = case(seed)
    if instance.residency == "free":
        instance = replace(instance, residency="exclusive" if instance.initial is None else "inclusive")
    network = build_network(instance, classify(instance), prices.rho)
    assert not len(network.joint)
    assert not len(network.demand)
    solution = solve(flow.flow_program(network))
    cost = network.constant_s + float(network.cost @ solution.x)
    assert cost == pytest.approx(networkx_cost(network), rel=1e-9, abs=1e-12)
    assert np.abs(solution.x - np.round(solution.x)).max() < 1e-9


@PROFILE
@given(SEEDS)
def test_is_above_the_dual_with_any_rents_and_below_the_optimum(seed: int) -> None:
    """D(rho, any rents) <= flow at rho <= optimum; and the dual at flow's own rents is what is published."""
    rng = np.random.default_rng(seed)
    instance, prices = case(seed)
    bound = flow.bound(instance, prices=prices)
    assert bound.prices is not None
    for _ in range(3):
        other = Prices(prices.rho, random_prices(instance, rng).rent)
        assert evaluate(instance, other).value_s <= proven(bound) * (1 + 1e-9) + 1e-12
    assert proven(bound) <= optimum(instance).seconds * (1 + 1e-12)
    whole = flow.whole_blocks(instance)
    assert evaluate(whole, bound.prices).value_s == pytest.approx(proven(bound), rel=1e-12)


@PROFILE
@given(SEEDS)
def test_without_prices_it_is_no_lower_than_the_steps(seed: int) -> None:
    """At the step bound's resource prices flow also counts what moves cost: step <= flow <= optimum."""
    instance, _ = case(seed)
    bound = flow.bound(instance)
    assert proven(step.bound(instance)) <= proven(bound) * (1 + 1e-9)
    assert proven(bound) <= optimum(instance).seconds * (1 + 1e-12)


def test_section_7_fetch_ahead() -> None:
    """At the LP's resource prices the flow is the exact LP, 0.0496471 s, although it knows nothing of the LP's rents."""
    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    assert prices is not None
    bound = flow.bound(instance, prices=Prices(prices.rho, np.zeros_like(prices.rent)))
    assert proven(bound) == pytest.approx(0.0496471, abs=5e-8)
    assert bound.status is Status.OPTIMAL


def test_whole_blocks_only() -> None:
    """Room for two and a half blocks holds two; the dual at the same prices would count the half."""
    instance = make_instance(two_tier(hbm=10), make_trace([[0, 1, 2, 3, 4]], [-1] * 5, sizes=[4]))
    rho = np.zeros((1, 4))
    rho[0, 2] = 1 / 450
    prices = Prices(rho, np.zeros((2, 2)))
    bound = flow.bound(instance, prices=prices)
    assert proven(bound) == pytest.approx(12 / 450, rel=1e-12)
    assert evaluate(instance, bound.prices or prices).value_s == pytest.approx(10 / 450, rel=1e-9)


def test_a_read_share_passes_only_that_share() -> None:
    """A quarter of a block was read: storing it whole costs a quarter of a write and three quarters of a copy."""
    trace = make_trace([[0], [0]], [-1], sizes=[8], shares=[[1], [4]], share_base=4)
    initial = np.array([[False], [True]])
    instance = make_instance(two_tier(hbm=8), trace, initial=initial)
    rho = np.zeros((2, 4))
    rho[0, 0], rho[0, 1] = 0.1 / 4900, 0.1 / 500  # step 0: a write to hbm, a copy lpddr -> hbm cost this and more
    rho[1, 2] = 1 / 450
    read = 2 * 0.1 / 500
    store = 0.25 * 8 * 0.1 / 4900 + 0.75 * 8 * (0.1 / 4900 + 0.1 / 500)
    bound = flow.bound(instance, prices=Prices(rho, np.zeros((3, 2))))
    assert store < 8 / 450
    assert proven(bound) == pytest.approx(read + store, rel=1e-12)


@pytest.mark.parametrize("residency", ["exclusive", "free"])
def test_demoting_waits_for_a_cheap_step(residency: str) -> None:
    """Block 0 lies in hbm alone and must make way for block 1, fetched at step 2: it goes at step 1, where hbm costs least."""
    trace = make_trace([[], [], [], [1]], [-1, -1])
    initial = np.array([[True, False], [False, True]])
    instance = make_instance(two_tier(hbm=1), trace, residency, initial=initial)  # type: ignore[arg-type]
    rho = np.zeros((4, 4))
    rho[:3, 0] = np.array([8e-5, 1e-5, 9e-5])
    rho[1, 2] = 1e-3  # fetching, over the link, is cheap at step 2 only
    rho[3, 2] = 1 / 450
    prices = Prices(rho, np.zeros((5, 2)))
    bound = flow.bound(instance, prices=prices)
    assert proven(bound) == pytest.approx(1e-5 + 9e-5, rel=1e-9)
    assert cheapest_residency(instance, rho) == pytest.approx(1e-5 + 9e-5, rel=1e-9)


@PROFILE
@given(SEEDS)
def test_illegal_prices_are_made_legal(seed: int) -> None:
    """Prices that are too high are scaled, negative and unfinite ones dropped: the result is that of the legal prices."""
    instance, prices = case(seed)
    rho = prices.rho * 7.0
    expected = flow.bound(instance, prices=Prices(np.maximum(rho, 0.0), prices.rent))
    rho[:, 0] = np.where(rho[:, 0] == 0.0, -3.0, rho[:, 0])
    rho[:, 1] = np.where(rho[:, 1] == 0.0, np.nan, rho[:, 1])
    bound = flow.bound(instance, prices=Prices(rho, prices.rent))
    assert proven(bound) == proven(expected)
    assert bound.prices is not None
    assert (bound.prices.rho @ instance.memory.rates <= 1.0).all()


@PROFILE
@given(SEEDS, st.sampled_from([3, 1024, 10**9]))
def test_names_and_units_change_nothing(seed: int, factor: int) -> None:
    """Other block ids give the same value; so do bytes and rates times a factor, with prices divided by it."""
    instance, prices = case(seed)
    value = pytest.approx(proven(flow.bound(instance, prices=prices)), rel=1e-9, abs=1e-12)
    assert proven(flow.bound(relabelled(instance, np.random.default_rng(seed)), prices=prices)) == value
    smaller = Prices(prices.rho / factor, prices.rent / factor)
    assert proven(flow.bound(scaled(instance, factor), prices=smaller)) == value


@PROFILE
@given(SEEDS)
def test_more_room_never_hurts(seed: int) -> None:
    """One more block of room in a tier that has any never raises the bound at the same prices."""
    instance, prices = case(seed)
    more = np.where(instance.capacity > 0, instance.size[0], 0)
    roomier = replace(instance, capacity=instance.capacity + more)
    assert proven(flow.bound(roomier, prices=prices)) <= proven(flow.bound(instance, prices=prices)) * (1 + 1e-9) + 1e-12


def test_equal_blocks_share_a_chain() -> None:
    """A hundred blocks that are read alike are one class; the network does not grow with their number."""
    few = make_instance(two_tier(hbm=1), make_trace([[0, 1], [0, 1]], [-1] * 2))
    many = make_instance(two_tier(hbm=50), make_trace([list(range(100))] * 2, [-1] * 100))
    assert flow.bound(few).details == flow.bound(many).details
    assert proven(flow.bound(many)) == pytest.approx(proven(step.bound(many)), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_previous_smaller(seed: int) -> None:
    """The last earlier step with a strictly lower price, as a double loop finds it."""
    price = np.random.default_rng(seed).integers(0, 4, 12).astype(float)
    slow = [max([s for s in range(t) if price[s] < price[t]], default=-1) for t in range(len(price))]
    assert previous_smaller(price).tolist() == slow


def test_other_than_two_tiers_are_refused() -> None:
    """Three tiers: the message says what flow is defined for."""
    instance = make_instance(chain([4, 6, 20], [30, 20, 10], [9, 8]), make_trace([[0]], [-1]))
    with pytest.raises(InputError, match="method flow: found 3 tiers, expected two: flow is defined for two tiers"):
        flow.bound(instance)


def test_unequal_blocks_are_refused() -> None:
    """Blocks of two sizes: the message says which."""
    instance = make_instance(two_tier(), make_trace([[0, 1]], [-1, -1], sizes=[4, 6]))
    with pytest.raises(InputError, match="found 2 block sizes, 4 to 6 bytes, expected one: flow is defined for equal blocks"):
        flow.bound(instance)


def test_operations_that_do_not_bring_are_refused() -> None:
    """A block that was attended cannot be stored in passing, so serving and storing are no longer decided apart."""
    instance = make_instance(two_tier(), make_trace([[0]], [-1]))
    attend = Operation("attend lpddr", 1, (0, 1, 0, 0))
    message = "found the operation 'attend lpddr', which leaves nothing at the processor, expected none"
    with pytest.raises(InputError, match=message):
        flow.bound(replace(instance, memory=with_operations(instance.memory, [attend])))


def test_the_rule_cache_is_refused() -> None:
    """What may lie nowhere is no flow of slots."""
    instance = make_instance(two_tier(), make_trace([[0]], [-1]))
    memory = with_operations(instance.memory, [Operation("recompute", None, (1, 0, 0, 0), brings=True)])
    with pytest.raises(InputError, match="found the rule cache, expected another: flow is defined where every block lies"):
        flow.bound(replace(instance, memory=memory, residency="cache"))


@pytest.mark.parametrize(
    ("rho", "rent", "message"),
    [
        ((21, 4), (23, 2), r"rho: found shape \(21, 4\), expected steps x resources, \(22, 4\)"),
        ((22, 4), (22, 2), r"rent: found shape \(22, 2\), expected states x tiers, \(23, 2\)"),
    ],
)
def test_prices_of_another_shape_are_refused(rho: tuple[int, int], rent: tuple[int, int], message: str) -> None:
    """Prices belong to an instance: other numbers of steps or states are an error that names both shapes."""
    with pytest.raises(InputError, match=message):
        flow.bound(fetch_ahead(), prices=Prices(np.zeros(rho), np.zeros(rent)))


def test_a_deadline_leaves_the_dual_at_the_given_prices() -> None:
    """No time at all: what the prices given prove with their own rents."""
    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    assert prices is not None
    bound = flow.bound(instance, prices=prices, limits=Limits(0.0))
    assert proven(bound) == evaluate(instance, prices).value_s
    assert bound.status is Status.LIMIT
    assert bound.note == "the solver ended with 'not started': the rents need not be the best"


def test_a_stop_request_is_passed_on() -> None:
    """Interrupted before the flow is solved: the prices given prove what they prove."""
    limits = Limits()
    limits.interrupt()
    bound = flow.bound(fetch_ahead(), limits=limits)
    assert bound.status is Status.INTERRUPTED
    assert proven(bound) == pytest.approx(0.0482930, abs=5e-8)


def test_a_failing_solver_leaves_the_dual_at_the_given_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that breaks down proves nothing and spoils nothing."""

    def broken(_: LinearProgram, **__: Any) -> Solution:
        raise SolverError("the solver failed (out of memory)")

    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    assert prices is not None
    monkeypatch.setattr(flow, "solve", broken)
    bound = flow.bound(instance, prices=prices)
    assert proven(bound) == evaluate(instance, prices).value_s
    assert bound.status is Status.BOUND
    assert bound.note == "the solver ended with 'the solver failed (out of memory)': the rents need not be the best"


def test_potentials_from_nowhere_prove_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that calls nonsense optimal: the value falls, never rises, and the bound is not called optimal."""

    def nonsense(program: LinearProgram, **_: Any) -> Solution:
        dual = np.linspace(0.0, 50.0, program.num_rows)
        return Solution(Ended.SOLVED, np.zeros(program.num_columns), dual, 0.0, -np.inf, "Optimal")

    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    truth = proven(flow.bound(instance, prices=prices))
    monkeypatch.setattr(flow, "solve", nonsense)
    bound = flow.bound(instance, prices=prices)
    assert proven(bound) < truth
    assert bound.value_s is None
    assert bound.status is Status.BOUND
