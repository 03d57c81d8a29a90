"""Requests become steps as an obvious, slow server serves them; what no batch may break is not broken."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.workload.derive import make, selection
from placement_opt.workload.derive.batching import Server
from placement_opt.workload.derive.log import Log
from placement_opt.workload.derive.params import Serving
from placement_opt.workload.derive.rows import groups_of
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep
from tests.workload.served_slowly import SlowServer
from tests.workload.traces import same

BLOCK = 4


def random_log(rng: np.random.Generator, requests: int = 7) -> Log:
    """Prompts that begin alike, some continued, some equal, with and without a number for a partial last block."""
    numbers: dict[tuple[int, ...], int] = {}
    texts: list[list[int]] = []
    partial = rng.random() < 0.5
    for _ in range(requests):
        begin = texts[rng.integers(len(texts))] if texts and rng.random() < 0.7 else []
        keep = len(begin) if rng.random() < 0.6 else int(rng.integers(0, len(begin) + 1))
        texts.append([*begin[:keep], *rng.integers(0, 3, rng.integers(0 if keep else 1, 14)).tolist()])
    rows = []
    for text in texts:
        ends = [*range(BLOCK, len(text) + 1, BLOCK), *([len(text)] if partial and len(text) % BLOCK else [])]
        rows.append([numbers.setdefault(tuple(text[:end]), len(numbers)) for end in ends])
    return Log(
        arrival=np.cumsum(rng.integers(0, 60, requests) * (rng.random(requests) < 0.6)).astype(np.int64),
        start=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        ids=np.array(list(itertools.chain(*rows)), dtype=np.int64),
        block_tokens=BLOCK,
        prompt=np.array([len(text) for text in texts], dtype=np.int64),
        answer=rng.integers(1, 8, requests),
    )


def random_serving(rng: np.random.Generator, **stated: Any) -> Serving:
    """Any settings of a small model's server but sparse attention."""
    kind = rng.choice(["dense", "window", "hybrid"])
    settings: dict[str, Any] = {
        "model": "gemma-3-1b" if rng.random() < 0.2 else "llama-3.2-1b",
        "attention": str(kind),
        "layers": str(rng.choice(["union", "each"])),
        "page_tokens": int(rng.choice([1, 2, 4])),
        "last_page": str(rng.choice(["full", "shares"])),
        "answers": str(rng.choice(["private", "repeated"])),
        "max_running": int(rng.integers(1, 5)),
        "batch_tokens": int(rng.integers(5, 20)),
        "chunk_tokens": None if rng.random() < 0.5 else int(rng.integers(1, 9)),
        "step_time": "10 ns",
        "arrivals": "none" if rng.random() < 0.2 else "log",
    }
    if kind != "dense":
        settings |= {"window": int(rng.integers(1, 12)), "sinks": int(rng.integers(0, 6))}
    if kind == "hybrid":
        settings["hybrid"] = str(rng.choice(["1:3", "2:1"]))
    return Serving(**settings | stated)


