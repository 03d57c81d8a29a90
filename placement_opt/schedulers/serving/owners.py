"""Which requests blocks belong to, and whether those are served."""

from __future__ import annotations

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.play.protocol import Ids, Setting, View

#: How much blocks are kept: of a request that has ended for good, that may return, that is served.
OVER, WAITING, SERVED = 0, 1, 2


class Owners:
    """The owners of the blocks of one run.

    A block belongs to the requests let in by the step that touched it first, or to all that this step served where it let in
    none (a trace does not say who reads what); to others when it is touched after they have ended. One of them that is served
    is enough. Blocks that are there before step 0 wait for a request as if one had ended there.

    Parameters
    ----------
    setting
        Of the run.
    wait
        Steps after its end for which a request may return.

    Attributes
    ----------
    state
        int64[B]: ``OVER``, ``WAITING`` or ``SERVED``.
    """

    def __init__(self, setting: Setting, wait: int) -> None:
        count = len(setting.size)
        self._wait = wait
        self.state: Int64 = np.full(count, WAITING, dtype=np.int64)
        self._group = np.full(count, -1, dtype=np.int64)
        self._group[setting.initial_blocks] = 0
        self._groups: list[set[int]] = [set()]
        self._served, self._states, self._open = [0], [WAITING], {0}
        self._before: set[int] = set()

    def see(self, view: View, arrived: Ids, who: str) -> Ids:
        """What a step that touches these blocks changes; the blocks whose state became another with that of their requests.

        InputError in the name of ``who`` where the trace does not say which requests its steps serve.
        """
        if view.requests is None:
            found = "found a trace that does not say which requests its steps serve"
            raise InputError(found, "expected one with requests (trace derive)", field=who)
        now = set(view.requests.tolist())
        let_in, self._before = now - self._before or now, now
        changed = [self._age(group, now, view.step) for group in sorted(self._open)]
        latest = len(self._groups) - 1
        if not now or latest not in self._open or let_in != self._groups[latest]:
            latest += 1
            self._open.add(latest)
            self._groups.append(let_in)
            self._served.append(view.step)
            self._states.append(SERVED if now else WAITING)
        free = arrived[self.state[arrived] != SERVED]
        self._group[free], self.state[free] = latest, self._states[latest]
        return np.concatenate([np.zeros(0, dtype=np.int64), *changed])

    def _age(self, group: int, now: set[int], step: int) -> Ids:
        """What becomes of a group of requests and of its blocks, now that these are served."""
        alive = bool(self._groups[group] & now)
        if alive:
            self._served[group] = step
        waits = step - self._served[group] <= self._wait
        if not waits:
            self._open.discard(group)
        state = SERVED if alive else WAITING if waits else OVER
        if self._states[group] == state:
            return np.zeros(0, dtype=np.int64)
        self._states[group] = state
        here = np.flatnonzero(self._group == group)
        self.state[here] = state
        return here
