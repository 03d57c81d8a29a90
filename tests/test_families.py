"""A tiny instance of every family of memory that computes, or wears, or is asked by request: all that is said of it agrees.

Seconds are by hand, from the figures of the presets (their sources stand there) and what is overridden here. Enumeration, MILP
and LP engine, the statement in Pyomo, every bound, schedulers and the verifier are held to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from models import horizon
from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.base.errors import BudgetError, PlacementError
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Status
from placement_opt.certify.verify import verify_prices, verify_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import build_instance
from placement_opt.play.run import Run
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.trace import Trace
from tests.brute import optimum
from tests.brute_budgets import BudgetedEnumeration

#: Bytes of a page of the dies of arXiv 2512.03608, and bytes/s of one of them: 32 planes, 4 us a page.
PAGE, DIE = 4096, 32 * 4096 * 250_000
#: Bytes of a page of arXiv 2409.15654.
LARGE = 16_384
YEAR = 365 * 86_400


def made(
    memory: Mapping[str, Any],
    sizes: Sequence[int],
    *,
    weights: int = 0,
    steps: int = 2,
    births: Sequence[int] | None = None,
    pieces: Sequence[int] | None = None,
    residency: str = "exclusive",
    **tables: Any,
) -> Instance:
    """Every step reads all blocks that are there, the first ``weights`` of which are weights."""
    born = [-1] * len(sizes) if births is None else list(births)
    reads = [[b for b, birth in enumerate(born) if birth < t] for t in range(steps)]
    trace = Trace.from_reads(reads, born, sizes=sizes, pieces=pieces)
    if weights:
        trace = replace(trace, block_kind=(np.arange(len(sizes)) < weights).astype(np.int8))
    return build_instance(memory, trace, rules={"residency": residency}, **tables)


def agree(instance: Instance, seconds: Fraction, relaxed: Fraction | None = None) -> Run:
    """Everything gives this optimum, and the relaxation its own value; returns the best schedule's run."""
    near = pytest.approx(float(seconds), rel=1e-8)
    best = optimum(instance).seconds if instance.timed else BudgetedEnumeration(instance).objective()
    assert best == near
    assert horizon.value(instance) == near
    found = {method: METHODS[method](instance) for method in ("roofline", "step", "step-integer", "lp", "milp")}
    if instance.num_tiers == 2:
        found["compact"] = METHODS["compact"](instance)
    assert found["milp"].lower_bound_s == near
    assert found["lp"].lower_bound_s == pytest.approx(horizon.value(instance, relax=True), rel=1e-8)
    if relaxed is not None:
        assert found["lp"].lower_bound_s == pytest.approx(float(relaxed), rel=1e-8)
    for method, bound in found.items():
        assert bound.lower_bound_s is not None
        assert bound.lower_bound_s <= float(seconds) * (1 + 1e-8), method
        if bound.prices is not None:
            proven = float(verify_prices(instance, certify_prices(instance, bound.prices)))
            assert proven <= float(seconds) * (1 + 1e-8), method
            if method == "lp":
                assert proven == pytest.approx(bound.lower_bound_s, rel=1e-7)
    runs = {}
    for name in ("milp", "static", "lru"):
        try:
            runs[name] = simulate(instance, make_scheduler(name), record=True)
        except BudgetError:
            assert not instance.timed
    for name, run in runs.items():
        assert run.schedule is not None
        assert run.cost_s >= float(seconds) * (1 - 1e-8), name
        taken = verify_schedule(instance, certify_schedule(instance, run.schedule))
        assert float(taken) == pytest.approx(run.cost_s, rel=1e-12), name
    assert runs["milp"].cost_s == near
    return runs["milp"]


def test_discrete_dies_that_compute_with_weights_and_kv() -> None:
    """KVNAND-D: nine dies multiply 18 pages of weights while seven attend 14 of KV, as balanced as can be."""
    instance = made({"preset": "kvnand-d"}, [9 * PAGE, 9 * PAGE, 7 * PAGE, 7 * PAGE], weights=2)
    run = agree(instance, 2 * Fraction(18 * PAGE, 9 * DIE))
    done = run.operation_bytes
    assert done["multiply g1"] + done.get("read g1", 0) == pytest.approx(2 * 18 * PAGE)
    assert done["attend g2"] + done.get("read g2", 0) == pytest.approx(2 * 14 * PAGE)


