"""Keep what sessions that are served will want again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import ALL, Rule, Tiered, cascading

_TIMES = 2**40  # more than there are touches in a run
#: How much blocks are kept: of a session that has ended for good, that may return, that is served.
_OVER, _WAITING, _SERVED = 0, 1, 2


@dataclass
class Session(Tiered):
    """Blocks of requests that are served stay, then those of requests that ended up to ``wait`` steps ago; others make way.

    A block belongs to the requests let in by the step that touched it first, or to all that this step served where it let in
    none (a trace does not say who reads what); to others when it is touched after they have ended. One of them is enough to
    keep it. Of equal standing, what was touched longest ago makes way. It goes one tier down, what is read comes up. Blocks
    that are there before step 0 wait for a request as if one had ended there. A session's return is counted in steps, as a
    policy does not see seconds. Needs a trace that says which requests its steps serve.
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
        count = len(setting.size)
        self._state = np.full(count, _WAITING, dtype=np.int64)
        self._group = np.full(count, -1, dtype=np.int64)
        self._group[setting.initial_blocks] = 0
        self._groups: list[set[int]] = [set()]
        self._served, self._states, self._open = [0], [_WAITING], {0}
        self._before: set[int] = set()
        return super().start(setting, first_reads)

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        if view.requests is None:
            found = "found a trace that does not say which requests its steps serve"
            raise InputError(found, "expected one with requests (trace derive)", field=self.title)
        now = set(view.requests.tolist())
        owners, self._before = now - self._before or now, now
        for group in sorted(self._open):
            self._age(group, now, view.step)
        latest = len(self._groups) - 1
        if not now or latest not in self._open or owners != self._groups[latest]:
            latest += 1
            self._open.add(latest)
            self._groups.append(owners)
            self._served.append(view.step)
            self._states.append(_SERVED if now else _WAITING)
        for ids in (reads, births):
            free = ids[self._state[ids] != _SERVED]
            self._group[free], self._state[free] = latest, self._states[latest]

    def _age(self, group: int, now: set[int], step: int) -> None:
        """What becomes of a group of requests and of its blocks, now that these are served."""
        alive = bool(self._groups[group] & now)
        if alive:
            self._served[group] = step
        waits = step - self._served[group] <= self.wait
        self._become(group, _SERVED if alive else _WAITING if waits else _OVER)
        if not waits:
            self._open.discard(group)

    def _become(self, group: int, state: int) -> None:
        if self._states[group] != state:
            self._states[group] = state
            here = np.flatnonzero(self._group == group)
            self._state[here] = state
            self._levels.rank(here, self.keys(here))

    def keys(self, ids: Ids) -> Int64:
        return np.asarray(self._state[ids] * _TIMES + self._last[ids])
