"""A bound by the name of its method, or by none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import overload

from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind, several
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.toml import nearest
from placement_opt.bounds import METHODS, auto
from placement_opt.bounds.result import Bound
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import Source, instance_of


@overload
def bound(  # type: ignore[overload-overlap]  # a text is one, and a sequence of texts, too
    instance: Source,
    method: str = ...,
    *,
    limits: Limits | None = ...,
    report: Callable[[str], None] | None = ...,
) -> Bound: ...


@overload
def bound(
    instance: Sequence[Source],
    method: str = ...,
    *,
    limits: Limits | None = ...,
    report: Callable[[str], None] | None = ...,
) -> list[Bound]: ...


def bound(
    instance: Source | Sequence[Source],
    method: str = "auto",
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Bound | list[Bound]:
    """A proven lower bound on the total time of every schedule of an instance.

    Parameters
    ----------
    instance
        The question: an instance, the path of its file, or a list of these.
    method
        "auto" (the tightest that the size allows in about a minute) or a name of :data:`METHODS`.
    limits
        Deadline and stop request; what is proven by then is returned.
    report
        Called with a line of text whenever "auto" begins or ends a method.

    Returns
    -------
    Bound or list of Bound
        In seconds, proven by weak duality (docs/problem.md, section 4); a list for a list.

    Raises
    ------
    InputError
        Unknown method, or one that is not defined for the instance; no instance, or a file that holds none.
    LimitError
        The method's model would be too large.

    Examples
    --------
    One of two blocks of 4.5 MB fits into HBM; both are read twice, and a read over the link takes 10 us.

    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> po.bound(instance, "lp")
    Bound(lp: 2e-05 s, optimal)
    >>> po.bound([instance, instance], "roofline")
    [Bound(roofline: 3.36449e-06 s, optimal), Bound(roofline: 3.36449e-06 s, optimal)]
    """
    check_kind(method, str, 'the name of a method, such as "lp"', field="method")
    check_limits(limits)
    if method != "auto" and method not in METHODS:
        raise InputError(f"found method {method!r}", nearest(method, ["auto", *METHODS]), field="--method")
    many = not isinstance(instance, Instance | str | PathLike)
    found = [_one(instance_of(one, limits), method, limits, report) for one in several(instance)]
    return found if many else found[0]


def _one(instance: Instance, method: str, limits: Limits | None, report: Callable[[str], None] | None) -> Bound:
    if method == "auto":
        return auto.bound(instance, limits=limits, report=report)
    return METHODS[method](instance, limits=limits)
