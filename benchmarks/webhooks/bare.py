"""The limit: verify, store with others in one commit, answer; no framework and nothing to spare.

Granian serves `sqlite` and `postgres` over RSGI, as it does hipflask. Events come by Standard
Webhooks. One thread writes: it takes what has gathered, commits it with fsync, and wakes the
loop once for all. `BARE_STORE` is the file, or what libpq connects to.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from .events import STANDARD_SECRET

MOST = 512
TOLERANCE_S = 300
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS inbox (seq {serial}, event_id TEXT UNIQUE, received_at {real},"
    " headers {bytes}, body {bytes})"
)
TEXT = [("content-type", "text/plain")]

Row = tuple[str, float, bytes, bytes]
Item = tuple[Row, "asyncio.Future[None]"]


class Writer(threading.Thread):
    """Commits what gathers and tells the loop."""

    def __init__(self, connect: Callable[[], Callable[[list[Row]], None]]) -> None:
        super().__init__(daemon=True)
        self.items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.loop = asyncio.get_running_loop()
        self._connect = connect
        self.start()

    def run(self) -> None:
        store = self._connect()
        while True:
            items = [self.items.get()]
            while len(items) < MOST:
                try:
                    items.append(self.items.get_nowait())
                except queue.Empty:
                    break
            store([row for row, _ in items])
            self.loop.call_soon_threadsafe(tell, [future for _, future in items])


def tell(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


class Rig:
    """An RSGI application over one way to store."""

    def __init__(self, connect: Callable[[], Callable[[list[Row]], None]]) -> None:
        self._connect = connect
        self._writer: Writer | None = None
        self._key = base64.b64decode(STANDARD_SECRET.removeprefix("whsec_"))

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.method != "POST":
            protocol.response_str(200, TEXT, "here")
            return
        body = await protocol()
        fields = scope.headers
        event, moment = fields.get("webhook-id"), fields.get("webhook-timestamp")
        signed = fields.get("webhook-signature")
        content = b"%b.%b.%b" % (event.encode(), moment.encode(), body)
        made = b"v1," + base64.b64encode(hmac.digest(self._key, content, "sha256"))
        now = time.time()
        if abs(now - int(moment)) > TOLERANCE_S or not any(
            hmac.compare_digest(made, one) for one in signed.encode().split(b" ")
        ):
            protocol.response_str(401, TEXT, "no")
            return
        if self._writer is None:
            self._writer = Writer(self._connect)
        stored = self._writer.loop.create_future()
        kept = "\n".join(f"{name}: {value}" for name, value in fields.items()).encode()
        self._writer.items.put(((event, now, kept, body), stored))
        await stored
        protocol.response_str(202, TEXT, "ok")


def connect_sqlite() -> Callable[[list[Row]], None]:
    db = sqlite3.connect(os.environ["BARE_STORE"], isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {os.environ.get('BARE_SYNC', 'FULL')}")
    db.execute(SCHEMA.format(serial="INTEGER PRIMARY KEY", real="REAL", bytes="BLOB"))
    sql = "INSERT OR IGNORE INTO inbox (event_id, received_at, headers, body) VALUES (?, ?, ?, ?)"

    def store(rows: list[Row]) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(sql, rows)
        db.execute("COMMIT")

    return store


def connect_postgres() -> Callable[[list[Row]], None]:
    import psycopg

    db = psycopg.connect(os.environ["BARE_STORE"], autocommit=True)
    types = {"serial": "BIGSERIAL PRIMARY KEY", "real": "DOUBLE PRECISION", "bytes": "BYTEA"}
    db.execute(SCHEMA.format(**types).encode())
    sql = (
        b"INSERT INTO inbox (event_id, received_at, headers, body)"
        b" SELECT * FROM unnest(%b::text[], %b::float8[], %b::bytea[], %b::bytea[])"
        b" ON CONFLICT DO NOTHING"
    )

    def store(rows: list[Row]) -> None:
        db.execute(sql, [list(column) for column in zip(*rows, strict=True)], binary=True)

    return store


sqlite, postgres = Rig(connect_sqlite), Rig(connect_postgres)
