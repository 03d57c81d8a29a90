"""``placement-opt memory list | show``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_commands, add_output


def fill(parser: LazyParser) -> None:
    group = {
        "list": (fill_list, "the memory systems that come with the program"),
        "show": (fill_show, "tiers, links, and what each operation passes and reaches"),
    }
    add_commands(parser, group, "action")


def fill_list(parser: LazyParser) -> None:
    add_output(parser, progress=False)
    parser.set_defaults(run=run_list)


def run_list(args: Namespace, console: Console) -> int:
    from placement_opt.report.machine import to_json
    from placement_opt.report.presets import presets_info, presets_text

    console.print(to_json({"presets": presets_info()}) if args.json else presets_text())
    return 0


def fill_show(parser: LazyParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a preset, or a memory file (TOML)")
    text = "another number, by its key in an instance's memory table: --set flash.dies=12; once for each"
    parser.add_argument("--set", metavar="KEY=VALUE", dest="keys", action="append", default=[], help=text)
    parser.add_argument(
        "--toml", action="store_true", help="the preset's file as it is, to be changed and named by an instance"
    )
    add_output(parser, progress=False)
    parser.set_defaults(run=run_show)


def run_show(args: Namespace, console: Console) -> int:
    from placement_opt.base.errors import InputError
    from placement_opt.memory import load_memory, preset
    from placement_opt.memory.files import preset_text
    from placement_opt.report.machine import to_json
    from placement_opt.report.memory import memory_info, memory_text
    from placement_opt.study.keys import parse_assignment

    if args.toml:
        if args.keys or args.json:
            other = "--set" if args.keys else "--json"
            raise InputError(f"found it beside {other}", "expected one of them: the file is printed as it is", field="--toml")
        console.print(preset_text(args.name).rstrip("\n"))
        return 0
    is_file = args.name.endswith(".toml") or Path(args.name).exists()
    numbers = dict(map(parse_assignment, args.keys)) if args.keys else None
    memory = load_memory(args.name, numbers) if is_file else preset(args.name, numbers)
    console.print(to_json(memory_info(memory)) if args.json else memory_text(memory))
    return 0
