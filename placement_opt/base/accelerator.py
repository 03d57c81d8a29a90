"""Whether there is an accelerator, and why not: found out when one is asked for, and not before."""

from __future__ import annotations

from typing import Any

from placement_opt.base.compiled import cuda as target
from placement_opt.base.errors import InputError

_EXPECTED = 'expected a CUDA device and the extra "accelerator": pip install "placement-opt[accelerator]"'


def device() -> Any:
    """``numba.cuda``; InputError where there is no accelerator, or nothing that could use it."""
    try:
        cuda = target()
    except ImportError as error:
        raise _none(f"no numba.cuda ({error})") from None
    try:
        cuda.current_context()
        usable = cuda.is_available()
    except Exception as error:  # whatever its driver says
        why = " ".join(str(error).split()).removeprefix("Error at driver init: ")
        raise _none(why.partition(". ")[0].rstrip(".")) from None
    if not usable:
        raise _none("a device, but not the CUDA toolkit that compiles for it")
    return cuda


def _none(why: str) -> InputError:
    return InputError(f"accelerator asked for, none found: {why}", _EXPECTED, field="backend")
