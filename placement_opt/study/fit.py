"""A generator fitted to a trace: the parameters, and how alike the trace and what they draw are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.toml import read_toml
from placement_opt.instance.gate import check_drawn
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import in_rows
from placement_opt.instance.outline import outline_of
from placement_opt.instance.trace_source import Generated, TraceAtHand
from placement_opt.study.compare import compare
from placement_opt.study.comparison import Comparison
from placement_opt.workload.fit import FITS
from placement_opt.workload.fit.likeness import Aspect, apart, likeness, score, with_chance
from placement_opt.workload.stats import TraceInfo, describe_trace
from placement_opt.workload.synth import GENERATORS
from placement_opt.workload.trace import Trace

#: Draws at other seeds that say what chance does.
_DRAWS = 3


@dataclass(frozen=True)
class Fit:
    """A generator at parameters estimated from a trace, beside that trace.

    Attributes
    ----------
    generator, parameters, seed
        What draws a trace like it: ``[trace]`` of an instance file.
    lost
        In words, what the trace has and the generator cannot make.
    aspects
        How alike the trace (one) and what was drawn (other) are.
    trace
        What was drawn.
    """

    generator: str
    parameters: dict[str, Any]
    seed: int
    lost: tuple[str, ...]
    aspects: list[Aspect]
    trace: Trace

    @property
    def score(self) -> float:
        """Mean distance, from 0 on."""
        return score(self.aspects)

    @property
    def apart(self) -> list[Aspect]:
        """Sides that are not alike, the farthest first."""
        return apart(self.aspects)


@dataclass(frozen=True)
class Fitted:
    """What :func:`fit_trace` found.

    Attributes
    ----------
    fits
        The fit of each generator that was asked, the most alike first.
    declined
        Generator -> why it has no fit.
    """

    fits: tuple[Fit, ...]
    declined: dict[str, str]

    @property
    def best(self) -> Fit:
        """The most alike."""
        return self.fits[0]


def fit_trace(
    trace: Trace, generator: str | None = None, *, unit_bytes: int | None = None, seed: int = 0, limits: Limits | None = None
) -> Fitted:
    """Estimate a generator's parameters, or those of all of them, draw from each, and compare.

    Parameters
    ----------
    trace
        What is to be fitted.
    generator
        One of :data:`placement_opt.workload.fit.FITS`; None: all, the most alike first.
    unit_bytes
        Bytes of one unit of the trace's sizes, where they are known.
    seed
        Of the draw.
    limits
        Memory that may be taken.

    Raises
    ------
    InputError
        No generator fits, or not the one that was asked for: says why.
    NoRoom
        The only fit would need more memory to be drawn than there is.
    """
    info, limits = describe_trace(trace), limits or Limits()
    fits, declined = [], {}
    for name in FITS if generator is None else (generator,):
        try:
            fits.append(_fit(name, trace, info, unit_bytes, seed, limits))
        except InputError as error:
            declined[name] = str(error)
    if not fits:
        raise InputError(next(iter(declined.values())), "expected a trace that a generator can have drawn", field="--generator")
    best, *others = sorted(fits, key=lambda fit: fit.score)
    return Fitted((_against_chance(best), *others), declined)


def _against_chance(fit: Fit) -> Fit:
    """The same, its sides held against how much draws at this and other seeds differ from each other."""
    seeds = range(fit.seed + 1, fit.seed + 1 + _DRAWS)
    others = [Generated(None, fit.generator, fit.parameters, seed).make() for seed in seeds]
    found = [describe_trace(each) for each in (fit.trace, *others)]
    draws = [likeness(one, other) for one, other in combinations(found, 2)]
    return replace(fit, aspects=with_chance(fit.aspects, draws))


def _fit(name: str, trace: Trace, info: TraceInfo, unit_bytes: int | None, seed: int, limits: Limits) -> Fit:
    estimate = FITS[name](trace, unit_bytes)
    source = Generated(None, name, estimate.parameters, seed)
    GENERATORS[name][0](**estimate.parameters)  # InputError for what no generator takes
    check_drawn(source, limits)
    made = source.make()
    return Fit(name, estimate.parameters, seed, estimate.lost, likeness(info, describe_trace(made)), made)


def asked_of(file: str | PathLike[str], trace: Trace, name: str, limits: Limits) -> Instance:
    """The question of an instance file about another trace, whatever its own ``[trace]`` says; errors as of the file."""
    root = read_toml(str(file), {"name": name})
    root.data["trace"] = {}
    return in_rows(outline_of(root, source=TraceAtHand(trace)), limits)


def both_asked(file: str | PathLike[str], trace: Trace, fit: Fit, *, seconds: float | None, limits: Limits) -> Comparison:
    """Bounds and lru of an instance file's question about the trace and about its fit."""
    instances = [
        asked_of(file, each, name, limits) for each, name in ((trace, "the trace"), (fit.trace, f"its fit, {fit.generator}"))
    ]
    return compare(instances, "lru", bound_seconds=seconds, limits=limits)
