"""Changed files for importers, until the time is up: ``python -m tests.fuzz [FORMAT ...] --seconds 60 --seed 1``.

Each format's fixture is changed at random, by bytes, tokens and lines, and read; also packed. What is neither a trace nor an
error of ours is printed with its seed and number, and the file stays in ``--keep``.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

from placement_opt.workload.formats import READERS
from tests.workload.fixtures import FIXTURES
from tests.workload.mutants import mutant, outcome

#: Formats whose files may be packed.
PACKED = set(FIXTURES) - {"oracle-general", "npz-csr", "npy"}


def case(name: str, seed: int, number: int) -> bytes:
    """The file of this number: the same whenever it is asked for."""
    rng = np.random.default_rng([seed, number, *name.encode()])
    data = mutant(FIXTURES[name][1], rng)
    if number % 16 == 15 and name in PACKED:
        packed = gzip.compress(data, mtime=0)
        data = mutant(packed, rng) if number % 32 == 31 else packed
    return data


def fuzz(name: str, folder: Path, seed: int, *, seconds: float | None = None, count: int | None = None) -> tuple[int, int, int]:
    """So many files, or as many as the time is enough for; how many there were, how many gave a trace, and how many failed."""
    path, read = folder / f"fuzzed{FIXTURES[name][0]}", READERS[name]
    ends = None if seconds is None else time.monotonic() + seconds
    number = good = failed = 0
    while (count is None or number < count) and (ends is None or time.monotonic() < ends):
        try:
            good += outcome(read, path, case(name, seed, number)) is not None
        except Exception:
            failed += 1
            print(f"{name}, seed {seed}, number {number}: {folder / f'{name}-{seed}-{number}'}\n{traceback.format_exc()}")
            (folder / f"{name}-{seed}-{number}").write_bytes(path.read_bytes())
        number += 1
    return number, good, failed


def main() -> int:
    """Fuzz the formats that are named, or all; 1 where anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("formats", metavar="FORMAT", nargs="*", choices=[[], *FIXTURES], help="all without any")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each format (60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for files that fail")
    args = parser.parse_args()
    folder = args.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(exist_ok=True)
    failures = 0
    for name in args.formats or FIXTURES:
        number, good, failed = fuzz(name, folder, args.seed, seconds=args.seconds)
        print(f"{name}: {number} files, {good} traces, {number - good - failed} refused, {failed} failed", flush=True)
        failures += failed
    return int(failures > 0)


if __name__ == "__main__":
    raise SystemExit(main())
