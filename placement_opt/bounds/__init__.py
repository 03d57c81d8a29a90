"""Lower bounds on the time of every schedule, one method a file; :data:`METHODS` loads them by name, on demand."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from placement_opt.errors import InputError

if TYPE_CHECKING:
    from placement_opt.bounds.result import Bound
    from placement_opt.instance import Instance
    from placement_opt.limits import Limits


class Method(Protocol):
    """What every method is: a proven number for an instance, within limits."""

    def __call__(self, instance: Instance, *, limits: Limits | None = None) -> Bound: ...


class _Methods(Mapping[str, Method]):
    """Name -> function; the module is imported when a name is looked up, so that listing names costs nothing."""

    _MODULES = ("roofline", "step", "step-integer", "intervals", "compact", "flow", "lp", "milp")

    def __getitem__(self, name: str) -> Method:
        if name not in self._MODULES:
            raise KeyError(name)
        module = importlib.import_module(f"placement_opt.bounds.{name.removesuffix('-integer')}")
        method: Method = partial(module.bound, integer=True) if name == "step-integer" else module.bound
        return method

    def __iter__(self) -> Iterator[str]:
        return iter(self._MODULES)

    def __len__(self) -> int:
        return len(self._MODULES)


#: Methods by name, from the quickest to the most thorough.
METHODS: Mapping[str, Method] = _Methods()


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
    from placement_opt.bounds import auto
    from placement_opt.tomlfile import nearest

    if method == "auto":
        return auto.bound(instance, limits=limits, report=report)
    if method not in METHODS:
        raise InputError(f"found method {method!r}", nearest(method, ["auto", *METHODS]), field="--method")
    return METHODS[method](instance, limits=limits)
