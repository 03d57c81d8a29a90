"""Where a policy has each block as each step begins: moves of hand-sized traces, to be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.memory.operations import Operation
from placement_opt.play.protocol import Clairvoyant, Ids, Moves, Resident, Setting, View
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.served import Served
from tests.small import chain, make_instance, make_trace
from tests.worlds import with_operations


class _Spy:
    """A scheduler that notes what its policy is shown."""

    source = "tests"

    def __init__(self, spec: str) -> None:
        self._policy, self.name = make_scheduler(spec), spec
        self.online, self.seen = self._policy.online, list[str]()

    def plan(self, instance: Instance, limits: Limits) -> None:
        cast(Clairvoyant, self._policy).plan(instance, limits)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        return self._policy.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        self.seen.append(" ".join("".join(str(k) for k in np.flatnonzero(held)) or "-" for held in view.resident.T))
        return self._policy.step(view)


def places(instance: Instance, spec: str) -> list[str]:
    """For each step, the tiers of each block as it begins: "0 12 -" is block 0 in tier 0, 1 in tiers 1 and 2, 2 in none."""
    spy = _Spy(spec)
    simulate(instance, spy)
    return list(spy.seen)


def three(
    reads: Sequence[Sequence[int]], start: str, *, rule: Residency = "free", room: Sequence[int] = (1, 1, 9), births: int = 0
) -> Instance:
    """Blocks of a byte in three tiers with room for so many, which begin as said (see :func:`places`), or if that says "free"
    as the policy likes, where there are ``births``: blocks produced at steps 0, 1, ..."""
    initial = [[tier in word for word in start.split()] for tier in "012"]
    count = len(initial[0])
    birth = [*([-1] * count), *range(births)]
    memory = chain(room, (100, 50, 10), (50, 10))
    if rule == "cache":
        memory = with_operations(memory, [Operation("anew", None, (9,) * 5, brings=True)])
    instance = make_instance(memory, make_trace([*reads, []], birth), residency=rule)
    held = np.zeros((3, count + births), dtype=bool)
    held[:, :count] = initial
    return replace(instance, initial=held)


def served(instance: Instance, admitted: Sequence[int], last: Sequence[int]) -> Instance:
    """The same with requests that are let in and end at these steps."""
    first, zero = np.array(admitted, dtype=np.int32), np.zeros(len(admitted), dtype=np.int64)
    table = Served(zero, first, first, np.array(last, dtype=np.int32), zero, zero)
    return replace(instance, trace=replace(instance.trace, requests=table))
