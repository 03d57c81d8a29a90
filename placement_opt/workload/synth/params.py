"""What the generators' parameters have in common: each field says what it means and checks itself.

A generator's ``Params`` is a frozen dataclass whose fields are made by the functions below. Their metadata are all that a
file or a command line needs: ``help`` (one line, with the unit), ``type`` (what makes the value from a command line's word)
and ``convert`` (what refuses a wrong value).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from placement_opt.base.errors import InputError, LimitError, shown
from placement_opt.base.toml import as_choice, as_integer, as_number, as_size
from placement_opt.base.units import parse_duration

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: A trace in rows keeps 4 bytes a read (twice that while it is made): more than this many fill the memory of most machines.
LARGEST_READS = 2**30


def integer(default: int | None, low: int, help: str, high: int = 2**31 - 1) -> Any:
    """A field: a whole number from ``low`` to ``high``; a default of None allows None."""
    return _field(default, int, as_integer(low, high), help)


def number(default: float | None, low: float, high: float, help: str, *, open_low: bool = False) -> Any:
    """A field: a number from ``low`` (without it where ``open_low``) to ``high``; a default of None allows None."""
    return _field(default, float, as_number(low, high, open_low=open_low), help)


def choice(default: str | None, choices: Sequence[str], help: str) -> Any:
    """A field: one of some words; a default of None allows None."""
    return _field(default, str, as_choice(choices), f"{help}: {', '.join(choices)}")


def size(default: str | None, help: str) -> Any:
    """A field: a size above zero as text with its unit; a default of None allows None."""
    return _field(default, str, _size_text, help)


def duration(default: str | None, help: str) -> Any:
    """A field: a duration as text with its unit; a default of None allows None."""
    return _field(default, str, _duration_text, help)


def check(params: Any) -> None:
    """Refuse values out of range; InputError whose ``field`` is the parameter. Called by every ``__post_init__``."""
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        if value is None and field.default is None:
            continue
        try:
            object.__setattr__(params, field.name, field.metadata["convert"](value))
        except InputError as error:
            raise error.at(field=field.name) from None


def check_keep(keep: str, ttl: str | None) -> None:
    """Refuse a time without use where nothing is freed by it, and none where it is."""
    if (keep == "ttl") != (ttl is not None):
        found = "found nothing" if ttl is None else f"found {ttl!r} beside keep = {keep!r}"
        raise InputError(found, "expected a duration with keep = 'ttl' and only then", field="ttl")


def check_longest(longest: int, prefix_tokens: int) -> None:
    """Refuse prompts that are cut off within what sessions open with."""
    if longest < prefix_tokens:
        raise InputError(f"found {longest}", f"expected at least prefix_tokens, {prefix_tokens}", field="longest")


def limit_reads(reads: int) -> None:
    """Refuse, before anything is made, a trace too large to be held as rows."""
    if reads > LARGEST_READS:
        raise LimitError(
            f"found settings that make {reads:.3g} reads, expected at most {LARGEST_READS:.3g} to be held in memory"
        )


def share_of(share: float, count: int) -> int:
    """``floor(share * count)`` with the share taken as the decimal it was written as (0.1 of 30 is 3)."""
    return int(Fraction(repr(share)) * count)


def shares_of(share: float, counts: range) -> npt.NDArray[np.int64]:
    """:func:`share_of` of each count of a range, at once where 64 bits hold the products."""
    import numpy as np

    exact = Fraction(repr(share))
    if exact.numerator * max(counts) < 2**62:
        return np.arange(counts.start, counts.stop, dtype=np.int64) * exact.numerator // exact.denominator
    return np.array([int(exact * count) for count in counts], dtype=np.int64)


def _field(default: Any, kind: type, convert: Callable[[Any], Any], help: str) -> Any:
    return dataclasses.field(default=default, metadata={"type": kind, "convert": convert, "help": help})


def _size_text(value: Any) -> str:
    if as_size(value) == 0:
        raise InputError(f"found {shown(value)}", "expected a size above zero")
    return str(value)


def _duration_text(value: Any) -> str:
    parse_duration(value, "10 s")  # generators' durations are people's, not steps'
    return str(value)
