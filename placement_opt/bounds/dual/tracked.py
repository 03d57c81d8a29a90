"""The tiers that a block's path keeps track of: all of them while the tables fit, otherwise the fastest.

The number of tier sets doubles with every tier, and the dual's tables grow with its square. Where they would not fit, the
slowest tiers are not tracked: **every block is taken to lie in all of them at all times**, and pays only for what it reads
there (the read, and for the share read the rent of that state) and, if it is born into no tracked tier, for the cheapest write.
That offers every block more than any schedule can do, so whatever the prices prove of it is a lower bound still. Take any
schedule and forget what it holds in untracked tiers:

* copies and stores into them, but for one at birth where a block lies nowhere else, cost nothing any more; nor does rent there
  at states at which it is not read from them. (Under the rule "cache" a block may be born into nothing, so that not even this
  one store is sure.)
* a copy into a tracked tier has at least the sources that it had;
* a read of the share a is served by operations o in parts y_o, each from a tier that holds the block, or without any source;
  all of them are offered still. Those that need an untracked tier k serve at most a <= 1 together, so that charging y_o times
  the rent of k for each of them charges no more than the schedule pays, which pays that rent whole, whatever the operation is;
* of what is served, the part Y brings the block to the processor, and of each tracked tier that the step adds at most Y is
  stored, the rest copied. With prices in force that costs at least
  sum_o y_o cost(o) + sum_k (Y min(copy, store) + (1 - Y) copy), rents included in cost(o): linear in the parts, so that serving
  all of a by one operation costs no more. That is what a block pays, in the cheaper of two ways: any operation and copies, or
  one that brings.

A block that lies nowhere loses nothing by being taken to lie in untracked tiers: what serves it needs no source and stays.

The home tier of the inclusive rule is in every set as it is, and is charged for as ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.instance.instance import Instance

#: So many sets are tracked on any instance.
FEW_SETS = 32
#: No more than these are ever tracked (the verifier's own limit is the same: docs/certificates.md).
MOST_SETS = 128
#: More than ``FEW_SETS`` are tracked where the tables have no more entries, and a pass no more operations, than these.
_ENTRIES, _OPERATIONS = 2**26, 2**32


@dataclass(frozen=True, eq=False)
class Tracked:
    """S sets of tiers in which a block may lie.

    Attributes
    ----------
    masks
        int64[S]: the sets as bit masks; each contains ``always``.
    always
        The tiers that are not tracked, as a bit mask; 0 where all are.
    """

    masks: Int64
    always: int

    def has(self, tiers: int) -> npt.NDArray[np.bool_]:
        """bool[S, K]: members of each set."""
        return np.asarray((self.masks[:, None] >> np.arange(tiers)) & 1 == 1)

    def begin(self, begin: Int64) -> Int64:
        """The given starts of :class:`placement_opt.bounds.dual.classes.Classes` as the sets that stand for them."""
        return np.where(begin >= 0, begin | self.always, begin)

    @property
    def nowhere(self) -> Int64:
        """int64[0 or 1]: the set of blocks that lie in no tracked tier."""
        return np.flatnonzero(self.masks == self.always)

    def untracked(self, tiers: int) -> npt.NDArray[np.bool_]:
        """bool[K]: the tiers in ``always``."""
        return np.asarray((self.always >> np.arange(tiers)) & 1 == 1)

    def without(self, tiers: npt.NDArray[np.bool_]) -> Tracked:
        """The sets with none of these tiers (bool[K])."""
        left_out = int(tiers @ (np.int64(1) << np.arange(len(tiers))))
        return replace(self, masks=self.masks[self.masks & left_out == 0])


def tracked_sets(instance: Instance) -> Tracked:
    """The sets that the dual keeps track of; the same for everybody who asks, whatever memory is free."""
    tiers = instance.num_tiers
    if instance.residency == "exclusive":
        return Tracked(np.int64(1) << np.arange(tiers, dtype=np.int64), 0)
    order = slowest_first(instance)
    free = len(order)
    while free and not _fits(instance, _count(instance, free)):
        free -= 1
    always = sum(1 << k for k in order[: len(order) - free])
    masks = np.arange(1 << tiers, dtype=np.int64)
    needed = always | (1 << instance.home if instance.inclusive else 0)
    return Tracked(masks[((masks > 0) | instance.forgets) & (masks & needed == needed)], always)


def roomy_tiers(instance: Instance, tracked: Tracked) -> npt.NDArray[np.bool_]:
    """bool[K]: tracked tiers with room for everything that may be of use, in which nothing lies by a given start."""
    roomy = (instance.wanted_bytes.max(initial=0) <= instance.capacity) & ~tracked.untracked(instance.num_tiers)
    if instance.initial is not None:
        roomy &= ~instance.initial.any(axis=1)
    return np.asarray(roomy)


def slowest_first(instance: Instance) -> list[int]:
    """The tiers that need not be tracked, in the order in which they are given up: read slowest first, then by number."""
    memory = instance.memory

    def seconds(tier: int) -> Fraction:
        return max(Fraction(int(load), int(rate)) for load, rate in zip(memory.read[tier], memory.rates, strict=True))

    tiers = [k for k in range(instance.num_tiers) if not (instance.inclusive and k == instance.home)]
    return sorted(tiers, key=lambda tier: (-seconds(tier), tier))


def _count(instance: Instance, free: int) -> int:
    """Sets where so many tiers are tracked besides home."""
    every = free == instance.num_tiers and not instance.forgets  # of the free rule: there the empty set is none
    return (1 << free) - every


def _fits(instance: Instance, sets: int) -> bool:
    if sets <= FEW_SETS:
        return True
    leaves = 1 << max(0, instance.num_steps - 1).bit_length()
    operations = (instance.trace.num_reads * instance.num_tiers + leaves * sets) * sets**2
    return sets <= MOST_SETS and 2 * leaves * sets**2 <= _ENTRIES and operations <= _OPERATIONS
