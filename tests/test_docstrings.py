"""Every public name says what it is, what it takes, gives and refuses, and shows it in an example that runs."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import placement_opt as po

#: What public names stand for; the release is a text and described with the package.
PUBLIC = {name: getattr(po, name) for name in dir(po) if name != "__version__"}
METHODS = (FunctionType, classmethod, staticmethod)
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


def members(kind: type) -> dict[str, Any]:
    """Public methods and properties of a class that are ours."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        ours = base.__module__.startswith("placement_opt")
        for name, value in vars(base).items() if ours else ():
            if not name.startswith("_") and isinstance(value, (*METHODS, property, cached_property)):
                found.setdefault(name, value)
    return found


def attributes(kind: type) -> list[str]:
    """Fields of a dataclass, members of an enumeration."""
    if issubclass(kind, Enum):
        return list(kind.__members__)
    return [one.name for one in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []


def documents(name: str) -> Iterator[tuple[str, str]]:
    """(name, docstring) of a public object and of its members."""
    value = PUBLIC[name]
    yield name, value.__doc__ or ""
    for inner, member in (members(value) if inspect.isclass(value) else {}).items():
        yield f"{name}.{inner}", inspect.getdoc(member) or ""


def section(document: str, title: str) -> str:
    """The text of a numpydoc section; "" where there is none."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^[A-Z]\w+\n-+\n|\Z)", inspect.cleandoc(document), re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def entries(text: str) -> set[str]:
    """What a section has entries for: names at its left margin, several in a line with commas between them."""
    lines = [line for line in text.splitlines() if line and not line.startswith(" ")]
    return {word for line in lines for word in re.findall(r"\w+", line)}


def examples(document: str) -> str:
    """The code of its examples."""
    return "".join(one.source for one in doctest.DocTestParser().get_examples(document))


def lacking(name: str, function: Any, document: str) -> list[str]:
    """Sections that a function or method needs and has not."""
    signature = inspect.signature(getattr(function, "__func__", function))
    taken = set(signature.parameters) - {"self", "cls"}
    missing = [f"{name}: parameter {one}" for one in sorted(taken - entries(section(document, "Parameters")))]
    returns = signature.return_annotation not in (None, "None")
    return missing + ([f"{name}: Returns"] if returns and not section(document, "Returns") else [])


@pytest.mark.parametrize("name", PUBLIC)
def test_the_examples_of_a_public_name_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of their own, as they are read, each with the package as ``po``."""
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False)
    for where, document in documents(name):
        test = doctest.DocTestParser().get_doctest(document, {"po": po}, where, None, 0)
        told: list[str] = []
        runner.run(test, out=told.append)
        assert not told, "".join(told)
    assert runner.tries > 0


def test_the_example_of_the_package_runs() -> None:
    """It says what the release is called, too."""
    assert "__version__" in examples(po.__doc__ or "")
    assert doctest.testmod(po, globs={}).failed == 0


def test_every_public_name_shows_itself() -> None:
    """Its own docstring begins with a line that ends, and has an example in which the name occurs, typed or printed."""
    assert len(PUBLIC) > 30
    for name, value in PUBLIC.items():
        document = value.__doc__ or ""
        assert re.match(r"[^\n]+[.:]\n", document), name
        shown = section(document, "Examples")
        assert re.search("^>>> ", shown, re.MULTILINE), name
        assert re.search(rf"\b{name}\b", shown), name


@pytest.mark.parametrize("name", CLASSES)
def test_every_member_is_described_and_used(name: str) -> None:
    """Fields under Attributes; methods and properties by docstrings; all of them in some example of the class."""
    kind = CLASSES[name]
    code = "".join(examples(document) for _, document in documents(name))
    told = entries(section(kind.__doc__ or "", "Attributes"))
    assert [one for one in attributes(kind) if one not in told] == []
    used = set(re.findall(r"\w+", code))
    assert [one for one in [*attributes(kind), *members(kind)] if one not in used] == []
    assert [one for one, member in members(kind).items() if not inspect.getdoc(member)] == []


def test_everything_called_says_what_it_takes_gives_and_refuses() -> None:
    """Each parameter by name; what comes back; and functions, all of which refuse something, under Raises what and why."""
    missing = []
    for name, function in FUNCTIONS.items():
        missing += lacking(name, function, function.__doc__ or "")
        missing += [] if section(function.__doc__ or "", "Raises") else [f"{name}: Raises"]
    for name, kind in CLASSES.items():
        for one, member in members(kind).items():
            if not isinstance(member, METHODS):
                continue
            missing += lacking(f"{name}.{one}", member, inspect.getdoc(member) or "")
    assert missing == []


def test_what_is_not_described_is_found() -> None:
    """The tests above can fail: a function that is silent on a parameter and on what comes back."""

    def silent(one: int, two: int) -> int:
        """Something.

        Parameters
        ----------
        one
            A number.
        """
        return one + two

    assert lacking("silent", silent, silent.__doc__ or "") == ["silent: parameter two", "silent: Returns"]
