"""The share of reads that the fast memory serves beside a slower one with a copy of everything: alpha of arXiv 2508.13231.

The same split that balances computing in flash against streaming (:mod:`benchmarks.reproduce.tables.cambricon`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.play import served
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published


def compute() -> Outcome:
    """One step whose blocks lie in both tiers: how its reads are split so that it takes least time."""
    figures = []
    for preset, alpha in published("links")["alpha"].items():
        trace = po.Trace.from_reads([range(64)], sizes=2**20)
        instance = po.build_instance(preset, trace, rules={"residency": "free"})
        by = served(po.simulate(instance, _Everywhere(), per_step=True))
        figures.append(Figure(preset, "alpha", by["read hbm"] / sum(by.values()), alpha))
    return Outcome(figures, errors(figures))


class _Everywhere:
    """Every block in every tier."""

    name, online, source = "everywhere", True, "arXiv 2508.13231: an inclusive memory with room for all"

    def start(self, setting: po.Setting, _: object) -> npt.NDArray[np.bool_]:
        return np.ones((len(setting.capacity), len(setting.size)), dtype=np.bool_)

    def step(self, _: po.View) -> po.Moves:
        return po.Moves()


TABLES = (
    Table(
        name="links-alpha",
        title="The share of reads that HBM serves beside LPDDR5X over three links",
        unit="of all bytes read",
        data=("links",),
        how="the presets, one step that reads blocks which lie in both tiers, split by the simulator's linear program",
        compute=compute,
        targets=(Target("worst error", "at most", 0.001),),
        quick=True,
    ),
)
