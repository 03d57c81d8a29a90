"""What proving both sides of four tiers again from their files takes, against one pass of the bound over the same layers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.cases.four_tiers import four_tiers
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.answer.answer import answer
from placement_opt.base.limits import Limits
from placement_opt.certify.files import save_prices
from placement_opt.certify.stacked import layer_bound, verify_stacked
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.layered.stacked_plan import StackedPlan

#: Layers beyond which there are as many tokens as below a quarter of what the full setting has, prefilled and decoded.
_FEW, _TOKENS, _FEWEST = 4, (8192, 512), (512, 32)
_LIMIT_S, _TIMES = 300.0, 3.0


def _build(layers: int, residency: str) -> State:
    """Both sides written down, and compiled loops loaded."""
    folder = tempfile.TemporaryDirectory()
    place = Path(folder.name)
    tokens = _FEWEST if layers < _FEW else _TOKENS
    question = four_tiers(place, layers, residency, 1, "1.7 GB", tokens)
    found = answer(question, gap=0.03, limits=Limits(_LIMIT_S), folder=place)
    prices, plan = found.state.prices, found.schedule
    assert isinstance(prices, CertifiedPrices)
    assert isinstance(plan, StackedPlan)
    files = place / "prices", place / "schedule"
    save_prices(prices.certificate, files[0])
    plan.save(files[1])
    verify_stacked(question, files)
    return {"folder": folder, "question": question, "certificate": prices.certificate, "files": files, "moves": plan.moves}


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
        "moves": state["moves"],
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
