"""Rules of the paper, composed: ``rules`` of those that see no future, ``rules-ahead`` of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.rules.ahead import Ahead
from placement_opt.schedulers.rules.board import Board, Numbers
from placement_opt.schedulers.rules.tables import (
    INITS,
    INITS_AHEAD,
    MIGRATIONS,
    MIGRATIONS_AHEAD,
    PLACES,
    PLACES_AHEAD,
)

_SLIPS = ("none", "init", "place", "migrate", "all")
_SLIPS_TEXT = "which parts do as the published code does where that is not what it says (docs/rules.md)"


@dataclass
class Rules(Policy):
    """Where blocks lie at first, where new ones go and what migrates: rules of the paper's simulator that see no future.

    Each part is a rule by itself, and every combination plays. docs/rules.md says which name each rule of the source has here,
    and what the published code does otherwise (``slips``). Rules that count tokens number the blocks of a layer as they come
    (pages of 16 are ``page`` such blocks); what "all layers" share is that number. Several tiers, and the residency rules:
    :mod:`placement_opt.schedulers.rules.board`.
    """

    title: ClassVar[str] = "rules"
    family: ClassVar[str] = "paper"
    by_position: ClassVar[bool] = True
    source: ClassVar[str] = "arXiv 2508.13231 and its simulator: initialisation, placement and migration rules"
    cost: ClassVar[Cost[Size]] = passing("rules")

    init: str = option("oldest", "what the fastest tier holds at first", choices=tuple(INITS))
    place: str = option("fast", "which new blocks go there", choices=tuple(PLACES))
    migrate: str = option("just-in-time", "what moves", choices=tuple(MIGRATIONS))
    page: int = option(16, "tokens in a page", low=1, high=2**31 - 1)
    full: float = option(0.99, "share of the fastest tier from which it counts as full", low=0.0, high=1.0)
    window: int = option(16, "steps of the layer that the rule window looks back", low=1, high=2**31 - 1)
    slips: str = option("none", _SLIPS_TEXT, choices=_SLIPS)
    seed: int = option(0, "of random victims", low=0, high=2**32 - 1)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._board = Board(setting, self._numbers(), self._ahead())
        board = self._board
        if not board.tiers:
            return board.start(setting.initial_blocks[:0])
        init = {**INITS, **INITS_AHEAD}[self.init]
        self._place = {**PLACES, **PLACES_AHEAD}[self.place]
        self._migrate = {**MIGRATIONS, **MIGRATIONS_AHEAD}[self.migrate]
        return board.start(init(board, first_reads) if setting.initial is None else setting.initial_blocks[:0])

    def step(self, view: View) -> Moves:
        board = self._board
        if not board.tiers:
            return Moves()
        board.begin(view)
        births = view.births.astype(np.int64)
        board.settle(births, self._place(board, births))
        self._migrate(board)
        return board.moves(view)

    def _numbers(self) -> Numbers:
        return Numbers(self.page, self.full, self.window, 1.0, self.seed, self.slips)

    def _ahead(self) -> Ahead | None:
        return None


@dataclass
class RulesAhead(Rules):
    """The same with rules that look ahead, of which there must be one: what they see is handed to them.

    The amounts that the next step reads, the next 16, 100 or 1024 steps of the layer, or the whole trace.
    """

    title: ClassVar[str] = "rules-ahead"
    online: ClassVar[bool] = False

    init: str = option("soonest", "what the fastest tier holds at first", choices=(*INITS_AHEAD, *INITS))
    place: str = option("next", "which new blocks go there", choices=(*PLACES_AHEAD, *PLACES))
    migrate: str = option("paid-for", "what moves", choices=(*MIGRATIONS_AHEAD, *MIGRATIONS))
    window: int = option(16, "steps that the rules window, skipped-batch and soon look back or ahead", low=1, high=2**31 - 1)
    ratio: float = option(1.0, "share of the candidates that the rule soon promotes", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.init in INITS_AHEAD or self.place in PLACES_AHEAD or self.migrate in MIGRATIONS_AHEAD):
            raise InputError("found no rule that looks ahead", "expected one; rules plays those that do not", field=self.title)

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        """See when each block is read."""
        self._sees = Ahead(instance.trace)

    def step(self, view: View) -> Moves:
        self._sees.begin(view.step)
        return super().step(view)

    def _numbers(self) -> Numbers:
        return Numbers(self.page, self.full, self.window, self.ratio, self.seed, self.slips)

    def _ahead(self) -> Ahead | None:
        return self._sees
