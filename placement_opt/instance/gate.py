"""The one gate before the work: what cannot fit is refused with both numbers and the way out, before anything is drawn or made.

Every command that takes instances comes through here, because :func:`placement_opt.instance.load.load_instance` does; commands
that work in several processes ask for all of them together (:func:`check_file`) before the first begins.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from placement_opt.base import room
from placement_opt.base.cost import Cost, bytes_of
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.units import format_size
from placement_opt.instance.sound import check_largest, check_room
from placement_opt.instance.totals import totals_of
from placement_opt.workload.totals import Totals

if TYPE_CHECKING:
    from placement_opt.instance.layered import Layered
    from placement_opt.instance.outline import Outline
    from placement_opt.instance.scaled import LayerShare
    from placement_opt.instance.trace_source import Source
    from placement_opt.workload.layers import Layers

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
    check_tiers(outline)
    check_rows(
        outline.totals,
        limits,
        place=f"{outline.path}: trace",
        processes=processes,
        read_bytes=read_bytes,
        ways=lambda most: "; ".join(ways_out(outline, most, read_bytes)),
    )


#: Seconds until a trace in rows is there.
ROWS = Cost[Totals]("rows", {"per_read": lambda totals: max(totals.reads, totals.drawn)})


def rows_bytes(totals: Totals, read_bytes: int = 0) -> int:
    """Bytes of a process that holds a trace in rows; ``read_bytes``: what the work on a read takes besides."""
    others = room.BLOCK_BYTES * totals.blocks + room.STEP_BYTES * totals.steps
    return room.BASE_BYTES + others + max((room.READ_BYTES + read_bytes) * totals.reads, room.PAGED_BYTES * totals.drawn)


def check_rows(
    totals: Totals,
    limits: Limits,
    *,
    place: str,
    processes: int = 1,
    read_bytes: int = 0,
    ways: Callable[[int], str] | None = None,
) -> None:
    """NoRoom, with what is needed and what there is, where a trace in rows does not fit into so many processes.

    ``place``: where it is asked for, such as ``FILE: trace``; ``ways``: bytes for one process -> how to come out with them.
    """
    what = f"for {totals.reads:,} reads"
    what += f", drawn from {totals.drawn:,} of single tokens," if totals.drawn else ""
    for number, each, name in ((totals.blocks, room.BLOCK_BYTES, "blocks"), (totals.steps, room.STEP_BYTES, "steps")):
        what += f" and {number:,} {name}" if number * each > max(room.BASE_BYTES, room.READ_BYTES * totals.reads) else ""
    what += f" in {processes} processes" if processes > 1 else ""
    per_process = None if ways is None else lambda most: ways(most // processes)
    room.check_bytes(processes * rows_bytes(totals, read_bytes), limits, what.removesuffix(","), place=place, ways=per_process)


def check_tiers(outline: Outline) -> None:
    """InputError where the tiers have no room for the blocks, as far as that is known before the trace is made."""
    totals, unit, rules = outline.totals, outline.model.unit_bytes, outline.rules
    if not totals.firm:
        return
    outline.check_total(totals.peak)
    peak, largest = totals.peak * unit, totals.largest * unit
    try:
        check_room(outline.memory, rules.residency, outline.home_tier, outline.capacity, peak=peak)
        check_largest(outline.memory, outline.capacity, largest)
    except InputError as error:
        raise outline.placed(error) from None


def check_file(
    path: str | PathLike[str],
    limits: Limits,
    *,
    jobs: int = 1,
    layers: LayerShare | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """The gate for work on an instance file in so many processes, each of which holds it, beside the one that began them.

    Errors as :func:`check_outline`; those of the file as :func:`placement_opt.instance.outline.read_outline`.
    """
    from placement_opt.instance.outline import read_outline

    check_outline(read_outline(path, overrides, layers=layers), limits, processes=jobs + 1 if jobs > 1 else 1)


def check_drawn(source: Source, limits: Limits) -> None:
    """NoRoom where a synthetic trace needs more memory than there is while it is drawn."""
    totals = source.totals
    needed = room.BASE_BYTES + room.DRAWN_READ_BYTES * totals.reads + room.DRAWN_BLOCK_BYTES * totals.blocks
    room.check_bytes(
        needed, limits, f"to draw {totals.reads:,} reads", ways=lambda _: "fewer steps, layers or requests would do"
    )


def check_stored(path: str | PathLike[str], limits: Limits) -> None:
    """The same for a trace file that is to be read; InputError as :func:`placement_opt.workload.files.npz.load_trace`."""
    from placement_opt.workload.files.npz import outline_trace

    trace, reads = outline_trace(path)
    check_rows(totals_of(trace, reads=reads), limits, place=fspath(path))


def check_text(path: str | PathLike[str], limits: Limits) -> None:
    """The same for a text that is to be imported; what is wrong with the file is for its reader to say."""
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    needed = room.BASE_BYTES + room.TEXT_BYTES * size
    room.check_bytes(needed, limits, "to import it", place=fspath(path), ways=lambda _: "--limit N takes its first steps")


def check_runs(question: Layered, limits: Limits) -> None:
    """LimitError where a question in runs needs more memory, in one process, than there is."""
    needed, left = question.memory_needed(), room.left(limits)
    if needed > left:
        found = f"found a limit of {format_size(left)}"
        raise LimitError(f"{found}, expected at least {format_size(needed)} for {question.layers.runs:,} runs a layer")


def check_layer_in_rows(outline: Outline, limits: Limits) -> None:
    """NoRoom where one layer of a trace that comes layer by layer has no room in rows."""
    totals = _one_layer(outline)
    room.check_bytes(layer_bytes(outline), limits, f"for {totals.reads:,} reads of a layer", place=f"{outline.path}: trace")


def layer_bytes(outline: Outline) -> int:
    """Bytes of a process that draws one layer of a trace and holds it in rows, in pages that are made from its runs."""
    layers = outline.source.layers
    assert layers is not None
    return rows_bytes(replace(_one_layer(outline), drawn=0)) + bytes_of("runs", "per_run") * layers.runs


def _one_layer(outline: Outline) -> Totals:
    """A layer with as many reads as the one that has most."""
    layers = outline.source.layers
    assert layers is not None
    share = _share(outline.source.totals, 1, layers.count, blocks=True)
    share = replace(share, reads=layers.most_reads, blocks=layers.blocks)
    return share.paged(outline.rules.page_tokens, alike=True)


def check_layer(layers: Layers, path: str | PathLike[str], limits: Limits) -> None:
    """The same for layers that are drawn or read one at a time."""
    from placement_opt.instance.layered import held_bytes

    needed = room.BASE_BYTES + held_bytes(layers)
    room.check_bytes(needed, limits, f"for {layers.runs:,} runs of a layer", place=fspath(path))


def ways_out(outline: Outline, most: int, read_bytes: int = 0) -> list[str]:
    """What would fit into so many bytes, in words: fewer layers, pages, fewer steps, runs."""
    from placement_opt.instance.trace_source import Generated

    source, pages = outline.source.totals, outline.rules.page_tokens

    def fits(totals: Totals, page_tokens: int = pages) -> bool:
        return rows_bytes(totals.paged(page_tokens, alike=True), read_bytes) <= most

    ways, drawn = [], outline.source if isinstance(outline.source, Generated) else None
    if drawn is not None and drawn.layers is not None:
        layers = source.layers
        if count := _largest(layers, lambda part: fits(_share(source, part, layers, blocks=True))):
            ways.append(f"--scale-layers {count}/{layers} fits")
        if pages == 1 and fits(source, PAGE):
            ways.append(f"rules.page_tokens = {PAGE} fits")
    if not ways and drawn is not None:
        whole, grows = getattr(drawn.params, drawn.outline.longer), drawn.outline.grows
        if count := _largest(whole, lambda part: fits(_share(source, part, whole, blocks=grows))):
            ways.append(f"trace.{drawn.outline.longer} = {_rounded(count)} fits")
    if drawn is None:
        share = (most - room.BASE_BYTES) / max(1, rows_bytes(source, read_bytes) - room.BASE_BYTES)
        ways += [f"about {100 * share:.2g} % of its steps fit"] if 0 < share < 1 else []
    if answers_in_runs(outline) and in_runs(outline).memory_needed() <= most:
        ways.append("bound answers it in runs")
    elif outline.source.layers is not None and layer_bytes(outline) + read_bytes <= most:
        ways.append("bound answers it layer by layer")
    return ways or ["no part of it fits"]


def answers_in_runs(outline: Outline) -> bool:
    """Whether ``bound`` answers in runs, layer by layer, where rows do not fit."""
    rules = outline.rules
    regular = (rules.residency, rules.initial, rules.page_tokens) == ("inclusive", "free", 1)
    regular = regular and outline.model.placed is None
    regular = regular and outline.source.layers is not None and outline.source.layers.plain
    return regular and outline.memory.operations.plain and len(outline.memory.tiers) == 2


def in_runs(outline: Outline) -> Layered:
    """The question in runs, where there are any."""
    from placement_opt.instance.layered import Layered

    layers, model, memory = outline.source.layers, outline.model, outline.memory
    assert layers is not None
    block, loads = outline.totals.largest * model.unit_bytes, model.weight_bytes * memory.read[model.weight_tier]
    return Layered(outline.name, memory, layers, outline.capacity, block, loads, home_tier=outline.home_tier)


def _share(totals: Totals, part: int, whole: int, *, blocks: bool) -> Totals:
    """So many parts of a trace whose reads, and ``blocks`` where they do, come evenly."""
    names = ("reads", "pairs", "steps", "blocks") if blocks else ("reads", "pairs", "steps")
    return replace(totals, **{name: getattr(totals, name) * part // whole for name in names})


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
