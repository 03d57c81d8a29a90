"""The dual pass as a map over ranges of classes and a sum: in this process, in several, or on a Dask cluster.

Every class's cost becomes a whole number of quanta (2**-80 s), rounded down after its rounding margin is taken off; what
capacity costs is rounded up. Integers add up to the same total in any order, so the result is the same to the last bit however
the classes are cut and whoever works on them, and it is a lower bound like
:func:`placement_opt.bounds.dual.evaluate.evaluate`'s.

One object says where to work; :func:`placement_opt.bounds.ascent.ascend` takes it and makes its proofs there::

    backend = Backend("dask", jobs=8, address="tcp://10.0.0.1:8786")
    backend.evaluate(instance, prices).value_s
    ascend(instance, prices, backend=backend)

An accelerator makes the passes of an ascent, which prove nothing (:mod:`placement_opt.bounds.dual.device`); proofs are made on
processors all the same.

On a cluster the workers need this package installed. The share of a worker that is lost goes to another; what the cluster gives
back too often, or can no longer do for want of workers, is done here.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.errors import InputError, LimitError, shown
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.base.watch import LeftBehind, run_watched
from placement_opt.bounds.dual.actions import PricedActions, price_actions
from placement_opt.bounds.dual.budgets import second_left, settled
from placement_opt.bounds.dual.classes import Classes, by_kind, classify, take_classes
from placement_opt.bounds.dual.device import device, on_device
from placement_opt.bounds.dual.evaluate import (
    EPS,
    DualValue,
    legal,
    path_costs,
    path_terms,
    rate_slack,
)
from placement_opt.bounds.dual.futures import Futures, merge_futures
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance

if TYPE_CHECKING:
    from distributed import Client, Future

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
BackendName = Literal["local", "dask", "accelerator"]
BACKENDS: tuple[BackendName, ...] = ("local", "dask", "accelerator")
#: A quantum is 2**-80 s: a billion blocks lose less than 1e-15 s to rounding.
QUANTUM_BITS = 80
#: Reads in a share at most (16 bytes each to send), and shares for each process, so that none waits long for the last one.
_MOST_READS, _SHARES_EACH = 200_000, 4
#: Seconds between two looks at the limits and at the cluster; how often a share is given to other workers.
_PATIENCE, _RETRIES = 0.5, 3
#: Seconds that a cluster's scheduler gets to answer, at most.
_ANSWER_S = 10.0
#: How a Dask scheduler is spoken to, and what its address looks like; whatever else there is (a file) is none.
_SCHEMES = ("tcp", "tls", "ws", "wss")
_ADDRESS = re.compile(rf"(?:(?:{'|'.join(_SCHEMES)})://)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{{1,5}}", re.ASCII)


@dataclass(frozen=True, eq=False)
class SharedValue(DualValue):
    """D at some prices as an exact integer.

    Attributes
    ----------
    total
        D is ``total`` quanta of ``2**-QUANTUM_BITS`` seconds, rounded down term by term; negative if the prices prove nothing.
        ``value_s`` is its float, rounded down, or 0.
    shares
        Into how many pieces the work was cut, which changes nothing.
    """

    total: int = 0
    shares: int = 0


@dataclass(frozen=True, eq=False)
class Share:
    """A range of the classes of one kind, with all that their paths cost.

    Attributes
    ----------
    actions
        Priced actions, of all steps.
    classes
        The range, as classes of their own.
    terms
        int64[g]: rounding errors of each path, relative, in units of `EPS`.
    numbers
        int64[g]: the classes' numbers among all.
    """

    actions: PricedActions
    classes: Classes
    terms: Int64
    numbers: Int64


def work_share(share: Share, limits: Limits | None = None) -> tuple[int, Float64]:
    """(quanta of all blocks of the range, seconds of one block of each class); takes no limit, being short."""
    del limits
    paths = path_costs(share.actions, share.classes) * share.classes.amount
    sure = np.where(np.isfinite(paths), paths * (1.0 - 2.0 * EPS * share.terms), 0.0)
    quanta = map(int, np.ldexp(sure, QUANTUM_BITS).tolist())
    return sum(map(operator.mul, quanta, share.classes.count.tolist())), paths


@dataclass(frozen=True)
class Backend:
    """Where shares are worked on.

    Parameters
    ----------
    name
        "local": in this process or, with more ``jobs``, in so many spawned ones; "dask": on a cluster; "accelerator": as
        "local", but for the passes of an ascent, which a CUDA device makes.
    jobs
        Processes, or the least number of shares for a cluster divided by four.
    address
        Of the Dask scheduler, for example ``tcp://10.0.0.1:8786``.

    Raises
    ------
    InputError
        If these do not fit together, the address is none, or there is no accelerator.
    """

    name: BackendName = "local"
    jobs: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in BACKENDS:
            raise InputError(f"found {self.name!r}", f"expected one of {', '.join(BACKENDS)}", field="backend")
        if self.jobs < 1:
            raise InputError(f"found {self.jobs}", "expected at least 1", field="jobs")
        if self.name == "dask" and not self.address:
            raise InputError(
                "found none", "expected that of a Dask scheduler, such as tcp://10.0.0.1:8786", field="dask-address"
            )
        if self.name == "dask" and not _ADDRESS.fullmatch(self.address or ""):
            expected = f"expected such as tcp://10.0.0.1:8786 ({', '.join(_SCHEMES[:-1])} or {_SCHEMES[-1]})"
            raise InputError(f"found {shown(self.address)}", expected, field="dask-address")
        if self.name != "dask" and self.address:
            raise InputError(f"found {self.address!r}", f"expected none with backend {self.name}", field="dask-address")
        if self.name == "accelerator":
            device()

    @property
    def away(self) -> bool:
        """Whether shares are worked on by others than this machine."""
        return self.name == "dask"

    def check_whole(self) -> None:
        """InputError where it cannot do whole bounds and schedules, but takes a part in one answer alone."""
        if self.name == "accelerator":
            raise InputError("found accelerator", "expected local or dask: an accelerator is for `answer`", field="backend")

    def futures(
        self, instance: Instance, classes: Classes, weight: npt.NDArray[np.float64] | None = None
    ) -> tuple[Futures, ...]:
        """What an ascent passes over (:func:`placement_opt.bounds.dual.futures.merge_futures`), where its passes are made."""
        futures = merge_futures(classes, weight)
        return on_device(futures, instance.num_steps) if self.name == "accelerator" else futures

    def evaluate(
        self, instance: Instance, prices: Prices, classes: Classes | None = None, *, limits: Limits | None = None
    ) -> SharedValue:
        """D at any prices; see :func:`evaluate_shares`."""
        limits = limits or Limits()
        classes = classes or classify(instance)
        prices = legal(instance, prices)
        terms = path_terms(instance, classes)
        pieces = self.jobs * _SHARES_EACH if self.away or self.jobs > 1 else 1
        shares = []
        for kind, chosen, part in by_kind(classes):
            actions = price_actions(instance, prices, kind)
            for a, b in pairwise(cut_evenly(part, pieces)):
                numbers = chosen[a:b]
                shares.append(Share(actions, take_classes(part, np.arange(a, b)), terms[numbers], numbers))
        done = self.run(work_share, shares, limits=limits)
        parts = [part for part in done if part is not None]
        if len(parts) < len(shares):
            raise LimitError(f"the limits ended the dual pass after {len(parts)} of {len(shares)} shares")
        total = sum(quanta for quanta, _ in parts) + _rest(instance, prices)
        value = max(0.0, _rounded_down(total))
        paths = np.empty(len(classes))
        for share, (_, seconds) in zip(shares, parts, strict=True):
            paths[share.numbers] = seconds
        return SharedValue(value, paths, prices, total, len(shares))

    def run(
        self,
        work: Callable[..., _Result],
        tasks: Sequence[_Task],
        *,
        limits: Limits | None = None,
        done: Callable[[int, _Result], None] | None = None,
    ) -> list[_Result | None]:
        """``work(task)`` of each task, wherever that is; None for those that the limits left undone.

        Parameters
        ----------
        work, tasks
            A module-level function of a task and, by default, no limits; picklable tasks.
        done
            Called here with (position, result), in order of completion.

        Raises
        ------
        InputError
            The cluster cannot be reached.
        """
        limits = limits or Limits()
        if not self.away:
            return run_jobs(work, tasks, jobs=self.jobs, limits=limits, done=done)
        assert self.address is not None
        return _on_dask(work, tasks, self.address, limits, done)


def evaluate_shares(
    instance: Instance,
    prices: Prices,
    *,
    classes: Classes | None = None,
    jobs: int = 1,
    backend: BackendName = "local",
    address: str | None = None,
    limits: Limits | None = None,
) -> SharedValue:
    """D at any prices, in shares; bit for bit the same wherever they are worked on.

    Raises
    ------
    InputError
        If the arguments do not fit together, no scheduler answers at the address, or the extra "dask" is not installed.
    LimitError
        If the limits end the work early.
    """
    return Backend(backend, jobs, address).evaluate(instance, prices, classes, limits=limits)


def cut_evenly(classes: Classes, shares: int) -> list[int]:
    """Where to cut the classes into at least so many ranges of about equal work, none of too many reads: 0, ..., G."""
    work = classes.start[1:] + np.arange(1, len(classes) + 1)
    pieces = max(shares, math.ceil(int(classes.start[-1]) / _MOST_READS))
    inner = np.searchsorted(work, int(work[-1]) * np.arange(1, pieces) / pieces)
    return sorted({0, *inner.tolist(), len(classes)})


def _rest(instance: Instance, prices: Prices) -> int:
    """Quanta of D that no block brings: floors, fixed loads and budgets, rounded down, less rent, rounded up."""
    rates, second = instance.memory.rates, second_left(instance, prices.mu)
    used = prices.rho @ rates.astype(np.float64)
    floor = np.maximum(0.0, second - used - rate_slack(rates) * second) * instance.floor
    gains = np.concatenate([floor, (prices.rho * instance.fixed).ravel()]) * (1.0 - 8.0 * EPS)
    costs = (prices.rent * instance.capacity).ravel() * (1.0 + 8.0 * EPS)
    up = sum(map(int, np.ceil(np.ldexp(costs, QUANTUM_BITS)).tolist()))
    budgets: int = math.floor(settled(instance, prices.mu) * 2**QUANTUM_BITS)
    return budgets - up + sum(map(int, np.ldexp(gains, QUANTUM_BITS).tolist()))


def _rounded_down(total: int) -> float:
    """The largest float that is at most so many quanta, in seconds."""
    try:
        value = total / 2**QUANTUM_BITS
    except OverflowError:
        return -math.inf if total < 0 else math.ldexp(1.0, 1000)
    return value if Fraction(value) <= Fraction(total, 2**QUANTUM_BITS) else math.nextafter(value, -math.inf)


def _on_dask(
    work: Callable[..., _Result],
    tasks: Sequence[_Task],
    address: str,
    limits: Limits,
    done: Callable[[int, _Result], None] | None,
) -> list[_Result | None]:
    """The tasks worked on by a cluster; None for those that the limits left undone."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(
            "found no package distributed", 'expected the extra "dask": pip install "placement-opt[dask]"', field="backend"
        ) from None
    if limits.reached:
        return [None] * len(tasks)
    seconds = min(_ANSWER_S, limits.remaining)
    try:
        client = run_watched(partial(_connect, address, seconds), limits.within(seconds))
    except LeftBehind:
        raise InputError(f"found no Dask scheduler at {address!r} within {seconds:.3g} s", field="dask-address") from None
    except Exception as error:  # what answers there may be anything, and distributed believes it
        raise InputError(f"found no Dask scheduler at {address!r} ({str(error)[:200]})", field="dask-address") from None
    with client, client.as_current():
        return _collect(client, work, tasks, address, limits, done)


