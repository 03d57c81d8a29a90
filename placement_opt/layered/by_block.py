"""A schedule on runs, block after block: each goes the way that is cheapest at prices that answer to those before it.

At the prices of the bound alone, too many blocks would go one way: where a fast copy is worth its rent to one, it is to
thousands. So after some dozens of blocks prices change a little at every turn: where slow reads take longer than the share of
the time that is due, reads from the fast tier are worth more; where more is held than that share of the room, rents rise.
Blocks that come together are spread over all ages. Every layer has so many that what they add up to comes out even, and the
cost is that of one look at prices, there and back, whatever is held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.base.arrays import Float64, Int32, Int64
from placement_opt.base.limits import Limits
from placement_opt.instance.layered import Layered
from placement_opt.layered.prices import LEAST_GAIN, LEAST_RENT, Family, Worths
from placement_opt.workload.runs import LayerRuns

if TYPE_CHECKING:
    from placement_opt.layered.by_block_kernels import Costs

#: How prices answer, as :class:`placement_opt.layered.by_block_kernels.Answering` says.
_PULL, _PUSH, _MARGIN = 2.0, 2.0, 0.015
#: Turns whose moves are handed on at once.
_AT_ONCE = 64


def follow_layer(
    problem: Layered,
    layer: int,
    runs: LayerRuns,
    worths: Worths,
    limits: Limits,
    moved: Callable[[int, int, Int32], None] | None = None,
) -> tuple[Int64, Int64, bool]:
    """(int64[N] reads served from a fast copy, int64[N] stores, whether all blocks were reached); others keep nothing.

    ``moved`` as :func:`placement_opt.layered.keep.schedule_layer` has it, once all blocks have gone their ways.
    """
    from placement_opt.layered import by_block_kernels as kernels
    from placement_opt.layered.prices_kernels import WIDE

    family, turns, room = Family(problem, []), runs.turns, problem.room_of(layer)
    costs = _costs(family, runs, room)
    answering = kernels.Answering(worths.theta, worths.rent, family.unit, _PULL, _PUSH, _MARGIN)
    counts, prices = np.zeros((4, turns + 1), dtype=np.int64), np.empty((3, turns))
    known, least = np.empty((turns + 1, WIDE), dtype=np.uint8), np.array([LEAST_GAIN, LEAST_RENT])
    together = -(-runs.num_blocks // WIDE)
    most, made = 0 if moved is None else WIDE * (turns + 1), 0
    moves = np.empty(most, dtype=np.int64)
    done = 0
    while done < together and room > 0 and not limits.reached:
        kernels.settle(counts, costs, answering, done / together, room, least, prices)
        if made + most > len(moves):
            moves = np.concatenate([moves[:made], np.empty(made + most, dtype=np.int64)])
        blocks = np.arange(done, runs.num_blocks, together)
        spans = (runs.birth, runs.start, runs.first, runs.last)
        made, done = kernels.follow(blocks, *spans, prices, room, counts, known, moves, made), done + 1
    if moved is not None:
        kernels.put_in_order(moves[:made], together, turns)
        _hand_on(moves[:made], turns, moved)
    return counts[1, :turns].copy(), counts[2, :turns].copy(), done == together or room == 0


def _costs(family: Family, runs: LayerRuns, room: int) -> Costs:
    """The :class:`placement_opt.layered.by_block_kernels.Costs` of a layer."""
    from placement_opt.layered.by_block_kernels import Costs

    problem, ends = family.problem, list(family.ends)
    births = problem.memory.write[problem.home, ends] / family.rates * problem.block_bytes
    fixed = problem.fixed[ends] / family.rates + runs.births_per_turn[:, None] * births
    reads, saved = runs.reads_per_turn, family.read_slow - family.read_fast
    idle = fixed + reads[:, None] * family.read_slow
    # where both take equally long, as far as there is room
    hits = np.clip((idle[:, 1] - idle[:, 0]) / max(saved[1] - saved[0], 1e-300), 0.0, np.minimum(reads, room))
    whole: Float64 = np.maximum((idle - hits[:, None] * saved).max(axis=1), 1e-300)
    top = float(np.clip(saved[1] / max(saved[1] - saved[0], 1e-300), 0.0, 1.0))
    return Costs(family.read_slow, family.read_fast, family.write_fast, np.ascontiguousarray(fixed), whole, top)


def _hand_on(moves: Int64, turns: int, moved: Callable[[int, int, Int32], None]) -> None:
    """Moves in numbers, ascending, turn after turn."""
    from placement_opt.layered.by_block_kernels import BLOCK, TURN

    for low in range(-1, turns, _AT_ONCE):
        high = min(low + _AT_ONCE, turns)
        part = moves[slice(*np.searchsorted(moves, np.array([low + 1, high + 1]) << TURN))]
        block = (part & ((1 << TURN) - 1)) >> BLOCK
        moved(low, high, np.stack([(part >> TURN) - 1, block, part & 1]).astype(np.int32))
