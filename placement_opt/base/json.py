"""Strict JSON: what the standard library lets through and a reader of ours must not believe is refused.

Refused on the way in: NaN and infinities (also those that arise from ``1e999``), duplicate keys, whole numbers of thousands
of digits, endless nesting, text that is no Unicode. Refused on the way out: everything that would not come back equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from placement_opt.base.errors import InputError

_DEEPEST = 64
_LONGEST_INTEGER = 1024  # bits


def parse_json(text: str) -> Any:
    """The value of a JSON text; InputError (without a file, see :meth:`InputError.at`) for everything else."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}" if "\n" in text else f"column {error.colno}"
        raise InputError(f"found no valid JSON ({error.msg} at {where})", "expected JSON") from None
    except RecursionError:
        raise InputError("found values nested too deeply", f"expected at most {_DEEPEST} levels") from None
    except ValueError:  # int() of more than 4300 digits
        raise InputError("found a number of thousands of digits", "expected numbers of a sensible size") from None
    if "\\u" in text or text.count("[") + text.count("{") > _DEEPEST:
        plain(value)
    return value


def plain(value: Any, field: str = "", *, depth: int = 0) -> Any:
    """The same value in lists, string-keyed dicts and JSON scalars; InputError names the part that JSON cannot hold."""
    if depth > _DEEPEST:
        raise InputError("found values nested too deeply", f"expected at most {_DEEPEST} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not _is_unicode(key):
                raise InputError(f"found the key {key!r:.60}", "expected Unicode texts as keys", field=field)
        return {key: plain(item, f"{field}.{key}".lstrip("."), depth=depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{field}[{number}]", depth=depth + 1) for number, item in enumerate(value)]
    if isinstance(value, str) and not _is_unicode(value):
        raise InputError("found half of a surrogate pair", "expected Unicode text", field=field)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"found {value!r}", "expected a finite number", field=field)
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        raise InputError("found a number of hundreds of digits", "expected numbers of a sensible size", field=field)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(f"found a value of type {type(value).__name__}", "expected what JSON can hold", field=field)


def dump_json(value: Any, field: str = "") -> str:
    """One line of JSON with sorted keys, the same text for the same value; ASCII. InputError for what JSON cannot hold."""
    return json.dumps(plain(value, field), sort_keys=True, allow_nan=False, separators=(",", ":"))


def _refuse_constant(name: str) -> NoReturn:
    raise InputError(f"found {name}", "expected a finite number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InputError(f"found {text[:40]}", "expected a finite number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise InputError(f"found the key {key!r:.60} twice", "expected each key once")
        table[key] = value
    return table


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
