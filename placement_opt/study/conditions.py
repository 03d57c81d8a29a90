"""Conditions on what a comparison found, for pipelines that must fail by them: ``gap(lru) > 0.15 and hit_rate(lru) < 0.8``.

The language: numbers; ``bound`` and ``best``, in seconds; ``gap(NAME)``, how far a scheduler is above the optimum, as a share;
``latency(NAME)`` in seconds; ``hit_rate(NAME)``, a share of the bytes read; ``ratio(NAME, NAME)`` of two costs (times, or
objectives where the instance minimises another); comparisons with < <= > >=, and, or, not, brackets. A name is written as it
is, or in quotes where Python would take it for something else: ``gap("lru:scope=global")``.

What is not known gives no verdict. The optimum lies in an interval, so a gap is one: it is above a number where all of the
interval is, and not where none of it is; between them the condition is unknown, and so it is where a scheduler has no time.
"and" and "or" are of three values (Kleene): what is known of one part may be enough.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from placement_opt.base.errors import InputError, shown
from placement_opt.base.tabular import Record
from placement_opt.study.scheduled import Compared, Scheduled

#: What may be asked of schedulers, and of how many.
FUNCTIONS = {"gap": 1, "latency": 1, "hit_rate": 1, "ratio": 2}
#: What may be asked of an instance.
VALUES = ("bound", "best")
_FIELD = "--fail-if"
_LANGUAGE = "expected comparisons of gap(NAME), latency(NAME), hit_rate(NAME), ratio(NAME, NAME), bound, best and numbers"
#: Operator -> how it is of numbers, and the ends of two intervals (0: low) of which it holds where it holds of all between.
_HOLDS: dict[type[ast.cmpop], tuple[Callable[[float, float], bool], int, int]] = {
    ast.Gt: (operator.gt, 0, 1),
    ast.GtE: (operator.ge, 0, 1),
    ast.Lt: (operator.lt, 1, 0),
    ast.LtE: (operator.le, 1, 0),
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Lt: ast.GtE, ast.LtE: ast.Gt}


@dataclass(frozen=True)
class Checked:
    """A condition held against one instance.

    Attributes
    ----------
    instance, condition
        Which.
    holds
        None: not known.
    why
        The values that it was held against, in words.
    """

    instance: str
    condition: str
    holds: bool | None
    why: str

    def to_record(self) -> Record:
        """For JSON."""
        return {"instance": self.instance, "condition": self.condition, "holds": self.holds, "why": self.why}


@dataclass(frozen=True)
class _Value:
    """An interval, or nothing, and what is said of it."""

    low: float
    high: float
    text: str
    known: bool = True


@dataclass(frozen=True)
class Condition:
    """A condition that was read.

    Attributes
    ----------
    text
        As it was given.
    """

    text: str
    _tree: ast.expr

    def names(self) -> list[str]:
        """The schedulers that it asks of."""
        calls = [node for node in ast.walk(self._tree) if isinstance(node, ast.Call)]
        return list(dict.fromkeys(_name(argument, self.text) for call in calls for argument in call.args))

    def check(self, one: Compared) -> Checked:
        """Whether it holds of an instance."""
        said: dict[str, None] = {}
        holds = _holds(self._tree, one, self.text, said)
        return Checked(one.label, self.text, holds, ", ".join(said))


def read_condition(text: str, schedulers: Sequence[str]) -> Condition:
    """A condition of a comparison of these schedulers; InputError for what is none, or asks of others."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"found {shown(text)}", f"{_LANGUAGE} (names that are no words in quotes)", field=_FIELD) from None
    _check(tree, text, 0)
    found = Condition(text.strip(), tree)
    for name in found.names():
        if name not in schedulers:
            raise InputError(f"found scheduler {shown(name)}", f"expected one of {', '.join(schedulers)}", field=_FIELD)
    return found


def check_all(conditions: Sequence[Condition], compared: Sequence[Compared]) -> list[Checked]:
    """Each condition on each instance, instance by instance."""
    return [condition.check(one) for one in compared for condition in conditions]


def exit_code(code: int, checked: Sequence[Checked]) -> int:
    """What a comparison that would end with a code ends with: 1 where a condition holds, 3 where one is unknown."""
    if code == 130:
        return code
    if any(one.holds for one in checked):
        return 1
    return 3 if code == 0 and any(one.holds is None for one in checked) else code


