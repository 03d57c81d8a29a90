"""The generator of agents: trees of prompts as a plain cache of single blocks has them, loops and pauses as asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.report.trace_info import info_text
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.synth import synthesize
from placement_opt.workload.synth.chat import Params, _sessions, drawn, generate
from placement_opt.workload.synth.draws import popularity
from placement_opt.workload.trace import Trace
from tests.workload.traces import digest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SMALL = {
    "sessions_per_second": 0.1, "turns": 2.0, "calls": 3.0, "spawn": 0.3, "spawned_calls": 2.0, "prefix_tokens": 40,
    "opening": 40, "question": 20, "result": 20, "answer": 10, "block_tokens": 16,
}  # fmt: skip


def make(seed: int = 0, **parameters: object) -> Trace:
    return generate(Params(**{**SMALL, **parameters}), np.random.default_rng(seed))  # type: ignore[arg-type]


def names(params: Params, seed: int) -> tuple[list[float], list[list[tuple[object, ...]]]]:
    """Times, and each prompt block by block under a name that says whose text it is and where: equal name, equal prefix."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.exponential(1 / params.sessions_per_second, params.requests))
    prefix = rng.choice(params.prefixes, params.requests, p=popularity(params.prefixes, params.prefix_exponent))
    calls = drawn(params, starts, rng)
    shared, prompts, times = params.prefix_tokens // params.block_tokens, [], []
    for c in np.argsort(calls.time, kind="stable")[: params.requests].tolist():
        main, session, blocks = int(calls.main[c]), int(calls.session[c]), int(calls.tokens[c]) // params.block_tokens
        fresh = bool(calls.helper[c]) and params.subagents == "fresh"
        begun = shared if fresh else int(calls.tokens[main]) // params.block_tokens
        prompt: list[tuple[object, ...]] = []
        for index in range(blocks):
            if index < shared:
                prompt.append(("agents" if fresh else int(prefix[session]), index))
            else:
                prompt.append(("helper", main, index) if calls.helper[c] and index >= begun else ("session", session, index))
        prompts.append(prompt)
        times.append(float(calls.time[c]))
    return times, prompts


def slow(params: Params, seed: int) -> tuple[list[list[int]], list[int], list[int]]:
    """A dictionary from a block's name to (id, time of last use): rows, births, deaths."""
    times, prompts = names(params, seed)
    ttl, steps = {None: float("inf"), "20 s": 20.0}[params.ttl], len(prompts)
    cached: dict[tuple[object, ...], tuple[int, float]] = {}
    rows, births, deaths = [], list[int](), list[int]()

    def free(name: tuple[object, ...]) -> None:
        block, used = cached.pop(name)
        alive = sum(time <= used + ttl for time in times)
        deaths[block] = steps if alive == steps else max(alive - 1, births[block] + 1)

    for step, prompt in enumerate(prompts):
        row = []
        for name in prompt:
            if name in cached and times[step] > cached[name][1] + ttl:
                free(name)
            if name in cached:
                row.append(cached[name][0])
            else:
                cached[name] = (len(births), 0.0)
                births.append(step)
                deaths.append(steps)
            cached[name] = (cached[name][0], times[step])
        rows.append(row)
    for name in list(cached):
        free(name)
    return rows, births, deaths


SETTINGS = st.builds(
    lambda requests, spawn, subagents, ttl, prefixes, longest: Params(
        **SMALL
        | {"requests": requests, "spawn": spawn, "subagents": subagents, "prefixes": prefixes, "longest": longest}
        | ({} if ttl is None else {"keep": "ttl", "ttl": ttl})
    ),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from(["fork", "fresh"]),
    st.sampled_from([None, "20 s"]),
    st.integers(1, 3),
    st.sampled_from([120, 200_000]),
)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(SETTINGS, st.integers(0, 2**32))
def test_equals_a_cache_of_single_blocks(params: Params, seed: int) -> None:
    """Rows, births and deaths are those of a dictionary that is asked block by block, along each prompt of the tree."""
    rows, births, deaths = slow(params, seed)
    trace = generate(params, np.random.default_rng(seed))
    assert [trace.reads(t).tolist() for t in range(trace.num_steps)] == rows
    assert (trace.birth.tolist(), trace.death.tolist()) == (births, deaths)


@pytest.mark.parametrize("subagents", ["fork", "fresh"])
def test_sessions_free_what_nobody_extends(subagents: str) -> None:
    """Under keep = session a block outlives its last read only where its session goes on behind the end, or all share it."""
    kept, freed = (make(requests=400, subagents=subagents, spawn=0.2, keep=keep) for keep in ("forever", "session"))
    assert kept.blocks.tolist() == freed.blocks.tolist()
    last = np.full(freed.num_blocks, -1)
    last[freed.blocks] = freed.read_step
    gone = freed.death < freed.num_steps
    assert gone.mean() > 0.6
    assert (freed.death[gone] >= np.maximum(last, freed.birth + 1)[gone]).all()
    assert not gone[:2].any()


