"""Where independent pieces of work are done: in this process, in several of this machine, or on an existing Dask cluster.

One object says where; whoever has pieces hands them to it, and results keep the order of the pieces wherever they come from::

    backend = Backend("dask", address="tcp://10.0.0.1:8786")
    backend.run(work, tasks, shared=(question, prices))

On a cluster the workers need this package installed, and files under the same names or at addresses that they reach
(:mod:`placement_opt.base.stores`): they open them where they lie. What tasks have in common travels once to each worker
(``shared``). The task of a worker that is lost goes to another; what the cluster gives back too often, or can no longer do for
want of workers or of its scheduler, is done here.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from placement_opt.base import room
from placement_opt.base.accelerator import device
from placement_opt.base.atomic import AnyPath
from placement_opt.base.errors import InputError, LimitError, shown
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from placement_opt.base.stores import is_url
from placement_opt.base.watch import LeftBehind, run_watched

if TYPE_CHECKING:
    from distributed import Client, Future

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
BackendName = Literal["local", "dask", "accelerator"]
BACKENDS: tuple[BackendName, ...] = ("local", "dask", "accelerator")
#: Seconds between two looks at the limits and at the cluster; how often a task is given to other workers.
_PATIENCE, _RETRIES = 0.5, 3
#: Seconds that a cluster's scheduler gets to answer, at most.
_ANSWER_S = 10.0
#: How a Dask scheduler is spoken to, and what its address looks like; whatever else there is (a file) is none.
_SCHEMES = ("tcp", "tls", "ws", "wss")
_ADDRESS = re.compile(rf"(?:(?:{'|'.join(_SCHEMES)})://)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{{1,5}}", re.ASCII)


@dataclass(frozen=True)
class Backend:
    """Where pieces of work are done.

    Parameters
    ----------
    name
        "local": in this process or, with more ``jobs``, in so many spawned ones; "dask": on a cluster; "accelerator": as
        "local", but for the passes of an ascent, which a CUDA device makes.
    jobs
        Processes; for what is cut for a cluster, the least number of shares divided by four.
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
        """Whether work is done on other machines."""
        return self.name == "dask"

    def check_whole(self) -> None:
        """InputError where it cannot do whole bounds and schedules, but takes a part in one answer alone."""
        if self.name == "accelerator":
            raise InputError("found accelerator", "expected local or dask: an accelerator is for `answer`", field="backend")

    def fitting(self, tasks: int, needed: Callable[[int], int], limits: Limits) -> Backend:
        """Elsewhere, or in as many of the processes as there is memory for; ``needed``: processes -> bytes."""
        if self.away:
            return self
        left, jobs = room.left(limits), min(self.jobs, tasks)
        while jobs > 1 and needed(jobs) > left:
            jobs -= 1
        return Backend(jobs=jobs)

    def place(self, path: AnyPath) -> AnyPath:
        """A file as who works on it finds it, whatever folder that is in."""
        return os.path.abspath(path) if self.away and not is_url(path) else path

    def run(
        self,
        work: Callable[[_Task, Limits], _Result],
        tasks: Sequence[_Task],
        *,
        shared: Sequence[object] = (),
        limits: Limits | None = None,
        done: Callable[[int, _Result], None] | None = None,
        lost: Callable[[_Task, str], _Result] | None = None,
    ) -> list[_Result | None]:
        """``work(task, limits)`` of each task, wherever that is; None for those that the limits left undone.

        Parameters
        ----------
        work, tasks
            A module-level function, and picklable tasks.
        shared
            Objects that tasks have in common, the same ones: a cluster's worker gets them once.
        limits
            Of the whole; a cluster's worker gets the seconds that were left when a task was handed on, and no stop request.
        done
            Called here with (position, result), in order of completion.
        lost
            As :func:`placement_opt.base.jobs.run_jobs` has it; what a cluster loses is done elsewhere.

        Raises
        ------
        InputError
            The cluster cannot be reached.
        LimitError
            Its workers cannot load this package; a process of this machine was killed, and there is no ``lost``.
        """
        limits = limits or Limits()
        if not self.away:
            return run_jobs(work, tasks, jobs=self.jobs, limits=limits, done=done, lost=lost)
        if limits.reached:
            return [None] * len(tasks)
        with self._client(limits) as client, client.as_current():
            return _collect(client, work, list(tasks), list(shared), str(self.address), limits, done)

    def check(self, limits: Limits) -> None:
        """A cluster that does not answer, or cannot work, is found out before anything is begun; errors as :meth:`run`."""
        if self.away:
            self.run(_nothing, [None], limits=limits)

    def _client(self, limits: Limits) -> Client:
        try:
            import distributed  # noqa: F401
        except ImportError:
            expected = 'expected the extra "dask": pip install "placement-opt[dask]"'
            raise InputError("found no package distributed", expected, field="backend") from None
        assert self.address is not None
        seconds, found = min(_ANSWER_S, limits.remaining), f"found no Dask scheduler at {self.address!r}"
        try:
            return run_watched(partial(_connect, self.address, seconds), limits.within(seconds))
        except LeftBehind:
            raise InputError(f"{found} within {seconds:.3g} s", field="dask-address") from None
        except Exception as error:  # what answers there may be anything, and distributed believes it
            raise InputError(f"{found} ({str(error)[:200]})", field="dask-address") from None


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
    work: Callable[[Any, Limits], Any],
    tasks: list[Any],
    shared: list[object],
    address: str,
    limits: Limits,
    done: Callable[[int, Any], None] | None,
) -> list[Any]:
    results: list[Any] = [None] * len(tasks)
    seconds = None if math.isinf(limits.remaining) else limits.remaining
    # what a task needs travels with it or, as the result of a task, can be had anew when the worker that had it is lost
    common = client.submit(_unpacked, packed(shared), pure=False, retries=_RETRIES) if shared else ()
    call = partial(_work, work, seconds, limits.memory)
    pending: dict[Future, int] = {
        client.submit(call, common, packed(task, shared), pure=False, retries=_RETRIES): n for n, task in enumerate(tasks)
    }
    while pending and not limits.reached:
        for future in _finished(client, list(pending)):
            number = pending.pop(future)
            good, result = _result_of(future)
            if isinstance(result, ImportError):
                raise LimitError(f"the workers of {address} cannot load placement-opt: {result}") from None
            results[number] = result if good else work(tasks[number], limits)
            if done is not None:
                done(number, results[number])
    client.cancel(list(pending))
    return results


