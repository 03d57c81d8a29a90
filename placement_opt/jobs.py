"""Independent pieces of work in this process or in several, with one stop request for all; results keep the order of the work.

Worker processes are spawned, not forked (HiGHS and numba keep threads that do not survive a fork). They ignore Ctrl-C: a stop
request reaches them as the end of a pipe, so that whatever they have proven comes back; they end when their parent is gone.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from placement_opt.errors import LimitError
from placement_opt.limits import Limits

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
#: Seconds between two looks at the stop request.
_PATIENCE = 0.2
#: What a worker hands to its work: set once per process.
_WORKER_LIMITS = Limits()


def run_jobs(
    work: Callable[[_Task, Limits], _Result],
    tasks: Sequence[_Task],
    *,
    jobs: int = 1,
    limits: Limits | None = None,
    done: Callable[[int, _Result], None] | None = None,
) -> list[_Result | None]:
    """``[work(task, limits) for task in tasks]``, in at most ``jobs`` processes.

    Parameters
    ----------
    work
        A module-level function; it returns what it has when ``limits.reached`` and lets no expected error escape.
    tasks
        Picklable pieces of work.
    jobs
        Processes; 1 works in this one.
    limits
        Deadline and stop request of the whole.
    done
        Called in this process with (position, result), in order of completion.

    Returns
    -------
    list
        One result per task, in the order of the tasks; None for those that were not begun before the end was asked for.
    """
    limits = limits or Limits()
    results: list[_Result | None] = [None] * len(tasks)
    if jobs <= 1 or len(tasks) <= 1:
        for position, task in enumerate(tasks):
            if limits.reached:
                break
            results[position] = result = work(task, limits)
            if done is not None:
                done(position, result)
        return results
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    remaining = None if limits.remaining == float("inf") else limits.remaining
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _start_worker, (reader, remaining)) as pool:
        try:
            pending = {pool.submit(_run, work, task): position for position, task in enumerate(tasks)}
            _collect(pending, results, writer, limits, done)
        except BrokenProcessPool:
            raise LimitError("a worker process ended abruptly; most likely memory ran out (try fewer --jobs)") from None
        finally:
            writer.close()
            pool.shutdown(wait=True, cancel_futures=True)
            reader.close()
    return results


def _collect(
    pending: dict[Future[_Result | None], int],
    results: list[_Result | None],
    writer: Connection,
    limits: Limits,
    done: Callable[[int, _Result], None] | None,
) -> None:
    while pending:
        finished, _ = wait(pending, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=pending.__getitem__):
            position = pending.pop(future)
            if future.cancelled():
                continue
            results[position] = result = future.result()
            if done is not None and result is not None:
                done(position, result)
        if limits.reached:
            writer.close()
            for future in pending:
                future.cancel()


def _start_worker(reader: Connection, seconds: float | None) -> None:
    global _WORKER_LIMITS
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _WORKER_LIMITS = Limits(seconds)
    threading.Thread(target=_watch, args=(reader, _WORKER_LIMITS), daemon=True).start()


def _watch(reader: Connection, limits: Limits) -> None:
    """Wait for the pipe to close, which asks for a stop, and then for the parent to end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if parent.sentinel not in multiprocessing.connection.wait([reader, parent.sentinel]):
        limits.interrupt()
        multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _run(work: Callable[[_Task, Limits], _Result], task: _Task) -> _Result | None:
    return None if _WORKER_LIMITS.reached else work(task, _WORKER_LIMITS)
