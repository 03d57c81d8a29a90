"""Exported files say the same program to another reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.bounds import lp
from placement_opt.bounds.export import export
from placement_opt.errors import InputError
from tests.small import fetch_ahead


@pytest.mark.parametrize("kind", ["mps", "lp"])
def test_round_trip(tmp_path: Path, kind: str) -> None:
    """Read back and solved, the file's objective times its time unit is the LP value."""
    import highspy

    path = tmp_path / f"m.{kind}"
    written = export(fetch_ahead(), kind, path)  # type: ignore[arg-type]
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)  # as everywhere here: HiGHS 1.16 runs with one number of threads a process
    solver.readModel(str(path))
    solver.run()
    value = solver.getInfo().objective_function_value * written.time_unit_s
    assert value == pytest.approx(lp.bound(fetch_ahead()).lower_bound_s, rel=1e-7)
    assert "capacity(hbm,0)" in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_bad_requests(tmp_path: Path) -> None:
    """An unknown format and a missing folder are refused before anything is written."""
    with pytest.raises(InputError, match="expected mps or lp"):
        export(fetch_ahead(), "gms", tmp_path / "m.gms")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="existing folder"):
        export(fetch_ahead(), "mps", tmp_path / "no" / "m.mps")
    assert not list(tmp_path.iterdir())
