"""The dual pass in shares: the same integer however it is cut and wherever it is worked on, and never above the optimum."""

from __future__ import annotations

import os
import sys
import threading
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base import backend as backend_module
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import milp
from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.dual import shares as shares_module
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.shares import QUANTUM_BITS, cut_evenly, evaluate_shares
from placement_opt.bounds.result import Prices
from placement_opt.instance.instance import Instance
from tests.bounds.cases import absurd_prices, draw, random_prices

PROFILE = settings(derandomize=True, deadline=None, max_examples=30)


def some() -> tuple[Instance, Prices]:
    """Forty blocks of three tiers with births, deaths and shares, and prices of the right order."""
    rng = np.random.default_rng(5)
    instance = draw(5, 3, blocks=40)
    return instance, random_prices(instance, rng)


@PROFILE
@given(st.integers(0, 10**6))
def test_the_integer_is_the_float_within_its_margin(seed: int) -> None:
    """At any prices, absurd ones included: the same paths, a value within rounding, both below the optimum."""
    rng = np.random.default_rng(seed)
    instance = draw(seed)
    prices = absurd_prices(rng, instance, 0.5)
    shared, plain = evaluate_shares(instance, prices), evaluate(instance, prices)
    assert (shared.paths_s == plain.paths_s).all()
    assert shared.value_s == pytest.approx(plain.value_s, rel=1e-11, abs=1e-15)
    assert Fraction(shared.value_s) <= max(Fraction(0), Fraction(shared.total, 2**QUANTUM_BITS))
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    assert shared.value_s <= optimum * (1 + 1e-9) + 1e-300


@PROFILE
@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=2, max_size=4))
def test_every_cut_gives_the_same_integer(seed: int, cuts: list[int]) -> None:
    """Whatever the number of shares, the sum over them is the same to the last bit."""
    rng = np.random.default_rng(seed)
    instance = draw(seed, blocks=30)
    prices = random_prices(instance, rng)
    whole = evaluate_shares(instance, prices)
    classes = classify(instance)
    for pieces in cuts:
        ends = cut_evenly(classes, pieces)
        assert ends[0] == 0
        assert ends[-1] == len(classes)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shares_module, "cut_evenly", lambda _, __, ends=ends: ends)
            cut = evaluate_shares(instance, prices)
        assert (cut.shares, cut.total, cut.value_s) == (len(ends) - 1, whole.total, whole.value_s)


def test_cuts_share_the_reads() -> None:
    """Ranges cover all classes once, in order, with about equal numbers of reads, and none has too many."""
    instance, _ = some()
    classes = classify(instance)
    ends = cut_evenly(classes, 4)
    reads = np.diff(classes.start[ends])
    assert len(reads) == 4
    assert reads.max() <= 2 * classes.start[-1] / 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shares_module, "_MOST_READS", 2)
        assert len(cut_evenly(classes, 1)) > 3


def test_two_processes_give_the_same_integer() -> None:
    """Spawned workers return what one process returns."""
    instance, prices = some()
    alone, shared = evaluate_shares(instance, prices), evaluate_shares(instance, prices, jobs=2)
    assert shared.shares > 1
    assert (shared.total, shared.value_s) == (alone.total, alone.value_s)
    assert (shared.paths_s == alone.paths_s).all()


