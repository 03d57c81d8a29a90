"""Exported files say the same program to another reader."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.bounds import lp
from placement_opt.bounds.programs import export as EXPORT
from placement_opt.bounds.programs.export import export
from tests.cli.cases import write_ahead
from tests.small import fetch_ahead
from tests.worlds import any_operations

REPO = Path(__file__).parents[2]


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
    with pytest.raises(InputError, match=r"m\.mps: found no folder .*, expected an existing folder to write to"):
        export(fetch_ahead(), "mps", tmp_path / "no" / "m.mps")
    assert not list(tmp_path.iterdir())


#: ``export`` on a disk that takes so many bytes of a file and no more; no signal, as where there is no room.
FULL = """
import resource, signal, sys
from placement_opt.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("kind", ["mps", "lp"])
@pytest.mark.parametrize("room", [0, 4096])
def test_a_full_disk_is_an_error_and_keeps_the_old_file(tmp_path: Path, kind: str, room: int) -> None:
    """The solver's writer says nothing of it: exit code 2, the file named, nothing else left."""
    instance, place = write_ahead(tmp_path), tmp_path / "old"
    place.write_bytes(b"old")
    before = sorted(os.listdir(tmp_path))
    argv = [sys.executable, "-B", "-c", FULL, str(room), "export", str(instance), "--format", kind, "-o", str(place)]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, check=False)
    expected = "found a file that cannot be written whole (no room?), expected a place to write to"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {place}: {expected}\n")
    assert place.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == before


def test_rights_and_links_are_those_of_every_other_output(tmp_path: Path) -> None:
    """A new file has the rights that the umask leaves, an old one keeps its own, and a link is written through."""
    ordinary, new, link = tmp_path / "ordinary", tmp_path / "new", tmp_path / "link"
    ordinary.touch()
    export(fetch_ahead(), "lp", new)
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
    ordinary.chmod(0o640)
    link.symlink_to(ordinary)
    export(fetch_ahead(), "lp", link)
    assert link.is_symlink()
    assert ordinary.read_bytes() == new.read_bytes()
    assert stat.S_IMODE(ordinary.stat().st_mode) == 0o640


def test_what_was_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that says another program, a hole in the middle included, is not put into place."""
    true = EXPORT._write

    def damaged(solver: object, draft: Path) -> None:
        true(solver, draft)
        text = draft.read_text().splitlines(keepends=True)
        draft.write_text("".join(text[:40] + text[41:]))

    monkeypatch.setattr(EXPORT, "_write", damaged)
    with pytest.raises(InputError, match="cannot be written whole"):
        export(fetch_ahead(), "mps", tmp_path / "m")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_every_operation_has_its_names(first: int) -> None:
    """With any table of operations: a name for each column and row, no two alike."""
    for seed in range(first, first + 20):
        program = lp.build(any_operations(seed))
        assert program.names is not None
        columns, rows = program.names()
        assert len(set(columns)) == len(columns) == program.num_columns, seed
        assert len(set(rows)) == len(rows) == program.num_rows, seed
