"""Layers on a Dask cluster: the same integers and the same files as in one process, whoever is lost on the way."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.answer import by_layer
from placement_opt.answer.answer import Answer, answer
from placement_opt.base import backend as backend_module
from placement_opt.base.backend import Backend, packed
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.certify import layered as certified
from placement_opt.certify import stacked as verifier
from placement_opt.certify.claims import verify_any
from placement_opt.certify.files import save_prices
from placement_opt.cli import main
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import in_layers, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.layered import solve
from placement_opt.layered.plan import Plan
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.layered.stacked_plan import StackedPlan
from placement_opt.schedulers import make_scheduler
from placement_opt.study.compare import compare
from placement_opt.workload.synth import params
from tests.answer.cases import question_of, roofline_state
from tests.layered.cases import write
from tests.stacking import both, run_of, written


@pytest.fixture
def there(cluster: Any) -> Backend:
    return Backend("dask", address=cluster.scheduler_address)


@pytest.fixture(autouse=True)
def _same_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices of layers in rows that do not depend on how long anything takes."""
    monkeypatch.setattr(importlib.import_module("placement_opt.answer.answer"), "_raised", roofline_state)


def saved(question: Layered | Stacked, folder: Path, backend: Backend | None) -> tuple[Answer, list[Path]]:
    """The answer and its files."""
    moves = folder / "moves"
    moves.mkdir(parents=True)
    found = answer(question, gap=3.0, backend=backend, folder=moves)
    assert isinstance(found.state.prices, CertifiedPrices)
    assert isinstance(found.schedule, Plan | StackedPlan)
    save_prices(found.state.prices.certificate, folder / "prices")
    found.schedule.save(folder / "schedule")
    return found, [folder / "prices", folder / "schedule"]


