"""Schedulers that users bring: found by file, class and entry point, true to the rules, and told what is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import placement_opt as po
from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.cli import main
from placement_opt.schedulers import make_scheduler, theirs
from placement_opt.study.regress import regress
from tests.cli.cases import write_ahead
from tests.small import make_instance, make_trace, two_tier
from tests.worlds import any_instance

PAGE = Path(__file__).parents[2] / "docs" / "schedulers.md"


class Fifo(po.CachePolicy):
    """First in, first out."""

    def init(self, capacity: int) -> None:  # noqa: ARG002
        self.queue: dict[int, None] = {}

    def miss(self, block: int, size: int) -> None:  # noqa: ARG002
        assert block not in self.queue
        self.queue[block] = None

    def evict(self) -> int:
        return next(iter(self.queue))

    def free(self, block: int) -> None:
        del self.queue[block]


class Recent(Fifo):
    """Least recently used."""

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.free(block)
        self.queue[block] = None


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's files, as its reader has it."""
    code, question, _, more = re.findall(r"```(?:python|toml|)\n(.*?)```", PAGE.read_text(), re.DOTALL)[:4]
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "question.toml").write_text(question)
    (tmp_path / "more.py").write_text(more)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_the_page_works_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Its command, then its second class, and the first in two processes."""
    (command,) = re.findall(r"placement-opt (compare question.*)", PAGE.read_text())
    assert main([*command.split(), "--method", "compact"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^(mine\.py:Second\S*) .* %", out, re.MULTILINE) == ["mine.py:Second", "mine.py:Second:again=3"]
    assert main(["simulate", "question.toml", "--scheduler", "more.py:Everything"]) == 0
    found = po.compare("question.toml", ["lru", "mine.py:Second"], method="roofline", jobs=2)
    assert [row.outcome for row in found.instances[0].schedules] == ["timed", "timed"]


@pytest.mark.parametrize("policy", [Fifo, Recent])
def test_hooks_make_legal_schedules_on_every_hierarchy(policy: type[Fifo]) -> None:
    """Any rule, one to four tiers, deaths, given starts: the simulator takes it, no bound is above it.

    Blocks of unequal sizes that must all lie somewhere are left out: what is produced may find no room in one piece.
    """
    tried = 0
    for instance in map(any_instance, range(60)):
        if len(set(instance.size.tolist())) > 1 and instance.residency != "inclusive":
            continue
        tried += 1
        run = po.simulate(instance, policy())
        bound = po.bound(instance, "compact").lower_bound_s
        assert bound is not None
        assert bound <= run.latency_s * (1 + 1e-9)
    assert tried >= 30


def misses(reads: list[list[int]], room: int, recent: bool) -> int:
    """How often a cache of so many blocks of a byte misses: slow and obvious."""
    queue: list[int] = []
    count = 0
    for block in (block for step in reads for block in step):
        if block in queue:
            if recent:
                queue.remove(block)
                queue.append(block)
            continue
        count += 1
        queue = [*queue, block][-room:]
    return count


@pytest.mark.parametrize("recent", [False, True])
def test_misses_are_those_of_the_rule(recent: bool) -> None:
    """One block a step, an empty cache at first: the slow tier serves as many reads as a plain queue misses."""
    rng = np.random.default_rng(5)
    reads = [[int(block)] for block in rng.integers(0, 6, 60)]
    memory = two_tier(hbm=3, rates=(10**6, 1, 10**6))
    initial = np.array([[False] * 6, [True] * 6])
    instance = make_instance(memory, make_trace(reads, [-1] * 6), "inclusive", initial=initial)
    run = po.simulate(instance, Recent() if recent else Fifo())
    assert round(run.latency_s) == misses(reads, 3, recent)


BROKEN = {
    "x = (": (r"mine\.py:1: found SyntaxError", "Mine"),
    "import nothing_of_the_kind": (r"mine\.py:1: found ModuleNotFoundError: No module named .* expected a module", "Mine"),
    "class Min: pass": (r"mine\.py: found no class 'Mine'.* did you mean 'Min'\?", "Mine"),
    "": (r"found no class 'Mine'.* expected a class of that name", "Mine"),
    "class Mine: pass": (r"found Mine without start and step.*CachePolicy", "Mine"),
    "class Mine:\n online = False\n start = step = print": (r"found Mine without plan", "Mine"),
    "import placement_opt as po\nclass Mine(po.CachePolicy): pass": (r"found Mine without evict", "Mine"),
    "class Mine:\n def __init__(self, a=1): raise ValueError('no')": (
        r"found ValueError: no.* expected Mine\(\) to work",
        "Mine",
    ),
    "class Mine:\n def __init__(self, a=1): pass": (r"found option 'b'.*expected one of a", "Mine:b=2"),
    "class Mine:\n def __init__(self, few=1): pass": (r"found 'x'.* expected a whole number", "Mine:few=x"),
    "class Mine:\n def __init__(self, on=True): pass": (r"found '1'.* expected true or false", "Mine:on=1"),
}


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_wrong_with_a_file_is_told(code: str, tmp_path: Path) -> None:
    """Each with the file, and the line where there is one."""
    (tmp_path / "mine.py").write_text(code)
    message, name = BROKEN[code]
    with pytest.raises(InputError, match=message):
        make_scheduler(f"{tmp_path}/mine.py:{name}")


def test_there_must_be_a_file(tmp_path: Path) -> None:
    """A name that ends in .py is a file's."""
    with pytest.raises(InputError, match=r"none\.py"):
        make_scheduler(f"{tmp_path}/none.py:Mine")


