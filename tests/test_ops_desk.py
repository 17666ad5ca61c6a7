"""The example of an operations desk: refunds that are planned, approved, done and undone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from decimal import Decimal

import pytest

pytest.importorskip("sqlalchemy", reason="pip install hipflask[tools]")

from sqlalchemy import select

from examples.ops_desk.app import PEOPLE, create_app
from examples.ops_desk.store import ORDERS, orders, refunds

OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    app = create_app(
        {
            "TESTING": True,
            "SECRET_KEY": "of the tests, of some length",
            "DESK_URL": f"sqlite:///{folder / 'desk.db'}",
            "HIPFLASK_DATABASE_URL": f"sqlite:///{folder / 'runs.db'}",
        }
    )
    yield app
    tool(app).store.close()
    app.extensions["desk"].close()


def tool(app):
    return app.extensions["hipflask.tools"]["ops"]


@pytest.fixture(scope="module")
def login(app):
    def login(name):
        client = app.test_client()
        data = {"name": name, "password": PEOPLE[name][0]}
        assert client.post("/login", data=data, headers=OURS).status_code == 303
        return client

    return login


@pytest.fixture(scope="module")
def sue(login):
    return login("sue")


@pytest.fixture(scope="module")
def lea(login):
    return login("lea")


def send(client, path, status=303, **data):
    answer = client.post(path, data=data, headers=OURS)
    assert answer.status_code == status, answer.text
    return answer


def digest(client, run):
    return re.search(r'name="digest" value="([0-9a-f]+)"', client.get(run).text)[1]


def some(app, status, count=1):
    """Numbers of orders of that status, with something left to refund."""
    with app.extensions["desk"].engine.connect() as connection:
        query = select(orders.c.id).where(orders.c.status == status, orders.c.amount > 20)
        return list(connection.scalars(query.limit(count)))


def order(app, number):
    with app.extensions["desk"].engine.connect() as connection:
        return connection.execute(select(orders).where(orders.c.id == number)).one()


def test_the_table_is_there_for_who_has_a_role(app, sue):
    page = sue.get("/ops/tables/orders?f.status=paid").text
    assert "Operations desk" in page and "paid" in page
    assert app.test_client().get("/ops/tables/orders").status_code in (302, 303, 401)


def test_a_refund_is_planned_approved_done_and_undone(app, sue, lea):
    first, second = some(app, "paid", 2)
    form = {"key": [str(first), str(second)], "v.amount": "12.50", "v.reason": "arrived broken"}
    run = send(sue, "/ops/actions/orders.refund", **form).location
    page = sue.get(run).text
    assert f"refund 12.50 EUR on order {first}" in page and "nothing has been done" in page
    assert order(app, first).refunded == 0
    bound = digest(sue, run)
    send(sue, f"{run}/submit", digest=bound)
    send(sue, f"{run}/approve", 403, digest=bound)
    assert tool(app).runs.work() == 0
    send(lea, f"{run}/approve", digest=bound)
    assert tool(app).runs.work() == 1
    assert order(app, first).refunded == order(app, second).refunded == Decimal("12.50")
    with app.extensions["desk"].engine.connect() as connection:
        made = connection.execute(select(refunds).where(refunds.c.order_id == first)).one()
    assert (made.asked_by, made.reason) == ("sue", "arrived broken")

    undo = send(sue, f"{run}/undo", digest=bound).location
    send(sue, f"{undo}/submit", digest=digest(sue, undo))
    if tool(app).runs.work() == 0:
        send(lea, f"{undo}/approve", digest=digest(lea, undo))
        assert tool(app).runs.work() == 1
    assert order(app, first).refunded == order(app, second).refunded == 0
    audit = lea.get("/ops/audit").text
    assert "sue" in audit and "lea" in audit


def test_what_cannot_be_refunded_is_refused_in_words(app, sue):
    (new,) = some(app, "new")
    refused = send(
        sue, "/ops/actions/orders.refund", 422, key=str(new),
        **{"v.amount": "1", "v.reason": "arrived broken"},
    )  # fmt: skip
    assert "cannot be done to" in refused.text
    (paid,) = some(app, "paid")
    more = {"key": str(paid), "v.amount": "501", "v.reason": "arrived broken"}
    assert "500" in send(sue, "/ops/actions/orders.refund", 422, **more).text


def test_shipping_needs_nobody_else(app, sue):
    (paid,) = some(app, "paid")
    run = send(sue, "/ops/actions/orders.ship", key=str(paid)).location
    send(sue, f"{run}/submit", digest=digest(sue, run))
    assert tool(app).runs.work() == 1
    assert order(app, paid).status == "shipped"


def test_reminding_is_for_the_lead(app, sue, lea):
    send(sue, "/ops/actions/remind", 404, **{"v.most": "2"})
    run = send(lea, "/ops/actions/remind", **{"v.most": "2"}).location
    send(lea, f"{run}/submit", digest=digest(lea, run))
    assert tool(app).runs.work() == 1
    assert "2 steps done" in re.sub(r"\s+", " ", lea.get(run).text)


def test_the_seed_is_the_same_each_time(app):
    assert ORDERS == 1_200 and order(app, 1).customer == order(app, 1).customer
    assert sum(count for _, count in app.extensions["desk"].orders_a_day()) > 100


def test_it_is_served_by_one_command(tmp_path):
    command = [sys.executable, "-m", "examples.ops_desk", "--bind", "127.0.0.1:0"]
    command += ["--folder", str(tmp_path)]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, **flags
    ) as process:
        try:
            address = ""
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", line):
                    address = found[0]
                    break
            assert address, "it says where it listens"
            with urllib.request.urlopen(f"{address}/login", timeout=60) as answer:
                assert b"Log in" in answer.read()
        finally:
            process.send_signal(signal.CTRL_BREAK_EVENT if os.name == "nt" else signal.SIGINT)
            process.stdout.read()
            assert process.wait(timeout=60) is not None


def test_who_logged_in_finds_the_way_out(sue):
    page = sue.get("/ops/").text
    assert '<a href="/login">Log out</a>' in page
    assert "Log out" in sue.get("/login").text
