"""What is read many records or rows at once is what is read one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import READERS, access_csv, lengths, records
from placement_opt.workload.trace import Trace
from tests import fuzz
from tests.workload.fixtures import FIXTURES
from tests.workload.traces import same

NAMES = ["mooncake", "bailian", "lmcache", "selections", "access-csv", "lengths"]


def found(name: str, path: Path) -> Trace | str:
    try:
        return READERS[name](path)
    except InputError as error:
        return str(error)


def nothing(*_given: object, **_more: object) -> None:
    """Never many at once."""


@pytest.mark.parametrize("name", NAMES)
def test_at_once_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same trace, metadata included, or a refusal by both, at the same line of the same file."""
    cases = [FIXTURES[name][1], *(fuzz.case(name, 3, number) for number in range(250))]
    outcomes = []
    for one_by_one in (False, True):
        if one_by_one:
            monkeypatch.setattr(records, "parse_objects", nothing)
            for module in (access_csv, lengths):
                monkeypatch.setattr(module, "fields_of", nothing)
        outcomes.append([])
        for data in cases:
            (tmp_path / "t").write_bytes(data)
            outcomes[-1].append(found(name, tmp_path / "t"))
    for fast, slow in zip(*outcomes, strict=True):
        if isinstance(fast, str) or isinstance(slow, str):
            assert fast == slow
        else:
            assert same(fast, slow)
            assert fast.meta == slow.meta


def test_names_that_look_alike_are_different_blocks(tmp_path: Path) -> None:
    """A number, the same with a zero before it, and a text; whatever came before them in the file."""
    (tmp_path / "t").write_text("step,block\n" + "0,7\n" * 20_000 + "1,07\n1,7\n2,x\n2,7\n")
    trace = READERS["access-csv"](tmp_path / "t")
    assert [trace.reads(step).tolist() for step in range(3)] == [[0], [0, 1], [0, 2]]
    assert np.array_equal(trace.birth, [-1, -1, -1])
