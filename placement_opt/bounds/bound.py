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
