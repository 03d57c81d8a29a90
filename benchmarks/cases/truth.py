"""Both sides of instances in rows: the proven bound and the schedule that one command finds, with peers from the same run."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from benchmarks.inputs import chain_instance, drift_instance, sized_instance, write_instance
from benchmarks.registry import Figure, Phase, Spec, State, Target, register
from placement_opt.answer.answer import answer
from placement_opt.base.highs import solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.lp import build as build_lp
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler


def _warm(build: Callable[[int], Instance], gap: float, size: int, smallest: int) -> State:
    """The instance; compiled loops are loaded beforehand, which is no part of what is measured."""
    answer(build(smallest), gap=max(0.01, gap), limits=Limits(60.0))
    return {"instance": build(size)}


def both_sides(gap: float, seconds: float, state: State, memory: int | None = None) -> Mapping[str, Figure]:
    instance = state["instance"]
    found = answer(instance, gap=gap, limits=Limits(seconds, memory))
    state["answer_s"] = found.solve_s
    if found.latency_s is None or found.gap is None:
        raise RuntimeError(f"no schedule: {'; '.join(found.notes)}")
    state["bound_s"], state["latency_s"] = found.state.lower_s, found.latency_s
    return {
        "blocks": instance.num_blocks,
        "reads": instance.trace.num_reads,
        "steps": instance.num_steps,
        "lower_bound_s": found.state.lower_s,
        "schedule_s": found.latency_s,
        "gap": found.gap,
        "status": str(found.outcome),
        "bound_from": found.state.bound_from,
        "schedule_from": found.state.schedule_from,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _peers(schedulers: tuple[str, ...], state: State) -> Mapping[str, Figure]:
    """What other schedulers reach, as gaps over the same bound, and the time they take."""
    figures: dict[str, Figure] = {"roofline_s": METHODS["roofline"](state["instance"]).lower_bound_s or 0.0}
    for name in schedulers:
        began = time.perf_counter()
        run = simulate(state["instance"], make_scheduler(name))
        figures[f"{name} took_s"] = time.perf_counter() - began
        figures[f"{name} gap"] = run.latency_s / state["bound_s"] - 1.0
    return figures


def _exact(state: State) -> Mapping[str, Figure]:
    """The exact LP in HiGHS, without a gap to stop at."""
    began = time.perf_counter()
    found = METHODS["lp"](state["instance"])
    took, value = time.perf_counter() - began, found.lower_bound_s or 0.0
    return {"exact_lp_s": value, "bound_over_exact_lp": state["bound_s"] / value, "exact LP took_s": took}


def _straight(state: State) -> Mapping[str, Figure]:
    """The same LP, a copy offered at every step, handed to HiGHS in one piece, which is given 100 times as long."""
    program = build_lp(state["instance"])
    began = time.perf_counter()
    found = solve(program, limits=Limits(100.0 * state["answer_s"]))
    took = time.perf_counter() - began
    return {
        "straight LP columns": program.num_columns,
        "straight LP took_s": took,
        "straight LP ended": str(found.ended),
        "times_faster": took / state["answer_s"],
    }


def truth_case(
    name: str,
    about: str,
    build: Callable[[int], Instance],
    sizes: tuple[int, int],
    targets: tuple[float, float, float | None],
    *,
    peers: tuple[str, ...] = ("lru", "sa"),
    exact: bool = False,
    straight: bool = False,
    limited: bool = False,
) -> None:
    """A case; ``limited``: no rung is begun that should need more memory than is aimed at."""
    gap, seconds, memory = targets
    most = int(memory * 2**30) if limited and memory is not None else None
    # stops well below the gap that is asked of it, if it gets there in time, and in time for what ending takes
    answered = partial(both_sides, 0.9 * gap, 0.99 * seconds, memory=most)
    phases: dict[str, Phase] = {"answer": answered, "peers": partial(_peers, peers)}
    if exact:
        phases["exact"] = _exact
    wanted = [Target("gap", "at most", gap), Target("answer_s", "at most", seconds)]
    if straight:
        phases["straight"] = _straight
        wanted.append(Target("times_faster", "at least", 50.0))
    if memory is not None:
        wanted.append(Target("peak_gib", "at most", memory))
    register(
        Spec(
            name=name,
            about=about,
            build=lambda size: _warm(build, gap, size, sizes[0]),
            phases=phases,
            sizes=sizes,
            targets=tuple(wanted),
        )
    )


def _drift(capacity: float, drift: float, tokens: int) -> Instance:
    return drift_instance(layers=4, prefill=5 * tokens, tokens=tokens, capacity=capacity, drift=drift)


def _unequal(seed: int, tokens: int) -> Instance:
    """Settings and block sizes drawn at random: two tiers, some 9e4 reads at full size."""
    rng = np.random.default_rng(seed)
    return sized_instance(
        layers=int(rng.integers(2, 7)),
        reads=88 * tokens * tokens // 10,
        tokens=tokens,
        capacity=float(rng.uniform(0.2, 0.6)),
        drift=float(rng.uniform(0.02, 0.4)),
        read_share=float(rng.uniform(0.2, 0.6)),
        seed=seed,
    )


def _tiers3(tokens: int) -> Instance:
    """HBM for 20 % of the blocks, DRAM for 30 %, CXL memory for all."""
    layers, prefill = 4, tokens * 2 // 3
    blocks = layers * (prefill + tokens)
    return write_instance(
        name="tiers3",
        preset="cxl3",
        memory=f'hbm.capacity = "{blocks // 5} MiB"\ndram.capacity = "{3 * blocks // 10} MiB"',
        llm=f'layers = {layers}\nkv_bytes = "1 MiB"\nweight_bytes = "162.9 MB"',
        trace=f'synth = "drift"\nseed = 1\nlayers = {layers}\nprefill = {prefill}\ntokens = {tokens}\nread_share = 0.4\n'
        "drift = 0.1",
    )


def _deep3(tokens: int) -> Instance:
    return chain_instance(tiers=3, layers=4, prefill=tokens * 2 // 3, tokens=tokens)


def _requests(residency: str, requests: int) -> Instance:
    """Blocks of 16 tokens; HBM and DRAM in front of an NVMe drive that writes at half the rate at which it reads."""
    return write_instance(
        name="requests",
        preset="nvme4",
        memory='hbm.capacity = "40 GiB"\ndram.capacity = "100 GiB"',
        residency=residency,
        llm='layers = 32\nkv_bytes = "4 KiB"',
        trace=f'synth = "requests"\nseed = 1\nrequests = {requests}\nblock_tokens = 16',
    )


_ROWS = "4 layers, 500 + 100 tokens, 40 % read"
truth_case(
    "truth-88k",
    f"Both sides of 88k reads ({_ROWS}), drift 10 %, capacity 30 %.",
    partial(_drift, 0.3, 0.1),
    (4, 100),
    (0.001, 2.0, None),
    peers=("static", "reactive", "lru", "sa", "lp-rounded"),
    exact=True,
    straight=True,
)
truth_case(
    "truth-88k-room45",
    f"The same ({_ROWS}), capacity 45 %.",
    partial(_drift, 0.45, 0.1),
    (4, 100),
    (0.003, 5.0, None),
    exact=True,
)
truth_case(
    "truth-88k-drift30", f"The same ({_ROWS}), drift 30 %.", partial(_drift, 0.3, 0.3), (4, 100), (0.001, 5.0, None), exact=True
)
for _seed in (1, 2, 3):
    truth_case(
        f"truth-unequal-{_seed}",
        f"Both sides of a setting drawn at random (seed {_seed}): two tiers, blocks of unequal sizes, some 9e4 reads.",
        partial(_unequal, _seed),
        (6, 100),
        (0.005, 10.0, None),
        exact=True,
    )
truth_case(
    "truth-1e6-tiers3", "Both sides of 1e6 reads on HBM, DRAM and CXL, drift 10 %.", _tiers3, (8, 730), (0.0015, 23.0, 2.0)
)
truth_case(
    "truth-1e6-tiers3-deep",
    "The same on three tiers that are each seven to ten times slower than the one before.",
    _deep3,
    (8, 730),
    (0.02, 60.0, 2.0),
)
for _rule, _gap, _seconds in (("inclusive", 0.0051, 26.0), ("exclusive", 0.001, 30.0)):
    truth_case(
        f"truth-1e6-requests-{_rule}",
        f"Both sides of 1.5e6 blocks of 3,000 requests on HBM, DRAM and NVMe with unequal rates, {_rule}.",
        partial(_requests, _rule),
        (60, 3000),
        (_gap, _seconds, 2.0),
        peers=("lru",),
    )
