"""An instance: memory, trace and rules, validated once; the only thing that bounds, schedulers and checks are handed.

All numbers are integers (bytes, bytes/s) except the floor of a step's time. Two instances with the same ``hash`` are the same
problem, whatever they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.tabular import Record, Tabular
from placement_opt.instance.budgets import TIME, Budget, Objective, used_meters
from placement_opt.instance.digest import digest_of
from placement_opt.instance.law import Loads, loads_of
from placement_opt.instance.rule import Prefix, Residency, rule_text
from placement_opt.instance.sound import check_instance
from placement_opt.instance.totals import alive_bytes
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.trace import Trace


@dataclass(frozen=True, eq=False)
class Instance(Tabular):
    """One question: this trace on this memory system under these rules.

    K tiers, R resources, T steps, B blocks; states 0..T (state t is the residency when step t begins).

    Attributes
    ----------
    name
        A label; not part of the hash.
    memory
        Tiers, resources and loads, overrides applied.
    trace
        Blocks are pages of ``page_tokens`` tokens already.
    residency
        "inclusive": the home tier keeps a copy of every block, and every new block is written through to it;
        "exclusive": exactly one copy; "free": at least one; "cache": any number, none included, where an operation without
        source serves a block that lies nowhere.
    capacity
        int64[K]: bytes for KV (what weights occupy is subtracted).
    size
        int64[B]: bytes of each block.
    fixed
        int64[T, R]: bytes each step loads on each resource whatever the placement (weights, pages being filled).
    initial
        bool[K, B] residency at state 0, or None where a scheduler and the bound may choose it freely.
    floor
        float64[T] seconds under the time of each step.
    page_tokens
        Tokens in a page.
    home_tier
        The tier that an inclusive rule names as home; None: that of the memory system.
    prefix
        "free": a copy serves the read of its block whatever else the step reads; "strict", under the rule "cache": only if
        every block before it in the prefix that the step asks for (:attr:`Trace.position`) has a copy, too. From the first
        that has none on, everything is served by operations without source.
    budgets
        What the whole run must keep; none where time alone counts.
    objective
        What is minimised.
    fixed_metered
        int64[H]: what the run adds to each meter of the memory system whatever the placement (weights, pages being filled);
        None: nothing.
    again
        Other values by dotted key -> the same question with them, where it came from a file or from keys; no part of the hash.

    Raises
    ------
    InputError
        No schedule can satisfy it, or its arrays do not fit; says what and by how much.

    Examples
    --------
    Mostly made by :func:`placement_opt.build_instance` or :func:`placement_opt.load_instance`.

    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> instance
    Instance('instance': free on hbm, lpddr; 3 steps, 2 blocks, 4 reads)
    >>> instance.name, instance.memory.name, instance.num_reads, instance.residency, instance.page_tokens
    ('instance', 'gh200', 4, 'free', 1)
    >>> instance.capacity.tolist(), instance.size.tolist()
    ([4500000, 480000000000], [4500000, 4500000])
    >>> instance.fixed.shape, instance.floor.tolist(), instance.initial, instance.home_tier, instance.tokens
    ((3, 4), [0.0, 0.0, 0.0], None, None, None)
    >>> instance.prefix, instance.strict
    ('free', False)
    >>> instance.again({"memory.hbm.capacity": "9 MB"}).capacity.tolist()
    [9000000, 480000000000]

    A cap on what is moved into HBM, and a weight on what is written to it:

    >>> capped = po.build_instance("gh200", trace, budgets={"hbm.promotions": "9 MB"}, objective={"hbm.written": "1 s/TB"})
    >>> [budget.name for budget in capped.budgets], str(capped.objective.weights[0][1]), capped.timed
    (['hbm.promotions'], '1/1000000000000', False)
    >>> capped.used_meters, capped.fixed_metered.tolist(), capped.metered.tolist()
    ((0, 1), [0, 0, 0, 0], [0, 0])
    """

    name: str
    memory: MemorySystem
    trace: Trace
    residency: Residency
    capacity: Int64
    size: Int64
    fixed: Int64
    floor: npt.NDArray[np.float64]
    initial: npt.NDArray[np.bool_] | None = None
    page_tokens: int = 1
    home_tier: int | None = None
    prefix: Prefix = "free"
    budgets: tuple[Budget, ...] = ()
    objective: Objective = TIME
    fixed_metered: Int64 | None = None
    again: Callable[[Mapping[str, Any]], Instance] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_instance(self)

    def __repr__(self) -> str:
        what = f"{rule_text(self.residency, self.prefix)} on {', '.join(self.memory.tier_names)}"
        return (
            f"Instance({self.name!r}: {what}; {self.num_steps} steps, {self.num_blocks} blocks, {self.trace.num_reads} reads)"
        )

    def to_records(self) -> list[Record]:
        """One row a tier: what it holds, and bytes/s at which it is read and written alone.

        Returns
        -------
        list of dict
            K rows.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> [(row["tier"], row["capacity_bytes"], row["read_bytes_per_s"]) for row in instance.to_records()]
        [('hbm', 4500000, 4900000000000.0), ('lpddr', 480000000000, 450000000000.0)]
        """
        memory = self.memory
        return [
            {
                "tier": tier.name,
                "capacity_bytes": int(room),
                "read_bytes_per_s": float(memory.bottleneck(memory.read[k])),
                "write_bytes_per_s": float(memory.bottleneck(memory.write[k])),
                "home": self.inclusive and k == self.home,
            }
            for k, (tier, room) in enumerate(zip(memory.tiers, self.capacity, strict=True))
        ]

    @property
    def num_tiers(self) -> int:
        """K.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> instance.num_tiers, instance.num_resources, instance.num_steps, instance.num_blocks
        (2, 4, 3, 2)
        >>> instance.inclusive, instance.forgets, instance.memory.tier_names[instance.home]
        (False, False, 'lpddr')
        """
        return len(self.memory.tiers)

    @property
    def num_resources(self) -> int:
        """R."""
        return len(self.memory.resources)

    @property
    def num_reads(self) -> int:
        """N."""
        return self.trace.num_reads

    @property
    def tokens(self) -> int | None:
        """Distinct token labels of the steps; None where they carry none."""
        labels = self.trace.step_token
        return None if labels is None else len(np.unique(labels))

    @property
    def num_steps(self) -> int:
        """T."""
        return self.trace.num_steps

    @property
    def num_blocks(self) -> int:
        """B."""
        return self.trace.num_blocks

    @property
    def home(self) -> int:
        """The tier that keeps everything under the inclusive rule; under the others, where none does, the largest."""
        if not self.inclusive:
            return self.memory.largest
        return self.memory.home if self.home_tier is None else self.home_tier

    @property
    def inclusive(self) -> bool:
        """Whether the home tier keeps a copy of every block (rule "inclusive")."""
        return self.residency == "inclusive"

    @property
    def forgets(self) -> bool:
        """Whether a block may lie nowhere (rule "cache")."""
        return self.residency == "cache"

    @property
    def strict(self) -> bool:
        """Whether a copy serves only behind copies of all before it in the prefix (rule "strict")."""
        return self.prefix == "strict"

    @property
    def timed(self) -> bool:
        """Whether time alone counts: no budget, and nothing but time is minimised."""
        return not self.budgets and self.objective.plain

    @cached_property
    def used_meters(self) -> tuple[int, ...]:
        """Columns of the memory system's meters that a budget or the objective names, ascending: M of them."""
        return used_meters(self.budgets, self.objective)

    @cached_property
    def metered(self) -> Int64:
        """int64[M]: what the run adds to each used meter whatever the placement."""
        used = list(self.used_meters)
        return np.zeros(len(used), dtype=np.int64) if self.fixed_metered is None else self.fixed_metered[used]

    @cached_property
    def loads(self) -> Loads:
        """What operations load for each block: the one place to take costs from.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> instance.loads.operations.names[-2:]
        ('read hbm', 'read lpddr')
        """
        per_byte = self.memory.meters.per_byte[:, list(self.used_meters)]
        return loads_of(self.memory.operations, self.size, per_byte, self.trace.block_kind, self.pieces)

    @cached_property
    def pieces(self) -> Int64 | None:
        """int64[B]: pieces in which each block is stored; None where that changes nothing: all are in one, or loads are mere
        multiples of bytes.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1]], sizes=4096, pieces=8)
        >>> po.build_instance("gh200", trace).pieces is None
        True
        >>> paged = po.build_instance({"preset": "gh200", "lpddr.page": "4 KiB"}, trace)
        >>> paged.pieces.tolist(), paged.loads.size.tolist(), paged.loads.pieces.tolist()
        ([8, 8], [4096], [8])
        """
        pieces = self.trace.pieces
        if pieces is None or self.memory.operations.uniform or not (pieces > 1).any():
            return None
        return np.broadcast_to(pieces, self.num_blocks).astype(np.int64)

    @cached_property
    def first_state(self) -> Int64:
        """int64[B]: the first state at which each block lies somewhere (birth + 1).

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0], [1], []], births=[-1, 0], deaths=[3, 1])
        >>> instance = po.build_instance("gh200", trace)
        >>> instance.first_state.tolist(), instance.last_state.tolist(), instance.alive_bytes.tolist()
        ([0, 1], [3, 1], [1, 2, 1, 1])
        """
        return self.trace.birth.astype(np.int64) + 1

    @property
    def last_state(self) -> Int64:
        """int64[B]: the last such state."""
        return self.trace.death.astype(np.int64)

    @cached_property
    def kept_until(self) -> Int64:
        """int64[B]: the last state at which it can be of use that a block lies anywhere.

        Where blocks may lie nowhere, that is the state of its last read, or its first one if nobody reads it: from there on
        letting it go costs nothing and holding it serves nobody. Elsewhere it is the last state.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0], [1], []], births=[-1, 0])
        >>> cache = po.build_instance("gh200", trace, rules={"residency": "cache"}, recompute={"rate": "1 GB/s"})
        >>> cache.kept_until.tolist(), cache.wanted_bytes.tolist(), cache.alive_bytes.tolist()
        ([0, 1], [1, 1, 0, 0], [1, 2, 2, 2])
        """
        if not self.forgets:
            return self.last_state
        until = self.first_state.copy()
        np.maximum.at(until, self.trace.blocks, self.trace.read_step)
        return until

    @cached_property
    def alive_bytes(self) -> Int64:
        """int64[T + 1]: bytes of the blocks alive at each state."""
        return alive_bytes(self.trace, self.size)

    @cached_property
    def wanted_bytes(self) -> Int64:
        """int64[T + 1]: bytes of the blocks of which it can be of use at each state that they lie somewhere."""
        return alive_bytes(self.trace, self.size, self.kept_until)

    @cached_property
    def read_bytes(self) -> Int64:
        """int64[N]: bytes that each read transfers times ``share_base`` (share numerator times block size).

        Examples
        --------
        >>> instance = po.build_instance("gh200", po.Trace.from_reads([[0, 1]], sizes=8, shares=[{0: 0.25}]))
        >>> instance.read_bytes.tolist(), instance.share_base, instance.share(0)
        ([8, 32], 4, 0.25)
        """
        size = self.size[self.trace.blocks]
        return size if self.trace.shares is None else size * self.trace.shares

    @property
    def share_base(self) -> int:
        """What shares of reads are numerators over; 1 where every read is whole."""
        return self.trace.share_base

    def share(self, read: int) -> float:
        """The share of its block that a read transfers.

        Parameters
        ----------
        read
            Its position, from 0 to N - 1.

        Returns
        -------
        float
            In (0, 1].

        Examples
        --------
        >>> po.build_instance("gh200", po.Trace.from_reads([[0]])).share(0)
        1.0
        """
        return 1.0 if self.trace.shares is None else float(self.trace.shares[read]) / self.trace.share_base

    @cached_property
    def hash(self) -> str:
        """Hex SHA-256 over everything that decides an answer: memory tables, trace arrays, sizes, rules.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> other = po.build_instance("gh200", trace, rules={"residency": "free"}, name="other")
        >>> len(instance.hash), instance.hash == other.hash
        (64, False)
        >>> other.again({"memory.hbm.capacity": "4.5 MB"}).hash == instance.hash
        True
        """
        return digest_of(self)
