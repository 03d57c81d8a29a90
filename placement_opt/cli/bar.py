"""A line of progress as rich draws it, where that is installed (the extra "rich"); imported when the first line is drawn."""

from __future__ import annotations

import io
import os
import re
from functools import cache
from typing import Any

_COUNTED = re.compile(r"\[(\d+)/(\d+)\] *(.*)", re.DOTALL)
_BAR_WIDTH = 24
#: Goes to the begin of the terminal's line and wipes it.
WIPE = "\r\x1b[2K"


def drawn(text: str, width: int) -> str | None:
    """The line, with a bar for ``[3/12] ...``; None without rich, or on a terminal that knows no colours."""
    parts = None if os.environ.get("TERM") in ("dumb", "unknown") else _parts()
    if parts is None:
        return None
    counted, out = _COUNTED.fullmatch(text), io.StringIO()
    console = parts["Console"](file=out, force_terminal=True, width=width, legacy_windows=False)
    if counted:
        done, count = int(counted[1]), int(counted[2])
        console.print(parts["ProgressBar"](total=count, completed=done, width=min(_BAR_WIDTH, width)), end="")
        text = f" {done}/{count} {counted[3]}"
    said = parts["Text"](text)
    said.truncate(max(1, width - (_BAR_WIDTH if counted else 0)), overflow="ellipsis")
    console.print(said, end="", soft_wrap=True)
    return out.getvalue().replace("\n", "")


@cache
def _parts() -> dict[str, Any] | None:
    try:
        from rich.console import Console
        from rich.progress_bar import ProgressBar
        from rich.text import Text
    except ImportError:
        return None
    return {"Console": Console, "ProgressBar": ProgressBar, "Text": Text}
