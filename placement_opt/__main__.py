"""``python -m placement_opt``, and where the installed command begins."""

# Before anything else: Ctrl-C ends the program silently while modules are loaded, there is nothing to be told or saved yet.
# (The module ``signal`` takes longer to load than all that is loaded before it.)
import _signal  # type: ignore[import-not-found]

_IGNORED = _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN  # as for jobs in the background of a script
if not _IGNORED:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import os  # noqa: E402
import sys  # noqa: E402


def entry() -> int:
    """Run the command line; work that went on past its limits (:mod:`placement_opt.watch`) is not waited for.

    Ctrl-C never raises: an exception in the middle of an import can leave Python's import lock taken, which other threads then
    wait for. Until a command asks for more (:meth:`placement_opt.cli.console.Console.interruptible`) it ends the process.
    """
    from placement_opt.cli import main
    from placement_opt.cli.console import end_at_once
    from placement_opt.stdout import turn_to_stderr
    from placement_opt.watch import left_behind

    def stop(*_: object) -> None:
        os.write(2, b"error: interrupted\n")
        end_at_once()

    if not _IGNORED:
        _signal.signal(_signal.SIGINT, stop)
    code = main()
    turn_to_stderr()
    if left_behind():
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(entry())
