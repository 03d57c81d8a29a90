"""The rules by name, and which of them look ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from placement_opt.base.arrays import Flags
from placement_opt.play.protocol import Ids
from placement_opt.schedulers.rules import inits, missed, next_step, outward, places, valued, whole_pages
from placement_opt.schedulers.rules.board import Board

Init = Callable[[Board, Sequence[Ids]], Ids]
Place = Callable[[Board, Ids], Flags]
Migrate = Callable[[Board], None]

INITS: Mapping[str, Init] = {
    "oldest": inits.oldest,
    "pages": inits.pages,
    "spread": inits.spread,
    "first-step": inits.first_step,
}
INITS_AHEAD: Mapping[str, Init] = {"soonest": inits.soonest}
PLACES: Mapping[str, Place] = {
    "fast": places.fast,
    "pages": places.pages,
    "own-pages": places.own_pages,
    "layers": places.layers,
    "batch": places.batch,
    "balance": places.balance,
    "important": places.important,
}
PLACES_AHEAD: Mapping[str, Place] = {"unskipped": places.unskipped, "next": places.following}
MIGRATIONS: Mapping[str, Migrate] = {
    "none": outward.none,
    "prior": outward.prior,
    "skipped": outward.skipped,
    "window": outward.window,
    "reactive": missed.reactive,
    "just-in-time": missed.just_in_time,
}
MIGRATIONS_AHEAD: Mapping[str, Migrate] = {
    "skipped-next": next_step.skipped_next,
    "skipped-batch": next_step.skipped_batch,
    "balanced": next_step.balanced,
    "paid-for": next_step.paid_for,
    "everything": next_step.everything,
    "pages": whole_pages.all_layers,
    "own-pages": whole_pages.own_layer,
    "slack": valued.slack,
    "soon": valued.soon,
}
