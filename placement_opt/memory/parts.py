"""What a memory system is made of: tiers, links, what computes in them, what traffic passes, and what lies outside."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class OfKind:
    """What computing with blocks of one kind says of its own; None: as the tier's computing says."""

    result: Fraction | None = None
    energy: Fraction | None = None


@dataclass(frozen=True)
class Way:
    """One operation of computing where blocks lie; see :class:`Compute`.

    ``kinds``: of block that it is for, None for any; ``key``: what says its result in the table of computing.
    """

    verb: str
    kinds: frozenset[str] | None
    result: Fraction
    energy: Fraction | None
    key: str = "result"


@dataclass(frozen=True)
class Compute:
    """Attention, or products with weights, computed where a tier's blocks lie.

    ``rate``: datasheet bytes/s of blocks that it processes, None where it keeps up with whatever the tier reads; ``result``:
    bytes of result for each byte of block, in (0, 1]; ``energy``: joules for each byte of block, beside those of reading it
    from its cells. ``kv``, ``weights``: what is computed with, and what differs from these; neither: blocks of any kind.
    ``cores``: of each die, and ``page_time``, seconds that one takes for a page (the tier's ``read_time`` where it is None):
    where the rate follows from them.
    """

    rate: int | None
    result: Fraction | None
    energy: Fraction | None = None
    kv: OfKind | None = None
    weights: OfKind | None = None
    cores: int | None = None
    page_time: Fraction | None = None

    @property
    def ways(self) -> tuple[Way, ...]:
        """The operations that there are: "attend" for any kind, or what is said of each."""
        if self.kv is None and self.weights is None:
            assert self.result is not None
            return (Way("attend", None, self.result, self.energy),)
        found = []
        for verb, kind, own in (("attend", "kv", self.kv), ("multiply", "weights", self.weights)):
            if own is not None:
                result = self.result if own.result is None else own.result
                assert result is not None
                energy, key = (
                    self.energy if own.energy is None else own.energy,
                    "result" if own.result is None else f"{kind}.result",
                )
                found.append(Way(verb, frozenset({kind}), result, energy, key))
        return tuple(found)


@dataclass(frozen=True)
class Outside:
    """Where blocks that lie in no tier come from: ``rate`` bytes/s on a resource of its own.

    ``name``: of the operation, such as "recompute" or "refetch s3"; ``resource``: of the resource; ``energy``: joules a byte.
    """

    name: str
    resource: str
    rate: int
    energy: Fraction | None = None


@dataclass(frozen=True)
class Tier:
    """One memory that can hold blocks. Rates are datasheet bytes/s; ``efficiency`` scales them.

    ``page``: bytes to multiples of which every transfer is rounded up; ``read_iops``, ``write_iops``: datasheet requests/s,
    None for no limit (``shared_iops``: one for both); ``compute``: None where blocks are only read. ``read_energy``,
    ``write_energy``: joules a byte at its cells, None where nothing is said; ``background_power``: watts, whatever is read;
    ``endurance``: program cycles that each byte of it stands, None for any number; ``write_amplification``: bytes programmed
    for each byte written. ``dies``: equal devices that make it up; capacity, rates, requests and power are of all of them.
    ``planes`` of a die, ``read_time``, ``program_time``: seconds for a page, where the rates follow from them. ``assumed``:
    what of all this is assumed, and why. ``nominal``: the datasheet's capacity, where ``capacity`` is what is usable of it.
    """

    name: str
    capacity: int
    at: str
    read_rate: int
    write_rate: int
    shared: bool
    efficiency: Fraction = Fraction(1)
    source: str = ""
    date: str = ""
    page: int = 1
    read_iops: int | None = None
    write_iops: int | None = None
    shared_iops: bool = False
    compute: Compute | None = None
    read_energy: Fraction | None = None
    write_energy: Fraction | None = None
    background_power: Fraction = Fraction(0)
    endurance: Fraction | None = None
    write_amplification: Fraction = Fraction(1)
    dies: int = 1
    planes: int = 1
    read_time: Fraction | None = None
    program_time: Fraction | None = None
    assumed: str = ""
    nominal: int | None = None


@dataclass(frozen=True)
class Link:
    """One connection. ``up_rate``: bytes/s from ``start`` to ``end``, ``down_rate``: back; shared: one for both; ``energy``:
    joules a byte; ``channels``: equal ones that make it up, the rates are of all of them; ``assumed``: as of a tier."""

    name: str
    start: str
    end: str
    up_rate: int
    down_rate: int
    shared: bool
    efficiency: Fraction = Fraction(1)
    source: str = ""
    date: str = ""
    energy: Fraction | None = None
    channels: int = 1
    assumed: str = ""


@dataclass(frozen=True)
class Engine:
    """What all traffic passes on its way through some tiers and links, such as one that decompresses.

    ``rate``: bytes/s of blocks as they are without it; ``on``: names of tiers and links; ``ratio``: bytes that pass these for
    each byte of block, in (0, 1]; ``energy``: joules a byte of block; ``assumed``: as of a tier.
    """

    name: str
    rate: int
    on: tuple[str, ...]
    ratio: Fraction = Fraction(1)
    energy: Fraction | None = None
    source: str = ""
    date: str = ""
    assumed: str = ""
