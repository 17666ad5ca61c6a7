"""The second service: a board of notices. It knows neither GitHub nor Stripe.

It takes what the adapter has signed, and puts a notice up once however often it comes: the
signed id says which is which.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import msgspec

from hipflask import Flask, abort, request
from hipflask.webhooks import Delivery, verify

from .app import SECRETS
from .shapes import Notice

SCHEMA = "CREATE TABLE IF NOT EXISTS notice (key TEXT PRIMARY KEY, notice BLOB, copies INTEGER)"
PUT_UP = "INSERT INTO notice VALUES (?, ?, 1) ON CONFLICT (key) DO UPDATE SET copies = copies + 1"


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the board; `BOARD_DATABASE` is its file."""
    app = Flask(__name__)
    for name in ("NOTICES_SECRET", "BOARD_DATABASE"):
        app.config[name] = os.environ.get(name) or SECRETS.get(name)
    app.config.update(config or {})

    @contextmanager
    def rows() -> Iterator[sqlite3.Connection]:
        path = app.config["BOARD_DATABASE"] or os.path.join(app.instance_path, "board.db")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with closing(sqlite3.connect(path, timeout=10)) as db, db:
            db.execute(SCHEMA)
            yield db

    @app.post("/notices")
    def put_up() -> tuple[dict[str, bool], int]:
        verdict = verify("standard", Delivery.of(request), secrets=app.config["NOTICES_SECRET"])
        if not verdict.ok:
            abort(401)
        try:
            msgspec.json.decode(request.get_data(), type=Notice)
        except msgspec.DecodeError as error:
            abort(422, str(error))
        with rows() as db:
            # The signature's id, which is the Idempotency-Key, and which nobody could change.
            db.execute(PUT_UP, [verdict.id, request.get_data()])
        return {"up": True}, 201

    @app.get("/notices")
    def notices() -> list[dict[str, Any]]:
        with rows() as db:
            found = db.execute("SELECT notice, copies FROM notice ORDER BY rowid").fetchall()
        return [msgspec.json.decode(notice) | {"copies": copies} for notice, copies in found]

    return app
