"""The text that the model learns: the sources of Python's own library, the same files in the same order everywhere."""

from __future__ import annotations

import sysconfig
from pathlib import Path

#: Folders of the library that are left out: other people's packages, tests, tables and made-up files.
_APART = {"site-packages", "test", "tests", "__pycache__", "lib2to3", "ensurepip", "pydoc_data", "encodings", "idlelib"}
#: What the model never sees: its loss is taken on all of them, the trace is of the first.
HELD_OUT = ("queue.py", "textwrap.py", "sched.py", "shelve.py", "fractions.py")


def library() -> Path:
    """The folder of Python's library on this machine."""
    return Path(sysconfig.get_paths()["stdlib"])


def learnt_files(root: Path) -> list[Path]:
    """Sources below ``root`` that the model learns, in order of their names."""
    found = []
    for path in root.rglob("*.py"):
        inside = path.relative_to(root)
        if not _APART.intersection(inside.parts) and inside.as_posix() not in HELD_OUT:
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def read(path: Path) -> str:
    """A source as text; bytes that are no UTF-8 are replaced."""
    return path.read_text(encoding="utf-8", errors="replace")
