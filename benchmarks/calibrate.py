"""Measure what methods, schedulers and proofs take, rewrite the calibration: ``python -m benchmarks.calibrate [SECTION...]``.

Every section is measured in a process of its own, on small instances, in processor time, so that what else the machine does
counts little; seconds are scaled to a core on which :func:`reference_s` takes what the calibration says. Memory is what the
process holds at most beyond what it held before. Factors are fitted, those of memory until no run lies above; figures that need
sizes beyond some minutes (``KEPT``) stay as they are.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import itertools
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import chain_instance, drift_instance
from placement_opt.answer import by_layer
from placement_opt.answer.checkpoint import PROOFS
from placement_opt.answer.prove_integer import certify_prices, certify_schedule, whole_prices
from placement_opt.answer.standing import Standing
from placement_opt.base.arrays import Float64
from placement_opt.base.atomic import scratch_folder, write_text_atomic
from placement_opt.base.cost import CALIBRATION, Cost, calibration
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, ascent, compact
from placement_opt.bounds.size import Size
from placement_opt.bounds.targets import find_targets
from placement_opt.instance.gate import ROWS
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.totals import totals_of
from placement_opt.instance.turns import in_layers
from placement_opt.layered import solve
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.memory import preset
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY, make_scheduler
from placement_opt.schedulers.candidates import Rounded
from placement_opt.schedulers.lp_rounded import ROUNDING
from placement_opt.schedulers.optimised import SEARCH, optimise
from placement_opt.schedulers.search import rounding
from placement_opt.schedulers.search.paths import schedule_of
from placement_opt.workload.layers import Drawn
from placement_opt.workload.synth import drift, synthesize
from placement_opt.workload.totals import Totals

HEAD = """\
# What bounds, schedulers and proofs are expected to take: the factors of the costs that they declare (base/cost.py).
# Measured and rewritten by `python -m benchmarks.calibrate`. Seconds are those of one core on which the reference loop of
# that command takes [reference] seconds.loop. Committed figures, never measured while a question is answered.
"""
#: Section -> what of it is not measured here but at sizes that take longer, and stays.
KEPT = {
    "reference": ("seconds", "bytes"),
    "rows": ("bytes",),
    "drawn": ("bytes",),
    "text": ("bytes",),
    "runs": ("bytes",),
    "solver": ("bytes",),
    "export": ("bytes",),
    "ascent": ("bytes",),
    "optimised": ("bytes",),
    "stays": ("seconds", "bytes"),
    "certify-prices-in-runs": ("seconds",),
    "certify-schedule-in-runs": ("seconds",),
}
#: Seconds of the clock that one run may take, and of processor time up to which it is done twice; so many times the memory
#: measured is expected; rounds of fitting.
_LONGEST_S, _SHORT_S, _SPARE, _ROUNDS = 25.0, 2.0, 1.25, 50


@dataclass(frozen=True)
class Shape:
    """A drifting trace: its tiers, reads, layers and tokens, its rule, and whether on GH200."""

    tiers: int
    reads: int
    layers: int
    tokens: int
    residency: str = "inclusive"
    preset: bool = False

    def make(self) -> Instance:
        prefill = max(2, round(self.reads / (0.4 * self.layers * self.tokens) - self.tokens / 2))
        if self.preset:
            return drift_instance(layers=self.layers, prefill=prefill, tokens=self.tokens, capacity=0.3, drift=0.1)
        shape = {"tiers": self.tiers, "layers": self.layers, "prefill": prefill, "tokens": self.tokens}
        return chain_instance(**shape, residency=self.residency)


@dataclass(frozen=True)
class Job:
    """What is measured for a section.

    Attributes
    ----------
    cost, figures
        Its cost, and input -> what the cost is expressed in.
    make, shapes
        Shape -> input, and the shapes, from small to large.
    prepare
        Input -> what is run and timed.
    """

    cost: Cost[Any]
    shapes: tuple[Any, ...]
    prepare: Callable[[Any], Callable[[], object]]
    make: Callable[[Any], Any] = Shape.make
    figures: Callable[[Any], Any] = Size.of


_TINY = (Shape(2, 30, 2, 3), Shape(3, 30, 2, 3))
_SMALL = (Shape(2, 400, 2, 10), Shape(3, 400, 2, 10), Shape(4, 400, 2, 10))
_MIDDLE = (*_SMALL, Shape(3, 1_000, 2, 25, "free"), Shape(3, 2_000, 4, 25), Shape(2, 5_000, 4, 50), Shape(2, 10_000, 4, 25))
#: Steps that no placement at hand decides, so that their programs are solved.
_DECIDED = (Shape(2, 400, 2, 10, "free"), Shape(3, 1_000, 2, 25, "free"), Shape(4, 1_500, 2, 40, "free"))
_LARGE = (*_MIDDLE, Shape(2, 20_000, 4, 100), Shape(2, 60_000, 4, 50))
_EXACT = (Shape(2, 20_000, 4, 100), Shape(2, 42_000, 4, 50, preset=True))
_MANY = (Shape(2, 200_000, 4, 25), Shape(2, 800_000, 4, 25))
_PASSED = (Shape(2, 5_000, 4, 50), Shape(3, 5_000, 4, 100), Shape(3, 40_000, 4, 50), Shape(2, 100_000, 4, 100))
#: (Layers, prefill, tokens) of questions in runs.
_RUNS = ((2, 200, 100), (2, 800, 300), (2, 2_000, 1_000))
#: (Layers, prefill, tokens, tokens of a page, rule) of questions of layers in rows.
_LAYERS = (
    (2, 30, 10, 1, "inclusive"),
    (2, 800, 300, 1, "inclusive"),
    (2, 800, 300, 1, "exclusive"),
    (2, 2_000, 1_000, 16, "inclusive"),
    (2, 4_000, 1_000, 16, "free"),
    (1, 16_000, 1_500, 16, "exclusive"),
    (1, 32_000, 1_000, 16, "inclusive"),
    (1, 8_000, 500, 1, "inclusive"),
)
_STACKED = """
schema = 1
name = "layers"
memory = {{ preset = "nvme4", hbm.capacity = "15 %", dram.capacity = "25 %" }}
llm = {{ layers = {layers}, kv_bytes = "4 KiB" }}
trace = {{ synth = "drift", seed = 1, layers = {layers}, prefill = {prefill}, tokens = {tokens} }}
rules = {{ residency = "{residency}", page_tokens = {page} }}
"""
#: Policies on the compiled engine of caches.
_CLASSICAL = ("mru", "clock", "sieve", "lfu", "slru", "2q", "arc", "car", "lirs", "s3-fifo", "w-tinylfu", "gdsf", "random")
#: Policies whose section those of their family take, too.
_FAMILIES = ("cascade", "hicache", "h2o", "kelle", "rules")
#: Method -> shapes.
_METHODS = {
    "roofline": _PASSED,
    "step": _DECIDED,
    "step-integer": _DECIDED,
    "intervals": (*_MIDDLE, Shape(3, 3_500, 4, 40)),
    "compact": (*_LARGE, *_MANY),
    "flow": (Shape(2, 5_000, 4, 50), Shape(2, 20_000, 4, 100)),
    "lp": (
        *_SMALL,
        Shape(3, 1_000, 2, 25),
        Shape(3, 2_500, 4, 40),
        Shape(2, 20_000, 4, 100),
        Shape(2, 42_000, 4, 50, preset=True),
    ),
    "milp": _TINY,
}


def jobs() -> dict[str, Job]:
    """Section -> what is measured."""
    found = {name: Job(METHODS[name].cost, shapes, partial(_bounding, name)) for name, shapes in _METHODS.items()}
    found["refined"] = Job(compact.REFINED, (*_MIDDLE, *_MANY), _refining)
    found["ascent"] = Job(ascent.COST, (*_MIDDLE, Shape(2, 60_000, 4, 50)), _ascending)
    for name in ("static", "reactive", "page", "lru", "fifo", "belady", "myopic", "sa", "contender", *_CLASSICAL, *_FAMILIES):
        shapes = _MIDDLE if name in ("sa", "myopic") else _PASSED
        found[name] = Job(REGISTRY[name].cost, shapes, partial(_scheduling, name))
    found["lp-rounded"] = Job(ROUNDING, (*_SMALL, Shape(2, 5_000, 4, 50), Shape(2, 10_000, 4, 100)), _rounding)
    found["rounded"] = Job(
        rounding.COST, (*_MIDDLE, Shape(4, 10_000, 4, 50, "exclusive"), Shape(3, 40_000, 4, 25)), _rounding_paths
    )
    found["optimised"] = Job(SEARCH, (*_SMALL, Shape(3, 2_000, 4, 25), Shape(2, 5_000, 4, 50)), _searching)
    found["milp-schedule"] = Job(REGISTRY["milp"].cost, (*_TINY, Shape(2, 200, 2, 10)), partial(_scheduling, "milp"))
    found["certify-prices"] = Job(PROOFS["prices"], _PASSED, _proving_prices, figures=_itself)
    found["certify-schedule"] = Job(PROOFS["schedule"], _PASSED, _proving_schedule, figures=_itself)
    found["runs"] = Job(solve.COST, _RUNS, _solving, _question, lambda problem: solve.Asked(problem, 1))
    found["layers"] = Job(by_layer.COST, _LAYERS, _both_sides, _stacked, lambda question: by_layer.Asked(question, 1))
    found["rows"] = Job(ROWS, _RUNS, _drawing, _itself, _totals)
    return found


# ---- what is run -------------------------------------------------------------------------------------------------------


def _itself(given: Any) -> Any:
    return given


def _bounding(name: str, instance: Instance) -> Callable[[], object]:
    return lambda: METHODS[name](instance, limits=Limits(_LONGEST_S))


def _refining(instance: Instance) -> Callable[[], object]:
    return lambda: compact.relax(instance, limits=Limits(_LONGEST_S))


def _ascending(instance: Instance) -> Callable[[], object]:
    """As many evaluations as an ascent's first turn should have."""
    from placement_opt.bounds.dual.classes import classify
    from placement_opt.bounds.dual.futures import merge_futures
    from placement_opt.bounds.dual.price_space import PriceSpace
    from placement_opt.bounds.dual.slopes import slopes

    prices = METHODS["step"](instance).prices
    assert prices is not None
    futures, space = merge_futures(classify(instance)), PriceSpace.of(instance)

    def run() -> None:
        for _ in range(ascent.PASSES):
            slopes(instance, prices, futures=futures, soft=1e-6 * space.slowest)

    return run


