"""Flask with async views, which it runs through asgiref."""

from __future__ import annotations

from typing import Any

from flask import Flask

from .shared import next_number


def core() -> Any:
    app = Flask(__name__)

    @app.get("/plaintext")
    async def plaintext() -> str:
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    async def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    return app
