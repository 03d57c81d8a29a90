"""Which tokens are read: equal to the obvious choice, and what each rule promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.capture.rules import HEADS, Rule
from tests.capture.cases import attention, obvious

RULES = [{"top_k": 1}, {"top_k": 7}, {"top_k": 500}, {"top_p": 0.3}, {"top_p": 0.95}, {"threshold": 0.02}, {"threshold": 1.0}]


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("given", RULES, ids=str)
def test_equals_the_obvious_choice(given: dict[str, float], heads: str) -> None:
    """Pages of one token and more, sequences that end within a page, windows that begin within one, equal weights."""
    rng = np.random.default_rng(1)
    for page_tokens, tokens, first, ties in [
        (1, 50, 0, False),
        (1, 50, 0, True),
        (8, 50, 0, False),
        (8, 45, 13, False),
        (64, 9, 3, False),
    ]:
        rule = Rule(**given, heads=heads, page_tokens=page_tokens)  # type: ignore[arg-type]
        weights = attention(rng, 4, tokens, ties=ties)
        assert rule.choose(weights, first).tolist() == obvious(rule, weights, first)


def test_of_equal_weights_the_newest_go_first() -> None:
    """Four equal tokens, two of them read."""
    assert Rule(top_k=2).choose(np.full((1, 4), 0.25)).tolist() == [2, 3]


def test_more_of_anything_reads_no_less() -> None:
    """A greater k or mass, a lower threshold: what was read before is read still; top-k reads as many as it says."""
    weights = attention(np.random.default_rng(2), 4, 60)
    for name, values in {
        "top_k": [1, 5, 20, 60, 61],
        "top_p": [0.1, 0.5, 0.9, 1.0],
        "threshold": [0.5, 0.1, 0.01, 1e-9],
    }.items():
        for heads in HEADS:
            sets = [set(Rule(**{name: value}, heads=heads).choose(weights).tolist()) for value in values]  # type: ignore[arg-type]
            assert all(one <= other for one, other in pairwise(sets)), (name, heads)
    assert [len(Rule(top_k=k).choose(weights)) for k in (1, 5, 60, 61)] == [1, 5, 60, 60]


def test_a_mass_is_reached_by_no_fewer() -> None:
    """What top-p reads has the mass, and has it no more without its least page."""
    rng = np.random.default_rng(3)
    for mass in (0.2, 0.7, 0.99):
        weights = attention(rng, 4, 80).mean(axis=0, dtype=np.float64)
        chosen = weights[Rule(top_p=mass).choose(weights[None])]
        assert chosen.sum() >= mass * weights.sum() > chosen.sum() - chosen.min()


def test_any_head_is_the_union_of_heads() -> None:
    """Each head by itself, read together; the greatest of heads is another rule."""
    weights = attention(np.random.default_rng(4), 4, 60)
    alone = {column for head in weights for column in Rule(top_k=5).choose(head[None]).tolist()}
    assert set(Rule(top_k=5, heads="any").choose(weights).tolist()) == alone
    assert len(Rule(top_k=5, heads="max").choose(weights)) == 5 < len(alone)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "found no rule, expected one of --top-k, --top-p and --threshold"),
        ({"top_k": 1, "top_p": 0.5}, "found --top-k and --top-p, expected one of --top-k, --top-p and --threshold"),
        ({"top_k": 0}, "top_k: found 0, expected at least 1"),
        ({"top_p": 1.5}, "top_p: found 1.5, expected a number above 0 and up to 1"),
        ({"threshold": 0.0}, "threshold: found 0, expected a number above 0 and up to 1"),
        ({"top_k": 1, "heads": "most"}, "heads: found 'most', expected one of mean, max, any"),
        ({"top_k": 1, "page_tokens": 0}, "page_tokens: found 0, expected at least 1"),
    ],
)
def test_refusals(given: dict[str, float], message: str) -> None:
    """Exactly one rule, within its range."""
    with pytest.raises(InputError) as caught:
        Rule(**given)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_rule_in_words() -> None:
    """As the metadata have it."""
    assert str(Rule(top_p=0.9, heads="any", page_tokens=16)) == "top-p 0.9, chosen by any head, pages of 16"
