"""Both sides of a 70B model on four tiers, whose layers are in rows one at a time: pages, then single tokens."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.answer.answer import Answer, answer
from placement_opt.base.backend import Backend
from placement_opt.base.limits import Limits
from placement_opt.certify.files import PriceCertificate, save_prices
from placement_opt.certify.stacked import verify_stacked
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.turns import in_layers
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.layered.stacked_plan import StackedPlan

_MEMORY = """
schema = 1
name = "four tiers"
processor = "gpu"
[tiers]
hbm = { capacity = "144 GB", rate = "4900 GB/s", at = "gpu" }
lpddr = { capacity = "480 GB", rate = "500 GB/s", at = "cpu" }
cxl = { capacity = "1 TB", rate = "128 GB/s", at = "box" }
nvme = { capacity = "8 TB", read_rate = "14 GB/s", write_rate = "10 GB/s", at = "drive" }
[links]
c2c = { from = "cpu", to = "gpu", up.rate = "450 GB/s", down.rate = "450 GB/s" }
cxl_x16 = { from = "box", to = "cpu", up.rate = "64 GB/s", down.rate = "64 GB/s" }
nvme_x4 = { from = "drive", to = "cpu", up.rate = "16 GB/s", down.rate = "16 GB/s" }
"""
#: 80 layers of 8 KV heads of 128, two bytes each; 15, 25 and 30 % of what is alive in the end fit into the three upper tiers.
_INSTANCE = """
schema = 1
name = "70B on four tiers"
[memory]
file = "four.toml"
hbm.capacity = "15 %"
lpddr.capacity = "25 %"
cxl.capacity = "30 %"
[llm]
layers = {layers}
kv_bytes = "4 KiB"
weight_bytes = "{weights}"
[trace]
synth = "drift"
seed = 1
layers = {layers}
prefill = {prefill}
tokens = {tokens}
read_share = 0.4
drift = 0.1
[rules]
residency = "{residency}"
page_tokens = {page}
"""


#: A gap that any schedule closes.
_SHOWN = 100.0


def four_tiers(place: Path, layers: int, residency: str, page: int, weights: str, tokens: tuple[int, int]) -> Stacked:
    """The question of so many layers, prefilled and decoded ``tokens``, of an instance file in a folder."""
    prefill, decoded = tokens
    text = _INSTANCE.format(layers=layers, residency=residency, page=page, weights=weights, prefill=prefill, tokens=decoded)
    (place / "four.toml").write_text(_MEMORY, encoding="utf-8")
    (place / "instance.toml").write_text(text, encoding="utf-8")
    return in_layers(read_outline(place / "instance.toml"))


def solved(
    question: Stacked, gap: float, seconds: float, place: Path, jobs: int = 1
) -> tuple[Answer, PriceCertificate, list[Path]]:
    """What is found of both sides, the prices, and the files of both in a folder."""
    found = answer(question, gap=gap, backend=Backend("local", jobs), limits=Limits(seconds), folder=place)
    prices, schedule = found.state.prices, found.schedule
    assert isinstance(prices, CertifiedPrices)
    assert isinstance(schedule, StackedPlan)
    files = [place / "prices", place / "schedule"]
    save_prices(prices.certificate, files[0])
    schedule.save(files[1])
    return found, prices.certificate, files


def _build(layers: int, residency: str, page: int, weights: str) -> State:
    folder, tokens = tempfile.TemporaryDirectory(), (512, 32) if layers < 80 else (32_768, 2_048)
    return {"folder": folder, "question": four_tiers(Path(folder.name), layers, residency, page, weights, tokens)}


def _solve(state: State, gap: float, seconds: float) -> Mapping[str, Figure]:
    question = state["question"]
    near = gap if question.layers >= 80 else _SHOWN  # where few layers show that it works, once is enough
    found, _, state["files"] = solved(question, near, seconds, Path(state["folder"].name), jobs=2)
    parts = [resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "layers": question.layers,
        "turns": question.turns,
        "reads": question.num_reads,
        "lower_bound_s": found.state.lower_s,
        "schedule_s": float("nan") if found.latency_s is None else found.latency_s,
        "gap": float("nan") if found.gap is None else found.gap,
        "bound_from": found.state.bound_from,
        "schedule_from": found.state.schedule_from,
        "peak_gib": parts[0] + 2 * parts[1],
    }


def _verify(state: State) -> Mapping[str, Figure]:
    """Both sides proved again from their files."""
    files = state["files"]
    found = verify_stacked(state["question"], files, backend=Backend(jobs=2))
    figures: dict[str, Figure] = {
        "certified_gap": float("nan") if found.gap is None else found.gap,
        "moves": 0 if found.schedule is None else found.schedule.moves,
        "certificates_mib": sum(path.stat().st_size for path in files) / 2**20,
    }
    state["folder"].cleanup()
    return figures


def _case(name: str, about: str, residency: str, page: int, weights: str, targets: tuple[float, float, float]) -> None:
    gap, seconds, memory = targets
    register(
        Spec(
            name=f"four-tiers-{name}",
            about=about,
            build=lambda layers: _build(layers, residency, page, weights),
            phases={"solve": lambda state: _solve(state, gap, seconds), "verify": _verify},
            sizes=(2, 80),
            targets=(
                Target("gap", "at most", gap),
                Target("solve_s", "at most", seconds),
                Target("peak_gib", "at most", memory),
            ),
        )
    )


_ABOUT = "Both sides of a 70B model, 80 layers, 32k + 2k tokens, on HBM, LPDDR, CXL and NVMe"
for _residency in ("inclusive", "exclusive"):
    _case(f"{_residency}-pages16", f"{_ABOUT}, {_residency}, pages of 16.", _residency, 16, "1.7 GB", (0.02, 600.0, 8.0))
_case("kv-pages16", f"{_ABOUT}, inclusive, pages of 16, weights left out.", "inclusive", 16, "0 B", (0.02, 600.0, 8.0))
for _residency in ("inclusive", "exclusive"):
    _case(f"{_residency}-tokens", f"{_ABOUT}, {_residency}, pages of one token.", _residency, 1, "1.7 GB", (0.03, 3600.0, 16.0))
