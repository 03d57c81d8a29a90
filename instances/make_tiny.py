"""The instances of ``tiny/``: small enough to try every joint residency."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from placement_opt.base.atomic import write_text_atomic
from placement_opt.instance.start import save_initial
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class Tiny:
    """One enumerable instance: a random trace on one of ``tiny/memory/``.

    ``memory`` names the file, ``capacity`` overrides tiers, ``weights`` are bytes read from the fastest tier at every step.
    ``initial`` is "free", "first-fit" or "file" (then the last initial blocks start in the fast tier).
    ``births``, ``deaths``, ``shares`` say what the trace has; ``size`` is the largest block; ``reads`` replaces random ones.
    """

    name: str
    about: str
    memory: str
    residency: str
    blocks: int
    steps: int
    capacity: tuple[tuple[str, int], ...] = ()
    weights: int = 0
    initial: str = "free"
    size: int = 1
    births: bool = True
    deaths: bool = False
    shares: bool = False
    floor: str = ""
    reads: tuple[tuple[int, ...], ...] = ()

    def trace(self) -> Trace:
        """The trace; its random numbers depend on the name alone."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        born = np.full(self.blocks, -1)
        if self.births:
            late = self.blocks // 3
            born[self.blocks - late :] = np.sort(rng.integers(0, self.steps - 1, late))
        death = np.full(self.blocks, self.steps)
        if self.deaths:
            death = np.minimum(self.steps, born + 1 + rng.integers(self.steps // 2, self.steps, self.blocks))
        rows = [list(row) for row in self.reads]
        if not rows:
            rows = [
                [b for b in range(self.blocks) if born[b] < t <= death[b] and rng.random() < 0.6] for t in range(self.steps)
            ]
        count = sum(len(row) for row in rows)
        return Trace(
            indptr=np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64),
            blocks=np.array([b for row in rows for b in row], dtype=np.int32),
            birth=born.astype(np.int32),
            death=death.astype(np.int32),
            size=rng.integers(1, self.size + 1, self.blocks) if self.size > 1 else np.ones(1, dtype=np.int64),
            size_unit="bytes",
            shares=rng.integers(1, 5, count).astype(np.uint16) if self.shares else None,
            share_base=4 if self.shares else 1,
            meta={"generator": "instances/make.py", "seed": f"crc32 of {self.name!r}"},
        )

    def toml(self) -> str:
        """The instance file."""
        lines = [f"# {self.about}", "schema = 1", f'name = "{self.name}"', "[memory]", f'file = "memory/{self.memory}.toml"']
        lines += [f'{tier}.capacity = "{size} B"' for tier, size in self.capacity]
        if self.weights:
            lines += ["[llm]", f'weight_bytes = "{self.weights} B"']
        lines += ["[trace]", f'file = "{self.name}.npz"', "[rules]", f'residency = "{self.residency}"']
        lines += [f'initial = "{self.initial}"']
        lines += [f'initial_file = "{self.name}-start.npz"'] * (self.initial == "file")
        lines += [f'floor = "{self.floor}"'] * bool(self.floor)
        return "\n".join(lines) + "\n"

    def start(self, trace: Trace) -> npt.NDArray[np.bool_]:
        """bool[2, B]: home holds every initial block, the fast tier the last of them that fit."""
        exists = trace.birth < 0
        resident = np.vstack([np.zeros_like(exists), exists])
        resident[0, np.flatnonzero(exists)[-dict(self.capacity)["hbm"] :]] = True
        return resident


TINY = (
    Tiny(
        "one-tier", "One tier: nothing to decide, every value of the ladder is the same.", "one", "inclusive", 6, 6, weights=3
    ),
    Tiny("two-inclusive", "Two tiers, the default rule, blocks produced on the way.", "two", "inclusive", 8, 8, weights=5),
    Tiny("two-exclusive", "One copy only: a demotion costs a copy.", "two", "exclusive", 6, 6, (("hbm", 2),), weights=5),
    Tiny("two-free", "At least one copy, anywhere.", "two", "free", 5, 6, (("hbm", 2),), weights=5),
    Tiny("two-first-fit", "The start is given: first-fit.", "two", "inclusive", 8, 8, initial="first-fit", weights=5),
    Tiny("two-placed", "The start is given by a file.", "two", "inclusive", 8, 8, (("hbm", 3),), initial="file", weights=5),
    Tiny("two-no-room", "No room at all in the fast tier.", "two", "inclusive", 6, 6, (("hbm", 0),)),
    Tiny("two-roomy", "Room for everything in the fast tier.", "two", "inclusive", 6, 6, (("hbm", 20),), weights=5),
    Tiny("two-sizes", "Blocks of one to three bytes.", "two", "inclusive", 7, 7, (("hbm", 5),), size=3),
    Tiny(
        "two-shares",
        "Steps read quarters of blocks, no step under 0.3 s.",
        "two",
        "inclusive",
        7,
        7,
        shares=True,
        floor="300 ms",
    ),
    Tiny("two-deaths", "Blocks are freed on the way.", "two", "inclusive", 8, 8, (("hbm", 2),), deaths=True),
    Tiny(
        "two-fetch-ahead",
        "Problem statement, section 5, small: idle steps in which the next read set can be fetched.",
        "two",
        "inclusive",
        8,
        8,
        (("hbm", 4),),
        weights=10,
        births=False,
        reads=((0, 1, 2, 3), (), (), (), (), (), (), (4, 5, 6, 7)),
    ),
    Tiny("three-inclusive", "Three tiers in a row.", "three", "inclusive", 5, 6, weights=4),
    Tiny("three-exclusive", "Three tiers, one copy, unequal blocks.", "three", "exclusive", 4, 5, (("dram", 4),), size=2),
    Tiny("three-free", "Three tiers, shares and deaths.", "three", "free", 4, 5, shares=True, deaths=True),
    Tiny("three-first-fit", "Three tiers, one copy, the start given.", "three", "exclusive", 4, 5, initial="first-fit"),
    Tiny("four-inclusive", "Four tiers; the last writes at half its read rate.", "four", "inclusive", 3, 5, weights=3),
    Tiny("four-exclusive", "Four tiers, one copy, births and deaths.", "four", "exclusive", 4, 5, deaths=True),
    Tiny("four-free", "Four tiers, any copies.", "four", "free", 3, 4, weights=3),
)


def make_tiny(folder: Path) -> None:
    """``tiny/``: a TOML, an NPZ and, where the start is a file, that file."""
    for tiny in TINY:
        trace = tiny.trace()
        save_trace(trace, folder / f"{tiny.name}.npz")
        if tiny.initial == "file":
            save_initial(tiny.start(trace), folder / f"{tiny.name}-start.npz")
        write_text_atomic(folder / f"{tiny.name}.toml", tiny.toml())
