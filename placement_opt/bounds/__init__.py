"""Lower bounds on the time of every schedule, one method a file; :data:`METHODS` loads them by name, on demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from placement_opt.base.registry import Registry

if TYPE_CHECKING:
    from placement_opt.base.cost import Cost
    from placement_opt.base.limits import Limits
    from placement_opt.bounds.result import Bound
    from placement_opt.bounds.size import Size
    from placement_opt.instance.instance import Instance


class Method(Protocol):
    """What every method is: a proven number for an instance, within limits; and what that is expected to take."""

    cost: Cost[Size]

    def __call__(self, instance: Instance, *, limits: Limits | None = None) -> Bound: ...


#: Methods by name, from the quickest to the most thorough.
METHODS: Mapping[str, Method] = Registry(
    __name__,
    {
        "roofline": "roofline:bound",
        "step": "step:bound",
        "step-integer": "step:integer_bound",
        "intervals": "intervals:bound",
        "compact": "compact:bound",
        "flow": "flow:bound",
        "lp": "lp:bound",
        "milp": "milp:bound",
    },
)
METHODS.__doc__ = """Methods of :func:`placement_opt.bound` by name, from the quickest to the most thorough.

Examples
--------
>>> next(iter(po.METHODS)), "lp" in po.METHODS
('roofline', True)
>>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
>>> po.METHODS["roofline"](po.build_instance("gh200", trace))
Bound(roofline: 3.36449e-06 s, optimal)
"""
