"""What is kept of a scheduler that is played layer by layer: its moves as a certificate of each layer, what they move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base.atomic import Part, write_part
from placement_opt.base.backend import Backend
from placement_opt.base.errors import BudgetError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import pack_schedule
from placement_opt.certify.layered import VerifiedLarge
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import AnyQuestion, Large, stacked_of
from placement_opt.layered.stacked_plan import StackedPlan
from placement_opt.play.by_layer import play_layers
from placement_opt.play.protocol import Scheduler
from placement_opt.play.run import Run
from placement_opt.play.schedule import Schedule
from placement_opt.play.simulate import simulate
from placement_opt.play.timed import with_steps
from placement_opt.play.trail import Trail, interleaved, trail_of, trail_of_run


@dataclass(frozen=True, eq=False)
class KeptLayer:
    """Of one layer: what it moves and holds, where that was asked for; the file of its moves, what they take exactly and how
    many they are, or why they are not written."""

    trail: Trail | None
    part: Part | None
    seconds: Fraction
    moves: int
    refused: str = ""


@dataclass(frozen=True)
class KeepMoves:
    """Keeps of each layer, where it is played, what was asked for.

    ``folder``: where the certificates of the layers' moves are put, None where they are not wanted; ``trail``: whether what
    they move and hold is.
    """

    folder: Path | None
    trail: bool

    def __call__(self, layer: int, alone: Instance, schedule: Schedule) -> KeptLayer:
        trail = trail_of(alone, schedule) if self.trail else None
        if self.folder is None:
            return KeptLayer(trail, None, Fraction(0), 0)
        try:
            made = certify_schedule(alone, schedule)
        except BudgetError as error:  # all layers together may keep what one of them does not
            return KeptLayer(trail, None, Fraction(0), 0, f"layer {layer}, in its even share of the budgets, {error.message}")
        packed = pack_schedule(made)
        part = write_part(self.folder / f"layer-{layer}", lambda handle: handle.write(packed))
        return KeptLayer(trail, part, made.claim, made.moves)


@dataclass(frozen=True, eq=False)
class Played:
    """A run, and what was kept of its layers, None of a question in rows."""

    run: Run
    layers: Sequence[KeptLayer] | None

    def trail(self) -> Trail:
        """What it moves and holds; InputError where nothing was kept."""
        if self.layers is None:
            return trail_of_run(self.run)
        return interleaved([one.trail for one in self.layers if one.trail is not None])


def play(
    question: AnyQuestion,
    scheduler: Scheduler,
    keep: KeepMoves | None = None,
    *,
    per_step: bool = False,
    limits: Limits | None = None,
    backend: Backend | None = None,
) -> Played:
    """A scheduler on a question in rows or layer by layer, with its moves where they are kept.

    ``per_step``: with a table of every step; ``backend``: where layers are played, each with a copy of the scheduler if that is
    elsewhere. Errors as :func:`placement_opt.play.simulate.simulate` and :func:`placement_opt.play.by_layer.play_layers`.
    """
    if isinstance(question, Instance):
        return Played(simulate(question, scheduler, per_step=per_step, record=keep is not None, limits=limits), None)
    run, layers = play_layers(question, scheduler, keep=keep, limits=limits, backend=backend)
    return Played(with_steps(run) if per_step else run, layers)


def write_layers(question: Large, layers: Sequence[KeptLayer], path: str | PathLike[str]) -> VerifiedLarge:
    """Write the moves of all layers as one file, and say what it proves.

    Raises
    ------
    BudgetError
        A layer does not keep its share of the budgets, which is what the verifier asks of each.
    """
    for one in layers:
        if one.refused:
            raise BudgetError(f"{path}: not written, {one.refused}")
    sections = {number: one.part.landed() for number, one in enumerate(layers) if one.part is not None}
    seconds, moves = sum((one.seconds for one in layers), Fraction(0)), sum(one.moves for one in layers)
    rowed = stacked_of(question)
    assert rowed is not None
    written = StackedPlan(rowed, sections, seconds, moves).save(path)
    return VerifiedLarge(question, schedule=written, upper=seconds)
