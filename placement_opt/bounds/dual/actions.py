"""What every action on a block costs at some prices: the one place of the dual that turns prices and loads into costs.

Costs are per unit of a block, of one kind (:class:`placement_opt.instance.law.Loads`): per byte where every load is bytes times
a factor, otherwise per block of a size. S tier sets, V serving operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64
from placement_opt.bounds.dual.budgets import meter_prices
from placement_opt.bounds.dual.tracked import Tracked, tracked_sets
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import serving_ways


@dataclass(frozen=True, eq=False)
class Choices:
    """How each minimum is divided among its alternatives; each row sums to 1.

    Attributes
    ----------
    serve, bring
        float64[T, S, V]: among serving operations.
    source
        float64[T, S, K, K]: copying into each tier, among those that it may come from.
    write
        float64[T, K, K]: storing for a tier, among those that it really goes to.
    """

    serve: Float64
    bring: Float64
    source: Float64
    write: Float64


@dataclass(frozen=True, eq=False)
class PricedActions:
    """What every action on one unit of a block costs.

    Attributes
    ----------
    tracked
        The sets.
    has
        bool[S, K]: members of each set that it pays for.
    apart
        bool[S]: whether some operation that serves from the set does not leave the block at the processor.
    serve
        float64[T, S]: serving a read in the cheapest way.
    bring
        float64[T, S]: serving it in the cheapest way that brings the block to the processor, infinite where none does; the
        same as ``serve`` where nothing is apart.
    source
        float64[T, S, K]: copying into tier k from the cheapest member; infinite from the empty set.
    write
        float64[T, K]: storing in passing.
    rent
        float64[T + 1, S].
    choices
        Whom the minima chose, where that was asked for.
    """

    tracked: Tracked
    has: Flags
    apart: Flags
    serve: Float64
    bring: Float64
    source: Float64
    write: Float64
    rent: Float64
    choices: Choices | None = None

    @property
    def adding(self) -> Float64:
        """float64[T, S, S]: copies that turn one set into another within a step; dropping is free. Made anew, and not kept."""
        new = self.has[None, :, :] & ~self.has[:, None, :]
        nowhere = np.flatnonzero(self.tracked.masks == 0)
        source = self.source
        if len(nowhere):
            source = source.copy()
            source[:, nowhere] = 0.0
        adding: Float64 = np.einsum("tik,ijk->tij", source, new.astype(np.float64))
        adding[:, nowhere] = np.where(new[nowhere].any(axis=2), np.inf, 0.0)
        return adding


def price_actions(
    instance: Instance, prices: Prices, kind: int = 0, *, soft: float | None = None, tracked: Tracked | None = None
) -> PricedActions:
    """Evaluate the loads of operations on blocks of a kind at legal prices.

    Parameters
    ----------
    soft
        None: minima, and nothing more. A number of seconds per unit: minima softened by so much
        (:mod:`placement_opt.bounds.dual.slopes_kernels`), or not if it is 0, and how they choose.
    tracked
        Some of the instance's sets, where others are left out; all of them by default.
    """
    loads, tracked = instance.loads.counted, tracked or tracked_sets(instance)
    has, untracked = tracked.has(instance.num_tiers), tracked.untracked(instance.num_tiers)
    usable, source_of = serving_ways(loads, tracked.masks, kind), loads.serves_from
    rents = prices.rent * float(loads.size[kind])
    rho = with_meters(instance, prices)
    ways = rho @ loads.serve[kind].T.astype(np.float64)
    shares = np.flatnonzero((source_of >= 0) & untracked[source_of])
    ways[:, shares] += rents[:-1, source_of[shares]]
    copy = np.einsum("tr,jkr->tjk", rho, loads.copy[kind].astype(np.float64))
    write = rho @ loads.store[kind].T.astype(np.float64)
    serve, of_serve = _cheapest(ways[:, None, :], usable, soft)
    bring, of_bring = serve, of_serve
    apart: Flags = np.asarray((usable & ~loads.brings).any(axis=1))
    if apart.any():
        bring, of_bring = _cheapest(ways[:, None, :], usable & loads.brings, soft)
    source, of_source = _cheapest(copy.transpose(0, 2, 1)[:, None], has, soft)
    of_write = np.broadcast_to(np.eye(instance.num_tiers), copy.shape)
    pays = has & ~untracked
    rent = rents @ pays.T.astype(np.float64)
    if untracked.any() and not instance.forgets:
        # one untracked tier stands for all of them: only who is born into no other pays for it
        stands, of_write = int(np.argmax(untracked)), of_write.copy()
        pays[tracked.nowhere, stands] = True
        source[:, :, stands] = 0.0
        least, chosen = _cheapest(write[:, None, :], untracked[None], soft)
        write[:, stands] = least[:, 0]
        if chosen is not None:
            of_write[:, stands] = chosen[:, 0]
    choices = None
    if of_serve is not None and of_bring is not None and of_source is not None:
        choices = Choices(of_serve, of_bring, of_source, of_write)
    return PricedActions(tracked, pays, apart, serve, bring, source, write, rent, choices)


def with_meters(instance: Instance, prices: Prices) -> Float64:
    """float64[T, R + M]: prices of resources, followed by those of meters, which are the same at every step."""
    if not instance.used_meters:
        return prices.rho
    each = meter_prices(instance, prices.mu)
    return np.concatenate([prices.rho, np.broadcast_to(each, (len(prices.rho), len(each)))], axis=1)


def _cheapest(costs: Float64, allowed: Flags, soft: float | None) -> tuple[Float64, Float64 | None]:
    """(least of the alternatives that each set allows, how the choice is divided), [T, S, ...] and [T, S, ..., n].

    ``costs`` float64[T, 1, ..., n], ``allowed`` bool[S, n]. Infinite where a set allows none.
    """
    if soft is None:
        each = costs[:, 0]
        nothing = np.full(each.shape[:-1], np.inf)
        return np.stack([each[..., row].min(axis=-1) if row.any() else nothing for row in allowed], axis=1), None
    shape = (1, len(allowed), *(1,) * (costs.ndim - 3), allowed.shape[1])
    return _choose(np.where(allowed.reshape(shape), costs, np.inf), soft)


def _choose(costs: Float64, soft: float) -> tuple[Float64, Float64]:
    """(softened minimum along the last axis, how the choice is divided)."""
    least = costs.min(axis=-1, keepdims=True)
    if soft > 0.0:
        with np.errstate(invalid="ignore"):
            weight = np.where(np.isinf(costs), 0.0, np.exp((least - costs) / soft))
        total = np.maximum(weight.sum(axis=-1, keepdims=True), 1e-300)
        return (least - soft * np.log(total))[..., 0], weight / total
    first = np.arange(costs.shape[-1]) == costs.argmin(axis=-1)[..., None]
    return least[..., 0], first.astype(np.float64)
