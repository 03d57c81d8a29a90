"""Make the instance files of this folder: ``python -m instances.make [--into FOLDER]``; seeded, the same every time.

Written by hand are the memory files of ``tiny/``, the READMEs, and the text files of ``hostile/``; the optima of ``tiny/`` by
:mod:`instances.optimum`, best known values by ``placement-opt regress instances/ --update``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from instances.make_broken import make_broken
from instances.make_scaled import REQUESTS, TIERS3, make_seed, make_written
from instances.make_tiny import make_tiny

HERE = Path(__file__).resolve().parent


def make_all(root: Path) -> None:
    """Every generated file, below ``root``, whose folders are made as needed."""
    for name in ("tiny", "seed/full", "tiers3", "requests", "hostile"):
        (root / name).mkdir(parents=True, exist_ok=True)
    make_tiny(root / "tiny")
    make_seed(root / "seed")
    make_written(root / "tiers3", TIERS3)
    make_written(root / "requests", REQUESTS)
    make_broken(root / "hostile")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files; always 0."""
    parser = argparse.ArgumentParser(prog="python -m instances.make", description="Make the instance files.")
    parser.add_argument("--into", type=Path, default=HERE, metavar="FOLDER", help="where to (default: this folder)")
    make_all(parser.parse_args(arguments).into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
