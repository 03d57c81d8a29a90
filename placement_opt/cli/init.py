"""``placement-opt init``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser


def fill(parser: LazyParser) -> None:
    from placement_opt.study.starters import SITUATIONS

    about = "; ".join(f"{name}: {text}" for name, (text, _) in SITUATIONS.items())
    parser.add_argument("situation", metavar="SITUATION", choices=list(SITUATIONS), help=about)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="where to; without it, a folder of the situation's name")
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    import shlex

    from placement_opt.study.starters import write_starter

    paths = write_starter(args.situation, args.folder or args.situation)
    console.print("\n".join([*map(str, paths), "", f"next: placement-opt bound {shlex.quote(str(paths[0]))}"]))
    return 0
