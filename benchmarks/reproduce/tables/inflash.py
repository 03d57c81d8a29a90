"""Lincoln (HPCA 2025) and AiF (ISCA 2025): weights multiplied in flash, KV in DRAM."""

from __future__ import annotations

from benchmarks.reproduce.play import decoding, run
from benchmarks.reproduce.table import Figure, Outcome, Table, errors, published

_CONTEXT = 1024
_SPECULATED = 7


def lincoln() -> Outcome:
    """Seconds of one pass over a model; published are seconds a token, of which a pass accepts an unknown number up to 7."""
    figures = []
    for model, values in published("inflash")["lincoln"]["seconds_per_token"].items():
        for packages, value in zip((2, 4), values, strict=True):
            trace = decoding(model, _CONTEXT, precision="fp16", steps="sequential")
            seconds = run(f"lincoln-{packages}", trace, weights="flash", kv="dram").latency_s
            row = f"{model}, {packages} packages"
            figures.append(Figure(row, "a pass", seconds))
            figures.append(Figure(row, "a token, all 7 accepted", seconds / _SPECULATED, value))
            figures.append(Figure(row, "accepted tokens that the published time implies", seconds / value))
    return Outcome(figures, errors(figures))


def aif() -> Outcome:
    """Tokens a second in flash, and of all in the host's memory."""
    said, figures = published("inflash")["aif"], []
    for key, column, weights in (("tokens_per_s", "in flash", "flash"), ("in_memory_tokens_per_s", "all in DDR5", "dram")):
        for model, value in said[key].items():
            trace = decoding(model, _CONTEXT, precision="w8a8", steps="sequential")
            seconds = run({"preset": "aif", "dram.capacity": "unlimited"}, trace, weights=weights, kv="dram").latency_s
            figures.append(Figure(model, column, 1 / seconds, value))
    return Outcome(figures, errors(figures))


TABLES = (
    Table(
        name="lincoln",
        title="Seconds a token of Lincoln",
        unit="s",
        data=("inflash", "lincoln"),
        how="the presets, one pass over FP16 weights in flash and KV in DRAM",
        compute=lincoln,
        assumes=(
            f"{_CONTEXT:,} tokens in memory (not stated)",
            "every speculated token accepted (how many are is not stated): ours is what no acceptance can beat",
            "checking 7 tokens at once takes no longer than one",
        ),
        quick=True,
    ),
    Table(
        name="aif",
        title="Tokens a second of AiF and of the host's memory alone",
        unit="tokens/s",
        data=("inflash", "aif"),
        how="the preset, one token decoded, weights in flash (or in DDR5), KV in DDR5",
        compute=aif,
        assumes=("weights and KV of one byte a number (not stated)", f"{_CONTEXT:,} tokens in memory (not stated)"),
        quick=True,
    ),
)
