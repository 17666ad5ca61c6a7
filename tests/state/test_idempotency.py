"""`Idempotency-Key`: done once, answered alike, refused where it cannot be told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis.strategies import text
from sqlalchemy import Connection
from sqlalchemy import text as sql
from werkzeug.exceptions import HTTPException

from hipflask import Flask, abort, request
from hipflask.api import Provide, document
from hipflask.database import Database, StoreUnavailable, SystemClock
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, Identity, authenticated, hash_key, hashed_keys, public
from hipflask.state import Idempotent, transaction
from hipflask.state.idempotency import read_key
from tests.database.stores import Stores, run_child


class Order(msgspec.Struct):
    name: str
    count: int = 1


def make_app(database: Database, **options: Any) -> Flask:
    app = Flask("orders")
    app.config["DONE"] = done = []
    kept = Idempotent(database=database, **options)

    @app.post("/orders", idempotent=kept)
    def order(order: Order) -> Order:
        done.append(order.name)
        return Order(order.name, len(done))

    @app.post("/orders-async", idempotent=kept)
    async def order_async(order: Order) -> Order:
        done.append(order.name)
        return Order(order.name, len(done))

    @app.route("/plain", methods=["GET", "POST"], idempotent=kept)
    def plain() -> Any:
        done.append(request.get_data(as_text=True))
        return f"plain {len(done)}", 201, {"X-Number": str(len(done)), "Content-Type": "text/x"}

    @app.post("/fails/<how>", idempotent=kept)
    def fails(how: str) -> Any:
        done.append(how)
        if how == "abort":
            abort(409)
        if how == "status":
            return "busy", 503
        raise ZeroDivisionError

    @app.post("/large", idempotent=kept)
    def large() -> str:
        done.append("large")
        return "x" * 5000

    @app.post("/streamed", idempotent=kept)
    def streamed() -> Iterator[str]:
        done.append("streamed")
        yield "a"
        yield "b"

    return app


def key(word: str = "k1") -> dict[str, str]:
    return {"Idempotency-Key": f'"{word}"'}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/orders", "/orders-async"])
def test_a_repeated_request_is_done_once(database: Database, door: str, path: str) -> None:
    app = make_app(database)
    client = app.test_client(door=door)
    first = client.post(path, json={"name": "tea"}, headers=key())
    again = client.post(path, json={"name": "tea"}, headers=key())
    assert first.json == again.json == {"name": "tea", "count": 1}
    assert again.status_code == 200
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert client.post(path, json={"name": "tea"}, headers=key("k2")).json["count"] == 2
    assert client.post(path, json={"name": "tea"}).json["count"] == 3
    assert app.config["DONE"] == ["tea"] * 3


@pytest.mark.parametrize("door", DOORS)
def test_another_request_under_the_key_is_422(database: Database, door: str) -> None:
    app = make_app(database)
    client = app.test_client(door=door)
    client.post("/orders", json={"name": "tea"}, headers=key())
    other = client.post("/orders", json={"name": "coffee"}, headers=key())
    assert other.status_code == 422
    assert other.headers["Content-Type"] == "application/problem+json"
    assert client.post("/orders?x=1", json={"name": "tea"}, headers=key()).status_code == 422
    assert app.config["DONE"] == ["tea"]
    # Another route is another scope.
    assert client.post("/orders-async", json={"name": "coffee"}, headers=key()).status_code == 200


def test_plain_views_keep_status_headers_and_body(database: Database) -> None:
    client = make_app(database).test_client()
    first = client.post("/plain", data="a", headers=key())
    again = client.post("/plain", data="a", headers=key())
    assert (first.status_code, first.text) == (again.status_code, again.text) == (201, "plain 1")
    assert again.headers["X-Number"] == "1"
    assert again.headers["Content-Type"] == "text/x"
    # The key is for POST and PATCH alone.
    assert client.get("/plain", headers=key()).text == "plain 2"
    assert client.get("/plain", headers=key()).text == "plain 3"


def test_a_missing_key_is_400_where_one_is_required(database: Database) -> None:
    app = make_app(database, required=True)
    client = app.test_client()
    assert client.post("/orders", json={"name": "tea"}).status_code == 400
    assert app.config["DONE"] == []


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/orders", "/orders-async"])
def test_a_key_at_work_is_409(database: Database, door: str, path: str) -> None:
    app = make_app(database)
    inside, go = threading.Event(), threading.Event()

    @app.post("/waits", idempotent=Idempotent(database=database))
    def waits() -> str:
        inside.set()
        assert go.wait(60)
        return "done"

    answers: list[Any] = []
    thread = threading.Thread(
        target=lambda: answers.append(app.test_client(door=door).post("/waits", headers=key()))
    )
    thread.start()
    assert inside.wait(60)
    busy = app.test_client(door=door).post("/waits", headers=key())
    go.set()
    thread.join(60)
    assert busy.status_code == 409
    assert int(busy.headers["Retry-After"]) > 0
    assert answers[0].text == "done"
    assert app.test_client(door=door).post("/waits", headers=key()).text == "done"


@pytest.mark.parametrize("how", ["abort", "status", "error"])
def test_what_failed_is_tried_again(database: Database, how: str) -> None:
    app = make_app(database)
    client = app.test_client()
    for _ in range(2):
        assert client.post(f"/fails/{how}", headers=key()).status_code in (409, 500, 503)
    assert app.config["DONE"] == [how, how]


def test_what_is_refused_before_the_view_keeps_nothing(database: Database) -> None:
    app = make_app(database)
    client = app.test_client()
    assert client.post("/orders", json={"name": 7}, headers=key()).status_code == 422
    assert client.post("/orders", json={"name": "tea"}, headers=key()).status_code == 200


@pytest.mark.parametrize("path", ["/large", "/streamed"])
def test_what_cannot_be_kept_is_sent_once_and_not_done_again(database: Database, path: str) -> None:
    app = make_app(database, max_bytes=1000)
    client = app.test_client()
    first = client.post(path, headers=key())
    assert first.text in ("x" * 5000, "ab")
    again = client.post(path, headers=key())
    assert again.status_code == 409
    assert again.json["done_status"] == 200
    assert len(app.config["DONE"]) == 1


def test_keys_are_each_callers_own(database: Database) -> None:
    app = make_app(database)
    app.access = public
    keys = {"ann": "a" * 40, "bob": "b" * 40}
    app.identities = [
        ApiKey(hashed_keys({hash_key(text): Identity(who) for who, text in keys.items()}))
    ]
    done: list[str] = []

    @app.post("/mine", access=authenticated, idempotent=Idempotent(database=database))
    def mine() -> str:
        done.append("x")
        return str(len(done))

    client = app.test_client()

    def post(who: str) -> str:
        return client.post("/mine", headers={**key(), "X-API-Key": keys[who]}).text

    assert [post("ann"), post("bob"), post("ann"), post("bob")] == ["1", "2", "1", "2"]
    assert client.post("/mine", headers=key()).status_code == 401


def test_answers_are_kept_for_a_day(stores: Stores) -> None:
    database = stores.open()
    clock: Any = stores.clock
    client = make_app(database).test_client()
    order = {"name": "tea"}
    assert client.post("/orders", json=order, headers=key()).json["count"] == 1
    clock.advance(86000)
    assert client.post("/orders", json=order, headers=key()).json["count"] == 1
    clock.advance(500)
    assert client.post("/orders", json=order, headers=key()).json["count"] == 2
    # A day from then on; and another request may have the key now.
    clock.advance(86500)
    assert client.post("/orders", json={"name": "x"}, headers=key()).json["count"] == 3


GOOD = [
    '"k"',
    "k",
    "8e03978e-40d5-43dd-bc93-6894a57f9324",
    '"a b"',
    '"' + "x" * 255 + '"',
    "a" * 255,
]
BAD = [
    "",
    '""',
    "a b",
    "a,b",
    '"a',
    'a"',
    '"\u00e9"',
    "x" * 256,
    '"' + "x" * 256 + '"',
    "x" * 100_000,
]
BAD += ['"' + '\\"' * 256 + '"', '"\\x"', '"a";p=1', "\x00", '"\x7f"']


@pytest.mark.parametrize("text", GOOD)
def test_keys_that_are_taken(text: str) -> None:
    assert read_key([text]) == text.strip('"')


@pytest.mark.parametrize("text", BAD)
def test_keys_that_are_refused(text: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its status is looked at
        read_key([text])
    assert getattr(caught.value, "code", None) == 400


def test_two_keys_are_refused_and_none_is_none() -> None:
    assert read_key([]) is None
    assert read_key(['"a\\"b\\\\"']) == 'a"b\\'
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its status is looked at
        read_key(["a", "a"])
    assert getattr(caught.value, "code", None) == 400


def test_store_away_is_503_and_nothing_is_done(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(database)
    client = app.test_client()
    client.post("/orders", json={"name": "tea"}, headers=key("other"))

    def away(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", away)
        for path in ("/orders", "/orders-async"):
            refused = client.post(path, json={"name": "tea"}, headers=key())
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
        # Without a key nothing is noted.
        assert client.post("/orders", json={"name": "tea"}).status_code == 200
    assert len(app.config["DONE"]) == 2


def test_setups_that_cannot_work_are_refused() -> None:
    app = Flask("wrong")
    with pytest.raises(SetupError, match="POST and PATCH"):
        app.get("/a", idempotent=True)(lambda: "")
    with pytest.raises(SetupError, match="stream"):
        app.post("/b", endpoint="b", idempotent=True, stream=True)(lambda: "")
    with pytest.raises(SetupError, match="none of True"):
        app.post("/c", endpoint="c", idempotent="yes")(lambda: "")
    with pytest.raises(SetupError, match="lease_s"):
        app.post("/d", endpoint="d", idempotent=Idempotent(lease_s=0))(lambda: "")
    with pytest.raises(RuntimeError, match="plain views"):
        transaction()


def test_an_async_view_with_the_transaction_is_refused_at_setup(database: Database) -> None:
    app = Flask("wrong")

    @app.post("/a", idempotent=Idempotent(database=database))
    async def a(tx: Annotated[Connection, Provide(transaction)]) -> Order:
        return Order("x")

    with pytest.raises(SetupError, match="stays on one thread"):
        _ = app.sealed


@given(text())
@example('"' + "\\" * 300)
def test_any_text_is_a_key_or_a_400(field: str) -> None:
    try:
        found = read_key([field])
    except HTTPException as error:
        assert error.code == 400
    else:
        assert found is not None
        assert 1 <= len(found) <= 255
        assert found.isascii()
        assert found.isprintable()


def test_the_document_tells_of_the_key(database: Database) -> None:
    app = make_app(database, required=True)
    operation = document(app)["paths"]["/orders"]["post"]
    [parameter] = operation["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == (
        "Idempotency-Key",
        "header",
        True,
    )
    assert "24 hours" in parameter["description"]
    assert {"400", "409", "422", "503"} <= operation["responses"].keys()
    assert "parameters" not in document(app)["paths"]["/plain"]["get"]


def test_blueprints_take_the_option(database: Database) -> None:
    from hipflask import Blueprint

    app = make_app(database)
    blueprint = Blueprint("shop", __name__)
    done: list[int] = []

    @blueprint.post("/buy", idempotent=Idempotent(database=database))
    def buy() -> str:
        done.append(1)
        return str(len(done))

    app.register_blueprint(blueprint, url_prefix="/shop")
    client = app.test_client()
    assert [client.post("/shop/buy", headers=key()).text for _ in range(2)] == ["1", "1"]


# With the transaction.


def table(database: Database) -> None:
    with database.begin() as connection:
        connection.execute(sql("CREATE TABLE bought (name TEXT)"))


def bought(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(sql("SELECT count(*) FROM bought")) or 0)


@pytest.mark.parametrize("door", DOORS)
def test_what_is_written_with_the_answer_is_undone_with_it(database: Database, door: str) -> None:
    table(database)
    app = make_app(database)

    @app.post("/buy/<how>", idempotent=Idempotent(database=database))
    def buy(how: str, tx: Annotated[Connection, Provide(transaction)]) -> Order:
        tx.execute(sql("INSERT INTO bought VALUES (:how)"), {"how": how})
        if how == "fails":
            raise ZeroDivisionError
        return Order(how)

    client = app.test_client(door=door)
    assert client.post("/buy/fails", headers=key()).status_code == 500
    assert bought(database) == 0
    assert client.post("/buy/works", headers=key("b")).status_code == 200
    assert client.post("/buy/works", headers=key("b")).status_code == 200
    assert bought(database) == 1
    assert client.post("/buy/works").status_code == 200  # without a key, a transaction all the same
    assert bought(database) == 2


def test_who_took_longer_than_the_lease_is_undone(stores: Stores) -> None:
    database = stores.open()
    clock: Any = stores.clock
    table(database)
    app = make_app(database)
    late: list[Any] = []

    @app.post("/buy", idempotent=Idempotent(database=database, lease_s=10))
    def buy(tx: Annotated[Connection, Provide(transaction)]) -> Order:
        return Order("x")

    @app.post("/slow", idempotent=Idempotent(database=database, lease_s=10))
    def slow() -> str:
        if not late:
            late.append(1)
            clock.advance(11)
            late.append(app.test_client().post("/slow", headers=key()).status_code)
            return "first"
        return "second"

    client = app.test_client()
    # The first goes on and is answered; what is kept is the second's answer.
    assert client.post("/slow", headers=key()).text == "first"
    assert late == [1, 200]
    assert client.post("/slow", headers=key()).text == "second"


CHILD = """
import sys
from typing import Annotated
from sqlalchemy import Connection, text
from hipflask import Flask
from hipflask.api import Provide
from hipflask.state import Idempotent, transaction
app = Flask("child")
@app.post("/buy", idempotent=Idempotent(database=sys.argv[1], lease_s=float(sys.argv[2])))
def buy(tx: Annotated[Connection, Provide(transaction)]) -> dict:
    tx.execute(text("INSERT INTO bought VALUES ('x')"))
    return {"bought": 1}
answer = app.test_client().post("/buy", headers={"Idempotency-Key": "k"})
print(answer.status_code, answer.text.strip())
"""


@pytest.mark.parametrize("point", ["P20", "P21", "P22", "P23"])
def test_killed_at_every_step_it_is_done_exactly_once(stores: Stores, point: str) -> None:
    """Inside the COMMIT that takes the key, before the view, after it, inside the last COMMIT."""
    database = stores.open(clock=SystemClock())
    table(database)
    killed = run_child(CHILD, stores.url, "1", HIPFLASK_FAILPOINT=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for _ in range(200):  # until the lease of the dead is over
        done = run_child(CHILD, stores.url, "1")
        assert done.returncode == 0, done.stderr
        if not done.stdout.startswith("409"):
            break
    assert done.stdout.startswith("200")
    assert '"bought":1' in done.stdout
    assert bought(database) == 1
