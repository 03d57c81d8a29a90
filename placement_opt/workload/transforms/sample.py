"""A sample of the blocks, by hashing their ids: SHARDS (Waldspurger et al., FAST 2015), for bounds instead of miss ratios.

A block is taken where a hash of its id and a seed falls below the rate R, so that samples of equal seeds are nested and equal
ids are taken in every trace. As in SHARDS every capacity must then be R times what it was (of KV; what weights occupy was
subtracted before), and what the bound of the sample says of time is R of the whole's, where no fixed load (weights of [llm],
pages not yet full) and no floor add to it. That is an estimate and no bound. Against the capacities as they were, the sample's
bound is one of the whole trace, since leaving out blocks raises none, and a weak one.

The error: at given prices a bound is a constant and a sum over blocks, so that the estimate's standard error is that of a
sum whose terms are taken with probability R: sqrt((1 - R) / R sum w^2) / sum w, w what a block costs. That is not known here.
Told is the error with w what is read of a block, which is that of the roofline. A bound that is made of what does not fit
is a small difference of what is read and what is held, and errs by more: docs/transforms.md has it measured, up to six times
as much. Bounds of several seeds show it itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags
from placement_opt.base.errors import InputError
from placement_opt.workload.synth import params as p
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.made import Made, Transform
from placement_opt.workload.transforms.select import shares_of, take_blocks

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Params:
    """Settings; InputError for values out of range."""

    rate: float = p.number(0.1, 0, 1, "share of the blocks", open_low=True)
    seed: int = p.integer(0, 0, "which of them", 2**63 - 1)

    def __post_init__(self) -> None:
        p.check(self)


def taken(blocks: int, rate: float, seed: int) -> Flags:
    """bool[B]: which ids are in the sample."""
    with np.errstate(over="ignore"):
        word = np.uint64(_mixed(np.array([seed], dtype=np.uint64))[0])
        mixed = _mixed(np.arange(blocks, dtype=np.uint64) + word)
    return mixed >> np.uint64(11) < np.uint64(math.ceil(rate * 2**53))


def _mixed(words: Words) -> Words:
    """The finaliser of SplitMix64."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


def make(trace: Trace, params: Params) -> Made:
    """The sample; ``found`` has its shares of the blocks and of what is read, and the standard error of the latter."""
    kept = taken(trace.num_blocks, params.rate, params.seed)
    if not kept.any():
        none = f"found {params.rate:g}, which leaves none of {trace.num_blocks} blocks"
        raise InputError(none, "expected a larger rate, or another seed", field="rate")
    weight = np.zeros(trace.num_blocks)
    np.add.at(weight, trace.blocks, shares_of(trace).astype(np.float64))
    weight *= trace.sizes
    total = float(weight.sum())
    read = float(weight[kept].sum()) / total if total else params.rate
    error = math.sqrt((1 - params.rate) / params.rate * float(weight @ weight)) / total if total else 0.0
    size = float(trace.sizes[kept].sum()) / float(trace.sizes.sum())
    found = {"blocks_share": float(kept.mean()), "size_share": size, "read_share": read, "standard_error": error}
    if params.rate == 1:
        return Made(trace, found)
    told = [
        f"{kept.mean():.3%} of the blocks, {size:.3%} of their size, {read:.3%} of what is read",
        f"every capacity must be {params.rate:g} times what it was; the bound over {params.rate:g} is an estimate, no bound",
        f"standard error of what is read {error:.2%}, of the bound perhaps several times that: samples of other seeds tell",
    ]
    return Made(take_blocks(trace, kept), found, told)


TRANSFORM = Transform(Params, make)