def test_loops_pauses_and_sub_agents_are_as_asked() -> None:
    """Mean calls of a session, the share that starts sub-agents, theirs, and medians of both pauses (within 5 %)."""
    params = Params(spawn=0.1)
    calls = _sessions(params, np.arange(4000.0), np.random.default_rng(1))
    own = ~calls.helper
    assert own.sum() / 4000 == pytest.approx(params.turns * params.calls, rel=0.05)
    assert calls.spawns[own].mean() == pytest.approx(0.1, rel=0.05)
    assert calls.helper.sum() / calls.spawns.sum() == pytest.approx(params.spawned_calls, rel=0.05)
    next_call = np.flatnonzero(own[1:] & (calls.session[1:] == calls.session[:-1]) & ~calls.spawns[:-1])
    pause = np.diff(calls.time)[next_call]
    # One turn of ten calls: of ten pauses, nearly one is a person's.
    assert np.median(pause) == pytest.approx(6 * np.exp(0.13), rel=0.08)
    grown = np.diff(calls.tokens)[next_call]
    assert (grown[calls.tokens[next_call + 1] < params.longest] > 0).all()


def test_a_parent_waits_for_its_sub_agent() -> None:
    """No call of a session lies between the first and the last call of the sub-agent that the call before started."""
    calls = _sessions(Params(spawn=0.5), np.arange(50.0) * 1e6, np.random.default_rng(2))
    ends = np.zeros(len(calls.time))
    np.maximum.at(ends, calls.main, calls.time)
    own = np.flatnonzero(~calls.helper)
    follows = own[1:][calls.session[own[1:]] == calls.session[own[:-1]]]
    assert (calls.time[follows] > ends[follows - 1]).all()


def test_forks_share_what_fresh_ones_produce() -> None:
    """Sub-agents that extend their parent's prompt read more than those that begin anew."""
    fork, fresh = (make(requests=500, spawn=0.5, subagents=subagents) for subagents in ("fork", "fresh"))
    assert fork.num_reads / fork.num_steps > 1.2 * fresh.num_reads / fresh.num_steps


def test_reuse_is_near_that_of_coding_sessions() -> None:
    """Most of a prompt is there already, as in the longer of the public sessions, and no more than there."""
    path = DATA / "agentic" / "trace_0732.json"
    if not path.exists():
        pytest.skip(f"no {path.parent}")
    seen: set[int] = set()
    wanted = there = 0
    for request in json.loads(path.read_text())["requests"]:
        ids = request["hash_ids"]
        wanted, there = wanted + len(ids), there + len(seen.intersection(ids))
        seen.update(ids)
    trace = synthesize("chat", {"requests": 5000}, 0)
    assert trace.num_reads / (trace.num_reads + trace.num_blocks) == pytest.approx(there / wanted, abs=0.03)


def test_equal_seeds_give_equal_traces() -> None:
    """A seed decides everything; the digest holds the draws."""
    assert digest(make(7)) == digest(make(7)) != digest(make(8))
    assert digest(make(7)) == "d9230f418955"


def test_a_description_says_where_it_comes_from() -> None:
    """Provenance has every parameter, and the seconds that pass."""
    trace = synthesize("chat", {"requests": 20}, 3)
    assert trace.meta["parameters"]["spawned_calls"] == 8
    assert trace.meta["seed"] == 3
    assert "chat" in info_text(describe_trace(trace), trace)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"calls": 0.5}, "calls: found 0.5, expected a finite number in [1, 10000]"),
        ({"spawn": 2}, "spawn: found 2, expected a finite number in [0, 1]"),
        ({"subagents": "frok"}, "subagents: found 'frok', did you mean 'fork'?"),
        ({"keep": "ttl"}, "ttl: found nothing, expected a duration with keep = 'ttl' and only then"),
        ({"ttl": "9 s"}, "ttl: found '9 s' beside keep = 'forever', expected a duration with keep = 'ttl' and only then"),
        ({"longest": 100}, "longest: found 100, expected at least prefix_tokens, 13000"),
    ],
)
def test_refuses_settings_out_of_range(parameters: dict[str, object], message: str) -> None:
    """Every parameter out of range is refused with its name."""
    with pytest.raises(InputError) as caught:
        Params(**parameters)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_prompts_that_fill_no_block_are_refused() -> None:
    """There must be something to place."""
    with pytest.raises(InputError, match="block_tokens: found 1000000, more than any prompt's tokens"):
        make(block_tokens=10**6, longest=1000)