def _scheduling(name: str, instance: Instance) -> Callable[[], object]:
    return lambda: simulate(instance, make_scheduler(name), record=True)


def _rounding(instance: Instance) -> Callable[[], object]:
    targets = find_targets(instance)
    return lambda: simulate(instance, Rounded(targets), record=True)


def _rounding_paths(instance: Instance) -> Callable[[], object]:
    prices = METHODS["intervals"](instance).prices
    assert prices is not None

    def run() -> None:
        paths = rounding.rounded_paths(instance, prices, seed=1)
        if paths is not None:
            simulate(instance, Replay(schedule_of(instance, paths, "rounded")))

    return run


def _searching(instance: Instance) -> Callable[[], object]:
    start = simulate(instance, make_scheduler("belady"), record=True).schedule
    return lambda: optimise(instance, limits=Limits(_LONGEST_S), start=start)


def _proving_prices(instance: Instance) -> Callable[[], object]:
    prices = METHODS["step"](instance).prices
    assert prices is not None
    return lambda: certify_prices(instance, prices)


def _proving_schedule(instance: Instance) -> Callable[[], object]:
    schedule = simulate(instance, make_scheduler("lru"), record=True).schedule
    assert schedule is not None
    return lambda: certify_schedule(instance, schedule)


def _drift(shape: tuple[int, int, int]) -> dict[str, Any]:
    layers, prefill, tokens = shape
    return {"layers": layers, "prefill": prefill, "tokens": tokens, "read_share": 0.4, "drift": 0.1}


