"""What an instance file asks for, before its trace is drawn: sizes, room, memory and seconds of each way to answer, what binds.

Seconds are guesses by which ways are chosen (:mod:`placement_opt.base.cost`), no promises. Where the
trace is small it is drawn, so that equal blocks are counted once, as the methods do; else numbers of reads are upper limits.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from placement_opt.answer.by_layer import COST as LAYERS
from placement_opt.answer.by_layer import Asked as ByLayer
from placement_opt.base import room
from placement_opt.base.capacity import stated_bytes
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.auto import BUDGET_S, plan
from placement_opt.bounds.size import Size
from placement_opt.instance.gate import ROWS, answers_in_runs, check_tiers, in_runs, rows_bytes, ways_out
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import Outline, input_files, read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.layered.solve import COST, Asked
from placement_opt.memory.split.timing import StepTimer
from placement_opt.schedulers import REGISTRY

if TYPE_CHECKING:
    from placement_opt.instance.scaled import LayerShare

#: Traces of so many reads are drawn.
DRAWN_READS = 300_000
#: Of two times no further apart than this, relatively, room is not what binds.
_SAME = 0.02


@dataclass(frozen=True)
class Tier:
    """One tier: its capacity (None: no limit), the weights in it, the room left (without a limit, for all that is alive at
    once), and the bytes it has at the peak, filled fastest first."""

    name: str
    capacity: int | None
    weights: int
    room: int
    held: int


@dataclass(frozen=True)
class Way:
    """One way to answer.

    Attributes
    ----------
    name, side
        As reports call it; "rows" (making the instance), "bound", "schedule", or "both".
    memory
        Bytes of the process, or of all of them together.
    seconds
        What it should take; infinite where it is not defined or hopeless.
    verdict
        "fits", or why not.
    taken
        Whether ``bound`` takes it as things stand.
    """

    name: str
    side: str
    memory: int
    seconds: float
    verdict: str = "fits"
    taken: bool = False

    @property
    def fits(self) -> bool:
        return self.verdict == "fits"


@dataclass(frozen=True)
class Binding:
    """A first guess of what binds, from totals: every step reads as much, all blocks alike.

    Attributes
    ----------
    roofline_s
        Of all steps, reads split over the tiers as if each held everything.
    filled_s
        The same with the tiers filled once, fastest first, and nothing moved.
    nowhere
        Bytes alive at the peak that lie in no tier then (rule "cache"): served by what comes from outside.
    resource, filled_resource
        The busiest resource of either.
    sentence
        What follows.
    """

    roofline_s: float
    filled_s: float
    nowhere: int
    resource: str
    filled_resource: str
    sentence: str


@dataclass(frozen=True)
class Checked:
    """What :func:`check` found.

    Attributes
    ----------
    outline
        The file, its trace not made.
    files
        (name, bytes) of the files that it is made from.
    drawn
        Whether the trace was drawn for this.
    tiers, peak, largest
        The tiers; bytes of the blocks alive at once, and of the largest block.
    ways
        How it can be answered, rows first.
    reason
        Why ``bound`` takes what it takes.
    binding
        What binds.
    allowed, limit_s
        Bytes and seconds that there are.
    """

    outline: Outline
    files: tuple[tuple[str, int], ...]
    drawn: bool
    tiers: tuple[Tier, ...]
    peak: int
    largest: int
    ways: tuple[Way, ...]
    reason: str
    binding: Binding
    allowed: int
    limit_s: float

    @property
    def fits(self) -> bool:
        """Whether a bound can be had within the limits."""
        return any(way.taken for way in self.ways)

    @property
    def ways_out(self) -> tuple[str, ...]:
        """What would fit where rows take too much memory."""
        rows = next(way for way in self.ways if way.side == "rows")
        return () if rows.memory <= self.allowed else tuple(ways_out(self.outline, self.allowed))


def check(path: str | Path, *, layers: LayerShare | None = None, limits: Limits | None = None) -> Checked:
    """Look at an instance file within limits (a minute for the methods where there is no deadline, as ``bound`` has it).

    Raises
    ------
    InputError
        What is wrong with the file, weights and blocks without room in its tiers included.
    """
    limits = limits or Limits()
    outline = read_outline(path, layers=layers)
    check_tiers(outline)
    allowed, limit_s = room.allowed(limits), limits.remaining
    totals, unit = outline.totals, outline.model.unit_bytes
    few = max(totals.reads, totals.drawn, totals.blocks, totals.steps) <= DRAWN_READS
    drawn = few and rows_bytes(totals) <= allowed
    size = Size.of_outline(outline)
    if drawn:
        instance = load_instance(path, layers=layers, limits=limits)
        with suppress(LimitError):  # more tiers than the methods have tables for: equal blocks are counted one by one then
            size = Size.of(instance)
    ways, reason = _ways(outline, size, allowed, limit_s)
    return Checked(
        outline=outline,
        files=tuple((os.fspath(file), file.stat().st_size) for file in input_files(path) if file.is_file()),
        drawn=drawn,
        tiers=_tiers(outline),
        peak=totals.peak * unit,
        largest=totals.largest * unit,
        ways=ways,
        reason=reason,
        binding=_binding(outline),
        allowed=allowed,
        limit_s=limit_s,
    )


def _tiers(outline: Outline) -> tuple[Tier, ...]:
    memory, model = outline.memory, outline.model
    left, held = outline.totals.peak * model.unit_bytes, {}
    for k in memory.by_speed:
        held[k] = min(left, int(outline.capacity[k]))
        left -= held[k]
    weights = [model.weight_resident if k == model.weight_tier else 0 for k in range(len(memory.tiers))]
    return tuple(
        Tier(tier.name, stated_bytes(tier.capacity), weights[k], int(outline.capacity[k]), held[k])
        for k, tier in enumerate(memory.tiers)
    )


def _ways(outline: Outline, size: Size, allowed: int, limit_s: float) -> tuple[tuple[Way, ...], str]:
    """All ways, the ones that ``bound`` takes marked, and why it takes them."""
    totals = outline.totals
    rows = rows_bytes(totals)
    costs = [(name, "bound", method.cost) for name, method in METHODS.items() if not name.endswith("-integer")]
    costs += [("one scheduler", "schedule", REGISTRY["lru"].cost), ("optimised", "schedule", REGISTRY["optimised"].cost)]
    found = [Way("rows", "rows", rows, ROWS.expected_s(totals))]
    found += [Way(name, side, rows + cost.expected_bytes(size), cost.expected_s(size)) for name, side, cost in costs]
    if (large := _runs(outline) if answers_in_runs(outline) else _layers(outline)) is not None:
        found.append(large)
    found = [replace(way, verdict=_verdict(way, found[0], allowed, limit_s)) for way in found]
    by_name = {way.name: way for way in found}
    if by_name["rows"].fits:
        chosen = plan(size, BUDGET_S if math.isinf(limit_s) else limit_s)
        taken: tuple[str, ...] = ("rows", "roofline", *chosen.methods)
        return tuple(replace(way, taken=way.fits and way.name in taken) for way in found), chosen.reason
    if by_name["rows"].verdict == "too long":
        return tuple(found), "rows take longer to make than there is time"
    found = [replace(way, taken=way.side == "both" and way.fits) for way in found]
    told = {"runs": ", runs are drawn layer by layer", "layers": ", one layer at a time is in rows"}
    return tuple(found), "rows do not fit" + "".join(told[way.name] for way in found if way.taken)


def _runs(outline: Outline) -> Way:
    """Both sides in runs, in one process."""
    problem = in_runs(outline)
    return Way("runs", "both", problem.memory_needed(1), COST.expected_s(Asked(problem, 1)))


def _layers(outline: Outline) -> Way | None:
    """Both sides with one layer in rows at a time, in one process; None where the trace does not come so."""
    with suppress(InputError):
        question = in_layers(outline)
        return Way("layers", "both", question.memory_needed(), LAYERS.expected_s(ByLayer(question, 1)))
    return None


def _verdict(way: Way, rows: Way, allowed: int, limit_s: float) -> str:
    if math.isinf(way.seconds):
        return "not for this size"
    if way.memory > allowed:
        return "too much memory"
    if way.side == "both":  # both sides hold whenever they are stopped
        return "fits"
    if way.side == "bound":  # auto gives itself a minute
        limit_s = BUDGET_S if math.isinf(limit_s) else limit_s
    return "too long" if way.seconds + (0.0 if way is rows else rows.seconds) > limit_s else "fits"


def _binding(outline: Outline) -> Binding:
    """The average step, twice: at the best split, and at what the tiers hold when they are filled fastest first."""
    memory, model, totals = outline.memory, outline.model, outline.totals
    operations, count = memory.operations, len(memory.tiers)
    base = (model.weight_bytes * memory.read[model.weight_tier])[None, :]
    each = totals.read_units * model.unit_bytes / totals.steps
    inclusive, home = outline.rules.residency == "inclusive", outline.home
    places = [1 << k | (inclusive and 1 << home) for k in range(count)]
    held = [tier.held for tier in _tiers(outline)]
    nowhere = totals.peak * model.unit_bytes - sum(held) if outline.rules.residency == "cache" else 0
    if nowhere:
        places, held = [*places, 0], [*held, nowhere]
    loads = None
    if not operations.uniform:  # by the block, where calls and grains count: all as the largest
        block = max(1, totals.largest * model.unit_bytes)
        loads, each = operations.block_loads(block, min(totals.pieces, block))[operations.serving], each / block
    free = StepTimer(memory, [operations.usable((1 << count) - 1)], loads)
    timer = StepTimer(memory, [operations.usable(place) for place in places], loads)
    share = np.array(held, dtype=np.float64)
    served = each * share[None, :] / max(1.0, share.sum())
    best, filled = (_busiest(outline, timed, loaded, base) for timed, loaded in ((free, np.array([[each]])), (timer, served)))
    roofline_s, filled_s = best[0] * totals.steps, filled[0] * totals.steps
    return Binding(roofline_s, filled_s, nowhere, best[1], filled[1], _guess(outline, best, filled, share))


def _busiest(outline: Outline, timer: StepTimer, served: np.ndarray, base: np.ndarray) -> tuple[float, str]:
    """(seconds, the resource that decides) of one step."""
    time, prices = float(timer.times(served, base)[0]), timer.prices(served, base)[0]
    return max(time, float(outline.rules.floor)), outline.memory.resources[int(np.argmax(prices * outline.memory.rates))]


def _guess(outline: Outline, best: tuple[float, str], filled: tuple[float, str], held: np.ndarray) -> str:
    """What binds, in a sentence."""
    memory, rules = outline.memory, outline.rules
    if best[0] <= float(rules.floor):
        return "the floor under the time of a step"
    if filled[0] <= best[0] * (1.0 + _SAME):
        return f"the rate of {best[1]}: every tier has room for what the best split reads from it"
    first = memory.by_speed[0]
    share = Fraction(int(held[first]), max(1, int(held.sum())))
    name, times = memory.tier_names[first], filled[0] / best[0]
    if share == 1:
        text = f"the rate of {filled[1]}: {name} has room for all blocks at their peak"
        return f"{text}, spread over all tiers they would be read {times:.3g} times as fast"
    text = f"the room of {name}, which holds {100 * float(share):.3g} % of the blocks at their peak"
    return f"{text}: if reads fell on all alike, {filled[1]} would take {times:.3g} times the roofline ({best[1]})"
