"""Names and options of schedulers: what is understood, what is refused and how."""

from __future__ import annotations

import subprocess
import sys

import pytest

from placement_opt.base.errors import InputError
from placement_opt.schedulers import ASKED, REGISTRY, describe, make_scheduler
from placement_opt.schedulers.sa import SA

NAMES = list(REGISTRY)
#: With those that are asked for by their names alone.
ALL = {**REGISTRY, **ASKED}


def test_names() -> None:
    """Each class carries the name under which it is registered."""
    assert len(set(NAMES)) == len(REGISTRY) >= 10
    assert len(ALL) == len(REGISTRY) + len(ASKED)
    assert [ALL[name].title for name in ALL] == list(ALL)


def test_options_are_typed() -> None:
    """Whole numbers, numbers and words arrive as such; spaces around them do not matter."""
    sa = make_scheduler("sa:window=7, ratio = 0.25,seed=3")
    assert (sa.window, sa.ratio, sa.seed, sa.iterations) == (7, 0.25, 3, 40)
    assert make_scheduler("lru:scope=global").scope == "global"


def test_names_carry_the_options_that_differ() -> None:
    """A scheduler's name is its spec without what is default anyway."""
    assert make_scheduler("lru").name == "lru"
    assert make_scheduler("lru:scope=layer").name == "lru"
    assert make_scheduler("sa:seed=3,window=5").name == "sa:window=5,seed=3"


def test_who_sees_what() -> None:
    """Those that are handed the whole instance say so, and only those."""
    online = {one.name: one.online for one in describe()}
    assert online == {name: not hasattr(policy, "plan") for name, policy in ALL.items()}
    assert (online["lru"], online["belady"]) == (True, False)


def test_descriptions() -> None:
    """Each has a line of text, a source, and options with defaults; exactly these."""
    known = {one.name: one for one in describe()}
    assert list(known) == list(ALL)
    assert all(one.text and one.source for one in known.values())
    assert known["lru"].options[0].choices == ("layer", "global")
    assert [(option.key, option.default) for option in known["sa"].options] == [
        ("window", 0), ("ratio", 0.0), ("iterations", 40), ("temperature", 0.001), ("seed", 0), ("sample", 1000),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lur", "scheduler: found scheduler 'lur', did you mean 'lru'?"),
        ("", "scheduler: found scheduler '', expected one of " + ", ".join(ALL)),
        ("lru:scop=global", "lru: found option 'scop', did you mean 'scope'?"),
        ("belady:x=1", "belady: found option 'x', expected none here"),
        ("lru:", "lru: found '', expected key=value"),
        ("lru:global", "lru: found 'global', expected key=value"),
        ("lru:scope=layer,scope=global", "lru: found option 'scope' twice, expected it once"),
        ("lru:scope=everywhere", "lru:scope: found 'everywhere', expected one of layer, global"),
        ("sa:window=two", "sa:window: found 'two', expected a whole number"),
        ("sa:window=2.5", "sa:window: found '2.5', expected a whole number"),
        ("sa:ratio=much", "sa:ratio: found 'much', expected a number"),
        ("sa:ratio=nan", "sa:ratio: found nan, expected from 0.0 to 1.0"),
        ("sa:ratio=1.5", "sa:ratio: found 1.5, expected from 0.0 to 1.0"),
        ("page:blocks=0", "page:blocks: found 0, expected from 1 to 2147483647"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    """Unknown names and options are refused with the nearest known one, bad values with what is expected."""
    with pytest.raises(InputError) as caught:
        make_scheduler(spec)
    assert str(caught.value) == message


def test_options_are_checked_in_python_too() -> None:
    """A value of the wrong type is refused where no text was parsed."""
    with pytest.raises(InputError, match=r"^sa:window: found 2.5, expected int$"):
        SA(window=2.5)


def test_listing_imports_no_solver_and_no_compiler() -> None:
    """Describing all schedulers loads neither numba nor highspy nor networkx."""
    heavy = "{'numba', 'highspy', 'networkx', 'scipy'}"
    code = f"import sys, placement_opt.schedulers as s; s.describe(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