def _question(shape: tuple[int, int, int]) -> Layered:
    memory, params = preset("gh200"), drift.Params(**_drift(shape))
    capacity = np.array([tier.capacity for tier in memory.tiers])
    capacity[memory.fastest] = params.layers * (params.prefill + params.tokens) << 18
    return Layered("drift", memory, Drawn(params, 1), capacity, 1 << 20, 162_900_000 * memory.read[memory.fastest])


def _solving(problem: Layered) -> Callable[[], object]:
    def run() -> None:
        standing = Standing()
        solve.begin(problem, standing, moves=False)
        solve.solve(problem, standing, limits=Limits(_LONGEST_S))

    return run


def _stacked(shape: tuple[Any, ...]) -> Stacked:
    layers, prefill, tokens, page, residency = (*shape, 2, "inclusive")[:5]
    with scratch_folder() as folder:
        path = folder / "layers.toml"
        path.write_text(_STACKED.format(layers=layers, prefill=prefill, tokens=tokens, page=page, residency=residency))
        return in_layers(read_outline(path))


def _both_sides(question: Stacked) -> Callable[[], object]:
    """Every layer once, at prices of the roofline."""
    first = question.layer(0)
    prices = METHODS["roofline"](first).prices
    assert prices is not None
    made = whole_prices(first, prices, 1.0, question.hash)
    whole = CertifiedPrices(prices.rho, prices.rent, certificate=made)

    def run() -> None:
        with scratch_folder() as folder:
            for layer in range(question.layers):
                by_layer.both_sides(by_layer.LayerTask(question, layer, whole, 1e3, 0, folder / f"{layer}"), Limits())

    return run


