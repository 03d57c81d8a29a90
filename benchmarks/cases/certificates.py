"""What proving both sides of four tiers again from their files takes, against one pass of the bound over the same layers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.cases.four_tiers import four_tiers, solved
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.certify.stacked import layer_bound, verify_stacked

#: Tokens prefilled and decoded, a quarter of the full setting's; of fewer layers than that, so many.
_TOKENS, _FEW, _FEWEST = (8192, 512), 4, (512, 32)
#: What both sides may take, and how many times as long as a pass their proof.
_LIMIT_S, _TIMES = 300.0, 3.0


def _build(layers: int, residency: str) -> State:
    """Both sides written down, and compiled loops loaded."""
    folder = tempfile.TemporaryDirectory()
    place = Path(folder.name)
    tokens = _FEWEST if layers < _FEW else _TOKENS
    question = four_tiers(place, layers, residency, 1, "1.7 GB", tokens)
    _, certificate, files = solved(question, 0.03, _LIMIT_S, place)
    verify_stacked(question, files)
    return {"folder": folder, "question": question, "certificate": certificate, "files": files}


def _measure(state: State) -> Mapping[str, Figure]:
    """A pass, the prices, both sides; the same layers are drawn for each."""
    question, certificate, files = state["question"], state["certificate"], state["files"]
    began = time.perf_counter()
    bound = sum(layer_bound(question.layer(layer), certificate) for layer in range(question.layers))
    passed = time.perf_counter()
    alone = verify_stacked(question, files[:1])
    proven = time.perf_counter()
    both = verify_stacked(question, files)
    ended = time.perf_counter()
    state["folder"].cleanup()
    assert alone.lower == both.lower
    return {
        "reads": question.num_reads,
        "moves": 0 if both.schedule is None else both.schedule.moves,
        "bound_s": float(bound),
        "certified_gap": float("nan") if both.gap is None else both.gap,
        "ns_per_read": (passed - began) / question.num_reads * 1e9,
        "prices, times the pass": (proven - passed) / (passed - began),
        "both sides, times the pass": (ended - proven) / (passed - began),
    }


for _residency in ("inclusive", "exclusive"):
    register(
        Spec(
            name=f"certificates-{_residency}",
            about=f"Both sides of a 70B model on four tiers, {_residency}, proved again, against a pass of the bound.",
            build=partial(_build, residency=_residency),
            phases={"measure": _measure},
            sizes=(2, 8),
            targets=tuple(Target(f"{what}, times the pass", "at most", _TIMES) for what in ("prices", "both sides")),
        )
    )