def _check(node: ast.expr, text: str, depth: int) -> None:
    """InputError for what is no condition."""
    if depth > 50:
        raise InputError("found a condition of more than 50 levels", "expected fewer", field=_FIELD)
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check(value, text, depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check(node.operand, text, depth + 1)
    elif isinstance(node, ast.Compare):
        for each in node.ops:
            if type(each) not in _HOLDS:
                raise InputError(f"found {shown(_source(node, text))}", "expected one of < <= > >=", field=_FIELD)
        for value in (node.left, *node.comparators):
            _check_value(value, text)
    else:
        raise InputError(f"found {shown(_source(node, text))}, which is true or false of nothing", _LANGUAGE, field=_FIELD)


def _check_value(node: ast.expr, text: str) -> None:
    if isinstance(node, ast.Name) and node.id in VALUES:
        return
    if _number(node) is not None:
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        wanted = FUNCTIONS[node.func.id]
        if len(node.args) != wanted or node.keywords:
            expected = f"expected {wanted} scheduler{'s' if wanted > 1 else ''}"
            raise InputError(f"found {shown(_source(node, text))}", expected, field=_FIELD)
        for argument in node.args:
            _name(argument, text)
        return
    raise InputError(f"found {shown(_source(node, text))}", _LANGUAGE, field=_FIELD)


def _number(node: ast.expr) -> float | None:
    """A number with or without a sign; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.UnaryOp):
        found = _number(node.operand)
        return None if found is None else -found
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        try:
            found = float(node.value)  # type: ignore[arg-type]
        except OverflowError:
            return None
        return found if math.isfinite(found) else None
    return None


def _name(node: ast.expr, text: str) -> str:
    """A scheduler: a word, a text, or words with hyphens between them (``s3-fifo``, which Python takes for a difference)."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    source = _source(node, text)
    if isinstance(node, ast.BinOp) and all(part.isidentifier() for part in source.split("-")):
        return source
    raise InputError(f"found {shown(source)}", "expected a scheduler's name, in quotes where it is no word", field=_FIELD)


def _source(node: ast.expr, text: str) -> str:
    return ast.get_source_segment(text.strip(), node) or ast.unparse(node)


def _holds(node: ast.expr, one: Compared, text: str, said: dict[str, None]) -> bool | None:
    if isinstance(node, ast.UnaryOp):
        found = _holds(node.operand, one, text, said)
        return None if found is None else not found
    if isinstance(node, ast.BoolOp):
        decides = isinstance(node.op, ast.Or)
        return _joined([_holds(value, one, text, said) for value in node.values], decides)
    assert isinstance(node, ast.Compare)
    values = [_value(each, one, text) for each in (node.left, *node.comparators)]
    said.update(dict.fromkeys(value.text for value in values if value.text))
    return _joined(list(_pairs(values, node.ops)), False)


def _joined(parts: list[bool | None], decides: bool) -> bool | None:
    """What one part is enough for, else None where one is not known."""
    if decides in parts:
        return decides
    return None if None in parts else not decides


def _pairs(values: list[_Value], operators: Sequence[ast.cmpop]) -> Iterator[bool | None]:
    for left, right, each in zip(values, values[1:], operators, strict=False):
        if not left.known or not right.known:
            yield None
        elif _sure(left, right, type(each)):
            yield True
        else:
            yield False if _sure(left, right, _OPPOSITE[type(each)]) else None


def _sure(left: _Value, right: _Value, kind: type[ast.cmpop]) -> bool:
    """Whether a comparison holds of all numbers of two intervals."""
    compare, ours, theirs = _HOLDS[kind]
    return compare((left.low, left.high)[ours], (right.low, right.high)[theirs])


def _value(node: ast.expr, one: Compared, text: str) -> _Value:
    number = _number(node)
    if number is not None:
        return _Value(number, number, "")
    if isinstance(node, ast.Name):
        found = one.proof.bound.lower_bound_s if node.id == "bound" else one.proof.best_s
        return _of(node.id, found, "is not known")
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    what, rows = node.func.id, [_row(one, _name(argument, text)) for argument in node.args]
    label = f"{what}({', '.join(row.scheduler for row in rows)})"
    untimed = next((row for row in rows if row.cost_s is None), None)
    if untimed is not None:
        return _of(label, None, f"is not known: {untimed.scheduler} was not timed ({untimed.outcome})")
    if what == "gap":
        return _gap(label, rows[0])
    if what == "ratio":
        top, bottom = (row.cost_s or 0.0 for row in rows)
        return _of(label, top / bottom if bottom else None, "is not known: the second takes no time")
    hits = rows[0].hits
    return _of(label, rows[0].latency_s if what == "latency" else None if hits is None else hits.rate, "is not known")


def _gap(label: str, row: Scheduled) -> _Value:
    judged = row.judgement
    if judged is None:
        return _of(label, None, "is not known: nothing is proven of the optimum")
    high = math.inf if judged.above_most is None else judged.above_most
    text = f"{label} = {judged.above_least:.6g}"
    return _Value(judged.above_least, high, text if high == judged.above_least else f"{text} to {high:.6g}")


def _of(label: str, found: float | None, otherwise: str) -> _Value:
    if found is None:
        return _Value(math.nan, math.nan, f"{label} {otherwise}", known=False)
    return _Value(found, found, f"{label} = {found:.6g}")


def _row(one: Compared, name: str) -> Scheduled:
    return next(row for row in one.schedules if row.scheduler == name)
