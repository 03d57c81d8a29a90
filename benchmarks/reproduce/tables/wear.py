"""How long flash lasts under KV that is written once, and what 5 years of decoding write."""

from __future__ import annotations

from typing import Any

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.play import decoding
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published

_DAY = 86400
_YEAR = 365 * _DAY


def _decode(model: str, tokens_per_s: int, memory: dict[str, Any]) -> po.Run:
    """Decoding at a pace: no step is shorter than its part of a token, and every new block is written to the drive."""
    trace = decoding(model, 16, tokens=4, weights="none")
    floor = f"{1e9 * 4 / tokens_per_s / trace.num_steps:.6f} ns"
    preset = {"preset": "nvme4", "dram.capacity": "0 B", **memory}
    rules = {"residency": "inclusive", "home": "nvme", "floor": floor}
    return po.simulate(po.build_instance(preset, trace, rules=rules), po.make_scheduler("static"))


def lifetime() -> Outcome:
    """Of one model's KV on a drive of one size, at two endurances."""
    said, figures = published("wear")["lifetime"], []
    for column, unit in (("days", _DAY), ("years", _YEAR)):
        for endurance, value in said[column].items():
            memory = {"nvme.capacity": said["capacity"], "nvme.endurance": endurance}
            seconds = _decode(said["model"], said["tokens_per_s"], memory).consumption.tiers[2].lifetime_s
            assert seconds is not None
            figures.append(Figure(endurance, column, seconds / unit, value))
    return Outcome(figures, errors(figures))


def written() -> Outcome:
    """Terabytes and cycles of 5 years, by the lifetime of the paper's 8 dies."""
    said, figures = published("wear")["written"], []
    for key in ("grouped_query", "multi_head"):
        one = said[key]
        capacity = po.preset("kvnand-c8").tiers[0].capacity
        memory = {"nvme.capacity": f"{capacity} B", "nvme.endurance": "100000 cycles"}
        drive = _decode(one["model"], said["tokens_per_s"], memory).consumption.tiers[2]
        assert drive.lifetime_s is not None
        row = f"{one['model']}, {key.replace('_', '-')}"
        figures.append(Figure(row, "TB in 5 years", drive.bytes_per_day * said["years"] * 365 / 1e12, one["terabytes"]))
        cycles = 100_000 * said["years"] * _YEAR / drive.lifetime_s
        figures.append(Figure(row, "cycles of 8 dies", cycles, one["cycles"]))
    return Outcome(figures, errors(figures))


TABLES = (
    Table(
        name="wear-lifetime",
        title="How long 64 GB of flash last under the KV of LLaMA 2 7B at 30 tokens a second",
        unit="of time",
        data=("wear", "lifetime"),
        how="tokens decoded at that pace, each block of KV written through to the drive, the lifetime that the run reports",
        compute=lifetime,
        targets=(Target("worst error", "at most", 0.01),),
        assumes=("a year has 365 days", "each byte is programmed once for each byte written"),
        quick=True,
    ),
    Table(
        name="wear-written",
        title="What a 65B model writes in 5 years at 3 tokens a second on 8 dies of KVNAND",
        unit="TB, and program cycles",
        data=("wear", "written"),
        how="as wear-lifetime, with the capacity of the preset's dies",
        compute=written,
        assumes=(
            "the 143 TB are of a model with grouped queries (they are 0.3 MB a token), taken for the shape of LLaMA 2 70B",
            "KV of two bytes a number; a year has 365 days",
        ),
        quick=True,
    ),
)
