"""Small spaces of designs by chance, and what enumerating all of their schedules says of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.study.explore.shapes import combined
from placement_opt.study.explore.space import Space, Unbuildable
from placement_opt.study.explore.spec import Spec
from tests import brute
from tests.brute_budgets import BudgetedEnumeration

MEMORY = """\
schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "2 B"
rate = "40 B/s"
at = "gpu"
energy = "0.1 J/B"
[tiers.ssd]
capacity = "10 B"
read_rate = "9 B/s"
write_rate = "5 B/s"
at = "cpu"
read_energy = "0.3 J/B"
write_energy = "0.4 J/B"
endurance = "1000 cycles"
[links.c2c]
from = "cpu"
to = "gpu"
up.rate = "8 B/s"
down.rate = "8 B/s"
energy = "0.1 J/B"
"""
SPEC = """\
schema = 1
name = "space"
[base]
memory = {{ file = "two.memory.toml" }}
trace = {{ synth = "zipf", blocks = 3, steps = 3, reads = 2, block_size = "1 B", seed = {seed} }}
rules = {{ residency = "{rule}" }}
{choices}
[workloads]
exponent = {{ key = "trace.exponent", values = [0.5, 2.0] }}
[objective]
minimise = "{minimise}"
over = "{over}"
gap = "0%"
{more}
"""


def write_space(folder: Path, seed: int, minimise: str = "time", more: str = "") -> Path:
    """A spec of six designs: rooms, rates of tiers and of the link, together or apart, with prices."""
    rng = np.random.default_rng(seed)
    (folder / "two.memory.toml").write_text(MEMORY)
    rooms = rng.choice(4, 2, replace=False).tolist()
    choices = ["[choices]"]
    for room in rooms:  # a linked choice: more room for one tier is a slower one
        rate, money = int(rng.integers(10, 60)), int(rng.integers(0, 30))
        choices.append(f'[[choices.hbm]]\nset.hbm = {{ capacity = "{room} B", rate = "{rate} B/s" }}\nmoney = {money}')
    links = rng.choice(np.arange(2, 20), 3, replace=False).tolist()
    text = '[[choices.link]]\nname = "{0}"\nset.memory.c2c.up.rate = "{0} B/s"\nmoney = {1}'
    choices += [text.format(link, int(rng.integers(20))) for link in links]
    over = ("max", "sum", "geomean")[int(rng.integers(3))]
    rule = ("inclusive", "exclusive", "free")[int(rng.integers(3 if minimise == "time" and not more else 2))]
    text = SPEC.format(seed=seed, rule=rule, choices="\n".join(choices), minimise=minimise, over=over, more=more)
    path = folder / "space.toml"
    path.write_text(text)
    return path


def optimum(instance: Instance) -> float:
    """Of all schedules, enumerated; infinite where none keeps the budgets."""
    if instance.timed:
        return float(brute.optimum(instance).seconds)
    found = BudgetedEnumeration(instance).objective()
    return math.inf if found is None else found


def enumerated(spec: Spec, goal: str) -> list[float]:
    """For every design what the best of all schedules takes, workloads taken together; infinite where there is none."""
    space, found = Space(spec), []
    for design in range(spec.count):
        try:
            each = [optimum(space.instance(design, w, goal)) for w in range(len(spec.workloads))]
        except Unbuildable:
            each = [math.inf]
        found.append(
            combined(spec.over, [one.weight for one in spec.workloads], each) if all(map(math.isfinite, each)) else math.inf
        )
    return found


def money(spec: Spec, design: int) -> float:
    return float(sum(one.money for one in spec.chosen(design)))
