"""What a scheduler is, what it sees, and what it answers (problem statement, section 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags, Int64, Ints
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Prefix, Residency
from placement_opt.memory.system import MemorySystem

Ids = Ints
Resident = Flags

#: Sets of tiers are bit masks that index tables, so their number is limited.
MOST_TIERS = 16


@dataclass(frozen=True)
class Moves:
    """What one step changes; everything takes effect at the next state.

    Attributes
    ----------
    store
        (tier, ids): write blocks that are at the processor anyway, just read or just produced, to a tier ("in passing").
        A block is at the processor after operations that bring it there only, so a read that is stored is served by those
        (never by attending to the block where it lies); without any it must not be stored. Of a block that is read in part
        only that share is at the processor; the rest is copied, and charged, from the tier of :func:`cheapest_source`, so
        some tier must hold it. Under the inclusive rule the write of a new block to the home tier is done and charged by
        the simulator.
    fetch
        (source tier, target tier, ids): copy during the step.
    drop
        (tier, ids): forget a copy; free of charge. Room it leaves can be used by what arrives in the same step. The last
        copy may go under the rule "cache" only, where new blocks need not be stored either.

    Examples
    --------
    Of tiers 0 and 1: block 7, just read, goes into tier 0, block 3 is copied there from tier 1, and block 5 leaves it.

    >>> import numpy as np
    >>> moves = po.Moves(store=[(0, np.array([7]))], fetch=[(1, 0, np.array([3]))], drop=[(0, np.array([5]))])
    >>> moves.store[0][0], moves.fetch[0][:2], moves.drop[0][1].tolist()
    (0, (1, 0), [5])
    >>> po.Moves()
    Moves(store=(), fetch=(), drop=())
    """

    store: Sequence[tuple[int, Ids]] = ()
    fetch: Sequence[tuple[int, int, Ids]] = ()
    drop: Sequence[tuple[int, Ids]] = ()


@dataclass(frozen=True, eq=False)
class Setting:
    """All that an online scheduler is told before the first step: memory and rules, nothing of the trace.

    Attributes
    ----------
    memory, residency, prefix, home, capacity
        As in the instance. All costs are in ``memory.operations``: what every store, copy, read and further way to serve a
        read loads on each resource, per byte and per block, and ``memory.rates``. How reads are split over the ways that
        are open to them is not for the scheduler to say: the simulator takes the best. Under the rule "cache" no tier
        keeps anything, and ``home`` is merely the largest. Where ``prefix`` is "strict", what lies behind a missing block of
        the step's prefix is made anew or fetched from outside, wherever it lies: that, too, the simulator does.
    size
        int64[B], read-only: bytes of each block id (ids are labels); 0 until the block is produced, filled in then.
    block_layer
        int32[B] layer of each block, from 0 to ``num_layers`` - 1, or None.
    block_kind
        int8[B] positions in :data:`placement_opt.memory.operations.BLOCK_KINDS`, read-only; None: all are KV.
    pieces
        int64[B] pieces in which each block is stored, read-only; None where that changes nothing.
    initial_blocks
        Ids that exist before step 0.
    initial
        bool[K, B] residency at state 0, read-only, or None where the scheduler chooses it.
    fixed
        int64[R]: fixed load of the first step, as a guide to the load of weights.
    share_base
        What the shares of a view are numerators over.
    num_layers
        Number of layers, 1 where blocks or steps carry no layer.

    Examples
    --------
    What a scheduler is handed first:

    >>> class Nosy:
    ...     name, online, source = "nosy", True, "this page"
    ...     def start(self, setting, first_reads):
    ...         print(setting, setting.memory.name, setting.residency, setting.capacity.tolist(), setting.size.tolist())
    ...         print(setting.free_start, setting.initial, setting.initial_blocks.tolist(), setting.home, setting.prefix)
    ...         print(setting.block_layer, setting.block_kind, setting.pieces)
    ...         print(setting.num_layers, setting.fixed.tolist(), setting.share_base)
    ...         return np.array([[False, False], [True, True]])  # all in tier 1
    ...     def step(self, view):
    ...         return po.Moves()
    >>> import numpy as np
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> po.simulate(instance, Nosy()).latency_s
    Setting(free on hbm, lpddr; 2 blocks) gh200 free [4500000, 480000000000] [4500000, 4500000]
    True None [0, 1] 1 free
    None None None
    1 [0, 0, 0, 0] 1
    4e-05
    """

    memory: MemorySystem
    residency: Residency
    prefix: Prefix
    home: int
    capacity: Int64
    size: Int64
    block_layer: npt.NDArray[np.int32] | None
    block_kind: npt.NDArray[np.int8] | None
    pieces: Int64 | None
    initial_blocks: Ids
    initial: Resident | None
    fixed: Int64
    share_base: int
    num_layers: int

    def __repr__(self) -> str:
        return f"Setting({self.residency} on {', '.join(self.memory.tier_names)}; {len(self.size)} blocks)"

    @property
    def free_start(self) -> bool:
        """Whether the scheduler chooses the initial residency."""
        return self.initial is None


@dataclass(frozen=True, eq=False)
class View:
    """The present step, as shown to a scheduler.

    Attributes
    ----------
    step, layer
        Index of the step; its layer (0 without labels).
    reads
        Ids this step reads, ascending.
    shares
        Their shares, numerators over ``share_base``, or None where every read is whole.
    births
        Ids this step produces, ascending.
    resident
        bool[K, B], read-only: residency when the step begins.
    used
        int64[K]: bytes in each tier that will still be occupied at the next state if nothing is moved (blocks freed after
        this step no longer count; under the inclusive rule the home copies of this step's births do).
    fixed, floor
        int64[R] bytes that this step loads whatever the placement, and the seconds under its time.
    freed
        Ids freed after this step: they need no room at the next state and must not be moved.
    places
        int32[n]: the place of each read in the prefix of the step, under strict prefixes; None under free ones.
    requests
        int64[n]: the requests that the step serves, ascending, by their places in the trace's table of requests; None where
        the trace has none. Of those that are yet to come nothing is shown.
    clock
        Says what :attr:`elapsed_s` is, when it is asked; None where steps are not played one after the other.

    Examples
    --------
    What a scheduler is handed at each step, here for each of two steps:

    >>> class Nosy:
    ...     name, online, source = "nosy", True, "this page"
    ...     def start(self, setting, first_reads):
    ...         return None  # the start is given
    ...     def step(self, view):
    ...         print(view, view.step, view.layer, view.reads.tolist(), view.shares, view.births.tolist(), view.freed.tolist())
    ...         print(view.resident[:, 0].tolist(), view.used.tolist(), view.fixed.tolist(), view.floor, view.places)
    ...         assert view.requests is None  # the trace says nothing of requests
    ...         return po.Moves()
    >>> trace = po.Trace.from_reads([[0], [0]], births=[-1, 0], sizes=100)
    >>> run = po.simulate(po.build_instance("gh200", trace, rules={"initial": "first-fit"}), Nosy())
    View(step 0: 1 reads, 1 births) 0 0 [0] None [1] []
    [True, True] [100, 200] [0, 0, 0, 0] 0.0 None
    View(step 1: 1 reads, 0 births) 1 0 [0] None [] []
    [True, True] [100, 200] [0, 0, 0, 0] 0.0 None
    """

    step: int
    layer: int
    reads: Ids
    shares: npt.NDArray[np.uint16] | None
    births: Ids
    resident: Resident
    used: Int64
    fixed: Int64
    floor: float
    freed: Ids = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    places: npt.NDArray[np.int32] | None = None
    requests: Ids | None = None
    clock: Callable[[], float] | None = None

    @property
    def elapsed_s(self) -> float | None:
        """Seconds that the steps before this one take, with the moves that were made; counted when it is asked for.

        Each as fast as its reads can be served, which is what they take where the instance minimises time and has no budgets
        (else what they take is known in the end alone, and may be more). None where steps are not played one after the other
        (questions in runs).

        Examples
        --------
        >>> class Late:
        ...     name, online, source = "late", True, "this page"
        ...     def start(self, setting, first_reads):
        ...         return None
        ...     def step(self, view):
        ...         print(f"{view.elapsed_s:.3g}", view.clock() == view.elapsed_s)
        ...         return po.Moves()
        >>> trace = po.Trace.from_reads([[0], [0]], sizes=4_500_000)
        >>> run = po.simulate(po.build_instance("gh200", trace, rules={"initial": "first-fit"}), Late())
        0 True
        8.41e-07 True
        """
        return None if self.clock is None else self.clock()

    def __repr__(self) -> str:
        return f"View(step {self.step}: {len(self.reads)} reads, {len(self.births)} births)"


@dataclass(frozen=True)
class Effort:
    """Counted work of a scheduler that searches: the same work gives the same schedule, on any machine at any load.

    Attributes
    ----------
    unit
        What is counted.
    given, taken
        How much it was allowed, and how much it took.
    cut_short
        Whether the clock or a stop request ended it before: the schedule is legal, but another run may end elsewhere.
    """

    unit: str
    given: int
    taken: int
    cut_short: bool = False


class Scheduler(Protocol):
    """An online policy: sees the setting, then one step after the other.

    One that searches has an attribute ``effort`` after a run, an :class:`Effort`; others need not. Any object with these five
    names will do, derived from nothing.

    Examples
    --------
    One that puts what fits into tier 0 at the start, and leaves it there:

    >>> class Stay:
    ...     name, online, source = "stay", True, "this page"
    ...     def start(self, setting, first_reads):
    ...         fits = np.cumsum(setting.size) <= setting.capacity[0]
    ...         return np.array([fits, np.ones_like(fits)])
    ...     def step(self, view):
    ...         return po.Moves()
    >>> import numpy as np
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> scheduler: po.Scheduler = Stay()
    >>> po.simulate(instance, scheduler)
    Run(stay on instance: 2.08411e-05 s)
    """

    @property
    def name(self) -> str:
        """What the user asked for, options included."""
        ...

    @property
    def online(self) -> bool:
        """True: only :meth:`start` and :meth:`step` are called. False: :meth:`Clairvoyant.plan` is called first."""
        ...

    @property
    def source(self) -> str:
        """Where the policy comes from."""
        ...

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        """Prepare for a run, forgetting any earlier one.

        Parameters
        ----------
        setting
            Memory and rules.
        first_reads
            Where the start is free, the first read set of each layer (of the first step without layers) as far as it exists
            before step 0; otherwise empty.

        Returns
        -------
        ndarray or None
            With a free start bool[K, B], the residency at state 0, else None. Under the inclusive rule the home row may be left
            False: the simulator fills it.
        """
        ...

    def step(self, view: View) -> Moves:
        """The moves of one step.

        Parameters
        ----------
        view
            The present step.

        Returns
        -------
        Moves
            Taking effect at the next state.
        """
        ...


class Clairvoyant(Scheduler, Protocol):
    """An offline policy (``online`` is False): additionally handed the whole instance before :meth:`start`."""

    def plan(self, instance: Instance, limits: Limits) -> None:
        """See everything once, before the run; past the limits nobody waits for an answer."""
        ...


def cheapest_source(memory: MemorySystem) -> npt.NDArray[np.int8]:
    """int8[2**K, K]: the tier of each set of tiers from which a copy to each tier takes least time; -1 for the empty set.

    Time is counted byte by byte (and where that takes none, by the block). Among equals the tier read fastest. A set that
    contains the target itself names the best of the others (-1 if none).
    """
    tiers = len(memory.tiers)
    if tiers > MOST_TIERS:
        raise InputError(f"found {tiers} tiers", f"expected at most {MOST_TIERS}", field="tiers")
    table = np.full((1 << tiers, tiers), -1, dtype=np.int8)
    for target in range(tiers):
        others = [j for j in memory.by_speed if j != target]
        ranked = sorted(others, key=lambda j: memory.seconds(tiers + j * tiers + target))
        for source in reversed(ranked):
            table[(np.arange(1 << tiers) >> source) & 1 == 1, target] = source
    return table
