"""Proven bounds for KV-cache placement in heterogeneous memory, and how far each scheduler is from them.

The names below are the public interface. Each is imported when it is first used: ``import placement_opt`` costs nothing::

    import placement_opt as po

    instance = po.load_instance("instance.toml")
    print(po.bound(instance).lower_bound_s)
    print(po.simulate(instance, po.make_scheduler("lru")).latency_s)
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

#: Public name -> the module that defines it.
_HOME = {
    "Bound": "placement_opt.bounds.result",
    "Comparison": "placement_opt.compare",
    "InputError": "placement_opt.errors",
    "Instance": "placement_opt.instance",
    "Interrupted": "placement_opt.errors",
    "LimitError": "placement_opt.errors",
    "Limits": "placement_opt.limits",
    "METHODS": "placement_opt.bounds",
    "MemorySystem": "placement_opt.memory.system",
    "Moves": "placement_opt.schedulers.protocol",
    "PlacementError": "placement_opt.errors",
    "Prices": "placement_opt.bounds.result",
    "Run": "placement_opt.simulate",
    "ScheduleError": "placement_opt.errors",
    "Scheduler": "placement_opt.schedulers.protocol",
    "Setting": "placement_opt.schedulers.protocol",
    "Status": "placement_opt.bounds.result",
    "Trace": "placement_opt.workload.trace",
    "View": "placement_opt.schedulers.protocol",
    "bound": "placement_opt.bounds",
    "compare": "placement_opt.compare",
    "load_instance": "placement_opt.instancefile",
    "load_memory": "placement_opt.memory",
    "load_trace": "placement_opt.workload.npz",
    "make_scheduler": "placement_opt.schedulers",
    "preset": "placement_opt.memory",
    "save_trace": "placement_opt.workload.npz",
    "simulate": "placement_opt.simulate",
    "sweep": "placement_opt.sweep",
    "worth": "placement_opt.worth",
}

if TYPE_CHECKING:
    from placement_opt.bounds import METHODS, bound
    from placement_opt.bounds.result import Bound, Prices, Status
    from placement_opt.compare import Comparison, compare
    from placement_opt.errors import InputError, Interrupted, LimitError, PlacementError, ScheduleError
    from placement_opt.instance import Instance
    from placement_opt.instancefile import load_instance
    from placement_opt.limits import Limits
    from placement_opt.memory import load_memory, preset
    from placement_opt.memory.system import MemorySystem
    from placement_opt.schedulers import make_scheduler
    from placement_opt.schedulers.protocol import Moves, Scheduler, Setting, View
    from placement_opt.simulate import Run, simulate
    from placement_opt.sweep import sweep
    from placement_opt.workload.npz import load_trace, save_trace
    from placement_opt.workload.trace import Trace
    from placement_opt.worth import worth

__all__ = [
    "METHODS",
    "Bound",
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
    "Trace",
    "View",
    "__version__",
    "bound",
    "compare",
    "load_instance",
    "load_memory",
    "load_trace",
    "make_scheduler",
    "preset",
    "save_trace",
    "simulate",
    "sweep",
    "worth",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


class _Package(ModuleType):
    """This package. Importing the submodule ``simulate`` or ``compare`` must not hide the public function of that name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
