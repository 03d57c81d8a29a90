"""Choosing again, by a stricter rule, from selections that say the attention of their tokens; no model is run.

A row says what its tokens have (``selected_weight_ppm``) and what any page that it left out has at most
(``unselected_weight_ppm``), so it is known for each rule whether the pages that it would choose are all among the row's. Where
they need not be, the row is refused. Weights are means of the heads, pages those of the capture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.capture.capture import Captured, Means, target
from placement_opt.workload.capture.rows import ONE, Row
from placement_opt.workload.capture.rules import Rule, in_order
from placement_opt.workload.formats.records import LARGEST, need, read_records, whole

_NEEDED = "expected selections that trace capture --weights wrote"


def select(
    source: str | PathLike[str],
    path: str | PathLike[str],
    *,
    top_k: int | None = None,
    top_p: float | None = None,
    threshold: float | None = None,
    weights: bool = False,
) -> Captured:
    """Read selections with weights and write what one of the rules leaves of them.

    Parameters
    ----------
    source
        Selections that ``trace capture --weights`` wrote, packed or not.
    path
        As for :func:`placement_opt.workload.capture.capture.capture`.
    top_k, top_p, threshold
        As for :class:`placement_opt.workload.capture.rules.Rule`, in pages of the capture.
    weights
        The selections written say weights, too.

    Raises
    ------
    InputError
        With file, line and key: rows without weights, weights that do not belong to the tokens, a rule that would choose what
        a row may have left out; as for a capture.
    """
    records = read_records(source)
    line, first = next(records)
    about = first.get("capture")
    if not isinstance(about, dict):
        raise InputError("found no such key", _NEEDED, path=source, line=line, field="capture")
    try:
        rule = Rule(top_k, top_p, threshold, page_tokens=whole(about, "chosen_pages", 1))
    except InputError as error:
        raise (error.at(path=source, line=line) if error.field == "chosen_pages" else error) from None
    said = about | {"rule": str(rule), "chosen_from": str(about.get("rule"))}
    means = Means()
    with target(path, said, rule.page_tokens) as rows:
        for row in _chosen(chain([(line, first)], records), rule, source):
            rows.add(row, weights=weights)
            means.add(row)
    return means.captured()


def _chosen(records: Iterator[tuple[int, dict[str, Any]]], rule: Rule, source: str | PathLike[str]) -> Iterator[Row]:
    for line, record in records:
        try:
            yield _Weighed.of(record, rule.page_tokens).chosen(rule)
        except InputError as error:
            raise error.at(path=source, line=line) from None


@dataclass(frozen=True, eq=False)
class _Weighed:
    """A row with its tokens gathered in pages.

    Attributes
    ----------
    row
        As it was captured.
    starts
        int64[pages]: where each page begins among its tokens.
    pages
        int64[pages]: millionths of the attention.
    """

    row: Row
    starts: Int64
    pages: Int64

    @classmethod
    def of(cls, record: dict[str, Any], page_tokens: int) -> _Weighed:
        length = whole(record, "seq_len_current", 1)
        tokens = _numbers(record, "selected_token_pos", length)
        weights = _numbers(record, "selected_weight_ppm", LARGEST)
        if len(weights) != len(tokens):
            expected = f"expected {len(tokens)}, one for each of selected_token_pos"
            raise InputError(f"found {len(weights)} weights", expected, field="selected_weight_ppm")
        if (np.diff(tokens) <= 0).any():
            raise InputError("found positions out of order", "expected them ascending", field="selected_token_pos")
        starts = np.flatnonzero(np.diff(tokens // page_tokens, prepend=-1))
        row = Row(
            record.get("request_id"),
            whole(record, "step_idx"),
            whole(record, "layer_id"),
            length,
            tokens,
            weights / ONE,
            whole(record, "unselected_weight_ppm") / ONE,
        )
        return cls(row, starts, np.add.reduceat(weights, starts) if len(starts) else weights)

    def chosen(self, rule: Rule) -> Row:
        """What the rule leaves of the row; InputError where it would choose what the row may have left out."""
        left = round(self.row.left * ONE)
        order = in_order(self.pages)
        if rule.top_k is not None:
            kept, known = order[: rule.top_k], len(order) >= rule.top_k or left == 0
        elif rule.top_p is not None:
            below, wanted = np.cumsum(self.pages[order]), rule.top_p * ONE
            kept = order[: int(np.searchsorted(below, wanted)) + 1]
            # Each weight is rounded by up to half a millionth.
            known = left == 0 or (len(below) > 0 and below[-1] + len(self.row.tokens) / 2 >= wanted)
        else:
            assert rule.threshold is not None
            kept, known = order[self.pages[order] >= rule.threshold * ONE], left < rule.threshold * ONE
        if not known or (len(kept) and self.pages[kept[-1]] < left):
            found = f"found a row of {len(order)} pages that left out some of up to {left} millionths of the attention"
            raise InputError(found, "expected a stricter rule, or a capture that left out less", field="selected_token_pos")
        return self._only(np.sort(kept), left)

    def _only(self, kept: Int64, left: int) -> Row:
        ends = np.append(self.starts[1:], len(self.row.tokens))
        held = np.zeros(len(self.starts), dtype=np.bool_)
        held[kept] = True
        tokens = np.repeat(held, ends - self.starts)
        left = max(left, int(self.pages[~held].max(initial=0)))
        return self.row.part(tokens, left / ONE)


def _numbers(record: dict[str, Any], key: str, below: int) -> Int64:
    """A list of whole numbers from 0 and below a limit."""
    values = need(record, key)
    if not isinstance(values, list) or not set(map(type, values)) <= {int}:
        raise InputError(f"found {values!r:.40}", "expected a list of whole numbers", field=key)
    if values and not 0 <= min(values) <= max(values) < below:
        worst = min(values) if min(values) < 0 else max(values)
        raise InputError(f"found {worst!r:.40}", f"expected numbers from 0 to {below - 1}", field=key)
    return np.array(values, dtype=np.int64)
