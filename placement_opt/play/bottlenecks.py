"""How long a run takes, exactly where asked for, and which resources decide it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import Stacked
from placement_opt.play.amounts import Amounts, moving_loads


@dataclass(frozen=True, eq=False)
class Bottlenecks(Amounts):
    """Times of a :class:`placement_opt.play.run.Run`, and what a faster resource would be worth."""

    @property
    def cost_s(self) -> float:
        """The objective of the instance, in seconds: the latency where time alone is minimised."""
        return self.latency_s if self.split is None else float(self.split.cost(self._rows))

    @property
    def waited_s(self) -> float:
        """What the run waits beyond its steps, so that budgets that grow by the second are kept."""
        return 0.0 if self.split is None else float(self.split.waited)

    @property
    def prices(self) -> Float64:
        """float64[T, R]: seconds per unit of load on each resource at the optimal split of the reads; 0 where a floor binds."""
        served = self.served / self.instance.share_base
        moving = self.timer.times(served, self.base)
        return self.timer.prices(served, self.base) * ((moving > 0) & (moving >= self.instance.floor))[:, None]

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
        if isinstance(instance, Stacked):  # of which nobody keeps the fixed loads apart
            base = [round(load * scale) for load in self.base[step].tolist()]
            return max(self.timer.exact(self.served[step], base, scale), Fraction(instance.floor))
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
    def _critical(self) -> npt.NDArray[np.bool_]:
        if self.split is not None:
            alone = self.step_loads / self.instance.memory.rates
            return (self._rows.floor < alone.T).T & (alone >= self.step_s[:, None] * (1.0 - 1e-9))
        return self.prices > 0
