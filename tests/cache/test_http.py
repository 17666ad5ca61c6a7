"""`cacheable`: what may be kept, by whom, and 304 for who has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hipflask import Flask, Response, make_response, session
from hipflask.cache import cacheable
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import (
    ApiKey,
    Identity,
    SessionLogin,
    authenticated,
    hash_key,
    hashed_keys,
    login,
    public,
)


class Rates(msgspec.Struct):
    euro: float


def make_app() -> Flask:
    app = Flask("cacheable")
    app.secret_key = "for tests" * 4

    @app.get("/plain")
    @cacheable(max_age_s=60, is_public=True, stale_s=30, vary=["Accept-Language"])
    def plain() -> str:
        return "plain"

    @app.get("/async")
    @cacheable(max_age_s=60, is_public=True)
    async def awaited() -> str:
        return "async"

    @app.get("/typed")
    @cacheable(max_age_s=60, is_public=True)
    def typed() -> Rates:
        return Rates(1.1)

    @app.get("/no-cache")
    @cacheable(max_age_s=0)
    def no_cache() -> str:
        return "asked each time"

    @app.get("/session")
    @cacheable(max_age_s=60, is_public=True)
    def mine() -> str:
        return session.get("name", "nobody")

    @app.get("/cookie")
    @cacheable(max_age_s=60, is_public=True)
    def cookie() -> Response:
        response = make_response("x")
        response.set_cookie("a", "b")
        return response

    @app.get("/own")
    @cacheable(max_age_s=60, is_public=True)
    def own() -> Any:
        return "x", 200, {"Cache-Control": "no-store", "ETag": '"mine"'}

    @app.get("/missing")
    @cacheable(max_age_s=60, is_public=True)
    def missing() -> Any:
        return "no", 404

    @app.get("/stream")
    @cacheable(max_age_s=60)
    def stream() -> Iterator[str]:
        yield "a"

    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/plain", "/async", "/typed"])
def test_who_has_it_gets_304(door: str, path: str) -> None:
    client = make_app().test_client(door=door)
    first = client.get(path)
    assert first.status_code == 200
    assert first.headers["Cache-Control"].startswith("public, max-age=60")
    tag = first.headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head(path).headers["ETag"] == tag


def test_directives() -> None:
    client = make_app().test_client()
    plain = client.get("/plain").headers
    assert plain["Cache-Control"] == "public, max-age=60, stale-while-revalidate=30"
    assert plain["Vary"] == "Accept-Language"
    assert client.get("/no-cache").headers["Cache-Control"] == "private, no-cache"
    own = client.get("/own").headers
    assert (own["Cache-Control"], own["ETag"]) == ("no-store", '"mine"')
    assert "Cache-Control" not in client.get("/missing").headers
    stream = client.get("/stream")
    assert stream.headers["Cache-Control"] == "private, max-age=60"
    assert "ETag" not in stream.headers


@pytest.mark.parametrize("path", ["/session", "/cookie"])
def test_what_is_personal_is_private(path: str) -> None:
    answer = make_app().test_client().get(path)
    assert answer.headers["Cache-Control"] == "private, max-age=60"


def test_an_answer_to_somebody_known_is_private() -> None:
    app = Flask("known")
    app.identities = [ApiKey(hashed_keys({hash_key("k" * 40): Identity("ann")}))]

    @app.get("/x", access=authenticated)
    @cacheable(max_age_s=60, is_public=True)
    def x() -> str:
        return "x"

    answer = app.test_client().get("/x", headers={"X-API-Key": "k" * 40})
    assert answer.headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/x", "/async"])
def test_what_a_view_says_counts_for_somebody_logged_in(door: str, path: str) -> None:
    app = Flask("known")
    app.secret_key = "for tests" * 4
    app.access = authenticated
    app.identities = [SessionLogin()]

    @app.get("/in", access=public)
    def enter() -> str:
        login("ann")
        return "in"

    @app.get("/x")
    @cacheable(max_age_s=60, is_public=True)
    def x() -> str:
        return "x"

    @app.get("/async")
    @cacheable(max_age_s=60)
    async def awaited() -> str:
        return "x"

    @app.get("/plain")
    def plain() -> str:
        return "x"

    client = app.test_client(door=door)
    client.get("/in")
    assert client.get(path).headers["Cache-Control"] == "private, max-age=60"
    assert client.get("/plain").headers["Cache-Control"] == "no-store"


def test_setups_that_cannot_work_are_refused() -> None:
    with pytest.raises(SetupError, match="no less than 0"):
        cacheable(max_age_s=-1)
    with pytest.raises(SetupError, match="give that too"):
        cacheable(stale_s=5)
