"""What everything to the right of the files knows of a memory system: tiers, resources, and what each operation loads.

The directed graph of tiers, switches and the processor lives in :mod:`placement_opt.memory.routes`; its routes are resolved
once into the integer tables held here (problem statement, section 1: ``c_op,r``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import nearest
from placement_opt.memory.meters import Meters, no_meters
from placement_opt.memory.operations import Operations
from placement_opt.memory.parts import Compute, Engine, Link, Outside, Tier

__all__ = ["Compute", "Engine", "Link", "MemorySystem", "Meters", "Operations", "Outside", "Tier"]


@dataclass(frozen=True, eq=False)
class MemorySystem:
    """Tiers (K of them), resources (R) and the loads of operations on resources.

    Attributes
    ----------
    name, processor
        Label, and the graph node where reads end.
    tiers, links
        As described in the memory file, in its order.
    resources
        Names of what transfers contend for: ``hbm``, or ``nvme.read`` and ``nvme.write``; ``c2c.up``, ``c2c.down``; then
        ``nvme.iops`` (or ``nvme.read_iops`` and ``nvme.write_iops``), ``flash.compute``, and those of ``outside``.
    rates
        int64[R], bytes/s (of some, requests/s: ``units``), efficiency applied (rounded down), times ``scale``.
    operations
        What each operation loads: the one table of them.
    routes
        Operation name ("read hbm", "copy lpddr->hbm") to the nodes it passes, for display.
    outside
        Where blocks without a copy come from.
    engines
        What traffic passes on its way besides.
    units
        Resource -> what it counts, where that is not bytes: "requests".
    scale
        Resource -> n, where rate and loads count n-ths of its unit, because some operation loads it by fractions.
    counted
        What is counted over a whole run beside them, if anything is.

    Examples
    --------
    >>> memory = po.preset("gh200")
    >>> memory
    MemorySystem(gh200: hbm, lpddr)
    >>> memory.name, memory.processor, [tier.name for tier in memory.tiers], [link.name for link in memory.links]
    ('gh200', 'gpu', ['hbm', 'lpddr'], ['c2c'])
    >>> dict(zip(memory.resources, memory.rates.tolist()))
    {'hbm': 4900000000000, 'lpddr': 500000000000, 'c2c.up': 450000000000, 'c2c.down': 450000000000}
    >>> memory.operations.names[-2:], memory.routes["read lpddr"]
    (('read hbm', 'read lpddr'), ('lpddr', 'cpu', 'gpu'))
    >>> memory.outside, memory.engines, memory.units, memory.scale, memory.assumptions
    ((), (), {}, {}, ())
    >>> memory.meters.names, memory.counted.parts, memory.background_power
    (('written hbm', 'into hbm', 'written lpddr', 'into lpddr'), (1, 1, 1, 1), Fraction(0, 1))
    """

    name: str
    processor: str
    tiers: tuple[Tier, ...]
    links: tuple[Link, ...]
    resources: tuple[str, ...]
    rates: Int64
    operations: Operations
    routes: dict[str, tuple[str, ...]]
    outside: tuple[Outside, ...] = ()
    engines: tuple[Engine, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    scale: dict[str, int] = field(default_factory=dict)
    counted: Meters | None = None

    @cached_property
    def meters(self) -> Meters:
        """What is counted over a whole run; nothing where the system says nothing of it."""
        return no_meters(self.operations) if self.counted is None else self.counted

    @property
    def background_power(self) -> Fraction:
        """Watts that its tiers take whatever is done."""
        return sum((tier.background_power for tier in self.tiers), Fraction(0))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed of its parts rather than known, "g1, g2: ..." each; whatever rests on the system rests on it."""
        parts: list[Tier | Link | Engine] = [*self.tiers, *self.links, *self.engines]
        names: dict[str, list[str]] = {}
        for part in parts:
            if part.assumed:
                names.setdefault(part.assumed, []).append(part.name)
        return tuple(f"{', '.join(of)}: {text}" for text, of in names.items())

    def __repr__(self) -> str:
        return f"MemorySystem({self.name}: {', '.join(self.tier_names)})"

    @property
    def read(self) -> Int64:
        """int64[K, R]: what reading one byte from each tier loads.

        Examples
        --------
        >>> memory = po.preset("gh200")
        >>> memory.read.tolist(), memory.write.tolist(), memory.copy[1, 0].tolist()
        ([[1, 0, 0, 0], [0, 1, 1, 0]], [[1, 0, 0, 0], [0, 1, 0, 1]], [1, 1, 1, 0])
        """
        first = self.operations.first_serving
        return self.operations.per_byte[first : first + len(self.tiers)]

    @property
    def write(self) -> Int64:
        """int64[K, R]: what storing one byte to each tier loads."""
        return self.operations.per_byte[self.operations.store]

    @cached_property
    def copy(self) -> Int64:
        """int64[K, K, R]: what copying one byte from tier j to tier k loads; the diagonal is zero and never used."""
        count = len(self.tiers)
        return self.operations.per_byte[self.operations.copies].reshape(count, count, -1)

    @property
    def tier_names(self) -> tuple[str, ...]:
        """Names of the tiers, in the order of all arrays."""
        return tuple(tier.name for tier in self.tiers)

    def tier_index(self, name: str) -> int:
        """The number of a tier.

        Parameters
        ----------
        name
            Of the tier.

        Returns
        -------
        int
            Its place in ``tiers``.

        Raises
        ------
        InputError
            There is none of that name; names the nearest.

        Examples
        --------
        >>> po.preset("gh200").tier_names, po.preset("gh200").tier_index("lpddr")
        (('hbm', 'lpddr'), 1)
        """
        if name not in self.tier_names:
            raise InputError(f"found no tier {shown(name)}", nearest(str(name), self.tier_names), field="tier")
        return self.tier_names.index(name)

    def bottleneck(self, load: Int64) -> Fraction:
        """The rate that an operation reaches alone.

        Parameters
        ----------
        load
            int64[R]: its row of loads.

        Returns
        -------
        Fraction
            Bytes/s.

        Examples
        --------
        >>> memory = po.preset("gh200")
        >>> int(memory.bottleneck(memory.read[1]))
        450000000000
        """
        return min(Fraction(int(rate), int(c)) for rate, c in zip(self.rates, load, strict=True) if c > 0)

    def seconds(self, row: int) -> tuple[Fraction, Fraction]:
        """What an operation takes alone.

        Parameters
        ----------
        row
            Its row in the table of operations.

        Returns
        -------
        tuple of Fraction
            Seconds for a byte, and besides for a block whatever its size.

        Examples
        --------
        >>> memory = po.preset("gh200")
        >>> memory.seconds(memory.operations.names.index("read lpddr"))
        (Fraction(1, 450000000000), Fraction(0, 1))
        """
        loads = (self.operations.per_byte[row], self.operations.per_call[row])
        per_byte, per_call = (max(map(Fraction, load.tolist(), self.rates.tolist())) for load in loads)
        return per_byte, per_call

    @cached_property
    def fastest(self) -> int:
        """The tier read fastest alone; the first of equals.

        Examples
        --------
        >>> memory = po.preset("gh200")
        >>> memory.fastest, memory.by_speed, memory.largest, memory.home
        (0, (0, 1), 1, 1)
        """
        return self.by_speed[0]

    @cached_property
    def by_speed(self) -> tuple[int, ...]:
        """Tiers from the one read fastest alone, byte by byte, to the slowest; file order among equals."""
        first = self.operations.first_serving
        return tuple(sorted(range(len(self.tiers)), key=lambda k: (self.seconds(first + k), k)))

    @cached_property
    def largest(self) -> int:
        """The tier of largest capacity, the slowest of equals."""
        return self._largest_of(self.by_speed)

    @cached_property
    def home(self) -> int:
        """Where an inclusive rule keeps every block unless it names a tier: the largest that is not the fastest.

        The slowest of equals; a system's only tier.
        """
        return self._largest_of(self.by_speed[1:] or self.by_speed)

    def _largest_of(self, by_speed: tuple[int, ...]) -> int:
        largest = max(self.tiers[k].capacity for k in by_speed)
        return next(k for k in reversed(by_speed) if self.tiers[k].capacity == largest)
