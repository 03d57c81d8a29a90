"""What a trace keeps for nobody, in a line."""

from __future__ import annotations

from placement_opt.report.numbers import percent
from placement_opt.workload.unread import Unread

#: Shares of the bytes below this are not worth a line.
_LEAST = 0.01


def kept_unread(found: Unread | None) -> str:
    """``"62 % of the blocks, 62 % of the bytes: ..."``; nothing where that is next to nothing, or not known."""
    if found is None or found.bytes < _LEAST:
        return ""
    shares = f"{percent(found.blocks)} of the blocks, {percent(found.bytes)} of the bytes"
    way_out = "see trace import --keep; the rule cache may forget them"
    return f"{shares} are never read and never freed: times include keeping them ({way_out})"
