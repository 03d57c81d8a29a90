"""What came of a run: its time, exactly where asked for, and where the bytes went.

A read may be served in any way that its block's tiers and its kind allow. With V operations that serve and C kinds of blocks
(:class:`placement_opt.instance.law.Loads`) that is a set of the C * V pairs (kind, operation), a *pattern*: bit c * V + v. What
is read in a pattern, stored and copied is counted in the unit of its kind: bytes where every load is bytes times a factor (then
C is 1), otherwise blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.tabular import Record, Tabular
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import loads_of
from placement_opt.instance.layered import Layered
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.budgeted import Split, budgeted_split
from placement_opt.play.consumption import Consumption, consumption
from placement_opt.play.hits import Hits, hits_of
from placement_opt.play.latencies import Latencies, latencies
from placement_opt.play.protocol import Effort
from placement_opt.play.schedule import Schedule
from placement_opt.play.split_program import Moved
from placement_opt.play.use import Use, use_of


@dataclass(frozen=True, eq=False)
class Run(Tabular):
    """A timed schedule. K tiers, R resources, T steps; P patterns: sets of ways in which reads could be served.

    Attributes
    ----------
    instance
        What was asked, in rows or in runs.
    scheduler
        Who answered, options included.
    latency_s
        Sum of the step times, and what the run waits besides for a budget that grows by the second, rounded once.
    step_s
        float64[T]: time of each step.
    timer
        Knows the patterns and splits a step's reads over them.
    served
        int64[T, P]: what was read in each pattern, in the unit of its kind (bytes, or blocks) times the instance's share base.
    base
        float64[T, R]: all loads but those of reads.
    moved
        int64[T, C * (K + K * K)]: for each kind of block, in its unit times the share base, what was stored to tier k (column
        k) and copied from j to k (K + j * K + k).
    schedule
        The moves, where they were recorded.
    split
        How the reads are split where the instance has budgets or another objective than time; None: each step by itself, so
        that it takes least time.
    effort
        Counted work of a scheduler that searches: what it was given, what it took, and whether the clock ended it.
    would_miss
        Share of the bytes read that the scheduler would have missed, had it dropped for good what it sent to slower tiers, as
        the lossy policy does that it follows; None where it follows none.
    per_step
        Column name -> one entry a step, where asked for: step, token, layer, seconds, critical (resources that could not be
        slower, joined by "+"), then bytes: read, hit, "read TIER", and where there were any what further operations served, by
        their names, "store TIER", "copy FROM->TO".
    held
        uint16[N]: the tiers whose copies might serve each read, as a mask; None in runs.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> run = po.simulate(instance, po.make_scheduler("lru"), per_step=True, record=True)
    >>> run
    Run(lru on instance: 2.08411e-05 s)
    >>> run.scheduler, run.instance.name, f"{run.latency_s:.6g}", [f"{seconds:.4g}" for seconds in run.step_s]
    ('lru', 'instance', '2.08411e-05', ['1e-05', '8.411e-07', '1e-05'])
    >>> run.per_step["critical"].tolist(), run.per_step["hit"].tolist()
    (['c2c.up', 'hbm+c2c.up', 'c2c.up'], [4500000.0, 4500000.0, 0.0])
    >>> run.schedule.initial.tolist(), run.schedule.moves(2).store[0][1].tolist(), run.effort
    ([[False, True], [True, True]], [0], None)
    >>> run.would_miss, f"{po.simulate(instance, po.make_scheduler('h2o')).would_miss:.2f}"
    (None, '0.25')
    >>> run.split, f"{run.cost_s:.4g}", run.waited_s, instance.memory.meters.names[0], run.metered[0].item()
    (None, '2.084e-05', 0.0, 'written hbm', 4500000.0)
    >>> run.held.tolist()
    [2, 3, 3, 2]
    >>> run.served.shape, run.base[2].tolist(), run.moved[2].tolist(), len(run.timer.patterns)
    ((3, 2), [4500000.0, 0.0, 0.0, 0.0], [4500000, 0, 0, 0, 0, 0], 2)

    Time alone is minimised, so that each step's reads are split by themselves; the meters are bytes written to each tier and
    moved into it.

    >>> run.split, run.cost_s == run.latency_s, run.waited_s, run.metered.tolist()
    (None, True, 0.0, [4500000.0, 0.0, 0.0, 0.0])
    """

    instance: Instance | Layered
    scheduler: str
    latency_s: float
    step_s: Float64
    timer: StepTimer
    served: Int64
    base: Float64
    moved: Int64
    schedule: Schedule | None = None
    per_step: dict[str, npt.NDArray[Any]] | None = None
    effort: Effort | None = None
    split: Split | None = None
    would_miss: float | None = None
    held: npt.NDArray[np.uint16] | None = None

    def __repr__(self) -> str:
        return f"Run({self.scheduler} on {self.instance.name}: {self.latency_s:.6g} s)"

    def to_records(self) -> list[Record]:
        """One row: how long it took, what was moved and written, in bytes, and the energy, where anything is said of it.

        Returns
        -------
        list of dict
            Times in seconds, sizes in bytes, energies in joules, rates a second.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> [row] = run.to_records()
        >>> row["scheduler"], f"{row['latency_s']:.6g}", row["hit_rate"], row["read_bytes"]
        ('lru', '2.08411e-05', 0.5, 18000000.0)
        """
        row: Record = {
            "instance": self.instance.name,
            "scheduler": self.scheduler,
            "latency_s": self.latency_s,
            f"{self.counts}_per_s": self.tokens_per_s,
            "hit_rate": self.hit_rate,
            "read_bytes": self.read_bytes,
            "stored_bytes": float(self.stored_bytes.sum()),
            "copied_bytes": float(self.copied_bytes.sum()),
        }
        if self.would_miss is not None:
            row["would_miss"] = self.would_miss
        if not self.instance.objective.plain:
            row["objective_s"] = self.cost_s
        if (joules := self.consumption.joules) is not None:
            row |= {"joules": joules, f"joules_per_{self.counts[:-1]}": self.consumption.joules_each}
        if self.latencies is not None:
            for name, times in self.latencies.percentiles().items():
                row |= {f"{name}_{percent}_s": value for percent, value in times._asdict().items()}
        for tier in self.consumption.tiers:
            row[f"written_bytes_{tier.tier}"] = tier.written_bytes
            if tier.lifetime_s is not None:
                row[f"lifetime_s_{tier.tier}"] = tier.lifetime_s
        return [row]

    @property
    def cost_s(self) -> float:
        """The objective of the instance, in seconds: the latency where time alone is minimised."""
        return self.latency_s if self.split is None else float(self.split.cost(self._rows))

    @property
    def _rows(self) -> Instance:
        """The instance where its reads have a split of their own, which they have in rows alone."""
        assert isinstance(self.instance, Instance)
        return self.instance

    @property
    def waited_s(self) -> float:
        """What the run waits beyond its steps, so that budgets that grow by the second are kept."""
        return 0.0 if self.split is None else float(self.split.waited)

    @cached_property
    def metered(self) -> Float64:
        """float64[H]: what the run adds to each meter of the memory system, in the meter's parts; what idling does not counted.

        Rounded once where no read had a choice of ways, or the split is written down; elsewhere from the split of every step.
        """
        instance, meters = self.instance, self.instance.memory.meters
        if not len(meters):
            return np.zeros(0)
        labels, pieces = (instance.trace.block_kind, instance.pieces) if isinstance(instance, Instance) else (None, None)
        loads = loads_of(instance.memory.operations, instance.size, meters.per_byte, labels, pieces)
        fixed = instance.fixed_metered
        exact = [0] * len(meters) if fixed is None else [one * instance.share_base for one in fixed.tolist()]
        first, kinds = loads.operations.first_serving, len(loads.row)
        moving = loads.metered[:, :first].reshape(kinds * first, len(meters)).tolist()
        serving = loads.metered[:, first:].reshape(kinds * len(loads.serves_from), len(meters)).tolist()
        sums = [(_total(column), each) for column, each in zip(self.moved.T, moving, strict=True) if any(each)]
        rest = np.zeros(len(meters))
        for p, ways in enumerate(self.timer.members):
            if len(ways) == 1:
                sums.append((_total(self.served[:, p]), serving[ways[0]]))
            elif self.split is None and any(any(serving[way]) for way in ways):
                rest += self._taken(p) @ np.array([serving[way] for way in ways], dtype=float)
        for total, each in sums:
            exact = [have + total * one for have, one in zip(exact, each, strict=True)]
        found = [Fraction(one, instance.share_base) for one in exact]
        if self.split is not None:
            for p, ways in enumerate(self.timer.members):
                for column, way in zip(self.split.pieces[p].T, ways if len(ways) > 1 else [], strict=len(ways) > 1):
                    amount = Fraction(_total(column), self.split.parts * instance.share_base)
                    found = [have + amount * one for have, one in zip(found, serving[way], strict=True)]
        return np.array([float(one) for one in found]) + rest

    @cached_property
    def consumption(self) -> Consumption:
        """The same in joules and bytes, idling counted: energy of a token, bytes a day, how long tiers last.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> memory = {"preset": "gh200", "hbm.capacity": "4.5 MB", "hbm.energy": "4 pJ/bit", "lpddr.background_power": "10 W"}
        >>> instance = po.build_instance(memory, trace, rules={"residency": "free"})
        >>> used = po.simulate(instance, po.make_scheduler("lru")).consumption
        >>> f"{used.joules:.4g} J, {used.joules_each:.4g} J a step, {used.watts:.4g} W", used.energy_unsaid
        ('0.0006283 J, 0.0002094 J a step, 30.15 W', ('lpddr', 'c2c'))
        >>> [(tier.tier, tier.written_bytes, tier.lifetime_s) for tier in used.tiers]
        [('hbm', 4500000.0, None), ('lpddr', 0.0, None)]
        """
        return consumption(self.instance.memory, self.metered, self.latency_s, self.tokens)

    @cached_property
    def latencies(self) -> Latencies | None:
        """Waits, times to the first token and per further token of the trace's requests; None where it has none.

        What budgets make the run wait for besides its steps is not among them.

        Examples
        --------
        >>> import dataclasses
        >>> from placement_opt.workload.served import Served
        >>> ns, steps, tokens = [0, 40_000], [[0, 1], [0, 1], [1, 2]], [8, 3]
        >>> dtypes = ["int64", *["int32"] * 3, *["int64"] * 2]
        >>> import numpy as np
        >>> columns = zip([ns, *steps, tokens, [2, 2]], dtypes)
        >>> table = Served(*(np.array(one, dtype) for one, dtype in columns))
        >>> trace = po.Trace.from_reads([[0], [0], [0]], sizes=4_500_000)
        >>> trace = dataclasses.replace(trace, requests=table)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "0 B"}, trace)
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> [f"{one:.3g}" for one in run.step_s], [f"{one:.3g}" for one in run.latencies.begin]
        (['1e-05', '1e-05', '1e-05'], ['0', '4e-05', '5e-05'])
        >>> [f"{one:.3g}" for one in run.latencies.ttft], [f"{one:.3g}" for one in run.latencies.tpot]
        (['1e-05', '1e-05'], ['4e-05', '1e-05'])
        """
        if not isinstance(self.instance, Instance) or self.instance.trace.requests is None:
            return None
        served, steps = self.instance.trace.requests, self.step_s.copy()
        idle = np.flatnonzero(~served.running(len(steps)))
        if self.split is None:
            steps[idle] = self.timer.times(self.served[idle] / self.instance.share_base, self.base[idle])
        else:
            reads = self._amounts[idle].reshape(len(idle), -1) @ self.timer.ways.loads
            steps[idle] = ((self.base[idle] + reads) / self.instance.memory.rates).max(axis=1)
        return latencies(served, steps)

    def _taken(self, pattern: int) -> Float64:
        """float64[n]: units that each of a pattern's ways serves in all, each step split so that it takes least time."""
        ways, served = self.timer.members[pattern], self.served / self.instance.share_base
        rows = [self.timer.split(served[t], self.base[t])[pattern, ways] for t in np.flatnonzero(served[:, pattern]).tolist()]
        return np.array([math.fsum(column) for column in np.array(rows).reshape(-1, len(ways)).T])

    @property
    def tokens(self) -> int:
        """Distinct token labels of the steps; the number of steps (requests) where they carry none.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.tokens, run.counts, f"{run.tokens_per_s:.0f}"
        (3, 'steps', '143946')
        """
        labels = self.instance.tokens
        return self.instance.num_steps if labels is None else labels

    @property
    def counts(self) -> str:
        """What ``tokens`` counts: "tokens", or "steps" where steps carry none."""
        return "steps" if self.instance.tokens is None else "tokens"

    @property
    def tokens_per_s(self) -> float:
        """Tokens (or requests) per second; infinite if nothing took any time."""
        return self.tokens / self.latency_s if self.latency_s > 0 else math.inf

    @property
    def read_bytes(self) -> float:
        """Bytes read in all.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.read_bytes, run.hit_rate
        (18000000.0, 0.5)
        """
        return self._read(range(len(self._size))) / self.instance.share_base

    @property
    def hit_rate(self) -> float:
        """Share of the bytes read that a copy in the fastest tier might serve (1 where nothing was read)."""
        total = self._read(range(len(self._size)))
        return self._read(self._hits) / total if total else 1.0

    @cached_property
    def hits(self) -> Hits:
        """Where the fastest copy of what was read lay, by tier, layer and age, and the most that any policy could hit.

        Examples
        --------
        Block 1 is near when it is read again, block 0 is not; another policy might have kept either, but no more.

        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> hits = po.simulate(instance, po.make_scheduler("lru")).hits
        >>> hits.rate, hits.reads, hits.by_age()
        (0.5, (2, 2, 0), {'first': 0.5, 'again': 0.5})
        >>> hits.ceiling.most, hits.ceiling.on_demand
        (0.75, 0.5)
        """
        return hits_of(self)

    @cached_property
    def use(self) -> Use:
        """What served the reads, what was written, how busy each resource was, and the longest steps.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> use = po.simulate(instance, po.make_scheduler("lru")).use
        >>> [(one.resource, f"{one.busy:.2f}", f"{one.full:.2f}") for one in use.resources[:3]]
        [('hbm', '0.13', '0.04'), ('lpddr', '0.90', '0.00'), ('c2c.up', '1.00', '1.00')]
        >>> [step for step, seconds in use.longest]
        [0, 2, 1]
        """
        return use_of(self)

    @cached_property
    def tier_read_bytes(self) -> Float64:
        """float64[K]: bytes read from each tier under the optimal split of every step (attending to them there not counted)."""
        return self.served_bytes[: self.instance.num_tiers]

    @cached_property
    def served_bytes(self) -> Float64:
        """float64[V]: bytes served by each operation that serves, under the optimal split of every step.

        Examples
        --------
        What hbm holds is read from both tiers at once: 4.9 of 5.35 parts from hbm.

        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.served_bytes.round().tolist() == run.tier_read_bytes.round().tolist() == [8621495.0, 9378505.0]
        True
        """
        return np.array([math.fsum(column) for column in self._ways.T])

    @cached_property
    def operation_bytes(self) -> dict[str, float]:
        """Name of each operation that did anything -> bytes of blocks that it stored, copied or served.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.operation_bytes["store hbm"], sorted(run.operation_bytes)
        (4500000.0, ['read hbm', 'read lpddr', 'store hbm'])
        >>> run.stored_bytes.tolist(), run.copied_bytes.tolist()
        ([4500000.0, 0.0], [[0.0, 0.0], [0.0, 0.0]])
        """
        loads, base = self.instance.loads, self.instance.share_base
        moved = [self._moved(row) / base for row in range(loads.operations.first_serving)]
        sums = zip(loads.operations.names, [*moved, *self.served_bytes.tolist()], strict=True)
        return {name: size for name, size in sums if size > 0}

    @cached_property
    def loads(self) -> Float64:
        """float64[R]: load on each resource in all (bytes, or whatever its rate counts a second).

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> dict(zip(instance.memory.resources, run.loads.round().tolist()))
        {'hbm': 13121495.0, 'lpddr': 9378505.0, 'c2c.up': 9378505.0, 'c2c.down': 0.0}
        """
        return np.array([math.fsum(column) for column in self.step_loads.T])

    @cached_property
    def step_loads(self) -> Float64:
        """float64[T, R]: load on each resource at each step, in the same units.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.step_loads[2].tolist(), f"{(run.step_loads[2] / instance.memory.rates).max():.4g}"
        ([4500000.0, 4500000.0, 4500000.0, 0.0], '1e-05')
        """
        reads: Float64 = self._amounts.reshape(self.instance.num_steps, -1) @ self.timer.ways.loads
        return self.base + reads

    @cached_property
    def deciding(self) -> Float64:
        """float64[T, R]: the share of each step's time that each resource accounts for; what is left to 1 is the floor's.

        Where several are critical at once, by what a slower one would cost; where budgets split the reads, in equal shares.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.deciding.round(3).tolist()
        [[0.0, 0.0, 1.0, 0.0], [0.916, 0.0, 0.084, 0.0], [0.0, 0.0, 1.0, 0.0]]
        """
        if self.split is None:
            shares: Float64 = self.prices * self.instance.memory.rates
            return shares
        critical = self._critical.astype(np.float64)
        return np.asarray(critical / np.maximum(critical.sum(axis=1, keepdims=True), 1.0))

    @property
    def stored_bytes(self) -> Float64:
        """float64[K]: bytes stored in passing to each tier, births included."""
        tiers = self.instance.num_tiers
        return np.array([self._moved(k) for k in range(tiers)], dtype=object).astype(float) / self.instance.share_base

    @property
    def copied_bytes(self) -> Float64:
        """float64[K, K]: bytes copied from each tier (row) to each tier (column)."""
        tiers = self.instance.num_tiers
        sums = [self._moved(tiers + pair) / self.instance.share_base for pair in range(tiers * tiers)]
        return np.array(sums).reshape(tiers, tiers)

    @cached_property
    def critical_share(self) -> Float64:
        """float64[R]: share of the time during which each resource is critical: were it slower, the step would take longer.

        Several resources are critical at once where the split of the reads balances them, so the shares may sum to more
        than 1; none is while the floor of a step's time binds.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.critical_share.round(3).tolist(), [f"{price:.3g}" for price in run.prices[0]]
        ([0.04, 0.0, 1.0, 0.0], ['0', '0', '2.22e-12', '0'])
        """
        return self._critical.T @ self.step_s / self.latency_s if self.latency_s > 0 else np.zeros(self.instance.num_resources)

    @property
    def prices(self) -> Float64:
        """float64[T, R]: seconds per unit of load on each resource at the optimal split of the reads; 0 where a floor binds."""
        served = self.served / self.instance.share_base
        moving = self.timer.times(served, self.base)
        return self.timer.prices(served, self.base) * ((moving > 0) & (moving >= self.instance.floor))[:, None]

    def exact_latency(self) -> Fraction:
        """The latency as a rational: integer loads over integer rates.

        Returns
        -------
        Fraction
            Seconds.

        Examples
        --------
        Twice 10 us, and 4.5 MB at 5.35 TB/s between them.

        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> run = po.simulate(instance, po.make_scheduler("lru"))
        >>> run.exact_latency(), run.exact_step(1)
        (Fraction(223, 10700000), Fraction(9, 10700000))
        """
        if self.split is not None:
            return self.split.seconds
        sums: dict[int, int] = {}
        for step in range(self.instance.num_steps):
            time = self.exact_step(step)
            sums[time.denominator] = sums.get(time.denominator, 0) + time.numerator
        return sum((Fraction(top, bottom) for bottom, top in sums.items()), Fraction(0))

    def exact_step(self, step: int) -> Fraction:
        """The time of one step as a rational, its reads split so that it takes least time.

        Parameters
        ----------
        step
            From 0 to T - 1.

        Returns
        -------
        Fraction
            Seconds.
        """
        instance, scale = self.instance, self.instance.share_base
        fixed, floor = (
            (instance.fixed[step], instance.floor[step]) if isinstance(instance, Instance) else (instance.fixed, instance.floor)
        )
        base = [int(load) * scale for load in fixed]
        for amount, loads in zip(self.moved[step].tolist(), moving_loads(self.instance).tolist(), strict=True):
            if amount:
                base = [load + amount * factor for load, factor in zip(base, loads, strict=True)]
        time = self.timer.exact(self.served[step], base, scale)
        return max(time, Fraction(float(floor)))

    @cached_property
    def _kinds(self) -> list[int]:
        """The kind of block of each pattern."""
        ways = len(self.instance.loads.serves_from)
        return [((pattern & -pattern).bit_length() - 1) // ways for pattern in self.timer.patterns]

    @cached_property
    def _size(self) -> Int64:
        """int64[P]: bytes of the unit in which each pattern counts."""
        return self.instance.loads.size[self._kinds]

    @cached_property
    def _hits(self) -> list[int]:
        fastest, ways = self.instance.memory.fastest, len(self.instance.loads.serves_from)
        kinds = enumerate(zip(self.timer.patterns, self._kinds, strict=True))
        return [p for p, (pattern, kind) in kinds if pattern >> (kind * ways + fastest) & 1]

    def _read(self, patterns: Iterable[int]) -> int:
        """Bytes, times the share base, read in these patterns."""
        return sum(_total(self.served[:, p]) * int(self._size[p]) for p in patterns)

    def _moved(self, operation: int) -> int:
        """Bytes, times the share base, that an operation stored or copied."""
        loads = self.instance.loads
        columns = self.moved[:, operation :: loads.operations.first_serving].T
        return sum(_total(column) * size for column, size in zip(columns, loads.size.tolist(), strict=True))

    @cached_property
    def _critical(self) -> npt.NDArray[np.bool_]:
        if self.split is not None:
            alone = self.step_loads / self.instance.memory.rates
            return (alone > self._rows.floor[:, None]) & (alone >= self.step_s[:, None] * (1.0 - 1e-9))
        return self.prices > 0

    @cached_property
    def _amounts(self) -> Float64:
        """float64[T, C, V]: what each operation serves of each kind, in its unit."""
        served, loads = self.served / self.instance.share_base, self.instance.loads
        if self.split is not None:
            amounts = np.zeros((len(served), len(self.timer.ways.loads)))
            for piece, ways in zip(self.split.pieces, self.timer.members, strict=True):
                amounts[:, ways] += piece / (self.split.parts * self.instance.share_base)
            return amounts.reshape(self.instance.num_steps, len(loads.row), len(loads.serves_from))
        rows = [self.timer.split(row, base).sum(axis=0) for row, base in zip(served, self.base, strict=True)]
        return np.array(rows).reshape(self.instance.num_steps, len(loads.row), len(loads.serves_from))

    @cached_property
    def _ways(self) -> Float64:
        """float64[T, V]: bytes that each operation serves."""
        ways: Float64 = (self._amounts * self.instance.loads.size[:, None]).sum(axis=1)
        return ways


def time_run(
    instance: Instance,
    scheduler: str,
    held: npt.NDArray[np.uint16],
    passed: npt.NDArray[np.bool_],
    moved: Int64,
    schedule: Schedule | None = None,
    per_step: bool = False,
) -> Run:
    """Time all steps at once.

    Parameters
    ----------
    held
        uint16[N]: the set of tiers whose copies may serve each read, as a mask: those that held its block, but none where
        strict prefixes forbid it.
    passed
        bool[N]: which reads were stored in passing, hence are served by operations that bring the block to the processor.
    moved
        As in :class:`Run`.

    Raises
    ------
    BudgetError
        No split of the reads keeps the instance's budgets.
    """
    found, served = served_of(instance, held, passed)
    timer = StepTimer(instance.memory, found, instance.loads.serve.reshape(-1, instance.num_resources))
    base = instance.fixed + moved.astype(float) @ moving_loads(instance) / instance.share_base
    if not instance.timed:
        split = budgeted_split(_moved(instance, timer, served, moved))
        run = Run(instance, scheduler, float(split.seconds), split.step_s, timer, served, base, moved, schedule, split=split)
        run = replace(run, held=held)
        return replace(run, per_step=_table(run)) if per_step else run
    seconds = np.maximum(timer.times(served / instance.share_base, base), instance.floor)
    run = Run(instance, scheduler, math.fsum(seconds), seconds, timer, served, base, moved, schedule, held=held)
    return replace(run, per_step=_table(run)) if per_step else run


def served_of(
    instance: Instance, held: npt.NDArray[np.uint16], passed: npt.NDArray[np.bool_], steps: slice = slice(None)
) -> tuple[list[int], Int64]:
    """The patterns of all reads of these steps, ascending, and int64[T, P] exact sums of what each step reads in each."""
    trace, loads, tiers = instance.trace, instance.loads, instance.num_tiers
    starts, ends = trace.indptr[:-1][steps], trace.indptr[1:][steps]
    rows = slice(int(starts[0]), int(ends[-1])) if len(starts) else slice(0, 0)
    starts, ends, held, passed = starts - rows.start, ends - rows.start, held[rows], passed[rows]
    blocks, shares = trace.blocks[rows], None if trace.shares is None else trace.shares[rows]
    ways = len(loads.serves_from)
    mark: npt.NDArray[Any] = passed if len(loads.row) == 1 else 2 * loads.kind[blocks] + passed
    case: npt.NDArray[Any] = (mark.astype(np.int64) << tiers) + held if mark.any() else held
    cases = np.flatnonzero(np.bincount(case)).tolist()
    usable = [loads.usable(one & (1 << tiers) - 1, one >> tiers + 1, bringing=bool(one >> tiers & 1)) for one in cases]
    patterns = [found << (one >> tiers + 1) * ways for one, found in zip(cases, usable, strict=True)]
    distinct = sorted(set(patterns))
    served = np.zeros((len(starts), len(distinct)), dtype=np.int64)
    sums = np.zeros(len(blocks) + 1, dtype=np.int64)
    if shares is None and len(loads.amount) > 0 and bool((loads.amount == loads.amount[0]).all()):
        rest = (ends - starts) * loads.amount[0]  # all are alike: reads are counted, and those of the last case are the rest
        for one, pattern in zip(cases[:-1], patterns, strict=False):
            np.cumsum(case == one, out=sums[1:])
            found = (sums[ends] - sums[starts]) * loads.amount[0]
            served[:, distinct.index(pattern)] += found
            rest -= found
        if cases:
            served[:, distinct.index(patterns[-1])] += rest
        return distinct, served
    amount = loads.amount[blocks] * (1 if shares is None else shares)
    for one, pattern in zip(cases, patterns, strict=True):
        # Differences of running sums are exact even where the sums themselves wrap around.
        np.cumsum(np.where(case == one, amount, 0), out=sums[1:])
        served[:, distinct.index(pattern)] += sums[ends] - sums[starts]
    return distinct, served


def moving_loads(instance: Instance | Layered) -> Int64:
    """int64[C * (K + K * K), R]: what one unit of each column of ``moved`` loads on each resource."""
    loads = instance.loads
    return loads.row[:, : loads.operations.first_serving].reshape(-1, instance.num_resources)


def _moved(instance: Instance, timer: StepTimer, served: Int64, moved: Int64) -> Moved:
    """The same without its reads' split, in integers."""
    loads, scale = instance.loads, instance.share_base
    base = instance.fixed.astype(object) * scale + moved.astype(object) @ moving_loads(instance).astype(object)
    columns = len(loads.row) * loads.operations.first_serving
    each = loads.metered[:, : loads.operations.first_serving].reshape(columns, len(instance.used_meters)).astype(object)
    counted = instance.metered.astype(object) * scale + moved.astype(object).sum(axis=0) @ each
    return Moved(instance, timer, served, base, counted.tolist())


def _total(bytes_by_step: Int64) -> int:
    """The exact sum, whatever its size."""
    low, high = bytes_by_step & (2**31 - 1), bytes_by_step >> 31
    return (int(high.sum()) << 31) + int(low.sum())


def _table(run: Run) -> dict[str, npt.NDArray[Any]]:
    instance, operations = run.instance, run.instance.loads.operations
    assert isinstance(instance, Instance)
    trace, base, moving = instance.trace, run.instance.share_base, operations.first_serving
    labels = {"step": np.arange(instance.num_steps), "token": trace.step_token, "layer": trace.step_layer}
    table: dict[str, npt.NDArray[Any]] = {name: label for name, label in labels.items() if label is not None}
    table["seconds"] = run.step_s
    resources = instance.memory.resources
    table["critical"] = np.array(["+".join(resources[r] for r in np.flatnonzero(row)) for row in run._critical], dtype=object)
    read, hits = run.served * run._size, run._hits
    table["read"], table["hit"] = read.sum(axis=1) / base, read[:, hits].sum(axis=1) / base
    for way, name in enumerate(operations.names[moving:]):
        if way < instance.num_tiers or run._ways[:, way].any():
            table[name] = run._ways[:, way]
    moved = run.moved.reshape(instance.num_steps, -1, moving)
    for row, name in enumerate(operations.names[:moving]):
        if moved[:, :, row].any():
            table[name] = moved[:, :, row] @ instance.loads.size / base
    return table
