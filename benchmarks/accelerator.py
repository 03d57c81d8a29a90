"""The dual pass on the processor and on an accelerator, side by side: ``python -m benchmarks.accelerator [READS...]``.

Values and slopes of three tiers (HBM, LPDDR, CXL) at the prices where a climb begins, softened as it softens at first. Each
pass is made once before it is timed, so that nothing is compiled meanwhile. Without a device it says what is missing, and ends.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from benchmarks.inputs import chain_instance
from benchmarks.machine import machine, versions
from placement_opt.base.accelerator import device
from placement_opt.base.arrays import Float64
from placement_opt.base.errors import InputError
from placement_opt.bounds.dual.actions import price_actions
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.device import DevicePass, on_device
from placement_opt.bounds.dual.futures import merge_futures
from placement_opt.bounds.dual.price_space import PriceSpace
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.roofline import bound as roofline

_Found = TypeVar("_Found")
_LAYERS, _TOKENS = 4, 250
_READS, _FEWEST = (1_000_000, 3_000_000, 10_000_000), 20
#: Of the cost of reading a byte from the slowest tier, as a climb begins.
_SOFT = 0.05


def measure(reads: int, residency: str, passes: int) -> dict[str, float]:
    """Seconds of a pass on both, what differs, and what moves."""
    layers, tokens = (_LAYERS, _TOKENS) if reads > _FEWEST else (1, 4)
    prefill = max(4, round(reads / (0.4 * layers * tokens) - tokens / 2))
    instance = chain_instance(tiers=3, layers=layers, prefill=prefill, tokens=tokens, residency=residency)
    prices = roofline(instance).prices
    assert prices is not None
    here = merge_futures(classify(instance))
    soft = _SOFT * PriceSpace.of(instance).slowest
    began = time.perf_counter()
    there = on_device(here, instance.num_steps)
    found = slopes(instance, prices, futures=there, soft=soft)
    first = time.perf_counter() - began
    expected, processor = _timed(lambda: slopes(instance, prices, futures=here, soft=soft), passes)
    before = [_moved(one.elsewhere) for one in there]
    found, accelerator = _timed(lambda: slopes(instance, prices, futures=there, soft=soft), passes)
    moved = np.sum([_moved(one.elsewhere) for one in there], axis=0) - np.sum(before, axis=0)
    _, priced = _timed(lambda: price_actions(instance, prices, soft=soft * float(instance.loads.size[0])), passes)
    return {
        "reads": instance.trace.num_reads,
        "futures": sum(map(len, here)),
        "processor [ms]": 1e3 * processor,
        "accelerator [ms]": 1e3 * accelerator,
        "ratio": processor / accelerator,
        "of both, prices [ms]": 1e3 * priced,
        "first [s]": first,
        "laid [MB]": sum(_pass_of(one.elsewhere).laid for one in there) / 1e6,
        "up [MB]": moved[0] / (passes + 1) / 1e6,
        "down [MB]": moved[1] / (passes + 1) / 1e6,
        "value differs": abs(found.value_s / expected.value_s - 1.0),
        "slope differs": max(_apart(found.rho, expected.rho), _apart(found.rent, expected.rent)),
    }


def _timed(work: Callable[[], _Found], times: int) -> tuple[_Found, float]:
    """(what it gave, seconds each), after one time that does not count."""
    found = work()
    began = time.perf_counter()
    for _ in range(times):
        found = work()
    return found, (time.perf_counter() - began) / times


def _pass_of(elsewhere: object) -> DevicePass:
    assert isinstance(elsewhere, DevicePass)
    return elsewhere


def _moved(elsewhere: object) -> tuple[int, int]:
    return _pass_of(elsewhere).sent, _pass_of(elsewhere).fetched


def _apart(found: Float64, expected: Float64) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, with or without a device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__)
    parser.add_argument("reads", nargs="*", type=int, default=list(_READS), metavar="READS", help="about so many reads each")
    parser.add_argument("--passes", type=int, default=10, help="that are timed (default 10)")
    options = parser.parse_args(arguments)
    try:
        cuda = device()
    except InputError as error:
        print(f"skipped: {error.found}, {error.expected}")
        return 0
    print(versions(), machine() | {"accelerator": getattr(cuda.current_context().device, "name", "simulator")}, sep="\n")
    for residency in ("inclusive", "free"):
        rows = [measure(reads, residency, options.passes) for reads in options.reads]
        print(f"\n{residency}")
        for name in rows[0]:
            print(f"{name:22}" + "".join(f"{row[name]:14.4g}" for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
