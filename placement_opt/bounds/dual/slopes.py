"""Value and slope of the dual in its prices, in one pass over futures; softened where an ascent wants it smooth.

D is concave in the prices, and the loads of all cheapest paths at some prices are a slope of it there: D(p') <= D(p) +
slope . (p' - p). Nothing here proves anything; :func:`placement_opt.bounds.dual.evaluate.evaluate` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.bounds.dual.actions import PricedActions, price_actions
from placement_opt.bounds.dual.budgets import granted, second_left, settled, weight
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import legal
from placement_opt.bounds.dual.futures import Futures, Units, merge_futures
from placement_opt.bounds.dual.tracked import Tracked, tracked_sets
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

#: Bytes that the wide table of idle stretches may take.
_WIDEST = 2**28
#: It pays up to so many nodes, times sets, for each hop (measured: with three sets up to 8 nodes, with seven up to 3).
_WORTH = 22


@dataclass(frozen=True, eq=False)
class Slopes:
    """D and its slope at some legal prices.

    Attributes
    ----------
    value_s
        Seconds, to float accuracy (no margin taken off); of the softened dual, which lies below D, if that was asked for.
    rho
        float64[T, R], bytes: loads of the cheapest paths and fixed ones, less what the floor would fill.
    rent
        float64[T + 1, K], bytes: held by the cheapest paths less capacity.
    prices
        The prices, legal.
    mu
        float64[H], parts: what the cheapest paths and fixed loads add to each budget's meter, less what it grants in the time
        of the floors.
    weighed_s
        What the objective charges for what they add to meters: whatever the prices are.
    """

    value_s: float
    rho: Float64
    rent: Float64
    prices: Prices
    mu: Float64
    weighed_s: float


@dataclass(frozen=True, eq=False)
class _Paths:
    """What the cheapest paths of all blocks of a kind cost, load and hold.

    Attributes
    ----------
    cost_s
        Seconds.
    moved, stored
        float64[T, R + M]: loads of reads and copies, and of stores.
    held
        float64[T + 1, K], bytes: held in tiers that are tracked.
    read
        float64[T, K], bytes: read from each tier, whatever the operation.
    """

    cost_s: float
    moved: Float64
    stored: Float64
    held: Float64
    read: Float64


def slopes(
    instance: Instance,
    prices: Prices,
    *,
    futures: tuple[Futures, ...] | None = None,
    soft: float = 0.0,
    tracked: Tracked | None = None,
) -> Slopes:
    """D and a slope of it.

    Parameters
    ----------
    prices
        Anything; made legal first.
    futures
        The instance's, if at hand.
    soft
        Seconds per byte by which minima are softened (:mod:`placement_opt.bounds.dual.minima_kernels`): the value lies below D
        and the slope is its gradient. 0: D itself, and a slope of it.
    tracked
        Some of the sets of tiers in which blocks may lie: the value is then no less than with all of them, and the same where
        no cheapest path uses the others. All by default.
    """
    tracked = tracked or tracked_sets(instance)
    futures = futures or merge_futures(classify(instance))
    prices = legal(instance, prices)
    paths = [_paths(instance, prices, part, float(soft), tracked) for part in futures]
    on_resources = slice(instance.num_resources)
    stored = sum((one.stored[:, on_resources] for one in paths[1:]), paths[0].stored[:, on_resources]) + instance.fixed
    loads = sum((one.moved[:, on_resources] for one in paths[1:]), paths[0].moved[:, on_resources]) + stored
    rates = instance.memory.rates.astype(np.float64)
    fixed = float(
        (prices.rho * instance.fixed).sum() + (second_left(instance, prices.mu) - prices.rho @ rates) @ instance.floor
    )
    total = sum(one.cost_s for one in paths) + fixed - float((prices.rent * instance.capacity).sum())
    total += float(settled(instance, prices.mu))
    room = sum((one.held for one in paths[1:]), paths[0].held) - instance.capacity
    untracked = tracked.untracked(instance.num_tiers)
    for one in paths:
        room[:-1, untracked] += one.read[:, untracked]
    metered = instance.metered.astype(np.float64)
    for one in paths:
        metered += (one.moved + one.stored)[:, instance.num_resources :].sum(axis=0)
    loads -= instance.floor[:, None] * rates
    return Slopes(total, loads, room, prices, granted(instance, metered), weight(instance, metered))


def _paths(instance: Instance, prices: Prices, futures: Futures, soft: float, tracked: Tracked) -> _Paths:
    """All blocks of a kind at legal prices; ``soft`` in seconds per byte."""
    loads, size = instance.loads.counted, float(instance.loads.size[futures.kind])
    actions = price_actions(instance, prices, futures.kind, soft=soft * size, tracked=tracked)
    units = (futures.elsewhere or partial(_units, futures))(actions, soft * size, size)
    tiers, copied, held = instance.num_tiers, units.copied, units.held
    held[1:] += units.idle.sum(axis=1)
    new = actions.has[None, :, :] & ~actions.has[:, None, :]
    copied += np.einsum("tij,ijk->tik", units.idle, new.astype(np.float64))
    untracked = tracked.untracked(tiers)
    copied[:, :, untracked] = 0.0
    choices = actions.choices
    assert choices is not None
    ways = np.einsum("ti,tiv->tv", units.served, choices.serve)
    if actions.apart.any():
        ways += np.einsum("ti,tiv->tv", units.brought, choices.bring)
    moved = ways @ loads.serve[futures.kind].astype(np.float64)
    copy, store = loads.copy[futures.kind].astype(np.float64), loads.store[futures.kind].astype(np.float64)
    moved += np.einsum("tik,tikj,jkr->tr", copied, choices.source, copy, optimize=True)
    stores = np.einsum("tk,tkj->tj", units.stored, choices.write) @ store
    needed = loads.serves_from[:, None] == np.arange(tiers)
    rented = tracked.has(tiers) & ~untracked
    return _Paths(units.cost_s, moved, stores, held @ rented * size, ways @ needed.astype(np.float64) * size)


def _units(futures: Futures, actions: PricedActions, soft: float, size: float) -> Units:
    """Cheapest paths on this processor; ``soft`` in seconds per unit of so many bytes."""
    from placement_opt.bounds.dual import slopes_kernels as kernels
    from placement_opt.bounds.dual.idle_kernels import idle_products, push_down

    tracked, pays, write, rent = actions.tracked, actions.has, actions.write, actions.rent
    sets, tiers, steps = len(tracked.masks), pays.shape[1], len(write)
    leaves = 1 << max(0, steps - 1).bit_length()
    wide = wide_table(leaves, sets, len(futures.hop_step))
    tree = idle_products(actions.adding, rent, soft, wide)
    hops = (futures.hop_step, futures.hop_until, futures.hop_share, tree, leaves, wide, pays, actions.apart)
    costs = (actions.serve, actions.bring, actions.source, write, rent, soft)
    begins = (futures.entry_until, tree, leaves, wide, pays)
    cost = kernels.hop_costs(*hops, *costs)
    first, given = futures.entry_first, tracked.begin(futures.entry_begin)
    start, arrive = kernels.begin_costs(first, given, *begins, tracked.masks, write, rent, soft)
    value = kernels.future_costs(futures.node_hop, futures.node_next, cost, soft)
    on_hop, on_entry, on_tree = np.zeros_like(cost), np.zeros_like(arrive), np.zeros_like(tree)
    cells = (futures.cell_entry, futures.cell_node, futures.cell_bytes / size)
    total = kernels.future_flows(futures.node_hop, futures.node_next, cost, value, arrive, *cells, soft, on_hop, on_entry)
    served, brought, held = np.zeros((steps, sets)), np.zeros((steps, sets)), np.zeros((steps + 1, sets))
    copied, stored = np.zeros((steps, sets, tiers)), np.zeros((steps, tiers))
    kernels.hop_flows(*hops, *costs, on_hop, on_tree, served, brought, copied, stored, held)
    kernels.begin_flows(first, *begins, start, soft, on_entry, on_tree, stored, held)
    push_down(tree, on_tree, leaves, wide, soft)
    return Units(total, served, brought, copied, stored, held, on_tree[:steps].copy())


def wide_table(leaves: int, sets: int, hops: int) -> bool:
    """Whether the table of idle stretches that makes each of them two nodes is worth making, and fits."""
    nodes = leaves * leaves.bit_length()
    return nodes * sets <= _WORTH * hops and 8 * nodes * sets**2 <= _WIDEST
