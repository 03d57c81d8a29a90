"""JSON and CSV for programs: one schema number, no NaN, no infinity, floats that read back as they were."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

#: Number of the layout of every JSON document that the command line prints.
SCHEMA = 1


def to_json(document: Mapping[str, Any]) -> str:
    """Indented JSON with ``schema`` first, keys in the order given, and a newline at the end."""
    return json.dumps({"schema": SCHEMA, **_plain(document)}, indent=2, allow_nan=False) + "\n"


def to_csv(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Comma separated lines; None and numbers that are not finite become empty fields."""
    return csv_lines([headers, *rows])


def csv_lines(rows: Iterable[Iterable[object]]) -> str:
    """The same of rows alone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """The value in JSON's own types; numpy scalars and arrays become numbers and lists."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
