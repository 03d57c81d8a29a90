"""No command writes over what it reads, and none works for an output that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cases import write_ahead
from tests.cli.commands import refusal

CSV = b'n,l,read_kv\n2,0,"[0,1]"\n'
COMMANDS = [
    ("--csv", ("compare", "ahead.toml", "--schedulers", "lru", "--csv")),
    ("--per-step", ("simulate", "ahead.toml", "--scheduler", "lru", "--per-step")),
    ("--schedule", ("simulate", "ahead.toml", "--scheduler", "lru", "--schedule")),
    ("--perfetto", ("simulate", "ahead.toml", "--scheduler", "lru", "--perfetto")),
    ("--certificate", ("bound", "ahead.toml", "--method", "lp", "--certificate")),
    ("--schedule", ("bound", "ahead.toml", "--method", "lp", "--schedule")),
    ("--csv", ("sweep", "ahead.toml", "--set", "hbm.capacity=10B", "--csv")),
    ("--csv", ("future", "ahead.toml", "--windows", "1", "--csv")),
    ("-o", ("export", "ahead.toml", "--format", "lp", "-o")),
    ("-o", ("report", "ahead.toml", "--schedulers", "lru", "-o")),
]
IMPORT = ("-o", ("trace", "import", "me.csv", "--format", "reads-csv", "-o"))
SYNTH = ("-o", ("trace", "synth", "drift", "--tokens", "2", "-o"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with an instance, all the files it names, and a file to import."""
    path = write_ahead(tmp_path)
    path.write_text(path.read_text() + '[rules]\ninitial = "file"\ninitial_file = "start.npz"\n')
    (tmp_path / "start.npz").write_bytes(b"read after the outputs were checked")
    (tmp_path / "me.csv").write_bytes(CSV)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["ahead.toml", "ahead.npz", "two.memory.toml", "start.npz"])
@pytest.mark.parametrize(("option", "argv"), COMMANDS, ids=[f"{argv[0]} {option}" for option, argv in COMMANDS])
def test_no_command_writes_over_an_input(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, argv: tuple[str, ...], name: str
) -> None:
    """The instance file, and the trace, memory and initial file it names: exit code 2, nothing touched."""
    before = content(folder)
    assert refusal(capsys, *argv, f"./{name}").startswith(f"error: ./{name}: {option}: found an input of this command")
    assert content(folder) == before


def test_an_import_does_not_write_over_its_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file to import stays as it was."""
    option, argv = IMPORT
    assert f": {option}: found an input of this command" in refusal(capsys, *argv, "me.csv")
    assert (folder / "me.csv").read_bytes() == CSV


def test_a_sweep_over_files_does_not_write_over_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace that only --set names is an input too."""
    (folder / "other.npz").write_bytes(b"precious")
    err = refusal(capsys, "sweep", "ahead.toml", "--set", "trace.file=ahead.npz,other.npz", "--csv", "other.npz")
    assert "--csv: found an input of this command" in err
    assert (folder / "other.npz").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("option", "argv"), [*COMMANDS, IMPORT, SYNTH], ids=[" ".join(argv[:2]) for _, argv in [*COMMANDS, IMPORT, SYNTH]]
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str], option: str, argv: tuple[str, ...]
) -> None:
    """An empty name, and a folder that is not there: exit code 2 and the option, although the initial file is damaged."""
    before = content(folder)
    assert refusal(capsys, *argv, "").startswith(f"error: {option}: found an empty name, expected the name of a file")
    assert f": {option}: found no folder 'none'" in refusal(capsys, *argv, "none/x")
    assert content(folder) == before
