"""Local search over schedules: blocks choose their best paths one after the other, exactly timed, first smoothed, then sharp.

Given all other blocks, the best path of one is a shortest path (:mod:`placement_opt.schedulers.search.best_path_kernels`).
Where the room it wants is taken, blocks that hold it move out of the way in a chain, if all together gain. Plain descent stops
early, because a step's time is a maximum: a block gains nothing by helping a resource that is not quite the critical one. So
the maximum is smoothed at first and sharpened sweep by sweep, either with room as it is or with too little room at a fine that
rises. Every round does that from the best schedule known and keeps what came of it if it is faster; the search never returns
anything slower than its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.schedulers.search.game import dearest, make_game
from placement_opt.schedulers.search.paths import Paths, without_the_unread

#: What the first rounds do, and then what rounds do in turn; the width of the smoothing they begin with, as a share of a
#: step's time; and their sweeps.
_FIRST_ROUNDS = (("fined", 0.5, 8), ("fined", 0.5, 16))
_ROUNDS = (
    ("chained", 0.5, 8),
    ("fined", 0.5, 32),
    ("chained", 0.1, 8),
    ("fined", 0.2, 32),
    ("chained", 0.02, 8),
    ("fined", 1.0, 64),
)
#: A chained round multiplies the width by ``_SHARPER`` with each sweep, a fined one leads to ``_LAST_WIDTH``.
_SHARPER, _LAST_WIDTH = 0.6, 0.01
#: First and last fine, as a share of the highest price of reading a byte, and bytes over which it sets in, as a share of a
#: tier's room at width 1.
_FINES, _ROOM_WIDTH = (0.03, 3.0), 0.1
_SHARP_SWEEPS = 8
#: Blocks up to which every pair is tried, and partners of each block beyond.
_EVERY_PAIR, _PARTNERS = 12, 6
#: A push moves this share of the blocks, by times that are wrong by up to this share.
_PUSHED, _NOISE = (0.3, 1.0), (0.3, 20.0)
#: Relative improvement that counts, and those by which a sweep must shorten the time for another like it: after a round, and
#: before the first one.
_COUNTS, _GOES_ON, _ROUGHLY = 1e-12, 1e-6, 1e-3
_TIE = 1e-6
_PROBES = 3
#: Parts of a sweep in each of which every layer has its turn.
_STRETCHES = 16
#: (Block, state) pairs visited between two looks at the limits: some 50 ms; a tenth of them with chains.
_BETWEEN_LOOKS = 400_000


class Search:
    """The search on one instance.

    Parameters
    ----------
    instance
        See :func:`placement_opt.schedulers.search.game.searchable`.
    rent
        float64[T + 1, K]: what a byte of each tier's room is worth at each state, in seconds, as far as known; it guides
        which room is fought for.
    seed
        Of the order in which blocks have their turn.
    """

    def __init__(self, instance: Instance, rent: Float64 | None, seed: int) -> None:
        from placement_opt.schedulers.search import game_kernels, search_kernels

        self._kernels, self._game_kernels = search_kernels, game_kernels
        self._rng = np.random.default_rng(seed)
        self._game = make_game(instance, rent, seed)
        self._instance, self._dearest = instance, dearest(instance, self._game)
        self._fixed, self._capacity = self._game.value.copy(), self._game.room[0].copy()
        self._layer = instance.trace.block_layer
        self._lengths = instance.kept_until - instance.first_state + 1
        self._rounds = 0
        self.best = np.inf

    @property
    def work(self) -> int:
        """(Block, state) pairs visited so far, those of many tiers counted more than once."""
        return int(self._game.count[self._game_kernels.WORK])

    def begin(self, paths: Paths) -> float:
        """Start from these (legal) paths; their latency in seconds."""
        paths = without_the_unread(self._instance, paths)
        self._sets, self._start, self._best_path = paths.sets, paths.start, paths.number
        self._game.path[:] = self._best_path
        self.best = self._rebuild()
        return self.best

    def paths(self) -> Paths:
        """The best ones found."""
        return Paths(self._sets, self._start, self._best_path)

    def run(
        self,
        *,
        rounds: int,
        patience: int,
        budget: int,
        enough: float,
        limits: Limits,
        improved: Callable[[], None] | None = None,
    ) -> float:
        """Search for at most so many rounds, the last ``patience`` of them without success; the best latency in seconds.

        Parameters
        ----------
        budget
            Work after which the search ends; see :attr:`work`.
        enough
            A latency that need not be improved.
        limits
            Deadline and stop request; what is found by then is kept.
        improved
            Called whenever better paths were found.
        """
        self._budget, self._enough, self._limits, self._improved = budget, enough, limits, improved
        self._sharpen(until=_ROUGHLY)
        self._keep()
        since = 0
        for _ in range(rounds):
            if self._over() or since >= patience:
                break
            kind, width, sweeps = self._next_round()
            (self._fined if kind == "fined" else self._chained)(width, sweeps)
            self._sharpen(chains=kind == "chained")
            since = 0 if self._keep() else since + 1
        return self.best

    def shake(self, *, times: int, budget: int, enough: float, limits: Limits, improved: Callable[[], None]) -> None:
        """Pairs of blocks, then out of the best paths by a random push and down again, so many times.

        It finds what single blocks and chains cannot, and takes long: for small instances.
        """
        self._budget, self._enough, self._limits, self._improved = budget, enough, limits, improved
        work, left = self._pairs_work(), budget - self.work
        for number in range(times + 1):
            if self._over():
                return
            if number:
                self._push(self._rng.uniform(*_PUSHED), math.exp(self._rng.uniform(*np.log(_NOISE))))
                self._sharpen(chains=True)
            if work * (times if number else 1) <= left:  # every time, or at first, or never
                self._pair()
            self._keep()

    def _pairs(self) -> Int64:
        """int64[., 2]: every pair of blocks if they are few, else some partners for each; in random order."""
        blocks = len(self._lengths)
        if blocks <= _EVERY_PAIR:
            return np.ascontiguousarray(self._rng.permutation(np.array(np.triu_indices(blocks, 1)).T))
        halves = [self._rng.permutation(blocks)[: blocks // 2 * 2].reshape(-1, 2) for _ in range(_PARTNERS)]
        return np.concatenate(halves)

    def _pairs_work(self) -> float:
        """About what a sweep over pairs takes."""
        from placement_opt.schedulers.search.pairs_kernels import pair_weight

        blocks = len(self._lengths)
        pairs = min(blocks * (blocks - 1), _PARTNERS * blocks) / 2
        return pairs * float(self._lengths.mean()) * int(pair_weight(self._game))

    def _pair(self) -> None:
        """Sweeps over pairs of blocks until one shortens next to nothing."""
        from placement_opt.schedulers.search.pairs_kernels import sweep_pairs

        for _ in range(_SHARP_SWEEPS):
            if self._over():
                return
            change = sweep_pairs(self._game, self._pairs(), _COUNTS * self.best, self._budget)
            if change > -_GOES_ON * self.best:
                return

    def _push(self, share: float, noise: float) -> None:
        """Some blocks choose their best paths by step times with noise of that share in them."""
        game = self._game
        false = noise * self._scale()[:, None] * self._rng.random(game.value.shape)
        chosen = self._rng.permutation(len(self._lengths))[: max(2, math.ceil(share * len(self._lengths)))]
        game.width[:] = 0.0
        game.value[:] += false
        self._game_kernels.smooth(game)
        self._kernels.sweep(game, chosen, _TIE, -1.0, 0, 0.0, self._budget)
        game.value[:] -= false
        self._game_kernels.smooth(game)

    def _next_round(self) -> tuple[str, float, int]:
        number, first = self._rounds, len(_FIRST_ROUNDS)
        self._rounds += 1
        return _FIRST_ROUNDS[number] if number < first else _ROUNDS[(number - first) % len(_ROUNDS)]

    def _over(self) -> bool:
        return self._limits.reached or self.work >= self._budget or self.best <= self._enough

    def _chained(self, width: float, sweeps: int) -> None:
        """Sweeps over smoothed times, from a width down, with room as it is; blocks make way for each other in chains."""
        scale = self._scale()
        for number in range(sweeps):
            self._game.width[:] = width * _SHARPER**number * scale
            self._game_kernels.smooth(self._game)
            self._sweep(chains=number % 2 == 0)
            if self._over():
                return

    def _fined(self, width: float, sweeps: int) -> None:
        """Sweeps over smoothed times, from a width down, with too little room at a fine that rises; then nothing is over."""
        game, scale = self._game, self._scale()
        for number in range(sweeps):
            part = number / (sweeps - 1)
            sharp = width * (_LAST_WIDTH / width) ** part
            game.width[:] = sharp * scale if number < sweeps - 1 else 0.0
            game.fine[:] = self._dearest * _FINES[0] * (_FINES[1] / _FINES[0]) ** part
            game.blur[:] = 1.0 + _ROOM_WIDTH * sharp * self._capacity
            self._game_kernels.smooth(game)
            self._sweep(chains=False)
            if self._over():
                break
        game.fine[:] = 0.0
        game.width[:] = 0.0
        self._game_kernels.smooth(game)
        self._kernels.repair(game, self._rng.permutation(len(self._lengths)), _TIE)

    def _scale(self) -> Float64:
        """float64[T]: what widths are shares of: the times of the steps, half way to their mean."""
        times = np.maximum(self._game.value.max(axis=1), self._game.floor)
        return np.asarray((times + times.mean()) / 2)

    def _sharpen(self, *, chains: bool = False, until: float = _GOES_ON) -> None:
        """Sweeps over the true times until one shortens them by no more than a share; with chains in every other one, if asked
        for."""
        self._game.width[:] = 0.0
        self._game_kernels.smooth(self._game)
        before = np.inf
        for number in range(_SHARP_SWEEPS):
            if self._over():
                return
            change = self._sweep(chains=chains and number % 2 == 1)
            little = change > -until * self.best
            if little and (before > -until * self.best or not chains):
                return
            before = change

    def _sweep(self, *, chains: bool) -> float:
        """Let all blocks have their turn, as far as limits and budget go; the change of the objective.

        The order is random, but in stretches of one layer, which leaves what is known of other layers' steps valid for longer.
        """
        order = self._rng.permutation(len(self._lengths))
        if self._layer is not None:
            stretch = np.arange(len(order)) * _STRETCHES // len(order)
            order = order[np.lexsort((self._layer[order], stretch))]
        between = max(1, _BETWEEN_LOOKS // int(self._game.count[self._game_kernels.WEIGHT]) // (10 if chains else 1))
        parts = np.cumsum(self._lengths[order]) // between
        ends = np.searchsorted(parts, np.arange(1, int(parts[-1]) + 2))
        over, probes = (1.0, _PROBES) if chains else (-1.0, 0)
        least, change, begin = _COUNTS * self.best / len(order), 0.0, 0
        for end in ends.tolist():
            if self._over():
                break
            change += float(self._kernels.sweep(self._game, order[begin:end], _TIE, over, probes, least, self._budget))
            begin = end
        return change

    def _keep(self) -> bool:
        """Take over the present paths if they are faster than the best, else go back to those."""
        if (self._game.room >= 0).all():
            latency = self._rebuild()
            if latency < self.best * (1.0 - _COUNTS):
                self._best_path, self.best = self._game.path.copy(), latency
                if self._improved is not None:
                    self._improved()
                return True
        self._game.path[:] = self._best_path
        self._rebuild()
        return False

    def _latency(self) -> float:
        return math.fsum(np.maximum(self._game.value.max(axis=1), self._game.floor))

    def _rebuild(self) -> float:
        """Loads and room from the paths, anew."""
        game, kernels = self._game, self._game_kernels
        game.value[:] = self._fixed
        game.room[:] = self._capacity
        game.fine[:], game.width[:] = 0.0, 0.0
        kernels.smooth(game)
        kernels.place_all(game)
        kernels.smooth(game)
        return self._latency()
