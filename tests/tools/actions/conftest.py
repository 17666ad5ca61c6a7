"""A shop on either store, its clock, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask.security import Identity
from tests.database.fixtures import *  # noqa: F403
from tests.database.stores import Stores

from .desk_app import ROLES, Shop


@pytest.fixture
def shop(stores: Stores, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(stores.open(), f"sqlite:///{tmp_path}/shop.db")
    made.app.testing = True
    made.seed()
    yield made
    made.close()


@pytest.fixture
def who() -> Callable[[str], Identity]:
    """Somebody by name."""
    return lambda name: Identity(name, roles=ROLES[name])


@pytest.fixture
def ask(shop: Shop) -> Callable[..., Any]:
    """Send JSON as somebody; returns the status and what was answered."""

    def send(name: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        options: dict[str, Any] = {} if method == "GET" else {"json": body or {}}
        answer = shop.app.test_client().open(
            f"/ops/api{path}", method=method, headers={"X-Who": name, **headers}, **options
        )
        return answer.status_code, answer.get_json()

    return send


@pytest.fixture
def visit(shop: Shop) -> Callable[..., Any]:
    """Look at a page, or send a form from one of ours."""

    def send(name: str, path: str, data: Any = None, **headers: str) -> Any:
        sent = {"X-Who": name, "Sec-Fetch-Site": "same-origin", **headers}
        client = shop.app.test_client()
        if data is None:
            return client.get(f"/ops{path}", headers=sent)
        return client.post(f"/ops{path}", data=data, headers=sent)

    return send