def slow_trace(slow: SlowServer, keep: Keep) -> Trace:
    """The trace of what the slow server did."""
    serving, log = slow.serving, slow.log
    groups = groups_of(serving.windows, each=serving.layers == "each")
    layer_of = [list(serving.windows).index(window) if serving.layers == "union" else g for g, (window, _) in enumerate(groups)]
    turns = len(groups) if serving.layers == "each" else 1
    begins = np.cumsum([0, *(1 if step in slow.idle else turns for step in range(len(slow.reads)))]).tolist()

    def at(step: int, group: int) -> int:
        return begins[step] + (group if serving.layers == "each" else 0)

    blocks = sorted((at(page.birth, g), page.maker, g, n) for n, page in enumerate(slow.pages) for g in range(len(groups)))
    number = {(n, g): place for place, (_, _, g, n) in enumerate(blocks)}
    rows: list[dict[int, int]] = [{} for _ in range(begins[-1])]
    for step, reads in enumerate(slow.reads):
        for g, layer in enumerate(layer_of):
            rows[at(step, g)] |= {number[page, g]: tokens for (page, other), tokens in reads.items() if other == layer}
    death = [begins[-1]] * len(blocks)
    if keep.rule == "last-use":
        death = [birth + 1 for birth, *_ in blocks]
        for step, row in enumerate(rows):
            death = [max(last, step) if block in row else last for block, last in enumerate(death)]
    elif slow.ttl is not None:
        for block, (birth, _, _, n) in enumerate(blocks):
            limit = slow.pages[n].used[0 if slow.ttl[1] else 1] + slow.ttl[0]
            last = [step for step, now in enumerate(slow.clocks) if (step if slow.ttl[1] else now) <= limit][-1]
            death[block] = begins[-1] if last == len(slow.reads) - 1 else max(birth + 1, begins[last + 1] - 1)
    partial = serving.last_page == "shares"
    shares = [{block: Fraction(tokens, slow.size) for block, tokens in row.items()} for row in rows]
    trace = Trace.from_reads(
        [list(row) for row in rows], [birth for birth, *_ in blocks], deaths=death, shares=shares if partial else None
    )
    scale = slow.size // trace.share_base if partial else 1
    each = serving.layers == "each"
    iteration = np.repeat(np.arange(len(slow.reads)), np.diff(begins))
    sizes = [slow.size * groups[g][1] for _, _, g, _ in blocks]
    floors = np.zeros(begins[-1], dtype=np.int64)
    floors[[begins[step] for step in slow.idle]] = list(slow.idle.values())
    return dataclasses.replace(
        trace,
        size=np.array(sizes if len({layers for _, layers in groups}) > 1 else sizes[:1]),
        size_unit="token-layers",
        shares=None if trace.shares is None or slow.size == 1 else (trace.shares * scale).astype(np.uint16),
        share_base=slow.size if partial and slow.size > 1 else 1,
        step_token=iteration.astype(np.int32) if each else None,
        step_layer=np.concatenate([np.arange(n) for n in np.diff(begins)]).astype(np.int32) if each else None,
        block_token=np.array([place * slow.size for _, (_, place), _, _ in blocks], dtype=np.int32),
        block_layer=np.array([g for _, _, g, _ in blocks], dtype=np.int32) if each else None,
        step_floor=floors if slow.idle else None,
        requests=make.Served(
            log.arrival if serving.arrivals == "log" else np.zeros_like(log.arrival),
            *(
                np.array(values, dtype=np.int32)
                for values in zip(
                    *((at(one.admitted, 0), begins[one.first + 1] - 1, begins[one.last + 1] - 1) for one in slow.requests),
                    strict=True,
                )
            ),
            log.prompt,
            log.answer,
        ),
    )


def random_keep(rng: np.random.Generator) -> Keep:
    rules = (
        Keep(),
        Keep("last-use"),
        Keep("ttl", steps=int(rng.integers(0, 6))),
        Keep("ttl", seconds=Fraction(int(rng.integers(0, 60)), 10**9)),
    )
    return rules[rng.integers(4)]


def fast_trace(log: Log, serving: Serving, keep: Keep = Keep()) -> Trace:  # noqa: B008 - frozen
    return make._derived(log, serving, keep, 0, Limits(), {})


@pytest.mark.parametrize("seed", range(30))
def test_steps_are_those_of_a_slow_server(seed: int) -> None:
    """Any log at any settings: births, deaths, reads, shares, labels, waits and requests of the trace are the slow server's."""
    rng = np.random.default_rng(seed)
    log, serving, keep = random_log(rng), random_serving(rng), random_keep(rng)
    ttl = None
    if keep.rule == "ttl":
        ttl = (int(keep.seconds * 10**9), False) if keep.seconds is not None else (keep.steps or 0, True)
    slow = SlowServer(log, serving, serving.page_tokens or BLOCK, ttl)
    if not slow.pages:
        with pytest.raises(InputError, match="page_tokens: found no page of 4 tokens that is ever full"):
            fast_trace(log, serving, keep)
        return
    made, expected = fast_trace(log, serving, keep), slow_trace(slow, keep)
    assert same(dataclasses.replace(made, meta={}), dataclasses.replace(expected, meta={}))


