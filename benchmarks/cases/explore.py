"""An exploration of many designs: what a design costs that is put off by its bound alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.base.backend import Backend
from placement_opt.study.explore.explore import explore

_SPEC = """\
schema = 1
name = "explore"
[base]
memory = {{ preset = "gh200" }}
llm = {{ layers = 4, kv_bytes = "16 KiB" }}
trace = {{ synth = "drift", layers = 4, prefill = 100, tokens = 20, drift = 0.1, seed = 1 }}
[choices]
hbm = {{ key = "hbm.capacity", values = ["0.5MiB..8MiB:{rooms}"] }}
hbm_rate = {{ key = "hbm.rate", values = ["1TB/s..5TB/s:{ten}"] }}
link = {{ key = "c2c.up.rate", values = ["50GB/s..900GB/s:{ten}"] }}
lpddr = {{ key = "lpddr.rate", values = ["100GB/s..500GB/s:{five}"] }}
"""


def _build(rooms: int) -> State:
    return {"text": _SPEC.format(rooms=rooms, ten=min(rooms, 10), five=min(rooms, 5))}


def _explore(state: State) -> Mapping[str, Figure]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.toml"
        path.write_text(state["text"])
        (found,) = explore(path, backend=Backend(jobs=2)).best
    if found.best is None or found.best.value is None or not found.proven:
        raise RuntimeError("nothing is proven")
    pruned, count = len(found.of("pruned")), len(found.designs)
    figures: dict[str, Figure] = {
        "designs": count,
        "simulated": found.simulated,
        "pruned": pruned,
        "pruned_share": pruned / count,
    }
    return figures | {"best": found.best.label, "best_time_s": found.best.value[0]}


register(
    Spec(
        name="explore-10k",
        about="The best of 10,000 designs (room of HBM, rates of HBM, link and LPDDR) on 3,500 reads, proven; two processes.",
        build=_build,
        phases={"explore": _explore},
        sizes=(2, 20),
        targets=(Target("explore_s", "at most", 600.0), Target("pruned_share", "at least", 0.5)),
    )
)