def _drawing(shape: tuple[int, int, int]) -> Callable[[], object]:
    return lambda: synthesize("drift", _drift(shape), 1)


def _totals(shape: tuple[int, int, int]) -> Totals:
    return totals_of(synthesize("drift", _drift(shape), 1))


# ---- measuring ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Of one run: key of a factor -> how often it is taken, and what was measured; bytes None where the system does not say."""

    second_keys: Mapping[str, float]
    byte_keys: Mapping[str, float]
    seconds: float
    bytes: int | None


def reference_s() -> float:
    """Seconds of processor time of the reference loop: sorting, adding and a loop of the interpreter."""
    rng, best = np.random.default_rng(1), math.inf
    for _ in range(3):
        numbers = rng.random(1 << 20)
        began = time.process_time()
        np.sort(numbers).cumsum()
        sum(n * n for n in range(400_000))
        best = min(best, time.process_time() - began)
    return best


def measure(section: str) -> list[Run]:
    """All runs of a section, in this process; tiny ones come first, so that nothing is compiled or imported later."""
    job = jobs()[section]
    for shape in job.shapes:
        if shape is job.shapes[0] or getattr(shape, "tiers", 2) != getattr(job.shapes[0], "tiers", 2):
            job.prepare(job.make(_least(shape)))()
    scale = calibration()["reference"]["seconds"]["loop"] / reference_s()
    return [_measured(job, shape, scale) for shape in job.shapes]


def _least(shape: Any) -> Any:
    return Shape(shape.tiers, 30, 2, 3, shape.residency) if isinstance(shape, Shape) else (2, 30, 10)


def _measured(job: Job, shape: Any, scale: float) -> Run:
    given = job.make(shape)
    figures, run = job.figures(given), job.prepare(given)
    before = _restarted()
    took, most = _took(run), _status("VmHWM")
    if took < _SHORT_S:  # what is compiled or imported for this shape alone does not count
        took = min(took, _took(run))
    times = [{key: float(count(figures)) for key, count in keys.items()} for keys in (job.cost.seconds, job.cost.bytes)]
    return Run(times[0], times[1], took * scale, None if before is None or most is None else max(0, most - before))


