"""STARC: what activating whole rows of HBM does to sparse reads, by the page and the pieces of blocks."""

from __future__ import annotations

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.play import run
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published

#: Keys of one head, or its values: 128 numbers of two bytes.
_VECTOR = 256


def compute() -> Outcome:
    """The rows of so many queries that their mean is whole, each holding its share of the tokens that are wanted."""
    said, figures = published("starc"), []
    queries = said["row"]
    for method, covered in said["tokens_in_rows"].items():
        rows = covered * queries // said["row"]
        wanted = said["budget"] * queries
        sizes = [((i + 1) * wanted // rows - i * wanted // rows) * _VECTOR for i in range(rows)]
        trace = po.Trace.from_reads([range(rows)], sizes=sizes)
        pages = ("1 B", f"{said['row'] * _VECTOR} B")
        alone, whole = (run({"preset": "attacc-pim", "hbm.page": page}, trace, kv="hbm").latency_s for page in pages)
        figures.append(Figure(method, "amplification", whole / alone, said["amplification"][method]))
    return Outcome(figures, errors(figures))


TABLES = (
    Table(
        name="starc-amplification",
        title="What is read over what is wanted, 1,024 tokens in rows of 16",
        unit="times",
        data=("starc",),
        how="the preset attending to the wanted tokens where their rows lie, the time with rows as pages over that without",
        compute=compute,
        targets=(Target("worst error", "at most", 0.01),),
        assumes=("how many rows each method touches is theirs: an input",),
        quick=True,
    ),
)
