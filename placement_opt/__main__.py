"""``python -m placement_opt``, and where the installed command begins."""

# Before anything else: a signal while modules are loaded ends the program without a traceback, there is nothing to be saved.
# (The module ``signal`` takes longer to load than all that is loaded before it; ``os`` and ``sys`` are there already.)
import _signal  # type: ignore[import-not-found]
import os
import sys

#: Signals that ask for an end; those that were ignored when the program began (jobs in the background of a script) stay so.
_ENDS = [
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if (number := getattr(_signal, name, None)) is not None and _signal.getsignal(number) != _signal.SIG_IGN
]


def _stop(*_: object) -> None:
    """End the program with 130, now: no draft and no process of ours is left.

    A handler that never raises: an exception in the middle of an import can leave Python's import lock taken, which other
    threads then wait for.
    """
    for number in _ENDS:
        _signal.signal(number, _signal.SIG_IGN)
    try:  # noqa: SIM105 - contextlib may not be loaded yet
        os.write(2, b"error: interrupted\n")
    except OSError:  # nobody is left to read it
        pass
    end_at_once = getattr(sys.modules.get("placement_opt.cli.console"), "end_at_once", None)
    if end_at_once is not None:
        end_at_once()
    os._exit(130)


for _number in _ENDS:
    _signal.signal(_number, _stop)


def entry() -> int:
    """Run the command line; work that went on past its limits (:mod:`placement_opt.base.watch`) is not waited for.

    Signals end it at once until a command asks for more (:meth:`placement_opt.cli.console.Console.interruptible`).
    """
    from placement_opt.base.stdout import turn_to_stderr
    from placement_opt.base.watch import left_behind
    from placement_opt.cli import main
    from placement_opt.cli.console import end_at_once

    code = main()
    turn_to_stderr()
    if left_behind():
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        end_at_once(code)
    return code


if __name__ == "__main__":
    sys.exit(entry())
