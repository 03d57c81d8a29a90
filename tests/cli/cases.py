"""Instance files for the tests of the command line, compare and regress."""

from __future__ import annotations

from pathlib import Path

from placement_opt.workload.files.npz import save_trace
from tests.small import fetch_ahead

MEMORY = """\
schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "10 B"
rate = "4900 B/s"
at = "gpu"
[tiers.lpddr]
capacity = "1 GB"
rate = "500 B/s"
at = "cpu"
[links.c2c]
from = "cpu"
to = "gpu"
up.rate = "450 B/s"
down.rate = "450 B/s"
"""
AHEAD = """\
schema = 1
name = "fetch-ahead"
[memory]
file = "two.memory.toml"
[llm]
weight_bytes = "10 B"
[trace]
file = "ahead.npz"
"""
DRIFT = """\
schema = 1
name = "drift"
[memory]
preset = "gh200"
hbm.capacity = "2 MiB"
[llm]
layers = 2
kv_bytes = "16 KiB"
[trace]
synth = "drift"
layers = 2
prefill = 60
tokens = 12
drift = 0.1
seed = 1
"""


def write_ahead(folder: Path) -> Path:
    """The instance of problem statement section 7 where fetching ahead pays, as files."""
    (folder / "two.memory.toml").write_text(MEMORY)
    (folder / "ahead.toml").write_text(AHEAD)
    save_trace(fetch_ahead().trace, folder / "ahead.npz")
    return folder / "ahead.toml"


def write_drift(folder: Path) -> Path:
    """A small drifting trace on GH200 with too little room."""
    (folder / "drift.toml").write_text(DRIFT)
    return folder / "drift.toml"
