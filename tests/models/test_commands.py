"""``python -m models.NAME`` and the README, as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from models import flow, horizon, roofline, step
from placement_opt.instance.load import load_instance

ROOT = Path(__file__).parents[2]
INSTANCE = str(ROOT / "instances" / "tiny" / "two-shares.toml")


@pytest.mark.parametrize(
    ("module", "options", "value"),
    [
        (roofline, [], roofline.value),
        (step, [], step.value),
        (step, ["--integer"], lambda instance: step.value(instance, integer=True)),
        (flow, [], lambda instance: flow.value(instance, flow.roofline_prices(instance))),
        (flow, ["--relax", "--prices", "horizon"], lambda instance: horizon.value(instance, relax=True)),
        (horizon, [], horizon.value),
        (horizon, ["--relax"], lambda instance: horizon.value(instance, relax=True)),
    ],
)
def test_the_value_is_printed(module, options, value, capsys):
    """Each command prints the value of its statement in seconds and ends with 0."""
    assert module.main([INSTANCE, *options]) == 0
    assert float(capsys.readouterr().out) == pytest.approx(value(load_instance(INSTANCE)), rel=1e-9)


def test_a_missing_file_is_bad_input(capsys):
    """Exit code 2, one line on stderr, nothing on stdout."""
    assert horizon.main(["missing.toml"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: missing.toml: found no such file, expected an existing file\n"


def test_a_module_runs_as_a_command():
    """``python -m models.roofline INSTANCE`` works from the root of the repository, without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "models.roofline", INSTANCE],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == pytest.approx(roofline.value(load_instance(INSTANCE)), rel=1e-12)


def test_the_example_of_the_readme_runs(monkeypatch, capsys):
    """The README's constraint can be added as written, and costs something on the instance it names."""
    monkeypatch.chdir(ROOT)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "models" / "README.md").read_text(), re.DOTALL)
    names: dict[str, float] = {}
    exec(example, names)
    assert names["limited"] > names["free"]
    assert capsys.readouterr().out.startswith(f"{names['free']:.4f} s; if blocks are stored in passing only, ")


def test_the_engine_knows_nothing_of_the_models():
    """No file of the package imports ``models`` or Pyomo."""
    for path in (ROOT / "placement_opt").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (models|pyomo)\b", path.read_text(), re.MULTILINE), path
