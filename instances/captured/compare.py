"""The tables of ``docs/capture.md``: ``python -m instances.captured.compare [--measure] [--check]``.

Learnt attention beside that of the same model before it learnt anything and beside the generator ``drift`` at the same sizes,
shares and mean drift. What traces are like is computed whenever the page is made; bounds and schedulers, which take minutes,
with ``--measure`` alone, and stand in ``compare.json``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import placement_opt as po
from instances.captured.character import NEWEST, Character, character, layer_of
from placement_opt.base.atomic import scratch_folder, write_text_atomic
from placement_opt.report.numbers import percent
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.formats.records import read_records
from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent.parent / "docs" / "capture.md"
MEASURED = FOLDER / "compare.json"
LEARNT, UNTRAINED = FOLDER / "learnt.selections.jsonl.gz", FOLDER / "untrained.selections.jsonl.gz"
BEGIN, END = "<!-- made by instances.captured.compare: begin -->\n", "<!-- made by instances.captured.compare: end -->\n"
#: Decoded tokens, the first ones, that bounds and schedulers are computed for; what the fast tier holds: two and four times
#: what all layers read at a token (4 x 64 tokens of 4 KiB).
TOKENS, CAPACITIES = 64, ("2 MiB", "4 MiB")
SCHEDULERS = ("static", "lru", "belady")
_INSTANCE = """\
schema = 1
name = "compared"
[memory]
preset = "gh200"
hbm.capacity = "{capacity}"
[llm]
kv_bytes = "4 KiB"
[trace]
file = "compared.npz"
[rules]
residency = "inclusive"
initial = "free"
page_tokens = 1
"""


def traces() -> dict[str, Trace]:
    """By their names in the tables; the generator's have as many layers, tokens and reads, and swap as much, as the learnt."""
    learnt = read_any(LEARNT)
    untrained = read_any(UNTRAINED)
    return {"learnt": learnt, "untrained": untrained} | {
        f"drift, {leave} leave": drifting(learnt, leave) for leave in ("oldest", "random")
    }


def drifting(like: Trace, leave: str) -> Trace:
    """A trace of the generator ``drift`` at the sizes of another one and at its mean drift."""
    assert like.step_token is not None
    layers = int(like.step_layer.max()) + 1 if like.step_layer is not None else 1
    first, last = int(like.step_token[0]), int(like.step_token[-1])
    share = round(like.num_reads / like.num_steps / ((first + last) / 2), 6)
    swapped = round(1 - character(like).kept, 3)
    parameters: dict[str, Any] = {"layers": layers, "prefill": first, "tokens": last - first + 1, "read_share": share}
    parameters |= {"drift": swapped}
    return synthesize("drift", parameters | {"leave": leave}, seed=1)


def masses(path: Path) -> dict[int, float]:
    """The share of its attention that each layer's tokens have, on the average of its rows."""
    found: dict[int, list[int]] = {}
    for _, row in read_records(path):
        found.setdefault(row["layer_id"], []).append(sum(row["selected_weight_ppm"]))
    return {layer: float(np.mean(values)) / 1e6 for layer, values in sorted(found.items())}


def beginning(trace: Trace, tokens: int) -> Trace:
    """The first decoded tokens of a trace, of blocks that exist by then."""
    assert trace.step_layer is not None
    steps = tokens * (int(trace.step_layer.max()) + 1)
    end = int(trace.indptr[steps])
    held = trace.birth < steps
    number = np.cumsum(held) - 1
    labels = {name: value[:steps] for name in ("step_token", "step_layer") if (value := getattr(trace, name)) is not None}
    labels |= {name: value[held] for name in ("block_token", "block_layer") if (value := getattr(trace, name)) is not None}
    return replace(
        trace,
        indptr=trace.indptr[: steps + 1],
        blocks=number[trace.blocks[:end]].astype(np.int32),
        birth=trace.birth[held],
        death=np.minimum(trace.death[held], steps).astype(np.int32),
        **labels,
    )


def question(folder: Path, trace: Trace, capacity: str) -> po.Instance:
    """The instance that is measured: the beginning of a trace before a fast tier of so much; its files are in the folder."""
    po.save_trace(beginning(trace, TOKENS), folder / "compared.npz")
    (folder / "compared.toml").write_text(_INSTANCE.format(capacity=capacity))
    return po.load_instance(folder / "compared.toml")


