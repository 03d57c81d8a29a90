"""Which further ways would lower the compact program's value: reduced costs at its multipliers, kind by kind."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64
from placement_opt.bounds.columns.program import CompactProgram
from placement_opt.bounds.columns.ways import Ways

#: Ways with one copy in between that are offered at a time, for each two sets: between so many a kind, about so many in all.
_FEWEST, _MOST, _OFFERED = 3, 10, 30_000
#: They are not the cheapest exactly: their costs are told apart by up to this share of what is gained, as if at random.
_SPREAD = 0.5


def more_ways(program: CompactProgram, row_dual: Float64, tolerance: float) -> Ways:
    """Ways that lower the value by more than a tolerance (in the program's units, per kind); see ``find_ways``."""
    from placement_opt.bounds.columns.kinds_kernels import find_ways

    iv, ways = program.intervals, program.ways
    start, end = _ends(program, row_dual)
    rent = _rent(program, row_dual)
    adding = lru_cache(maxsize=1)(lambda kind: _adding(program, row_dual, kind))
    owner, first = ways.owner, ways.start[:-1]
    cost = rent[ways.closes + 1, ways.held] - rent[ways.opens, ways.held]
    later = np.flatnonzero(np.append(False, owner[1:] == owner[:-1])[: len(owner)])
    kinds = range(len(program.frame.bytes))
    for c in kinds:
        here = later[iv.kind[ways.kind[owner[later]]] == c]
        cost[here] += adding(c)[ways.opens[here] - 1, ways.held[here - 1], ways.held[here]]
    total = np.add.reduceat(cost, first) if len(ways) else cost
    total = total + start[ways.kind, ways.held[first]] + end[ways.kind, ways.held[ways.start[1:] - 1]]
    every = np.arange(len(iv))
    inside = np.minimum(iv.opens, iv.closes)  # nothing trails a read in the last state
    known = (
        start[every, program.rest] + end[every, program.rest] + rent[iv.closes + 1, program.rest] - rent[inside, program.rest]
    )
    np.minimum.at(known, ways.kind, total)
    known -= tolerance / (program.weight * iv.count)
    if program.instance.inclusive or program.instance.forgets:
        known[iv.share == 0] = -np.inf
    steps = min(_MOST, max(_FEWEST, _OFFERED // len(iv)))
    found = Ways(*(np.zeros(n, dtype=np.int64) for n in (0, 1, 0, 0, 0)))
    for c in kinds:
        here = np.flatnonzero(iv.kind == c)
        part = (iv.opens[here], iv.closes[here], start[here], end[here])
        kind, legs, held, opens, closes = find_ways(*part, rent, adding(c), _copied(program), known[here], steps, _SPREAD)
        found = found.joined(Ways(here[kind], np.concatenate([[0], np.cumsum(legs)]), held, opens, closes))
    return found


def _copied(program: CompactProgram) -> npt.NDArray[np.bool_]:
    """bool[S, S]: whether copies turn one set into another; nothing is copied from the empty set."""
    has = program.frame.has
    return np.asarray((has[None, :, :] & ~has[:, None, :]).any(axis=2) & has.any(axis=1)[:, None])


def _ends(program: CompactProgram, row_dual: Float64) -> tuple[Float64, Float64]:
    """float64[J, S]: per unit of bytes, what it costs to begin and to end an interval in each set of tiers."""
    iv, has = program.intervals, program.frame.has
    rho = _rho(program, row_dual)
    start, end = np.zeros((len(iv), len(has))), np.zeros((len(iv), len(has)))
    for c, store in enumerate(program.frame.bytes.store):
        born = np.flatnonzero(iv.born & (iv.kind == c))
        start[born] = (rho @ (store * program.frame.scale).T)[iv.opens[born] - 1] @ has.T
    given = np.flatnonzero(iv.begin > 0)
    start[given] = np.where(program.frame.masks[None, :] & ~iv.begin[given, None] == 0, 0.0, np.inf)
    reads = np.flatnonzero(iv.share > 0)
    for s in program.sets:
        first = program.rows[f"resident {s}"]
        end[reads, s] = iv.share[reads] * row_dual[first + program.cells.of[reads]]
    groups = len(iv.group_step)
    for k in program.tracked:
        level = np.minimum(row_dual[program.rows[f"keep {k}"] :][:groups], 0.0)
        follows, leads = np.flatnonzero(iv.after >= 0), np.flatnonzero(iv.into >= 0)
        start[follows] -= level[iv.after[follows]][:, None] * has[:, k]
        end[leads] += level[iv.into[leads]][:, None] * has[:, k]
    return start, end


def _rent(program: CompactProgram, row_dual: Float64) -> Float64:
    """Running sums float64[T + 2, S] of the rent of each set."""
    steps, has = program.instance.num_steps, program.frame.has
    rent = np.zeros((steps + 2, program.instance.num_tiers))
    for k in program.frame.rooms:
        level = row_dual[program.rows[f"capacity {k}"] :][: steps + 1]
        rent[1:, k] = np.cumsum(np.maximum(level - np.append(level[1:], 0.0), 0.0))
    of_sets: Float64 = rent @ has.T.astype(np.float64)
    return of_sets


def _adding(program: CompactProgram, row_dual: Float64, kind: int) -> Float64:
    """float64[T, S, S]: copies of a kind of block that turn one set into another; from the empty set there are none."""
    frame, has = program.frame, program.frame.has
    rho = _rho(program, row_dual)
    adding = np.zeros((program.instance.num_steps, len(has), len(has)))
    for k in range(program.instance.num_tiers):
        copied = rho @ (frame.copy_load[kind, :, k] * frame.scale).T
        adding += copied[:, :, None] * (has[None, :, k] & ~has[:, None, k])
    empty, some = np.flatnonzero(~has.any(axis=1)), np.flatnonzero(has.any(axis=1))
    adding[:, empty[:, None], some] = np.inf
    return adding


def _rho(program: CompactProgram, row_dual: Float64) -> Float64:
    """float64[T, R + M] in the program's units; what meters cost is the same at every step."""
    rho = np.zeros((program.instance.num_steps, len(program.frame.scale)))
    binding = program.frame.binding
    rho[:, binding] = np.maximum(-row_dual[: rho.shape[0] * len(binding)].reshape(-1, len(binding)), 0.0)
    meters = program.instance.used_meters
    rho[:, program.instance.num_resources :] = np.maximum(-row_dual[program.rows["meter"] :][: len(meters)], 0.0)
    return rho
