"""Quart with plain views, which it runs in threads."""

from __future__ import annotations

from typing import Any

from quart import Quart

from .shared import next_number


def core() -> Any:
    app = Quart(__name__)

    @app.get("/plaintext")
    def plaintext() -> str:
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    return app
