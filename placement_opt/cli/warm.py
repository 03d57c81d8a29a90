"""``python -m placement_opt.cli.warm``: compile every loop, so that no command has to.

Loops are compiled for the types of arrays that they meet. Which those are is found out, not listed: small questions of every
kind are answered in every way there is, by the very code that answers large ones. What is compiled is kept by
:mod:`placement_opt.base.compiled`; where all is there already this takes seconds.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path

from placement_opt.base.compiled import forget_others, kept
from placement_opt.base.errors import PlacementError
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance

_DRIFT = """
[llm]
layers = 2
kv_bytes = "16 KiB"
[trace]
synth = "drift"
layers = 2
prefill = 40
tokens = 8
drift = 0.2
seed = 1
"""
#: So few blocks that schedules are improved by pairs of them.
_FEW = """
[llm]
layers = 1
kv_bytes = "16 KiB"
[trace]
synth = "drift"
layers = 1
prefill = 8
tokens = 4
drift = 0.4
seed = 1
"""
_REQUESTS = """
[llm]
layers = 2
kv_bytes = "4 KiB"
[trace]
synth = "requests"
seed = 1
requests = 12
prompt = 1500
turns = 2.0
think = "5 s"
keep = "session"
"""
_TWO = 'preset = "gh200"\nhbm.capacity = "1 MiB"\n'
_THREE = 'preset = "nvme4"\nhbm.capacity = "512 KiB"\ndram.capacity = "1 MiB"\n'
_LAYERED = 'preset = "nvme4"\nhbm.capacity = "30 MiB"\ndram.capacity = "60 MiB"\n'
#: Name -> (memory, trace, rules): the kinds of questions whose arrays or paths through the program differ.
QUESTIONS = {
    "inclusive": (_TWO, _DRIFT, 'residency = "inclusive"\ninitial = "free"\npage_tokens = 1\n'),
    "paged": (_TWO, _DRIFT, 'residency = "inclusive"\ninitial = "first-fit"\npage_tokens = 2\nfloor = "1 us"\n'),
    "three": (_THREE, _DRIFT, 'residency = "inclusive"\ninitial = "free"\npage_tokens = 1\n'),
    "exclusive": (_THREE, _DRIFT, 'residency = "exclusive"\ninitial = "first-fit"\npage_tokens = 1\n'),
    "free": (_THREE, _DRIFT, 'residency = "free"\ninitial = "free"\npage_tokens = 1\n'),
    "cache": (_THREE + 'nvme.compute.result = "1/64"\n', _DRIFT, 'residency = "cache"\n[recompute]\nrate = "1 GB/s"\n'),
    "few": (
        'preset = "nvme4"\nhbm.capacity = "32 KiB"\ndram.capacity = "64 KiB"\n',
        _FEW,
        'residency = "exclusive"\ninitial = "free"\n',
    ),
    "requests": (_LAYERED, _REQUESTS, 'residency = "free"\ninitial = "free"\npage_tokens = 1\n'),
}
#: Blocks up to which schedulers end by themselves: pairs of blocks have their turn last.
_FEW_BLOCKS = 12
_DONE = "warmed"
#: Looks at the limits after which whatever would go on for longer has met all of its loops.
_LOOKS = 400


class _Looks(Limits):
    """Reached when it has been looked at so often: the same work at any load of the machine."""

    def __init__(self) -> None:
        super().__init__()
        self._left = _LOOKS

    @property
    def remaining(self) -> float:
        self._left -= 1
        return float("inf") if self._left > 0 else 0.0


def warm(jobs: int = 2) -> None:
    """Answer every question in every way, bounds and schedules side by side where ``jobs`` allows; a mark says it was done."""
    run_jobs(_answer, ("bound", "schedule"), jobs=jobs)
    if (place := kept()) is not None:
        (place / _DONE).touch()


def warmed() -> bool:
    """Whether all this was done for the loops as they are now."""
    place = kept()
    return place is not None and (place / _DONE).exists()


def _answer(side: str, limits: Limits) -> None:
    """One side of every question; what a way refuses or does not finish is none of its loops' fault."""
    del limits
    with tempfile.TemporaryDirectory(prefix="placement-opt-") as folder:
        scratch = Path(folder)
        for name, (memory, trace, rules) in QUESTIONS.items():
            path = scratch / f"{name}.toml"
            path.write_text(f'schema = 1\nname = "{name}"\n[memory]\n{memory}{trace}[rules]\n{rules}')
            (_bounds if side == "bound" else _schedules)(load_instance(path))
        if side == "schedule":
            _commands(scratch)
            _in_runs(scratch / "inclusive.toml", scratch)