def measure() -> dict[str, Any]:
    """Bound, roofline and schedulers' times in seconds, by capacity and name of the trace."""
    found: dict[str, Any] = {}
    with scratch_folder() as folder:
        for name, trace in traces().items():
            for capacity in CAPACITIES:
                instance = question(folder, trace, capacity)
                bound = po.bound(instance, "compact").lower_bound_s
                roofline = po.bound(instance, "roofline").lower_bound_s
                times = {one: po.simulate(instance, po.make_scheduler(one)).latency_s for one in SCHEDULERS}
                found.setdefault(capacity, {})[name] = {"roofline": roofline, "bound": bound} | times
                print(capacity, name, found[capacity][name], file=sys.stderr, flush=True)
    return found


def tables(measured: dict[str, Any]) -> str:
    """The Markdown between the markers."""
    given = traces()
    told = {name: character(trace) for name, trace in given.items()}
    parts = [_traces_table(told), _layers_table(given), _bounds_table(measured, list(given))]
    return "\n".join(parts)


def _traces_table(told: dict[str, Character]) -> str:
    def line(title: str, cells: list[str]) -> str:
        return f"| {title} | " + " | ".join(cells) + " |"

    each = list(told.values())
    head = [line("", list(told)), "|---" + "|---:" * len(told) + "|"]
    rows = [
        line("read again at the next token, mean", [percent(one.kept) for one in each]),
        line("and least", [percent(one.kept_least) for one in each]),
        line("turns since it was read before, p50 / p90 / p99", [_three(one.reuse) for one in each]),
        line("blocks an LRU cache needs to hit, p50 / p90 / p99", [_three(one.stack) for one in each]),
        line(f"reads of the newest {NEWEST} tokens", [percent(one.newest) for one in each]),
        line("steps that read token 0", [percent(one.first) for one in each]),
        line("tokens ever read", [percent(one.read) for one in each]),
    ]
    return "\n".join([*head, *rows, ""])


def _layers_table(given: dict[str, Trace]) -> str:
    mass = {"learnt": masses(LEARNT), "untrained": masses(UNTRAINED)}
    head = "| | layer | of its attention | read again | of the newest 64 | turns since, p50 / p90 / p99 | ever read |"
    lines = [head, "|---|---:|---:|---:|---:|---:|---:|"]
    for name in mass:
        for layer, share in mass[name].items():
            one = character(layer_of(given[name], layer))
            cells = [percent(share), percent(one.kept), percent(one.newest), _three(one.reuse), percent(one.read)]
            lines.append(f"| {name} | {layer} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _bounds_table(measured: dict[str, Any], names: list[str]) -> str:
    lines = [
        "| HBM holds | trace | roofline [us] | bound [us] | `belady` | `lru` | `static` |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for capacity, found in measured.items():
        for name, one in ((name, found[name]) for name in names):
            above = [percent(one[scheduler] / one["bound"] - 1) for scheduler in ("belady", "lru", "static")]
            cells = [f"{1e6 * one['roofline']:.2f}", f"{1e6 * one['bound']:.2f}", *above]
            lines.append(f"| {capacity} | {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _three(values: tuple[int, int, int]) -> str:
    return " / ".join(f"{value:,}" for value in values)


def current() -> str:
    """The page with its tables made anew."""
    before, begins, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise ValueError(f"{PAGE} has no place for the tables")
    return f"{before}{BEGIN}\n{tables(json.loads(MEASURED.read_text(encoding='utf-8')))}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the page; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m instances.captured.compare", description="Compare captured traces.")
    parser.add_argument("--measure", action="store_true", help="bounds and schedulers first (minutes), into compare.json")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the page is out of date")
    options = parser.parse_args(arguments)
    if options.measure:
        write_text_atomic(MEASURED, json.dumps(measure(), indent=2, sort_keys=True) + "\n")
    text = current()
    if options.check:
        return 0 if text == PAGE.read_text(encoding="utf-8") else 1
    write_text_atomic(PAGE, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
