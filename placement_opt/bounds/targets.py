"""What a relaxation wants of every block: the fractions that ``lp-rounded`` makes whole.

A target says: from step t on (state t + 1), until the block's next target, tier k should hold this fraction of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import compact, lp
from placement_opt.bounds.columns.spread import moved_between, spread
from placement_opt.bounds.compact import CompactSolution
from placement_opt.bounds.dual.classes import Classes
from placement_opt.bounds.result import Bound
from placement_opt.instance.instance import Instance

#: Reads up to which the exact LP is solved, with two tiers and with more; beyond, the compact one, in a fraction of the time.
#: With more tiers its counts also round better: the exact LP names fractions of blocks where many would do as well.
EXACT_READS, EXACT_READS_TIERS = 40_000, 100
_CHANGE = 1e-9


@dataclass(frozen=True, eq=False)
class Targets:
    """E targets, ascending by step.

    Attributes
    ----------
    step
        int64[E]: the step during which the change is made; -1 for the start.
    block
        int64[E].
    fraction
        float64[K, E] in [0, 1].
    rises
        bool[K, E]: the relaxation brings some of the block in at this step, or could in passing; elsewhere it at most keeps.
    bound
        The bound that came with the relaxation.
    """

    step: Int64
    block: Int64
    fraction: Float64
    rises: npt.NDArray[np.bool_]
    bound: Bound


def solved_exactly(reads: int, tiers: int) -> bool:
    """Whether targets come from the exact LP where there are so many reads, every block's counted."""
    return reads <= (EXACT_READS if tiers <= 2 else EXACT_READS_TIERS)


def find_targets(instance: Instance, *, limits: Limits | None = None) -> Targets:
    """Targets from the exact LP where it is affordable, else from the compact one.

    Raises
    ------
    LimitError
        If the limits end the solver before it has a relaxed placement.
    """
    if not solved_exactly(instance.trace.num_reads, instance.num_tiers):
        return from_compact(instance, compact.relax(instance, limits=limits, gap=compact.GAP, levels=compact.QUICK))
    relaxation = lp.relax(instance, limits=limits)
    program = relaxation.program
    if program is None or not len(relaxation.x):
        raise LimitError(f"lp-rounded: no relaxed placement within the limits ({relaxation.bound.note})")
    held = program.residency(relaxation.x) / program.classes.count[program.segment_owner]
    return from_segments(instance, program.classes, program.segment_owner, program.opens, held, relaxation.bound)


def from_compact(instance: Instance, solution: CompactSolution) -> Targets:
    """Targets from the placement of a compact program: its counts given to blocks, those first that are there already.

    Raises
    ------
    LimitError
        If no program was solved.
    """
    program, classes = solution.program, solution.classes
    if program is None:
        raise LimitError(f"lp-rounded: no relaxed placement within the limits ({solution.bound.note})")
    iv = program.intervals
    owner = np.repeat(np.arange(len(classes)), np.diff(iv.start))
    opening, _ = spread(instance, classes, program, solution.counts)
    real = np.flatnonzero(iv.opens[iv.of] <= iv.closes[iv.of])
    interval, state, shares = moved_between(program, solution.counts, opening)
    owners = np.concatenate([owner[real], owner[interval]])
    opens = np.concatenate([iv.opens[iv.of[real]], state])
    held = np.concatenate([opening[:, real], shares], axis=1)
    return from_segments(instance, classes, owners, opens, held, solution.bound)


def from_segments(instance: Instance, classes: Classes, owner: Int64, opens: Int64, held: Float64, bound: Bound) -> Targets:
    """From segments of classes to targets of blocks."""
    members = np.argsort(classes.of, kind="stable")
    first = np.concatenate([[0], np.cumsum(classes.count)])
    repeat = classes.count[owner]
    offset = np.arange(int(repeat.sum())) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    block = members[np.repeat(first[owner], repeat) + offset]
    step = np.repeat(opens - 1, repeat)
    fraction = np.clip(np.repeat(held, repeat, axis=1), 0.0, 1.0)
    order = np.lexsort((step, block))
    block, step, fraction = block[order], step[order], fraction[:, order]
    change = np.diff(fraction, axis=1, prepend=0.0)
    begins = np.append(True, block[1:] != block[:-1])
    change[:, begins] = fraction[:, begins]
    present = begins | _at_hand(instance, block, step)
    rises = (change > _CHANGE) | present
    if instance.num_tiers > 2:  # many tiers share a block in parts: counting those that stay would bring in the wrong ones
        real = present | (np.abs(change) > _CHANGE).any(axis=0)
        block, step, fraction, rises = block[real], step[real], fraction[:, real], rises[:, real]
    order = np.lexsort((block, step))
    return Targets(step[order], block[order], fraction[:, order], rises[:, order], bound)


def _at_hand(instance: Instance, block: Int64, step: Int64) -> npt.NDArray[np.bool_]:
    """Whether each step reads the block."""
    width = instance.num_steps + 2
    pointers, order = instance.trace.by_block
    reads = np.repeat(np.arange(instance.num_blocks), np.diff(pointers)) * width + instance.trace.read_step[order]
    return np.isin(block * width + step, reads)
