"""Small questions on runs: instances, files, prices."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import load_instance
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import drift
from tests.small import two_tier

FILE = """\
schema = 1
name = "drawn"
[memory]
preset = "gh200"
hbm.capacity = "{room} MiB"
[llm]
layers = 2
kv_bytes = "4 MiB"
weight_bytes = "162.9 MB"
weight_resident = "100 MiB"
[trace]
synth = "drift"
seed = 3
layers = 2
prefill = {prefill}
tokens = {tokens}
drift = {drift}
[rules]
residency = "{residency}"
initial = "{initial}"
floor = "1 us"
"""


def write(folder: Path, **changed: object) -> Path:
    values = {"room": 400, "prefill": 60, "tokens": 30, "drift": 0.2, "residency": "inclusive", "initial": "free"}
    path = folder / "instance.toml"
    path.write_text(FILE.format(**(values | changed)))
    return path


class Impatient(Limits):
    """Reached after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def reached(self) -> bool:
        self.looks -= 1
        return self.looks < 0


def draw(seed: int, hbm: int = 8, floor: float = 0.0) -> Instance:
    """A small drifting instance of one to three layers."""
    rng = np.random.default_rng(seed)
    layers, leave = 1 + seed % 3, ("oldest", "random")[seed % 2]
    params = drift.Params(layers=layers, prefill=9, tokens=12, read_share=0.4, drift=(0.1, 0.3, 0.6)[seed % 3], leave=leave)
    trace = drift.generate(params, rng)
    memory = two_tier(hbm=hbm)
    steps = trace.num_steps
    return Instance(
        name="small",
        memory=memory,
        trace=trace,
        residency="inclusive",
        capacity=np.array([hbm, 10**6]),
        size=np.full(trace.num_blocks, 1, dtype=np.int64),
        fixed=np.tile(np.array([3, 0, 1, 0]), (steps, 1)),
        floor=np.full(steps, floor),
    )


def layer_of(problem: Layered, layer: int) -> LayerRuns:
    runs = problem.layers.layer(layer)
    assert runs is not None
    return runs


def random_prices(rng: np.random.Generator, instance: Instance | Layered) -> Prices:
    """Prices of any size, some negative, some absurd; the rent of home included."""
    rho = rng.exponential(0.5, (instance.num_steps, instance.num_resources)) / instance.memory.rates
    rho[rng.random(rho.shape) < 0.3] = 0.0
    rent = rng.exponential(1e-4, (instance.num_steps + 1, 2))
    rent[rng.random(rent.shape) < 0.4] = 0.0
    if rng.random() < 0.3:
        rho[rng.random(rho.shape) < 0.1] = rng.choice([np.nan, np.inf, 1e300, -1.0])
    return Prices(rho, rent)


@lru_cache(maxsize=1)
def exact_lp(text: str) -> float:
    """The LP's value of an instance file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.toml"
        path.write_text(text)
        value = METHODS["lp"](load_instance(path)).value_s
    assert value is not None
    return value
