"""Columns and rows of the horizon program for how much of a block lies in any tier, where that may be none of it.

Whole blocks need none of this. Parts of them would be multiplied by copying them to and fro between tiers: half a block here
and the same half there is not all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Float64

if TYPE_CHECKING:
    from placement_opt.bounds.programs.horizon import HorizonProgram


def add_held(program: HorizonProgram, high: Float64) -> None:
    """What lies in any tier: no less than in each or than tiers serve, no more than in all; it grows from outside alone."""
    classes, events, table = program.classes, program.events, program.bytes
    held, reads = program.column["held"], len(classes.step)
    segment = np.arange(program.segments)
    count = classes.count[program.segment_owner].astype(np.float64)
    high[held + segment] = count
    together = program.new_rows("together", program.segments, -np.inf, 0.0, None) + segment
    program.matrix.add(together, held + segment, 1.0)
    for k in program.tiers:
        program.matrix.add(together, program.x_column(k, segment), -1.0)
        rows = program.new_rows("somewhere", program.segments, -np.inf, 0.0, k) + segment
        program.matrix.add(rows, program.x_column(k, segment), 1.0)
        program.matrix.add(rows, held + segment, -1.0)
    within = program.new_rows("within", reads, -np.inf, 0.0, None) + np.arange(reads)
    program.matrix.add(within, held + program.read_segment, -1.0)
    gained = program.new_rows("gained", len(events.step), -np.inf, 0.0, None) + np.arange(len(events.step))
    program.matrix.add(gained, held + program.before + 1, 1.0)
    program.matrix.add(gained, held + program.before, -1.0)
    at = np.flatnonzero(program.read_event >= 0)
    for v, source in enumerate(table.source):
        column = program.column["y"] + v * reads
        if source >= 0:
            program.matrix.add(within, column + np.arange(reads), 1.0)
        elif table.brings[v]:
            program.matrix.add(gained[program.read_event[at]], column + at, -classes.share[at])
