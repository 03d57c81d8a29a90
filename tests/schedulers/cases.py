"""Instances and schedulers that several tests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.memory.operations import Operation
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import ASKED, Description, describe
from placement_opt.schedulers.search.paths import Paths, schedule_of
from placement_opt.workload.synth import GENERATORS
from tests.small import make_instance, random_instance, two_tier
from tests.worlds import with_operations

#: Behind these are relaxations or a search over whole schedules.
_SLOW = ("mpc", "lp-rounded", "optimised", "milp")
#: Which of equally good solutions of a program these get is up to the solver's version.
PROGRAMS = ("myopic",)
#: These need requests, which small random instances lack; flexgen's by=layer needs layers.
_LACKING = ("session",)
#: Options that reach branches, where that takes more than another word for one of them.
_OPTIONS = {
    "page": ("blocks=2", "blocks=1,layers=own"),
    "sa": ("iterations=3", "window=2,ratio=0.7"),
    "flexgen": ("by=token",),
    "rules": ("migrate=reactive", "init=spread,place=pages,page=2,migrate=window,window=2"),
    "rules-ahead": ("migrate=everything", "init=pages,place=fast,page=2,migrate=slack"),
}
#: Cascades and servers share the mechanism of ``scope=layer``: these stand for the others.
_SCOPED = ("exclusive-cascade", "lmcache")
#: Further ones, whose branches words alone do not reach.
_MORE = {
    "hicache": ("write=write_back,threshold=0.4,depth=2,share=1.0",),
    "lmcache": ("chunk=3",),
    "cxl-speckv": ("accuracy=0.6,buffer=0.5",),
    "vllm-offload": ("evict=arc,scope=layer",),
    "trtllm": ("prompt=50,decode=60,duration_ms=487.3,decode_duration_ms=203.1",),
    "ttl": ("seconds=0.3137",),
    "vattention": ("page=3,ahead=2,reserve=0.2",),
}
#: With these options they look at ids, as they do not by default: nothing else says the order of blocks there at the start.
BY_POSITION = ("lmcache:chunk=3", "cxl-speckv:accuracy=0.6,buffer=0.5", "vattention:page=3,ahead=2,reserve=0.2")


def _specs(one: Description) -> list[str]:
    """A scheduler with options that reach its branches."""
    if one.name in _OPTIONS:
        return [f"{one.name}:{options}" for options in _OPTIONS[one.name]]
    options = [option for option in one.options if option.key != "scope" or option.default != "global" or one.name in _SCOPED]
    words = [f"{one.name}:{option.key}={word}" for option in options for word in option.choices if word != option.default]
    return [one.name, *words, *(f"{one.name}:{options}" for options in _MORE.get(one.name, ()))]


#: Every other scheduler that there is, with options that reach its branches.
#: Those that need a file of their own are tested with it.
SPECS = tuple(spec for one in describe() if one.name not in {*_SLOW, *_LACKING, *ASKED} for spec in _specs(one))


def with_layers(instance: Instance, layers: int) -> Instance:
    """The same with layers dealt out to steps and blocks in turn."""
    trace = instance.trace
    step_layer = (np.arange(trace.num_steps) % layers).astype(np.int32)
    block_layer = (np.arange(trace.num_blocks) % layers).astype(np.int32)
    return replace(instance, trace=replace(trace, step_layer=step_layer, block_layer=block_layer))


def any_instance(seed: int) -> Instance:
    """A small random instance: any rule, 1 to 4 tiers, sometimes unequal sizes, shares, deaths, layers, a given start."""
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng,
        int(rng.integers(1, 5)),
        KEEPING[seed % 3],
        blocks=int(rng.integers(1, 11)),
        steps=int(rng.integers(1, 11)),
        max_size=int(rng.integers(1, 4)),
        shares=rng.random() < 0.3,
        deaths=rng.random() < 0.5,
        given=rng.random() < 0.3,
    )
    return with_layers(instance, int(rng.integers(2, 4))) if rng.random() < 0.4 else instance


def as_cache(instance: Instance, seed: int) -> Instance:
    """The same under the rule cache, with less room, a part of what is given at the start, and one or two operations that need
    no source; now and then none of them leaves a block at the processor."""
    rng = np.random.default_rng([seed, 3])
    rows = rng.integers(1, 4, (2, instance.num_resources)).tolist()
    brings = [rng.random() < 0.8, rng.random() < 0.5]
    more = [Operation(f"from outside {n}", None, tuple(rows[n]), brings=brings[n]) for n in range(int(rng.integers(1, 3)))]
    initial = None if instance.initial is None else instance.initial & (rng.random(instance.initial.shape) < 0.7)
    used = 0 if initial is None else initial @ instance.size
    some = (instance.size.max() + rng.random(instance.num_tiers) * instance.size.sum() / 2).astype(np.int64)
    capacity = np.where(rng.random(instance.num_tiers) < 0.2, 0, np.maximum(some, used))
    capacity = np.where((capacity < used) | (capacity.sum() == 0), np.maximum(some, used), capacity)
    memory = with_operations(instance.memory, more)
    return replace(instance, memory=memory, residency="cache", capacity=capacity, initial=initial)


def drift(capacity: float = 0.3, *, seed: int = 0, weights: int = 133, **params: object) -> Instance:
    """Problem.md section 8: section 7's memory, one-byte blocks, ``weights`` bytes of fixed load a step."""
    settings, generate = GENERATORS["drift"]
    trace = replace(generate(settings(**params), np.random.default_rng(seed)), size_unit="bytes")
    return make_instance(two_tier(hbm=round(capacity * trace.num_blocks)), trace, fixed=[weights, 0, 0, 0])


@dataclass
class Scripted:
    """Plays given moves, step -> Moves, from ``initial`` (everything at home); ``look`` is shown every view."""

    moves: dict[int, Moves] = field(default_factory=dict)
    initial: Resident | None = None
    look: Callable[[View], object] | None = None
    name: str = "scripted"
    online: bool = True
    source: str = "a test"

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self.setting, self.first_reads = setting, first_reads
        if setting.free_start and self.initial is None:
            resident = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
            resident[setting.home, setting.initial_blocks] = True
            return resident
        return self.initial

    def step(self, view: View) -> Moves:
        if self.look is not None:
            self.look(view)
        return self.moves.get(view.step, Moves())


def ids(*blocks: int) -> Ids:
    return np.array(blocks, dtype=np.int64)


def timed(instance: Instance, paths: Paths) -> float:
    """What the simulator says of paths."""
    return simulate(instance, Replay(schedule_of(instance, paths, "a test"))).latency_s
