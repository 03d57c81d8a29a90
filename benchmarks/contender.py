"""How near the bound the contender comes, and how other online rules do: ``python -m benchmarks.contender``.

Plays all with ``--run`` and writes ``results/contender/contender.json``; the table in ``docs/contender.md`` is made from that
alone, between two marks, and only compared with ``--check``. All is generated from seeds but for the real logs: they are played
where they lie beside the checkout, and else kept as they were recorded. Nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import A100, MOONCAKE, mooncake_instance, write_instance
from benchmarks.laws import laws
from benchmarks.pages import put
from benchmarks.run import RESULTS
from placement_opt.base.atomic import write_text_atomic
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats import READERS
from placement_opt.workload.synth import GENERATORS
from tests.schedulers.cases import drift
from tests.small import make_instance, two_tier

RIVALS = ("lru", "lfu", "arc", "s3-fifo", "sieve")
POLICIES = ("contender", *RIVALS)
FILE = RESULTS / "contender" / "contender.json"
PAGE = Path(__file__).parents[1] / "docs" / "contender.md"
#: What the table stands between on the page.
MARKS = ("<!-- made by python -m benchmarks.contender; do not edit -->\n", "<!-- end -->\n")
AGENTIC = "../shared/data/agentic"
INSTANCES = Path(__file__).parents[1] / "instances"
#: Capacity, drift and proven bound of three drifting traces (docs/contender.md).
DRIFTS = ((0.3, 0.1, 35.911), (0.45, 0.1, 26.348), (0.3, 0.3, 47.087))
#: Generated: name, generator, parameters, part of the bytes that the fast tier holds.
OTHERS: tuple[tuple[str, str, dict[str, Any], float], ...] = (
    ("zipf", "zipf", {}, 0.2),
    ("moe", "moe", {}, 0.3),
    ("requests", "requests", {"requests": 200}, 0.2),
    ("chat", "chat", {}, 0.2),
    ("rag", "rag", {}, 0.2),
    ("needle", "needle", {}, 0.3),
    ("embedding", "embedding", {}, 0.2),
    ("segments", "segments", {}, 0.3),
)


def drifting(capacity: float, share: float) -> Instance:
    """600 tokens in 4 layers, of which 40 % are read."""
    return drift(capacity, seed=424242, layers=4, prefill=500, tokens=100, read_share=0.4, drift=share)


def cases() -> Iterator[tuple[str, Instance, float | None]]:
    """Name, instance, and bound where one is known."""
    for capacity, share, bound in DRIFTS:
        yield f"drift {share:.0%} in {capacity:.0%}", drifting(capacity, share), bound
    for capacity, share, bound in DRIFTS:  # less than is needed from a free start is not enough from any
        yield f"drift {share:.0%} in {capacity:.0%}, cold", cold(drifting(capacity, share)), bound
    for folder in ("requests", "tiers3", "seed"):
        for path in sorted((INSTANCES / folder).glob("*.toml")):
            best = json.loads(path.with_suffix(".best.json").read_text(encoding="utf-8"))["best"]
            yield f"{folder}/{path.stem}", load_instance(path), best["bound_s"]
    for name, instance in laws():
        yield f"law {name}", instance, None
    yield from logs()
    for name, generator, parameters, part in OTHERS:
        settings, generate = GENERATORS[generator]
        trace = replace(generate(settings(**parameters), np.random.default_rng(7)), size_unit="bytes")
        room = max(int(part * trace.sizes.sum()), int(trace.sizes.max()))
        yield f"generated {name}", make_instance(two_tier(hbm=room, lpddr=2**50), trace, residency="free"), None


def cold(instance: Instance) -> Instance:
    """The same with nothing in the fast tier at first."""
    initial = np.zeros((instance.num_tiers, instance.num_blocks), dtype=np.bool_)
    initial[instance.home] = instance.first_state == 0
    return replace(instance, initial=initial)


def logs() -> Iterator[tuple[str, Instance, float | None]]:
    """Requests of Mooncake's conversation log and of agents' sessions, under two rules, where they are beside the checkout."""
    root = Path(__file__).resolve().parents[1]
    if (root / MOONCAKE).exists():
        rooms = 'hbm.capacity = "40 GiB"\ndram.capacity = "200 GiB"'
        yield "log mooncake 800, free", mooncake_instance(800, memory=rooms, residency="free"), None
        drives = f'{rooms}\nnvme.capacity = "400 GiB"'
        yield "log mooncake 800, cache", mooncake_instance(800, memory=drives, residency="cache", outside=A100), None
    for path in sorted((root / AGENTIC).glob("*.json")):
        for residency, drives in (("free", ""), ("cache", 'nvme.capacity = "8 GiB"')):
            yield f"log agent {path.stem[-4:]}, {residency}", agent(path, residency, drives), None


def agent(path: Path, residency: str, drives: str) -> Instance:
    """An agent's session, with less room than its context takes."""
    trace = READERS["agentic"](path)
    with tempfile.TemporaryDirectory() as folder:
        save_trace(trace, Path(folder) / "trace.npz")
        return write_instance(
            name="agent",
            preset="nvme4",
            memory=f'hbm.capacity = "3 GiB"\ndram.capacity = "4 GiB"\n{drives}',
            residency=residency,
            llm='layers = 32\nkv_bytes = "4 KiB"',
            trace=f'file = "{folder}/trace.npz"',
            outside=A100 if residency == "cache" else "",
        )


