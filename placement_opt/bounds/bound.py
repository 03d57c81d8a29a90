"""A bound by the name of its method, or by none."""

from __future__ import annotations

from collections.abc import Callable

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.toml import nearest
from placement_opt.bounds import METHODS, auto
from placement_opt.bounds.result import Bound
from placement_opt.instance.instance import Instance


def bound(
    instance: Instance,
    method: str = "auto",
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Bound:
    """A proven lower bound on the total time of every schedule of an instance.

    Parameters
    ----------
    instance
        The question.
    method
        "auto" (the tightest that the size allows in about a minute) or a name of :data:`METHODS`.
    limits
        Deadline and stop request; what is proven by then is returned.
    report
        Called with a line of text whenever "auto" begins or ends a method.

    Raises
    ------
    InputError
        Unknown method, or one that is not defined for the instance.
    LimitError
        The method's model would be too large.
    """

    if method == "auto":
        return auto.bound(instance, limits=limits, report=report)
    if method not in METHODS:
        raise InputError(f"found method {method!r}", nearest(method, ["auto", *METHODS]), field="--method")
    return METHODS[method](instance, limits=limits)