def test_compact_dies_that_read_pages_for_pieces() -> None:
    """KVNAND-C-16: KV that is written in pieces of 512 B is read in pages of 4,096 B, a page for each; weights are whole."""
    sizes = [8 * PAGE, 8 * PAGE, PAGE, PAGE]
    agree(made({"preset": "kvnand-c16"}, sizes, weights=2), 2 * Fraction((16 + 2) * PAGE, 16 * DIE))
    agree(made({"preset": "kvnand-c16"}, sizes, weights=2, pieces=[1, 1, 8, 8]), 2 * Fraction((16 + 16) * PAGE, 16 * DIE))


@pytest.mark.parametrize(
    ("pages", "nanoseconds"),
    [
        (64, Fraction(32 * PAGE, 64)),  # both blocks of KV from DRAM of 64 GB/s: flash is busy with weights
        (32, (16 + Fraction(64, 1024)) * PAGE / Fraction(384, 10)),  # one is read from flash, beside results of weights
    ],
)
def test_flash_that_multiplies_weights_while_kv_is_read(pages: int, nanoseconds: Fraction) -> None:
    """Base-1 of KVNAND: flash may hold KV, which it cannot attend."""
    instance = made({"preset": "kvnand-base1"}, [pages * PAGE, pages * PAGE, 16 * PAGE, 16 * PAGE], weights=2)
    agree(instance, 2 * nanoseconds / 10**9)


def test_weights_are_split_between_computing_and_streaming() -> None:
    """Cambricon: the share IFC / (IFC + stream) of weights is multiplied in flash; stream: what results leave of channels."""
    memory = {"preset": "cambricon-s", "dram.capacity": f"{32 * LARGE} B"}
    instance = made(memory, [32 * LARGE] * 3, weights=2)
    cores = 32 * LARGE / Fraction(30_256, 10**9)
    stream = 8 * 10**9 - cores / 128
    share = cores / (cores + stream)
    run = agree(instance, 2 * 64 * LARGE / (cores + stream), 2 * 64 * LARGE / (cores + stream))
    done = run.operation_bytes
    assert done["multiply flash"] == pytest.approx(2 * 64 * LARGE * float(share), rel=1e-6)
    assert done["read flash"] == pytest.approx(2 * 64 * LARGE * float(1 - share), rel=1e-6)


def test_packages_in_which_flash_and_dram_share_a_link() -> None:
    """Lincoln: the array reads in 3.426 us a page, cores take 34 GB/s a die, and the gap is filled by reading over the link."""
    memory = {"preset": "lincoln-2", "dram.capacity": f"{4 * PAGE} B"}  # of each of eight dies
    agree(made(memory, [32 * PAGE] * 4, weights=3), 2 * Fraction(96, 8 * 32) * Fraction(3_426, 10**9))


def test_flash_behind_the_bus_of_a_host() -> None:
    """AiF: weights at 6.4 GB/s a die, of which 16 multiply; results alone pass the bus."""
    memory = {"preset": "aif", "dram.capacity": f"{32 * LARGE} B"}
    agree(made(memory, [32 * LARGE] * 4, weights=3), 2 * Fraction(96 * LARGE, 16 * 6_400_000_000))


@pytest.mark.parametrize("weights", [0, 1])
def test_banks_that_attend_within_hbm(weights: int) -> None:
    """AttAcc: banks compute 9 times what leaves a stack; some KV is read besides, unless the way out is needed for weights."""
    instance = made({"preset": "attacc-pim"}, [16 * PAGE] * (2 + weights), weights=weights)
    banks, out = 40 * Fraction(60_336, 10) * 10**9, 40 * Fraction(6_704, 10) * 10**9
    kv = 32 * PAGE
    seconds = kv / (banks + out - banks / 256) if not weights else (16 * PAGE + Fraction(kv, 256)) / out
    run = agree(instance, 2 * seconds)
    assert run.operation_bytes["attend hbm"] >= 2 * kv * 0.9


def test_edram_that_is_refreshed_within_a_budget_of_energy() -> None:
    """Kelle: eDRAM is four times as fast and costs three times as much a bit; the budget lets half of the reads come from it.

    A block of s bytes with copies in both: s/2 at 24 pJ/B, s/2 at 8 pJ/B, 0.5 W for s/2 over 64 GB/s.
    """
    size = 2**20
    memory = {
        "preset": "kelle-edram", "edram.energy": "3 pJ/bit", "edram.background_power": "0.5 W", "sram.capacity": "0 B",
        "sram.energy": "1 pJ/bit", "lpddr.energy": "1 pJ/bit",
    }  # fmt: skip
    half, seconds = size // 2, Fraction(size // 2, 64 * 10**9)
    joules = 2 * (half * Fraction(24 + 8, 10**12) + seconds / 2)
    text = f"{float(joules * 10**9):.3f} nJ"
    assert Fraction(text.split()[0]) == joules * 10**9
    free = made(memory, [size], residency="free")
    agree(free, 2 * Fraction(size, 320 * 10**9))
    run = agree(made(memory, [size], residency="free", budgets={"energy": text}), 2 * seconds, 2 * seconds)
    assert run.consumption.joules == pytest.approx(float(joules), rel=1e-8)


