"""What a transform is and gives: parameters in, a trace and what is to be told of it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from placement_opt.workload.trace import Trace


@dataclass(frozen=True)
class Made:
    """A trace that a transform made.

    Attributes
    ----------
    trace
        Without the record of the transform, which :func:`placement_opt.workload.transforms.transform` adds.
    found
        Numbers by name, JSON-able.
    told
        The same and what is lost, a line each.
    """

    trace: Trace
    found: Mapping[str, float] = field(default_factory=dict)
    told: Sequence[str] = ()


@dataclass(frozen=True)
class Transform:
    """One kind of transform.

    Attributes
    ----------
    params
        Frozen dataclass whose fields are those of :mod:`placement_opt.workload.synth.params`.
    make
        ``make(trace, params)``, or ``make(traces, params)`` of one that joins several.
    joins
        Whether it does.
    """

    params: type[Any]
    make: Callable[[Any, Any], Made]
    joins: bool = False


def times(factor: float) -> str:
    """``"1.53"``, whole numbers without digits behind the point."""
    return f"{factor:.4g}"
