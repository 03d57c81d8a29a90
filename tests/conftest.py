"""One hypothesis profile for all tests (the same examples every time, no deadline, nothing kept); fixtures that files share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from placement_opt.base import watch
from tests.cli.cases import write_ahead, write_drift

settings.register_profile("house", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("house")


@pytest.fixture(autouse=True, scope="session")
def _no_kept_traces() -> Iterator[None]:
    """Tests neither read nor fill the user's cache of imported traces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLACEMENT_OPT_TRACE_CACHE", "off")
        yield


@pytest.fixture
def ahead(tmp_path: Path) -> str:
    """The instance file of the statement's example for fetching ahead."""
    return str(write_ahead(tmp_path))


@pytest.fixture
def drift(tmp_path: Path) -> str:
    """The instance file of a small drifting trace."""
    return str(write_drift(tmp_path))


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What work waits for that does not look at its limits; it gets no grace, and is let go in the end."""
    monkeypatch.setattr(watch, "GRACE_S", 0.0)
    event = threading.Event()
    yield event
    event.set()
    for thread in list(watch._left):
        thread.join()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes of a Dask cluster on this machine."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.admin.log-length": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
    ):
        yield cluster
