"""TensorRT-LLM's eviction by priority."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.cost import Cost
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Ids, Resident, Setting, View
from placement_opt.schedulers.base import option
from placement_opt.schedulers.cascade.tiered import Rule, Tiered, cascading, seconds_so_far

_TIMES = 2**40  # more than there are touches in a run
#: What a priority falls back to.
_DEFAULT = 35


@dataclass
class TrtLlm(Tiered):
    """TensorRT-LLM: what has the lowest priority makes way, the least recently read of it first; prompts may have a higher one.

    Blocks of prompts have ``prompt``, blocks of answers ``decode`` as their priority. Those unread for ``duration`` steps, or
    for ``duration_ms`` (answers: ``decode_duration_ms``) of the simulated time, whichever is sooner, fall back to 35. A block
    with a priority of at least ``offload`` goes to the next tier when it makes way, others are dropped where they may be. A
    read brings its block back, and its old place is free, as a block that is onboarded leaves the host.

    Defaults: 35 for prompts, on a scale from 0 to 100 (TensorRT-LLM, "How to change block priorities", 1.4.0rc4). That answers
    have 35, that 35 is what may be offloaded, and that priorities hold for ever were not found in the pages read and are
    our choice. Durations are milliseconds there (``duration_ms`` of a range of tokens and ``decode_duration_ms`` of
    KvCacheRetentionConfig). Here the clock is that of the run so far, read when a step begins, which is when its blocks count
    as read; from when on they count there was not found. ``duration`` in steps is ours. Readings: blocks that are there before
    step 0, and those of steps that read nothing, are of prompts; the others are of answers, as a trace does not say. A new
    block enters the fastest tier whatever its priority as far as it displaces none that is higher.
    """

    title: ClassVar[str] = "trtllm"
    family: ClassVar[str] = "serving"
    cost: ClassVar[Cost[Size]] = cascading("hicache")
    source: ClassVar[str] = "TensorRT-LLM: KvCacheRetentionConfig, KvCacheConfig.secondary_offload_min_priority (1.4.0rc4)"

    prompt: int = option(_DEFAULT, "priority of blocks of prompts", low=0, high=100)
    decode: int = option(_DEFAULT, "priority of blocks of answers (decode_retention_priority)", low=0, high=100)
    duration: int = option(0, "steps unread after which a priority falls back to 35; 0: never", low=0)
    duration_ms: float = option(0.0, "milliseconds unread after which a prompt's falls back; 0: never", low=0.0)
    decode_duration_ms: float = option(0.0, "milliseconds unread after which an answer's falls back; 0: never", low=0.0)
    offload: int = option(_DEFAULT, "least priority that goes down (secondary_offload_min_priority)", low=0, high=101)

    def rule(self) -> Rule:
        return Rule(move=True)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        self._own = np.full(len(setting.size), self.decode, dtype=np.int64)
        self._own[setting.initial_blocks] = self.prompt
        self._now = self._own.copy()
        self._touched = np.full(len(setting.size), 2**62, dtype=np.int64)
        self._touched[setting.initial_blocks] = 0
        self._timed = self.duration_ms > 0 or self.decode_duration_ms > 0
        self._life = np.full(len(setting.size), self.decode_duration_ms / 1e3 or math.inf)
        self._life[setting.initial_blocks] = self.duration_ms / 1e3 or math.inf
        self._when = np.full(len(setting.size), math.inf)
        self._when[setting.initial_blocks] = 0.0
        return super().start(setting, first_reads)

    def see(self, view: View, reads: Ids, births: Ids) -> None:
        if not len(view.reads):
            self._own[births] = self.prompt
            self._life[births] = self.duration_ms / 1e3 or math.inf
        for ids in (reads, births):
            self._now[ids], self._touched[ids] = self._own[ids], view.step
        if self.duration:
            self._fall_back(self._touched <= view.step - self.duration)
        if self._timed:
            now = seconds_so_far(view, self.title)
            self._when[reads], self._when[births] = now, now
            self._fall_back(self._when + self._life <= now)

    def _fall_back(self, over: Flags) -> None:
        old = np.flatnonzero(over & (self._now != _DEFAULT))
        self._now[old] = _DEFAULT
        self._levels.rank(old, self.keys(old))

    def keys(self, ids: Ids) -> Int64:
        return np.asarray(self._now[ids] * _TIMES + self._last[ids])

    def demotes(self, level: int, block: int) -> bool:  # noqa: ARG002
        return bool(self._now[block] >= self.offload)
