"""Proven bounds for KV-cache placement in heterogeneous memory, and how far each scheduler is from them.

The names in ``dir(placement_opt)`` are the public interface; ``__version__`` is the release, as text. Each is imported when it
is first used: ``import placement_opt`` costs nothing. The examples in their docstrings, which the tests run, take the import
below as done.

Examples
--------
Two blocks of 4.5 MB, of which one fits into HBM: whatever is done, one is read over the link, 10 us each, twice.

>>> import placement_opt as po
>>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
>>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
>>> po.bound(instance, "lp")
Bound(lp: 2e-05 s, optimal)
>>> po.simulate(instance, po.make_scheduler("lru"))
Run(lru on instance: 2.08411e-05 s)
>>> po.__version__.count(".")
2
"""

from __future__ import annotations

import os
import sys

_BEGUN_AS = [os.path.basename(part) for part in sys.orig_argv[1:3]]
if _BEGUN_AS[:1] == ["placement-opt"] or _BEGUN_AS == ["-m", "placement_opt"]:
    # The command line: Ctrl-C must not raise in the middle of what is loaded before :mod:`placement_opt.__main__`.
    import _signal  # type: ignore[import-not-found]

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import importlib  # noqa: E402
from types import ModuleType  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

__version__ = "0.1.0"

#: Public name -> the module that defines it, and its name there where that is another.
_HOME = {
    "Bound": "placement_opt.bounds.result",
    "CachePolicy": "placement_opt.schedulers.cache",
    "Comparison": "placement_opt.study.comparison",
    "InputError": "placement_opt.base.errors",
    "Instance": "placement_opt.instance.instance",
    "Interrupted": "placement_opt.base.errors",
    "LimitError": "placement_opt.base.errors",
    "Limits": "placement_opt.base.limits",
    "METHODS": "placement_opt.bounds",
    "MemorySystem": "placement_opt.memory.system",
    "Moves": "placement_opt.play.protocol",
    "PlacementError": "placement_opt.base.errors",
    "Prices": "placement_opt.bounds.result",
    "Run": "placement_opt.play.simulate",
    "ScheduleError": "placement_opt.base.errors",
    "Scheduler": "placement_opt.play.protocol",
    "Setting": "placement_opt.play.protocol",
    "Status": "placement_opt.bounds.result",
    "Sweep": "placement_opt.study.sweep",
    "Trace": "placement_opt.workload.trace",
    "Tuning": "placement_opt.study.tuned",
    "View": "placement_opt.play.protocol",
    "answer": "placement_opt.answer.answer",
    "Answer": "placement_opt.answer.answer",
    "bound": "placement_opt.bounds.bound",
    "build_instance": "placement_opt.instance.load",
    "compare": "placement_opt.study.compare",
    "derive": "placement_opt.workload.derive.make",
    "explore": "placement_opt.study.explore.explore",
    "future": "placement_opt.study.future",
    "load": "placement_opt.instance.load:load",
    "load_instance": "placement_opt.instance.load",
    "load_memory": "placement_opt.memory",
    "load_trace": "placement_opt.workload.files.npz",
    "make_scheduler": "placement_opt.schedulers",
    "preset": "placement_opt.memory",
    "save_trace": "placement_opt.workload.files.npz",
    "simulate": "placement_opt.play.simulate",
    "sweep": "placement_opt.study.sweep",
    "transform": "placement_opt.workload.transforms",
    "tune": "placement_opt.study.tune",
    "verify": "placement_opt.certify.verify:verify_files",
    "worth": "placement_opt.study.worth",
}

if TYPE_CHECKING:
    from placement_opt.answer.answer import Answer, answer
    from placement_opt.base.errors import InputError, Interrupted, LimitError, PlacementError, ScheduleError
    from placement_opt.base.limits import Limits
    from placement_opt.bounds import METHODS
    from placement_opt.bounds.bound import bound
    from placement_opt.bounds.result import Bound, Prices, Status
    from placement_opt.certify.verify import verify_files as verify
    from placement_opt.instance.instance import Instance
    from placement_opt.instance.load import build_instance, load, load_instance
    from placement_opt.memory import load_memory, preset
    from placement_opt.memory.system import MemorySystem
    from placement_opt.play.protocol import Moves, Scheduler, Setting, View
    from placement_opt.play.simulate import Run, simulate
    from placement_opt.schedulers import make_scheduler
    from placement_opt.schedulers.cache import CachePolicy
    from placement_opt.study.compare import compare
    from placement_opt.study.comparison import Comparison
    from placement_opt.study.explore.explore import explore
    from placement_opt.study.future import future
    from placement_opt.study.sweep import Sweep, sweep
    from placement_opt.study.tune import tune
    from placement_opt.study.tuned import Tuning
    from placement_opt.study.worth import worth
    from placement_opt.workload.derive.make import derive
    from placement_opt.workload.files.npz import load_trace, save_trace
    from placement_opt.workload.trace import Trace
    from placement_opt.workload.transforms import transform

__all__ = [
    "METHODS",
    "Answer",
    "Bound",
    "CachePolicy",
    "Comparison",
    "InputError",
    "Instance",
    "Interrupted",
    "LimitError",
    "Limits",
    "MemorySystem",
    "Moves",
    "PlacementError",
    "Prices",
    "Run",
    "ScheduleError",
    "Scheduler",
    "Setting",
    "Status",
    "Sweep",
    "Trace",
    "Tuning",
    "View",
    "__version__",
    "answer",
    "bound",
    "build_instance",
    "compare",
    "derive",
    "explore",
    "future",
    "load",
    "load_instance",
    "load_memory",
    "load_trace",
    "make_scheduler",
    "preset",
    "save_trace",
    "simulate",
    "sweep",
    "transform",
    "tune",
    "verify",
    "worth",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, there = _HOME[name].partition(":")
    value = getattr(importlib.import_module(module), there or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)


class _Package(ModuleType):
    """This package. Importing a room of the name of a public function (``answer``) must not hide the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
