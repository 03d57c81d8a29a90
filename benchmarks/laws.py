"""Traces whose read sets change by other laws than the generators': nothing of a policy was chosen on these seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from tests.small import make_instance, make_trace, two_tier


def _made(
    reads: list[list[int]], blocks: int, room: int, residency: Residency, *, layers: int | None = None, born: int = 0
) -> Instance:
    """Blocks of a byte on two tiers; the last ``born`` are produced, one a step."""
    births = [-1] * (blocks - born) + list(range(born))
    return make_instance(two_tier(hbm=room, lpddr=2**40), make_trace(reads, births, layers=layers), residency)


def _popular(blocks: int, exponent: float) -> np.ndarray:
    weight = 1.0 / (1 + np.arange(blocks)) ** exponent
    return np.asarray(weight / weight.sum())


def returning(rng: np.random.Generator) -> Instance:
    """Of what is read 70 % is read again 14 steps later, the rest is drawn anew."""
    due: dict[int, list[int]] = {}
    reads = []
    for step in range(300):
        now = set(due.pop(step, []))
        while len(now) < 40:
            now.add(int(rng.integers(2000)))
        reads.append(sorted(now))
        due[step + 14] = [block for block in reads[-1] if rng.random() < 0.7]
    return _made(reads, 2000, 300, "free")


def shifting(rng: np.random.Generator) -> Instance:
    """Zipf's law with exponent 0.9; every 90 steps other blocks are popular."""
    chance, reads = _popular(1500, 0.9), []
    for step in range(360):
        if step % 90 == 0:
            order = rng.permutation(1500)
        reads.append(sorted(order[rng.choice(1500, 60, replace=False, p=chance)].tolist()))
    return _made(reads, 1500, 300, "inclusive")


def sliding(rng: np.random.Generator) -> Instance:
    """Zipf's law with exponent 1; which blocks are popular moves on at every step."""
    chance, reads = _popular(1500, 1.0), []
    for step in range(360):
        drawn = rng.choice(1500, 60, replace=False, p=chance)
        reads.append(sorted(set(((drawn * 7919 + 3 * step) % 1500).tolist())))
    return _made(reads, 1500, 300, "free")


def unlike_layers(rng: np.random.Generator) -> Instance:
    """Four layers: always the same reads, drifting ones, a scan in circles, and Zipf's law."""
    number, chance, order = 400, _popular(400, 1.0), rng.permutation(400)
    always, drifting, reads = sorted(rng.choice(number, 100, replace=False).tolist()), list(range(100)), []
    for turn in range(100):
        gone = rng.choice(drifting, 15, replace=False).tolist()
        drifting = sorted((set(drifting) - set(gone)) | set(rng.choice(number, 15, replace=False).tolist()))
        scan = [(100 * turn + k) % number for k in range(100)]
        some = order[rng.choice(number, 100, replace=False, p=chance)].tolist()
        reads += [sorted(4 * block + layer for block in one) for layer, one in enumerate((always, drifting, scan, some))]
    return _made(reads, 4 * number, 500, "inclusive", layers=4)


def scanned(rng: np.random.Generator) -> Instance:
    """40 of 200 blocks at each step, and 20 that are read once."""
    reads = [[*sorted(rng.choice(200, 40, replace=False).tolist()), *range(200 + 20 * t, 220 + 20 * t)] for t in range(300)]
    return _made(reads, 6200, 200, "free")


def windowed(rng: np.random.Generator) -> Instance:
    """The first 8 blocks, the newest 60, and four pages of 16 in between, drawn anew at each step."""
    reads = []
    for number in range(400, 700):
        pages = rng.choice((number - 60) // 16, 4, replace=False).tolist()
        between = {16 * page + k for page in pages for k in range(16)}
        reads.append(sorted(between | set(range(8)) | set(range(number - 60, number))))
    return _made(reads, 700, 200, "inclusive", born=300)


def looping(rng: np.random.Generator) -> Instance:
    """50 of 600 blocks after the other, in circles, from a place drawn at random."""
    first = int(rng.integers(600))
    return _made([sorted((first + 50 * t + k) % 600 for k in range(50)) for t in range(300)], 600, 400, "inclusive")


LAWS: tuple[Callable[[np.random.Generator], Instance], ...] = (
    *(returning, shifting, sliding, unlike_layers),
    *(scanned, windowed, looping),
)


def laws(seed: int = 2027) -> Iterator[tuple[str, Instance]]:
    """Each of them by its name."""
    for law in LAWS:
        yield law.__name__.replace("_", " "), law(np.random.default_rng(seed))
