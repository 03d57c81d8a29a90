"""What tests of captures share: attention at random, the obvious way to choose from it, rows of it without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.workload.capture.rows import Row
from placement_opt.workload.capture.rules import Rule


def attention(rng: np.random.Generator, heads: int, tokens: int, *, ties: bool = False) -> npt.NDArray[np.float32]:
    """float32[heads, tokens], each head's adding up to 1; with ``ties`` many are equal."""
    values = rng.integers(1, 4, (heads, tokens)).astype(float) if ties else rng.gamma(0.3, size=(heads, tokens)) + 1e-6
    return (values / values.sum(axis=1, keepdims=True)).astype(np.float32)


def obvious(rule: Rule, weights: npt.NDArray[Any], first: int = 0) -> list[int]:
    """The columns that a rule chooses, page by page with dictionaries; the twin of :meth:`Rule.choose`."""
    heads = [[float(value) for value in head] for head in weights]
    pages: dict[int, list[int]] = {}
    for column in range(len(heads[0])):
        pages.setdefault((first + column) // rule.page_tokens, []).append(column)
    each = [{page: sum(head[column] for column in columns) for page, columns in pages.items()} for head in heads]
    if rule.heads == "any":
        chosen = {page for one in each for page in _obvious_pages(rule, one)}
    else:
        joined = {page: [one[page] for one in each] for page in pages}
        means = {page: sum(found) / len(found) if rule.heads == "mean" else max(found) for page, found in joined.items()}
        chosen = set(_obvious_pages(rule, means))
    return sorted(column for page in chosen for column in pages[page])


def _obvious_pages(rule: Rule, weights: dict[int, float]) -> list[int]:
    if rule.threshold is not None:
        return [page for page, weight in weights.items() if weight >= rule.threshold]
    order = sorted(weights, key=lambda page: (-weights[page], -page))
    if rule.top_k is not None:
        return order[: rule.top_k]
    assert rule.top_p is not None
    chosen: list[int] = []
    for page in order:
        chosen.append(page)
        if sum(weights[one] for one in chosen) >= rule.top_p * sum(weights.values()) * (1 - 1e-12):
            break
    return chosen


def rows_of(rule: Rule, seed: int, *, steps: int = 6, prompt: int = 40, layers: int = 2) -> list[tuple[Row, Any]]:
    """What a rule reads of attention at random, with that attention, as a capture of a model would have it."""
    rng = np.random.default_rng(seed)
    made = []
    for step in range(steps):
        length = prompt + step + 1
        for layer in range(layers):
            weights = attention(rng, 3, length)
            tokens = rule.choose(weights)
            mean = weights.mean(axis=0, dtype=np.float64)
            rest = mean.copy()
            rest[tokens] = 0
            left = float(rule.pages(rest[None], 0)[1].max())
            made.append((Row("r", step, layer, length, tokens, mean[tokens], left), weights))
    return made
