"""The one gate before the work: what cannot fit is refused with both numbers and the way out, before anything is drawn or made.

Every command that takes instances comes through here, because :func:`placement_opt.instancefile.load_instance` does; commands
that work in several processes ask for all of them together (:func:`check_file`) before the first begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from placement_opt import room
from placement_opt.errors import InputError
from placement_opt.instance import check_room
from placement_opt.limits import Limits

if TYPE_CHECKING:
    from placement_opt.instancefile import Outline
    from placement_opt.scaled import LayerShare
    from placement_opt.totals import Totals

#: The pages that are proposed where single tokens are too many.
PAGE = 16


def check_outline(outline: Outline, limits: Limits, *, processes: int = 1, read_bytes: int = 0) -> None:
    """Refuse what has no room in the tiers, or its trace in so many processes that take ``read_bytes`` more for a read each.

    Raises
    ------
    InputError
        The tiers have no room for the blocks.
    NoRoom
        The trace in rows needs more memory than there is.
    """
    totals, unit = outline.totals, outline.model.unit_bytes
    if totals.firm:
        outline.check_total(totals.peak)
        peak, largest = totals.peak * unit, totals.largest * unit
        try:
            check_room(
                outline.memory, outline.rules.residency, outline.memory.home, outline.capacity, peak=peak, largest=largest
            )
        except InputError as error:
            raise outline.placed(error) from None
    room.check_rows(
        totals.reads,
        limits,
        drawn=totals.drawn,
        processes=processes,
        read_bytes=read_bytes,
        place=f"{outline.path}: trace",
        ways=lambda most: "; ".join(ways_out(outline, most, read_bytes)),
    )


def check_file(
    path: str | PathLike[str],
    limits: Limits,
    *,
    jobs: int = 1,
    layers: LayerShare | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """The gate for work on an instance file in so many processes, each of which holds it, beside the one that began them.

    Errors as :func:`check_outline`; those of the file as :func:`placement_opt.instancefile.read_outline`.
    """
    from placement_opt.instancefile import read_outline

    check_outline(read_outline(path, overrides, layers=layers), limits, processes=jobs + 1 if jobs > 1 else 1)


def ways_out(outline: Outline, most: int, read_bytes: int = 0) -> list[str]:
    """What would fit into so many bytes, in words: fewer layers, pages, fewer steps, runs."""
    source, pages = outline.source.totals, outline.rules.page_tokens

    def fits(totals: Totals, page_tokens: int) -> bool:
        paged = totals.paged(page_tokens, alike=True)
        return room.rows_bytes(paged.reads, paged.drawn, read_bytes) <= most

    ways = []
    drawn = outline.source.layers is not None and "synth" in outline.tables.trace
    if drawn and (layers := _largest(source.layers, lambda count: fits(_share(source, count, source.layers), pages))):
        ways.append(f"--scale-layers {layers}/{source.layers} fits")
    if drawn and pages == 1 and fits(source, PAGE):
        ways.append(f"rules.page_tokens = {PAGE} fits")
    if key := {"zipf": "steps", "requests": "requests", "drift": "tokens"}.get(str(outline.tables.trace.data.get("synth"))):
        count = source.steps // source.layers
        if (fewer := _largest(count, lambda steps: fits(_share(source, steps, count), pages))) and not ways:
            ways.append(f"trace.{key} = {_rounded(fewer)} fits")
    elif not drawn:
        share = min(
            1.0, max(0.0, (most - room.BASE_BYTES) / (room.rows_bytes(source.reads, 0, read_bytes) - room.BASE_BYTES or 1))
        )
        ways += [f"about {100 * share:.2g} % of its steps fit"] if share > 0 else []
    if answers_in_runs(outline):
        ways.append("bound answers it in runs")
    return ways or ["no part of it fits"]


def answers_in_runs(outline: Outline) -> bool:
    """Whether ``bound`` answers in runs, layer by layer, where rows do not fit."""
    rules = outline.rules
    regular = (rules.residency, rules.initial, rules.page_tokens) == ("inclusive", "free", 1)
    return regular and outline.source.layers is not None and len(outline.memory.tiers) == 2


def _share(totals: Totals, part: int, whole: int) -> Totals:
    """So many parts of a trace whose reads come evenly."""
    return replace(totals, reads=totals.reads * part // whole, pairs=totals.pairs * part // whole)


def _largest(high: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to ``high`` that fits, 0 where none does; what fits, fits in smaller ones too."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _rounded(number: int) -> int:
    """Two digits of it, never more than it is."""
    digits = max(0, len(str(number)) - 2)
    return number - number % int(10**digits)