def same_files(one: list[Path], other: list[Path]) -> bool:
    return [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_cluster_finds_plays_and_proves_the_same(there: Backend, tmp_path: Path) -> None:
    """Both sides, their files byte by byte, what they prove, and schedulers turn by turn."""
    for number, question in enumerate(question_of(tmp_path, kind) for kind in ("runs", "rows")):
        here, files = saved(question, tmp_path / f"here{number}", None)
        away, copies = saved(question, tmp_path / f"away{number}", there)
        assert (away.state.lower_s, away.latency_s, away.notes) == (here.state.lower_s, here.latency_s, ())
        assert same_files(files, copies)
        alone, shared = verify_any(question, files), verify_any(question, copies, backend=there)
        assert (shared.lower, shared.upper) == (alone.lower, alone.upper)
        for name in ("lru",) if isinstance(question, Layered) else ("lru", "belady"):
            one = run_of(question, make_scheduler(name))
            two = run_of(question, make_scheduler(name), backend=there)
            assert two.exact_latency() == one.exact_latency()
            assert (two.served == one.served).all()
            assert (two.moved == one.moved).all()


def test_commands_say_the_same_on_a_cluster(
    there: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """bound, verify, simulate, compare and sweep, but for the seconds that this machine took."""
    monkeypatch.setattr(params, "LARGEST_READS", 300)  # more than a layer has, fewer than all of them
    path, files = str(written(tmp_path)), [str(tmp_path / name) for name in ("c", "s")]
    commands = (
        ["bound", path, "--gap", "300%", "--certificate", files[0], "--schedule", files[1], "--quiet"],
        ["verify", path, *files],
        ["bound", path, "--gap", "300%", "--resume", files[0], "--resume", files[1], "--quiet"],
        ["simulate", path, "--scheduler", "belady"],
        ["compare", path, "--schedulers", "lru"],
        ["sweep", str(write(tmp_path)), "--set", "hbm.capacity=330MiB,500MiB", "--schedulers", "lru"],
    )
    where = ["--backend", "dask", "--dask-address", str(there.address)]
    for command in commands:
        found = []
        for options in ([], where):
            assert main([*command, "--json", *options]) == 0
            found.append(timeless(json.loads(capsys.readouterr().out)))
        assert found[0] == found[1], command


def timeless(document: Any) -> Any:
    """Without what depends on how long this machine took."""
    if isinstance(document, dict):
        return {key: timeless(value) for key, value in document.items() if key not in ("solve_s", "wall_s", "since_s")}
    return [timeless(one) for one in document] if isinstance(document, list) else document


def _replace(module: str, name: str, work: Callable[..., Any]) -> None:
    setattr(importlib.import_module(module), name, work)


class _Dying:
    """The first process that comes to it dies, by a file that it alone can make."""

    def __init__(self, work: Callable[..., Any], mark: Path) -> None:
        self.work, self.mark = work, mark

    def __call__(self, *arguments: Any) -> Any:
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return self.work(*arguments)
        self.mark.write_text(str(os.getpid()))
        os._exit(1)


class _Once:
    """Fails at the first call in a process."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self.work, self.failed = work, False

    def __call__(self, *arguments: Any) -> Any:
        if not self.failed:
            self.failed = True
            raise RuntimeError("out of memory, say")
        return self.work(*arguments)


def test_the_layers_of_a_lost_worker_are_done_again(there: Backend, cluster: Any, tmp_path: Path) -> None:
    """A worker process that dies over its first layer, of the schedule and of the proof: files and integers are the same."""
    import distributed

    question, works = question_of(tmp_path, "rows"), ((by_layer, "both_sides"), (verifier, "_prove"))
    _, files = saved(question, tmp_path / "here", None)
    with distributed.Client(cluster, set_as_default=False) as client:
        for module, name in works:
            client.run(_replace, module.__name__, name, _Dying(getattr(module, name), tmp_path / name))
        _, copies = saved(question, tmp_path / "away", there)
        alone, shared = verify_any(question, files), verify_any(question, copies, backend=there)
        alive = client.run(os.getpid).values()
        for module, name in works:
            client.run(_replace, module.__name__, name, getattr(module, name))
    assert same_files(files, copies)
    assert (shared.lower, shared.upper) == (alone.lower, alone.upper)
    assert {int((tmp_path / name).read_text()) for _, name in works}.isdisjoint(alive)


def test_a_layer_that_fails_once_is_done_again(there: Backend, cluster: Any, tmp_path: Path) -> None:
    """Whatever a worker stumbles over; what all of them always fail at is done here."""
    import distributed

    question = load_layered(write(tmp_path))
    _, files = saved(question, tmp_path / "here", None)
    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(_replace, solve.__name__, "_layer", _Once(solve._layer))
        client.run(_replace, certified.__name__, "_prove", _die_softly)
        _, copies = saved(question, tmp_path / "away", there)
        alone, shared = verify_any(question, files), verify_any(question, copies, backend=there)
        client.run(_replace, solve.__name__, "_layer", solve._layer)
        client.run(_replace, certified.__name__, "_prove", certified._prove)
    assert same_files(files, copies)
    assert (shared.lower, shared.upper) == (alone.lower, alone.upper)


def _refuse(*_: object) -> None:
    raise OSError("connection refused")


def _die_softly(*_: object) -> None:
    raise RuntimeError("out of memory, say")


def test_refusals_come_from_the_cluster(there: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed certificate is refused by the layer that shows it, with its file; a cluster that is not there is bad input."""
    question = both(tmp_path)[1]
    found, _ = saved(question, tmp_path / "here", None)
    assert isinstance(found.schedule, StackedPlan)
    parts = {0: found.schedule.sections[1], 1: found.schedule.sections[0], 2: found.schedule.sections[2]}
    StackedPlan(question, parts, found.schedule.seconds, 1).save(tmp_path / "changed")
    with pytest.raises(CertificateError, match=r"changed: layer 0: .*made for another instance"):
        verify_any(question, [tmp_path / "changed"], backend=there)
    nobody = Backend("dask", address="127.0.0.1:1")
    monkeypatch.setattr(backend_module, "_connect", _refuse)
    with pytest.raises(InputError, match="found no Dask scheduler at"):
        answer(question, backend=nobody)
    with pytest.raises(InputError, match="found no Dask scheduler at"):
        compare(question, "lru", backend=nobody)


def test_a_question_in_rows_is_worked_on_here(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster has no layers of it to play or to prove."""
    where = ["--backend", "dask", "--dask-address", "tcp://a:1"]
    assert main(["simulate", drift, "--scheduler", "lru", *where]) == 2
    expected = "--backend: found it for a question in rows, expected one that comes layer by layer"
    assert capsys.readouterr().err == f"error: {expected}\n"


def test_moves_come_back_where_folders_are_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on another machine has no folder to write them to: the same files all the same."""
    from placement_opt.base.atomic import Part, write_part

    def elsewhere(path: Path, write: Callable[..., object]) -> Part:
        part = write_part(path.parent / "nowhere" / path.name, write)
        assert part.data is not None
        return Part(path, part.data)

    for number, question in enumerate(question_of(tmp_path, kind) for kind in ("runs", "rows")):
        _, files = saved(question, tmp_path / f"here{number}", None)
        with monkeypatch.context() as patch:
            patch.setattr(by_layer, "write_part", elsewhere)
            patch.setattr(solve, "write_part", elsewhere)
            _, copies = saved(question, tmp_path / f"away{number}", None)
        assert same_files(files, copies)


def test_what_is_sent_does_not_grow_with_the_reads(tmp_path: Path) -> None:
    """A task is a few hundred bytes, what tasks share is sent once: the question, which says where its trace lies, and prices
    of turns; ten times the blocks are the same bytes."""
    sizes = []
    for prefill in (60, 600):
        question = in_layers(read_outline(written(tmp_path), {"trace.prefill": prefill, "memory.slow.capacity": "10 MB"}))
        prices = METHODS["roofline"](question.layer(0)).prices
        task = by_layer.LayerTask(question, 1, prices, 0.1, 0, tmp_path / "layer-1")  # type: ignore[arg-type]
        sizes.append((len(packed(task, (question, prices))), len(packed((question,)))))
        assert np.isfinite(question.num_reads)
    assert sizes[0][0] == pytest.approx(sizes[1][0], abs=8)
    assert sizes[0][1] == pytest.approx(sizes[1][1], abs=64)
    assert max(size for size, _ in sizes) < 500


def test_processes_prove_runs_layer_by_layer(tmp_path: Path) -> None:
    """As a cluster's workers do; a file that is another one there is refused."""
    question = load_layered(write(tmp_path))
    _, files = saved(question, tmp_path / "here", None)
    alone, shared = verify_any(question, files), verify_any(question, files, backend=Backend(jobs=2))
    assert (shared.lower, shared.upper) == (alone.lower, alone.upper)
    task = certified._Task(question, {"prices": certified._File(files[0], b"another")}, 0)
    error = certified._prove(task, Limits()).error
    assert str(error) == f"{files[0]}: is another file where its layers are proved"
