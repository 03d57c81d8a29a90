"""Questions of recorded KV events, on a memory of two tiers whose times are done by hand, and what lies where in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.play.run import Run
from tests.workload.kv_events import lines

MEMORY = """schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "{room} KiB"
rate = "8 GB/s"
at = "gpu"
[tiers.dram]
capacity = "1 MiB"
rate = "1 GB/s"
at = "host"
[links.pcie]
from = "host"
to = "gpu"
rate = "1 GB/s"
"""
#: Blocks of 16 tokens are 1 KiB.
QUESTION = """schema = 1
name = "q"
[memory]
file = "two.memory.toml"
[llm]
layers = 1
kv_bytes = "64 B"
[rules]
residency = "{rule}"
[recompute]
rate = "0.5 GB/s"
[trace]
file = "{file}"
"""


def asked(folder: Path, batches: list[Any], *, room: int = 64, rule: str = "cache", file: str = "t.kvevents.jsonl") -> Instance:
    """The question of a recording."""
    lines(folder / "t.kvevents.jsonl", batches)
    (folder / "two.memory.toml").write_text(MEMORY.format(room=room))
    (folder / "q.toml").write_text(QUESTION.format(rule=rule, file=file))
    return load_instance(folder / "q.toml")


def engine(folder: Path, media: str = "GPU:hbm+CPU:dram", file: str = "t.kvevents.jsonl") -> str:
    return f"recorded:file={folder / file},media={media}"


def held(run: Run) -> list[list[list[int]]]:
    """For each state, the blocks in each tier, played again from the recorded moves."""
    assert run.schedule is not None
    now = run.schedule.initial.copy()
    states = [now.copy()]
    for step in range(run.instance.num_steps):
        moves = run.schedule.moves(step)
        for tier, ids in (*moves.store, *((target, ids) for _, target, ids in moves.fetch)):
            now[tier, ids] = True
        for tier, ids in moves.drop:
            now[tier, ids] = False
        states.append(now.copy())
    return [[np.flatnonzero(row).tolist() for row in state] for state in states]
