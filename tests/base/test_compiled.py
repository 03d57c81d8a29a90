"""Compiled loops: where they are kept, whose settings they obey, and that nobody's time limit pays for compiling them."""

from __future__ import annotations

import ast
import fcntl
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base import clock, compiled
from placement_opt.base.limits import Limits
from tests.cli.cases import write_ahead

numba: Any = pytest.importorskip("numba")
PACKAGE = Path(compiled.__file__).parents[1]
KERNELS = sorted(PACKAGE.rglob("*_kernels.py"))
REPO = Path(__file__).parents[2]


# ---- the folder of the user is not asked -------------------------------------------------------------------------------


class _Bait:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose settings name a cache in which every file runs code when it is read."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / ".numba_config.yaml").write_text(f"cache_dir: {folder / 'cache'}\n")
    for path in KERNELS:
        # where numba would look, were that its cache: a folder for each folder of sources
        place = folder / "cache" / numba.core.caching._CacheLocator.get_suitable_cache_subpath(str(path))
        place.mkdir(parents=True, exist_ok=True)
        tag = f"py{sys.version_info[0]}{sys.version_info[1]}"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                index = place / f"{path.stem}.{node.name}-{first}.{tag}.nbi"
                index.write_bytes(pickle.dumps(numba.__version__) + pickle.dumps(_Bait(tmp_path / "ran")))
    write_ahead(folder)
    return folder


