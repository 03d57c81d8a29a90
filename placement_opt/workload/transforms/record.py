"""What the metadata of a trace say of the transforms that made it, for people."""

from __future__ import annotations

from typing import Any


def record_rows(records: Any) -> list[tuple[str, str]]:
    """(name, words) rows: each transform in order, its parameters, and what it told; whatever a file's metadata hold."""
    rows: list[tuple[str, str]] = []
    for record in records if isinstance(records, list) else []:
        if not isinstance(record, dict):
            continue
        given, told, joined = (record.get(key) for key in ("parameters", "told", "of"))
        words = (
            ", ".join(f"{key} {value}" for key, value in given.items() if value is not None) if isinstance(given, dict) else ""
        )
        count = f" of {len(joined)} traces" if isinstance(joined, list) else ""
        rows.append(("transform", f"{record.get('name')}{count}" + (f": {words}" if words else "")))
        rows += [("", str(line)) for line in told] if isinstance(told, list) else []
    return rows
