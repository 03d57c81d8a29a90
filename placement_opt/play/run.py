"""What came of a run: its time, exactly where asked for, and where the bytes went."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.tabular import Record
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import loads_of
from placement_opt.instance.stacked import Stacked
from placement_opt.play.amounts import exact_sum
from placement_opt.play.bottlenecks import Bottlenecks
from placement_opt.play.consumption import Consumption, consumption
from placement_opt.play.hits import Hits, hits_of
from placement_opt.play.latencies import Latencies, latencies
from placement_opt.play.use import Use, use_of


@dataclass(frozen=True, eq=False)
class Run(Bottlenecks):
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

    @cached_property
    def metered(self) -> Float64:
        """float64[H]: what the run adds to each meter of the memory system, in the meter's parts; what idling does not counted.

        Rounded once where no read had a choice of ways, or the split is written down; elsewhere from the split of every step.
        """
        instance, meters = self.instance, self.instance.memory.meters
        if not len(meters):
            return np.zeros(0)
        size, labels, pieces = instance.size, None, None
        if isinstance(instance, Instance):
            labels, pieces = instance.trace.block_kind, instance.pieces
        elif isinstance(instance, Stacked):  # with weights among the blocks
            size, labels = instance.sizes, instance.kinds
        loads = loads_of(instance.memory.operations, size, meters.per_byte, labels, pieces)
        fixed = instance.fixed_metered
        exact = [0] * len(meters) if fixed is None else [one * instance.share_base for one in fixed.tolist()]
        first, kinds = loads.operations.first_serving, len(loads.row)
        moving = loads.metered[:, :first].reshape(kinds * first, len(meters)).tolist()
        serving = loads.metered[:, first:].reshape(kinds * len(loads.serves_from), len(meters)).tolist()
        sums = [(exact_sum(column), each) for column, each in zip(self.moved.T, moving, strict=True) if any(each)]
        rest = np.zeros(len(meters))
        for p, ways in enumerate(self.timer.members):
            if len(ways) == 1:
                sums.append((exact_sum(self.served[:, p]), serving[ways[0]]))
            elif self.split is None and any(any(serving[way]) for way in ways):
                rest += self._taken(p) @ np.array([serving[way] for way in ways], dtype=float)
        for total, each in sums:
            exact = [have + total * one for have, one in zip(exact, each, strict=True)]
        found = [Fraction(one, instance.share_base) for one in exact]
        if self.split is not None:
            for p, ways in enumerate(self.timer.members):
                for column, way in zip(self.split.pieces[p].T, ways if len(ways) > 1 else [], strict=len(ways) > 1):
                    amount = Fraction(exact_sum(column), self.split.parts * instance.share_base)
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
