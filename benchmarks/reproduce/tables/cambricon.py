"""Cambricon-LLM (arXiv 2409.15654): weights multiplied in flash, or streamed in the gaps of the channels."""

from __future__ import annotations

from functools import cache

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.play import decoding, run, served
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published

_PLATFORMS = ("s", "m", "l")
_CONTEXT = 1000


@cache
def _token(model: str, platform: str, precision: str) -> po.Run:
    """One token; the KV of some models is more than the capacity that the preset assumes."""
    trace = decoding(model, _CONTEXT, precision=precision, steps="sequential")
    return run({"preset": f"cambricon-{platform}", "dram.capacity": "unlimited"}, trace, weights="flash", kv="dram")


def throughput() -> Outcome:
    """Tokens a second of 7 models on 3 platforms, with KV of two bytes a number and of one."""
    figures: list[Figure] = []
    summary: dict[str, float] = {}
    for precision in ("w8a16", "w8a8"):
        made = [
            Figure(model, f"{platform.upper()}, {precision}", 1 / _token(model, platform, precision).latency_s, value)
            for model, values in published("cambricon")["throughput"].items()
            for platform, value in zip(_PLATFORMS, values, strict=True)
        ]
        figures += made
        summary |= errors(made, precision)
    return Outcome(figures, summary)


def split() -> Outcome:
    """The share of weights that is multiplied in flash, of the same runs."""
    figures = []
    for platform, share in zip(_PLATFORMS, published("cambricon")["split"]["multiplied_in_flash"], strict=True):
        by = served(_token("opt-6.7b", platform, "w8a16"))
        figures.append(
            Figure(
                platform.upper(), "multiplied in flash", by["multiply flash"] / (by["multiply flash"] + by["read flash"]), share
            )
        )
    return Outcome(figures, errors(figures))


TABLES = (
    Table(
        name="cambricon-throughput",
        title="Tokens a second of Cambricon-LLM S, M and L",
        unit="tokens/s",
        data=("cambricon",),
        how="the presets, one token decoded, weights in flash, KV in DRAM, each step's weights split by the simulator",
        compute=throughput,
        targets=(Target("mean error of w8a16", "at most", 0.15),),
        assumes=(
            f"{_CONTEXT:,} tokens in memory (not stated)",
            "KV of two bytes a number (not stated; with one byte a number the columns w8a8)",
            "DRAM as large as the KV needs",
            "no calibration: the rates follow from tiles, cores and channels",
        ),
    ),
    Table(
        name="cambricon-split",
        title="The balanced split of Cambricon-LLM between multiplying in flash and streaming",
        unit="of the bytes of weights",
        data=("cambricon",),
        how="what serves the weights in the runs of cambricon-throughput, by the linear program that also gives links-alpha",
        compute=split,
        targets=(Target("worst error", "at most", 0.01),),
        quick=True,
    ),
)