def test_limits_end_the_pass_with_an_error() -> None:
    """A pass that was not finished proves nothing and says how far it came."""
    instance, prices = some()
    limits = Limits()
    limits.interrupt()
    with pytest.raises(LimitError, match="the limits ended the dual pass after 0 of 1 shares"):
        evaluate_shares(instance, prices, limits=limits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "spark"}, "backend: found 'spark', expected one of local, dask, accelerator"),
        ({"jobs": 0}, "jobs: found 0, expected at least 1"),
        ({"name": "dask"}, "dask-address: found none, expected that of a Dask scheduler, such as tcp://10.0.0.1:8786"),
        ({"address": "tcp://a:1"}, "dask-address: found 'tcp://a:1', expected none with backend local"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    """Unknown backends, no processes, an address without a cluster or the other way round: each says what was expected."""
    with pytest.raises(InputError) as error:
        Backend(**arguments)
    assert str(error.value) == message


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package distributed the error names the extra that brings it."""
    instance, prices = some()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        InputError, match=r'found no package distributed, expected the extra "dask": pip install "placement-opt'
    ):
        evaluate_shares(instance, prices, backend="dask", address="tcp://127.0.0.1:1")


def test_a_cluster_gives_the_same_integer(cluster: Any) -> None:
    """Two workers of a cluster return what one process returns."""
    instance, prices = some()
    alone = evaluate_shares(instance, prices)
    shared = evaluate_shares(instance, prices, jobs=2, backend="dask", address=cluster.scheduler_address)
    assert shared.shares > 1
    assert (shared.total, shared.value_s) == (alone.total, alone.value_s)
    assert (shared.paths_s == alone.paths_s).all()


def test_an_ascent_proves_on_the_cluster(cluster: Any) -> None:
    """The proofs of an ascent can be made by workers; what is found is the same to the last bit."""
    instance, prices = some()
    alone = ascend(instance, prices, backend=Backend())
    shared = ascend(instance, prices, backend=Backend("dask", address=cluster.scheduler_address))
    assert shared.value_s == alone.value_s


def test_what_every_worker_fails_at_is_done_here(cluster: Any) -> None:
    """A share that the cluster gives back is worked out in this process."""
    import distributed

    instance, prices = some()
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        client.run(_replace_work, _fail)
        assert set(client.run(_name_of_work).values()) == {"_fail"}
        shared = evaluate_shares(instance, prices, jobs=2, backend="dask", address=cluster.scheduler_address)
        client.run(_replace_work, shares_module.work_share)
    assert shared.total == evaluate_shares(instance, prices).total


def test_the_share_of_a_lost_worker_is_done_again(cluster: Any) -> None:
    """A worker process that dies in the middle of its first share changes nothing in the result."""
    import distributed

    instance, prices = some()
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        victim = sorted(client.scheduler_info()["workers"])[0]
        process = client.run(os.getpid, workers=[victim])[victim]
        client.run(_replace_work, _die, workers=[victim])
        shared = evaluate_shares(instance, prices, jobs=4, backend="dask", address=cluster.scheduler_address)
        alive = client.run(os.getpid)
    assert process not in alive.values()
    assert shared.total == evaluate_shares(instance, prices).total


def test_limits_reach_the_cluster(cluster: Any) -> None:
    """A stop request ends the wait for workers."""
    instance, prices = some()
    limits = Limits()
    limits.interrupt()
    with pytest.raises(LimitError, match="the limits ended the dual pass after 0 of"):
        evaluate_shares(instance, prices, backend="dask", address=cluster.scheduler_address, limits=limits)


@pytest.mark.parametrize("kind", [OSError, MemoryError, AssertionError])
def test_no_scheduler_at_the_address(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    """An address that cannot be reached, or where something else answers, is an error of the input that names it."""

    def refuse(*_: object) -> None:
        raise kind("connection refused")

    instance, prices = some()
    monkeypatch.setattr(backend_module, "_connect", refuse)
    with pytest.raises(InputError) as caught:
        evaluate_shares(instance, prices, backend="dask", address="tcp://127.0.0.1:1")
    assert str(caught.value) == "dask-address: found no Dask scheduler at 'tcp://127.0.0.1:1' (connection refused)"


def test_a_scheduler_that_does_not_answer_is_waited_for_within_the_limits(
    monkeypatch: pytest.MonkeyPatch, stubborn: threading.Event
) -> None:
    """Whatever the client does in the meantime; the address and the time are named."""
    instance, prices = some()
    monkeypatch.setattr(backend_module, "_connect", lambda *_: stubborn.wait())
    monkeypatch.setattr(backend_module, "_ANSWER_S", 0.05)
    with pytest.raises(InputError, match=r"dask-address: found no Dask scheduler at 'tcp://a:1' within 0\.05 s"):
        evaluate_shares(instance, prices, backend="dask", address="tcp://a:1")


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "nowhere://x",
        "inproc://1:1",
        "/etc/passwd",
        "scheduler.json",
        "a",
        "tcp://a",
        "tcp://a:x",
        "a b:1",
        "a:1\n",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(address: str) -> None:
    """Neither files nor unknown ways to speak to a scheduler."""
    with pytest.raises(InputError) as caught:
        Backend("dask", 1, address)
    assert str(caught.value) == (f"dask-address: found {address!r}, expected such as tcp://10.0.0.1:8786 (tcp, tls, ws or wss)")


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "tls://host.example:8786", "tcp://[::1]:8786", "ws://my-host_1:80"])
def test_addresses_are_taken(address: str) -> None:
    """With a scheme that Dask has, or none."""
    assert Backend("dask", 1, address).address == address


def _replace_work(work: Any) -> None:
    from placement_opt.bounds.dual import shares

    shares.work_share = work


def _name_of_work() -> str:
    from placement_opt.bounds.dual import shares

    return shares.work_share.__name__


def _fail(*_: Any) -> None:
    raise RuntimeError("out of memory, say")


def _die(*_: Any) -> None:
    os._exit(1)
