"""Write the README's worked example from recorded values: ``python -m instances.example [--check]``."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from placement_opt.answer.verdict import Interval, judge
from placement_opt.base.atomic import write_text_atomic
from placement_opt.report.numbers import percent
from placement_opt.study.record import Record, best_path, read_record

ROOT = Path(__file__).resolve().parent
README = ROOT.parent / "README.md"
BEGIN, END = "<!-- worked example: begin -->", "<!-- worked example: end -->"
#: HBM of the paper's machine -> the instance.
CASES = {
    "18 GiB": ROOT / "seed" / "nvlink4-18gib-drift10.toml",
    "25 GiB": ROOT / "seed" / "nvlink4-25gib-drift10.toml",
}


_TEXT = """\
The setting of arXiv 2508.13231: an 8B model on a GH200, 40 % of the KV cache read at each step, a tenth of that changing per
step; LPDDR behind the link holds everything, HBM of 18 or 25 GiB holds 15 GiB of weights and what a policy puts beside them.
Scaled down to 2 of 32 layers and 40 decoded tokens (`instances/seed`); milliseconds for all of them:

{table}

* At 18 GiB the roofline promises {roofline} ms, and no policy whatsoever gets below {low} ms: {unavoidable} of that is
  the price of too little room and of moving data, not of a policy. No roofline and no best-known schedule can tell that.
* At 25 GiB the bound is {ratio:.1f} times lower. That is what 7 GiB of HBM are worth to a policy that uses them:
  `lru` saves {lru_saves}, `static` only {static_saves}.
* At 25 GiB the optimum is known to {known}. `static` is {static_over:.1f} times that, its own fault; `lru` is at most
  {lru_over} above it: nothing cleverer can save more than {worth}, and that is what `capacity` says.

    placement-opt compare {files} --schedulers all
"""


def example(records: dict[str, Record]) -> str:
    """The Markdown between the markers: a table of bounds and schedulers at two sizes of HBM, and what it says."""
    small, large = records.values()
    low, high = _bound(small), _bound(large)
    static, lru = _latency(large, "static"), _latency(large, "lru")
    return _TEXT.format(
        table=_table(records),
        roofline=_ms(small.bounds["roofline"]),
        low=_ms(low),
        unavoidable=percent(1 - small.bounds["roofline"] / low),
        ratio=low / high,
        lru_saves=percent(1 - lru / _latency(small, "lru")),
        static_saves=percent(1 - static / _latency(small, "static")),
        static_over=static / high,
        lru_over=percent(lru / high - 1),
        worth=percent(1 - high / lru),
        known=percent(large.gap),
        files=" ".join(str(path.relative_to(README.parent)) for path in CASES.values()),
    )


def _table(records: dict[str, Record]) -> str:
    columns = [_column(record) for record in records.values()]
    names = ["roofline", "**proven bound**", *(f"`{name}`" for name in next(iter(records.values())).schedulers)]
    titles = " | ".join(f"HBM {name} | gap | verdict" for name in records)
    head = [f"| | {titles} |", "|---" + "|---:|---:|---" * len(records) + "|"]
    rows = (f"| {name} | " + " | ".join(cells) + " |" for name, *cells in zip(names, *columns, strict=True))
    return "\n".join([*head, *rows])


def _column(record: Record) -> list[str]:
    """The cells of each line for one instance: milliseconds, gap and verdict."""
    bound, best, roofline = _bound(record), record.best_schedule, record.bounds["roofline"]
    interval = Interval(bound, math.inf if best is None else best[1])

    def cells(latency: float | None) -> str:
        if latency is None:
            return "- | - | -"
        return f"{_ms(latency)} | {percent(latency / bound - 1)} | {judge(latency, interval, roofline).verdict}"

    return [f"{_ms(roofline)} | | ", f"{_ms(bound)} | | ", *map(cells, record.schedules.values())]


def current() -> str:
    """The README with the example made anew."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = example({name: read_record(best_path(path)) for name, path in CASES.items()})
    return f"{before}{BEGIN}\n{made}{END}{after}"


def _bound(record: Record) -> float:
    best = record.best_bound
    if best is None:
        raise ValueError(f"{record.instance} has no bound")
    return best[1]


def _latency(record: Record, scheduler: str) -> float:
    latency = record.schedules[scheduler]
    if latency is None:
        raise ValueError(f"{record.instance} has no latency of {scheduler}")
    return latency


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the README; with ``--check`` only compare, exit code 1 where it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m instances.example", description="Make the README's worked example.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the README is out of date")
    options = parser.parse_args(arguments)
    text = current()
    if options.check:
        return 0 if text == README.read_text(encoding="utf-8") else 1
    write_text_atomic(README, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