def _finished(client: Client, futures: list[Future]) -> set[Future]:
    """Those that have come to an end by now; all of them where nobody is left to do them."""
    from distributed import wait

    try:
        return set(wait(futures, timeout=_PATIENCE, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return set() if client.nthreads() else set(futures)
    except Exception:  # the scheduler is lost, and with it what it had
        return set(futures)


def _result_of(future: Future) -> tuple[bool, Any]:
    """(whether there is one, the result or the error); without one the cluster is asked no more."""
    try:
        if future.status == "finished":
            return True, future.result()
        error = future.exception() if future.status == "error" else None
        future.cancel()
    except Exception as trouble:  # it was there, and is lost
        error = trouble
    return False, error


def _work(
    work: Callable[[Any, Limits], Any], seconds: float | None, memory: int | None, shared: list[object], task: bytes
) -> Any:
    """What a worker does."""
    return work(_unpacked(task, shared), Limits(seconds, memory))


def _nothing(task: None, limits: Limits) -> None:
    """A task that any worker can do that has this package."""
    del task, limits


def packed(value: object, shared: Sequence[object] = ()) -> bytes:
    """A value as bytes, in which the objects that are shared are named by their numbers."""
    file = io.BytesIO()
    _Packer(file, shared).dump(value)
    return zlib.compress(file.getbuffer(), 1)


def _unpacked(data: bytes, shared: Sequence[object] = ()) -> Any:
    return _Unpacker(io.BytesIO(zlib.decompress(data)), shared).load()


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[object]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._names = {id(one): number for number, one in enumerate(shared)}

    def persistent_id(self, obj: object) -> int | None:
        return self._names.get(id(obj))


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[object]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, pid: int) -> object:
        return self._shared[pid]
