"""How the cost of an answer grows with reads, steps, layers, tiers and blocks, each alone, and the exponents fitted to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import chain
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.answer.answer import answer
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.turns import in_layers

#: What the points have where their axis does not say otherwise, at size 4. A step reads a thousand blocks: of a hundred, one
#: that is read from the fifth tier takes longer than the step, and schedules of whole blocks were 3 to 12 % off after 100 s.
_READS, _TOKENS, _LAYERS, _SHARE = 40_000, 10, 4, 0.4
#: The size at which it is only seen that it works: few blocks, of which 2 % would be hard.
_SMALLEST = 1
#: Seconds that one answer may take.
_LIMIT_S = 100.0
#: Axis -> points from small to large; the quantity on the axis grows, the others stay as they are where they can.
_Points = dict[str, list[tuple[int, Any]]]
_Work = Mapping[str, Callable[[Any], None]]
_AXES = ("reads", "steps", "layers", "blocks")
#: Growth is no worse than this exponent, and no more than so many times the seconds for one tier more.
_EXPONENT, _A_TIER = 1.05, 3.0


def _points(size: int, make: Callable[..., Any], most_tiers: int) -> _Points:
    """The points of all axes; ``make`` makes a question of tiers, layers, prefill, tokens, and the share that a step reads."""
    reads = _READS * size // 4 if size > _SMALLEST else 400
    tokens = _TOKENS * size // 4
    doubled = [2**n for n in range(max(2, size))]

    def made(reads: int, tokens: int = tokens, layers: int = _LAYERS, tiers: int = 2, share: float = _SHARE) -> Any:
        prefill = max(2, round(reads / (share * layers * tokens) - tokens / 2))
        return make(tiers=tiers, layers=layers, prefill=prefill, tokens=tokens, share=share)

    blocks = [(n, made(4 * reads, share=_SHARE / n)) for n in doubled[:4]]
    return {
        "reads": [(reads * n, made(reads * n)) for n in doubled],
        "steps": [(_LAYERS * tokens * n, made(4 * reads, tokens * n)) for n in doubled[:4]],
        "layers": [(n, made(4 * reads, layers=n)) for n in doubled],
        "blocks": blocks,
        "tiers": [(n, made(reads, tiers=n)) for n in range(2, most_tiers + 1)],
    }


def _dual(instance: Instance) -> None:
    zero = np.zeros((instance.num_steps + 1, instance.num_tiers))
    evaluate(instance, Prices(np.full((instance.num_steps, instance.num_resources), 1e-14), zero))


def _compact(instance: Instance) -> None:
    METHODS["compact"](instance, limits=Limits(_LIMIT_S))


def _both(question: Instance | Stacked, gap: float = 0.02) -> None:
    answer(question, gap=gap, limits=Limits(_LIMIT_S))


_DUAL, _BOTH = "dual pass", "both sides to 2 %"
_IN_ROWS: _Work = {_DUAL: _dual, "compact": _compact, _BOTH: _both}
_BY_LAYER: _Work = {_BOTH: _both}


def _stacked(**sizes: Any) -> Stacked:
    def read(path: Path) -> Stacked:
        return in_layers(read_outline(path))

    return chain(read, **sizes)


def _build(size: int, make: Callable[..., Any], works: _Work, most_tiers: int = 5) -> State:
    points = _points(size, make, most_tiers)
    loose: _Work = {**works, _BOTH: partial(_both, gap=0.5)}  # of so few blocks 2 % is hard
    for tiers in range(2, most_tiers + 1):  # compiled loops are loaded beforehand
        few = make(tiers=tiers, layers=2, prefill=100, tokens=4, share=_SHARE)
        for work in loose.values():
            work(few)
    return {"points": points, "work": works if size > _SMALLEST else loose}


def _measure(state: State) -> Mapping[str, Figure]:
    """Seconds of the processor, all threads together."""
    figures: dict[str, Figure] = {}
    for axis, points in state["points"].items():
        for name, work in state["work"].items():
            taken = []
            for value, instance in points:
                began = time.process_time()
                work(instance)
                taken.append(time.process_time() - began)
                figures[f"{name}, {axis} {value}, seconds"] = taken[-1]
            figures[f"{name}, exponent in {axis}"] = fitted([value for value, _ in points], taken)
            if axis == "tiers":
                figures[f"{name}, times a tier"] = max(b / a for a, b in pairwise(taken))
    return figures


def fitted(values: list[int], seconds: list[float]) -> float:
    """The exponent of the power law through (value, seconds) by least squares of the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def _targets(names: Sequence[str]) -> tuple[Target, ...]:
    exponents = [Target(f"{name}, exponent in {axis}", "at most", _EXPONENT) for name in names for axis in _AXES]
    return (*exponents, *(Target(f"{name}, times a tier", "at most", _A_TIER) for name in names))


register(
    Spec(
        name="growth",
        about="How seconds grow with reads, steps, layers, tiers and blocks in rows: a dual pass, the compact LP, both sides.",
        build=lambda size: _build(size, lambda **sizes: chain(load_instance, **sizes), _IN_ROWS),
        phases={"measure": _measure},
        sizes=(_SMALLEST, 5),
        targets=_targets([_DUAL, _BOTH]),
    )
)
register(
    Spec(
        name="growth-by-layer",
        about="How seconds grow with reads, steps, layers, tiers and blocks of layers in rows one at a time: both sides.",
        build=lambda size: _build(size, _stacked, _BY_LAYER),
        phases={"measure": _measure},
        sizes=(_SMALLEST, 4),
        targets=_targets([_BOTH]),
    )
)