def test_troubles_of_a_run_have_step_and_line(here: Path) -> None:
    """An exception, an answer that is none, a victim that is not there."""
    (here / "bad.py").write_text(
        "from mine import Second\n"
        "class Raises(Second):\n def evict(self):\n  return {}['a']\n"
        "class Wrong(Second):\n def evict(self):\n  return 10**6\n"
        "class Answers:\n def start(self, setting, first): return None\n def step(self, view): return 5\n"
    )
    question = po.load_instance("question.toml")
    with pytest.raises(ScheduleError, match=r"step \d+.*raised KeyError: 'a' \(bad.py, line 4\)"):
        po.simulate(question, make_scheduler("bad.py:Raises"))
    with pytest.raises(ScheduleError, match=r"step \d+, block 1000000.*evicted from hbm, which does not hold it"):
        po.simulate(question, make_scheduler("bad.py:Wrong"))
    given = po.load_instance("question.toml", {"rules.initial": "first-fit"})
    with pytest.raises(ScheduleError, match=r"step 0.*answered 5"):
        po.simulate(given, make_scheduler("bad.py:Answers"))


def test_objects_are_compared_as_they_are() -> None:
    """By their names, in this process and in others; a name twice or an object that is none is refused."""
    instance = po.load_instance("instances/tiny/two-inclusive.toml")
    for jobs in (1, 2):
        found = po.compare(instance, ["lru", Fifo()], method="roofline", jobs=jobs)
        assert [row.scheduler for row in found.instances[0].schedules] == ["lru", "Fifo"]
    assert len(po.sweep("instances/tiny/two-inclusive.toml", "hbm.capacity=1B,2B", [Fifo()], method="roofline").points) == 2
    with pytest.raises(InputError, match="twice"):
        po.compare(instance, [Fifo(), Fifo()])
    with pytest.raises(InputError, match="without name"):
        po.compare(instance, [object()])  # type: ignore[list-item]

    class Local(Fifo):
        pass

    with pytest.raises(InputError, match="other processes cannot be handed"):
        po.compare(instance, [Local()], jobs=2)


def test_a_package_offers_schedulers(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an entry point's name, with options; one that cannot be imported says why."""

    class Point:
        def __init__(self, name: str, value: str) -> None:
            self.name, self.value = name, value

        def load(self) -> Any:
            if self.value == "broken":
                raise ImportError("no such thing")
            return Fifo

    points = [Point("queue", "mine:Fifo"), Point("hurt", "broken")]
    monkeypatch.setattr(theirs, "entry_points", lambda group: points if group == theirs.GROUP else [])
    theirs.installed.cache_clear()
    assert make_scheduler("queue").name == "queue"
    with pytest.raises(InputError, match=r"found ImportError: no such thing.* expected broken to import"):
        make_scheduler("hurt")
    with pytest.raises(InputError, match="did you mean 'queue'"):
        make_scheduler("quue")
    theirs.installed.cache_clear()


def test_what_is_recorded_has_the_hash_of_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded with --schedulers, found again without, and a changed file is told."""
    monkeypatch.setattr("placement_opt.study.regress.RECORDED", ("static",))
    write_ahead(here)
    (here / "ahead.best.json").unlink(missing_ok=True)
    path = here / "ahead.toml"
    assert regress([path], update=True, schedulers=["mine.py:Second"]).ok
    assert regress([path]).ok
    (here / "mine.py").write_text((here / "mine.py").read_text() + "\n# changed\n")
    (file,) = regress([path]).files
    assert [line for line in file.lines if "its file is not the one recorded" in line]


def test_a_cache_without_evict_says_so() -> None:
    """As an object, too, at the step that first needs room."""

    class Full(Fifo):
        evict = po.CachePolicy.evict

    trace = make_trace([[0], [1], [2]], [-1, -1, -1])
    instance = make_instance(two_tier(hbm=1), trace, "inclusive", initial=np.array([[True, False, False], [True] * 3]))
    with pytest.raises(ScheduleError, match=r"Full.*no evict is defined"):
        po.simulate(instance, Full())


def test_what_lies_beside_a_file_is_its_own(tmp_path: Path) -> None:
    """Two folders with helpers of the same name do not see each other's."""
    for n, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        folder.mkdir()
        (folder / "helping.py").write_text(f"most = {n}\n")
        (folder / "mine.py").write_text(
            f"# {n}\nfrom helping import most\nclass Mine:\n source = str(most)\n start = step = print\n"
        )
    made = [make_scheduler(f"{tmp_path}/{folder}/mine.py:Mine") for folder in "ab"]
    assert [one._policy.source for one in made] == ["0", "1"]  # type: ignore[attr-defined]
