"""Lower bounds on the time of every schedule, one method a file; :data:`METHODS` loads them by name, on demand."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from placement_opt.base.limits import Limits
    from placement_opt.bounds.result import Bound
    from placement_opt.instance.instance import Instance


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
