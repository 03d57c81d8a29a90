"""What the steps of a run take while it goes on, for policies that look at the clock of what is simulated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.instance.instance import Instance
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.amounts import moving_loads
from placement_opt.play.timed import served_of


class Past:
    """What the steps of a run take so far, as it goes on: their sum as floats, each with its reads split as fast as can be.

    Parameters
    ----------
    instance
        Of the run. Where it minimises something else than time, or has budgets, the split of its reads is known in the end
        alone, and its steps may take longer than said here.
    held, passed, moved
        As for :func:`time_run`, filled in step by step.
    """

    def __init__(self, instance: Instance, held: npt.NDArray[np.uint16], passed: npt.NDArray[np.bool_], moved: Int64) -> None:
        self._instance, self._held, self._passed, self._moved = instance, held, passed, moved
        self._serve = instance.loads.serve.reshape(-1, instance.num_resources)
        self._timers: dict[tuple[int, ...], StepTimer] = {}
        self._sums = [0.0]

    def seconds(self, steps: int) -> float:
        """What the first steps take, all of which have been played."""
        first, instance = len(self._sums) - 1, self._instance
        if steps > first:
            here = slice(first, steps)
            found, served = served_of(instance, self._held, self._passed, here)
            timer = self._timers.get(tuple(found))
            if timer is None:
                timer = self._timers[tuple(found)] = StepTimer(instance.memory, found, self._serve)
            base = instance.fixed[here] + self._moved[here].astype(float) @ moving_loads(instance) / instance.share_base
            for one in np.maximum(timer.times(served / instance.share_base, base), instance.floor[here]).tolist():
                self._sums.append(self._sums[-1] + one)
        return self._sums[steps]
