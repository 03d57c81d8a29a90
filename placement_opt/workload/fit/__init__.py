"""Parameters of generators from traces, one generator a file: what a trace that nobody may see is shared as.

``FITS[name]`` is ``estimate(trace, unit_bytes) -> Estimate`` for a generator of the same name
(:mod:`placement_opt.workload.synth`). It takes aggregates alone: an estimate has no ids, no texts and no times of single steps.
A generator without randomness of its own (``decode``) has no fit: its parameters are what one would share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from placement_opt.base.registry import Registry

if TYPE_CHECKING:
    from placement_opt.workload.fit.estimate import Estimate
    from placement_opt.workload.trace import Trace

#: Name -> estimate function; InputError where a trace lacks what the generator is made of.
FITS: Mapping[str, Callable[[Trace, int | None], Estimate]] = Registry(
    __name__, {name: f"{name}:estimate" for name in ("drift", "zipf", "requests")}
)
