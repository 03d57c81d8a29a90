"""The rungs that search for prices, without a solver's programs of the instance; each goes on where it stopped."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.answer.costs import intervals_s, memory, of_ascent, sample_memory, sample_s, seconds, window_s
from placement_opt.answer.work import DUALITY, Rung, Work, offer_prices
from placement_opt.base import clock
from placement_opt.base.arrays import Float64
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import DualValue
from placement_opt.bounds.result import Bound, Prices, Status

if TYPE_CHECKING:
    from placement_opt.bounds.intervals import PriceIntervals

MIRROR = "mirror"
#: Reads of a first sample.
_SAMPLED = 30_000
#: Steps of a window, and so many times as many beyond which it is worth a look.
_WINDOW, _LASTING = 10_000, 4
#: Steps from which on prices are multiplied (:mod:`placement_opt.bounds.mirror`), where that is defined, and from which on
#: climbs wait for it: of 20,000 that proves 8 % more than an ascent after 40 s; of 2,000 in the middle of a log of requests, in
#: turns with an ascent, 8 % more than that alone after 60 s; of logs of 4,000 and 12,031, in turns, as much.
_TRIED, _MULTIPLIED = 1_000, 16_000
#: Passes before which prices that are multiplied are not given up, although others have proven more: strides are long at first.
_SETTLED = 100
#: Levels of prices on few intervals that are found in one turn, unless one brought no news or that took a quarter of the time,
#: or so many times what the compact program should take.
_FIRST_LEVELS, _PROGRAMS = 4, 2.0
#: Of programs that should take less than so many seconds nobody knows what they take.
_SHORT_S = 0.1
#: While softening hides more than this share of the gap, or of this gap, a climb goes on for up to this share of the time left.
_SHOWN, _NEAR, _PATIENT = 0.1, 0.05, 0.4
#: Where other rungs proved more than this share above what a search for prices has, it begins again from there.
_ELSEWHERE = 1e-3
#: A proof takes so many times as long as a pass on the sets of tiers that matter.
_PROOF = 2.0
#: A search on few intervals is behind where others have proven so many times as much.
_BEHIND = 1.02


def behind(search: PriceIntervals, proven_s: float) -> bool:
    """Whether a search on few intervals is not worth going on with: it gains little, and others have proven more."""
    return search.idle and search.exact and search.value_s * _BEHIND < proven_s


def _intervals(work: Work, limits: Limits) -> bool:
    """Prices on few intervals of time, found on a sample where there are many futures, and proven on all blocks."""
    from placement_opt.bounds.intervals import PriceIntervals
    from placement_opt.bounds.sample import sampled_futures

    began = clock.now()
    search = work.intervals
    nothing_to_add = work.mirror is not None if search is None else behind(search, work.standing.state.lower_s)
    if nothing_to_add:
        return False
    search = work.intervals = search or PriceIntervals(work.instance, sampled_futures(work.instance, work.classes))

    def settled() -> None:
        if search.passes and not (search.exact and search.value_s <= work.standing.state.lower_s):
            offer_prices(work, search.prices, "intervals", began)

    enough = work.enough_bound_s if search.exact else math.inf
    program_s = max(METHODS["compact"].cost.expected_s(work.size), _SHORT_S)
    first = work.limits.within(min(work.limits.remaining / 4, _PROGRAMS * program_s))
    while search.levels < _FIRST_LEVELS and not (search.idle or search.over or first.reached or search.value_s >= enough):
        search.run(first, enough=enough, levels=search.levels + 1, settled=settled)  # before that it has nothing to show
    search.run(limits, enough=enough, settled=settled)
    settled()
    return not search.over


def _window(work: Work, limits: Limits) -> bool:
    """Prices on few intervals of some steps in the middle, proven on all: where the traffic stays what it is, they fit.

    Where that proves nothing new, of the first steps: in the middle blocks of earlier ones may lie anywhere as it begins, and
    where these are many and are never let go nothing may seem scarce.
    """
    from placement_opt.bounds.dual.classes import classify
    from placement_opt.bounds.intervals import PriceIntervals
    from placement_opt.bounds.sample import sampled_futures
    from placement_opt.schedulers.window import window

    began, steps, proven_s = clock.now(), work.instance.num_steps, work.standing.state.lower_s
    for first in ((steps - _WINDOW) // 2, 0):
        part, _ = window(work.instance, first, first + _WINDOW, None)
        search = PriceIntervals(part, sampled_futures(part, classify(part)))
        search.run(limits, levels=1)
        offer_prices(work, lengthened(search.prices, steps), "window", began)
        if limits.reached or work.standing.state.lower_s > proven_s:
            break
    return False


def lengthened(prices: Prices, steps: int) -> Prices:
    """Prices of fewer steps for so many: both halves as they are at the two ends, what is in the middle in between."""
    fewer = len(prices.rho)

    def spread(values: Float64, wanted: int) -> Float64:
        at, middle = np.arange(wanted), fewer // 2
        return values[np.where(2 * at < wanted, np.minimum(at, middle), np.maximum(at - wanted + len(values), middle))]

    return Prices(spread(prices.rho, steps), spread(prices.rent, steps + 1), prices.mu)


def _is_lasting(work: Work) -> bool:
    """Whether some steps are few, and likely to be like the others: of requests, which have no layers."""
    instance = work.instance
    return instance.num_steps >= _LASTING * _WINDOW and instance.trace.step_layer is None and not instance.budgets


def _multipliable(work: Work) -> bool:
    """Whether blocks may be forgotten, and there are so many steps that prices are worth multiplying."""
    from placement_opt.bounds.mirror import multipliable

    instance = work.instance
    return instance.num_steps >= _TRIED and instance.trace.step_layer is None and multipliable(instance)


def _mirror(work: Work, limits: Limits) -> bool:
    """Prices multiplied step by step, from the best that charge for room; others that prove more go on alone."""
    from placement_opt.bounds.mirror import MirrorAscent

    state, began = work.standing.state, clock.now()
    assert state.prices is not None
    search = work.mirror
    if search is None:
        search = work.mirror = MirrorAscent(work.instance, work.classes, state.prices, state.prices_s, work.backend)
    if search.passes >= _SETTLED and search.value_s * (1.0 + _ELSEWHERE) < state.lower_s:
        return False
    proof_s = _PROOF * search.pass_s  # what comes of it is to be proven in time
    search.run(limits.within(max(0.0, limits.remaining - proof_s)), work.enough_bound_s)
    offer_prices(work, search.prices, MIRROR, began)
    return not search.over


def _not_multiplied(work: Work) -> bool:
    """Whether prices of many steps are not multiplied, or that has become slow: before, a climb brings less in longer turns."""
    if work.instance.num_steps < _MULTIPLIED or (work.mirror is not None and work.mirror.slow):
        return True
    return MIRROR in work.gone or not (work.has_rents and _multipliable(work))


def _to_multiply(work: Work) -> bool:
    """Whether room is priced, and where steps are few an ascent has begun, whose prices are better to go on from."""
    climbed = work.ascent is not None or "ascent" in work.gone
    return work.has_rents and (climbed or work.instance.num_steps >= _MULTIPLIED)


def _mirror_bytes(work: Work) -> int:
    """As an ascent on the sets of tiers that it most likely needs."""
    from placement_opt.bounds.mirror import likely_sets

    return of_ascent().expected_bytes(replace(work.size, sets=len(likely_sets(work.instance).masks)))


def _intervals_s(work: Work) -> float:
    """Where a window comes first, they have little to add to what that found."""
    return seconds(of_ascent)(work) if _is_lasting(work) else intervals_s(work)


def _ascend(work: Work, limits: Limits) -> bool:
    """Better prices from the best there are."""
    from placement_opt.bounds.ascent import Ascent

    state, began = work.standing.state, clock.now()

    def take(found: DualValue) -> None:
        seconds = clock.now() - began
        bound = Bound("ascent", Status.BOUND, found.value_s, seconds, DUALITY, prices=found.prices)
        work.standing.raise_to(bound, "ascent")

    assert state.prices is not None
    ascent = work.ascent
    if ascent is None or state.prices_s > ascent.best.value_s * (1.0 + _ELSEWHERE):
        ascent = work.ascent = Ascent(
            work.instance,
            state.prices,
            classes=work.classes,
            limits=work.limits,
            enough=work.enough_bound_s,
            improved=take,
            backend=work.backend,
        )
    ascent.enough = work.enough_bound_s
    gap = min(_NEAR, (work.standing.state.gap or _NEAR) - work.gap)
    ascent.run(limits, patience=work.limits.within(work.limits.remaining * _PATIENT), shown=_SHOWN * gap)
    take(ascent.best)
    return not ascent.over


def _sample(work: Work, limits: Limits) -> bool:
    """Prices raised on some of the blocks, proven on all."""
    from placement_opt.bounds.sample import SampleAscent

    state, began = work.standing.state, clock.now()
    assert state.prices is not None
    sampled = work.sampled
    if sampled is None or state.prices_s > sampled.best.value_s * (1.0 + _ELSEWHERE):
        share = _SAMPLED / work.size.reads if sampled is None else sampled.share
        start = DualValue(state.prices_s, np.zeros(0), state.prices)
        sampled = work.sampled = SampleAscent(
            work.instance,
            start,
            work.prove,
            share=share,
            classes=work.classes,
            limits=work.limits,
            backend=work.backend,
        )
    sampled.run(limits)
    bound = Bound("sample", Status.BOUND, sampled.best.value_s, clock.now() - began, DUALITY, prices=sampled.best.prices)
    work.standing.raise_to(bound, "sample")
    return not sampled.over


def _is_long(work: Work) -> bool:
    """Whether a sample is worth its while."""
    return work.size.reads > 4 * _SAMPLED


#: Searches without an end that are slow to begin: early, but not while prices are multiplied.
_climb = partial(Rung, side="bound", endless=True, early=True, ready=_not_multiplied)
#: In the order in which equals are tried.
PRICES: tuple[Rung, ...] = (
    Rung("window", "bound", _is_lasting, window_s(_WINDOW), _window, first_s=math.inf),
    Rung("intervals", "bound", lambda _: True, _intervals_s, _intervals, endless=True, ready=_not_multiplied),
    _climb("sample", suits=_is_long, expected_s=sample_s(_SAMPLED), climb=_sample, memory=sample_memory(_SAMPLED)),
    Rung(
        MIRROR,
        "bound",
        _multipliable,
        seconds(of_ascent),
        _mirror,
        _mirror_bytes,
        endless=True,
        first_s=math.inf,
        ready=_to_multiply,
    ),
    _climb("ascent", suits=lambda _: True, expected_s=seconds(of_ascent), climb=_ascend, memory=memory(of_ascent)),
)
