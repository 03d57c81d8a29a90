"""Recorded values are found again, or the difference is shown."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.auto import affordable
from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from placement_opt.study.record import best_path, measure, read_record, to_text
from placement_opt.study.regress import regress
from placement_opt.study.regression import Outcome
from tests.cli.cases import write_ahead, write_drift

METHODS = ("roofline", "step", "lp")
SCHEDULERS = ("static", "lru")


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is listed, schedulers that do not search are played alone: what is recorded is not the question here."""
    monkeypatch.setattr("placement_opt.study.regress.RECORDED", ("static", "reactive", "page", "sa", "lru", "belady"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one instance and its best file, few methods and schedulers in it, made once."""
    made = tmp_path_factory.mktemp("recorded")
    path = write_ahead(made)
    record, troubles, _ = measure(load_instance(path), METHODS, SCHEDULERS, Limits())
    assert troubles == []
    best_path(path).write_text(to_text(record))
    assert regress([made], update=True).ok  # encloses certificates
    return made


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return tmp_path


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "ahead.best.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def lines(folder: Path, **options: bool) -> tuple[str, ...]:
    """The differences of the one instance of a folder, which must be found changed."""
    found = regress([folder], **options)
    assert found.exit_code == 1
    (one,) = (file for file in found.files if file.outcome is Outcome.CHANGED)
    return one.lines


def trouble(folder: Path, **options: bool) -> str:
    """What is wrong with the one file of a folder that cannot be read."""
    found = regress([folder], **options)
    assert (found.ok, found.exit_code) == (False, 2)
    ((line,),) = (file.lines for file in found.files if file.outcome is Outcome.UNREADABLE)
    return line


def killed(task: object, limits: Limits) -> object:
    """Stands for the work on a file: the process of the second one is killed."""
    if "second" in str(task):
        os.kill(os.getpid(), signal.SIGKILL)
    return importlib.import_module("placement_opt.study.regress")._check(task, limits)


# ---- regress -----------------------------------------------------------------------------------------------------------


def test_what_is_recorded_is_found_again(folder: Path) -> None:
    """Nothing changed: every value is the same, and the file is not touched."""
    before = (folder / "ahead.best.json").read_bytes()
    found = regress([folder])
    assert found.ok
    assert [(one.outcome, one.bounds, one.schedules) for one in found.files] == [(Outcome.SAME, 3, 2)]
    assert (folder / "ahead.best.json").read_bytes() == before


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda d: d["bounds"].update(lp=0.05), "bound lp fell: 0.05 s -> 0.0496"),
        (lambda d: d["bounds"].update(lp=0.049), "bound lp rose: 0.049 s -> 0.0496"),
        (lambda d: d["schedules"].update(static=0.07), "scheduler static is faster: 0.07 s -> 0.0667"),
        (lambda d: d["schedules"].update(static=0.06), "scheduler static is slower: 0.06 s -> 0.0667"),
        (lambda d: d["schedules"].update(static=None), "scheduler static was none, is 0.0667"),
        (lambda d: d.update(hash="ab" * 32), "hash was abababababababab, is "),
        (lambda d: d["best"].update(method="step"), "best.method is stated as 'step', the recorded values give 'lp'"),
        (lambda d: d.update(instance="other"), "name was 'other', is 'fetch-ahead'"),
    ],
)
def test_any_change_fails_and_is_shown(folder: Path, edit: Callable[[dict[str, Any]], object], line: str) -> None:
    """In either direction; without --update nothing is rewritten."""
    change(folder, edit)
    before = (folder / "ahead.best.json").read_bytes()
    assert lines(folder)[0].startswith(line)
    assert (folder / "ahead.best.json").read_bytes() == before


def test_update_rewrites_after_showing(folder: Path) -> None:
    """--update shows the difference and records the new values; the next run finds them."""
    change(folder, lambda document: document["bounds"].update(lp=0.05))
    found = regress([folder], update=True)
    assert found.ok
    assert [(one.outcome, len(one.lines)) for one in found.files] == [(Outcome.UPDATED, 1)]
    assert regress([folder]).files[0].outcome is Outcome.SAME


def test_other_versions_are_mentioned_where_values_differ(folder: Path) -> None:
    """A change of the solver is the first thing to suspect."""
    change(folder, lambda document: document["versions"].update(highspy="1.0.0"))
    assert regress([folder]).ok
    change(folder, lambda document: document["bounds"].update(lp=0.05))
    assert lines(folder)[1].startswith("recorded with highspy 1.0.0, numpy ")


def test_a_missing_best_file_is_a_change_and_update_records_it(folder: Path) -> None:
    """An instance without a best file is not silently fine; --update takes the methods that its size allows."""
    (folder / "ahead.best.json").unlink()
    assert lines(folder) == ("there is no ahead.best.json",)
    assert regress([folder], update=True).files[0].outcome is Outcome.RECORDED
    record = read_record(folder / "ahead.best.json")
    assert record.methods == affordable(load_instance(folder / "ahead.toml"), 30.0)
    assert {"static", "reactive", "page", "sa", "lru", "belady"} <= set(record.schedulers)


def test_fresh_takes_all_methods_and_schedulers_anew(folder: Path) -> None:
    """A best file may list few; --fresh asks for all that suit the instance."""
    added = lines(folder, fresh=True)
    assert any(line.startswith("bound milp is 0.0499256") and line.endswith("was not recorded") for line in added)
    assert any(line.startswith("scheduler belady is ") for line in added)


def test_an_extra_best_file_is_a_change(folder: Path) -> None:
    """A best file whose instance is gone is named."""
    (folder / "gone.best.json").write_text("{}")
    assert lines(folder) == ("there is no instance beside it",)


def test_a_bound_above_a_schedule_is_never_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--update does not write what cannot be true."""
    module = importlib.import_module("placement_opt.study.record")
    true = module.METHODS["lp"]

    def inflated(*args: object, **rest: object) -> object:
        return replace(true(*args, **rest), lower_bound_s=1.0)

    monkeypatch.setattr(module, "METHODS", {**dict(module.METHODS), "lp": inflated})
    before = (folder / "ahead.best.json").read_bytes()
    assert lines(folder, update=True)[0].startswith("bound lp 1.0 s lies above the schedule of static 0.0667")
    assert (folder / "ahead.best.json").read_bytes() == before


def test_an_instance_that_does_not_load_is_bad_input(folder: Path) -> None:
    """The error of the file is told: nothing was compared, so nothing has changed."""
    (folder / "ahead.toml").write_text("[memory")
    assert trouble(folder).startswith(f"error: {folder / 'ahead.toml'}:1: found no valid TOML")


@pytest.mark.parametrize("name", ["two.memory.toml", "ahead.npz"])
def test_a_missing_file_of_an_instance_is_bad_input(folder: Path, name: str) -> None:
    """It is named, with the key that names it."""
    (folder / name).unlink()
    found = trouble(folder)
    assert found.startswith(f"error: {folder / 'ahead.toml'}:")
    assert f".file: found no such file, '{folder / name}', expected an existing file" in found


def test_a_broken_best_file_is_bad_input(folder: Path) -> None:
    """Garbage beside an instance is shown as the error it is, and not overwritten."""
    (folder / "ahead.best.json").write_text("garbage")
    assert trouble(folder, update=True).startswith(f"error: {folder / 'ahead.best.json'}: found no valid JSON")
    assert (folder / "ahead.best.json").read_text() == "garbage"


def test_what_differs_goes_before_what_cannot_be_read(folder: Path) -> None:
    """A check that said no is exit code 1, whatever else there is."""
    (folder / "other.toml").write_text("[memory")
    change(folder, lambda document: document["bounds"].update(lp=0.05))
    assert lines(folder)[0].startswith("bound lp fell")


def test_a_killed_process_loses_its_file_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are as recorded, the lost one is named with what became of it; exit code 3."""
    for end in (".toml", ".best.json"):
        (folder / f"second{end}").write_bytes((folder / f"ahead{end}").read_bytes())
    monkeypatch.setattr(importlib.import_module("placement_opt.study.regress"), "_check", killed)
    found = regress([folder], jobs=2)
    assert [(Path(one.path).name, one.outcome) for one in found.files] == [
        ("ahead.toml", Outcome.SAME),
        ("second.toml", Outcome.LOST),
    ]
    assert found.exit_code == 3
    assert found.files[1].lines[0].startswith("error: its worker process was killed (SIGKILL); most likely memory ran out")
    monkeypatch.setattr(importlib.import_module("placement_opt.study.regress"), "regress", lambda *_, **__: found)
    assert main(["regress", str(folder)]) == 3
    assert capsys.readouterr().out.endswith("\n2 files: 1 as recorded, 1 lost\n")


def test_large_instances_are_skipped_and_named(folder: Path) -> None:
    """A LARGE file lists what is not recomputed; a name in it that is no instance is a change."""
    (folder / "LARGE").write_text("# too large\nahead.toml  # takes hours\n")
    assert [one.outcome for one in regress([folder]).files] == [Outcome.SKIPPED]
    (folder / "LARGE").write_text("none.toml\n")
    assert lines(folder) == ("names 'none.toml', which is no instance here",)


def test_other_toml_files_and_hidden_folders_are_passed_over(folder: Path) -> None:
    """Memory files, configuration and what begins with a dot are no instances."""
    (folder / "pyproject.toml").write_text("[tool.x]\ny = 1\n")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "x.toml").write_text("garbage")
    assert [Path(one.path).name for one in regress([folder]).files] == ["ahead.toml"]


def test_instances_are_found_in_folders_and_by_name(folder: Path) -> None:
    """Paths may be files or folders; the result is in the order of the files, in any number of processes."""
    deeper = folder / "a" / "b"
    deeper.mkdir(parents=True)
    write_drift(deeper)
    found = regress([folder], jobs=2)
    assert [(Path(one.path).name, one.outcome) for one in found.files] == [
        ("drift.toml", Outcome.CHANGED),
        ("ahead.toml", Outcome.SAME),
    ]
    assert regress([folder / "ahead.toml"]).ok


def test_a_best_file_that_records_nothing_is_a_change(folder: Path) -> None:
    """Emptied lists must not pass as recorded; --update records all that suits the instance."""
    change(folder, lambda document: document.update(methods=[], schedulers=[], bounds={}, schedules={}))
    (found,) = regress([folder], update=True).files
    assert (found.outcome, found.lines[0]) == (
        Outcome.UPDATED,
        "ahead.best.json records nothing: no method and no scheduler",
    )
    assert {"lp"} <= set(read_record(folder / "ahead.best.json").methods)


@pytest.mark.parametrize("name", ["ahead.npz", "ahead.best.json", "two.memory.toml", "/dev/null"])
def test_a_path_that_is_no_instance_is_bad_input(folder: Path, name: str) -> None:
    """What cannot be checked is refused by name, not reported as a change."""
    with pytest.raises(InputError, match=r"found no instance, expected NAME\.toml, a file to be refused in a folder") as caught:
        regress([folder / name])
    assert caught.value.path == str(folder / name)


def test_a_file_that_does_not_parse_is_bad_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 with file and line: on stderr alone; beside what is checked where it was recorded and broke."""
    stray = folder / "stray.toml"
    stray.write_text("a = = 3\n")
    assert main(["regress", str(stray)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"error: {stray}:1: found no valid TOML")) == ("", True)
    (folder / "ahead.toml").write_text("a = = 3\n")
    assert main(["regress", str(folder / "ahead.toml")]) == 2
    assert "found no valid TOML" in capsys.readouterr().out


def test_an_empty_path_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    """The empty name is not the working folder."""
    assert main(["regress", ""]) == 2
    assert capsys.readouterr().err == "error: PATH: found an empty name, expected instance files or folders\n"


def test_pipes_and_folders_named_like_instances_are_passed_over(folder: Path) -> None:
    """Searching a folder neither waits for a pipe nor reads a folder as a file."""
    os.mkfifo(folder / "pipe.toml")
    (folder / "inner.toml").mkdir()
    assert regress([folder]).ok


def test_nothing_to_check_is_bad_input(tmp_path: Path) -> None:
    """A typing error in a path must not pass as success."""
    with pytest.raises(InputError, match=r"found no instance, expected at least one NAME\.toml"):
        regress([tmp_path])
    with pytest.raises(InputError, match="found no such file or folder"):
        regress([tmp_path / "none"])


def test_an_interrupted_check_is_no_change(folder: Path) -> None:
    """What was stopped is marked as such, and nothing is written."""
    limits = Limits()
    limits.interrupt()
    found = regress([folder], update=True, limits=limits)
    assert found.interrupted
    assert not found.ok
    assert [one.outcome for one in found.files] == [Outcome.UNFINISHED]


# ---- the command -------------------------------------------------------------------------------------------------------


def test_the_command_says_what_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, the difference below the table, and a summary."""
    change(folder, lambda document: document["bounds"].update(lp=0.05))
    assert main(["regress", str(folder)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("file ")
    assert "CHANGED" in out
    assert f"{folder / 'ahead.toml'}: changed\n    bound lp fell: 0.05 s -> 0.0496" in out
    assert out.endswith("\n1 file: 1 CHANGED\n")


def test_the_command_succeeds_where_nothing_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, also as JSON."""
    assert main(["regress", str(folder)]) == 0
    assert capsys.readouterr().out.endswith("\n1 file: 1 as recorded\n")
    assert main(["regress", str(folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["ok"]) == (1, True)
    assert document["files"][0]["outcome"] == "same"


def test_the_command_updates(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--update shows the difference, rewrites, and succeeds."""
    change(folder, lambda document: document["bounds"].update(lp=0.05))
    assert main(["regress", str(folder), "--update"]) == 0
    out = capsys.readouterr().out
    assert "bound lp fell: 0.05 s -> 0.0496" in out
    assert out.endswith("\n1 file: 1 updated\n")


def test_a_malformed_file_in_a_folder_fails_the_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the file's error stands below the table."""
    (folder / "ahead.best.json").write_text("garbage")
    assert main(["regress", str(folder)]) == 2
    out = capsys.readouterr().out
    assert f"{folder / 'ahead.toml'}: cannot be read\n    error: {folder / 'ahead.best.json'}: found no valid JSON" in out
    assert out.endswith("\n1 file: 1 that cannot be read\n")


def test_large_instances_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Skipped files are named, not silently left out."""
    (folder / "LARGE").write_text("ahead.toml\n")
    assert main(["regress", str(folder)]) == 0
    assert capsys.readouterr().out == f"skipped, as named in LARGE:\n    {folder / 'ahead.toml'}\n\n1 file: 1 skipped\n"


def test_a_signal_ends_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C: exit code 130, what was not finished is said, and nothing is written."""
    module = importlib.import_module("placement_opt.study.regress")
    true = module.measure

    def hit(*args: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return true(*args)

    monkeypatch.setattr(module, "measure", hit)
    change(folder, lambda document: document["bounds"].update(lp=0.05))
    before = (folder / "ahead.best.json").read_bytes()
    assert main(["regress", str(folder), "--update"]) == 130
    assert capsys.readouterr().out.endswith("\n1 file: 1 not finished\n")
    assert (folder / "ahead.best.json").read_bytes() == before


def test_an_interrupted_check_is_not_ok_as_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not checked must not read as passed."""
    module = importlib.import_module("placement_opt.study.regress")

    def hit(*args: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return measure(*args)

    monkeypatch.setattr(module, "measure", hit)
    assert main(["regress", str(folder), "--json"]) == 130
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["interrupted"]) == (False, True)
