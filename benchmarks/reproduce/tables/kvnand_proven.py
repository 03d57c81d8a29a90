"""What KVNAND cannot say of itself: the proven best of any placement on its dies, and what each of its ideas gains."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce.kvnand import (
    BASE1,
    CONTEXTS,
    DATA,
    DIES,
    DISCRETE,
    MODELS,
    TOKEN_MAJOR,
    best_group,
    discrete,
    label,
    seconds,
    seconds_by_group,
    simulated,
    token,
)
from benchmarks.reproduce.play import Memory
from benchmarks.reproduce.table import Figure, Outcome, Table

_FREE = {"residency": "exclusive"}


def proven() -> Outcome:
    """At each cell: no placement is faster than this; how near C-16 and D-16 are, and a split over all dies."""
    figures: list[Figure] = []
    splits: list[float] = []
    shares: dict[str, list[float]] = {"C-16": [], "D-16": []}
    for model in MODELS:
        for context in CONTEXTS:
            row, least = f"{model}, {label(context)}", pooled(model, context)
            figures.append(Figure(row, "tokens/s that none exceeds", 1 / least))
            for system, found in shares.items():
                ours = seconds(system, model, context)
                assert ours is not None
                found.append(least / ours)
                figures.append(Figure(row, f"{system}, share of it", found[-1]))
            splits.append(least / split(model, context))
            figures.append(Figure(row, "weights and KV over all dies, share of it", splits[-1]))
    summary = {f"least share of {system}": min(found) for system, found in shares.items()}
    summary |= {f"mean share of {system}": float(np.mean(found)) for system, found in shares.items()}
    return Outcome(figures, {**summary, "least share of a split over all dies": min(splits)})


def pooled(model: str, context: int) -> float:
    """A bound for 16 dies with weights and KV in whole pages, wherever they lie: dies compute and channels read at once."""
    return _least("kvnand-c16", token(model, context, "head-groups"))


def split(model: str, context: int) -> float:
    """KVNAND-D with 8 and 8 dies, each step's weights and KV spread evenly over both groups."""
    trace = token(model, context, "head-groups", tiles=2, block_tokens=context // 2)
    instance = po.build_instance(discrete(DIES // 2), trace, rules=_FREE)
    return po.simulate(instance, _Spread()).latency_s


class _Spread:
    """Each step's blocks over all tiers: the largest first, each into the tier that the step loads least."""

    name, online, source = "spread", False, "this benchmark"

    def plan(self, instance: po.Instance, _: po.Limits) -> None:
        trace, tiers = instance.trace, len(instance.capacity)
        self._tier = np.full(trace.num_blocks, -1, dtype=np.int64)
        for step in range(trace.num_steps):
            load = np.zeros(tiers)
            for block in sorted(trace.reads(step).tolist(), key=lambda block: (-int(instance.size[block]), block)):
                if self._tier[block] < 0:
                    self._tier[block] = int(load.argmin())
                load[self._tier[block]] += instance.size[block]

    def start(self, setting: po.Setting, _: object) -> npt.NDArray[np.bool_]:
        resident = np.zeros((len(setting.capacity), len(self._tier)), dtype=np.bool_)
        resident[self._tier, np.arange(len(self._tier))] = True
        return resident

    def step(self, _: po.View) -> po.Moves:
        return po.Moves()


#: What turns Base-1 into KVNAND-D, one after the other.
_STAGES = ("Base-1", "16 dies", "mapping by pages", "head groups")


def ablation() -> Outcome:
    """From Base-1 to KVNAND-D: 16 dies that hold and attend KV, pages of one head group, head groups in turn."""
    figures, summary = [], {}
    for model in MODELS:
        for context in (1024, 10240):
            row, times = f"{model}, {label(context)}", stages(model, context)
            gain = math.log(times["Base-1"][0] / times["head groups"][0])
            for before, after in zip((None, *_STAGES), _STAGES, strict=False):
                took, least = times[after]
                figures.append(Figure(row, f"{after}, tokens/s", 1 / took))
                figures.append(Figure(row, "none exceeds" if before is None else f"{after}, none exceeds", 1 / least))
                if before is not None:
                    figures.append(Figure(row, f"{after}, share of the gain", math.log(times[before][0] / took) / gain))
    theirs = DATA["ratios"]["head_groups_7b_10k"]
    ours = stages("llama-2-7b", 10240)
    ratio = ours["head groups"][0] / _sequential("llama-2-7b", 10240, best_group("llama-2-7b", 10240))
    figures.append(Figure("llama-2-7b, 10K", "head groups, time over without", ratio, theirs))
    summary["head groups, time over without, 7B at 10K"] = ratio
    return Outcome(figures, summary)


@cache
def stages(model: str, context: int) -> dict[str, tuple[float, float]]:
    """Of each stage the seconds a token, at the best split of dies, and the bound for any placement on the same dies."""
    steps, groups = token(model, context, "sequential"), token(model, context, "head-groups")
    scattered = token(model, context, "sequential", **TOKEN_MAJOR)
    base = simulated("kvnand-base1", steps, BASE1)
    assert base is not None
    in_order = {group: _sequential(model, context, group) for group in seconds_by_group(model, context)}
    apart = [run.latency_s for group in in_order if (run := simulated(discrete(group), scattered, DISCRETE)) is not None]
    return {
        "Base-1": (base.latency_s, _least("kvnand-base1", steps)),
        "16 dies": (min(apart), _least("kvnand-d", scattered)),
        "mapping by pages": (min(in_order.values()), _least("kvnand-d", steps)),
        "head groups": (min(seconds_by_group(model, context).values()), _least("kvnand-d", groups)),
    }


def _least(memory: Memory, trace: po.Trace) -> float:
    least = po.bound(po.build_instance(memory, trace, rules=_FREE), "roofline").lower_bound_s
    assert least is not None
    return least


def _sequential(model: str, context: int, group: int) -> float:
    run = simulated(discrete(group), token(model, context, "sequential"), DISCRETE)
    assert run is not None
    return run.latency_s


TABLES = (
    Table(
        name="kvnand-proven",
        title="What the paper cannot say: the best of any placement on 16 dies and 8 channels",
        unit="tokens/s, and share of the proven most",
        data=("kvnand",),
        how="the roofline of the preset of 16 dies with weights and KV in whole pages, proven by weak duality, for any "
        "placement; C-16 and D-16 as in kvnand-throughput; two groups of 8 dies over which each step's bytes are spread evenly",
        compute=proven,
        targets=(Target("least share of a split over all dies", "at least", 0.99),),
        assumes=tuple(f"{entry['model']}: {entry['why']}" for entry in DATA["counting"]),
    ),
    Table(
        name="kvnand-ablation",
        title="From Base-1 to KVNAND-D: what more dies, mapping and head groups gain",
        unit="tokens/s, and share of the logarithm of the gain",
        data=("kvnand",),
        how="each stage simulated at its best split of 16 dies, beside the roofline for any placement on its dies with its "
        "mapping and steps; before mapping by pages all heads of a token lie together and each head group reads its part apart",
        compute=ablation,
        targets=(
            Target("head groups, time over without, 7B at 10K", "at most", 0.86),
            Target("head groups, time over without, 7B at 10K", "at least", 0.82),
        ),
        assumes=tuple(f"{entry['model']}: {entry['why']}" for entry in DATA["counting"]),
    ),
)