def test_flash_of_a_phone_that_is_asked_by_request() -> None:
    """100,000 requests a second, pages of 16 KiB: a cluster in 16 pieces takes as long as 16 requests, unless DRAM keeps it."""
    memory = {
        "preset": "phone-ufs", "ufs.capacity": "512 GB", "ufs.read_rate": "4 GB/s", "ufs.write_rate": "2 GB/s",
        "ufs.read_iops": "100 kIOPS", "ufs.page": "16 KiB", "dram.capacity": "64 KiB",
    }  # fmt: skip
    agree(made(memory, [2**16, 2**16], pieces=[1, 16]), 2 * Fraction(2**16, 4 * 10**9))
    agree(made(memory, [2**16, 2**16], pieces=[16, 16]), 2 * Fraction(16, 100_000))


@pytest.mark.parametrize(("link", "rate"), [("8 GB/s", Fraction(8 * 16, 5)), ("32 GB/s", Fraction(512, 10))])
def test_a_pool_behind_a_decompressor(link: str, rate: Fraction) -> None:
    """CXL-SpecKV: five sixteenths pass the link, all of it the codec of 51.2 GB/s; GPU memory has room for one block of two."""
    memory = {"preset": "cxl-speckv", "hbm.rate": "2 TB/s", "pool.rate": "100 GB/s", "cxl.rate": link, "hbm.capacity": "64 KiB"}
    agree(made(memory, [2**16, 2**16]), 2 * 2**16 / (rate * 10**9))


HBF = {
    "preset": "hbf-g2", "hbf.read_time": "3 us", "hbf.program_time": "100 us", "hbf.endurance": "100000 cycles",
    "hbf.energy": "2 pJ/bit", "ucie.energy": "1 pJ/bit",
}  # fmt: skip


def worn(**tables: Any) -> Instance:
    """A step reads one block of 64 KiB and writes one, the next reads both and writes one."""
    return made(HBF, [2**16] * 3, births=[-1, 0, 1], residency="free", **tables)


def test_flash_that_must_last_waits() -> None:
    """HBF: 512 GiB that bear 100,000 cycles in five years are written at 349 MB/s at most, and programmed 30 times as fast.

    The joules that the run takes do not change by waiting.
    """
    lasts = 2 * 2**16 / Fraction(10**5 * 2**39, 5 * YEAR)
    run = agree(worn(budgets={"hbf.lifetime": "5 years"}), lasts, lasts)
    assert run.latency_s == pytest.approx(float(lasts), rel=1e-9)
    assert run.waited_s > 0.9 * run.latency_s
    joules = (3 + 2) * 2**16 * Fraction(8 * 3, 10**12)  # three blocks are read, two written
    run = agree(worn(budgets={"hbf.lifetime": "5 years"}, objective={"time": 0, "energy": "2 s/J"}), 2 * joules, 2 * joules)
    assert run.consumption.joules == pytest.approx(float(joules), rel=1e-9)


def test_no_design_lasts_five_years() -> None:
    """The same within 320 us: no schedule keeps both budgets, and a certificate proves it; four years it lasts."""
    instance = worn(budgets={"hbf.lifetime": "5 years", "time": "320 us"})
    assert BudgetedEnumeration(instance).objective() is None
    with pytest.raises(PlacementError, match="nfeasible"):
        horizon.value(instance)
    for method in ("lp", "milp"):
        found = METHODS[method](instance)
        assert found.status is Status.INFEASIBLE, method
        assert found.prices is not None
        assert verify_prices(instance, certify_prices(instance, found.prices, no_schedule=True)) > 0
    with pytest.raises(BudgetError):
        simulate(instance, make_scheduler("static"))
    lasts = 2 * 2**16 / Fraction(10**5 * 2**39, 4 * YEAR)
    agree(worn(budgets={"hbf.lifetime": "4 years", "time": "320 us"}), lasts, lasts)