def _took(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


def _restarted() -> int | None:
    """Bytes held now, from which the most held is counted afresh; None where the system does not offer that."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")
    return None


def _status(key: str) -> int | None:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) << 10
    return None


# ---- fitting -----------------------------------------------------------------------------------------------------------


def fitted(counts: Sequence[Mapping[str, float]], values: Sequence[float]) -> dict[str, float]:
    """Factors, none negative, whose sums are as often above the values as below, as ratios, and no further than they must.

    Least squares of differences over the geometric mean of both, again and again: nearly those of the logarithms.
    """
    keys, value = list(counts[0]), np.maximum(np.array(values, dtype=np.float64), 1e-9)
    table = np.array([[row[key] for key in keys] for row in counts], dtype=np.float64)
    sums, factors = value, np.zeros(len(keys))
    for _ in range(_ROUNDS):
        weight = 1.0 / np.sqrt(value * sums)
        factors = _least_squares(table * weight[:, None], value * weight)
        sums = np.maximum(np.sqrt(sums * (table @ factors)), 1e-3 * value)
    return dict(zip(keys, factors.tolist(), strict=True))


def _least_squares(table: Float64, wanted: Float64) -> Float64:
    """Without negative ones: few factors, so every choice of those above zero is tried."""
    best, least = np.zeros(table.shape[1]), math.inf
    for number in range(1, table.shape[1] + 1):
        for chosen in map(list, itertools.combinations(range(table.shape[1]), number)):
            factors, *_ = np.linalg.lstsq(table[:, chosen], wanted, rcond=None)
            error = float(((table[:, chosen] @ factors - wanted) ** 2).sum())
            if (factors > 0.0).all() and error < least * (1.0 - 1e-9):
                best, least = np.zeros(table.shape[1]), error
                best[chosen] = factors
    return best


def above(counts: Sequence[Mapping[str, float]], values: Sequence[float]) -> dict[str, float]:
    """Factors whose sums are nowhere below the values, and as shares of these least in all; with some room."""
    from scipy.optimize import linprog

    table = np.array([list(row.values()) for row in counts]) / np.array(values, dtype=np.float64)[:, None]
    found = linprog(table.sum(axis=0), A_ub=-table, b_ub=-np.ones(len(values)), method="highs")
    return dict(zip(counts[0], (_SPARE * found.x).tolist(), strict=True))


def factors_of(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """``seconds`` and ``bytes`` of a section, where there are any."""
    found = {"seconds": fitted([run.second_keys for run in runs], [run.seconds for run in runs])}
    held = [run for run in runs if run.bytes]
    if runs[0].byte_keys and held:
        found["bytes"] = above([run.byte_keys for run in held], [float(run.bytes or 0) for run in held])
    return found


def rounded(factors: Mapping[str, float], kind: str) -> dict[str, float]:
    """To two digits, bytes to whole ones and up."""
    if kind == "seconds":
        return {key: float(f"{factor:.2g}") for key, factor in factors.items()}
    digits = {key: max(0, math.floor(math.log10(factor)) - 1) if factor >= 1.0 else 0 for key, factor in factors.items()}
    return {key: math.ceil(factor / 10 ** digits[key]) * 10 ** digits[key] for key, factor in factors.items()}


# ---- the file ----------------------------------------------------------------------------------------------------------


def text_of(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The calibration as it is written: sections in the order of their names."""
    lines = [HEAD]
    for name in sorted(sections):
        section = sections[name]
        lines += [f"[{name}]", f'what = "{section["what"]}"', f"date = {section['date']}"]
        for kind in ("seconds", "bytes"):
            lines += [f"{kind}.{key} = {value!r}" for key, value in section.get(kind, {}).items()]
        lines.append("")
    return "\n".join(lines)


def merged(old: Mapping[str, Any], name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """A section with what was measured, and the figures that stay."""
    section: dict[str, Any] = {"what": _what(runs), "date": date.today()}
    found = factors_of(runs)
    for kind in ("seconds", "bytes"):
        if kind in KEPT.get(name, ()) or kind not in found:
            section |= {kind: old[kind]} if kind in old else {}
        else:
            section[kind] = rounded(found[kind], kind)
    return section


def _what(runs: Sequence[Run]) -> str:
    longest = max(run.seconds for run in runs)
    return f"{len(runs)} drifting traces, the longest run {longest:.2g} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 2 for a section that is not measured here."""
    known = jobs()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description="Measure, and rewrite the calibration.")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"default all: {', '.join(known)}")
    parser.add_argument("--show", action="store_true", help="write nothing, show every run beside what is expected of it")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sections if name not in known]:
        print(f"error: found no section {unknown[0]!r}, expected one of {', '.join(known)}", file=sys.stderr)
        return 2
    sections = dict(calibration())
    for name in options.sections or known:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            runs = pool.submit(measure, name).result()
        sections[name] = merged(sections.get(name, {}), name, runs)
        print(f"{name}: {sections[name].get('seconds')} {sections[name].get('bytes', '')}")
        for run in runs if options.show else ():
            expected = sum(sections[name]["seconds"][key] * times for key, times in run.second_keys.items())
            print(f"  {run.seconds:.3g} s, expected {expected:.3g} s; {run.bytes} bytes; {dict(run.second_keys)}")
    if not options.show:
        write_text_atomic(CALIBRATION, text_of(sections))
    return 0


if __name__ == "__main__":
    sys.exit(main())
