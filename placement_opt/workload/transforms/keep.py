"""How long an imported trace keeps its blocks: logs say what was read, not when a cache let go of it.

``forever``: nothing is freed. ``last-use``: every block is freed after the last step that reads it (one that is never read,
right after it is produced); no cache can know that, so it is the least that any must keep. ``ttl``: a block is freed when it
was not used for so long, in the trace's own time or in steps; a step that wants it later produces it again, as a new block.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError, shown
from placement_opt.base.units import parse_duration, split_quantity
from placement_opt.workload.trace import Trace

KEEPS = ("forever", "last-use", "ttl")
_STEPS = ("step", "steps", "request", "requests")
_MOST_STEPS = 2**31


@dataclass(frozen=True)
class Keep:
    """A rule, and with ``ttl`` the time without use: ``seconds`` of the trace's own time, or ``steps``.

    Raises
    ------
    InputError
        A time without the rule ``ttl``, that rule without one, or an unknown rule.
    """

    rule: str = "forever"
    seconds: Fraction | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in KEEPS:
            raise InputError(f"found {shown(self.rule)}", f"expected one of {', '.join(KEEPS)}", field="keep")
        given = (self.seconds is not None) + (self.steps is not None)
        if given != (self.rule == "ttl"):
            found = f"found {'a time' if given else 'none'} with keep = {self.rule!r}"
            raise InputError(found, 'expected one with keep = "ttl", and only then', field="ttl")

    @classmethod
    def of(cls, rule: str, ttl: str | None) -> Keep:
        """From texts: a ttl is a duration (``"10 s"``) or a number of steps (``"100 steps"``, or requests)."""
        if ttl is None:
            return cls(rule)
        parts = split_quantity(ttl)
        if parts is not None and parts[1] in _STEPS:
            if not parts[0].isdigit() or int(parts[0]) >= _MOST_STEPS:
                raise InputError(f"found {shown(ttl)}", "expected a whole number of steps below 2**31", field="ttl")
            return cls(rule, steps=int(parts[0]))
        try:
            return cls(rule, seconds=parse_duration(ttl, '10 s" or "100 steps'))
        except InputError as error:
            raise error.at(field="ttl") from None

    def check_untimed(self) -> None:
        """Refuse a duration for a format whose steps have no times."""
        if self.seconds is not None:
            raise InputError("found a duration for a format without times", 'expected e.g. "100 steps"', field="ttl")

    def applied(self, trace: Trace, times_s: npt.NDArray[np.float64] | None = None) -> Trace:
        """A trace that frees nothing, made to free by this rule; ``times_s``: float64[T], rising, where steps have times."""
        if self.rule == "forever":
            return trace
        if self.rule == "last-use":
            return dataclasses.replace(trace, death=_last_use(trace), meta={**trace.meta, "keep": self.rule})
        if self.steps is not None:
            times, ttl, text = np.arange(trace.num_steps, dtype=np.float64), float(self.steps), f"{self.steps} steps"
        else:
            assert times_s is not None
            assert self.seconds is not None
            times, ttl, text = times_s, float(self.seconds), f"{float(self.seconds):g} s"
        return _expiring(trace, times, ttl, {"keep": self.rule, "ttl": text})


def _last_use(trace: Trace) -> npt.NDArray[np.int32]:
    """int32[B]: the last state that needs each block: that of its last read, else the first it lives in."""
    last = trace.birth + np.int32(1)
    last[trace.blocks] = trace.read_step  # ascending, so the last read stays; never before birth + 1
    return last


def _expiring(trace: Trace, times: npt.NDArray[np.float64], ttl: float, about: dict[str, str]) -> Trace:
    """Every block split into the lives that it has where it is freed ``ttl`` after a use and produced again when wanted."""
    steps, blocks = trace.num_steps, trace.num_blocks
    pointers, order = trace.by_block
    block, step = trace.blocks[order].astype(np.int64), trace.read_step[order].astype(np.int64)
    before = np.empty_like(step)  # the use before each read: a read, or the block's production
    before[1:] = step[:-1]
    first = pointers[:-1][np.diff(pointers) > 0]
    before[first] = np.maximum(trace.birth[block[first]], 0)
    again = times[step] > times[before] + ttl
    life = block + np.cumsum(again)
    own = np.arange(blocks) + np.concatenate([[0], np.cumsum(again)])[pointers[:-1]]  # the first life of each block
    count = blocks + int(again.sum())
    birth, of = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    birth[own], of[own] = trace.birth, np.arange(blocks)
    birth[life[again]], of[life[again]] = step[again], block[again]
    used = np.maximum(birth, 0)
    np.maximum.at(used, life, step)
    later = np.searchsorted(times, times[used] + ttl, side="right")
    death = np.maximum(np.where(later == steps, steps, later - 1), birth + 1)
    by_birth = np.lexsort((of, birth))
    number = np.empty(count, dtype=np.int64)
    number[by_birth] = np.arange(count)
    rows = (step << 32 | number[life])[~again]
    sort = np.argsort(rows)
    of = of[by_birth]

    def labels(values: npt.NDArray[Any] | None) -> Any:
        return None if values is None else values[of]

    return dataclasses.replace(
        trace,
        indptr=np.searchsorted(rows[sort], np.arange(steps + 1, dtype=np.int64) << 32).astype(np.int64),
        blocks=(rows[sort] & (2**32 - 1)).astype(np.int32),
        birth=birth[by_birth].astype(np.int32),
        death=death[by_birth].astype(np.int32),
        size=trace.size if len(trace.size) == 1 else trace.size[of],
        shares=None if trace.shares is None else trace.shares[order][~again][sort],
        position=None if trace.position is None else trace.position[order][~again][sort],
        block_token=labels(trace.block_token),
        block_layer=labels(trace.block_layer),
        block_kind=labels(trace.block_kind),
        pieces=trace.pieces if trace.pieces is None or len(trace.pieces) == 1 else trace.pieces[of],
        meta={**trace.meta, **about},
    )
