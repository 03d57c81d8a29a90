"""What is tuned: options of one scheduler and the values that they take, read from ``"hicache:threshold=0..1,depth=1..64"``.

A knob's values are a range ``LOW..HIGH`` (up to nine of them), ``LOW..HIGH:COUNT``, or alternatives ``a|b|c``; an option with
one value is set to it in every setting. Whole numbers that span more than eightfold are spaced by their ratios, others evenly.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind
from placement_opt.base.toml import nearest
from placement_opt.schedulers import make_scheduler, option_defaults, split_spec

#: Settings beyond which tuning is taken for a mistake, and values of a range that names no count.
MOST_SETTINGS, VALUES = 1000, 9
#: A range of whole numbers whose ends are further apart than this, as a ratio, is spaced by ratios.
_WIDE = 8
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE]-?[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::([0-9]+))?")


@dataclass(frozen=True)
class Knob:
    """An option and the values it takes.

    Attributes
    ----------
    key
        The option.
    default
        What it is where nothing is said.
    values
        As they are written in a scheduler's name, in the order of the range or as given.
    """

    key: str
    default: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """A scheduler and what of it is tuned.

    Attributes
    ----------
    head
        The scheduler's name with the options that are the same everywhere.
    knobs
        What varies; the first is drawn along the axis.
    """

    head: str
    knobs: tuple[Knob, ...]

    @property
    def combinations(self) -> tuple[tuple[str, ...], ...]:
        """One text for each knob; all combinations, the last knob fastest, and the defaults if they are not among them."""
        found = list(itertools.product(*(knob.values for knob in self.knobs)))
        return tuple(found if self.defaults in found else [self.defaults, *found])

    @property
    def defaults(self) -> tuple[str, ...]:
        """The combination that is the scheduler as it comes."""
        return tuple(knob.default for knob in self.knobs)

    def spec(self, combination: tuple[str, ...]) -> str:
        """The scheduler's name at a combination."""
        pairs = ",".join(f"{knob.key}={value}" for knob, value in zip(self.knobs, combination, strict=True))
        return f"{self.head}{',' if ':' in split_spec(self.head)[1] else ':'}{pairs}"


def parse_settings(text: str) -> Settings:
    """``"name:key=LOW..HIGH,key=a|b,key=value"``: what is tuned, what is fixed.

    Parameters
    ----------
    text
        A scheduler as :func:`placement_opt.make_scheduler` takes it, some of its values ranges or alternatives.

    Returns
    -------
    Settings
        With every value tried out: the scheduler can be made at all of them.

    Raises
    ------
    InputError
        An unknown scheduler or option, a value that does not fit, nothing that varies, too many combinations.
    """
    check_kind(text, str, 'a name such as "slru:protected=0..1"', field="scheduler")
    head, rest = split_spec(text)
    defaults = option_defaults(head)
    fixed: list[str] = []
    knobs: list[Knob] = []
    for part in rest.removeprefix(":").split(",") if rest else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"found {shown(part)}", "expected key=LOW..HIGH, key=a|b or key=value", field=head)
        if key not in defaults:
            raise InputError(f"found option {shown(key)}", nearest(key, defaults), field=head)
        if key in [knob.key for knob in knobs] + [one.partition("=")[0] for one in fixed]:
            raise InputError(f"found option {shown(key)} twice", "expected it once", field=head)
        values = _values(value, type(defaults[key]), f"{head}:{key}")
        if values is None:
            fixed.append(f"{key}={value}")
        else:
            knobs.append(Knob(key, _written(defaults[key]), values))
    if not knobs:
        expected = _wanted(defaults)
        raise InputError(f"found {shown(text)}, of which nothing varies", expected, field="scheduler")
    count = math.prod(len(knob.values) for knob in knobs)
    if count > MOST_SETTINGS:
        raise InputError(f"found {count:,} settings", f"expected at most {MOST_SETTINGS:,}", field="scheduler")
    found = Settings(f"{head}:{','.join(fixed)}" if fixed else head, tuple(knobs))
    for combination in found.combinations:
        make_scheduler(found.spec(combination))
    return found


def _wanted(defaults: Mapping[str, object]) -> str:
    if not defaults:
        return "expected a scheduler that has options"
    known = ", ".join(f"{key}={_written(value)}" for key, value in defaults.items())
    return f"expected a range key=LOW..HIGH or alternatives key=a|b|c for one of {known}"


def _values(text: str, kind: type, where: str) -> tuple[str, ...] | None:
    """The values of a knob; None for the one value of an option that does not vary."""
    match = _RANGE.fullmatch(text)
    if match is None and "|" not in text:
        if ".." in text:
            raise InputError(f"found {shown(text)}", "expected LOW..HIGH or LOW..HIGH:COUNT such as 0..1:5", field=where)
        return None
    if match is None:
        values = tuple(_same(piece.strip(), kind) for piece in text.split("|"))
        if not all(values):
            raise InputError(f"found {shown(text)}", "expected values between the bars", field=where)
    elif kind not in (int, float):
        raise InputError(f"found the range {shown(text)}", "expected alternatives a|b|c, as it is no number", field=where)
    else:
        values = _range(match, kind, text, where)
    for value in values:
        if values.count(value) > 1:
            raise InputError(f"found {shown(value)} twice", "expected each value once", field=where)
    return values


def _range(match: re.Match[str], kind: type, text: str, where: str) -> tuple[str, ...]:
    low, high, count = float(match[1]), float(match[2]), int(match[3] or VALUES)
    if not low < high or count < 2:
        expected = "expected the lower end first" if count > 1 else "expected a count of at least 2"
        raise InputError(f"found {shown(text)}", expected, field=where)
    if count > MOST_SETTINGS:
        raise InputError(f"found {count:,} values", f"expected at most {MOST_SETTINGS:,}", field=where)
    if kind is float:
        return tuple(f"{low + (high - low) * n / (count - 1):.6g}" for n in range(count))
    if low % 1 or high % 1:
        raise InputError(f"found {shown(text)}", "expected whole numbers", field=where)
    if match[3] is None and high - low < VALUES:
        return tuple(str(value) for value in range(int(low), int(high) + 1))
    if low > 0 and high > _WIDE * low:
        if match[3] is None:
            count = min(VALUES, 1 + round(math.log2(high / low)))
        places = [low * (high / low) ** (n / (count - 1)) for n in range(count)]
    else:
        places = [low + (high - low) * n / (count - 1) for n in range(count)]
    return tuple(dict.fromkeys(str(round(place)) for place in places))


def _same(text: str, kind: type) -> str:
    """A number as defaults are written, so that it is known where it is the default; anything else as it stands."""
    try:
        return _written(kind(text)) if kind in (int, float) else text
    except ValueError:
        return text


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
