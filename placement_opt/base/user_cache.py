"""The user's folder for what can be made again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def user_cache() -> Path | None:
    """The user's folder for what can be made again; None without a home. A relative one would be the current directory's."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return base / "placement-opt" if base.is_absolute() else None


def usable(path: Path, *, private: bool = False) -> bool:
    """Whether files can be made there; where it is to be ``private``, whether nobody else can."""
    try:
        path.mkdir(mode=0o700 if private else 0o777, parents=True, exist_ok=True)
        for one in (path.parent, path) if private else ():
            found = one.stat()
            if found.st_uid != os.geteuid() or found.st_mode & 0o022:
                return False
        tempfile.TemporaryFile(dir=path).close()
    except OSError:
        return False
    return True
