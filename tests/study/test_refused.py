"""Files that must be refused, and how that is held."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.study.refused import Refusal, ending, expected_path, read_expected, refuse
from placement_opt.study.regress import regress
from placement_opt.study.regression import Outcome

CSV = 'n,l,read_kv\n1,0,"[0"\n'


def lines(folder: Path, **options: bool) -> tuple[str, ...]:
    """The differences of the one file of a folder, which must be found changed, or what cannot be read of it."""
    found = regress([folder], **options)
    assert not found.ok
    (one,) = (file for file in found.files if file.outcome in (Outcome.CHANGED, Outcome.UNREADABLE))
    return one.lines


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of hostile files with one broken CSV, expected as it is refused."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    path = folder / "unclosed.csv"
    path.write_text(CSV)
    expected_path(path).write_text(refuse(path).text())
    return folder


@pytest.mark.parametrize(
    ("name", "end", "expected"),
    [
        ("a.toml", ".toml", "a.expected"),
        ("a.memory.toml", ".memory.toml", "a.expected"),
        ("a.b.csv", ".csv", "a.b.expected"),
        ("a.jsonl.gz", ".jsonl.gz", "a.expected"),
        ("a.jsonl", ".jsonl", "a.expected"),
        ("a.npz", ".npz", "a.expected"),
    ],
)
def test_the_kind_of_a_hostile_file_is_its_ending(name: str, end: str, expected: str) -> None:
    """The longest ending that fits tells the kind; the expected file has the name without it."""
    assert ending(Path(name)) == end
    assert expected_path(Path("x") / name) == Path("x") / expected
    assert ending(Path("README.md")) is None


def test_every_kind_is_read_by_its_reader(tmp_path: Path) -> None:
    """Each kind of garbage is refused with its own message, its path seen from the folder."""
    for end in (".toml", ".memory.toml", ".npz", ".csv", ".jsonl", ".jsonl.gz"):
        path = tmp_path / f"case{end}"
        path.write_bytes(b"\x00garbage")
        found = refuse(path)
        assert found.code == 2
        assert found.message.startswith(f"case{end}")


def test_a_file_that_is_accepted_is_no_refusal(tmp_path: Path) -> None:
    """A good file among the hostile ones is found out."""
    path = tmp_path / "good.csv"
    path.write_text('n,l,read_kv\n1,0,"[0]"\n')
    assert refuse(path) == Refusal(0, "accepted")


def test_an_unexpected_exception_is_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but the family of errors is shown by its type and never expected."""
    path = tmp_path / "case.npz"
    path.write_bytes(b"x")

    def crash(_: Path) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(importlib.import_module("placement_opt.workload.files.npz"), "load_trace", crash)
    assert refuse(path) == Refusal(70, "ZeroDivisionError: by zero")


def test_hostile_files_are_refused_as_expected(hostile: Path) -> None:
    """Exit code and message are as recorded."""
    assert [one.outcome for one in regress([hostile]).files] == [Outcome.REFUSED]
    assert [one.outcome for one in regress([hostile / "unclosed.csv"]).files] == [Outcome.REFUSED]
    wanted = read_expected(hostile / "unclosed.expected")
    assert wanted.code == 2
    assert wanted.message.startswith("unclosed.csv:2: read_kv: found ")


def test_another_message_is_a_change(hostile: Path) -> None:
    """Old and new message are shown; --update records the new one."""
    (hostile / "unclosed.expected").write_text("2\nunclosed.csv: something else\n")
    assert [line.split(":")[0] for line in lines(hostile)] == ["was exit code 2", "is exit code 2"]
    assert [one.outcome for one in regress([hostile], update=True).files] == [Outcome.UPDATED]
    assert regress([hostile]).ok


def test_an_accepted_file_is_a_change_that_is_never_recorded(hostile: Path) -> None:
    """What should be refused and is not stays a failure, also with --update."""
    (hostile / "unclosed.csv").write_text('n,l,read_kv\n1,0,"[0]"\n')
    assert lines(hostile, update=True)[-1] == "is accepted"
    assert not regress([hostile]).ok


def test_hostile_files_come_in_pairs(hostile: Path) -> None:
    """A file without its expectation and an expectation without its file are changes."""
    (hostile / "new.csv").write_text(CSV)
    (hostile / "old.expected").write_text("2\nmessage\n")
    changed = {Path(one.path).name: one.lines for one in regress([hostile]).files if one.outcome is Outcome.CHANGED}
    assert changed["new.csv"][0].startswith("there is no new.expected; is exit code 2: new.csv:2: read_kv: found ")
    assert changed["old.expected"] == ("there is no file beside it",)
    assert regress([hostile / "new.csv"], update=True).files[0].outcome is Outcome.RECORDED


@pytest.mark.parametrize("text", ["", "2\n", "2\nmessage", "0\naccepted\n", "two\nmessage\n", "2\na\nb\n"])
def test_a_broken_expectation_is_refused(hostile: Path, text: str) -> None:
    """An expected file is an exit code above 0 and one line."""
    (hostile / "unclosed.expected").write_text(text)
    with pytest.raises(InputError, match="expected an exit code and a message"):
        read_expected(hostile / "unclosed.expected")
    assert lines(hostile)[0].startswith("error: ")
