"""Independent pieces of work in this process or in several, with one stop request for all; results keep the order of the work.

Worker processes are spawned, not forked (HiGHS and numba keep threads that do not survive a fork). They ignore Ctrl-C: a stop
request reaches them as the end of a pipe, so that whatever they have proven comes back; they end when their parent is gone. One
that is killed (memory) takes only the piece at hand with it: another one goes on with the rest.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from placement_opt.base.atomic import discard_drafts
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
#: Seconds between two looks at the stop request.
_PATIENCE_S = 0.2
#: Seconds that pieces get to come back after a stop was asked for; then their processes are ended.
_MERCY_S = 8.0


def run_jobs(
    work: Callable[[_Task, Limits], _Result],
    tasks: Sequence[_Task],
    *,
    jobs: int = 1,
    limits: Limits | None = None,
    done: Callable[[int, _Result], None] | None = None,
    lost: Callable[[_Task, str], _Result] | None = None,
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
    lost
        Makes the result of a task whose process was killed, from the task and what became of the process, in words.

    Returns
    -------
    list
        One result per task, in the order of the tasks; None for those that were not begun before the end was asked for, or did
        not come back then.

    Raises
    ------
    LimitError
        A process was killed, and there is no ``lost``.
    """
    with Jobs(min(jobs, len(tasks)), limits or Limits()) as pool:
        return pool.run(work, tasks, done=done, lost=lost)


class Jobs:
    """Processes that stay for several runs, each as :func:`run_jobs`; none where one is asked for.

    Parameters
    ----------
    jobs
        Processes.
    limits
        Deadline and stop request of all runs.
    """

    def __init__(self, jobs: int, limits: Limits) -> None:
        self._jobs, self._limits = jobs, limits
        self._pool: _Pool | None = None

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.end()

    def run(
        self,
        work: Callable[[_Task, Limits], _Result],
        tasks: Sequence[_Task],
        *,
        done: Callable[[int, _Result], None] | None = None,
        lost: Callable[[_Task, str], _Result] | None = None,
    ) -> list[_Result | None]:
        """As :func:`run_jobs`."""
        if self._jobs > 1 and len(tasks) > 1:
            self._pool = self._pool or _Pool(self._limits)
            return self._pool.run(_Round(work, tasks, done, lost), min(self._jobs, len(tasks)))
        results: list[_Result | None] = [None] * len(tasks)
        for position, task in enumerate(tasks):
            if self._limits.reached:
                break
            results[position] = result = work(task, self._limits)
            if done is not None:
                done(position, result)
        return results


@dataclass(eq=False)
class _Worker:
    """A process, the way to it, whether it has begun, and the position of the task that it is at."""

    process: BaseProcess
    link: Connection
    begun: bool = False
    position: int | None = None


class _Round:
    """Tasks, and what becomes of them."""

    def __init__(
        self,
        work: Callable[..., Any],
        tasks: Sequence[Any],
        done: Callable[[int, Any], None] | None,
        lost: Callable[[Any, str], Any] | None,
    ) -> None:
        self.work, self.tasks, self.done, self.lost = work, tasks, done, lost
        self.results: list[Any] = [None] * len(tasks)
        self.waiting = deque(range(len(tasks)))


