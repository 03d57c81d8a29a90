"""How the cost of an answer grows with reads, steps, layers and tiers, each alone, and the exponents fitted to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from benchmarks.inputs import chain_instance
from benchmarks.registry import Figure, Spec, State, register
from placement_opt.answer.answer import answer
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

#: Axis -> points from small to large; the quantity on the axis grows, the other three stay as they are where they can.
_READS, _TOKENS, _LAYERS = 40_000, 100, 4


def _prefill(reads: int, layers: int, tokens: int) -> int:
    """The prefill with which 40 % of the tokens, read at each step, come to so many reads."""
    return max(2, round(reads / (0.4 * layers * tokens) - tokens / 2))


def _instance(reads: int, tokens: int, layers: int, tiers: int) -> Instance:
    return chain_instance(tiers=tiers, layers=layers, prefill=_prefill(reads, layers, tokens), tokens=tokens)


def _points(size: int) -> dict[str, list[tuple[int, Instance]]]:
    reads = _READS * size // 4 if size > _SMALLEST else 400
    tokens = _TOKENS * size // 4
    doubled = [2**n for n in range(max(2, size))]
    return {
        "reads": [(reads * n, _instance(reads * n, tokens, _LAYERS, 2)) for n in doubled],
        "steps": [(_LAYERS * tokens * n, _instance(4 * reads, tokens * n, _LAYERS, 2)) for n in doubled[:4]],
        "layers": [(n, _instance(4 * reads, tokens, n, 2)) for n in doubled],
        "tiers": [(n, _instance(reads, tokens, _LAYERS, n)) for n in (2, 3, 4)],
    }


def _dual(instance: Instance) -> None:
    zero = np.zeros((instance.num_steps + 1, instance.num_tiers))
    evaluate(instance, Prices(np.full((instance.num_steps, instance.num_resources), 1e-14), zero))


def _compact(instance: Instance) -> None:
    METHODS["compact"](instance)


def _both(instance: Instance, gap: float = 0.02) -> None:
    answer(instance, gap=gap, limits=Limits(300.0))


_WORK: dict[str, Callable[[Instance], None]] = {"dual pass": _dual, "compact": _compact, "both sides to 2 %": _both}
#: The size at which it is only seen that it works: few blocks, of which 2 % would be hard.
_SMALLEST = 1


def _build(size: int) -> State:
    points = _points(size)
    for tiers in (2, 3, 4):  # compiled loops are loaded beforehand
        few = _instance(400, 4, 2, tiers)
        _dual(few)
        _compact(few)
        _both(few, gap=0.5)  # of so few blocks 2 % is hard
    work = _WORK if size > _SMALLEST else _WORK | {"both sides to 2 %": partial(_both, gap=0.5)}
    return {"points": points, "work": work}


def _measure(state: State) -> Mapping[str, Figure]:
    figures: dict[str, Figure] = {}
    for axis, points in state["points"].items():
        for name, work in state["work"].items():
            taken = []
            for value, instance in points:
                began = time.perf_counter()
                work(instance)
                taken.append(time.perf_counter() - began)
                figures[f"{name}, {axis} {value}, seconds"] = taken[-1]
            figures[f"{name}, exponent in {axis}"] = fitted([value for value, _ in points], taken)
    return figures


def fitted(values: list[int], seconds: list[float]) -> float:
    """The exponent of the power law through (value, seconds) by least squares of the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


register(
    Spec(
        name="growth",
        about="How seconds grow with reads, steps, layers and tiers: one dual pass, the compact LP, both sides to 2 %.",
        build=_build,
        phases={"measure": _measure},
        sizes=(_SMALLEST, 5),
    )
)
