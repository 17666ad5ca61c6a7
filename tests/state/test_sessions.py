"""Sessions in the store: Flask's API, ids that say nothing, ends that hold, and no lost keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from hipflask import Flask, flash, get_flashed_messages, session
from hipflask.database import Database
from hipflask.doors import DOORS
from hipflask.sessions import NullSession
from hipflask.state import StoredSession, StoredSessions
from hipflask.state.records import handle_of
from tests.database.stores import Stores, run_child

Make = Callable[..., Any]


def make_app(database: Database, **options: Any) -> Flask:
    app = Flask("sessions")
    app.session_interface = StoredSessions(database, **options)

    @app.get("/put/<name>/<value>")
    def put(name: str, value: str) -> Any:
        session[name] = value
        return dict(session)

    @app.get("/put-async/<name>/<value>")
    async def put_async(name: str, value: str) -> Any:
        session[name] = value
        return dict(session)

    @app.get("/drop/<name>")
    def drop(name: str) -> Any:
        session.pop(name, None)
        return dict(session)

    @app.get("/look")
    def look() -> Any:
        return dict(session)

    @app.get("/look-async")
    async def look_async() -> Any:
        return dict(session)

    @app.get("/untouched")
    def untouched() -> str:
        return "ok"

    @app.get("/login/<name>")
    def login(name: str) -> Any:
        session["_user_id"] = name
        session.regenerate()  # type: ignore[attr-defined]
        return dict(session)

    @app.get("/logout")
    def logout() -> str:
        session.clear()
        return "out"

    @app.get("/forever")
    def forever() -> str:
        session.permanent = True
        return "ok"

    return app


def rows(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(text("SELECT * FROM hipflask_session")))


def id_of(client: Any) -> str:
    cookie = client.get_cookie("session")
    assert cookie is not None
    return str(cookie.value)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["", "-async"])
def test_items_are_kept_under_every_door(database: Database, door: str, kind: str) -> None:
    client = make_app(database).test_client(door=door)
    answer = client.get(f"/put{kind}/a/1")
    assert answer.json == {"a": "1"}
    assert "Cookie" in answer.headers["Vary"]
    assert client.get(f"/put{kind}/b/2").json == {"a": "1", "b": "2"}
    assert client.get(f"/look{kind}").json == {"a": "1", "b": "2"}
    assert client.get("/drop/a").json == {"b": "2"}
    assert client.get(f"/look{kind}").json == {"b": "2"}
    assert len(rows(database)) == 1


def test_cookie_holds_256_bits_and_the_store_their_hash_alone(database: Database) -> None:
    client = make_app(database).test_client()
    answer = client.get("/put/secret/value")
    session_id = id_of(client)
    assert len(session_id) == 43
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    [row] = rows(database)
    assert row.id == handle_of(session_id)
    assert session_id not in repr(row)
    # The same id is right for later answers, and is not sent again.
    assert "Set-Cookie" not in client.get("/put/more/value").headers


@pytest.mark.parametrize("door", DOORS)
def test_untouched_sessions_write_nothing(database: Database, door: str) -> None:
    client = make_app(database).test_client(door=door)
    assert "Set-Cookie" not in client.get("/untouched").headers
    looked = client.get("/look")
    assert "Set-Cookie" not in looked.headers
    assert looked.headers["Vary"] == "Cookie"
    assert rows(database) == []


@pytest.mark.parametrize(
    "forged", ["", "x" * 43, "é" * 43, "a" * 100_000, '"', "../../x", "%00", "A" * 42 + "="]
)
def test_an_id_that_a_client_made_up_opens_and_makes_nothing(
    database: Database, forged: str
) -> None:
    client = make_app(database).test_client()
    cookie = {"Cookie": f"session={forged}"}
    assert client.get("/look", headers=cookie).json == {}
    client.get("/put/a/1", headers=cookie)
    [row] = rows(database)
    assert row.id != handle_of(forged)


def test_all_that_the_cookie_session_keeps_is_kept(database: Database) -> None:
    app = make_app(database)
    values = {
        "tuple": (1, 2),
        "bytes": b"\x00\xff",
        "when": datetime(2026, 11, 23, 12, tzinfo=UTC),
        "nested": {"a": [1, {"b": None}]},
        " t": "looks like a tag",
        "text": 'quote " and \u2028',
    }

    @app.get("/all")
    def put_all() -> str:
        session.update(values)
        return ""

    @app.get("/compare")
    def compare() -> Any:
        return str(dict(session) == values)

    client = app.test_client()
    client.get("/all")
    assert client.get("/compare").text == "True"


def test_a_value_that_json_cannot_say_is_an_error_and_no_pickle(database: Database) -> None:
    app = make_app(database)
    app.testing = True

    @app.get("/bad")
    def bad() -> str:
        session["x"] = object()
        return ""

    with pytest.raises(TypeError):
        app.test_client().get("/bad")
    assert rows(database) == []


def test_a_session_that_is_too_large_is_refused_by_name(database: Database) -> None:
    app = make_app(database, max_bytes=100)
    app.testing = True
    with pytest.raises(ValueError, match="largest item is 'basket'"):
        app.test_client().get(f"/put/basket/{'x' * 200}")


def test_login_changes_the_id_and_keeps_the_items(database: Database) -> None:
    app = make_app(database)
    client = app.test_client()
    client.get("/put/basket/book")
    before = id_of(client)
    assert client.get("/login/ann").json == {"basket": "book", "_user_id": "ann"}
    after = id_of(client)
    assert after != before
    [row] = rows(database)
    assert (row.id, row.owner) == (handle_of(after), "ann")
    # The id that somebody may have planted opens nothing.
    other = app.test_client()
    other.set_cookie("session", before)
    assert other.get("/look").json == {}


def test_emptied_session_is_ended_and_its_cookie_taken_back(database: Database) -> None:
    client = make_app(database).test_client()
    client.get("/login/ann")
    answer = client.get("/logout")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert rows(database) == []
    assert client.get_cookie("session") is None


def test_idle_and_absolute_ends(stores: Stores) -> None:
    database = stores.open()
    clock: Any = stores.clock
    app = make_app(database, idle=timedelta(minutes=30), absolute=timedelta(hours=2))
    client = app.test_client()
    client.get("/put/a/1")
    for _ in range(5):  # used, so it lives on
        clock.advance(20 * 60)
        assert client.get("/look").json == {"a": "1"}
    clock.advance(21 * 60)  # past two hours in all
    assert client.get("/look").json == {}

    client = app.test_client()
    client.get("/put/a/1")
    clock.advance(31 * 60)
    assert client.get("/look").json == {}


def test_permanent_session_lives_by_flasks_setting(stores: Stores) -> None:
    database = stores.open()
    clock: Any = stores.clock
    app = make_app(database)
    app.permanent_session_lifetime = timedelta(days=10)
    client = app.test_client()
    client.get("/put/a/1")
    assert "Expires" in client.get("/forever").headers["Set-Cookie"]
    clock.advance(9 * 86400)
    answer = client.get("/look")
    assert answer.json == {"a": "1", "_permanent": True}
    assert "Expires" in answer.headers["Set-Cookie"]  # SESSION_REFRESH_EACH_REQUEST
    clock.advance(9 * 86400)
    assert client.get("/look").json != {}
    clock.advance(11 * 86400)
    assert client.get("/look").json == {}


def test_looking_writes_once_a_minute_at_most(stores: Stores) -> None:
    database = stores.open()
    clock: Any = stores.clock
    client = make_app(database).test_client()
    client.get("/put/a/1")
    [first] = rows(database)
    clock.advance(30)
    client.get("/look")
    assert rows(database) == [first]
    clock.advance(61)
    client.get("/look")
    [second] = rows(database)
    assert second.seen_at == clock.now()


def test_one_and_all_of_a_person_are_revoked(database: Database) -> None:
    app = make_app(database)
    sessions: Any = app.session_interface
    clients = [app.test_client() for _ in range(3)]
    for client in clients:
        client.get("/login/ann")
    other = app.test_client()
    other.get("/login/bob")
    found = sessions.sessions_of(app, "ann")
    assert len(found) == 3
    assert sessions.revoke(app, handle_of(id_of(clients[0]))) is True
    assert sessions.revoke(app, handle_of(id_of(clients[0]))) is False
    assert clients[0].get("/look").json == {}
    kept = handle_of(id_of(clients[1]))
    assert sessions.revoke_all(app, "ann", keep=kept) == 1
    assert clients[1].get("/look").json == {"_user_id": "ann"}
    assert clients[2].get("/look").json == {}
    assert sessions.revoke_all(app, "ann") == 1
    assert other.get("/look").json == {"_user_id": "bob"}


def test_owner_is_whom_an_item_names_until_it_does_no_longer(database: Database) -> None:
    app = make_app(database, owner=lambda items: items.get("name"))
    client = app.test_client()

    def owners() -> list[Any]:
        return [row.owner for row in rows(database)]

    client.get("/put/other/1")
    assert owners() == [None]
    client.get("/put/name/ann")
    client.get("/put/other/2")
    assert owners() == ["ann"]
    client.get("/drop/name")
    assert owners() == [None]
    from hipflask.state.sessions import owner_of

    assert owner_of({"_login": {"n": "bob"}}) == "bob"
    assert owner_of({"_login": 5}) is None


def test_regenerate_can_be_called_as_flask_session_has_it(database: Database) -> None:
    app = make_app(database)
    sessions: Any = app.session_interface

    @app.get("/renew")
    def renew() -> str:
        session.clear()
        sessions.regenerate(session)
        session["fresh"] = 1
        return ""

    client = app.test_client()
    client.get("/put/old/1")
    before = id_of(client)
    client.get("/renew")
    assert id_of(client) != before
    assert client.get("/look").json == {"fresh": 1}
    assert len(rows(database)) == 1


def test_session_says_what_it_is(database: Database) -> None:
    app = make_app(database)
    seen = []

    @app.get("/what")
    def what() -> str:
        current: Any = session
        seen.append((current.new, current.modified, current.permanent, current.handle))
        session["x"] = 1
        return ""

    client = app.test_client()
    client.get("/what")
    client.get("/what")
    [first, second] = seen
    assert first == (True, False, False, None)
    assert second == (False, False, False, handle_of(id_of(client)))
    assert not isinstance(StoredSession(), NullSession)


def test_flashes_and_session_transactions_work(database: Database) -> None:
    app = make_app(database)

    @app.get("/flash")
    def flashing() -> str:
        flash("one", "good")
        return ""

    @app.get("/flashed")
    def flashed() -> Any:
        return get_flashed_messages(with_categories=True)

    client = app.test_client()
    client.get("/flash")
    assert client.get("/flashed").json == [["good", "one"]]
    assert client.get("/flashed").json == []
    with client.session_transaction() as current:
        current["put"] = "outside"
    assert client.get("/look").json == {"put": "outside"}


def test_requests_at_a_time_do_not_lose_each_others_keys(stores: Stores) -> None:
    database = stores.open()
    app = make_app(database)
    ready, go = threading.Barrier(9), threading.Event()

    @app.get("/slow/<name>")
    def slow(name: str) -> str:
        session[name] = name  # read before anybody has written
        ready.wait(60)
        assert go.wait(60)
        return ""

    @app.get("/slow-drop")
    def slow_drop() -> str:
        del session["old"]
        ready.wait(60)
        assert go.wait(60)
        return ""

    first = app.test_client()
    first.get("/put/old/1")
    first.get("/put/kept/1")
    session_id = id_of(first)

    def ask(path: str) -> None:
        client = app.test_client()
        client.set_cookie("session", session_id)
        assert client.get(path).status_code == 200

    paths = [*(f"/slow/k{n}" for n in range(7)), "/slow-drop"]
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    ready.wait(60)
    go.set()
    for thread in threads:
        thread.join(60)
    assert first.get("/look").json == {"kept": "1", **{f"k{n}": f"k{n}" for n in range(7)}}


def test_a_request_that_outlives_its_session_does_not_bring_it_back(database: Database) -> None:
    app = make_app(database)
    sessions: Any = app.session_interface

    @app.get("/late")
    def late() -> str:
        session["late"] = 1
        sessions.revoke_all(app, "ann")
        return ""

    client = app.test_client()
    client.get("/login/ann")
    answer = client.get("/late")
    assert "Set-Cookie" not in answer.headers
    assert rows(database) == []


def test_purging_takes_what_has_ended_in_batches(stores: Stores) -> None:
    database = stores.open()
    clock: Any = stores.clock
    app = make_app(database)
    for n in range(230):
        app.test_client().get(f"/put/a/{n}")
    clock.advance(3600)
    app.test_client().get("/put/a/new")
    sessions: Any = app.session_interface
    assert sessions.purge(app, limit=10) == 10
    assert sessions.purge(app) == 220
    assert len(rows(database)) == 1


@pytest.mark.parametrize("door", DOORS)
def test_store_away_is_503_and_never_an_empty_session(
    stores: Stores, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = stores.open()
    app = make_app(database)
    client = app.test_client(door=door)
    client.get("/put/a/1")
    session_id = id_of(client)

    from hipflask.database import StoreUnavailable

    def away(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", away)
        for path in ("/look", "/put/b/2", "/look-async"):
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert int(answer.headers["Retry-After"]) > 0
            assert "Set-Cookie" not in answer.headers
        assert client.get("/untouched").status_code == 200
        stranger = app.test_client(door=door)
        assert stranger.get("/look").status_code == 200  # has none, and is told of none
        refused = stranger.get("/put/a/1")
        assert refused.status_code == 503
        assert "Set-Cookie" not in refused.headers
        assert refused.headers["Retry-After"]
    assert id_of(client) == session_id
    assert client.get("/look").json == {"a": "1"}


CHILD = """
import sys
from hipflask import Flask, session
from hipflask.state import StoredSessions
app = Flask("child")
app.session_interface = StoredSessions(sys.argv[1])
@app.get("/<name>")
def put(name):
    session[name] = session.get("n", 0)
    return ""
client = app.test_client()
client.set_cookie("session", sys.argv[2])
for number in range(20):
    assert client.get("/" + sys.argv[3] + str(number)).status_code == 200
"""


def test_several_processes_share_one_session(stores: Stores) -> None:
    from hipflask.database import SystemClock

    database = stores.open(clock=SystemClock())
    app = make_app(database)
    client = app.test_client()
    client.get("/put/n/7")
    ends = []
    threads = [
        threading.Thread(
            target=lambda word=word: ends.append(run_child(CHILD, stores.url, id_of(client), word))
        )
        for word in ("x", "y", "z")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert [end.returncode for end in ends] == [0, 0, 0], [end.stderr for end in ends]
    found = client.get("/look").json
    assert found is not None
    assert found == {"n": "7", **{f"{w}{n}": "7" for w in "xyz" for n in range(20)}}