def unforeseen(capacity: float, share: float) -> float:
    """Seconds that no rule beats on the average that holds any one unread token no more likely than another to be read next.

    All that the step before read and the next reads again is held, at no price for writes. The rest of the room holds tokens
    that were not read just now, each of which is read next with the chance of any; when one is, another takes its place that
    was read and will not be read at the next step, and that can be a hit from the step after that on only: none but what is
    read is at the processor, and a copy takes the link as long as the one read that it saves. Time is convex in hits, so that
    the time of the expected hits is at most the expected time.
    """
    instance = drifting(capacity, share)
    trace, total = instance.trace, 0.0
    room = int(instance.capacity[0]) // 4
    before: dict[int, set[int]] = {}
    idle: dict[int, float] = {}
    for step in range(trace.num_steps):
        layer, reads = step % 4, set(trace.blocks[trace.indptr[step] : trace.indptr[step + 1]].tolist())
        hits, waiting = float(min(room, len(reads))), float(max(0, room - len(reads)))
        if layer in before:
            stay = min(room, len(reads & before[layer]))
            others = 500 + step // 4 - len(before[layer])
            chance = min(1.0, (len(reads) - len(reads & before[layer])) / others)
            held = min(room - stay, idle[layer])
            hits = stay + held * chance
            waiting = room - stay - held * chance
        before[layer], idle[layer] = reads, waiting
        fast = min(hits, (len(reads) * 4900 - 133 * 450) / 5350)
        total += max((133 + fast) / 4900, (len(reads) - fast) / 450)
    return total


def measure() -> dict[str, Any]:
    """Latencies by case and policy, bounds, and what cannot be foreseen."""
    rows = []
    for name, instance, bound in cases():
        taken = {policy: simulate(instance, make_scheduler(policy)).latency_s for policy in POLICIES}
        rows.append({"case": name, "bound_s": bound, "latency_s": taken})
        print(name, {policy: round(s / taken["contender"], 4) for policy, s in taken.items()}, flush=True)
    capacity, share, _ = DRIFTS[2]
    return {"rows": rows, "unforeseen_s": unforeseen(capacity, share)}


def table(result: dict[str, Any]) -> str:
    """Markdown: what the contender takes above the bound, and what others take for each second of it."""
    head = ["case", "above the bound", *RIVALS, "best of these"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in result["rows"]:
        taken, bound = row["latency_s"], row["bound_s"]
        above = "-" if bound is None else f"{100 * (taken['contender'] / bound - 1):.2f} %"
        ratios = [taken[p] / taken["contender"] for p in RIVALS]
        lines.append(f"| {row['case']} | {above} | " + " | ".join(f"{one:.3f}" for one in (*ratios, min(ratios))) + " |")
    for kind in ("", "drift", "requests", "tiers3", "seed", "law", "log", "generated"):
        rows = [row["latency_s"] for row in result["rows"] if row["case"].startswith(kind)]
        logs = [[np.log(taken[p] / taken["contender"]) for p in RIVALS] for taken in rows]
        means = np.exp([*np.mean(logs, axis=0), np.mean(np.min(logs, axis=1))])
        lines.append(f"| mean of {kind or 'all'} | | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    floor = result["unforeseen_s"] / DRIFTS[2][2] - 1
    return "\n".join([*lines, "", f"Unforeseeable on the third case: {100 * floor:.2f} % above the bound.", ""])


def render(page: str, result: dict[str, Any]) -> str:
    """The page with the table of these results between its marks."""
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}{table(result)}{MARKS[1]}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page's table, after playing all with ``--run``; with ``--check`` only compare, exit code 1 where it is old."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.contender", description="Make the table of docs/contender.md.")
    parser.add_argument("--run", action="store_true", help="play all first, and write the results")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the page is out of date")
    options = parser.parse_args(arguments)
    if options.run:
        FILE.parent.mkdir(exist_ok=True)
        result = measure()
        played = {row["case"] for row in result["rows"]}
        before = json.loads(FILE.read_text(encoding="utf-8"))["rows"] if FILE.exists() else []
        result["rows"] += [row for row in before if row["case"].startswith("log ") and row["case"] not in played]
        write_text_atomic(FILE, json.dumps(result, indent=1) + "\n")
    text = render(PAGE.read_text(encoding="utf-8"), json.loads(FILE.read_text(encoding="utf-8")))
    return put(PAGE, text, check=options.check)


if __name__ == "__main__":
    sys.exit(main())