@pytest.mark.parametrize("seed", range(5))
def test_no_batch_breaks_its_limits(seed: int) -> None:
    """Requests and tokens of an iteration; each token of a prompt is computed once or was found; nothing waits in vain."""
    rng = np.random.default_rng(100 + seed)
    log, serving = random_log(rng, 25), random_serving(rng)
    batches = Server(log, serving, serving.page_tokens or BLOCK, None).run()
    steps = np.arange(batches.steps)
    running = ((batches.admitted[:, None] <= steps) & (steps <= batches.last[:, None])).sum(axis=0)
    assert running.max() <= serving.max_running
    tokens = np.bincount(batches.chunk_step, np.maximum(1, batches.chunk_after - batches.chunk_before), batches.steps)
    decoded = ((batches.first[:, None] < steps) & (steps <= batches.last[:, None])).sum(axis=0)
    assert (tokens + decoded).max() <= serving.batch_tokens
    computed = np.bincount(batches.chunk_request, batches.chunk_after - batches.chunk_before, len(log))
    assert (computed + batches.found * (serving.page_tokens or BLOCK) == log.prompt).all()
    assert (batches.last - batches.first == log.answer - 1).all()
    if serving.arrivals == "log":
        assert (batches.begins(batches.admitted) >= log.arrival).all()
    assert (np.diff(batches.admitted) >= 0).all()
    idle = np.setdiff1d(steps, batches.idle_step)
    assert (running[idle] > 0).all()
    assert (running[batches.idle_step] == 0).all()


