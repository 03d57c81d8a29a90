"""Files that must be refused: beside each ``NAME.toml``, ``NAME.csv``, ... a ``NAME.expected`` with exit code and message.

The first line of an expected file is the exit code, the second the message as the command line prints it after ``error: ``,
with paths seen from the folder. The kind of a file follows from its name: ``.memory.toml`` memory system, ``.explore.toml``
exploration, ``.toml`` instance, ``.npz`` trace, those of :data:`placement_opt.workload.formats.ENDINGS` a text to be imported.
Subfolders hold what others refer to.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from placement_opt.base.errors import InputError, PlacementError
from placement_opt.base.toml import read_text
from placement_opt.workload.formats import ENDINGS, READERS

SUFFIX = ".expected"
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Refusal:
    """How a file is refused; ``code`` 0: it is not."""

    code: int
    message: str

    def text(self) -> str:
        """The content of an expected file."""
        return f"{self.code}\n{self.message}\n"


def _instance(path: Path) -> object:
    from placement_opt.instance.load import load_instance

    return load_instance(path)


def _memory(path: Path) -> object:
    from placement_opt.memory import load_memory

    return load_memory(path)


def _exploration(path: Path) -> object:
    from placement_opt.study.explore.explore import check_spec
    from placement_opt.study.explore.read import read_spec

    spec = read_spec(path)
    check_spec(spec)
    return spec


def _trace(path: Path) -> object:
    from placement_opt.workload.files.npz import load_trace

    return load_trace(path)


def _imported(name: str) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        return READERS[name](path)

    return read


#: Ending -> how a file of that kind is read; the first that fits.
_KINDS: tuple[tuple[str, Callable[[Path], object]], ...] = (
    (".memory.toml", _memory),
    (".explore.toml", _exploration),
    (".toml", _instance),
    *((end, _imported(name)) for end, name in ENDINGS.items()),
    (".npz", _trace),
)


def ending(path: Path) -> str | None:
    """The ending that tells the kind of a hostile file; None for files of no such kind."""
    return next((end for end, _ in _KINDS if path.name.endswith(end)), None)


def expected_path(path: Path) -> Path:
    """``NAME.expected`` beside a hostile file."""
    end = ending(path)
    assert end is not None
    return path.with_name(path.name.removesuffix(end) + SUFFIX)


def refuse(path: Path) -> Refusal:
    """Read a file as its kind and tell how it was refused; a traceback's worth of surprise is a refusal with code 70."""
    read = next(read for end, read in _KINDS if path.name.endswith(end))
    try:
        read(path)
    except PlacementError as error:
        return Refusal(error.exit_code, str(error).replace(f"{path.parent}{os.sep}", ""))
    except Exception as error:
        return Refusal(70, f"{type(error).__name__}: {error}")
    return Refusal(0, "accepted")


def read_expected(path: Path) -> Refusal:
    """An expected file; InputError for anything but a code other than 0 and a message of one line."""
    lines = read_text(path, _LARGEST).split("\n")
    if len(lines) != 3 or lines[2] or not lines[1] or lines[0] not in ("1", "2", "3"):
        raise InputError(
            f"found {lines[0][:20]!r} and {len(lines) - 1} lines", "expected an exit code and a message", path=path
        )
    return Refusal(int(lines[0]), lines[1])
