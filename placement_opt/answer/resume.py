"""Prices of another instance's certificate, to begin with: they are proven anew, so nothing of it is believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from os import PathLike

from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.result import Prices
from placement_opt.bounds.sample import check_kind, prices_for
from placement_opt.certify.files import PriceCertificate, kind_of, load_prices
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import AnyQuestion

#: Where a certificate of prices keeps the hash of its instance, and its sizes (docs/certificates.md).
_HASH, _SIZES = slice(12, 44), struct.Struct("<III")


@dataclass(frozen=True)
class _Maker:
    """The instance that a certificate was made for, as far as its file tells."""

    hash: str
    num_resources: int
    num_tiers: int
    num_steps: int
    budgets: tuple[Budget, ...] = ()
    timed: bool = True


def floats_of(made: PriceCertificate) -> Prices:
    """The prices of a certificate, in seconds."""
    quantum = float(made.quantum)
    budgets = () if made.mu is None else (made.mu / quantum,)
    return Prices(made.rho / quantum, made.rent / quantum, *budgets)


def warm_prices(path: str | PathLike[str], instance: AnyQuestion, limits: Limits | None = None) -> Prices:
    """The prices of a certificate, of whatever instance, stretched to this one's steps (in runs by the engine that takes them).

    ``limits``: memory for reading it; without it, what is free.

    Raises
    ------
    InputError
        No certificate of prices; or one of a system with other numbers of tiers or resources.
    CertificateError
        A damaged one.
    """
    if kind_of(path) != "prices":
        raise InputError("found a certificate of a schedule", "expected one of prices", path=path)
    with open_regular(path) as handle:
        head = handle.read(56 + _SIZES.size)
    if len(head) < 56 + _SIZES.size:
        raise InputError(f"found {len(head)} bytes", "expected a certificate of prices", path=path)
    resources, tiers, steps = _SIZES.unpack_from(head, 56)
    made = load_prices(path, _Maker(head[_HASH].hex(), resources, tiers, steps), limits)
    prices = floats_of(made)
    try:
        check_kind(instance, prices)
        return prices_for(instance, prices) if isinstance(instance, Instance) else prices
    except InputError as error:
        raise error.at(path=path) from None
