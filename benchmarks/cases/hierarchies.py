"""Both sides where programs are slow: request logs, three tiers and more, every rule; a real log, and hundreds of tiny ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from benchmarks.cases.truth import both_sides, truth_case
from benchmarks.inputs import A100, MOONCAKE, chain_instance, mooncake_instance, write_instance
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.answer.answer import answer
from placement_opt.answer.verdict import Interval, judge
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.small import random_instance


def _requests(residency: str, requests: int) -> Instance:
    """Chats of a thousand requests whose blocks live for 200 s, on HBM, DRAM and NVMe."""
    return write_instance(
        name="requests",
        preset="nvme4",
        memory='hbm.capacity = "4 GiB"\ndram.capacity = "12 GiB"',
        residency=residency,
        llm='layers = 32\nkv_bytes = "4 KiB"',
        trace=f'synth = "requests"\nseed = 1\nrequests = {requests}\nprefixes = 20\nturns = 4.0\nprompt = 4000\n'
        'think = "20 s"\nkeep = "ttl"\nttl = "200 s"',
    )


def _zipf(residency: str, steps: int) -> Instance:
    """A thousand blocks by Zipf's law, a hundred read at each step, on HBM, DRAM and CXL."""
    return write_instance(
        name="zipf",
        preset="cxl3",
        memory='hbm.capacity = "120 MiB"\ndram.capacity = "300 MiB"',
        residency=residency,
        llm='kv_bytes = "1 MiB"\nweight_bytes = "40 MB"',
        trace=f'synth = "zipf"\nseed = 1\nblocks = 1000\nsteps = {steps}\nreads = 100\nexponent = 0.8\nblock_size = "1 MiB"',
    )


def _drift_exclusive(tokens: int) -> Instance:
    return write_instance(
        name="drift",
        preset="nvme4",
        memory='hbm.capacity = "80 MiB"\ndram.capacity = "160 MiB"',
        residency="exclusive",
        llm='layers = 2\nkv_bytes = "1 MiB"\nweight_bytes = "40 MB"',
        trace=f'synth = "drift"\nseed = 1\nlayers = 2\nprefill = 200\ntokens = {tokens}\nread_share = 0.4\ndrift = 0.1',
    )


for _rule in ("free", "exclusive", "inclusive"):
    for _gap, _seconds in ((0.02, 20.0), (0.005, 60.0)):
        truth_case(
            f"truth-requests-{_rule}-{_seconds:.0f}s",
            f"Both sides of 1,000 chat requests on HBM, DRAM and NVMe, {_rule}, {_gap:.1%} in {_seconds:.0f} s.",
            partial(_requests, _rule),
            (12, 1000),
            (_gap, _seconds, None),
            peers=("lru", "belady"),
        )
for _rule in ("free", "exclusive"):
    truth_case(
        f"truth-zipf-{_rule}",
        f"Both sides of 20,000 reads by Zipf's law on HBM, DRAM and CXL, {_rule}.",
        partial(_zipf, _rule),
        (6, 200),
        (0.002, 30.0, None),
        peers=("lru", "belady"),
    )
