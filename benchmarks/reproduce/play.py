"""What tables have in common: decoding with weights and KV in their tiers, and what served a run's reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import placement_opt as po
from placement_opt.workload.synth import synthesize

Memory = str | Mapping[str, Any]


def decoding(model: str, context: int, *, seed: int = 0, **parameters: Any) -> po.Trace:
    """One token of dense decoding with placed weights."""
    return synthesize("decode", {"model": model, "context": context, **parameters}, seed)


def placed(memory: Memory, trace: po.Trace, *, joule: str = "", **tiers: str) -> po.Instance:
    """An instance that begins with each kind of block in its tier; ``joule``: what one counts for in time ("1e-6 s/J")."""
    objective = {"time": 1, "energy": joule} if joule else None
    return po.build_instance(memory, trace, rules={"residency": "exclusive", "initial": tiers}, objective=objective)


def run(memory: Memory, trace: po.Trace, **tiers: str) -> po.Run:
    """Each kind of block in its tier, where it stays; simulated step by step."""
    return po.simulate(placed(memory, trace, **tiers), po.make_scheduler("static"), per_step=True)


def served(run: po.Run) -> dict[str, float]:
    """Bytes by what served them: "read hbm", "multiply flash" and so on, over all steps."""
    assert run.per_step is not None
    operations = run.instance.memory.operations
    serving = np.array(operations.names)[operations.serving].tolist()
    return {name: float(run.per_step[name].sum()) for name in serving if name in run.per_step}
