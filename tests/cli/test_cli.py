"""The command line: answers, exit codes, messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import placement_opt
from placement_opt.cli import COMMANDS, main
from placement_opt.workload.synth import GENERATORS
from tests.cli.cases import write_ahead, write_drift
from tests.cli.commands import answer, refusal
from tests.small import make_trace

REPO = Path(__file__).parents[2]


# ---- help --------------------------------------------------------------------------------------------------------------

PAGES = [
    (),
    *((name,) for name in COMMANDS),
    *(("trace", action) for action in ("import", "synth", "info", "map")),
    *(("trace", "synth", name) for name in GENERATORS),
    *(("memory", action) for action in ("list", "show")),
]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], page: tuple[str, ...]) -> None:
    """--help prints usage on stdout and succeeds."""
    assert answer(capsys, *page, "--help").startswith("usage: placement-opt " + " ".join([*page, "[-h]"]))


def test_help_loads_no_library() -> None:
    """The help of the commands needs neither numpy nor a solver, so it is immediate."""
    pages = [list(page) for page in PAGES if page[:2] != ("trace", "synth") or len(page) == 2]
    code = (
        "import sys\nfrom placement_opt.cli import main\n"
        f"for page in {pages!r}:\n    assert main([*page, '--help']) == 0\n"
        "heavy = {'numpy', 'highspy', 'numba', 'networkx', 'scipy', 'pyomo'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_loads_nothing_before_it_is_used() -> None:
    """``import placement_opt`` costs nothing."""
    code = "import sys, placement_opt\nassert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True)


def test_python_m_runs_the_command_line(ahead: str) -> None:
    """``python -m placement_opt`` is the same program, its exit code included."""
    argv = [sys.executable, "-m", "placement_opt", "bound", ahead, "--method", "roofline", "--json"]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["method"] == "roofline"
    missing = subprocess.run([*argv[:4], "none.toml"], cwd=REPO, capture_output=True, text=True)
    assert (missing.returncode, missing.stdout) == (2, "")


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """The number in the package and in its metadata agree."""
    assert placement_opt.__version__ == version("placement-opt")
    assert answer(capsys, "--version") == f"placement-opt {placement_opt.__version__}\n"


# ---- wrong arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("bond",), "argument COMMAND: found 'bond', did you mean 'bound'?"),
        (("bound",), "the following arguments are required: INSTANCE"),
        (("bound", "x.toml", "--method", "lpp"), "argument --method: found 'lpp', did you mean 'lp'?"),
        (
            ("bound", "x.toml", "--time-limit", "60"),
            "argument --time-limit: found '60' without a unit, expected a duration with its unit such as \"10 s\"",
        ),
        (("bound", "x.toml", "--time", "60s"), "error: found unknown option '--time', did you mean '--time-limit'?"),
        (("simulate", "x.toml", "--schduler", "lru"), "error: found unknown option '--schduler', did you mean '--scheduler'?"),
        (("--vesion",), "error: found unknown option '--vesion', did you mean '--version'?"),
        (("compare", "x.toml", "-j", "2"), "error: found unknown option '-j', did you mean '--json'?"),
        (("bound", "x.toml", "--time-limit", "-5s"), "argument --time-limit: found '-5s', expected a duration with its unit"),
        (("bound", "x.toml", "--integer"), "--integer: found it with --method auto, expected --method step"),
        (("compare", "x.toml", "--jobs", "0"), "argument --jobs: found '0', expected a whole number from 1 to 1024"),
        (("compare", "x.toml", "--jobs", "٣"), "argument --jobs: found '٣', expected a whole number"),
        (("compare", "x.toml", "--schedulers", "a,,b"), "--schedulers: found an empty name in 'a,,b'"),
        (("compare", "x.toml", "--schedulers", "lru,lru"), "--schedulers: found 'lru' twice, expected each scheduler once"),
        (("compare", "x.toml", "--schedulers", "lur"), "found scheduler 'lur', did you mean 'lru'?"),
        (("simulate", "x.toml"), "the following arguments are required: --scheduler"),
        (("simulate", "x.toml", "--scheduler", "lur"), "found scheduler 'lur', did you mean 'lru'?"),
        (("export", "x.toml", "--format", "mpss", "-o", "x"), "argument --format: found 'mpss', did you mean 'mps'?"),
        (("memory", "show", "gh20"), "found no preset 'gh20', did you mean 'gh200'?"),
        (("trace", "synth", "drft"), "argument GENERATOR: found 'drft', did you mean 'drift'?"),
        (("trace", "synth", "drift"), "the following arguments are required: -o/--output"),
        (("trace", "synth", "drift", "-o", "x.npz", "--drift", "nan"), "argument --drift: found 'nan', expected a number"),
        (("trace", "synth", "drift", "-o", "x.npz", "--tokens", "x"), "argument --tokens: found 'x', expected a whole number"),
        (
            ("trace", "synth", "drift", "-o", "x.npz", "--read-share", "2"),
            "--read-share: found 2.0, expected a finite number in (0, 1]",
        ),
        (
            ("trace", "import", "x.csv", "--format", "csv", "-o", "x"),
            "argument --format: found 'csv', did you mean 'reads-csv'?",
        ),
    ],
)
def test_wrong_arguments_are_named(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str) -> None:
    """Exit code 2 and one line that says what was found and what was expected."""
    err = refusal(capsys, *argv)
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ("bound", "none.toml"),
        ("simulate", "none.toml", "--scheduler", "lru"),
        ("compare", "none.toml", "--schedulers", "lru"),
        ("export", "none.toml", "--format", "lp", "-o", "out.lp"),
        ("trace", "import", "none.toml", "--format", "reads-csv", "-o", "out.npz"),
        ("trace", "info", "none.toml"),
        ("memory", "show", "none.toml"),
        ("regress", "none.toml"),
    ],
)
def test_a_missing_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    """Exit code 2, the file's name, and nothing written."""
    monkeypatch.chdir(tmp_path)
    assert refusal(capsys, *argv).startswith("error: none.toml: found no such file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["pipe", "folder", "/dev/zero", "/proc/self/status"])
@pytest.mark.parametrize("key", ["memory", "trace", "rules"])
def test_what_is_no_file_is_never_waited_for(capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, key: str) -> None:
    """Pipes, folders, devices and what the kernel makes up: exit code 2 with the key, the file that it names, at once."""
    if not Path(kind).exists() and kind.startswith("/"):
        pytest.skip(f"needs {kind}")
    place = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    path = write_ahead(tmp_path)
    text = path.read_text() + '[rules]\ninitial = "file"\ninitial_file = "start.npz"\n'
    (tmp_path / "start.npz").touch()
    name = {"memory": "two.memory.toml", "trace": "ahead.npz", "rules": "start.npz"}[key]
    path.write_text(text.replace(name, str(place)))
    err = refusal(capsys, "bound", str(path))
    field = "rules.initial_file" if key == "rules" else f"{key}.file"
    assert f": {field}: found something that is not a regular file, {str(place)!r}, expected a file\n" in err


def test_an_error_in_a_file_names_its_line_and_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """``FILE:LINE: FIELD: found ..., expected ...``."""
    path = write_drift(tmp_path)
    path.write_text(path.read_text().replace('"2 MiB"', '"2 MB/s"'))
    assert refusal(capsys, "bound", str(path)).startswith(
        f"error: {path}:5: memory.hbm.capacity: found unit 'MB/s' in '2 MB/s', expected"
    )


def test_control_characters_of_a_file_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What a file says cannot steer the reader's terminal."""
    path = write_drift(tmp_path)
    evil = path.rename(tmp_path / "a\x1b[31mb.toml")
    evil.write_text("")
    err = refusal(capsys, "bound", str(evil))
    assert "\x1b" not in err
    assert "a\\x1b[31mb.toml" in err


# ---- the library -------------------------------------------------------------------------------------------------------


def test_every_public_name_is_there() -> None:
    """The lazy names exist, and are listed."""
    for name in placement_opt.__all__:
        assert getattr(placement_opt, name) is not None
    assert {"bound", "load_instance"} <= set(dir(placement_opt))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = placement_opt.nothing


def test_the_library_bounds_and_compares(ahead: str) -> None:
    """The public functions work together as the package's docstring says."""
    instance = placement_opt.load_instance(ahead)
    assert placement_opt.bound(instance, "lp").lower_bound_s == pytest.approx(0.0496471485790, rel=1e-9)
    found = placement_opt.compare([instance, ahead], ["static"], method="lp")
    assert [one.proof.hash for one in found.instances] == [instance.hash] * 2
    with pytest.raises(placement_opt.InputError, match="found method 'lpp', did you mean 'lp'"):
        placement_opt.bound(instance, "lpp")


def test_the_files_of_the_tests_are_the_instance_of_the_statement(ahead: str) -> None:
    """The files describe the same problem as the instance built by hand."""
    instance = placement_opt.load_instance(ahead)
    assert instance.fixed.tolist() == [[10, 0, 0, 0]] * 22
    assert instance.trace.blocks.tolist() == make_trace([list(range(20))], [-1] * 20).blocks.tolist()


@pytest.mark.parametrize(
    "argv",
    [
        ("bound", "n" * 100_000),
        ("bound", "x.toml", "n" * 100_000),
        ("n" * 100_000,),
        ("bound", "x.toml", "--" + "n" * 100_000),
        ("bound", "x.toml", "--method", "n" * 100_000),
        ("compare", "x.toml", "--jobs", "n" * 100_000),
        ("bound", "x.toml", "--time-limit", "n" * 100_000),
        ("trace", "synth", "drift", "--drift", "n" * 100_000, "-o", "x"),
        ("compare", "x.toml", "--schedulers", "n" * 100_000),
        ("sweep", "x.toml", "--set", "n" * 100_000 + "=1"),
    ],
    ids=lambda argv: " ".join(argv)[:30],
)
def test_no_complaint_repeats_what_is_endless(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]) -> None:
    """However long an argument is, what is said of it fits a screen."""
    assert main(list(argv)) == 2
    out, err = capsys.readouterr()
    assert (out, "n" * 20 in err) == ("", True)
    assert len(err) < 1200
