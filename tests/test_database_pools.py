"""What docs/do/deploying.md says about sessions kept for each thread, on every door."""

from __future__ import annotations

import asyncio

import pytest

from hipflask import Flask
from hipflask.globals import app_ctx

pytest.importorskip("sqlalchemy")

from sqlalchemy import create_engine
from sqlalchemy.orm import scoped_session, sessionmaker
from sqlalchemy.pool import QueuePool

DOORS = ("wsgi", "asgi", "rsgi")


@pytest.fixture
def shop():
    # Which thread of the pool comes next is not told, and a connection goes from one to another.
    engine = create_engine(
        "sqlite://",
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=0,
        connect_args={"check_same_thread": False},
    )
    db = scoped_session(sessionmaker(engine), scopefunc=lambda: id(app_ctx._get_current_object()))
    app = Flask(__name__)
    seen = app.extensions["seen"] = []

    @app.before_request
    def begin():
        seen.append(db())

    @app.get("/plain")
    def plain():
        seen.append(db())
        return str(db().connection().exec_driver_sql("select 1").scalar())

    @app.get("/async")
    async def on_the_loop():
        await asyncio.sleep(0)
        seen.append(db())
        return "1"

    @app.after_request
    def end(response):
        seen.append(db())
        return response

    @app.teardown_appcontext
    def remove(error):
        db.remove()

    yield app
    assert not db.registry.registry
    engine.dispose()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/plain", "/async"])
def test_a_session_scoped_by_context_is_one_per_request(shop, door, path):
    client, seen = shop.test_client(door=door), shop.extensions["seen"]
    for number in (1, 2, 3):
        assert client.get(path).text == "1"
        steps = seen[-3:]
        assert len(seen) == 3 * number
        assert len({id(session) for session in steps}) == 1
