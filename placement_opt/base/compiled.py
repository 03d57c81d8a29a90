"""The one door to numba: loops are compiled once, kept in a folder of our own, and the clock stands meanwhile.

Left to itself numba reads ``.numba_config.yaml`` from the *current directory*, whatever is in it: a ``cache_dir`` there makes
it unpickle, and so run, what lies in that folder. Here that file is not read, and compiled loops come from a folder that only
those can write who can write the package, or the user's own cache. ``NUMBA_*`` variables are the user's word and hold.

Numba notices a change of the file that a loop is in, not of those that its callees are in; so the folder is named by all of
them, and by numba's version. Modules with loops are named ``*_kernels.py`` and import nothing else of ours
but names of array types (``tests/base/test_compiled.py``). ``python -m placement_opt.cli.warm`` compiles all of them.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from placement_opt.base import clock
from placement_opt.base.user_cache import usable, user_cache

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_PACKAGE = _PACKAGE / "__pycache__"
_VARIABLE = "NUMBA_CACHE_DIR"
#: Held while numba's settings are ours for a moment.
_door = threading.RLock()


def njit(**options: Any) -> Any:
    """``numba.njit`` with our cache; a decorator, with options: ``@njit(cache=True)``.

    Loops let other threads run meanwhile: both sides of an answer are worked on at once. ``counts=False``: for functions that
    make no arrays and hand tables of them on to each other: who holds those is not counted, which takes longer than the work
    where it is done for every read of a block.
    """
    numba, options = _numba(), {"nogil": True, "_nrt": options.pop("counts", True)} | options

    def decorate(function: Callable[..., Any]) -> Any:
        with _door, _own_cache(numba, options) as settings:
            loop = numba.njit(**settings)(function)
        cache = getattr(loop, "_cache", None)
        if getattr(cache, "cache_path", None) is not None:
            _make_safe(cache)
        return loop

    return decorate


def cuda() -> Any:
    """``numba.cuda``, through the same door, whether there is a device or not; ImportError where this numba has none."""
    _numba()
    with _door:
        from numba import cuda
    # some of our launches are of few threads
    warnings.filterwarnings("ignore", message="Grid size .* will likely result in GPU under-utilization")
    return cuda


@contextmanager
def compiling() -> Iterator[None]:
    """The clock stands, as while numba compiles by itself: it does not say so of what it compiles for a device."""
    _numba()
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock, clock.stopped():
        yield


@functools.cache
def folder(version: str) -> str | None:
    """Where loops compiled by this numba are kept: in the package, else in the user's cache; None where neither is writable."""
    name = f"loops-{_fingerprint(version)}"
    if usable(_IN_PACKAGE / name):
        return str(_IN_PACKAGE / name)
    ours = user_cache()
    if ours is not None and usable(ours / name, private=True):
        return str(ours / name)
    return None


def kept() -> Path | None:
    """Where compiled loops are kept; None where that is nowhere."""
    place = folder(_numba().__version__)
    return None if place is None else Path(place)


def forget_others() -> None:
    """Remove what was compiled of other sources, or by another numba, where ours is kept."""
    if (place := kept()) is not None:
        for other in place.parent.glob("loops-*"):
            if other != place:
                shutil.rmtree(other, ignore_errors=True)


def _fingerprint(version: str) -> str:
    """Of numba's version and all files with loops."""
    digest = hashlib.blake2b(version.encode(), digest_size=8)
    for path in sorted(_PACKAGE.rglob("*_kernels.py")):
        digest.update(hashlib.blake2b(f"{path.relative_to(_PACKAGE)}\n".encode() + path.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _own_cache(numba: Any, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Numba's cache folder is ours while a loop is declared; the options to declare it with."""
    if _VARIABLE in os.environ or not options.get("cache"):
        yield options
        return
    place = folder(numba.__version__)
    if place is None:
        yield options | {"cache": False}
        return
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, place
    try:
        yield options
    finally:
        numba.config.CACHE_DIR = before


def _make_safe(cache: Any) -> None:
    """A cache that cannot be read or written costs time, nothing else; processes write one after another.

    Two processes that first meet one loop with different types would both call their file the first: one of them would later
    be given the other's code.
    """
    load, save = cache.load_overload, cache.save_overload

    def careful_load(signature: Any, context: Any) -> Any:
        try:
            return load(signature, context)
        except Exception:  # damaged, or written by something else: as if it were not there
            with suppress(Exception):
                cache.flush()
            return None

    def careful_save(signature: Any, result: Any) -> None:
        with suppress(OSError), _one_at_a_time(cache.cache_path):
            save(signature, result)

    cache.load_overload, cache.save_overload = careful_load, careful_save


@contextmanager
def _one_at_a_time(path: str) -> Iterator[None]:
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "lock"), "a") as lock:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _numba() -> Any:
    """The module; its settings come from the environment alone, unless somebody imported it before us."""
    with _door:
        if "numba" in sys.modules:
            import numba
        else:
            numba = _import_unconfigured()
        _stop_the_clock_while_compiling()
    return numba


def _import_unconfigured() -> Any:
    """Import numba without the file of settings in the current directory, now and at each later compilation."""
    absent = object()
    yaml = sys.modules.get("yaml", absent)
    sys.modules["yaml"] = None  # type: ignore[assignment]  # numba then does without, and warns where there is such a file
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="A Numba config file is found")
            import numba
    finally:
        if yaml is absent:
            del sys.modules["yaml"]
        else:
            sys.modules["yaml"] = yaml  # type: ignore[assignment]
    numba.core.config._config_fname = os.devnull
    return numba


def _stop_the_clock_while_compiling() -> None:
    from numba.core import event

    class Compiling(event.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            del event
            clock.stop()

        def on_end(self, event: Any) -> None:
            del event
            clock.go()

    event.register("numba:compile", Compiling())
