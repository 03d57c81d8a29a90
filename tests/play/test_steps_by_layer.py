"""Tables of steps in runs and layer by layer: those of the rows, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.cli import main
from placement_opt.instance.layered import layered_of
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.play.run import Run
from placement_opt.play.simulate import simulate
from placement_opt.report import simulation
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.synth import params
from tests.layered.cases import draw, write
from tests.stacking import ASKED, run_of, stored, written


def table_of(run: Run) -> dict[str, Any]:
    assert run.per_step is not None
    return {name: (column.dtype, column.tolist()) for name, column in run.per_step.items()}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(asked) or "plain")
def test_layers_have_the_table_of_rows(tmp_path: Path, asked: dict[str, Any]) -> None:
    """Names, kinds and order of the columns, and every number."""
    path = written(tmp_path)
    rows, layers = load_instance(path, asked), in_layers(read_outline(path, asked))
    one, two = (run_of(question, make_scheduler("lru"), per_step=True) for question in (rows, layers))
    assert table_of(two) == table_of(one)
    assert list(table_of(one))[:6] == ["step", "token", "layer", "seconds", "critical", "read"]
    assert run_of(layers, make_scheduler("lru")).per_step is None


@pytest.mark.parametrize("seed", range(6))
def test_runs_have_the_table_of_rows(seed: int) -> None:
    """But for the labels of tokens, which layers at hand do not carry."""
    instance = draw(seed, hbm=(6, 9, 14)[seed % 3] * (1 + seed % 3), floor=0.002 * (seed % 2))
    rows = table_of(simulate(instance, make_scheduler("lru"), per_step=True))
    runs = table_of(run_of(layered_of(instance), make_scheduler("lru"), per_step=True))
    assert list(rows)[1] == "token"
    assert runs == {name: column for name, column in rows.items() if name != "token"}


def test_any_scheduler_has_the_steps_of_its_layers(tmp_path: Path) -> None:
    """Step ``n * L + l`` is turn n of layer l, each layer played by itself; a file of runs names no tokens."""
    for made, tokens in ((written, True), (lambda folder: stored(folder, [4, 8, 4]), False)):
        question = in_layers(read_outline(made(tmp_path)))
        table = run_of(question, make_scheduler("belady"), per_step=True).per_step
        assert table is not None
        assert ("token" in table) == tokens
        assert table["step"].tolist() == list(range(question.num_steps))
        for layer in range(question.layers):
            alone = simulate(question.layer(layer), make_scheduler("belady"), per_step=True).per_step
            assert alone is not None
            assert (table["layer"][layer :: question.layers] == layer).all()
            for name, column in table.items():
                if name not in ("step", "layer"):
                    mine = column[layer :: question.layers]
                    assert (mine == alone.get(name, np.zeros(len(mine)))).all()


@pytest.mark.parametrize("kind", ["runs", "layers"])
def test_the_file_is_that_of_rows(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte by byte, in however many pieces it is written; wherever the layers are played."""
    path = str(write(tmp_path) if kind == "runs" else written(tmp_path))
    argv = ["simulate", path, "--scheduler", "lru", "--per-step"]
    assert main([*argv, str(tmp_path / "rows.csv")]) == 0
    monkeypatch.setattr(params, "LARGEST_READS", 300)
    monkeypatch.setattr(simulation, "_STEPS_AT_ONCE", 7)
    assert main([*argv, str(tmp_path / "large.csv")]) == 0
    whole = (tmp_path / "rows.csv").read_bytes()
    assert (tmp_path / "large.csv").read_bytes() == whole
    assert len(whole.splitlines()) == 1 + load_steps(path)


def load_steps(path: str) -> int:
    outline = read_outline(path)
    assert outline.source.layers is not None
    return outline.source.layers.count * outline.source.layers.turns
