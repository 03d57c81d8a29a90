"""Inputs that several cases share: drifting traces on GH200, scaled from arXiv 2508.13231, by way of instance files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from placement_opt.instance import Instance
from placement_opt.instancefile import load_instance

_TEMPLATE = """\
schema = 1
name = "{name}"
[memory]
preset = "{preset}"
{memory}
[llm]
{llm}
[trace]
{trace}
[rules]
residency = "inclusive"
initial = "free"
"""


def write_instance(*, name: str, preset: str, memory: str, llm: str, trace: str) -> Instance:
    """The instance of a file with these tables (lines of TOML)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.toml"
        path.write_text(_TEMPLATE.format(name=name, preset=preset, memory=memory, llm=llm, trace=trace), encoding="utf-8")
        return load_instance(path)


def drift_instance(*, layers: int, prefill: int, tokens: int, capacity: float, drift: float, seed: int = 1) -> Instance:
    """A drifting trace on GH200, 40 % of the tokens read at each step; HBM has room for ``capacity`` of all blocks.

    A block is 1 MiB, which stands for 64 tokens of one layer of the paper's 8B model, so that KV and weights (162.9 MB a layer)
    have the paper's proportion.
    """
    room = int(capacity * layers * (prefill + tokens))
    return write_instance(
        name="drift",
        preset="gh200",
        memory=f'hbm.capacity = "{room} MiB"',
        llm=f'layers = {layers}\nkv_bytes = "1 MiB"\nweight_bytes = "162.9 MB"',
        trace=(
            f'synth = "drift"\nseed = {seed}\nlayers = {layers}\nprefill = {prefill}\ntokens = {tokens}\n'
            f"read_share = 0.4\ndrift = {drift}"
        ),
    )