def run_there(folder: Path, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``placement-opt bound`` by lp in a folder, after some code."""
    code += "\nimport sys; from placement_opt.__main__ import entry; sys.exit(entry())"
    argv = [sys.executable, "-c", code, "bound", "ahead.toml", "--method", "lp"]
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        argv, cwd=folder, env={**os.environ, "PYTHONPATH": path, **environment}, capture_output=True, text=True
    )


#: Instead of the command a single loop, compiled where nothing is cached.
ONE_LOOP = """
import sys
import numpy as np
from placement_opt.schedulers.sa_kernels import window_scores
print(window_scores(np.array([0, 1]), np.array([0]), np.array([0]), 1))
sys.exit()
"""


@pytest.mark.parametrize("code", ["", "import yaml", "import numba"], ids=["alone", "yaml first", "numba first"])
def test_a_hostile_folder_runs_no_code(hostile: Path, code: str) -> None:
    """Working in a folder with ``.numba_config.yaml`` reads nothing there, even where numba itself was imported by others."""
    if code == "import yaml":
        pytest.importorskip("yaml")
    done = run_there(hostile, code)
    assert (done.returncode, done.stderr) == (0, "") if code != "import numba" else done.returncode == 0
    assert not (hostile.parent / "ran").exists()


def test_the_bait_is_taken_by_numba_itself(hostile: Path) -> None:
    """The folder of the test above is hostile indeed: named as numba's cache it runs its code, and is survived."""
    done = run_there(hostile, ONE_LOOP, NUMBA_CACHE_DIR=str(hostile / "cache"))
    assert (done.returncode, done.stdout) == (0, "[0.]\n"), done.stderr
    assert (hostile.parent / "ran").exists()


@pytest.mark.parametrize("text", ["cache_dir: [", "- 1\n", "disable_jit: 1\n", "\0"])
def test_settings_that_are_no_settings_do_not_matter(tmp_path: Path, text: str) -> None:
    """An invalid ``.numba_config.yaml`` in the current directory is nobody's business here."""
    write_ahead(tmp_path)
    (tmp_path / ".numba_config.yaml").write_text(text)
    done = run_there(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


# ---- the cache ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    """(the package's folder for compiled loops, the user's), both to be made."""
    monkeypatch.setattr(compiled, "_IN_PACKAGE", tmp_path / "package" / "__pycache__")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    compiled.folder.cache_clear()
    monkeypatch.setattr(compiled, "folder", compiled.folder.__wrapped__)
    return tmp_path / "package" / "__pycache__", tmp_path / "home" / "placement-opt"


def test_loops_are_kept_in_the_package(places: tuple[Path, Path]) -> None:
    """Beside the sources, for every user of them, by numba's version and what all loops are."""
    found = compiled.folder("1.0")
    assert found is not None
    assert Path(found).parent == places[0]
    assert compiled.folder("1.1") != found
    assert not places[1].exists()


def test_what_other_sources_left_is_removed(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """One folder stays, however often loops change; nothing but such folders is touched."""
    (places[0] / "loops-0" / "scale").mkdir(parents=True)
    (places[0] / "other").mkdir()
    compiled.forget_others()
    assert sorted(path.name for path in places[0].iterdir()) == [Path(str(compiled.folder(numba.__version__))).name, "other"]
    block(places[1])
    monkeypatch.setattr(compiled, "_IN_PACKAGE", places[0] / "other" / "no" / "place")
    block(places[0] / "other" / "no")
    compiled.forget_others()


def block(path: Path) -> None:
    """A place where no folder can be made, for root too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def test_a_package_that_cannot_be_written_uses_the_users_cache(places: tuple[Path, Path]) -> None:
    """A folder that only the user can write."""
    block(places[0])
    found = compiled.folder("1.0")
    assert found is not None
    assert Path(found).parent == places[1]
    assert Path(found).stat().st_mode & 0o777 == 0o700


def test_a_cache_that_others_can_write_is_not_read(places: tuple[Path, Path]) -> None:
    """Code lies there."""
    block(places[0])
    places[1].mkdir(parents=True)
    places[1].chmod(0o777)
    assert compiled.folder("1.0") is None


def test_a_cache_in_the_current_directory_is_not_used(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a relative ``XDG_CACHE_HOME`` nor a ``~`` that stands for nothing."""
    block(places[0])
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert compiled.folder("1.0") is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert compiled.folder("1.0") is None


def test_without_any_place_loops_work_and_leave_nothing(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read-only installation, a user without a home: compiled again each time, nothing in the temporary directory."""
    block(places[0])
    block(places[1])
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    loop = compiled.njit(cache=True)(_double)
    assert loop(2) == 4
    assert loop.stats.cache_path is None
    assert list(scratch.iterdir()) == []


def test_numba_is_left_as_it_was(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours while a loop of ours is declared, the user's own loops go where they always did; his word holds for ours too."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    before = numba.config.CACHE_DIR
    loop = compiled.njit(cache=True)(_double)
    assert Path(loop.stats.cache_path).is_relative_to(places[0])
    assert before == numba.config.CACHE_DIR
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(places[1]))
    assert Path(compiled.njit(cache=True)(_double).stats.cache_path).is_relative_to(places[1])


def _double(x: int) -> int:
    return 2 * x


def test_a_damaged_cache_is_made_anew(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files cut short, as by a power failure, cost a compilation; so does a cache that cannot be written."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert compiled.njit(cache=True)(_double)(2) == 4
    for pattern in ("*.nbc", "*.nbi"):
        for path in places[0].rglob(pattern):
            path.write_bytes(path.read_bytes()[:5])
        assert compiled.njit(cache=True)(_double)(2) == 4
    again = compiled.njit(cache=True)(_double)
    assert again(2) == 4
    assert sum(again.stats.cache_hits.values()) == 1
    full = compiled.njit(cache=True)(_double)
    monkeypatch.setattr(full._cache, "_cache_file", None, raising=True)
    monkeypatch.setattr(compiled.os, "makedirs", _refuse)
    assert full(2.5) == 5.0


def _refuse(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_processes_write_one_after_another(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry is written under a lock of its folder: two processes that write at once would name their files alike."""
    del places
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    seen = []
    loop = compiled.njit(cache=True)(_double)
    file = type(loop._cache._cache_file)
    honest = file.save
    monkeypatch.setattr(fcntl, "flock", lambda handle, how: seen.append((Path(handle.name).name, how)))
    monkeypatch.setattr(file, "save", lambda self, key, data: (seen.append("save"), honest(self, key, data))[1])
    loop(2)
    assert seen == [("lock", fcntl.LOCK_EX), "save"]


def test_every_loop_goes_through_the_door() -> None:
    """Files with loops are named so, import of ours each other and names of array types, and nothing else imports numba."""
    assert len(KERNELS) > 8
    for path in PACKAGE.rglob("*.py"):
        if path == Path(compiled.__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            assert not any(name.partition(".")[0] == "numba" for name in names), f"{path}:{node.lineno}"
            if path in KERNELS:
                ours = [name for name in names if name.startswith("placement_opt")]
                if isinstance(node, ast.ImportFrom) and all(one.name.endswith("_kernels") for one in node.names):
                    ours = [f"{name}.{one.name}" for name in ours for one in node.names]
                door = {"placement_opt.base.compiled", "placement_opt.base.arrays"}
                allowed = [name for name in ours if name in door or name.endswith("_kernels")]
                assert ours == allowed, f"{path}:{node.lineno}"
            elif "placement_opt.base.compiled" in names:
                assert path.name in ("warm.py", "accelerator.py"), path


# ---- compiled beforehand -----------------------------------------------------------------------------------------------


def test_what_was_warmed_is_not_compiled_again(drift: str, tmp_path: Path) -> None:
    """After ``python -m placement_opt.cli.warm`` commands on other questions compile nothing."""
    requests = tmp_path / "requests.toml"
    requests.write_text(
        Path(REPO, "instances/requests/nvme4-session.toml").read_text().replace("requests = 60", "requests = 20")
    )
    code = (
        "import sys\n"
        "from placement_opt.cli import warm\n"
        "from placement_opt.cli import main\n"
        "from placement_opt.answer.rungs import RUNGS\n"
        "from placement_opt.answer.standing import Standing\n"
        "from placement_opt.answer.work import Work\n"
        "from placement_opt.base.limits import Limits\n"
        "from placement_opt.instance.load import load_instance\n"
        "warm.warmed() or warm.warm()\n"
        "from numba.core import event\n"
        "drift, requests = sys.argv[1:]\n"
        "with event.install_recorder('numba:compile') as seen:\n"
        "    codes = [main([*line.split(), '--quiet']) for line in (\n"
        "        f'bound {drift} --gap 2%', f'bound {drift} --method lp', f'bound {requests} --time-limit 5s',\n"
        "        f'compare {drift} --schedulers static,reactive,lru,belady,sa,page,myopic',\n"
        "        f'simulate {requests} --scheduler belady', 'simulate instances/tiny/two-free.toml --scheduler optimised')]\n"
        "    for path in (requests, 'instances/requests/nvme4-cache.toml'):\n"
        "        work = Work(load_instance(path), Standing(), 0.0)\n"
        "        turns = [rung.climb for name in ('intervals', 'mirror', 'stays') for rung in RUNGS if rung.name == name]\n"
        "        for climb in turns[: 1 if path is requests else 3]:\n"
        "            climb(work, Limits(2.0))\n"
        "names = {str(one.data['dispatcher']) for _, one in seen.buffer}\n"
        "sys.exit(str(sorted(names)) if names else max(codes))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, drift, str(requests)], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- the clock ---------------------------------------------------------------------------------------------------------


class Seconds:
    """A clock set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr(clock, "_stopped", (0.0, None))


def test_the_clock_stands_while_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the outermost stop is undone; limits go by it."""
    seconds = Seconds(monkeypatch)
    limits = Limits(10.0)
    seconds.now = 4.0
    with clock.stopped():
        seconds.now = 60.0
        assert limits.remaining == 6.0
        with clock.stopped():
            seconds.now = 70.0
        seconds.now = 80.0
        assert clock.now() == 4.0
    assert limits.remaining == 6.0
    seconds.now = 87.0
    assert limits.reached


def test_compiling_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that takes a minute to compile leaves a limit of ten seconds as it was, also while it is being compiled."""
    seconds = Seconds(monkeypatch)
    limits = Limits(10.0)
    left = []

    def slow(kind: type) -> type:
        seconds.now += 60.0
        left.append(limits.remaining)
        return kind

    loop = compiled.njit()(_first)
    compiler = loop._compiler
    honest = compiler.compile
    monkeypatch.setattr(compiler, "compile", lambda args, result: (slow(int), honest(args, result))[1])
    assert loop(np.arange(3)) == 0
    assert left == [10.0]
    assert limits.remaining == 10.0


def _first(values: Any) -> Any:
    return values[0]
