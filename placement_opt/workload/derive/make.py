"""A trace of a server's steps from a log of requests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np

from placement_opt.base import room
from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.given import check_kind
from placement_opt.base.limits import Limits
from placement_opt.workload.derive import selection
from placement_opt.workload.derive.about import about
from placement_opt.workload.derive.batching import Batches, Server, Ttl
from placement_opt.workload.derive.log import Log, log_of
from placement_opt.workload.derive.params import Serving
from placement_opt.workload.derive.reads import Stays
from placement_opt.workload.derive.rows import Gatherer, Grid, groups_of, spans
from placement_opt.workload.served import Served
from placement_opt.workload.synth.params import limit_reads
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Bytes that a read takes while it is gathered, a step, and a page of a request and of the log while requests are batched.
_READ_BYTES, _STEP_BYTES, _PAGE_BYTES = 28, 64, 96


def derive(
    source: Trace | str | PathLike[str],
    *,
    format: str | None = None,
    limit: int | None = None,
    block_tokens: int | None = None,
    keep: str = "forever",
    ttl: str | None = None,
    seed: int = 0,
    limits: Limits | None = None,
    **serving: Any,
) -> Trace:
    """The steps of a server that answers a log of requests: what each iteration reads and writes of KV, by stated assumptions.

    Parameters
    ----------
    source
        A log of requests of any format that has them, a trace that was imported from one, or its file (``.npz``).
    format, limit, block_tokens
        Of a log, as ``placement-opt trace import`` takes them.
    keep, ttl
        When pages are freed: "forever" never, "last-use" after their last read, "ttl" when unused for so long ("600 s" of the
        derivation's clock, or "100 steps"): what is wanted later is computed again.
    seed
        Of the pages that sparse attention selects.
    limits
        Memory that may be taken.
    serving
        The model and its server: ``model``, ``attention``, ``layers``, ``page_tokens``, ``last_page``, ``answers``,
        ``output_tokens``, ``max_running``, ``batch_tokens``, ``chunk_tokens``, ``step_time``, ``arrivals``, ``window``,
        ``hybrid``, ``sinks``, ``top_pages``, ``recent``, ``overlap``, ``zipf``; docs/derive.md says what each means.

    Returns
    -------
    Trace
        Blocks are pages of the layers that attend alike (or of each layer), sizes in token-layers. ``requests`` says when each
        request came, began, gave its first token and ended; ``step_floor`` how long idle steps wait.

    Raises
    ------
    InputError
        What is no log of requests, settings out of range or that contradict each other, no page that is ever full.
    LimitError
        The trace would not fit in memory.

    Examples
    --------
    Two requests with the same prompt of 32 tokens; the second comes while the first decodes, and finds its two pages:

    >>> import json
    >>> requests = [{"timestamp": t, "input_length": 32, "output_length": 3, "hash_ids": [1, 2]} for t in (0, 20)]
    >>> with open("log.jsonl", "w") as file:
    ...     _ = file.write("".join(json.dumps(one) + "\\n" for one in requests))
    >>> trace = po.derive("log.jsonl", block_tokens=16, model="llama-3.1-8b", step_time="20 ms")
    >>> [trace.reads(step).tolist() for step in range(trace.num_steps)], trace.birth.tolist()
    ([[], [0, 1], [0, 1], [0, 1]], [0, 0])
    >>> trace.requests.admitted.tolist(), trace.requests.first.tolist(), trace.requests.last.tolist()
    ([0, 1], [0, 1], [2, 3])
    """
    check_kind(source, (Trace, str, PathLike), "a log, a trace of requests, or the name of a file", field="source")
    check_kind(seed, int, "a whole number", field="seed")
    settings, kept = _serving(serving), Keep.of(keep, ttl)
    trace = _requests(source, format, limit, block_tokens)
    log = log_of(trace, settings.output_tokens)
    return _derived(log, settings, kept, seed, limits or Limits(), trace.meta)


def _serving(given: Mapping[str, Any]) -> Serving:
    known = [field.name for field in dataclasses.fields(Serving)]
    for name in given:
        if name not in known:
            raise InputError(f"found the setting {name}", f"expected one of {', '.join(known)}", field=name)
    return Serving(**given)


def _requests(source: Trace | str | PathLike[str], format: str | None, limit: int | None, block_tokens: int | None) -> Trace:
    """The trace of requests that is derived from."""
    from placement_opt.workload.files.npz import load_trace
    from placement_opt.workload.formats.detect import read_any

    stored = not isinstance(source, Trace) and format is None and fspath(source).endswith(".npz")
    if isinstance(source, Trace) or stored:
        for name, value in (("format", format), ("limit", limit), ("block_tokens", block_tokens)):
            if value is not None:
                raise InputError("found it with a trace", "expected a log with it", field=name)
        return source if isinstance(source, Trace) else load_trace(source)
    return read_any(source, format, limit=limit, block_tokens=block_tokens)


def _derived(log: Log, settings: Serving, keep: Keep, seed: int, limits: Limits, source: Mapping[str, Any]) -> Trace:
    page_tokens = _page_tokens(log, settings)
    _check_room(log, page_tokens, limits)
    ttl = None
    if keep.rule == "ttl":
        ttl = Ttl(int(keep.seconds * 10**9), False) if keep.seconds is not None else Ttl(keep.steps or 0, True)
    batches = Server(log, settings, page_tokens, ttl).run()
    stays = Stays(log, batches, page_tokens, settings.last == "shares")
    turns = len(settings.windows) if settings.layers == "each" else 1
    room.check("deriving it: steps", batches.steps * turns * _STEP_BYTES, limits)
    groups = groups_of(settings.windows, each=settings.layers == "each")
    grid = Grid(stays.running(), stays.births(), [layers for _, layers in groups], settings.layers == "each")
    if not len(grid.birth):
        found = f"found no page of {page_tokens} tokens that is ever full"
        raise InputError(found, "expected smaller pages, or last_page = 'shares'", field="page_tokens")
    number, page, group = grid.blocks()
    begins = grid.begins
    gatherer = Gatherer(int(begins[-1]), number.size, page_tokens if stays.partial else 1)
    counts = _gather(gatherer, stays, grid, number, groups, settings, seed, limits)
    rows = gatherer.rows(twice=bool(batches.found.any()))
    layers = np.array(grid.groups, dtype=np.int64)
    sizes = page_tokens * layers[group]
    first_step = grid.step(grid.birth[page], 0) + (group if grid.each else 0)
    place = np.empty(len(grid.birth), dtype=np.int64)  # the place of a page in its prompt
    place[batches.page] = np.arange(len(batches.page)) - np.repeat(batches.start[:-1], np.diff(batches.start))
    iteration = np.repeat(np.arange(batches.steps), np.diff(begins))
    made = Trace(
        indptr=rows.indptr,
        blocks=rows.blocks,
        birth=first_step.astype(np.int32),
        death=_deaths(batches, grid, page, first_step, ttl).astype(np.int32),
        size=sizes if len(set(grid.groups)) > 1 else sizes[:1],
        size_unit="token-layers",
        shares=rows.tokens,
        share_base=page_tokens if rows.tokens is not None else 1,
        step_token=iteration.astype(np.int32) if grid.each else None,
        step_layer=(np.arange(len(iteration)) - begins[iteration]).astype(np.int32) if grid.each else None,
        block_token=(place[page] * page_tokens).astype(np.int32),
        block_layer=group.astype(np.int32) if grid.each else None,
        step_floor=_floors(batches, grid),
        requests=_served(log, batches, begins, settings),
        meta=about(log, batches, settings, page_tokens, groups, counts, keep, seed, source),
    )
    return keep.applied(made) if keep.rule == "last-use" else made


def _page_tokens(log: Log, settings: Serving) -> int:
    tokens = settings.page_tokens or log.block_tokens
    if log.block_tokens % tokens:
        found = f"found {tokens} beside blocks of {log.block_tokens} tokens"
        raise InputError(found, "expected a number that divides them", field="page_tokens")
    if tokens >= 2**16:
        raise InputError(f"found blocks of {tokens} tokens", "expected page_tokens, below 2**16", field="page_tokens")
    return tokens


def _check_room(log: Log, page_tokens: int, limits: Limits) -> None:
    """Refuse a log of more pages than fit, before any is numbered."""
    pages = int(((log.prompt + log.answer) // page_tokens + 1).sum())
    pages += (int(log.ids.max(initial=-1)) + 1) * (log.block_tokens // page_tokens)
    if pages >= 2**31:
        raise LimitError(f"found requests of {pages} pages, expected fewer than 2**31 (--limit, or larger pages)")
    room.check("deriving it: pages", pages * _PAGE_BYTES, limits)


def _gather(
    gatherer: Gatherer,
    stays: Stays,
    grid: Grid,
    number: Int64,
    groups: list[tuple[int | None, int]],
    settings: Serving,
    seed: int,
    limits: Limits,
) -> dict[str, int]:
    """All reads, and how many there are of prompts and of decoded tokens, those of shared pages by each request."""
    sparse = _selected(stays, settings, len(groups), seed) if settings.kind == "sparse" else None
    sinks = settings.sinks or 0
    most = sum(stays.most_reads(window, sinks) for window, _ in groups)
    limit_reads(most)
    room.check("deriving it: reads", most * _READ_BYTES, limits)
    parts = {
        window: (stays.prefill(window, sinks), stays.decode(window, sinks), stays.decode_begun(window, sinks))
        for window, _ in groups
    }
    prefill = sum(len(parts[window][0][0]) for window, _ in groups)
    decode = sum(spans(*parts[window][1][1:]) for window, _ in groups) if sparse is None else sum(len(one[0]) for one in sparse)
    decode += sum(len(parts[window][2][0]) for window, _ in groups)
    limit_reads(prefill + decode)
    room.check("deriving it: reads", (prefill + decode) * _READ_BYTES, limits)
    for group, (window, _) in enumerate(groups):
        (step, page, tokens), (pages, first, last), begun = parts[window]
        gatherer.add(grid.step(step, group), number[group, page], tokens if stays.partial else None)
        gatherer.add(grid.step(begun[0], group), number[group, begun[1]], begun[2])
        if sparse is None:
            gatherer.add_spans(first, last, grid.begins[:-1] + (group if grid.each else 0), number[group, pages])
        else:
            step, page = sparse[group]
            gatherer.add(grid.step(step, group), number[group, page])
    return {"prefill_reads": prefill, "decode_reads": decode}


def _selected(stays: Stays, settings: Serving, streams: int, seed: int) -> list[tuple[Int64, Int64]]:
    """(iterations, pages) that each stream of decoded tokens selects."""
    law, batches, rng = _locality(stays, settings), stays.batches, np.random.default_rng(seed)
    selector = selection.Selector(law, int(np.diff(batches.start).max()))
    prompts, first = stays.log.prompt.tolist(), batches.first.tolist()
    found: list[tuple[list[Int64], list[Int64]]] = [([], []) for _ in range(streams)]
    total = 0
    for request, answer in enumerate(stays.log.answer.tolist()):
        there = (prompts[request] + np.arange(answer - 1)) // stays.page_tokens
        pages = batches.page[batches.start[request] : batches.start[request + 1]]
        total += (answer - 1) * streams * law.pages
        limit_reads(total)
        for tokens, chosen in selector.select(rng, there, streams):
            step = np.repeat(tokens + (first[request] + 1), chosen.shape[2])
            for stream, (steps, selected) in enumerate(found):
                steps.append(step)
                selected.append(pages[chosen[stream].ravel()])
    none = np.zeros(0, dtype=np.int64)
    return [(np.concatenate([none, *steps]), np.concatenate([none, *selected])) for steps, selected in found]


def _locality(stays: Stays, settings: Serving) -> selection.Locality:
    sinks = -(-(settings.sinks or 0) // stays.page_tokens)
    assert settings.top_pages is not None
    return selection.locality(settings.top_pages, sinks, settings.recent_share, settings.kept_share, settings.exponent)


def _deaths(batches: Batches, grid: Grid, page: Int64, birth: Int64, ttl: Ttl | None) -> Int64:
    """int64[B]: the last state of each block; where pages expire, that of the last iteration within their time after a use."""
    begins = grid.begins
    steps = int(begins[-1])
    if ttl is None:
        return np.full(len(page), steps, dtype=np.int64)
    used = np.zeros(len(grid.birth), dtype=np.int64)
    np.maximum.at(used, batches.page, np.repeat(batches.last, np.diff(batches.start)))
    if ttl.steps:
        end = used + ttl.amount
    else:
        clock = batches.begins(np.arange(batches.steps))
        end = np.searchsorted(clock, clock[used] + ttl.amount, side="right") - 1
    end = np.where(end >= batches.steps - 1, steps, begins[np.minimum(end, batches.steps - 1) + 1] - 1)
    return np.asarray(np.maximum(end[page], birth + 1))


def _floors(batches: Batches, grid: Grid) -> Int64 | None:
    if not len(batches.idle_step):
        return None
    floors = np.zeros(int(grid.begins[-1]), dtype=np.int64)
    floors[grid.begins[batches.idle_step]] = batches.idle_ns
    return floors


def _served(log: Log, batches: Batches, begins: Int64, settings: Serving) -> Served:
    """The requests, in steps: the first and the last layer's of their iterations."""
    arrival = log.arrival if settings.arrivals == "log" else np.zeros_like(log.arrival)
    first, last = (begins[iteration + 1] - 1 for iteration in (batches.first, batches.last))
    admitted = begins[batches.admitted].astype(np.int32)
    return Served(arrival, admitted, first.astype(np.int32), last.astype(np.int32), log.prompt, log.answer)
