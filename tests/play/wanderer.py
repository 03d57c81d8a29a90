"""A scheduler that moves at random wherever that is legal, under every rule and any table of operations."""

from __future__ import annotations

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Moves
from placement_opt.schedulers import make_scheduler
from tests.schedulers.cases import ids
from tests.twins import label_of


class Wanderer:
    """Moves one block after the other; wasteful moves too."""

    name, online, source = "wanderer", False, "a test"

    def __init__(self, instance: Instance, seed: int) -> None:
        self.instance, self.rng = instance, np.random.default_rng(seed)
        operations = instance.memory.operations
        anew = operations.serves & operations.brings & (operations.source < 0)
        self.remade = {b for b in range(instance.num_blocks) if operations.applies[anew, label_of(instance, b)].any()}

    def plan(self, instance, limits) -> None:  # noqa: ARG002
        assert instance is self.instance

    def start(self, setting, first_reads):
        if not setting.free_start:
            return None
        if not self.instance.forgets:
            return make_scheduler("static").start(setting, first_reads)
        held = np.zeros((len(setting.capacity), len(setting.size)), dtype=bool)
        room = setting.capacity.tolist()
        for b in setting.initial_blocks.tolist():
            for k in range(len(room)):
                if self.rng.random() < 0.5 and room[k] >= setting.size[b]:
                    held[k, b] = True
                    room[k] -= int(setting.size[b])
        return held

    def step(self, view) -> Moves:
        instance, moves = self.instance, ([], [], [])
        room = (instance.capacity - view.used).tolist()
        near = {*view.reads.tolist(), *view.births.tolist()} - set(view.freed.tolist())
        alive = sorted(near | set(np.flatnonzero(view.resident.any(axis=0)).tolist()) - set(view.freed.tolist()))
        whole = {b for n, b in enumerate(view.reads.tolist()) if view.shares is None or view.shares[n] == instance.share_base}
        for b in alive:
            held = set(np.flatnonzero(view.resident[:, b]).tolist())
            if instance.inclusive and b in view.births:
                held = {instance.home}
            start, size = set(held), int(instance.size[b])
            for k in self.rng.permutation(instance.num_tiers).tolist():
                wants = self.rng.random() < 0.4 or (b in view.births and not held and not instance.forgets)
                if k in held or not wants or room[k] < size:
                    continue
                at_hand = b in near and (b in view.births or bool(start) or b in self.remade & whole)
                ways = ([None] if at_hand else []) + ([] if b in view.births else sorted(start))
                if not ways:
                    continue
                source = ways[int(self.rng.integers(len(ways)))]
                others = start if instance.residency == "exclusive" else set()
                if instance.residency == "exclusive" and held != start:
                    continue
                moves[0 if source is None else 1].append((k, ids(b)) if source is None else (source, k, ids(b)))
                moves[2].extend((j, ids(b)) for j in others)
                room[k] -= size
                held = (held | {k}) - others
            kept = set() if instance.forgets else {instance.home}
            spare = sorted(held & start - kept) if instance.residency != "exclusive" else []
            if spare and (len(held) > 1 or instance.forgets) and self.rng.random() < 0.3:
                moves[2].append((spare[0], ids(b)))
        return Moves(*moves)