class _Pool:
    """Hands tasks to processes one by one."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._round = _Round(len, (), None, None)
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._reader, self._stop = self._context.Pipe(duplex=False)

    def run(self, tasks: _Round, count: int) -> list[Any]:
        """Everything, in so many processes, which stay."""
        self._round = tasks
        for worker in self._workers:
            if worker.begun and worker.position is None:
                self._give(worker)
        for _ in range(0 if self._limits.reached else count - len(self._workers)):
            self._start()
        while not self._limits.reached and (tasks.waiting or self._busy()):
            if not self._workers:  # none of them could even begin
                self._give_up(tasks.waiting.popleft(), "its worker process could not be started")
            self._listen(_PATIENCE_S)
        if self._limits.reached:
            self._stop.close()
            end = time.monotonic() + _MERCY_S
            while self._busy() and (left := end - time.monotonic()) > 0:
                self._listen(min(left, _PATIENCE_S))
        return tasks.results

    def _busy(self) -> bool:
        return any(worker.position is not None for worker in self._workers)

    def _start(self) -> None:
        link, other = self._context.Pipe()
        seconds = None if self._limits.remaining == float("inf") else self._limits.remaining
        process = self._context.Process(target=_serve, args=(other, self._reader, seconds, self._limits.memory))
        with _signals_blocked():
            process.start()
        other.close()  # so that the end of the process is the end of the link
        self._workers.append(_Worker(process, link))

    def _listen(self, seconds: float) -> None:
        """Take what the workers have to say, and give those that wait something to do."""
        ready = multiprocessing.connection.wait([worker.link for worker in self._workers], seconds)
        for worker in [worker for worker in self._workers if worker.link in ready]:
            try:
                answer = worker.link.recv()
            except (EOFError, OSError):  # also in the middle of an answer
                self._bury(worker)
                continue
            position, worker.position = worker.position, None
            worker.begun = True
            if position is not None:
                self._take(position, answer)
            self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next task, if there is one."""
        if self._round.waiting and not self._limits.reached:
            worker.position = self._round.waiting.popleft()
            with suppress(OSError):  # it has ended: the next look at the link tells
                worker.link.send((self._round.work, self._round.tasks[worker.position]))

    def _take(self, position: int, answer: tuple[bool, Any]) -> None:
        good, value = answer
        if not good:
            raise cast(BaseException, value)
        self._round.results[position] = value
        if self._round.done is not None and value is not None:
            self._round.done(position, value)

    def _bury(self, worker: _Worker) -> None:
        """A process has ended on its own: its task is lost, and another process takes its place if there is more to do."""
        self._workers.remove(worker)
        worker.link.close()
        worker.process.join()
        if worker.position is not None:
            self._give_up(worker.position, f"its worker process {_ending(worker.process.exitcode)}")
        if worker.begun and self._round.waiting and not self._limits.reached:
            self._start()

    def _give_up(self, position: int, why: str) -> None:
        why += "; most likely memory ran out (try fewer --jobs)"
        if self._round.lost is None:
            raise LimitError(why)
        self._take(position, (True, self._round.lost(self._round.tasks[position], why)))

    def end(self) -> None:
        """No process is left."""
        self._stop.close()
        for worker in self._workers:
            worker.link.close()
        for worker in self._workers:
            if worker.position is None:
                worker.process.join(_MERCY_S)
        end_processes([worker.process for worker in self._workers])
        self._reader.close()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """What is begun in the meantime never hears of Ctrl-C or a closed terminal, not even while its modules are loaded."""
    multiprocessing.resource_tracker.ensure_running()  # begun in the meantime it would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_processes(processes: Sequence[BaseProcess], seconds: float = 1.0) -> None:
    """End processes of ours: they get so many seconds to take away what they have begun to write."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, end - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed ({signal.Signals(-code).name})"
    return f"ended with exit code {code}"


def _serve(link: Connection, reader: Connection, seconds: float | None, memory: int | None) -> None:
    """What a worker process does: one task after the other, until its parent wants no more."""
    signal.signal(signal.SIGTERM, _leave)
    limits = Limits(seconds, memory)
    threading.Thread(target=_watch, args=(reader, limits), daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has closed the link, or is gone
        link.send((True, None))
        while True:
            work, task = link.recv()
            _answer(link, work, task, limits)


def _answer(link: Connection, work: Callable[[Any, Limits], Any], task: Any, limits: Limits) -> None:
    try:
        answer = True, None if limits.reached else work(task, limits)
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        answer = False, error
    link.send(answer)


def _watch(reader: Connection, limits: Limits) -> None:
    """Wait for the pipe to close, which asks for a stop, and then for the parent to end."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    if parent.sentinel not in multiprocessing.connection.wait([reader, parent.sentinel]):
        limits.interrupt()
        multiprocessing.connection.wait([parent.sentinel])
    _leave()


def _leave(*_: object) -> None:
    """End this worker process at once and leave nothing half written."""
    discard_drafts()
    os._exit(1)
