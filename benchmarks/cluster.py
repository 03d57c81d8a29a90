"""Make ``docs/cluster.md`` from what was measured of passes by layer: ``python -m benchmarks.cluster [--check]``."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases.four_tiers import four_tiers
from benchmarks.cases.scale import drifting
from benchmarks.pages import put
from benchmarks.run import RESULTS
from placement_opt.base.units import format_size

PAGE = Path(__file__).parent.parent / "docs" / "cluster.md"
KINDS = ("runs", "rows")
#: What the plan is for, in how many layers and by how many workers of a core each.
READS, LAYERS, WORKERS = 10**12, (80, 640, 2560), (1, 8, 80, 640)
_BYTES = ("shared", "a task", "a result", "of moves a layer")
_HEAD = """# A question by layer on a cluster

Made by `python -m benchmarks.cluster` from `benchmarks/results/cluster-*.json`; do not edit.

    placement-opt bound INSTANCE --gap 1% --certificate C --schedule S --keep FOLDER --backend dask --dask-address ADDRESS
    placement-opt verify INSTANCE C S --backend dask --dask-address ADDRESS
    placement-opt simulate INSTANCE --scheduler lru --backend dask --dask-address ADDRESS
    placement-opt compare INSTANCE --schedulers lru,belady --backend dask --dask-address ADDRESS
    placement-opt sweep INSTANCE --set hbm.capacity=auto --backend dask --dask-address ADDRESS

A question in runs or layer by layer ([answer.md](answer.md)) is worked on by an existing Dask cluster (ADDRESS is its
scheduler's, such as `tcp://10.0.0.1:8786`), a layer a task. Its workers need this package. Integers and files are those of
one process, byte by byte, however many workers there are and whatever becomes of them.

| what | where it is |
|---|---|
| the trace | drawn by the worker, or read where it lies: a path that workers have, too, or an address in a store, such as \
`s3://bucket/t.runs` ([formats.md](formats.md)). Rows are never sent |
| the question, the prices common to layers | sent once to each worker; one that comes later gets them from another |
| a task, and what comes of it | the number of the layer; a handful of exact numbers |
| the moves of a layer | written by the worker where it has the folder of `--schedule` (or `--keep`), else sent back |
| certificates that are verified | read by the worker where they lie; in runs it must be the same file, by its checksum |

A worker that is lost takes its layer with it: another one does it again. What the cluster gives back four times, and all that
is left when no worker or no scheduler is there any more, is done by the process that asked. A stop request ends the wait;
tasks that run then end when they are done, or at the deadline that was told to them.

`--keep FOLDER` keeps the prices and each layer that is done, with its moves, as it comes: a run that was killed (`kill
-9`) is asked again with the same options and does the missing layers alone. What it finds is what one run would have found. The
folder is of one question, one gap and one release, and can be removed when the answer is there. What it says is
believed; `verify` believes nothing.

## What a pass takes

Eight layers, drift 10 %, 40 % read: seconds of a core in one process, and the bytes that travel (packed as they are sent).

"""
_PLAN = """
## On paper: 1e12 reads

The same shapes, grown until they have 1e12 reads: a layer's time grows with its reads, what workers share with its turns (the
square root of its reads: three times as many tokens decoded, after three times as many before them, read nine times as much).
A pass prices, schedules and certifies every layer once; a worker is one core. These are the measurements multiplied, and no
promise: slower disks and other cores come on top.

"""
_TAIL = """
* More workers than layers wait. Layers are those of all sequences that take turns: 2560 are 80 layers of 32 sequences; a file
  of runs has at most 4096.
* A worker holds one layer, in runs also the prices of all steps (by the figures that `check` goes by): few large layers want
  memory for the layer, many small ones for the prices. What does not fit is asked about in more layers, or in larger pages.