def _bounds(instance: Instance) -> None:
    """Every method, then every rung of the ladder with what those before it left, and what the LP asks on longer traces."""
    from placement_opt.answer.rungs import RUNGS
    from placement_opt.answer.standing import Standing
    from placement_opt.answer.work import Work
    from placement_opt.bounds import METHODS
    from placement_opt.bounds.dual.evaluate import fetch_events
    from placement_opt.schedulers.search.priced import priceable
    from placement_opt.schedulers.search.stays import roundable

    work = Work(instance, Standing(), gap=0.0)
    for method in METHODS:
        if method == "milp":  # may take long, and has no loops of its own
            continue
        with contextlib.suppress(PlacementError):
            found = METHODS[method](instance, limits=_Looks())
            work.standing.raise_to(found, method)
            if found.prices is not None:
                fetch_events(instance, found.prices, work.classes)
    for rung in RUNGS:
        suits = rung.suits(work) or rung.endless or (rung.name == "priced" and priceable(instance))
        suits = suits or (rung.name == "stays" and roundable(instance))
        ready = work.has_rents if rung.name in ("stays", "mirror") else rung.ready(work)  # few steps wait for others
        if suits and ready and rung.name != "milp":
            with contextlib.suppress(PlacementError):
                rung.climb(work, _Looks())


def _schedules(instance: Instance) -> None:
    """Every scheduler with every word that its options allow."""
    from placement_opt.play.simulate import simulate
    from placement_opt.schedulers import describe, make_scheduler

    for about in describe():
        if about.name in ("mpc", "milp"):  # may take long, and have no loops of their own
            continue
        words = [f"{about.name}:{option.key}={word}" for option in about.options for word in option.choices]
        for spec in (about.name, *words):
            with contextlib.suppress(PlacementError):
                limits = Limits() if instance.num_blocks <= _FEW_BLOCKS else _Looks()
                simulate(instance, make_scheduler(spec), limits=limits)


def _commands(folder: Path) -> None:
    """What only commands do: describe traces, write them as runs, price memory."""
    from placement_opt.cli import main

    question = str(folder / "inclusive.toml")
    trace, runs = str(folder / "trace.npz"), str(folder / "runs")
    for argv in (
        ["trace", "synth", "drift", "--layers", "2", "--prefill", "40", "--tokens", "8", "-o", trace],
        ["trace", "synth", "zipf", "--draws", "successive", "-o", str(folder / "zipf.npz")],
        ["trace", "info", trace],
        ["trace", "runs", question, "-o", runs],
        ["bound", question, "--prices", "--method", "compact"],
    ):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as complaint:
            code = main(argv)
        if code:
            raise RuntimeError(f"{' '.join(argv)}: {complaint.getvalue()}")


def _in_runs(path: Path, folder: Path) -> None:
    """A question of the kind that is too large for rows, drawn layer by layer."""
    from placement_opt.answer.standing import Standing
    from placement_opt.instance.load import load_layered
    from placement_opt.instance.outline import read_outline
    from placement_opt.instance.turns import in_layers
    from placement_opt.layered.dual import layer_value, price_large, roofline_prices
    from placement_opt.layered.solve import begin, solve

    question, standing = load_layered(path), Standing()
    begin(question, standing, moves=True)
    _, actions = price_large(question, roofline_prices(question))
    first = question.layers.layer(0)
    assert first is not None
    layer_value(question, actions, 0, first)  # few blocks may need no look at them
    solve(question, standing, gap=0.0, limits=_Looks(), folder=folder)
    in_layers(read_outline(path)).layer(0)


if __name__ == "__main__":
    forget_others()
    warm(min(2, os.cpu_count() or 1))
