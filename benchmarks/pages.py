"""Pages and tables that are made from results: written, or only held against what there is."""

from __future__ import annotations

from pathlib import Path

from placement_opt.base.atomic import write_text_atomic


def put(page: Path, text: str, *, check: bool) -> int:
    """Write a page; with ``check`` only compare. Exit code 1 where it is out of date, else 0."""
    if not check:
        write_text_atomic(page, text)
        return 0
    current = page.read_text(encoding="utf-8") if page.exists() else ""
    return 0 if current == text else 1