def test_dense_decoding_reads_all_of_a_request() -> None:
    """Alone, each token reads every full page of its request, and of the prompt what was there before the chunk."""
    log = Log(np.array([0]), np.array([0, 3]), np.arange(3), 4, np.array([11]), np.array([7]))
    trace = fast_trace(log, Serving(model="llama-3.2-1b", chunk_tokens=4, page_tokens=2))
    assert [trace.reads(step).tolist() for step in range(trace.num_steps)] == [
        [],
        [0, 1],
        [0, 1, 2, 3],
        *([list(range((11 + token) // 2)) for token in range(6)]),
    ]
    assert trace.birth.tolist() == [0, 0, 1, 1, 2, 3, 5, 7]
    assert (trace.size.tolist(), trace.size_unit) == ([2 * 16], "token-layers")
    assert {key: trace.meta[key] for key in ("prefill_reads", "decode_reads", "prefill_tokens", "decoded_tokens")} == {
        "prefill_reads": 6,
        "decode_reads": 5 + 6 + 6 + 7 + 7 + 8,
        "prefill_tokens": 11,
        "decoded_tokens": 6,
    }


def slow_selection(seed: int, there: list[int], streams: int, law: selection.Locality) -> list[list[set[int]]]:
    """The same draws, one by one: for each token and stream what it selects."""
    rng = np.random.default_rng(seed)
    many = [token for token, count in enumerate(there) if count > law.pages]
    found = [[set(range(count)) for _ in range(streams)] for count in there]
    if not many:
        return found
    begin = there[many[0]] - law.first - law.latest
    orders = [np.argsort(row).tolist() for row in rng.random((streams, begin))] if law.between else []
    drawn, chance = rng.random((2, streams, len(many), law.between)) if law.between else (None, None)
    for stream in range(streams):
        points = [0.0] * law.between
        for place, token in enumerate(many):
            count = there[token]
            chosen = {*range(law.first), *range(count - law.latest, count)}
            middle = count - law.first - law.latest
            weight = [rank**-law.exponent for rank in range(1, middle + 1)]
            chances = inclusion(weight, law.between)
            stratum, ranks = 0.0, [[] for _ in range(law.between)]
            for rank, one in enumerate(chances if law.between else []):
                ranks[min(law.between - 1, int(stratum + 1e-9))].append(rank)
                stratum += one
            for draw in range(law.between):
                if place == 0 or chance[stream, place, draw] >= law.stay:
                    points[draw] = drawn[stream, place, draw]
                goal = points[draw] * sum(weight[rank] for rank in ranks[draw])
                for rank in ranks[draw]:
                    goal -= weight[rank]
                    if goal < 0:
                        break
                chosen.add(law.first + (orders[stream][rank] if rank < begin else rank))
            found[token][stream] = chosen
    return found


def inclusion(weight: list[float], draws: int) -> list[float]:
    """Proportional to weights that fall, none above 1, of a sum of ``draws``."""
    for capped in range(draws + 1):
        rest = sum(weight[capped:])
        if capped == draws or (draws - capped) * weight[capped] <= rest:
            return [1.0] * capped + [(draws - capped) * one / rest for one in weight[capped:]]
    raise AssertionError


@pytest.mark.parametrize("seed", range(30))
def test_selections_are_those_drawn_one_by_one(seed: int) -> None:
    """Sinks, latest pages, as many distinct ones between as are wanted: those of a loop over streams, tokens and draws."""
    rng = np.random.default_rng(seed)
    law = selection.locality(
        int(rng.integers(1, 9)), int(rng.integers(0, 3)), float(rng.random()), float(rng.random()), float(rng.random() * 3)
    )
    there = np.sort(rng.integers(0, 25, 12))
    found: list[list[list[int]]] = [[[], []] for _ in there]
    for tokens, pages in selection.Selector(law, 30).select(np.random.default_rng(seed), there, 2):
        for place, token in enumerate(tokens.tolist()):
            for stream in range(2):
                found[token][stream] += pages[stream, place].tolist()
    assert [[set(one) for one in token] for token in found] == slow_selection(seed, there.tolist(), 2, law)
    assert all(len(one) == min(law.pages, count) for token, count in zip(found, there.tolist(), strict=True) for one in token)


def test_draws_in_parts_go_on_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many draws are made at a time: nothing is drawn anew where everything stays."""
    law = selection.locality(6, 0, 0.0, 1.0, 1.0)
    there = np.full(9, 40)
    monkeypatch.setattr(selection, "AT_ONCE", 12)
    parts = list(selection.Selector(law, 40).select(np.random.default_rng(1), there, 1))
    pages = np.concatenate([pages[0] for _, pages in parts if pages.shape[2] == 6])
    assert len(parts) == 1 + 5
    assert (pages == pages[0]).all()


@pytest.mark.parametrize("layers", ["union", "each"])
def test_sparse_decoding_reads_what_is_selected(layers: str) -> None:
    """Prompts are read as a whole, tokens as selected, distinct in a layer; layers select each by itself, or all alike."""
    log = Log(np.array([0, 0]), np.array([0, 5, 10]), np.arange(10), 4, np.array([20, 20]), np.array([6, 6]))
    serving = Serving(model="llama-3.2-1b", attention="sparse", top_pages=4, sinks=1, layers=layers, page_tokens=2)
    trace = fast_trace(log, serving)
    count = 16 if layers == "each" else 1
    per_step = np.diff(trace.indptr).tolist()
    assert per_step == [0] * count + [2 * 4] * (5 * count)
    assert trace.meta["decode_reads"] == 40 * count
    rows = [set((trace.reads(step) // count).tolist()) for step in range(count, 2 * count)]
    assert (len({frozenset(row) for row in rows}) > 1) == (layers == "each")


LOG = Log(
    np.array([0, 5, 900]), np.array([0, 2, 4, 6]), np.array([0, 1, 0, 1, 0, 2]), 4, np.array([8, 8, 8]), np.array([2, 3, 1])
)


def test_an_idle_step_waits_for_the_next_request() -> None:
    """Its floor is the time until the next request; a trace in which something always runs has none."""
    trace = fast_trace(LOG, Serving(model="llama-3.2-1b", step_time="10 ns"))
    assert trace.step_floor is not None
    assert trace.step_floor.tolist() == [0, 0, 0, 0, 860, 0]
    assert trace.requests is not None
    assert trace.requests.admitted.tolist() == [0, 1, 5]
    assert trace.requests.running(6).tolist() == [True] * 4 + [False, True]
    together = fast_trace(LOG, Serving(model="llama-3.2-1b", step_time="10 ns", arrivals="none"))
    assert together.step_floor is None
    assert together.requests is not None
    assert together.requests.arrival.tolist() == [0, 0, 0]