truth_case(
    "truth-drift-exclusive",
    "Both sides of 11,000 reads, drift 10 %, on HBM, DRAM and NVMe, exclusive.",
    _drift_exclusive,
    (20, 60),
    (0.002, 30.0, None),
    peers=("lru", "belady"),
)
truth_case(
    "truth-1e6-tiers3-deep-180s",
    "The three tiers that are each seven to ten times slower than the one before, in three minutes.",
    lambda tokens: chain_instance(tiers=3, layers=4, prefill=tokens * 2 // 3, tokens=tokens),
    (8, 730),
    (0.01, 180.0, 2.0),
)


# ---- a real log --------------------------------------------------------------------------------------------------------


def _mooncake(requests: int) -> State:
    instance = mooncake_instance(requests, memory='nvme.capacity = "30 TB"', residency="free")
    answer(_requests("free", 12), gap=0.02, limits=Limits(60.0))  # compiled loops are loaded beforehand
    return {"instance": instance}


register(
    Spec(
        name="truth-mooncake",
        about="Both sides of Mooncake's whole conversation trace, 12,031 requests, on HBM, DRAM and 30 TB of NVMe, free.",
        build=_mooncake,
        phases={"answer": partial(both_sides, 0.018, 30.0)},
        sizes=(200, 12_031),
        requires=(MOONCAKE,),
        targets=(Target("gap", "at most", 0.02), Target("answer_s", "at most", 31.0)),
    )
)


def _mooncake_cache(requests: int) -> State:
    instance = mooncake_instance(requests, llm='weight_resident = "16 GB"', residency="cache", outside=A100)
    small = mooncake_instance(20, llm='weight_resident = "16 GB"', residency="cache", outside=A100)
    answer(small, gap=0.02, limits=Limits(60.0))  # compiled loops are loaded beforehand
    return {"instance": instance}


def _judged(state: State) -> Mapping[str, Figure]:
    """What least recently used takes, against what is known of the optimum."""
    latency = simulate(state["instance"], make_scheduler("lru")).latency_s
    interval = Interval(state["bound_s"], state["latency_s"])
    found = judge(latency, interval, METHODS["roofline"](state["instance"]).lower_bound_s)
    return {"lru_s": latency, "lru above the optimum at least": found.above_least, "lru verdict": str(found.verdict)}


register(
    Spec(
        name="truth-mooncake-cache",
        about="Both sides of the same whole trace on HBM, DRAM and NVMe of nvme4 where blocks may be forgotten and recomputed.",
        build=_mooncake_cache,
        phases={"answer": partial(both_sides, 0.018, 60.0), "lru": _judged},
        sizes=(20, 12_031),
        requires=(MOONCAKE,),
        targets=(Target("gap", "at most", 0.02), Target("answer_s", "at most", 61.0)),
    )
)


# ---- hundreds of tiny ones ---------------------------------------------------------------------------------------------

#: Seconds for each, and what counts as the same.
_EACH_S, _SAME = 2.0, 1e-3


def _tiny(count: int) -> State:
    """Random instances of all rules, one to five tiers, unequal sizes, shares, deaths and given starts."""
    rng = np.random.default_rng(292)
    drawn = []
    for number in range(count):
        instance = random_instance(
            rng,
            1 + number % 5,
            KEEPING[number // 5 % len(KEEPING)],
            blocks=5,
            steps=6,
            max_size=1 + number % 3,
            shares=number % 4 == 1,
            deaths=number % 4 == 2,
            given=number % 4 == 3,
        )
        drawn.append(instance)
    return {"instances": drawn}


def _all_tiny(state: State) -> Mapping[str, Figure]:
    """Each answered within seconds, and held against branch and bound and the exact LP."""
    schedules = bounds = 0
    worst_schedule = worst_bound = 0.0
    for instance in state["instances"]:
        found = answer(instance, limits=Limits(_EACH_S))
        optimum, lp = METHODS["milp"](instance).value_s or 0.0, METHODS["lp"](instance).lower_bound_s or 0.0
        above = (found.latency_s or np.inf) / optimum - 1.0 if optimum else 0.0
        below = 1.0 - found.state.lower_s / lp if lp else 0.0
        schedules, bounds = schedules + (above <= _SAME), bounds + (below <= _SAME)
        worst_schedule, worst_bound = max(worst_schedule, above), max(worst_bound, below)
    return {
        "instances": len(state["instances"]),
        "schedules within 0.1 %": schedules,
        "bounds within 0.1 % of the LP": bounds,
        "worst schedule": worst_schedule,
        "worst bound": worst_bound,
        "missed": 2 * len(state["instances"]) - schedules - bounds,
    }


register(
    Spec(
        name="truth-tiny",
        about="292 random tiny instances of all rules, one to five tiers, 2 s each, against branch and bound and the LP.",
        build=_tiny,
        phases={"all": _all_tiny},
        sizes=(3, 292),
        targets=(Target("missed", "at most", 0),),
    )
)
