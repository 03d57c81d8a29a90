"""Parts by name: imported when they are looked up and not before, for all that is found by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from placement_opt.base.registry import Registry
from placement_opt.bounds import METHODS
from placement_opt.schedulers import REGISTRY
from placement_opt.workload.formats import READERS
from placement_opt.workload.synth import GENERATORS

SHAPES: Mapping[str, object] = Registry("collections", {"counted": "abc:Sized", "none": "nowhere:Nothing"})


def test_a_registry_is_a_mapping() -> None:
    """Names in their order, parts behind them, KeyError for what is not there."""
    from collections.abc import Sized

    assert (list(SHAPES), len(SHAPES), SHAPES["counted"]) == (["counted", "none"], 2, Sized)
    with pytest.raises(KeyError, match="'round'"):
        SHAPES["round"]
    assert SHAPES.get("round") is None


def test_asking_for_a_name_imports_nothing() -> None:
    """Whether it is there is known without its module."""
    assert "none" in SHAPES
    assert "round" not in SHAPES
    with pytest.raises(ModuleNotFoundError):
        SHAPES["none"]


@pytest.mark.parametrize("registry", [METHODS, REGISTRY, READERS, GENERATORS])
def test_every_part_is_where_its_place_says(registry: Mapping[str, object]) -> None:
    """All four of the package's."""
    assert isinstance(registry, Registry)
    assert all(part is not None for part in registry.values())


def test_listing_names_loads_no_module() -> None:
    """Not even that of the first part."""
    code = (
        "import sys\n"
        "from placement_opt import bounds, schedulers\n"
        "from placement_opt.workload import formats, synth\n"
        "names = [*bounds.METHODS, *schedulers.REGISTRY, *formats.READERS, *synth.GENERATORS]\n"
        "parts = ('bounds.roofline', 'schedulers.static', 'workload.formats.reads_csv', 'workload.synth.drift')\n"
        "print(len(names) > 20, [part for part in parts if f'placement_opt.{part}' in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "True []\n"
