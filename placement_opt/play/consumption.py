"""What a run adds up to, whether or not anything bounds it: joules, bytes written to every tier, how long a tier lasts.

Background power takes energy as long as the run lasts. A tier that stands ``endurance`` cycles lasts, were the run to go on and
on, ``endurance * capacity * latency / (write_amplification * written)`` seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from placement_opt.base.arrays import Float64
from placement_opt.base.capacity import UNLIMITED
from placement_opt.memory.energy import ENERGY, unsaid
from placement_opt.memory.system import MemorySystem, Tier

_DAY = 86400


@dataclass(frozen=True)
class TierConsumption:
    """What is written to one tier.

    Attributes
    ----------
    tier
        Its name.
    written_bytes
        Stored to it or copied into it, whole pages where it has pages.
    moved_in_bytes
        Of these, what came from other tiers.
    bytes_per_day
        As if the run went on and on; infinite where it took no time.
    lifetime_s
        Likewise; infinite where nothing is written, None where the tier's endurance or capacity is not known.
    """

    tier: str
    written_bytes: float
    moved_in_bytes: float
    bytes_per_day: float
    lifetime_s: float | None


@dataclass(frozen=True)
class Consumption:
    """What a run adds up to.

    Attributes
    ----------
    joules
        Background power included; None where the memory system says nothing of any energy.
    background_joules
        Of these, what is taken whatever is done.
    watts
        On the average; None where the run took no time.
    joules_each
        Of each token, or step where steps carry no tokens.
    energy_unsaid
        Places that nothing is said of, though something is of others: they count as none.
    tiers
        Of each tier that is counted.
    """

    joules: float | None
    background_joules: float
    watts: float | None
    joules_each: float | None
    energy_unsaid: tuple[str, ...]
    tiers: tuple[TierConsumption, ...]

    @property
    def lifetime_s(self) -> float | None:
        """Of the tier that lasts the shortest; None where no tier's is known."""
        return min((tier.lifetime_s for tier in self.tiers if tier.lifetime_s is not None), default=None)


def consumption(memory: MemorySystem, amounts: Float64, seconds: float, count: int) -> Consumption:
    """What meters say, in units, as shares of the run's work and of its time.

    Parameters
    ----------
    amounts
        float64[H]: what the run adds to each meter of the memory system, in the meter's parts.
    seconds, count
        What it takes; tokens (or steps) that it makes.
    """
    meters = memory.meters
    counted = {name: each / parts for name, parts, each in zip(meters.names, meters.parts, amounts.tolist(), strict=True)}
    tiers = tuple(
        _tier(tier, counted[name], counted.get(f"into {tier.name}", 0.0), seconds)
        for tier in memory.tiers
        if (name := f"written {tier.name}") in counted
    )
    if ENERGY not in counted:
        return Consumption(None, 0.0, None, None, (), tiers)
    background = float(memory.background_power) * seconds
    joules = counted[ENERGY] + background
    return Consumption(joules, background, joules / seconds if seconds > 0 else None, joules / count, unsaid(memory), tiers)


def _tier(tier: Tier, written: float, moved_in: float, seconds: float) -> TierConsumption:
    per_second = math.inf if written and not seconds else written / seconds if written else 0.0
    lifetime = None
    if tier.endurance is not None and tier.capacity not in (0, UNLIMITED):
        stands = float(tier.endurance * tier.capacity / tier.write_amplification)
        lifetime = stands / per_second if per_second else math.inf
    return TierConsumption(tier.name, written, moved_in, _DAY * per_second, lifetime)
