"""Record the optimum of every instance of ``tiny/``, found by enumeration: ``python -m instances.optimum``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from placement_opt.base.atomic import write_text_atomic
from placement_opt.instance.load import load_instance
from tests.brute import optimum

TINY = Path(__file__).resolve().parent / "tiny"
#: Name of an instance -> seconds.
RECORD = TINY / "optimum.json"


def enumerate_all() -> dict[str, float]:
    """The optima, by name."""
    return {path.stem: optimum(load_instance(path)).seconds for path in sorted(TINY.glob("*.toml"))}


def main() -> int:
    """Write the record; always 0."""
    write_text_atomic(RECORD, json.dumps(enumerate_all(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
