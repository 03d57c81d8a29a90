"""What a generator says of its traces before it draws any: every generator's module has an ``OUTLINE`` beside ``GENERATOR``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from placement_opt.workload.totals import Totals


def _nothing(params: Any) -> Mapping[str, Any]:
    del params
    return {}


def _never(params: Any) -> bool:
    del params
    return False


@dataclass(frozen=True)
class Outline:
    """How much a generator will draw.

    Attributes
    ----------
    longer
        The parameter that a trace grows in proportion to: what would be less where the trace does not fit.
    totals
        Of parameters, without drawing: exact, or no less than there is (not ``exact`` then; what is small is drawn at once).
        None: nothing is known, and it is guessed from fewer of ``longer``.
    small
        Of parameters: what makes the trace small, whatever the others are, with the same unit and labels.
    grows
        Whether blocks, too, come in proportion to ``longer``.
    freed
        Of parameters: whether blocks are freed, so that a longer trace holds no more of them at once.
    """

    longer: str
    totals: Callable[[Any], Totals] | None
    small: Callable[[Any], Mapping[str, Any]] = _nothing
    grows: bool = False
    freed: Callable[[Any], bool] = _never
