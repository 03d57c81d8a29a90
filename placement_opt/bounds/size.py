"""The figures of an instance that costs of bounds and schedulers are expressed in."""

from __future__ import annotations

from dataclasses import dataclass

from placement_opt.bounds.dual.classes import Classes, classify
from placement_opt.bounds.dual.tracked import MOST_SETS, tracked_sets
from placement_opt.instance.instance import Instance
from placement_opt.instance.outline import Outline
from placement_opt.instance.rule import Residency


@dataclass(frozen=True)
class Size:
    """What the cost of the methods depends on.

    Attributes
    ----------
    steps, blocks, tiers, sets
        T, B, K, and the number of tier sets in which a block may lie.
    reads, states
        Reads, and (block, state) pairs, with identical blocks counted once.
    all_reads, triples
        Reads, and (block, state, tier), every block counted.
    equal
        Whether all blocks have one size.
    hard
        Whether programs are slow and prices on few intervals strong: anything but two inclusive tiers, and requests.
    """

    steps: int
    blocks: int
    tiers: int
    sets: int
    reads: int
    states: int
    all_reads: int
    triples: int
    equal: bool
    hard: bool

    @classmethod
    def of(cls, instance: Instance, classes: Classes | None = None) -> Size:
        """LimitError where there are more tiers than the methods have tables for; ``classes``: of the instance, if at hand."""
        classes = classify(instance) if classes is None else classes
        return cls(
            steps=instance.num_steps,
            blocks=instance.num_blocks,
            tiers=instance.num_tiers,
            sets=len(tracked_sets(instance).masks),
            reads=len(classes.step),
            states=int((classes.last - classes.first + 1).sum()),
            all_reads=instance.trace.num_reads,
            triples=instance.num_tiers * int((instance.last_state - instance.first_state + 1).sum()),
            equal=all(bool((each == each[0]).all()) for each in (instance.size, instance.loads.pieces)),
            hard=instance.num_tiers > 2 or not instance.inclusive or instance.trace.step_token is None,
        )

    @classmethod
    def of_outline(cls, outline: Outline) -> Size:
        """The same before the trace is drawn, no two blocks taken for one."""
        totals, tiers = outline.totals, len(outline.memory.tiers)
        return cls(
            steps=totals.steps,
            blocks=totals.blocks,
            tiers=tiers,
            sets=possible_sets(outline.rules.residency, tiers),
            reads=totals.reads,
            states=totals.pairs,
            all_reads=totals.reads,
            triples=tiers * totals.pairs,
            equal=totals.equal,
            hard=tiers > 2 or outline.rules.residency != "inclusive",
        )


def possible_sets(residency: Residency, tiers: int) -> int:
    """Tier sets that are told apart, where so many tiers are."""
    sets: dict[Residency, int] = {"exclusive": tiers, "inclusive": 2 ** (tiers - 1), "free": 2**tiers - 1, "cache": 2**tiers}
    return min(sets[residency], MOST_SETS)
