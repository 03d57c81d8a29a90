"""The hooks of every classical policy behind one number, its kind: what the engine calls."""

from __future__ import annotations

from placement_opt.base.compiled import njit
from placement_opt.schedulers.classical import arc_kernels as arc
from placement_opt.schedulers.classical import car_kernels as car
from placement_opt.schedulers.classical import clock_kernels as clock
from placement_opt.schedulers.classical import counted_kernels as counted
from placement_opt.schedulers.classical import heap_kernels as heap
from placement_opt.schedulers.classical import leaf_kernels as leaf
from placement_opt.schedulers.classical import lirs_kernels as lirs
from placement_opt.schedulers.classical import mru_kernels as mru
from placement_opt.schedulers.classical import random_kernels as random
from placement_opt.schedulers.classical import s3_fifo_kernels as s3_fifo
from placement_opt.schedulers.classical import sieve_kernels as sieve
from placement_opt.schedulers.classical import slru_kernels as slru
from placement_opt.schedulers.classical import two_q_kernels as two_q
from placement_opt.schedulers.classical import w_tinylfu_kernels as w_tinylfu
from placement_opt.schedulers.classical.state_kernels import State, pull

MRU, CLOCK, SIEVE, RANDOM, SLRU, TWO_Q = 0, 1, 2, 3, 4, 5
S3_FIFO, ARC, CAR, COUNTED, W_TINYLFU, LIRS = 6, 7, 8, 9, 10, 11
PREFIX_LRU, LEAF_RANDOM = 12, 13
#: By the names of the modules, mostly.
KINDS = {
    "mru": MRU,
    "clock": CLOCK,
    "sieve": SIEVE,
    "random": RANDOM,
    "slru": SLRU,
    "two_q": TWO_Q,
    "s3_fifo": S3_FIFO,
    "arc": ARC,
    "car": CAR,
    "counted": COUNTED,
    "w_tinylfu": W_TINYLFU,
    "lirs": LIRS,
    "prefix_lru": PREFIX_LRU,
    "leaf_random": LEAF_RANDOM,
}


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def hit(s: State, kind: int, k: int, b: int) -> None:
    """A block that is in the tier of level k is read."""
    if kind == MRU:
        mru.hit(s, k, b)
    elif kind == CLOCK:
        clock.hit(s, k, b)
    elif kind == SIEVE:
        sieve.hit(s, k, b)
    elif kind == SLRU:
        slru.hit(s, k, b)
    elif kind == TWO_Q:
        two_q.hit(s, k, b)
    elif kind == S3_FIFO:
        s3_fifo.hit(s, k, b)
    elif kind == ARC:
        arc.hit(s, k, b)
    elif kind == CAR:
        car.hit(s, k, b)
    elif kind == COUNTED:
        counted.hit(s, k, b)
    elif kind == W_TINYLFU:
        w_tinylfu.hit(s, k, b)
    elif kind == LIRS:
        lirs.hit(s, k, b)
    elif kind in (PREFIX_LRU, LEAF_RANDOM):
        leaf.hit(s, kind == LEAF_RANDOM, k, b)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def ask(s: State, kind: int, k: int, b: int) -> None:
    """A block is wanted in the tier; room is made for it next."""
    if kind == TWO_Q:
        two_q.ask(s, k, b)
    elif kind == ARC:
        arc.ask(s, k, b)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def miss(s: State, kind: int, k: int, b: int) -> None:
    """A block comes into the tier."""
    if kind == MRU:
        mru.miss(s, k, b)
    elif kind == CLOCK:
        clock.miss(s, k, b)
    elif kind == SIEVE:
        sieve.miss(s, k, b)
    elif kind == RANDOM:
        random.miss(s, k, b)
    elif kind == SLRU:
        slru.miss(s, k, b)
    elif kind == TWO_Q:
        two_q.miss(s, k, b)
    elif kind == S3_FIFO:
        s3_fifo.miss(s, k, b)
    elif kind == ARC:
        arc.come(s, k, b)
    elif kind == CAR:
        car.miss(s, k, b)
    elif kind == COUNTED:
        counted.miss(s, k, b)
    elif kind == W_TINYLFU:
        w_tinylfu.miss(s, k, b)
    elif kind == LIRS:
        lirs.miss(s, k, b)
    elif kind in (PREFIX_LRU, LEAF_RANDOM):
        leaf.miss(s, kind == LEAF_RANDOM, k, b)


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def evict(s: State, kind: int, k: int) -> int:
    """The block of the tier, which is not empty, that goes next."""
    if kind == MRU:
        return int(mru.evict(s, k))
    if kind == CLOCK:
        return int(clock.evict(s, k))
    if kind == SIEVE:
        return int(sieve.evict(s, k))
    if kind == RANDOM:
        return int(random.evict(s, k))
    if kind == SLRU:
        return int(slru.evict(s, k))
    if kind == TWO_Q:
        return int(two_q.evict(s, k))
    if kind == S3_FIFO:
        return int(s3_fifo.evict(s, k))
    if kind == ARC:
        return int(arc.evict(s, k))
    if kind == CAR:
        return int(car.evict(s, k))
    if kind == COUNTED:
        return int(counted.evict(s, k))
    if kind == W_TINYLFU:
        return int(w_tinylfu.evict(s, k))
    if kind == LIRS:
        return int(lirs.evict(s, k))
    if kind in (PREFIX_LRU, LEAF_RANDOM):
        return int(leaf.evict(s, kind == LEAF_RANDOM, k))
    return -1


@njit(cache=True, counts=False, forceinline=True)  # type: ignore[untyped-decorator]
def free(s: State, kind: int, k: int, b: int, evicted: bool) -> None:
    """A block leaves the tier: evicted just now, or moved up or freed for good. Most take it out of its list, no more."""
    if kind == SIEVE:
        sieve.free(s, k, b)
    elif kind == RANDOM:
        random.free(s, k, b)
    elif kind == COUNTED:
        heap.take(s, k, b)
    elif kind == TWO_Q:
        two_q.free(s, k, b, evicted)
    elif kind == S3_FIFO:
        s3_fifo.free(s, k, b, evicted)
    elif kind in (ARC, CAR):
        arc.free(s, k, b, evicted)
    elif kind == LIRS:
        lirs.free(s, k, b, evicted)
    elif kind in (PREFIX_LRU, LEAF_RANDOM):
        leaf.free(s, kind == LEAF_RANDOM, k, b)
    else:
        pull(s, k, b, s.size[b])
