"""The package offers its parts by name and loads none of them before it is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from placement_opt import workload


def test_parts_are_found_by_name() -> None:
    """Every name that the package lists is there, and a wrong one is an AttributeError."""
    for name in workload.__all__:
        assert getattr(workload, name) is not None
    assert {"mooncake", "reads-csv"} <= set(workload.READERS)
    with pytest.raises(AttributeError, match="has no attribute 'load_traces'"):
        _ = workload.load_traces  # type: ignore[attr-defined]


def test_import_loads_nothing_heavy() -> None:
    """Importing the package and its tables of formats loads neither numpy nor numba."""
    code = (
        "import sys, placement_opt.workload.formats as formats\n"
        "assert {'mooncake', 'reads-csv'} <= set(formats.READERS) == set(formats.ENDINGS.values())\n"
        "print({'numpy', 'numba'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
