"""What a trace derived from requests says of itself: how much was batched, and every assumption."""

from __future__ import annotations

from typing import Any

from placement_opt.report.numbers import count
from placement_opt.report.table import facts
from placement_opt.report.trace import saved
from placement_opt.workload.trace import Trace

#: Keys of the metadata that :func:`derived_rows` tells.
DERIVED = frozenset(
    {"log", "semantics", "groups", "iterations", "idle_iterations", "prefill_tokens", "decoded_tokens"}
    | {"pages", "pages_found", "prefill_reads", "decode_reads"}
)


def derived_rows(meta: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, text) of what was derived, its settings apart; none for a trace that was not."""
    if meta.get("generator") != "derive":
        return []
    log, model, parts = meta["log"], meta["model"], meta["semantics"]
    source = ", ".join(f"{key} {value}" for key, value in log.items())
    groups = meta.get("groups") or []
    layers = [f"{one['layers']} {_reach(one['window'])}" for one in groups] or [f"{model['kv_layers']} apart"]
    return [
        *([("log", source)] if source else []),
        ("iterations", f"{count(meta['iterations'])}, of which {count(meta['idle_iterations'])} wait for requests"),
        ("computed", f"{count(meta['prefill_tokens'])} tokens of prompts, {count(meta['decoded_tokens'])} of answers"),
        ("pages", f"{count(meta['pages'])} produced, {count(meta['pages_found'])} found by prompts that begin alike"),
        ("layers", ", ".join(layers)),
        (
            "reads",
            f"{count(meta['prefill_reads'])} of prompts ({parts['prefill']}), {count(meta['decode_reads'])} of decoded tokens"
            f" ({parts['decode']}), shared pages counted for each request",
        ),
    ]


def _reach(window: int | None) -> str:
    return "that attend to all" if window is None else f"with a window of {window:,} tokens"


def derived_text(trace: Trace, path: str) -> str:
    """What was written, what was derived and what is assumed."""
    assumed = [("assumed", text) for text in trace.meta["assumptions"]]
    return saved(trace, path) + "\n" + facts([*derived_rows(dict(trace.meta)), *assumed])
