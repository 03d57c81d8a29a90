"""Layers that are done, in a folder that survives being killed: the same question asked again goes on from them.

A line for each layer says what came of it, in a file that is only ever written to at its end; the moves of a layer lie beside
it, in a file that is whole or absent. Prices are kept before the layers that are done at them, so that what is found in the end
is what one run would have found that was not interrupted. What a stop or a limit cut short is not kept. What layers prove adds
up at common prices alone, so each says at which it was done: where those are lost or others now, it is done again. A folder is
one run's at a time.

What is kept is believed, as far as its lines are whole; ``verify`` proves the files of the answer from nothing but themselves.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from placement_opt import __version__
from placement_opt.base.arrays import Array
from placement_opt.base.atomic import AnyPath, open_regular, write_bytes_atomic
from placement_opt.base.errors import InputError

_FORM, _LINES = "placement-opt layers 1", "layers.jsonl"
#: Of one layer, or of what layers have in common: plain values.
Record = Mapping[str, Any]


class KeptLayers:
    """What is known, and where more is written.

    Attributes
    ----------
    folder
        Where files lie that records name.
    """

    def __init__(self, folder: Path, file: TextIO, known: dict[str, Record]) -> None:
        self.folder, self._file, self._known = folder, file, known
        self._at = ""  # tells apart what layers are done at: the data that were kept or read last

    def find(self, key: str) -> Record | None:
        """What came of a layer; None where it is not known, was done at other data, or a file of it is not as it was."""
        found = self._found(key)
        return None if found is None or found.get("at") != self._at else found

    def keep(self, key: str, record: Record, file: Path | None = None) -> None:
        """One more line of a layer; ``file``: what lies in the folder and belongs to it."""
        self._write(key, {**record, "at": self._at}, file)

    def keep_data(self, key: str, data: bytes, name: str) -> None:
        """Something that is a file alone, at which layers are done from here on."""
        write_bytes_atomic(self.folder / name, data)
        self._write(key, {}, self.folder / name)
        self._at = _digest(data)

    def data(self, key: str) -> bytes | None:
        """The same, read; None where it is not known, or not as it was."""
        found = self._found(key)
        if found is None:
            return None
        with open_regular(self.folder / found["file"]) as handle:
            data = handle.read()
        self._at = _digest(data)
        return data

    def _found(self, key: str) -> Record | None:
        found = self._known.get(key)
        if found is None or "file" not in found:
            return found
        try:
            whole = (self.folder / found["file"]).stat().st_size == found["bytes"]
        except (OSError, TypeError):
            return None
        return found if whole else None

    def _write(self, key: str, record: Record, file: Path | None) -> None:
        if file is not None:
            record = {**record, "file": file.name, "bytes": file.stat().st_size}
        line = json.dumps({"key": key, "is": record})
        self._file.write(f'{line[:-1]}, "sum": "{_digest(line.encode())}"}}\n')
        self._file.flush()


@contextmanager
def kept_layers(folder: AnyPath | None, digest: str, gap: float) -> Iterator[KeptLayers | None]:
    """What a folder keeps of a question, by its hash, and a gap that is asked for; None without one.

    InputError for a folder of others, one that another run is working on, or where it cannot be made.
    """
    if folder is None:
        yield None
        return
    folder = Path(folder)
    head, lines = {"form": _FORM, "release": __version__, "question": digest, "gap": gap}, folder / _LINES
    try:
        folder.mkdir(exist_ok=True)
        if lines.exists():
            open_regular(lines).close()
        file = lines.open("a", encoding="utf-8", newline="\n")
    except OSError as error:
        why = f"found no folder, and it cannot be made ({error.strerror or error})"
        raise InputError(why, "expected a folder to keep layers in", path=folder) from None
    with file:
        _lock(file, folder)
        yield KeptLayers(folder, file, _begun(file, lines, head))


def _lock(file: TextIO, folder: Path) -> None:
    """Until the file is closed nobody else opens the folder."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError("found another run at work in it", "expected a folder of its own", path=folder) from None
    except OSError:
        pass  # not every file system has locks


def _begun(file: TextIO, lines: Path, head: Record) -> dict[str, Record]:
    """What an earlier run kept; a folder that has nothing yet gets its first line."""
    first = json.dumps(head) + "\n"
    with open_regular(lines) as handle:
        new = first.encode().startswith(handle.read(len(first) + 1))
    if not new:
        known = _read(lines, head)
        file.write("\n")  # a line may have been cut off: what follows it begins on a line of its own
        return known
    file.truncate(0)
    file.write(first)
    file.flush()
    os.fsync(file.fileno())
    return {}


def _read(path: Path, head: Record) -> dict[str, Record]:
    with open_regular(path) as handle:
        lines = handle.read().decode("utf-8", "replace").split("\n")
    first = _parsed(lines[0])
    if first is None or first.get("form") != _FORM:
        raise InputError("found no layers", "expected a folder that bound --keep wrote, or an empty one", path=path, line=1)
    for key, what in (("question", "another question"), ("gap", "another gap"), ("release", "another release")):
        if first.get(key) != head[key]:
            found = f"found layers of {what} ({first.get(key)})"
            raise InputError(found, f"expected {head[key]}, or an empty folder", path=path, line=1)
    parsed = (one for line in lines[1:] if (one := _parsed(line)) is not None)
    return {one["key"]: one["is"] for one in parsed if _whole(one)}


def _whole(line: Mapping[str, Any]) -> bool:
    """Whether a line says what was written."""
    written = {key: value for key, value in line.items() if key != "sum"}
    return list(written) == ["key", "is"] and line.get("sum") == _digest(json.dumps(written).encode())


def _digest(data: bytes) -> str:
    """Tells apart what was not made to deceive."""
    return hashlib.sha256(data).hexdigest()[:16]


def _parsed(line: str) -> dict[str, Any] | None:
    """The object on a line; None where there is none, or it was cut off."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def written(value: Fraction | None) -> str | None:
    """A rational number as a text, however long it is."""
    return None if value is None else f"{value.numerator:x}/{value.denominator:x}"


def fraction_of(text: str | None) -> Fraction | None:
    """The number that was written."""
    if text is None:
        return None
    over, _, under = text.partition("/")
    return Fraction(int(over, 16), int(under, 16))


def arrays_bytes(**arrays: object) -> bytes:
    """Arrays by name as the bytes of a file."""
    memory = io.BytesIO()
    np.savez(memory, **{name: np.asarray(one) for name, one in arrays.items()})  # type: ignore[arg-type]
    return memory.getvalue()


def arrays_of(data: bytes, path: AnyPath) -> dict[str, Array]:
    """The same read; InputError where they are damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            return dict(found)
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"found arrays that cannot be read ({error})", "expected what bound --keep wrote", path=path) from None
