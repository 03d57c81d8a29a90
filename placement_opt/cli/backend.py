"""``--backend`` and ``--dask-address``: where work is done."""

from __future__ import annotations

import argparse
from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placement_opt.base.backend import Backend

WHOLE = ("local", "dask")


def add_backend(parser: argparse.ArgumentParser, what: str, only: str = "", *, accelerator: bool = False) -> None:
    """``what``: is done there; ``only``: when; ``accelerator``: whether one may help."""
    text = f"where {what}: in this machine's processes (local, default) or on a Dask cluster"
    if accelerator:
        text += "; accelerator: in this machine's, and a CUDA device helps to find them"
    choices = (*WHOLE, "accelerator") if accelerator else WHOLE
    parser.add_argument("--backend", choices=choices, default="local", help=f"{text}{only}")
    text = "of the cluster's scheduler, such as tcp://10.0.0.1:8786 (with --backend dask)"
    parser.add_argument("--dask-address", metavar="ADDRESS", help=text)


def backend_of(args: Namespace) -> Backend:
    """Where work is done; InputError, with the option's name, where the options do not fit together."""
    from placement_opt.base.backend import Backend
    from placement_opt.base.errors import InputError

    try:
        return Backend(args.backend, args.jobs, args.dask_address)
    except InputError as error:
        raise InputError(error.found, error.expected, field=f"--{error.field}") from None
