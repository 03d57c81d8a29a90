"""``make`` finds a Python wherever there is one that the dependencies serve."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
BASH = shutil.which("bash") or "bash"


def find(folder: Path, wanted: str, *versions: str, broken: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """``.ci/python`` on a machine with these versions, some without venv."""
    shutil.rmtree(folder, ignore_errors=True)
    for version in versions:
        python = folder / "bin" / f"python{version}"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f"#!{BASH}\nexit {int(version in broken)}\n")
        python.chmod(0o755)
    environment = {"PATH": str(folder / "bin"), "HOME": str(folder)}
    return subprocess.run([BASH, REPO / ".ci/python", wanted], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("versions", "oldest", "newest"),
    [
        (("3.11",), "3.11", "3.11"),
        (("3.12", "3.13"), "3.12", "3.13"),
        (("3.10", "3.14", "3.15"), "3.14", "3.14"),
    ],
)
def test_any_version_that_is_served_will_do(tmp_path: Path, versions: tuple[str, ...], oldest: str, newest: str) -> None:
    """A machine with 3.12 and 3.13 only is as good as one with 3.11; older and newer ones are left alone."""
    for wanted, version in (("oldest", oldest), ("newest", newest)):
        assert find(tmp_path / "m", wanted, *versions).stdout == f"{tmp_path}/m/bin/python{version}\n"


def test_pyenv_is_looked_through(tmp_path: Path) -> None:
    """Versions that pyenv has without putting them on the PATH."""
    (tmp_path / ".pyenv/versions/3.13.0").mkdir(parents=True)
    machine = find(tmp_path / "m", "newest", "3.11")
    assert machine.stdout.endswith("python3.11\n")
    hidden = tmp_path / "m/.pyenv/versions/3.13.2/bin"
    hidden.mkdir(parents=True)
    shutil.move(tmp_path / "m/bin/python3.11", hidden / "python")
    environment = {"PATH": "", "HOME": str(tmp_path / "m")}
    done = subprocess.run([BASH, REPO / ".ci/python", "oldest"], env=environment, capture_output=True, text=True)
    assert done.stdout == f"{hidden}/python\n"


def test_a_python_without_venv_is_passed_over(tmp_path: Path) -> None:
    """And where nothing is left, the message names what there should be."""
    assert find(tmp_path / "m", "oldest", "3.11", "3.12", broken=("3.11",)).stdout.endswith("python3.12\n")
    done = find(tmp_path / "m", "oldest", "3.10", "3.12", broken=("3.12",))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: found no Python 3.11, 3.12, 3.13 or 3.14 with venv; ")


def test_the_project_says_which_versions_it_takes() -> None:
    """The classifiers and the lower bounds in pyproject.toml are those of .ci/python and constraints-oldest.txt."""
    text = (REPO / "pyproject.toml").read_text()
    served = re.findall(r"Programming Language :: Python :: (3\.\d+)", text)
    assert f"oldest) versions=({' '.join(served)})" in (REPO / ".ci/python").read_text()
    assert f'requires-python = ">={served[0]}"' in text
    lowest = dict(re.findall(r'"([a-z-]+)(?:\[[^]]*\])?>=([\d.]+)', text))
    pinned = dict(re.findall(r"^([a-z-]+)==([\d.]+)$", (REPO / "constraints-oldest.txt").read_text(), re.MULTILINE))
    tools = {
        "ruff",
        "mypy",
        "rich",
        "numba-cuda",
        "pandas",
        "pyarrow",
        "torch",
        "transformers",
    }  # pinned by `make test`, of terminals, devices and notebooks, of other legs
    del pinned["pyparsing"]  # which the oldest matplotlib needs held down
    assert set(lowest) - tools == set(pinned)
    for name, version in pinned.items():
        assert (version + ".0").startswith(lowest[name] + "."), name
