"""Public reports of what offloaded weights and KV take, beside the time that no system on such a path can beat."""

from __future__ import annotations

from typing import Any

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.play import run
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published
from placement_opt.base.units import parse_size


def compute() -> Outcome:
    """Each report's bytes over its path."""
    figures, measured = [], []
    for report in published("offload")["report"]:
        one = Figure(report["name"], "s", _seconds(report), report["seconds"])
        figures += [one, Figure(report["name"], "over", f"{report['path']}, {report['rate']} ({report['rate_is']})")]
        measured += [one] if report["rate_is"] == "measured" else []
    return Outcome(figures, {**errors(figures), **errors(measured, "those with a measured rate")})


def _seconds(report: dict[str, Any]) -> float:
    """Read over a drive's or a link's rate; nothing else of the preset is as slow."""
    drive = "SSD" in report["path"]
    place = "nvme" if drive else "dram"
    rates = {"nvme.read_rate": report["rate"]} if drive else {"pcie.up.rate": report["rate"]}
    trace = po.Trace.from_reads([[0]], sizes=parse_size(report["bytes"]))
    return run({"preset": "nvme4", **rates}, trace, kv=place).latency_s


TABLES = (
    Table(
        name="offload",
        title="Public reports of the time that offloaded weights or KV take",
        unit="s",
        data=("offload",),
        how="the bytes of the report read over the preset nvme4 with the report's rate",
        compute=compute,
        targets=(Target("worst error of those with a measured rate", "at most", 0.05),),
        assumes=("moving bytes alone takes time: computing, protocol and what is not overlapped are in the reports alone",),
        quick=True,
    ),
)
