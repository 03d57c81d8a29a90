"""A transform and its parameters, as people write them: ``"page:tokens=16"``, or a table with a key ``name``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import nearest
from placement_opt.workload.transforms.made import Transform
from placement_opt.workload.transforms.names import TRANSFORMS

_EXAMPLE = 'expected a transform such as "page:tokens=16"'
_WHOLE, _NUMBER = re.compile(r"[0-9]{1,19}"), re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,2})?")


@dataclass(frozen=True)
class Step:
    """A transform by name, and its checked parameters."""

    name: str
    params: Any

    @property
    def kind(self) -> Transform:
        return TRANSFORMS[self.name]

    def record(self) -> dict[str, Any]:
        """JSON-able."""
        return {"name": self.name, "parameters": dataclasses.asdict(self.params)}

    @classmethod
    def of(cls, given: object) -> Step:
        """From a text or a table.

        Raises
        ------
        InputError
            No such transform or parameter, or a value out of range; ``field`` is ``NAME.PARAMETER``.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            values = dict(given)
            name = values.pop("name", None)
        elif isinstance(given, str):
            name, _, rest = given.partition(":")
            name, values = name.strip(), _values(name.strip(), rest)
        else:
            raise InputError(f"found {shown(given)}", _EXAMPLE, field="transforms")
        if not isinstance(name, str) or name not in TRANSFORMS:
            word = name if isinstance(name, str) else ""
            raise InputError(f"found transform {shown(name)}", nearest(word, TRANSFORMS), field="transforms")
        fields = {field.name: field for field in dataclasses.fields(TRANSFORMS[name].params)}
        for key in values:
            if key not in fields:
                raise InputError(f"found parameter {shown(key)}", nearest(str(key), fields), field=name)
        worded = isinstance(given, str)
        values = {key: _typed(fields[key], value) if worded else value for key, value in values.items()}
        try:
            return cls(name, TRANSFORMS[name].params(**values))
        except InputError as error:
            raise InputError(error.found, error.expected, field=f"{name}.{error.field}" if error.field else name) from None


def _values(name: str, rest: str) -> dict[str, str]:
    """``"tokens=16,seed=1"`` by key."""
    values: dict[str, str] = {}
    for part in rest.split(",") if rest.strip() else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(
                f"found {shown(part)}", "expected parameters such as tokens=16, with commas between them", field=name
            )
        if key.strip() in values:
            raise InputError(f"found parameter {shown(key.strip())} twice", "expected it once", field=name)
        values[key.strip()] = value.strip()
    return values


def _typed(field: Any, text: str) -> Any:
    """A word as the parameter's type; what is no such number is left for the parameter to refuse."""
    kind = field.metadata["type"]
    if kind is int and _WHOLE.fullmatch(text):
        return int(text)
    if kind is float and _NUMBER.fullmatch(text):
        return float(text)
    return text
