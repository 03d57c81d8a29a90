"""High Bandwidth Flash under the assumptions of three papers, each with the preset and what the paper gives of the flash."""

from __future__ import annotations

from typing import Any

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.play import run
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published
from placement_opt.base.units import parse_duration, parse_rate, parse_size

_DAY = 86400
_PLANES = 16


def _flash(said: dict[str, Any], **more: str) -> dict[str, str]:
    """The preset with the paper's pages and times, behind a link as fast as the paper's flash."""
    link = {f"ucie.{way}.rate": said["bandwidth"] for way in ("up", "down")}
    return {"preset": "hbf-g1", "hbf.page": said["page"], "hbf.read_time": said["read_time"], **link, **more}


def latency_buffer() -> Outcome:
    """A page of every plane takes a read time; as much is on its way while as much is consumed."""
    said = published("hbf")["latency_buffer"]
    trace = po.Trace.from_reads([range(_PLANES)] * 2, sizes=parse_size(said["page"]))
    read = run(_flash(said, **{"hbf.program_time": "100 us"}), trace, kv="hbf")
    figures = [
        Figure("two read times", "s", read.latency_s, 2 * float(parse_duration(said["read_time"]))),
        Figure("read in them", "bytes", read.read_bytes, parse_size(said["buffer"])),
    ]
    return Outcome(figures, errors(figures))


def writing() -> Outcome:
    """Blocks that are produced and must be written: at what rate, and how long the flash lasts if that goes on."""
    said = published("hbf")["writing"]
    page, born = parse_size(said["page"]), 10 * _PLANES
    trace = po.Trace.from_reads([range(born + 1)[:1]], births=[-1, *[0] * born], sizes=page)
    memory = _flash(said, **{f"hbf.{key}": said[key] for key in ("program_time", "endurance", "capacity")})
    wrote = run(memory, trace, kv="hbf")
    lifetime = wrote.consumption.lifetime_s
    assert lifetime is not None
    figures = [
        Figure(
            "written without pause",
            "GB/s",
            wrote.stored_bytes.sum() / wrote.latency_s / 1e9,
            parse_rate(said["write_rate"]) / 1e9,
        ),
        Figure("until worn out", "days", lifetime / _DAY, said["days"]),
    ]
    return Outcome(figures, errors(figures))


def sessions() -> Outcome:
    """How many sessions' KV there is room for beside the weights."""
    said = published("hbf")["sessions"]
    figures = []
    for row, flash, value in (("HBM", said["session"], said["in_hbm"]), ("HBM and flash", said["flash"], said["with_flash"])):
        memory = {"preset": "gh200", "hbm.capacity": said["hbm"], "lpddr.capacity": flash}
        trace = po.Trace.from_reads([[0]], sizes=parse_size(said["session"]))
        llm = {"weight_resident": said["weights"], "weight_bytes": "1 MB", "kv_bytes": "1 KiB", "layers": 1}
        instance = po.build_instance(memory, trace, llm=llm, rules={"residency": "free"})
        room = instance.capacity[0] if row == "HBM" else instance.capacity.sum()
        figures.append(Figure(row, "sessions", float(room / instance.size[0]), value))
    return Outcome(figures, errors(figures))


TABLES = (
    Table(
        name="hbf-buffer",
        title="The buffer that hides the latency of flash",
        unit="which holds the data of two read times",
        data=("hbf", "latency_buffer"),
        how="the preset with the paper's times and bandwidth, two steps that each read a page of every plane",
        compute=latency_buffer,
        targets=(Target("worst error", "at most", 0.001),),
        quick=True,
    ),
    Table(
        name="hbf-writing",
        title="Writing to flash without pause",
        unit="of rate and of time",
        data=("hbf", "writing"),
        how="the preset with the paper's times, bandwidth and endurance, blocks written, the lifetime that the run reports",
        compute=writing,
        targets=(Target("worst error", "at most", 0.005),),
        assumes=("512 GB, each byte programmed once for each byte written",),
        quick=True,
    ),
    Table(
        name="hbf-sessions",
        title="Sessions whose KV finds room",
        unit="sessions",
        data=("hbf", "sessions"),
        how="the capacities of an instance with the paper's tiers and weights, over the size of a block",
        compute=sessions,
        targets=(Target("worst error", "at most", 0.005),),
        assumes=("six stacks of 512 GiB, from the number of sessions",),
        quick=True,
    ),
)
