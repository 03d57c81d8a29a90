"""Recorded moves played at once, where they are as the rules want them: many times as fast as step after step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.instance.instance import Instance
from placement_opt.play.ledger import Ledger, loops_for
from placement_opt.play.protocol import cheapest_source
from placement_opt.play.schedule import Schedule

if TYPE_CHECKING:
    from placement_opt.play.replay_kernels import Asked, Blocks, Rules, Standing

#: Steps between two looks at the limits.
_AT_ONCE = 16_384


def played_at_once(
    ledger: Ledger,
    schedule: Schedule,
    births: tuple[Int64, Int64],
    ends: tuple[Int64, Int64],
    held: npt.NDArray[np.uint16],
    stored: npt.NDArray[np.bool_],
    look: Callable[[int], None],
) -> bool:
    """Play a schedule from a ledger's start on; False where it breaks a rule, or cannot be played so.

    Parameters
    ----------
    ledger
        At state 0; only its ``moved`` says afterwards what was played, and of a schedule that breaks a rule nothing does.
    schedule
        Moves of every step.
    births, ends
        As :class:`placement_opt.play.simulate.Steps` has them.
    held, stored
        uint16[N], bool[N]: filled in as :func:`placement_opt.play.timed.time_run` wants them.
    look
        Called with a step now and then; it may raise.
    """
    instance = ledger.instance
    if loops_for(instance.trace.num_reads) is None or instance.strict or schedule.num_steps < instance.num_steps:
        return False
    from placement_opt.play.replay_kernels import play

    fixed = _rules(instance), _blocks(instance), _asked(instance, schedule, births, ends)
    now = _standing(ledger)
    for first in range(0, instance.num_steps, _AT_ONCE):
        look(first)
        last = min(first + _AT_ONCE, instance.num_steps)
        if play(*fixed, now, first, last, held, stored, ledger.moved) >= 0:
            return False
    return True


def _rules(instance: Instance) -> Rules:
    from placement_opt.play.replay_kernels import Rules

    return Rules(
        tiers=instance.num_tiers,
        home=instance.home if instance.inclusive else -1,
        keeps=not instance.forgets,
        one=instance.residency == "exclusive",
        base=instance.share_base,
        columns=instance.loads.operations.first_serving,
    )


def _blocks(instance: Instance) -> Blocks:
    from placement_opt.play.replay_kernels import Blocks

    loads = instance.loads
    return Blocks(
        size=instance.size,
        kind=loads.kind[:0] if loads.operations.uniform else loads.kind,
        remade=loads.remade[loads.kind],
        first_state=instance.first_state,
        capacity=instance.capacity,
        source=cheapest_source(instance.memory),
    )


def _asked(instance: Instance, schedule: Schedule, births: tuple[Int64, Int64], ends: tuple[Int64, Int64]) -> Asked:
    from placement_opt.play.replay_kernels import Asked

    trace = instance.trace
    return Asked(
        indptr=trace.indptr,
        blocks=trace.blocks,
        shares=np.zeros(0, dtype=np.uint16) if trace.shares is None else trace.shares,
        births=births[0],
        born=births[1],
        ends=ends[0],
        ending=ends[1],
        moves=schedule.indptr,
        op=schedule.op,
        block=schedule.block,
    )


def _standing(ledger: Ledger) -> Standing:
    from placement_opt.play.replay_kernels import Standing

    instance, blocks = ledger.instance, ledger.instance.num_blocks
    return Standing(
        mask=ledger.mask.copy(),
        present=np.full(blocks, -1, dtype=np.int32),
        freed=np.zeros(blocks, dtype=np.bool_),
        passed=np.full(0 if instance.loads.brings.all() else blocks, -1, dtype=np.int32),
        part=np.zeros(0 if instance.trace.shares is None else blocks, dtype=np.int64),
        used=ledger.used,
    )
