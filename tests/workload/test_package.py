"""The tables of formats load none of their parts before they are asked."""

from __future__ import annotations

import subprocess
import sys


def test_import_loads_nothing_heavy() -> None:
    """Importing the package and its tables of formats loads neither numpy nor numba."""
    code = (
        "import sys, placement_opt.workload.formats as formats\n"
        "assert {'mooncake', 'reads-csv'} <= set(formats.READERS) == set(formats.ENDINGS.values())\n"
        "print({'numpy', 'numba'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
