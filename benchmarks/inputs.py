"""Inputs that several cases share: drifting traces on GH200, scaled from arXiv 2508.13231, by way of instance files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.memory import preset
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats import READERS
from placement_opt.workload.synth import synthesize

_Read = TypeVar("_Read")
_TEMPLATE = """\
schema = 1
name = "{name}"
[memory]
{memory}
[llm]
{llm}
[trace]
{trace}
[rules]
residency = "{residency}"
initial = "free"
{outside}
"""


#: Tiers behind each other, from the fast and small to the slow and large: (name, rate, link to the next, share of the blocks).
_CHAIN = (
    ("hbm", "4900 GB/s", "", 0.2),
    ("lpddr", "500 GB/s", "450 GB/s", 0.15),
    ("cxl", "72 GB/s", "64 GB/s", 0.15),
    ("nvme", "14 GB/s", "16 GB/s", 0.15),
    ("pool", "3 GB/s", "3.1 GB/s", 0.15),
)


def write_instance(**tables: str) -> Instance:
    """The instance of a file with the tables of :func:`read_written`."""
    return read_written(load_instance, **tables)


def read_written(
    read: Callable[[Path], _Read],
    *,
    name: str,
    memory: str,
    llm: str,
    trace: str,
    preset: str = "",
    system: str = "",
    residency: str = "inclusive",
    outside: str = "",
) -> _Read:
    """What ``read`` makes of a file with these tables (lines of TOML); ``system`` is a memory file in place of a preset.

    ``outside``: tables that say where blocks come from that lie in no tier.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.toml"
        (Path(folder) / "system.toml").write_text(system, encoding="utf-8")
        where = f'preset = "{preset}"' if preset else 'file = "system.toml"'
        parts = {"memory": f"{where}\n{memory}", "llm": llm, "trace": trace, "residency": residency, "outside": outside}
        text = _TEMPLATE.format(name=name, **parts)
        path.write_text(text, encoding="utf-8")
        return read(path)


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


def chain_instance(**sizes: Any) -> Instance:
    """The question of :func:`chain` in rows."""
    return chain(load_instance, **sizes)


def chain(
    read: Callable[[Path], _Read],
    *,
    tiers: int,
    layers: int,
    prefill: int,
    tokens: int,
    share: float = 0.4,
    residency: str = "inclusive",
    drift: float = 0.1,
    seed: int = 1,
) -> _Read:
    """A drifting trace on the first ``tiers`` of a chain of memories, a ``share`` read at each step; the last has room for all.

    Blocks as in :func:`drift_instance`.
    """
    blocks = layers * (prefill + tokens)
    lines = ['schema = 1\nname = "chain"\nprocessor = "gpu"']
    for n, (name, rate, link, part) in enumerate(_CHAIN[:tiers]):
        room = blocks if n == tiers - 1 else int(part * blocks)
        at = "gpu" if n == 0 else f"place{n}"
        lines.append(f'[tiers.{name}]\ncapacity = "{room} MiB"\nrate = "{rate}"\nat = "{at}"')
        if n:
            end = "gpu" if n == 1 else f"place{n - 1}"
            rates = f'up.rate = "{link}"\ndown.rate = "{link}"'
            lines.append(f'[links.link{n}]\nfrom = "{at}"\nto = "{end}"\n{rates}')
    return read_written(
        read,
        name="chain",
        memory="",
        system="\n".join(lines),
        residency=residency,
        llm=f'layers = {layers}\nkv_bytes = "1 MiB"\nweight_bytes = "162.9 MB"',
        trace=(
            f'synth = "drift"\nseed = {seed}\nlayers = {layers}\nprefill = {prefill}\ntokens = {tokens}\n'
            f"read_share = {share}\ndrift = {drift}"
        ),
    )


def sized_instance(
    *, layers: int, reads: int, tokens: int, capacity: float, drift: float, read_share: float, seed: int
) -> Instance:
    """A drifting trace on GH200 of about so many reads, blocks of 1 to 4 MiB in steps of 64 KiB, room for a share of them."""
    prefill = max(4, round(reads / (layers * tokens * read_share) - tokens / 2))
    rng = np.random.default_rng(seed)
    shape = {"layers": layers, "prefill": prefill, "tokens": tokens, "read_share": read_share, "drift": drift}
    trace = synthesize("drift", shape, seed)
    size = rng.integers(16, 65, trace.num_blocks) << 16
    memory = preset("gh200")
    room = np.array([size.sum(), size.sum()])
    room[memory.fastest] = int(capacity * size.sum())
    fixed = np.tile(162_900_000 * memory.read[memory.fastest], (trace.num_steps, 1))
    return Instance("unequal", memory, trace, "inclusive", room, size, fixed, np.zeros(trace.num_steps))


#: Where the public log lies, beside the project.
MOONCAKE = "../shared/data/mooncake"


def mooncake_instance(
    requests: int, *, memory: str = "", llm: str = "", residency: str = "inclusive", outside: str = ""
) -> Instance:
    """The first requests of Mooncake's conversation trace (FAST'25) on ``nvme4`` with these capacities, an 8B model.

    ``llm`` and ``outside``: more lines of the model, and tables beside it.
    """
    root = Path(__file__).resolve().parents[1]
    trace = READERS["mooncake"](root / MOONCAKE / "conversation_trace.jsonl", limit=requests)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        save_trace(trace, path)
        return write_instance(
            name="mooncake",
            preset="nvme4",
            memory=memory,
            residency=residency,
            llm=f'layers = 32\nkv_bytes = "4 KiB"\n{llm}',
            trace=f'file = "{path}"',
            outside=outside,
        )


#: What ``trace fit`` makes of the whole log, but for the number of requests and what the generator has by itself.
LIKE_MOONCAKE = {
    "sessions_per_second": 2.19,
    "turns": 1.62,
    "prompt": 4910,
    "prompt_spread": 1.31,
    "question": 223,
    "question_spread": 2.16,
    "answer": 163,
    "answer_spread": 0.0,
    "think": "149 s",
    "think_spread": 0.999,
    "longest": 126975,
}
#: Recomputing on an A100 (312 TFLOP/s of bf16 by its datasheet, half of it reached), 14 GFLOP a token.
A100 = '[recompute]\nflops = "312 TFLOP/s"\nflops_per_token = "14 GFLOP"\nefficiency = 0.5'


def requests_instance(requests: int, *, residency: str) -> Instance:
    """So many requests like Mooncake's on ``nvme4``, an 8B model; unless blocks may be forgotten, 2.5 GB of drives for each."""
    room, outside = ("", A100) if residency == "cache" else (f'nvme.capacity = "{5 * requests // 2 + 1000} GB"', "")
    lines = (f"{key} = {value!r}".replace("'", '"') for key, value in LIKE_MOONCAKE.items())
    return write_instance(
        name="requests",
        preset="nvme4",
        memory=room,
        residency=residency,
        llm='layers = 32\nkv_bytes = "4 KiB"\nweight_resident = "16 GB"',
        trace=f'synth = "requests"\nseed = 1\nrequests = {requests}\n' + "\n".join(lines),
        outside=outside,
    )
