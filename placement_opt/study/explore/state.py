"""What an exploration knows, in a file that survives being killed: one line for each thing found, begun with what it is of.

A line that was cut off is nothing that was found; the next one begins anew. Lines are handed to the system one by one, so that
whatever ends the process loses at most the one at hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from placement_opt.base.atomic import check_output, open_regular
from placement_opt.base.errors import InputError
from placement_opt.base.json import parse_json
from placement_opt.study.explore.work import Record, Task, of_plain, plain

_FORM = "placement-opt exploration 1"


@contextmanager
def kept_in(path: str | Path | None, digest: str) -> Iterator[tuple[dict[Task, Record], Kept | None]]:
    """What a file knows of the exploration of this digest, and where to write more; nothing at all where there is no file.

    InputError for a file that is none of this exploration.
    """
    if path is None:
        yield {}, None
        return
    path = Path(path)
    known: dict[Task, Record] = {}
    if path.exists() and path.stat().st_size:
        known = _read(path, digest)
        whole = True
    else:
        check_output(path)
        whole = False
    with path.open("a", encoding="utf-8", newline="\n") as file:
        kept = Kept(file)
        # a line may have been cut off: what follows it begins on a line of its own
        kept.write({"form": _FORM, "of": digest} if not whole else {})
        yield known, kept


class Kept:
    """Writes what is found."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def keep(self, task: Task, record: Record) -> None:
        """One more line."""
        self.write({"task": [task.design, task.workload, task.goal, task.action], **plain(record)})

    def write(self, line: dict[str, object]) -> None:
        text = json.dumps(line, allow_nan=False) if line else ""
        self._file.write(text + "\n")
        self._file.flush()


def _read(path: Path, digest: str) -> dict[Task, Record]:
    with open_regular(path) as file:
        lines = file.read().decode("utf-8", "replace").split("\n")
    try:
        head = parse_json(lines[0])
        of = head["of"] if head["form"] == _FORM else None
    except (InputError, KeyError, TypeError, ValueError):
        raise InputError("found no exploration's state", "expected a file that --resume wrote", path=path, line=1) from None
    if of != digest:
        expected = "expected that of this file, its instance and traces as they are now; another file begins anew"
        raise InputError("found the state of another exploration", expected, path=path, line=1)
    found = {}
    for line in lines[1:]:
        try:
            one = parse_json(line)
            design, workload, goal, action = one["task"]
            found[Task(int(design), int(workload), str(goal), str(action))] = of_plain(one)
        except (InputError, KeyError, TypeError, ValueError, IndexError):
            continue  # cut off
    return found
