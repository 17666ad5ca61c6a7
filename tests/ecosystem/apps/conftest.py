"""Serves each app over real HTTP on loopback and hands the check a small browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import flask
import pytest
from browser import Browser
from werkzeug.serving import make_server


def pytest_sessionstart(session: Any) -> None:
    """Refuse to run on another framework than the one the caller wants to see."""
    wanted = os.environ.get("ECOSYSTEM_ON", "hipflask")
    found = flask.Flask.__module__
    if not found.startswith(wanted):
        raise pytest.UsageError(f"`flask.Flask` comes from {found}, wanted {wanted}")


@pytest.fixture
def serve() -> Iterator[Callable[[Any], Browser]]:
    """Start a server for an app; gives a browser pointed at it. Stops them all at the end."""
    servers = []

    def start(app: Any) -> Browser:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return Browser(server.server_port)

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
