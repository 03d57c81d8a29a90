"""Names without the folders of the machine that a page is made on."""

from __future__ import annotations

import re

_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s:,/'\"]+/)+")


def without_folders(text: str) -> str:
    """A text without absolute folders: of ``/home/me/a.toml`` the name is left; relative names are as they were given."""
    return _FOLDERS.sub("", text)