def _connect(address: str, seconds: float) -> Client:
    """A client of the scheduler at an address; whatever distributed raises where there is none."""
    from distributed import Client

    client: Any = Client.__new__(Client)
    try:
        client.__init__(address, set_as_default=False, timeout=max(seconds, 1.0))
    except BaseException:
        client.status = "closed"  # else its end would wait for the scheduler once more
        raise
    return client


def _collect(
    client: Client,
    work: Callable[..., _Result],
    tasks: Sequence[_Task],
    address: str,
    limits: Limits,
    done: Callable[[int, _Result], None] | None,
) -> list[_Result | None]:
    from distributed import wait

    results: list[_Result | None] = [None] * len(tasks)
    # what a task needs travels with it, so that the scheduler can give it to another worker when one is lost
    pending: dict[Future, int] = {client.submit(work, task, pure=False, retries=_RETRIES): n for n, task in enumerate(tasks)}
    while pending and not limits.reached:
        try:
            finished = wait(list(pending), timeout=_PATIENCE, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            if client.nthreads():
                continue
            finished = set(pending)  # nobody is left to do them
        for future in finished:
            number = pending.pop(future)
            if future.status == "finished":
                result = future.result()
            else:
                error = future.exception() if future.status == "error" else None
                future.cancel()
                if isinstance(error, ImportError):
                    raise LimitError(f"the workers of {address} cannot load placement-opt: {error}") from None
                result = work(tasks[number])
            results[number] = result
            if done is not None:
                done(number, result)
    client.cancel(list(pending))
    return results
