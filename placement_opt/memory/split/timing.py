"""How long a step's transfers take when its reads are split optimally over the copies of their blocks.

Given the bytes S_p readable from any tier of pattern p and the other loads base_r, the time of a step is

    tau = min max_r (base_r + sum_p sum_{k in p} y_pk read[k, r]) / B_r    over y >= 0 with sum_k y_pk = S_p
        = max over extreme price vectors rho of  base @ rho + sum_p S_p min_{k in p} read[k] @ rho,

the second line by duality (problem statement, section 4; alpha* = B_HBM / (B_HBM + min(B_link, B_ext)) of arXiv 2508.13231 is
its two-tier case). The price vectors, with rho >= 0 and sum_r B_r rho_r = 1, depend on the memory system and the patterns only,
so they are enumerated once, exactly (:mod:`placement_opt.memory.split.price_rays`), and a step costs a small table product.

Resources that the same tiers' reads load equally are one for the split: at an extreme vector one of them carries the price.
Resources that no read loads carry a price alone. The floor under a step's time is not the business of this module.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from placement_opt.base.arrays import Float64, Int64
from placement_opt.memory.split.price_rays import TooManyRays, extreme_rays
from placement_opt.memory.split.read_split import Split, Ways, exact_time, solve_split
from placement_opt.memory.system import MemorySystem

Loads = Float64 | Int64

#: Systems with more extreme price vectors are timed by one small linear program a step instead (from eight tiers or so, where
#: every set of tiers may hold a block).
MOST_VECTORS = 4096
_ROWS = 1024
_CLOSE = 1e-9


class StepTimer:
    """Optimal times and splits of steps on one memory system (K tiers, R resources).

    Parameters
    ----------
    memory
        The system.
    patterns
        P sets of ways to serve a block, as bitmasks: bit k is the read from tier k, the bits from K on are the further serving
        operations (:meth:`placement_opt.memory.operations.Operations.usable`).
    loads
        int64[V, R]: what each way loads for a unit; without it, the serving rows of the system's operations, for a byte. With
        kinds of blocks the ways of one kind follow those of another, so that a pattern says the kind too
        (:func:`placement_opt.play.timed.time_run`); the unit is then a block, and "bytes" below are counted in such units.

    Attributes
    ----------
    rho
        float64[V, R]: extreme resource prices in seconds per byte, ``rates @ rho[v] = 1``.
    cheapest
        float64[V, P]: price of one byte read from the cheapest tier of each pattern.
    members
        The ways of each pattern, ascending.
    complete
        Whether ``rho`` holds every extreme vector. False beyond ``MOST_VECTORS``: then ``rho`` holds only the vectors with one
        price (each of them still gives a lower bound on every step's time) and the methods solve a linear program a step.
    """

    def __init__(self, memory: MemorySystem, patterns: Sequence[int], loads: Int64 | None = None) -> None:
        self.memory = memory
        self.ways = Ways(memory.rates, memory.operations.per_byte[memory.operations.serving] if loads is None else loads)
        self.patterns = tuple(int(pattern) for pattern in patterns)
        count = len(self.ways.loads)
        for pattern in self.patterns:
            if not 0 < pattern < 1 << count:
                raise ValueError(f"pattern {pattern} is no non-empty set of {count} ways to serve")
        try:
            self._weights = _price_vectors(self.ways, self.patterns)
            self.complete = True
        except TooManyRays:
            self._weights = np.eye(len(memory.resources), dtype=np.int64)
            self.complete = False
        # rho[v] = weights[v] / norms[v], exactly; norms are Python integers because rates times weights may pass 2**63.
        rates = [int(rate) for rate in memory.rates]
        self._norms = [sum(w * rate for w, rate in zip(row, rates, strict=True)) for row in self._weights.tolist()]
        reads = self._weights @ self.ways.loads.T
        members = [[k for k in range(count) if pattern >> k & 1] for pattern in self.patterns]
        columns = [reads[:, tiers].min(axis=1) for tiers in members]
        self._least = np.column_stack(columns) if columns else np.zeros((len(reads), 0), dtype=np.int64)
        self.rho: Float64 = _divided(self._weights, self._norms)
        self.cheapest: Float64 = _divided(self._least, self._norms)
        self.members = members

    def times(self, served: Loads, base: Loads) -> Float64:
        """float64[n]: optimal seconds of n steps.

        Parameters
        ----------
        served
            [n, P] bytes to be read from any tier of each pattern.
        base
            [n, R] bytes of all other loads.
        """
        served, base = _rows(served), _rows(base)
        if not self.complete:
            return np.array([self._solve(s, b).time for s, b in zip(served, base, strict=True)])
        times = np.empty(len(base))
        for start in range(0, len(base), _ROWS):
            part = slice(start, start + _ROWS)
            times[part] = self._values(served[part], base[part]).max(axis=1)
        return times

    def prices(self, served: Loads, base: Loads) -> Float64:
        """float64[n, R]: for each of n steps, resource prices that prove its time (``rates @ prices <= 1``, up to rounding)."""
        served, base = _rows(served), _rows(base)
        if not self.complete:
            rows = [self._solve(s, b).prices for s, b in zip(served, base, strict=True)]
            return np.array(rows).reshape(len(base), len(self.memory.resources))
        found = np.empty((len(base), len(self.memory.resources)))
        for start in range(0, len(base), _ROWS):
            part = slice(start, start + _ROWS)
            found[part] = self.rho[self._values(served[part], base[part]).argmax(axis=1)]
        return found

    def exact(self, served_row: Sequence[int] | Int64, base_row: Sequence[int] | Int64, scale: int = 1) -> Fraction:
        """The optimal time of one step as a rational, equal to the linear program's optimum.

        Parameters
        ----------
        served_row, base_row
            P and R integers >= 0, both in units of 1/``scale`` byte.
        scale
            Units in a byte (an instance's ``share_base``).
        """
        served, base = [operator.index(s) for s in served_row], [operator.index(b) for b in base_row]
        if not self.complete:
            return exact_time(self.ways, self.members, served, base) / scale
        values = self._values(np.array([served], dtype=np.float64), np.array([base], dtype=np.float64))[0]
        # Sums of a few dozen terms >= 0 are right to 1e-13: only vectors this close to the largest can be the largest.
        best = Fraction(0)
        for v in np.flatnonzero(values >= values.max() * (1.0 - _CLOSE)).tolist():
            weights, least = self._weights[v].tolist(), self._least[v].tolist()
            load = sum(map(operator.mul, base, weights)) + sum(map(operator.mul, served, least))
            best = max(best, Fraction(load, self._norms[v] * scale))
        return best

    def split(self, served_row: Loads | Sequence[int], base_row: Loads | Sequence[int]) -> Float64:
        """float64[P, V]: bytes of one step's reads that an optimal split serves in each way.

        Rows sum to ``served_row``. Of several optimal splits, two tiers give the one that reads most from the faster tier.
        """
        served, base = np.asarray(served_row, dtype=np.float64), np.asarray(base_row, dtype=np.float64)
        if not len(self.ways.loads) == len(self.memory.tiers) == 2:
            return self._solve(served, base).bytes
        fast, slow = self.memory.by_speed
        taken = np.zeros((len(self.patterns), 2))
        both = np.array([len(tiers) == 2 for tiers in self.members], dtype=bool)
        for p, tiers in enumerate(self.members):
            taken[p, tiers[0]] = 0.0 if both[p] else served[p]
        share = self._fast_share(
            float(served[both].sum()), base + taken.sum(axis=0) @ self.ways.loads, self.times(served, base)[0]
        )
        taken[both, fast] = share * served[both]
        taken[both, slow] = served[both] - taken[both, fast]
        return taken

    def _fast_share(self, free: float, other: Float64, time: float) -> float:
        """Largest share of the free bytes that the faster of two tiers can serve within the time, beside the other loads."""
        fast, slow = (self.ways.loads[k] * free for k in self.memory.by_speed)
        room = time * self.memory.rates - (other + slow)
        change = fast - slow
        return float(np.clip((room[change > 0] / change[change > 0]).min(initial=1.0), 0.0, 1.0))

    def _values(self, served: Loads, base: Loads) -> Float64:
        """float64[n, V]: value of every step at every price vector, summed in one order whatever n is."""
        total = np.zeros((len(base), len(self.rho)))
        for loads, table in ((base, self.rho), (served, self.cheapest)):
            for column in range(table.shape[1]):
                if loads[:, column].any():
                    total += loads[:, column, None] * table[:, column]
        return total

    def _solve(self, served: Loads, base: Loads) -> Split:
        return solve_split(self.ways, self.members, np.asarray(served, np.float64), np.asarray(base, np.float64))


def _rows(loads: Loads) -> Loads:
    """One step's loads as a table of one row; a table as it is."""
    return loads[None, :] if loads.ndim == 1 else loads


def _price_vectors(ways: Ways, patterns: tuple[int, ...]) -> Int64:
    """int64[V, R]: extreme price vectors up to scale. TooManyRays beyond ``MOST_VECTORS``."""
    used = [k for k in range(len(ways.loads)) if any(pattern >> k & 1 for pattern in patterns)]
    reads = ways.loads[used]
    groups: dict[tuple[int, ...], list[int]] = {}
    for r in range(len(ways.rates)):
        groups.setdefault(tuple(reads[:, r].tolist()), []).append(r)
    alone = [r for column, resources in groups.items() if not any(column) for r in resources]
    columns = [column for column in groups if any(column)]
    vectors = [np.eye(len(ways.rates), dtype=np.int64)[alone]]
    if columns:
        place = {k: i for i, k in enumerate(used)}
        renamed = sorted({sum(1 << place[k] for k in used if pattern >> k & 1) for pattern in patterns})
        rays = extreme_rays(tuple(zip(*columns, strict=True)), tuple(renamed))
        carriers = [[groups[columns[g]] for g in np.flatnonzero(ray)] for ray in rays]
        if len(alone) + sum(math.prod(len(group) for group in ray) for ray in carriers) > MOST_VECTORS:
            raise TooManyRays
        for ray, choices in zip(rays, carriers, strict=True):
            picks = np.array(list(itertools.product(*choices)))
            rows = np.zeros((len(picks), len(ways.rates)), dtype=np.int64)
            np.put_along_axis(rows, picks, ray[ray > 0][None, :], axis=1)
            vectors.append(rows)
    return np.concatenate(vectors)


def _divided(table: Int64, norms: list[int]) -> Float64:
    """Each row over its norm, every entry rounded once."""
    rows = [[float(Fraction(x, norm)) if x else 0.0 for x in row] for row, norm in zip(table.tolist(), norms, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(table.shape)
