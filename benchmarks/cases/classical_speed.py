"""How many reads a second each classical policy handles, simulated and by itself; and libcachesim, where it is installed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence

from benchmarks.inputs import write_instance
from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import REGISTRY, make_scheduler

#: Theirs -> ours, where both have the rule.
_THEIRS = {"LRU": "lru:scope=global", "FIFO": "fifo:scope=global", "Clock": "clock", "Sieve": "sieve", "S3FIFO": "s3-fifo"}


class _Timed:
    """A scheduler, and the seconds of the processor that its steps take."""

    online, source = True, "a benchmark"

    def __init__(self, spec: str) -> None:
        self._own, self.name, self.seconds = make_scheduler(spec), spec, 0.0

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        return self._own.start(setting, first_reads)

    def step(self, view: View) -> Moves:
        begin = time.process_time()
        moves = self._own.step(view)
        self.seconds += time.process_time() - begin
        return moves


def _instance(steps: int) -> Instance:
    """20,000 blocks by Zipf's law, a thousand read at each step, room for 30 % of them in HBM."""
    return write_instance(
        name="zipf",
        preset="gh200",
        memory='hbm.capacity = "6000 MiB"',
        llm='kv_bytes = "1 MiB"',
        trace=f'synth = "zipf"\nseed = 1\nblocks = 20000\nsteps = {steps}\nreads = 1000\nexponent = 1.0\nblock_size = "1 MiB"',
    )


def _build(steps: int) -> State:
    instance, small = _instance(steps), _instance(2)
    names = [name for name, policy in REGISTRY.items() if policy.online and (policy.family == "classical" or name == "static")]
    for name in names:  # kernels are compiled once per machine and cached; a user pays for that once
        simulate(small, make_scheduler(name))
    return {"instance": instance, "names": names}


def _policies(state: State) -> Mapping[str, Figure]:
    """Reads a second of the processor: simulated, and in the policy's own steps."""
    instance, found = state["instance"], dict[str, Figure]()
    reads = instance.trace.num_reads
    for name in state["names"]:
        timed, begin = _Timed(name), time.process_time()
        simulate(instance, timed)
        found[f"{name} reads_per_s"] = reads / (time.process_time() - begin)
        found[f"{name} own reads_per_s"] = reads / timed.seconds
    own = [float(rate) for name, rate in found.items() if name.endswith(" own reads_per_s")]
    whole = [float(rate) for name, rate in found.items() if not name.endswith(" own reads_per_s")]
    return {"reads": reads, **found, "slowest own reads_per_s": min(own), "slowest reads_per_s": min(whole)}


def _theirs(state: State) -> Mapping[str, Figure]:
    """Reads a second through the Python door of libcachesim, one call a read; nothing where it is not installed."""
    try:
        libcachesim = importlib.import_module("libcachesim")
    except ImportError:
        return {"libcachesim": "not installed"}
    trace, found = state["instance"].trace, dict[str, Figure]()
    for name, ours in _THEIRS.items():
        cache, request = getattr(libcachesim, name)(cache_size=6000), libcachesim.Request()
        request.obj_size, begin = 1, time.process_time()
        for block in trace.blocks.tolist():
            request.obj_id = block
            cache.get(request)
        found[f"libcachesim {ours} reads_per_s"] = trace.num_reads / (time.process_time() - begin)
    return found


register(
    Spec(
        name="classical-speed",
        about="Each classical policy on 1,000 steps that read 1,000 of 20,000 blocks by Zipf's law: reads a second of a core.",
        build=_build,
        phases={"policies": _policies, "libcachesim": _theirs},
        sizes=(2, 1000),
        targets=(
            *(Target(f"{name} reads_per_s", "at least", 2e7) for name in ("static", "lru", "fifo", "clock")),
            Target("slowest reads_per_s", "at least", 5e6),
        ),
    )
)
