"""Certificates inside best files: made on update, verified by every regression, refused where they do not hold."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_prices
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import load_prices, pack_prices
from placement_opt.instance.load import load_instance
from placement_opt.study import enclosed
from placement_opt.study.record import UNCERTIFIED, best_path, measure, to_text
from placement_opt.study.regress import regress
from placement_opt.study.regression import Outcome
from tests.cli.cases import write_ahead


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one instance and a best file that encloses what an update encloses."""
    path = write_ahead(tmp_path)
    record = measure(load_instance(path), ("roofline", "step", "lp"), ("static", "lru"), Limits()).record
    best_path(path).write_text(to_text(record))
    regress([tmp_path], update=True)
    return tmp_path


def lines(folder: Path) -> tuple[str, ...]:
    (one,) = regress([folder]).files
    assert one.outcome in (Outcome.CHANGED, Outcome.UNREADABLE)
    return one.lines


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "ahead.best.json"
    document = json.loads(path.read_text())
    edit(document["certificates"])
    path.write_text(json.dumps(document))


def test_an_update_encloses_certificates_and_a_regression_verifies_them(folder: Path) -> None:
    """The best prices and the best schedule are certified, and the file is then as recorded."""
    document = json.loads((folder / "ahead.best.json").read_text())
    instance = load_instance(folder / "ahead.toml")
    proven = load_prices(base64.b64decode(document["certificates"]["prices"]), instance).claim
    assert float(proven) == pytest.approx(document["best"]["bound_s"], rel=1e-6)
    assert document["certificates"]["schedule"]
    assert regress([folder]).ok
    before = (folder / "ahead.best.json").read_bytes()
    assert regress([folder], update=True).files[0].outcome is Outcome.SAME
    assert (folder / "ahead.best.json").read_bytes() == before


@pytest.mark.parametrize("kind", ["prices", "schedule"])
def test_a_damaged_certificate_is_a_change(folder: Path, kind: str) -> None:
    """One flipped bit in the middle of either file is found, and named."""

    def flip(certificates: dict[str, Any]) -> None:
        data = bytearray(base64.b64decode(certificates[kind]))
        data[len(data) // 2] ^= 4
        certificates[kind] = base64.b64encode(data).decode()

    change(folder, flip)
    (line,) = lines(folder)
    assert line.startswith(f"the certificate of {kind} does not verify: certificate")
    assert regress([folder], update=True).files[0].outcome is Outcome.UPDATED
    assert regress([folder]).ok


def test_a_certificate_that_proves_less_than_what_is_found_is_a_change(folder: Path) -> None:
    """Valid but weak prices, and a valid but slow schedule, are shown with both values."""
    instance = load_instance(folder / "ahead.toml")
    zero = Prices(np.zeros((instance.num_steps, instance.num_resources)), np.zeros((instance.num_steps + 1, 2)))
    slow = enclosed.enclose(instance, None, "page", Limits())["schedule"]
    weak = {"prices": pack_prices(certify_prices(instance, zero)), "schedule": slow}
    assert enclosed.complaints(instance, weak, enclosed.statement(enclosed.certified(instance, weak)), None, None) == []
    change(folder, lambda certificates: certificates.update(enclosed.to_document(weak)))
    first, second = lines(folder)
    assert first.startswith("the certificate of prices proves 0.0 s, prices found now 0.04")
    assert second.startswith("the certified schedule takes 0.")
    assert "the best found now 0." in second


def test_a_certificate_with_a_claim_it_does_not_prove_is_refused(folder: Path) -> None:
    """The checksum is right, the claim is not."""
    instance = load_instance(folder / "ahead.toml")
    data = base64.b64decode(json.loads((folder / "ahead.best.json").read_text())["certificates"]["prices"])
    good = load_prices(data, instance)
    boast = pack_prices(replace(good, claim=good.claim + Fraction(1, 10**12)))
    (line,) = enclosed.complaints(instance, {"prices": boast, "schedule": None}, {}, None, None)
    assert "claims at least" in line


def test_what_is_too_large_is_not_enclosed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Null stands where a certificate would pass the limit, and is no complaint."""
    monkeypatch.setattr(enclosed, "LARGEST", 100)
    path = folder / "ahead.best.json"
    nothing = {"certificates": enclosed.to_document(enclosed.NOTHING), "certified": dict(UNCERTIFIED)}
    path.write_text(json.dumps(json.loads(path.read_text()) | nothing))
    assert regress([folder]).ok
    assert regress([folder], update=True).files[0].outcome is Outcome.SAME


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "certificates: found {}, expected the keys prices and schedule"),
        ([], "certificates: found [], expected the keys prices and schedule"),
        ({"prices": 3, "schedule": None}, "certificates.prices: found 3, expected base64 or null"),
        ({"prices": None, "schedule": "a!"}, "certificates.schedule: found 'a!', expected base64 or null"),
    ],
)
def test_other_content_is_refused(folder: Path, value: Any, message: str) -> None:
    """Anything but base64 or null under the two keys is an error that names the key."""
    path = folder / "ahead.best.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"certificates": value}))
    (line,) = lines(folder)
    assert line == f"error: {path}: {message}"


def test_the_best_of_several_prices_is_taken(folder: Path) -> None:
    """Whichever prices prove most; nothing where there are none."""
    instance = load_instance(folder / "ahead.toml")
    found = measure(instance, ("roofline", "step", "lp"), (), Limits())
    best = enclosed.best_prices(instance, found.prices)
    assert best is not None
    assert best[1] == pytest.approx(found.record.bounds["lp"], rel=1e-9)
    assert enclosed.best_prices(instance, []) is None


def test_what_is_known_is_kept_and_what_is_stated_must_be_proven(folder: Path) -> None:
    """An update keeps a certificate that proves more than what it finds itself; a statement that differs is a change."""
    path = folder / "ahead.best.json"
    document = json.loads(path.read_text())
    assert document["certified"]["bound_s"] == pytest.approx(document["best"]["bound_s"], rel=1e-6)
    assert document["certified"]["latency_s"] >= document["best"]["latency_s"] * (1 - 1e-12)
    document["certified"]["bound_s"] = 0.05
    path.write_text(json.dumps(document))
    (line,) = lines(folder)
    assert line.startswith("certified is stated as {'bound_s': 0.05, ")
    instance = load_instance(folder / "ahead.toml")
    old = {kind: base64.b64decode(text) for kind, text in document["certificates"].items()}
    zero = Prices(np.zeros((instance.num_steps, instance.num_resources)), np.zeros((instance.num_steps + 1, 2)))
    slow = enclosed.enclose(instance, None, "page", Limits())["schedule"]
    weak = {"prices": pack_prices(certify_prices(instance, zero)), "schedule": slow}
    assert enclosed.better(instance, old, weak) == old
    assert enclosed.better(instance, weak, old) == old
    assert enclosed.better(instance, {"prices": b"garbage", "schedule": None}, weak) == weak
