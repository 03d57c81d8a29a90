"""Parts by name, each imported when it is first looked up, so that listing names costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TypeVar

Part = TypeVar("Part")


class Registry(Mapping[str, Part]):
    """Name -> part, in the order given; KeyError for a name that is not there.

    Parameters
    ----------
    package
        Where the parts' modules are.
    places
        Name -> ``"module:attribute"``.
    """

    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        self._package, self._places = package, dict(places)

    def __getitem__(self, name: str) -> Part:
        module, _, attribute = self._places[name].partition(":")
        found: Part = getattr(importlib.import_module(f"{self._package}.{module}"), attribute)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
