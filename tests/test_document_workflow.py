"""The example of documents: what is read, what is wrong with it, and its way into the books."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sqlalchemy", reason="pip install hipflask[tools]")

from examples.document_workflow.app import PEOPLE, create_app
from examples.document_workflow.reading import LONGEST, Fields, extract
from examples.document_workflow.rules import Supplier, check
from examples.document_workflow.store import invoice

TODAY = date(2026, 6, 1)
ACME = Supplier("Acme", Decimal(500))
GOOD = Fields("Acme", "A-1", TODAY, Decimal(100), Decimal(19), Decimal(119))


# Reading


def test_lines_and_json_are_read_alike():
    text = invoice("Acme", "A-1", TODAY, Decimal(100))
    as_json = b'{"supplier": "Acme", "invoice": "A-1", "date": "2026-06-01", "net": 100, '
    as_json += b'"vat": 19.00, "total": "EUR 119,00"}'
    assert extract(text.encode()) == extract(as_json) == GOOD


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1,190.00", "1190.00"),
        ("1.190,00", "1190.00"),
        ("1 190", "1190.00"),
        ("EUR 1190", "1190.00"),
        ("-5.00", "-5.00"),
        ("1,000,000.5", "1000000.50"),
        ("twelve", None),
        ("1.2.3.4", None),
        ("9" * 20, None),
    ],
)
def test_amounts(text, amount):
    found = extract(f"Total: {text}".encode()).total
    assert found == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize("text", ["1.6.2026", "01/06/2026", "2026-06-01"])
def test_dates(text):
    assert extract(f"Date: {text}".encode()).issued == TODAY


def test_what_is_no_text_is_refused():
    for data in (b"\xff\xfe\x00", b"a\0b", b"x" * (LONGEST + 1), b'{"a": '):
        with pytest.raises(ValueError, match=r"The document (is no|has)"):
            extract(data)


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_whatever_comes_is_read_or_refused(data):
    try:
        extract(data)
    except ValueError:
        pass


# Rules


def test_nothing_is_wrong_with_a_good_one():
    assert check(GOOD, ACME, (), TODAY) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": None}, "number is missing"),
        ({"total": Decimal(120)}, "are 119, and not 120"),
        ({"issued": TODAY + timedelta(1)}, "not within the last"),
        ({"issued": TODAY - timedelta(366)}, "not within the last"),
        ({"net": Decimal(-5), "tax": Decimal(0), "total": Decimal(-5)}, "credit note"),
        ({"net": Decimal(900), "total": Decimal(919)}, "above the 500 agreed"),
    ],
)
def test_what_is_wrong_is_said(change, said):
    from dataclasses import replace

    (flaw,) = check(replace(GOOD, **change), ACME, (), TODAY)
    assert said in flaw


def test_suppliers_and_numbers_are_looked_up():
    assert "no supplier of ours" in check(GOOD, None, (), TODAY)[0]
    assert "blocked" in check(GOOD, Supplier("Acme", Decimal(500), True), (), TODAY)[0]
    assert "come before" in check(GOOD, ACME, ("A-1",), TODAY)[0]


# The tool


@pytest.fixture
def app(tmp_path):
    app = create_app(
        {
            "TESTING": True,
            "SECRET_KEY": "of the tests, of some length",
            "ARCHIVE_URL": f"sqlite:///{tmp_path / 'documents.db'}",
            "HIPFLASK_DATABASE_URL": f"sqlite:///{tmp_path / 'runs.db'}",
        }
    )
    yield app
    tool(app).store.close()
    app.extensions["archive"].close()


def tool(app):
    return app.extensions["hipflask.tools"]["books"]


@pytest.fixture
def login(app):
    def login(name):
        client = app.test_client()
        data = {"name": name, "password": PEOPLE[name][0]}
        assert client.post("/login", data=data, headers=OURS).status_code == 303
        return client

    return login


OURS = {"Sec-Fetch-Site": "same-origin"}


def send(client, path, status=303, **data):
    answer = client.post(path, data=data, headers=OURS)
    assert answer.status_code == status, answer.text
    return answer


def digest(client, run):
    return re.search(r'name="digest" value="([0-9a-f]+)"', client.get(run).text)[1]


def run_of(client, path, status=303, **data):
    return send(client, path, status, **data).location


def document(app, number):
    from sqlalchemy import select

    from examples.document_workflow.store import documents

    archive = app.extensions["archive"]
    with archive.engine.connect() as connection:
        return connection.execute(
            select(documents).where(documents.c.number == number).order_by(documents.c.id.desc())
        ).first()


def test_nobody_who_is_not_logged_in_sees_a_thing(app):
    answer = app.test_client().get("/books/", headers={"Accept": "text/html"})
    assert answer.status_code in (302, 303) and "/login" in answer.location


def test_the_seed_is_read_and_held_where_something_is_wrong(app):
    states = dict(app.extensions["archive"].by_state())
    assert states == {"held": 6, "checked": 24, "posted": 0, "rejected": 0}


def test_a_document_on_its_whole_way(app, login):
    clerk, controller = login("cleo"), login("cora")
    text = invoice("Acme Paper", "A-77", date.today(), Decimal(100)).encode()
    run = run_of(
        clerk, "/books/actions/upload", **{"v.file": (io.BytesIO(text), "a77.txt", "text/plain")}
    )
    assert "take in invoice A-77 of Acme Paper, 119.00 EUR (checked" in clerk.get(run).text
    assert document(app, "A-77") is None, "a plan does nothing"
    send(clerk, f"{run}/submit", digest=digest(clerk, run))
    tool(app).runs.work()
    row = document(app, "A-77")
    assert (row.state, row.total) == ("checked", Decimal(119))

    run = run_of(clerk, "/books/actions/documents.post", key=str(row.id))
    bound = digest(clerk, run)
    send(clerk, f"{run}/submit", digest=bound)
    send(clerk, f"{run}/approve", 403, digest=bound)
    assert tool(app).runs.work() == 0, "the clerk cannot approve what they asked for"
    send(controller, f"{run}/approve", digest=bound)
    tool(app).runs.work()
    assert document(app, "A-77").state == "posted"
    assert app.extensions["archive"].balance() == 0

    undo = run_of(clerk, f"{run}/undo", digest=bound)
    send(clerk, f"{undo}/submit", digest=digest(clerk, undo))
    if "awaiting" in clerk.get(undo).text:
        send(controller, f"{undo}/approve", digest=digest(controller, undo))
    tool(app).runs.work()
    assert document(app, "A-77").state == "checked"
    assert app.extensions["archive"].balance() == 0
    audit = controller.get("/books/audit").text
    assert "cleo" in audit and "cora" in audit and clerk.get("/books/audit").status_code == 404


def test_a_held_document_is_corrected_and_checked_again(app, login):
    clerk = login("cleo")
    row = document(app, "A-1")
    assert row.state == "held" and "and not 200" in row.flaws
    send(clerk, "/books/actions/documents.post", 422, key=str(row.id))
    form = clerk.get(f"/books/tables/documents/rows/{row.id}/edit").text
    values = dict(re.findall(r'name="(v\.[a-z]+|version)"[^>]*?value="([^"]*)"', form))
    values |= {
        name: value for value, name in re.findall(r'value="([^"]*)"[^>]*?name="(v\.[a-z]+)"', form)
    }
    send(clerk, f"/books/tables/documents/rows/{row.id}/edit", **{**values, "v.total": "119.00"})
    run = run_of(clerk, "/books/actions/documents.check_again", key=str(row.id))
    send(clerk, f"{run}/submit", digest=digest(clerk, run))
    tool(app).runs.work()
    assert document(app, "A-1").state == "checked"


def test_what_was_edited_after_the_check_is_not_posted(app):
    from sqlalchemy import update

    from examples.document_workflow.store import documents

    archive = app.extensions["archive"]
    row = document(app, "N-1001")
    with archive.engine.begin() as connection:
        connection.execute(update(documents).values(total=9999).where(documents.c.id == row.id))
    with pytest.raises(ValueError, match="not 9999"):
        archive.post(row.id)
    assert archive.balance() == 0


def test_an_upload_that_is_no_text_is_said_to_be_none(app, login):
    answer = send(
        login("cleo"), "/books/actions/upload", 422,
        **{"v.file": (io.BytesIO(b"a\0b"), "x.txt", "text/plain")},
    )  # fmt: skip
    assert "is no text" in answer.text
