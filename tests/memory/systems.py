"""Memory systems for the tests of this folder: small ones by hand, random trees."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from placement_opt.memory import Link, MemorySystem, Tier, build_memory, preset, preset_names
from placement_opt.memory.files import preset_with_required
from placement_opt.memory.system import Compute


def tier(name: str, at: str, read: int = 100, write: int | None = None, capacity: int = 10) -> Tier:
    """A tier with one shared rate, or with one rate each for reads and writes."""
    return Tier(name, capacity, at, read, read if write is None else write, write is None)


def link(name: str, start: str, end: str, up: int = 50, down: int | None = None) -> Link:
    """A link with one shared rate, or with one rate for each way."""
    return Link(name, start, end, up, up if down is None else down, down is None)


def random_tree(rng: np.random.Generator, tiers: int, largest_rate: int = 50) -> MemorySystem:
    """Tiers on a random tree of nodes, rates shared or split at random: shared links, equal columns, links without reads."""

    def rates() -> tuple[int, int | None]:
        first, second = (int(rate) for rate in rng.integers(1, largest_rate, 2))
        return first, None if rng.random() < 0.5 else second

    nodes = ["gpu", *(f"n{i}" for i in range(1, tiers + 1))]
    links = [link(f"l{i}", nodes[i], nodes[int(rng.integers(0, i))], *rates()) for i in range(1, tiers + 1)]
    found = [tier(f"t{k}", nodes[int(rng.integers(0, tiers + 1))], *rates()) for k in range(tiers)]
    return build_memory("tree", "gpu", found, links)


def random_patterns(rng: np.random.Generator, tiers: int) -> list[int]:
    """Some of the non-empty sets of tiers, in random order."""
    sets = np.arange(1, 1 << tiers)
    return [int(p) for p in rng.permutation(sets)[: int(rng.integers(1, len(sets) + 1))]]


#: What presets leave to their users, as the tests give it: round numbers of no device.
GIVEN: dict[str, dict[str, str]] = {
    "aif": {"dram.capacity": "64 GB"},
    "cxl-speckv": {"hbm.rate": "2 TB/s", "pool.rate": "40 GB/s", "cxl.rate": "16 GB/s"},
    "phone-ufs": {
        "ufs.capacity": "512 GB",
        "ufs.read_rate": "4 GB/s",
        "ufs.write_rate": "2 GB/s",
        "ufs.read_iops": "100 kIOPS",
    },
    "l2-over-hbm": {"l2.capacity": "60 MB", "l2.rate": "10 TB/s", "hbm.capacity": "96 GB", "hbm.rate": "4 TB/s"},
    **{f"hbf-g{grade}": {"hbf.read_time": "3 us", "hbf.program_time": "100 us"} for grade in (1, 2, 3)},
}
#: Presets of memory that computes or of several kinds of memory on one chip: no ladder of tiers that grow as they slow down.
NO_LADDERS = ("aif", "attacc-pim", "cambricon-s", "cambricon-m", "cambricon-l", "kelle-edram", "lincoln-2", "lincoln-4")
NO_LADDERS += tuple(name for name in preset_names() if name.startswith("kvnand-"))


def preset_given(name: str) -> MemorySystem:
    """A preset, with the numbers of :data:`GIVEN` where it leaves some to its user."""
    return preset(name, GIVEN.get(name)) if preset_with_required(name)[1] else preset(name)


#: A memory file that says all there is of energy and wear.
WORN = """
schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "40 B"
rate = "40 B/s"
at = "gpu"
energy = "3 pJ/bit"
[tiers.flash]
capacity = "4000 B"
rate = "10 B/s"
at = "host"
read_energy = "48 pJ/B"
write_energy = "60 pJ/bit"
background_power = "2 mW"
endurance = "3000 cycles"
write_amplification = 1.5
compute.result = "1/4"
compute.energy = "0.5 pJ/bit"
[links.c2c]
from = "host"
to = "gpu"
rate = "8 B/s"
energy = "2 pJ/bit"
"""


def kvnand(result: Fraction = Fraction(1, 16)) -> MemorySystem:
    """Array of 10 B/s behind a channel of 1 B/s."""
    flash = replace(tier("flash", "die", 10, capacity=200), compute=Compute(None, result))
    return build_memory("kvnand", "gpu", [flash], [link("channel", "die", "gpu", 1)])
