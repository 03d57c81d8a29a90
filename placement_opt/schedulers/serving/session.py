"""Keep what sessions that are served will want again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading
from placement_opt.schedulers.serving.owners import Owners

_TIMES = 2**40  # more than there are touches in a run


@dataclass
class Session(Tiered):
    """Blocks of requests that are served stay, then those of requests that ended up to ``wait`` steps ago; others make way.

    Whose a block is, :class:`Owners` says. Of equal standing, what was touched longest ago makes way. It goes one tier down,
    what is read comes up. A session's return is counted in steps, as a policy does not see seconds. Needs a trace that says
    which requests its steps serve.
    """

    title: ClassVar[str] = "session"
    family: ClassVar[str] = "serving"
    requires: ClassVar[tuple[str, ...]] = ("a trace that says which requests its steps serve (trace derive)",)
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = "session hints and soft retention: vllm#52113, sglang#27970; the rule and its default are ours"

    wait: int = option(100, "steps after its end for which a request's blocks are kept before others", low=0)

    def rule(self) -> Rule:
        return Rule(move=True, depth=ALL)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._owners = Owners(setting, self.wait)
        return super().start(setting, first_reads)

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        changed = self._owners.see(view, np.concatenate([reads, births]), self.title)
        self._levels.rank(changed, self.keys(changed))

    def keys(self, ids: Ids) -> Int64:
        return np.asarray(self._owners.state[ids] * _TIMES + self._last[ids])
