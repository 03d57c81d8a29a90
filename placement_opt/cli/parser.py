"""argparse, with commands that are filled in when they are met and errors in the house's words."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, NoReturn

from placement_opt.base.errors import InputError, shown

#: Characters of a complaint about arguments.
_LONGEST = 1000
Fill = Callable[["LazyParser"], None]


class Exit(Exception):
    """Parsing is over and so is the program: help was asked for (code 0) or the arguments are wrong (code 2)."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(text)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=100)
        self._action_max_length = 14  # argparse forgets the indentation of commands when it measures


class LazyParser(argparse.ArgumentParser):
    """A parser that asks ``fill`` for its arguments when it is first used.

    Parameters
    ----------
    fill
        Adds the arguments and, for a command, ``set_defaults(run=handler)``.
    """

    def __init__(self, *args: Any, fill: Fill | None = None, **kwargs: Any) -> None:
        kwargs |= {"formatter_class": _Formatter, "allow_abbrev": False}
        super().__init__(*args, **kwargs)
        self._fill = fill
        self._help = ""
        self._negative_number_matcher = re.compile(r"-\.?[0-9]")  # -5s is the value of an option, to be refused as such

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._fill is not None:
            fill, self._fill = self._fill, None
            fill(self)
        args = sys.argv[1:] if args is None else list(args)
        self._refuse_unknown(args)
        return super().parse_known_args(args, namespace)

    def _refuse_unknown(self, args: Sequence[str]) -> None:
        """Name an unknown option first: what argparse says of its consequences (a value too many, one missing) misleads."""
        options = self._option_string_actions
        for text in args:
            if text == "--" or (self._subparsers is not None and not text.startswith("-")):
                return  # what follows are no options, or those of the command
            name = text.partition("=")[0]
            if not text.startswith("-") or text == "-" or " " in text or self._negative_number_matcher.match(text):
                continue
            if name not in options and (text.startswith("--") or text[:2] not in options):
                from placement_opt.base.toml import nearest

                self.error(f"found unknown option {shown(name)}, {nearest(name, [one for one in options if one[:2] == '--'])}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            from placement_opt.base.toml import nearest

            raise argparse.ArgumentError(action, f"found {shown(value)}, {nearest(str(value), action.choices)}")

    def error(self, message: str) -> NoReturn:
        text = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."  # argparse repeats what it was given
        raise Exit(2, f"error: {text} (see {self.prog} --help)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Exit(status, self._help + (message or ""))

    def _print_message(self, message: str, file: object = None) -> None:
        del file  # the console decides where it goes
        self._help += message


def add_commands(parser: LazyParser, commands: Mapping[str, tuple[str | Fill, str]], dest: str) -> None:
    """Commands as name -> (what fills them in, or a module that has it as ``fill``; one line of help)."""
    group = parser.add_subparsers(dest=dest, metavar=dest.upper(), required=True, parser_class=LazyParser, title=f"{dest}s")
    for name, (fill, text) in commands.items():
        group.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", fill=partial(_fill, fill))


def _fill(source: str | Fill, parser: LazyParser) -> None:
    fill: Fill = importlib.import_module(source).fill if isinstance(source, str) else source
    fill(parser)


def typed(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """A ``type=`` for add_argument from a function that raises InputError."""

    def call(text: str) -> Any:
        try:
            return convert(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return call


#: Type of a parameter -> the word for it in the help, and what makes it from an argument.
_KINDS: dict[type, tuple[str, Callable[[str], Any]]] = {
    int: ("N", lambda text: natural(0, 2**63 - 1, text)),
    float: ("X", lambda text: decimal(text)),
    str: ("TEXT", str),
}


def add_parameters(parser: argparse.ArgumentParser, parameters: type[Any], but: Sequence[str] = ()) -> None:
    """One option for each field of a parameter class (``workload/synth/params.py``), from what it says of itself."""
    import dataclasses  # which takes as long to load as all the rest here

    for field in dataclasses.fields(parameters):
        if field.name in but:
            continue
        default = "" if field.default is None else f" (default: {field.default})"
        text = (field.metadata["help"] + default).replace("%", "%%")
        metavar, convert = _KINDS[field.metadata["type"]]
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, dest=field.name, metavar=metavar, type=typed(convert), default=field.default, help=text)


def add_instance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="INSTANCE", help="instance file (TOML)")


def add_output(parser: argparse.ArgumentParser, *, progress: bool = True) -> None:
    """``--json`` and, for what takes time, ``--quiet``."""
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of a table")
    if progress:
        parser.add_argument(
            "--quiet", action="store_true", help="no progress on stderr (without a terminal there is none but that of --gap)"
        )


def add_time_limit(parser: argparse.ArgumentParser, text: str) -> None:
    from placement_opt.base.units import parse_duration

    def seconds(value: str) -> float:
        return float(parse_duration(value, "10 s"))

    parser.add_argument("--time-limit", metavar="TIME", type=typed(seconds), help=f'{text}, such as "60s"')


def add_gap(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--gap", metavar="SHARE", type=typed(share), help=f'{text}, such as "0.1%%"')


def add_memory_limit(parser: argparse.ArgumentParser) -> None:
    from placement_opt.base.units import parse_size

    text = 'take no more memory than this, such as "8GiB" (default: what is free)'
    parser.add_argument("--memory-limit", metavar="SIZE", type=typed(parse_size), help=text)


def add_scale_layers(parser: argparse.ArgumentParser) -> None:
    from placement_opt.instance.scaled import parse_layer_share

    text = "take so many of so many layers, such as 2/80: capacities, weights and layers scaled together (see docs/check.md)"
    parser.add_argument("--scale-layers", metavar="n/N", type=typed(parse_layer_share), help=text)


def add_jobs(parser: argparse.ArgumentParser, text: str = "processes to use (default: 1)") -> None:
    convert = typed(partial(natural, 1, 1024))
    parser.add_argument("--jobs", metavar="N", type=convert, default=1, help=text)


def add_method(parser: argparse.ArgumentParser) -> None:
    from placement_opt.bounds import METHODS

    choices: Sequence[str] = ["auto", *(name for name in METHODS if not name.endswith("-integer"))]
    text = "how to bound: auto (default) takes the tightest that the size allows in about a minute, and says which and why"
    parser.add_argument("--method", choices=choices, default="auto", help=text)


def natural(low: int, high: int, text: str) -> int:
    """A whole number in ASCII digits, within [low, high]."""
    if not re.fullmatch("[0-9]{1,20}", text, re.ASCII) or not low <= int(text) <= high:
        raise InputError(f"found {shown(text)}", f"expected a whole number from {low} to {high}")
    return int(text)


def share(text: str) -> float:
    """A share in per cent, "0.1%" or "0.1 %", from 0 on."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,20})?) ?%", text, re.ASCII)
    if match is None:
        raise InputError(f"found {shown(text)}", 'expected a share in per cent such as "0.1%"')
    return float(Fraction(match[1]) / 100)


def decimal(text: str) -> float:
    """A number in ASCII digits, with a point and an exponent where wanted; neither NaN nor infinity."""
    if not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,2})?", text, re.ASCII):
        raise InputError(f"found {shown(text)}", "expected a number")
    return float(text)
