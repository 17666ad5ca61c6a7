"""What every test starts from: no setting of the caller's shell, nothing current, no network."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hipflask.globals import _cv_app, _cv_request

# Processes share two cores: how long an example takes tells of its neighbours.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", ""}


@pytest.fixture(autouse=True, scope="session")
def plain_environment() -> None:
    """Settings of the caller's shell must not decide how the tests end."""
    for name in list(os.environ):
        if name.startswith("FLASK_") or name in ("HIPFLASK_AS_FLASK", "HIPFLASK_CACHE"):
            del os.environ[name]


@pytest.fixture(autouse=True)
def nothing_stays_current() -> Iterator[None]:
    """A context that a test leaves behind would answer for the next one."""
    yield
    left = [context for context in (_cv_request.get(None), _cv_app.get(None)) if context]
    for context in left:
        context.pop()
    assert left == [], f"the test has left {left} pushed"


@pytest.fixture(autouse=True)
def modules_of_a_test_end_with_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A `shop` that one test wrote and imported must not be what the next one's `shop` finds."""
    before = set(sys.modules)
    paths = sys.path.copy()
    yield
    sys.path[:] = paths
    made = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        module = sys.modules[name]
        places = [
            getattr(module, "__file__", None) or "",
            *(getattr(module, "__path__", None) or ()),
        ]
        if any(place.startswith(made) for place in places):
            del sys.modules[name]


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Only loopback may be reached from the tests' own process."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tries to reach {address}")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign,assignment]  # for the session
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]  # as it was
