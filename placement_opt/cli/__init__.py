"""``placement-opt``: arguments in, results out. Nothing is computed here.

Every command lives in a file of its own, imported only when it is called, so that ``--help`` is immediate.

Exit codes: 0 done; 1 a check said no; 2 bad input; 3 no answer within the limits; 70 a fault of this program; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from placement_opt import __version__
from placement_opt.base.errors import PlacementError
from placement_opt.base.stdout import kept_for_answers
from placement_opt.cli.console import Console
from placement_opt.cli.parser import Exit, LazyParser, add_commands

COMMANDS = {
    "init": ("placement_opt.cli.init", "starter files for a situation: an instance, a memory file, what they name"),
    "check": ("placement_opt.cli.check", "what an instance asks for and whether it fits, before anything is drawn"),
    "bound": ("placement_opt.cli.bound", "a proven lower bound on the latency of every placement policy"),
    "simulate": ("placement_opt.cli.simulate", "the latency of one scheduler"),
    "compare": ("placement_opt.cli.compare", "schedulers on instances, each held against the bound"),
    "report": ("placement_opt.cli.report", "one HTML page about instances: verdict, bounds, schedulers, prices, provenance"),
    "sweep": ("placement_opt.cli.sweep", "bound and schedulers while any number of the instance varies"),
    "tune": ("placement_opt.cli.tune", "a scheduler over its options beside the bound, and what of the best carries over"),
    "future": ("placement_opt.cli.future", "what knowing the next steps is worth, from the best online policy to the bound"),
    "explore": ("placement_opt.cli.explore", "the best of many designs, proven, and the front of time, cost, energy, lifetime"),
    "verify": ("placement_opt.cli.verify", "prove certificates of bounds and schedules again, in exact integers"),
    "schedulers": ("placement_opt.cli.schedulers", "the schedulers there are, with their options and sources"),
    "trace": ("placement_opt.cli.trace", "import, generate and describe traces"),
    "memory": ("placement_opt.cli.memory", "list and describe memory systems"),
    "export": ("placement_opt.cli.export", "the linear program of an instance, for other solvers"),
    "regress": ("placement_opt.cli.regress", "recompute recorded values and refuse any change"),
}
_ABOUT = "Proven bounds for KV-cache placement in heterogeneous memory, and how far each scheduler is from them."
_EPILOG = """\
exit codes: 0 done, 1 a check said no, 2 bad input, 3 no answer within the limits, 130 interrupted
"""
#: Exit code for a fault of the program itself (sysexits.h: EX_SOFTWARE), apart from all the codes that mean something.
_FAULT = 70


def make_parser() -> LazyParser:
    """The parser of the whole program; what a command takes is filled in when the command is met."""
    parser = LazyParser(prog="placement-opt", description=_ABOUT, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"placement-opt {__version__}")
    add_commands(parser, COMMANDS, "command")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``argv`` is ``sys.argv[1:]`` where it is not given."""
    with kept_for_answers() as answers:
        return _run(argv, Console(answers))


def _run(argv: Sequence[str] | None, console: Console) -> int:
    try:
        args = make_parser().parse_args(argv)
        console.quiet = getattr(args, "quiet", False)
        code: int = args.run(args, console)
    except Exit as ending:
        code = ending.code
        (console.print if code == 0 else console.warn)(ending.text)
    except PlacementError as error:
        code = console.fail(error)
    except KeyboardInterrupt:
        console.error("interrupted")
        code = 130
    except MemoryError:
        console.error("found too little memory for this, expected a smaller instance or a larger machine")
        code = 3
    except OSError as error:
        console.error(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
        code = 2
    except Exception:
        console.warn(traceback.format_exc())
        console.error("a fault of placement-opt itself; please report the lines above with the command that led to them")
        code = _FAULT
    return console.finish(code)


if __name__ == "__main__":
    sys.exit(main())
