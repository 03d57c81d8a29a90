"""An instance: memory, trace and rules, validated once; the only thing that bounds, schedulers and checks are handed.

All numbers are integers (bytes, bytes/s) except the floor of a step's time. Two instances with the same ``hash`` are the same
problem, whatever they are called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind
from placement_opt.base.tabular import Record, Tabular
from placement_opt.base.units import format_size
from placement_opt.instance.budgets import TIME, Budget, Objective, used_meters
from placement_opt.instance.law import Loads, loads_of
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.trace import Trace, check_piece_bytes

Residency = Literal["inclusive", "exclusive", "free", "cache"]
#: Rules under which every block that is alive lies somewhere.
KEEPING: tuple[Residency, ...] = ("inclusive", "exclusive", "free")
#: Loads of all blocks together: sums over the operations of a step then fit 64-bit integers.
MOST_LOAD = 2**62
RESIDENCIES: tuple[Residency, ...] = (*KEEPING, "cache")
Prefix = Literal["free", "strict"]
PREFIXES: tuple[Prefix, ...] = ("free", "strict")


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
        digest = hashlib.sha256()
        header = ["placement-opt instance 1", self.residency, str(self.home), str(self.share_base)]
        header += ["free" if self.initial is None else "given", *self.memory.tier_names, *self.memory.resources]
        digest.update("\n".join(header).encode())
        memory: list[npt.NDArray[Any] | None] = [
            self.memory.rates,
            self.memory.read,
            self.memory.write,
            self.memory.copy,
            self.capacity,
        ]
        trace: list[npt.NDArray[Any] | None] = [
            self.trace.indptr,
            self.trace.blocks,
            self.trace.birth,
            self.trace.death,
            self.size,
        ]
        labels: list[npt.NDArray[Any] | None] = [self.trace.block_layer, self.trace.step_layer, self.trace.shares]
        trace += [self.fixed, self.floor, self.initial]
        for array in memory + labels + trace:
            _feed(digest, array)
        if not (operations := self.memory.operations).plain:
            digest.update(("\noperations\n" + "\n".join(operations.names)).encode())
            for array in (operations.source, operations.brings, operations.per_byte, operations.per_call, operations.grain):
                _feed(digest, array)
        if self.strict:
            digest.update(b"\nprefix strict")
            _feed(digest, self.trace.position)
        if operations.limited:
            digest.update(b"\nkinds")
            _feed(digest, operations.applies)
        if self.trace.block_kind is not None and self.trace.block_kind.any():
            digest.update(b"\nblock kinds")
            _feed(digest, self.trace.block_kind)
        if self.pieces is not None:
            digest.update(b"\npieces")
            _feed(digest, self.pieces)
        if not self.timed:
            feed_budgets(digest, self)
            _feed(digest, self.metered)
        return digest.hexdigest()


def rule_text(residency: Residency, prefix: Prefix) -> str:
    """The rule of residency, and that of prefixes where it is strict."""
    return f"{residency}, strict prefixes" if prefix == "strict" else residency


class Budgeted(Protocol):
    """A question with budgets or weights."""

    @property
    def memory(self) -> MemorySystem: ...

    @property
    def budgets(self) -> tuple[Budget, ...]: ...

    @property
    def objective(self) -> Objective: ...

    @property
    def used_meters(self) -> tuple[int, ...]: ...


def feed_budgets(digest: hashlib._Hash, instance: Budgeted) -> None:
    """What bounds and weighs a run, and the meters that it is counted by; their names and units decide nothing."""
    used = list(instance.used_meters)
    place = {meter: m for m, meter in enumerate(used)}
    lines = ["", "budgets"]
    for budget in instance.budgets:
        meter = "time" if budget.meter is None else str(place[budget.meter])
        lines.append(f"{meter} {budget.fixed} {budget.per_second}")
    lines += ["objective", str(instance.objective.time)]
    lines += [f"{place[meter]} {weight}" for meter, weight in instance.objective.weights]
    digest.update("\n".join(lines).encode())
    _feed(digest, instance.memory.meters.per_byte[:, used])


def alive_bytes(trace: Trace, size: Int64, last: Int64 | None = None) -> Int64:
    """int64[T + 1]: bytes of the blocks alive at each state, their sizes (int64[B]) given; ``last``: in place of their ends."""
    last = trace.death.astype(np.int64) if last is None else last
    change = np.zeros(trace.num_steps + 2, dtype=np.int64)
    np.add.at(change, trace.birth.astype(np.int64) + 1, size)
    np.add.at(change, last + 1, -size)
    return np.cumsum(change)[:-1]


def _feed(digest: hashlib._Hash, array: npt.NDArray[Any] | None) -> None:
    if array is None:
        digest.update(b"\nnone")
        return
    digest.update(f"\n{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def check_instance(instance: Instance) -> None:
    """Refuse an instance that no schedule can satisfy or whose arrays do not fit; InputError says what and by how much."""
    check_kind(instance.memory, MemorySystem, "a memory system (preset, load_memory)", field="memory")
    check_kind(instance.trace, Trace, "a trace (Trace.from_reads, load_trace)", field="trace")
    tiers, resources, steps, blocks = (
        instance.num_tiers,
        instance.num_resources,
        instance.num_steps,
        instance.num_blocks,
    )
    shapes = {"capacity": (tiers,), "size": (blocks,), "fixed": (steps, resources), "floor": (steps,)}
    for name, shape in shapes.items():
        check_kind(getattr(instance, name), np.ndarray, f"an array of shape {shape}", field=name)
        if getattr(instance, name).shape != shape:
            raise InputError(f"found shape {getattr(instance, name).shape}", f"expected {shape}", field=name)
    if instance.residency not in RESIDENCIES:
        raise InputError(f"found {instance.residency!r}", f"expected one of {', '.join(RESIDENCIES)}", field="residency")
    check_prefix(instance.prefix, instance.residency, instance.trace)
    for name in ("capacity", "fixed", "floor"):
        values = getattr(instance, name)
        if (values < 0).any() or not np.isfinite(values).all():
            raise InputError(
                f"found {values[(values < 0) | ~np.isfinite(values)][0]}", "expected no negative value", field=name
            )
    _check_operations(instance)
    peak, largest = int(instance.alive_bytes.max()), int(instance.size.max())
    check_room(instance.memory, instance.residency, instance.home_tier, instance.capacity, peak=peak, largest=largest)
    if instance.initial is not None:
        _check_initial(instance, instance.initial)


def check_prefix(prefix: Prefix, residency: Residency, trace: Trace) -> None:
    """Refuse strict prefixes where blocks lie somewhere always, or the trace (or one of its kind) knows no prefixes."""
    if prefix not in PREFIXES:
        raise InputError(f"found {prefix!r}", f"expected one of {', '.join(PREFIXES)}", field="prefix")
    if prefix == "free":
        return
    if residency != "cache":
        found = f"found strict prefixes under the rule {residency}"
        raise InputError(found, "expected them under cache, where a block may be missing", field="prefix")
    if trace.position is None and trace.requests is not None:
        found = "found a trace whose steps serve several requests at once, and decoded tokens, which ask for no prefix"
        raise InputError(found, 'expected "free", or a trace whose steps are requests (trace import)', field="prefix")
    if trace.position is None:
        expected = "expected one that does: imported from mooncake, drawn by requests, or with the array position"
        raise InputError("found a trace that does not say in which order its steps ask for blocks", expected, field="prefix")


def _check_operations(instance: Instance) -> None:
    """What the rule and the trace ask of the table."""
    operations = instance.memory.operations
    if instance.forgets and not (operations.serves & (operations.source < 0)).any():
        expected = "expected one: what lies nowhere must be made anew or come from outside"
        raise InputError("found no operation without a source under the rule cache", expected, field="residency")
    if instance.trace.pieces is not None:
        check_piece_bytes(instance.trace.pieces, instance.size)
    _check_kinds(instance)
    labels = [0] if instance.trace.block_kind is None else np.unique(instance.trace.block_kind)
    if instance.strict and not operations.remakes[labels].all():
        expected = "expected one: what is made anew behind a missing block may be stored in passing"
        raise InputError("found no operation without a source that brings the block to the processor", expected, field="prefix")
    if not operations.uniform and instance.share_base > 1:
        expected = "expected whole reads: what a part of a block costs in requests and pages is not said"
        raise InputError(f"found reads in shares of 1/{instance.share_base}", expected, field="shares")
    if not operations.plain and (most := _largest_load(instance)) > MOST_LOAD:
        found = f"found blocks that load up to {most:.3g} on one resource, all together"
        raise InputError(found, f"expected at most {MOST_LOAD:.3g}: smaller pages, or results in fewer parts", field="trace")
    for m, meter in enumerate(instance.used_meters):
        if not 0 <= meter < len(instance.memory.meters):
            raise InputError(f"found meter {meter}", f"expected one of {len(instance.memory.meters)}", field="budgets")
        most = instance.share_base * _most(instance, instance.memory.meters.per_byte[:, meter])
        if most + int(instance.metered[m]) > MOST_LOAD:
            found = f"found blocks that add up to {most:.3g} parts to the meter {instance.memory.meters.names[meter]!r}"
            raise InputError(found, f"expected at most {MOST_LOAD:.3g}: energies in fewer digits", field="budgets")


def _check_kinds(instance: Instance) -> None:
    """Under the rule cache each kind of block that there is has an operation without a source; a read serves the others."""
    if not instance.forgets or not instance.memory.operations.limited:
        return
    anew = np.asarray(instance.loads.applies[:, instance.loads.serves_from < 0].any(axis=1))
    if not anew.all():
        block = int(np.argmin(anew[instance.loads.kind]))
        label = 0 if instance.trace.block_kind is None else int(instance.trace.block_kind[block])
        found = f"found no operation without a source for {BLOCK_KINDS[label]} (block {block}) under the rule cache"
        raise InputError(found, "expected one: what lies nowhere must be made anew or come from outside", field="kinds")


def _most(instance: Instance, per_byte: Int64) -> int:
    """At least what one operation on every block adds by the byte (int64[O])."""
    total, pieces = int(instance.size.sum()), _all_pieces(instance)
    rows = zip(per_byte.tolist(), instance.memory.operations.grain.tolist(), strict=True)
    return max(int(load) * (total + pieces * (int(grain) - 1)) for load, grain in rows)


def _all_pieces(instance: Instance) -> int:
    """Of all blocks together."""
    return instance.num_blocks if instance.pieces is None else int(instance.pieces.sum())


def _largest_load(instance: Instance) -> int:
    """At least what one operation on every block loads on one resource, times the base of the shares."""
    operations, total, pieces = instance.memory.operations, int(instance.size.sum()), _all_pieces(instance)
    rows = zip(operations.per_byte.max(axis=1), operations.per_call.max(axis=1), operations.grain, strict=True)
    each = ((int(byte), int(call), int(grain)) for byte, call, grain in rows)
    return instance.share_base * max(byte * (total + pieces * (grain - 1)) + call * pieces for byte, call, grain in each)


def check_room(
    memory: MemorySystem, residency: Residency, home_tier: int | None, capacity: Int64, *, peak: int, largest: int
) -> None:
    """Refuse tiers without room for the bytes alive at their peak, or for the largest block; InputError with both numbers.

    ``home_tier``: as in an instance, of the inclusive rule.
    """
    total = int(capacity.sum())
    if residency == "inclusive":
        _check_home(memory, home_tier, capacity, peak)
    elif peak > total and residency != "cache":
        found = f"found room for {format_size(total)} in all tiers together"
        raise InputError(found, f"expected at least {format_size(peak)}, every block at its peak", field="capacity")
    for tier, room in zip(memory.tiers, capacity, strict=True):
        if 0 < room < largest:
            found = f"found room for {format_size(int(room))}"
            expected = f"expected none or at least the largest block, {format_size(largest)}"
            raise InputError(found, expected, field=f"{tier.name}.capacity")


def _check_home(memory: MemorySystem, home_tier: int | None, capacity: Int64, peak: int) -> None:
    home, names = memory.home if home_tier is None else home_tier, memory.tier_names
    if peak <= capacity[home]:
        return
    default = "the largest that is not the fastest" if len(names) > 1 else "the only one"
    why = default if home_tier is None else "named by the rules"
    found = f"found room for {format_size(int(capacity[home]))} in {names[home]}, the home tier ({why})"
    roomy = [f'home = "{names[k]}"' for k in memory.by_speed[::-1] if capacity[k] >= peak]
    instead = f", or {roomy[0]} in [rules]" if roomy else ' (so much no tier has that home = "..." in [rules] could name)'
    expected = f"expected at least {format_size(peak)}, every block at its peak{instead}"
    raise InputError(found, expected, field=f"{names[home]}.capacity")


def _check_initial(instance: Instance, initial: npt.NDArray[np.bool_]) -> None:
    if initial.shape != (instance.num_tiers, instance.num_blocks) or initial.dtype != np.bool_:
        raise InputError(f"found {initial.dtype}{initial.shape}", "expected bool of tiers x blocks", field="initial")
    exists = instance.first_state == 0
    copies = initial.sum(axis=0)
    if (copies[~exists] > 0).any():
        block = int(np.flatnonzero(~exists & (copies > 0))[0])
        raise InputError(f"found block {block} placed before it is produced", "expected only initial blocks", field="initial")
    low, high = 0 if instance.forgets else 1, 1 if instance.residency == "exclusive" else instance.num_tiers
    wrong = exists & ((copies < low) | (copies > high))
    if instance.inclusive:
        wrong |= exists & ~initial[instance.home]
    if wrong.any():
        block = int(np.flatnonzero(wrong)[0])
        where = [name for name, held in zip(instance.memory.tier_names, initial[:, block], strict=True) if held]
        found = f"found block {block} in {where or 'no tier'}"
        raise InputError(found, f"expected what the {instance.residency} rule allows", field="initial")
    used = initial @ instance.size
    for tier, capacity, bytes_used in zip(instance.memory.tiers, instance.capacity, used, strict=True):
        if bytes_used > capacity:
            found = f"found {format_size(int(bytes_used))} placed in {tier.name}"
            raise InputError(found, f"expected at most {format_size(int(capacity))}", field="initial")
