"""What is tuned, as it is written: values, settings, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.study.knobs import parse_settings


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("slru:protected=0..1:3", ("0", "0.5", "1")),
        ("slru:protected=0..1", ("0", "0.125", "0.25", "0.375", "0.5", "0.625", "0.75", "0.875", "1")),
        ("slru:protected=0.80|0.2", ("0.8", "0.2")),
        ("sa:window=2..5", ("2", "3", "4", "5")),
        ("sa:window=1..64", ("1", "2", "4", "8", "16", "32", "64")),
        ("sa:window=1..64:3", ("1", "8", "64")),
        ("sa:window=0..100:3", ("0", "50", "100")),
        ("lru:scope=global|layer", ("global", "layer")),
    ],
)
def test_values(text: str, values: tuple[str, ...]) -> None:
    """Ranges of numbers and of whole numbers, evenly spaced or by ratios; alternatives."""
    (knob,) = parse_settings(text).knobs
    assert knob.values == values


def test_settings() -> None:
    """All combinations, the last option fastest, behind the default where it is none of them; what is fixed stays."""
    found = parse_settings("2q:kin=0.1|0.2,kout=0.5")
    assert [found.spec(one) for one in found.combinations] == [
        "2q:kout=0.5,kin=0.25",
        "2q:kout=0.5,kin=0.1",
        "2q:kout=0.5,kin=0.2",
    ]
    both = parse_settings("2q:kin=0.25|0.5,kout=0.5|1")
    assert both.combinations == (("0.25", "0.5"), ("0.25", "1"), ("0.5", "0.5"), ("0.5", "1"))
    assert both.defaults == both.combinations[0]


def test_options_of_users(tmp_path: Path) -> None:
    """Those of a class in a file are its constructor's arguments."""
    (tmp_path / "mine.py").write_text(
        "import placement_opt as po\n"
        "class Mine(po.CachePolicy):\n"
        "    'First in.'\n"
        "    def __init__(self, depth: int = 3, eager: bool = False):\n"
        "        self.depth, self.eager = depth, eager\n"
        "    def init(self, capacity): self.held = []\n"
        "    def miss(self, block, size): self.held.append(block)\n"
        "    def evict(self): return self.held[0]\n"
        "    def free(self, block): self.held.remove(block)\n"
    )
    found = parse_settings(f"{tmp_path / 'mine.py'}:Mine:depth=1..2,eager=true|false")
    assert found.head == f"{tmp_path / 'mine.py'}:Mine"
    assert found.defaults == ("3", "false")
    assert len(found.combinations) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lru", "found 'lru', of which nothing varies, expected a range key=LOW..HIGH or alternatives key=a|b|c for one of"),
        ("mru", "found 'mru', of which nothing varies, expected a scheduler that has options"),
        ("lruu:scope=a|b", "found scheduler 'lruu', did you mean 'lru'?"),
        ("lru:scop=layer|global", "found option 'scop', did you mean 'scope'?"),
        ("lru:scope", "found 'scope', expected key=LOW..HIGH, key=a|b or key=value"),
        ("lru:scope=layer|", "found 'layer|', expected values between the bars"),
        ("lru:scope=layer|layer", "found 'layer' twice, expected each value once"),
        ("lru:scope=0..1", "found the range '0..1', expected alternatives a|b|c, as it is no number"),
        ("lru:scope=layer|both", "found 'both', expected one of layer, global"),
        ("2q:kin=0.1|0.2,kin=0.3", "found option 'kin' twice, expected it once"),
        ("slru:protected=1..0", "found '1..0', expected the lower end first"),
        ("slru:protected=0..1:1", "found '0..1:1', expected a count of at least 2"),
        ("slru:protected=0..x", "found '0..x', expected LOW..HIGH or LOW..HIGH:COUNT such as 0..1:5"),
        ("slru:protected=0..1:9999", "found 9,999 values, expected at most 1,000"),
        ("slru:protected=0..2", "found 1.25, expected from 0.0 to 1.0"),
        ("sa:window=0.5..2", "found '0.5..2', expected whole numbers"),
        ("sa:window=0..99:100,ratio=0..1:20", "found 2,000 settings, expected at most 1,000"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Each says what was found and what would do."""
    with pytest.raises(InputError) as caught:
        parse_settings(text)
    assert message in str(caught.value)
