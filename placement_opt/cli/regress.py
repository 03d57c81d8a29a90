"""``placement-opt regress``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_jobs, add_memory_limit, add_output


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Recompute the bounds and schedules recorded beside instances (NAME.best.json) and refuse any change, in either\n"
        "direction; check that the files of folders named hostile are refused as NAME.expected says. Instances that a\n"
        "folder's LARGE file names are skipped."
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", help="instance files, or folders to search")
    parser.add_argument("--update", action="store_true", help="rewrite what differs, after showing the difference")
    text = "record all methods that suit an instance's size and all schedulers, not those that its best file lists"
    parser.add_argument("--fresh", action="store_true", help=text)
    text = "schedulers to record besides, of your own: mine.py:MyPolicy (recorded with the hash of the file)"
    parser.add_argument("--schedulers", metavar="LIST", default="", help=text)
    add_memory_limit(parser)
    add_jobs(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.limits import Limits
    from placement_opt.report.machine import to_json
    from placement_opt.report.regression import regression_document, regression_text
    from placement_opt.study.compare import chosen_schedulers
    from placement_opt.study.regress import regress

    schedulers = chosen_schedulers(args.schedulers) if args.schedulers else ()
    with console.interruptible(Limits(memory=args.memory_limit)) as limits:
        found = regress(
            args.paths,
            update=args.update,
            fresh=args.fresh,
            schedulers=schedulers,
            jobs=args.jobs,
            limits=limits,
            report=console.progress,
        )
    console.print(to_json(regression_document(found)) if args.json else regression_text(found))
    return found.exit_code
