"""Value and slope of the dual in its prices, in one pass over futures; softened where an ascent wants it smooth.

D is concave in the prices, and the loads of all cheapest paths at some prices are a slope of it there: D(p') <= D(p) +
slope . (p' - p). Nothing here proves anything; :func:`placement_opt.bounds.dual.evaluate.evaluate` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import PricedActions, legal
from placement_opt.bounds.dual.futures import Futures, merge_futures
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.result import Float64, Prices
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
    """

    value_s: float
    rho: Float64
    rent: Float64
    prices: Prices


def slopes(instance: Instance, prices: Prices, *, futures: Futures | None = None, soft: float = 0.0) -> Slopes:
    """D and a slope of it.

    Parameters
    ----------
    prices
        Anything; made legal first.
    futures
        The instance's, if at hand.
    soft
        Seconds per byte by which minima are softened (:mod:`placement_opt.bounds.dual.slopes_kernels`): the value lies below D
        and the slope is its gradient. 0: D itself, and a slope of it.
    """
    from placement_opt.bounds.dual import slopes_kernels as kernels

    futures, soft = futures or merge_futures(classify(instance)), float(soft)
    prices = legal(instance, prices)
    memory, tracked = instance.memory, tracked_sets(instance)
    masks, has, untracked = tracked.masks, tracked.has(instance.num_tiers), tracked.untracked(instance.num_tiers)
    read = prices.rho @ memory.read.T.astype(np.float64)
    read[:, untracked] += prices.rent[:-1, untracked]
    copy = np.einsum("tr,jkr->tjk", prices.rho, memory.copy.astype(np.float64))
    write = prices.rho @ memory.write.T.astype(np.float64)
    serve, from_tier = _choose(np.where(has[None], read[:, None, :], np.inf), soft)
    sources, from_source = _choose(np.where(has[None, :, None, :], copy.transpose(0, 2, 1)[:, None], np.inf), soft)
    rented = has & ~untracked
    rent = prices.rent @ rented.T.astype(np.float64)
    pays, from_write = (
        rented.copy(),
        np.broadcast_to(np.eye(instance.num_tiers), (instance.num_steps, *[instance.num_tiers] * 2)),
    )
    if untracked.any():
        # one untracked tier stands for all of them, as in :func:`placement_opt.bounds.dual.evaluate.price_actions`
        stands, from_write = int(np.argmax(untracked)), from_write.copy()
        pays[tracked.nowhere, stands], sources[:, :, stands] = True, 0.0
        write[:, stands], from_write[:, stands] = _choose(np.where(untracked, write, np.inf), soft)
    adding = PricedActions(tracked, pays, serve, sources, write, rent).adding
    leaves = 1 << max(0, instance.num_steps - 1).bit_length()
    wide = wide_table(leaves, len(masks), len(futures.hop_step))
    tree = kernels.idle_products(adding, rent, soft, wide)
    hops = (futures.hop_step, futures.hop_until, futures.hop_share, tree, leaves, wide, pays, serve, sources, write, rent, soft)
    begins = (futures.entry_first, tracked.begin(futures.entry_begin), futures.entry_until, tree, leaves, wide, pays)
    cost = kernels.hop_costs(*hops)
    start, arrive = kernels.begin_costs(*begins, masks, write, rent, soft)
    value = kernels.future_costs(futures.node_hop, futures.node_next, cost, soft)
    sets, tiers, steps = len(masks), instance.num_tiers, instance.num_steps
    on_hop, on_entry, on_tree = np.zeros_like(cost), np.zeros_like(arrive), np.zeros_like(tree)
    cells = (futures.cell_entry, futures.cell_node, futures.cell_bytes)
    paths = kernels.future_flows(futures.node_hop, futures.node_next, cost, value, arrive, *cells, soft, on_hop, on_entry)
    served, copied, stored = np.zeros((steps, sets)), np.zeros((steps, sets, tiers)), np.zeros((steps, tiers))
    held = np.zeros((steps + 1, sets))
    kernels.hop_flows(*hops, on_hop, on_tree, served, copied, stored, held)
    kernels.begin_flows(*begins, start, soft, on_entry, on_tree, stored, held)
    kernels.push_down(tree, on_tree, leaves, wide, soft)
    idle = on_tree[:steps]
    held[1:] += idle.sum(axis=1)
    new = pays[None, :, :] & ~pays[:, None, :]
    copied += np.einsum("tij,ijk->tik", idle, new.astype(np.float64))
    copied[:, :, untracked] = 0.0
    reads = np.einsum("ti,tik->tk", served, from_tier)
    loads = reads @ memory.read.astype(np.float64)
    loads += np.einsum("tik,tikj,jkr->tr", copied, from_source, memory.copy.astype(np.float64), optimize=True)
    loads += np.einsum("tk,tkj->tj", stored, from_write) @ memory.write.astype(np.float64) + instance.fixed
    rates = memory.rates.astype(np.float64)
    fixed = float((prices.rho * instance.fixed).sum() + (1.0 - prices.rho @ rates) @ instance.floor)
    total = paths + fixed - float((prices.rent * instance.capacity).sum())
    room = held @ rented - instance.capacity
    room[:-1, untracked] += reads[:, untracked]
    return Slopes(total, loads - instance.floor[:, None] * rates, room, prices)


def wide_table(leaves: int, sets: int, hops: int) -> bool:
    """Whether the table of idle stretches that makes each of them two nodes is worth making, and fits."""
    nodes = leaves * leaves.bit_length()
    return nodes * sets <= _WORTH * hops and 8 * nodes * sets**2 <= _WIDEST


def _choose(costs: Float64, soft: float) -> tuple[Float64, Float64]:
    """(softened minimum along the last axis, how the choice is divided)."""
    least = costs.min(axis=-1, keepdims=True)
    if soft > 0.0:
        weight = np.exp((least - costs) / soft)
        total = weight.sum(axis=-1, keepdims=True)
        return (least - soft * np.log(total))[..., 0], weight / total
    first = np.arange(costs.shape[-1]) == costs.argmin(axis=-1)[..., None]
    return least[..., 0], first.astype(np.float64)