* The prices themselves are raised by the process that asks, on a sample; it goes through no layer but the first.
"""


@dataclass(frozen=True)
class Plan:
    """What a pass over so many reads takes: seconds of a layer and of the pass, bytes sent, reads and turns of a layer."""

    layer_s: float
    pass_s: float
    sent: float
    reads: float
    turns: float


def plan(figures: Mapping[str, Any], reads: float, layers: int, workers: int) -> Plan:
    """From the figures of a case, grown to so many reads in so many layers."""
    each = reads / layers
    turns = float(figures["turns"]) * math.sqrt(each / float(figures["reads a layer"]))
    layer_s = each / float(figures["reads a core second"])
    shared = float(figures["bytes shared"]) * max(1.0, turns / float(figures["turns"]))
    sent = min(workers, layers) * shared + layers * (float(figures["bytes a task"]) + float(figures["bytes a result"]))
    return Plan(layer_s, math.ceil(layers / workers) * layer_s, sent, each, turns)


def load() -> dict[str, dict[str, Any]]:
    """The figures of both kinds."""
    return {kind: json.loads((RESULTS / f"cluster-{kind}.json").read_text(encoding="utf-8"))["figures"] for kind in KINDS}


def render(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page."""
    return "".join([_HEAD, _measured(results), _PLAN, _planned(results), _TAIL])


def _measured(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| figure | in runs, two tiers | in rows, four tiers, pages of 16 |", "|---|---|---|"]
    rounded = ("core seconds a layer", "reads a core second")
    for name in ("layers", "turns", "reads a layer", *rounded, *(f"bytes {what}" for what in _BYTES)):
        values = [results[kind][name] for kind in KINDS]
        lines.append(_line(name, [_rounded(value) if name in rounded else f"{value:,}" for value in values]))
    reads = [results[kind]["reads a layer"] * results[kind]["layers"] for kind in KINDS]
    sent = [plan(results[kind], total, 8, 2).sent for kind, total in zip(KINDS, reads, strict=True)]
    lines.append(_line("reads for each byte sent to two workers", [f"{a / b:,.0f}" for a, b in zip(reads, sent, strict=True)]))
    lines.append(
        _line("same integers and files on two workers", [str(results[kind]["same integers and files"]) for kind in KINDS])
    )
    return "\n".join([*lines, ""])


def _planned(results: Mapping[str, Mapping[str, Any]]) -> str:
    heads = [f"{workers:,} worker{'s' if workers > 1 else ''}" for workers in WORKERS]
    lines = [f"| kind | layers | reads a layer | {' | '.join(heads)} | sent to {WORKERS[-2]} workers | held by a worker |"]
    lines.append("|---" * (len(heads) + 5) + "|")
    for kind in KINDS:
        for layers in LAYERS:
            plans = [plan(results[kind], READS, layers, workers) for workers in WORKERS]
            cells = [f"in {kind}", f"{layers:,}", f"{plans[0].reads:.2g}", *(_time(one.pass_s) for one in plans)]
            held = f"{_held(kind, layers, round(plans[0].turns)) / 2**30:.0f} GiB"
            lines.append("| " + " | ".join([*cells, format_size(round(plans[-2].sent), binary=False), held]) + " |")
    return "\n".join([*lines, ""])


def _rounded(value: float) -> str:
    """To three digits."""
    return f"{float(f'{value:.3g}'):,g}"


def _held(kind: str, layers: int, turns: int) -> int:
    """Bytes that a worker holds, by the figures of the package."""
    if kind == "runs":
        return drifting(layers, 3 * turns, turns, 0.1, 10**15, 1 << 10).memory_needed(1) // 2
    with tempfile.TemporaryDirectory() as folder:
        return four_tiers(Path(folder), layers, "inclusive", 16, "0 B", (16 * turns, turns)).memory_needed(1)


def _time(seconds: float) -> str:
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description="Make docs/cluster.md from the results.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the page is out of date")
    options = parser.parse_args(arguments)
    return put(PAGE, render(load()), check=options.check)


if __name__ == "__main__":
    sys.exit(main())
