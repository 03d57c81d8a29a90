"""What something is expected to take: a small formula in the figures of a question, its factors looked up in one file.

``calibration.toml`` beside this module holds every factor, measured by ``python -m benchmarks.calibrate`` and committed.
Nothing is measured while a question is answered, so that what is chosen by a cost is the same on every machine. A cost is a
guide for choosing and for refusing what has no room, never a promise.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Any])
CALIBRATION = Path(__file__).with_name("calibration.toml")


@cache
def calibration() -> Mapping[str, Mapping[str, Any]]:
    """Section -> what was measured (``what``), when (``date``), and the factors: ``seconds`` and ``bytes``, key -> number."""
    return tomllib.loads(CALIBRATION.read_text(encoding="utf-8"))


def seconds_of(section: str, key: str) -> float:
    """One factor in seconds; KeyError where the file has none of that name."""
    return float(calibration()[section]["seconds"][key])


def bytes_of(section: str, key: str) -> int:
    """One factor in whole bytes; KeyError where the file has none of that name."""
    return int(calibration()[section]["bytes"][key])


def _always(_: object) -> bool:
    return True


def _nothing(_: object) -> tuple[()]:
    return ()


@dataclass(frozen=True, eq=False)
class Cost(Generic[S]):
    """What a method is expected to take, from the figures that it is asked about.

    Attributes
    ----------
    section
        Of the calibration.
    seconds, bytes
        Key of a factor -> how many times it is taken; what is expected is the sum. Seconds are those of a core on which the
        calibration's reference loop takes as long as the calibration says; bytes come beside those of the question itself.
    defined
        Whether the method is for such a question at all, and not hopeless.
    parts
        What it runs besides, each with a cost of its own.
    """

    section: str
    seconds: Mapping[str, Callable[[S], float]] = field(default_factory=dict)
    bytes: Mapping[str, Callable[[S], float]] = field(default_factory=dict)
    defined: Callable[[S], bool] = _always
    parts: Callable[[S], Iterable[Cost[S]]] = _nothing

    def expected_s(self, size: S) -> float:
        """Seconds; infinite where it is not defined."""
        if not self.defined(size):
            return math.inf
        own = math.fsum(seconds_of(self.section, key) * times(size) for key, times in self.seconds.items())
        return own + math.fsum(part.expected_s(size) for part in self.parts(size))

    def expected_bytes(self, size: S) -> int:
        """Bytes, about the most that are taken at once."""
        own = math.fsum(bytes_of(self.section, key) * times(size) for key, times in self.bytes.items())
        return math.ceil(own) + sum(part.expected_bytes(size) for part in self.parts(size))


def costs(cost: Cost[S]) -> Callable[[F], F]:
    """Declares what a function is expected to take, as its attribute ``cost``."""

    def declare(function: F) -> F:
        function.cost = cost  # type: ignore[attr-defined]
        return function

    return declare


def once(_: object) -> float:
    """What is taken whatever the size."""
    return 1.0
