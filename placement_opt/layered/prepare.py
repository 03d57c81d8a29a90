"""What is settled on a sample before all layers are priced and scheduled: the prices, and the rule of scheduling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.instance.layered import Layered
from placement_opt.layered.dual import below, combine, least_value, price_large, roofline
from placement_opt.layered.keep import BY_BLOCK, BY_TURN, RULES, Rule, layer_time, schedule_layer
from placement_opt.layered.prices import Family, Knots, Worths
from placement_opt.workload.runs import LayerRuns

#: Block-turns that one evaluation of the sample may look at: some hundredths of a second.
_SAMPLE = 40_000_000
#: Knots to begin with and when the ends come in, how often they are refined, by how many at a time, and evaluations each time.
_KNOTS, _DENSER, _REFINED, _MORE, _ROUNDS = 4, 6, 6, 6, 60
#: Prices are raised until no more than this share of the value is promised.
_CLOSE = 1e-5
#: Share of the time that is left that prices and rules may take: all layers are to be drawn after them.
_SHARE = 0.3
#: Refining that gains less than this share of the value is the last.
_LEAST_GAIN = 2e-6
#: Rules that go turn by turn, a dozen times as long, are tried where more than this share of the gap is left.
_MOST = 0.9
#: What prices promise beyond what is proven is nothing up to this share.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Prepared:
    """Prices as knots, the dual value that they promise for all layers (a sample's estimate), the rule (None: nothing is to be
    scheduled), and float64[N]: seconds of each turn in the relaxation. ``priced``: whether looking at every block can prove
    more than is known without, and that is wanted. ``far``: whether rules that go turn by turn are worth a trial
    (:func:`by_turn`), which takes far longer.

    What that took: ``drawn`` layers, ``looks`` at the sample, and rules ``tried``, each on one whole layer."""

    knots: Knots
    promised_s: float
    rule: Rule | None
    turn_s: Float64
    priced: bool
    drawn: int
    looks: int
    tried: int = 0
    far: bool = False


def prepare(problem: Layered, gap: float, limits: Limits, start: Prices | None = None, jobs: int = 1) -> Prepared | None:
    """Prices raised on a sample of the blocks, by so many threads, from those given on if they are any good.

    That ends where half the gap is left between them and the schedule of the first layer, block by block. None where a limit
    was reached before the first layer was there.
    """
    limits = limits.within(_SHARE * limits.remaining) if np.isfinite(limits.remaining) else limits
    first = problem.layers.layer(0, limits)
    sample = None if first is None else sample_blocks(problem, first, limits)
    if first is None or sample is None:
        return None
    family, rules = Family(problem, sample, jobs), _Rules(problem, first)
    knots, share, near = family.knots(_KNOTS), 1.0 / problem.layers.count, 1.0 + gap / 2
    if start is not None:
        knots = max(knots, family.fitted(start), key=lambda one: family.evaluate(one)[0])
    value, turn_s = family.turns(knots)
    known = _known(problem, family, knots)
    for stage in range(_REFINED):
        before = value
        rules.tried(family.worths(knots), BY_BLOCK, enough=0.0, limits=limits)
        if limits.reached or rules.seconds <= max(value, known) * share * near:
            break
        knots, found, turn_s = family.raised(knots, rounds=_ROUNDS, tolerance=max(_CLOSE, gap / 50), limits=limits)
        value = found.value
        if limits.reached or (stage > 0 and value <= before * (1.0 + max(gap / 100, _LEAST_GAIN))):
            break
        knots = family.denser(knots, _DENSER) if stage == 0 else family.refined(knots, _MORE)
    known = _known(problem, family, knots)
    enough = max(value, known) * share
    if rules.seconds > enough * near:
        rules.tried(family.worths(knots), BY_BLOCK, enough=0.0, limits=limits)
    far = rules.seconds > enough * (1.0 + _MOST * gap)
    priced = value > known * (1.0 + max(gap / 20, _ROUNDING)) and rules.seconds > known * share * near
    return Prepared(knots, value, rules.best, turn_s, priced, len(sample), family.looks, rules.count, far)


def by_turn(problem: Layered, prepared: Prepared, first_s: float, gap: float, limits: Limits) -> Prepared | None:
    """The same prices with a rule that goes turn by turn and does better on the first layer than ``first_s`` seconds; None
    where there is none. Trials end where half the gap is left."""
    limits = limits.within(_SHARE * limits.remaining) if np.isfinite(limits.remaining) else limits
    first = problem.layers.layer(0, limits)
    if first is None:
        return None
    family, rules = Family(problem, []), _Rules(problem, first)
    rules.seconds = first_s
    enough = max(prepared.promised_s, _known(problem, family, prepared.knots)) / problem.layers.count * (1.0 + gap / 2)
    rules.tried(family.worths(prepared.knots), BY_TURN, enough=enough, limits=limits)
    if rules.seconds >= first_s:
        return None
    tried = prepared.tried + rules.count
    return replace(prepared, rule=rules.best, priced=False, drawn=prepared.drawn + 1, tried=tried, far=False)


def prepare_again(problem: Layered, knots: Knots, limits: Limits) -> Prepared | None:
    """The prices of a question much like another one, whose best knots these are: raised from there at the same places.

    None where a limit was reached before there was a sample.
    """
    first = problem.layers.layer(0, limits)
    sample = None if first is None else sample_blocks(problem, first, limits)
    if sample is None:
        return None
    family = Family(problem, sample)
    knots, found, turn_s = family.raised(knots, rounds=_ROUNDS, tolerance=_CLOSE, limits=limits)
    return Prepared(knots, found.value, None, turn_s, True, len(sample), family.looks)


def _known(problem: Layered, family: Family, knots: Knots) -> float:
    """Seconds that are proven without a look at any block: the best case, or what prices prove of the least value."""
    whole, actions = price_large(problem, family.prices(knots))
    values = [least_value(problem, actions, layer) for layer in range(problem.layers.count)]
    return max(roofline(problem), below(combine(problem, whole, values)))


class _Rules:
    """Rules tried on the first layer, and the best of them."""

    def __init__(self, problem: Layered, first: LayerRuns) -> None:
        self.problem, self.first = problem, first
        self.reads, self.births = first.reads_per_turn, first.births_per_turn
        self.best, self.seconds, self.count = RULES[0], np.inf, 0

    def tried(self, worths: Worths, rules: Sequence[Rule], *, enough: float, limits: Limits) -> None:
        """Try rules at prices until one takes no more than ``enough``; what the best one took before is forgotten if it is one
        of them."""
        if self.best in rules:
            self.seconds = np.inf
        for rule in rules:
            if self.seconds > enough and not limits.reached:
                schedule = schedule_layer(self.problem, 0, self.first, worths, rule, limits=limits)
                self.count += 1
                seconds = layer_time(self.problem, self.reads, self.births, schedule.hits, schedule.stores)
                if seconds < self.seconds:
                    self.best, self.seconds = rule, seconds


def sample_blocks(problem: Layered, first: LayerRuns, limits: Limits) -> list[LayerRuns] | None:
    """Blocks to raise prices on: of the first layer, or of all of them where that is no more work; None at a limit."""
    per_layer = first.num_blocks * first.turns
    layers = problem.layers.count
    if per_layer * layers > _SAMPLE:
        every = -(-per_layer // _SAMPLE)
        return [first.sample(every, every // 2)]
    parts = [first]
    for layer in range(1, layers):
        runs = problem.layers.layer(layer, limits)
        if runs is None:
            return None
        parts.append(runs)
    return parts
