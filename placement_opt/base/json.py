"""Strict JSON: what parsers let through and a reader of ours must not believe is refused.

Refused on the way in: NaN and infinities (also those that arise from ``1e999``), duplicate keys, whole numbers of thousands
of digits, endless nesting, text that is no Unicode, values that would fill the memory. Refused on the way out: everything that
would not come back equal.

A text is parsed by orjson. Its value stands where counting shows that nothing was lost: as many quotation marks as the keys and
texts of the value have, no float that may have been a whole number. In any doubt the standard library's decoder, which can be
told to refuse all of the above, has the word; it says what is wrong as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NoReturn

from placement_opt.base.errors import InputError

_DEEPEST = 64
_LONGEST_INTEGER = 1024  # bits
#: Texts beyond this are weighed before they are parsed; bytes that their values may take.
_LIGHT, _HEAVIEST = 2**20, 100_000_000
#: Bytes that a value takes by what it begins with or is separated by; more than what they take in CPython 3.11 to 3.14.
_WEIGHTS = ((b"{", 96), (b"[", 80), (b'"', 32), (b",", 40))


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; InputError (without a file, see :meth:`InputError.at`) for everything else.

    Bytes that are not UTF-8 are a UnicodeDecodeError, as where they are decoded.
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    _weigh(data)
    value = _fast(data)
    if value is not _DOUBT and _settled(data, [value]):
        return value
    return _parse_strictly(text)


def parse_objects(lines: Sequence[bytes]) -> list[dict[str, Any]] | None:
    """The objects that JSON texts hold; None where any has to be looked at by itself (:func:`parse_json`).

    Where they come, whole numbers beyond 64 bits are floats.
    """
    if max(map(len, lines)) > _LIGHT:
        return None
    values = list(map(_fast, lines))
    if set(map(type, values)) != {dict}:
        return None
    text = b"\n".join(lines)
    flat = text.count(b"{") == len(lines) and max(map(bytes.count, lines, repeat(b"["))) < _DEEPEST
    texts = list(map(type, chain.from_iterable(map(dict.values, values)))).count(str)
    simple = flat and _quotes(text) == 2 * (sum(map(len, values)) + texts)
    return values if simple or _settled(text, values) else None


def _fast(text: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(text)
    except ValueError:
        return _DOUBT


_DOUBT = object()


def _quotes(text: bytes) -> int:
    """Quotation marks that begin or end a text."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return text.count(b'"')


def _settled(text: bytes, values: list[Any]) -> bool:
    """Whether values are all that their texts say: no key twice, no whole number made a float, no more than 64 levels."""
    marks = 0
    for _ in range(_DEEPEST + 1):
        if not values:
            return marks == _quotes(text)
        kinds = set(map(type, values))
        if float in kinds and any(abs(value) >= 2**63 for value in values if type(value) is float):
            return False
        marks += 2 * list(map(type, values)).count(str) if str in kinds else 0
        tables = [value for value in values if type(value) is dict] if dict in kinds else []
        lists = [value for value in values if type(value) is list] if list in kinds else []
        marks += 2 * sum(map(len, tables))
        values = list(chain.from_iterable([*map(dict.values, tables), *lists]))
    return False


def _weigh(text: bytes) -> None:
    """Refuse a text whose value would take much memory, before it does."""
    if len(text) > _LIGHT:
        weight = len(text) + sum(text.count(mark) * each for mark, each in _WEIGHTS)
        if weight > _HEAVIEST:
            found = f"found a JSON text of {len(text)} bytes whose values take about {weight} bytes of memory"
            raise InputError(found, f"expected at most {_HEAVIEST}")


def _parse_strictly(text: str | bytes) -> Any:
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}" if "\n" in text else f"column {error.colno}"
        raise InputError(f"found no valid JSON ({error.msg} at {where})", "expected JSON") from None
    except RecursionError:
        raise InputError("found values nested too deeply", f"expected at most {_DEEPEST} levels") from None
    except ValueError:  # int() of more than 4300 digits
        raise InputError("found a number of thousands of digits", "expected numbers of a sensible size") from None
    if "\\u" in text or not text.isascii() or text.count("[") + text.count("{") > _DEEPEST:
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
