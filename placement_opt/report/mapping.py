"""What ``placement-opt trace map`` says of a trace of decode: pages read and written for a token, and the wear that follows."""

from __future__ import annotations

from collections.abc import Mapping as Table
from fractions import Fraction
from typing import Any

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.base.units import format_lifetime, format_size
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.report.numbers import figure
from placement_opt.report.table import facts
from placement_opt.workload.synth.decode_params import Params
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.mapping import YEAR_S, block_reads, cycles_per_year, written_per_token


def mapping_info(
    trace: Trace,
    *,
    rate: Fraction | None = None,
    capacity: int | None = None,
    cycles: int | None = None,
    block_pages: int | None = None,
    kept: int | None = None,
    alone: bool = False,
) -> dict[str, Any]:
    """Figures by name, those that are not asked for None.

    Parameters
    ----------
    trace
        One that the generator decode made; its parameters say how KV lies.
    rate
        Tokens a second of each sequence: what a year writes.
    capacity, cycles
        Bytes of flash that the wear spreads over, and how often each can be programmed.
    block_pages, kept
        Pages of an erase block, and tokens that are decoded from when it is written until it is erased.
    alone
        Query heads that share a KV head read it one by one.

    Raises
    ------
    InputError
        The trace is none of decode.
    """
    params = _params(trace)
    mapping, written = params.mapping, written_per_token(params.mapping)
    labels = np.zeros(trace.num_blocks, dtype=np.int8) if trace.block_kind is None else trace.block_kind
    kv = labels == BLOCK_KINDS.index("kv")
    reads = np.bincount(trace.blocks, minlength=trace.num_blocks)
    pages = None
    if mapping.page:
        counts = mapping.pieces(trace.sizes) if trace.pieces is None else np.broadcast_to(trace.pieces, trace.num_blocks)
        pages = int((counts * -(-trace.sizes // (counts * mapping.page)))[kv] @ reads[kv]) / params.tokens
    programmed = written.size * written.amplification
    a_year = None if rate is None or capacity is None else cycles_per_year(programmed, rate, capacity)
    disturb = None
    if mapping.page and block_pages is not None and kept is not None:
        heads = params.shape.heads // params.shape.kv_heads if alone and not params.shape.latent else 1
        disturb = block_reads(mapping, kept, block_pages, alone=heads)
    return {
        "layout": mapping.layout,
        "page": mapping.page,
        "written_at_once": None if mapping.written is None else float(mapping.written),
        "waiting_tokens": params.waiting,
        "kv_read_per_token": int(trace.sizes[kv] @ reads[kv]) / params.tokens,
        "pages_read_per_token": pages,
        "written_per_token": float(written.size),
        "pages_written_per_token": float(written.pages) if mapping.page else None,
        "write_amplification": float(written.amplification),
        "written_per_year": None if rate is None else float(written.size * rate * YEAR_S),
        "cycles_per_year": None if a_year is None else float(a_year),
        "lifetime_s": None if a_year is None or cycles is None else float(cycles / a_year * YEAR_S),
        "page_reads_per_block": None if disturb is None else float(disturb),
    }


def mapping_text(info: Table[str, Any]) -> str:
    """The same for people."""
    page, at_once = info["page"], info["written_at_once"]
    rows = [("layout", info["layout"])]
    if page is not None:
        rows.append(("page", f"{format_size(page)}, {at_once / page:.3g} of it written"))
    rows.append(("decoded tokens wait", f"until there are {info['waiting_tokens']:,}"))
    read, pages = format_size(info["kv_read_per_token"]), info["pages_read_per_token"]
    rows.append(("KV read a token", read if pages is None else f"{read}, {pages:,.0f} pages"))
    new, pages = format_size(info["written_per_token"]), info["pages_written_per_token"]
    rows.append(("KV written a token", new if pages is None else f"{new}, {figure(pages)} pages programmed"))
    rows.append(("write amplification", figure(info["write_amplification"])))
    if info["written_per_year"] is not None:
        rows.append(("written a year", format_size(info["written_per_year"], binary=False)))
    if info["cycles_per_year"] is not None:
        rows.append(("P/E cycles a year", figure(info["cycles_per_year"])))
    if info["lifetime_s"] is not None:
        rows.append(("lifetime", format_lifetime(info["lifetime_s"])))
    if info["page_reads_per_block"] is not None:
        rows.append(("page reads of a block", f"{figure(info['page_reads_per_block'])} before it is erased"))
    return facts(rows) + "\n"


def _params(trace: Trace) -> Params:
    """The parameters that a trace of decode carries; whoever wrote the file may have changed them."""
    stated = trace.meta.get("parameters")
    if trace.meta.get("generator") != "decode" or not isinstance(stated, dict):
        raise InputError("found a trace that does not say how its KV lies", "expected one made by decode", field="meta")
    try:
        return Params(**stated)
    except TypeError:
        raise InputError("found parameters that decode does not have", "expected its own", field="meta") from None
