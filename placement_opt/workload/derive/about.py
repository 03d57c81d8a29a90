"""What a derived trace says of itself: its settings, what follows from them, and every assumption in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from placement_opt.workload.derive.batching import Batches
from placement_opt.workload.derive.log import Log
from placement_opt.workload.derive.params import Serving
from placement_opt.workload.llm import SHAPES
from placement_opt.workload.transforms.keep import Keep


def about(
    log: Log,
    batches: Batches,
    settings: Serving,
    page_tokens: int,
    groups: list[tuple[int | None, int]],
    counts: Mapping[str, int],
    keep: Keep,
    seed: int,
    source: Mapping[str, Any],
) -> dict[str, Any]:
    """The metadata of a trace; JSON-able."""
    shape = SHAPES[settings.model]
    found = {
        "generator": "derive",
        "parameters": settings.stated | {"page_tokens": page_tokens},
        "seed": seed,
        "keep": keep.rule,
    }
    if keep.rule == "ttl":
        found["ttl"] = f"{keep.steps} steps" if keep.seconds is None else f"{float(keep.seconds):g} s"
    found |= {
        "iterations": batches.steps,
        "idle_iterations": len(batches.idle_step),
        "pages": int(len(batches.page) - batches.found.sum()),
        "pages_found": int(batches.found.sum()),
        "prefill_tokens": _computed(batches),
        "decoded_tokens": int((log.answer - 1).sum()),
        "semantics": {"prefill": "prefix", "decode": "set"},
        **counts,
        "groups": [{"window": window, "layers": layers} for window, layers in groups] if settings.layers == "union" else None,
        "model": {"name": settings.model, "kv_layers": shape.kv_layers, "source": shape.source, "date": shape.date},
        "log": {key: source[key] for key in ("format", "file", "requests", "limit") if key in source},
        "assumptions": assumptions(log, settings, keep),
    }
    return {key: value for key, value in found.items() if value is not None}


def _computed(batches: Batches) -> int:
    """Tokens of prompts that are computed, one at least of each."""
    chunks = batches.chunk_after - batches.chunk_before
    return int(chunks.sum()) + int((chunks == 0).sum())


def assumptions(log: Log, settings: Serving, keep: Keep) -> list[str]:
    """In words, those that matter at these settings."""
    return [*_batching(log, settings), *_pages(settings, keep), *_attention(settings)]


def _batching(log: Log, settings: Serving) -> list[str]:
    chunk = settings.chunk_tokens or settings.batch_tokens
    found = [
        f"continuous batching, first come, first served: at most {settings.max_running} requests and"
        f" {settings.batch_tokens} tokens an iteration, one of each that decodes, then up to {chunk} of each prompt",
        "the iteration that computes the end of a prompt gives the answer's first token; the KV of its last is never made",
        "iterations depend on no placement: pages that earlier requests left count as computed, also if they are made anew",
    ]
    if settings.arrivals == "none" or not log.arrival.any():
        found.append("all requests are there at the start, in the order of the log")
    else:
        found.append(f"an iteration lasts {settings.step_time} when arrivals are put into iterations, and in no other respect")
        found.append("where nothing runs, an idle step waits for the next request (step_floor)")
    if settings.output_tokens is not None:
        found.append(f"answers have {settings.output_tokens} tokens where the log does not say")
    return found


def _pages(settings: Serving, keep: Keep) -> list[str]:
    found = [
        "equal ids are equal prefixes; only pages that a prompt fills are found again, from the step after their production"
    ]
    if settings.answers == "repeated":
        found.append("a prompt that begins with all of an earlier one, as long as it and its answer, repeats the answer")
    else:
        found.append("pages with tokens of answers are their request's own: ids do not tell which prompts repeat an answer")
    if settings.last == "full":
        found.append("a page is produced when full; until then its tokens are at the processor, neither read nor written")
    else:
        found.append("a page is produced, and written whole, with its first token, and read in the share of tokens there")
    if keep.rule == "ttl":
        found.append("a page is in use from when its request is let in until that ends, whatever its layers attend to")
    found.append("a page that several requests of an iteration share is read once in it")
    return found


def _attention(settings: Serving) -> list[str]:
    shape = SHAPES[settings.model]
    found = {
        "dense": ["every token attends to all before it"],
        "window": ["every layer attends to the latest tokens (window) and the first ones (sinks), whole pages of both"],
        "hybrid": ["layers with a window attend to the latest tokens and the first ones (sinks), the others to all before"],
        "sparse": [
            "a decoded token selects pages by a model of locality (recent, overlap, zipf, sinks), not by what was asked;"
            " prompts are attended to as a whole"
        ],
    }[settings.kind]
    if settings.kind == "sparse" and settings.layers == "union":
        found.append("all layers select the same pages")
    if settings.layers == "union":
        found.append("a step is an iteration, and a block what all layers that attend alike have of a page")
    else:
        found.append("layers are steps one after another, each with blocks of its own; an idle step is labelled as the first")
        found.append("what rates and budgets call a token is an iteration, whatever it computes")
    if shape.kv_every > 1:
        found.append("layers without KV are left out, states that they keep are not counted")
    return found
