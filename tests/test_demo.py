"""The demo: through the test client, and once as a visitor meets it, over its own server."""

from __future__ import annotations

import html
import http.client
import json
import re
import signal
import subprocess
import sys
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from examples.demo import shelf  # noqa: E402
from examples.demo.app import create_app  # noqa: E402

PATIENCE_S = 30
TODAY = date(2026, 3, 1)
GOOD = {"tool": "saw", "borrower": "Ada", "days": "3"}


@pytest.fixture
def client():
    app = create_app({"SECRET_KEY": "test", "TESTING": True, "PROPAGATE_EXCEPTIONS": False})
    return app.test_client()


class Page(HTMLParser):
    """What a page is made of, as far as the tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


# The shelf, without HTTP.


def test_parse_loan_reads_a_good_form():
    loan, wrong = shelf.parse_loan(GOOD, TODAY)
    assert wrong == {}
    assert loan == shelf.Loan("saw", "Ada", "2026-03-04")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tool": "piano"}, "tool"),
        ({"tool": ""}, "tool"),
        ({"borrower": "  "}, "borrower"),
        ({"borrower": "x" * (shelf.LONGEST_NAME + 1)}, "borrower"),
        ({"borrower": "two\nlines"}, "borrower"),
        ({"days": "0"}, "days"),
        ({"days": "15"}, "days"),
        ({"days": "-1"}, "days"),
        ({"days": "٣"}, "days"),
        ({"days": "9" * 5000}, "days"),
        ({"days": ""}, "days"),
    ],
)
def test_parse_loan_names_the_field_that_is_wrong(change, field):
    assert list(shelf.parse_loan({**GOOD, **change}, TODAY)[1]) == [field]


def test_parse_loan_of_an_empty_form_names_all_fields():
    assert set(shelf.parse_loan({}, TODAY)[1]) == {"tool", "borrower", "days"}


def test_add_loan_replaces_a_loan_of_the_same_tool():
    old, new = shelf.Loan("saw", "Ada", "2026-03-04"), shelf.Loan("saw", "Ada", "2026-03-09")
    assert shelf.add_loan([old], new) == [new]


def test_add_loan_refuses_more_than_a_cookie_should_carry(monkeypatch):
    monkeypatch.setattr(shelf, "MOST_LOANS", 1)
    with pytest.raises(ValueError, match="1 tools at a time"):
        shelf.add_loan([shelf.Loan("saw", "Ada", "x")], shelf.Loan("level", "Ada", "x"))


def test_parse_loans_leaves_out_a_tool_that_is_gone():
    loans = [shelf.Loan("saw", "Ada", "2026-03-04"), shelf.Loan("piano", "Ada", "2026-03-04")]
    assert shelf.parse_loans(shelf.dump_loans(loans)) == loans[:1]


# The pages.


def test_page_lists_every_tool(client):
    text = client.get("/").text
    assert all(tool.name in text for tool in shelf.TOOLS.values())


def test_page_shows_a_curl_line_for_the_host_it_is_asked_at(client):
    text = html.unescape(client.get("/", base_url="http://demo.example:8123").text)
    assert "curl -s 'http://demo.example:8123/api/tools?q=wood'" in text


def test_page_selects_the_tool_of_the_link_followed(client):
    page = Page(client.get("/?tool=ladder").text)
    assert [o["value"] for o in page.all("option") if "selected" in o] == ["ladder"]
    assert {"name": "days", "value": "3"}.items() <= page.all("input")[-1].items()


def test_borrowing_flashes_once_and_marks_the_tool(client):
    answer = client.post("/borrow", data=GOOD)
    assert (answer.status_code, answer.location) == (303, "/")
    due = (date.today() + timedelta(days=3)).isoformat()
    first, second = client.get("/").text, client.get("/").text
    assert f"Ada, the hand saw is yours until {due}." in first
    assert "is yours until" not in second
    assert f'Lent to Ada until <time datetime="{due}">' in second


def test_giving_back_ends_the_loan(client):
    client.post("/borrow", data=GOOD)
    answer = client.post("/return", data={"tool": "saw"}, follow_redirects=True)
    assert "The hand saw is back on the shelf." in answer.text
    assert "Lent to" not in answer.text


@pytest.mark.parametrize("tool", ["saw", "piano", ""])
def test_giving_back_what_was_not_borrowed_changes_nothing(client, tool):
    answer = client.post("/return", data={"tool": tool}, follow_redirects=True)
    assert answer.status_code == 200
    assert 'role="status"' not in answer.text


def test_a_bad_form_comes_back_filled_in_with_its_errors_tied_to_the_fields(client):
    answer = client.post("/borrow", data={**GOOD, "borrower": "Grace", "days": "99"})
    assert answer.status_code == 422
    page = Page(answer.text)
    marked = [field for field in page.all("input", "select") if "aria-invalid" in field]
    assert [field["name"] for field in marked] == ["days"]
    assert marked[0]["aria-describedby"] in [p.get("id") for p in page.all("p")]
    assert "Grace" in [field.get("value") for field in page.all("input")]
    assert {"href": "#days"} in page.all("a")


def test_one_loan_too_many_is_told_beside_the_form(client, monkeypatch):
    monkeypatch.setattr(shelf, "MOST_LOANS", 1)
    client.post("/borrow", data=GOOD)
    answer = client.post("/borrow", data={**GOOD, "tool": "level"})
    assert answer.status_code == 422
    assert "1 tools at a time is the most we lend." in answer.text


@pytest.mark.parametrize("field", ["tool", "borrower", "days"])
def test_what_a_visitor_writes_is_escaped(client, field):
    evil = '"><script>alert(1)</script>'
    answer = client.post("/borrow", data={**GOOD, field: evil}, follow_redirects=True)
    assert "<script" not in answer.text
    assert "<script" not in client.get("/", query_string={"tool": evil}).text


def test_a_changed_cookie_is_worth_nothing(client):
    client.post("/borrow", data=GOOD)
    cookie = client.get_cookie("session")
    client.set_cookie("session", cookie.value[:-2] + "xx")
    assert "Lent to" not in client.get("/").text


@pytest.mark.parametrize("sender", ["cross-site", "same-site"])
def test_a_form_of_another_site_is_refused(client, sender):
    answer = client.post("/borrow", data=GOOD, headers={"Sec-Fetch-Site": sender})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_a_form_of_the_page_itself_is_taken(client):
    answer = client.post("/borrow", data=GOOD, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303


def test_session_cookie_is_kept_from_scripts_and_other_sites(client):
    cookie = client.post("/borrow", data=GOOD).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


# What holds for every answer.

ADDRESSES = ["/", "/api/tools", "/api/nothing", "/nothing", "/broken", "/static/demo.css"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_carries_the_headers(client, address):
    with client.get(address) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("address", ["/", "/nothing", "/broken"])
def test_a_page_has_nothing_that_the_policy_would_block(client, address):
    page = Page(client.get(address).text)
    assert page.all("script", "style", "iframe") == []
    assert not [a for _, a in page.tags for name in a if name == "style" or name.startswith("on")]
    for source in [a.get("src") or a.get("href") for a in page.all("img", "link")]:
        assert source is not None and source.startswith("/static/")
        with client.get(source) as answer:
            assert answer.status_code == 200


@pytest.mark.parametrize("address", ["/", "/nothing"])
def test_a_page_can_be_used_without_seeing_it(client, address):
    page = Page(client.get(address).text)
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert all("alt" in image for image in page.all("img"))
    labelled = {label["for"] for label in page.all("label")}
    fields = [f for f in page.all("input", "select") if f.get("type") != "hidden"]
    assert {field["id"] for field in fields} == labelled


@pytest.mark.parametrize(
    ("method", "address", "code", "words"),
    [
        ("GET", "/nothing", 404, "Nothing here"),
        ("GET", "/borrow", 405, "Not this way"),
        ("GET", "/broken", 500, "Our mistake"),
    ],
)
def test_errors_have_a_page_of_their_own(client, method, address, code, words):
    answer = client.open(address, method=method)
    assert answer.status_code == code
    assert words in answer.text
    assert "on purpose" not in answer.text
    assert "Traceback" not in answer.text


def test_a_wrong_method_still_names_the_right_ones(client):
    assert "POST" in client.get("/borrow").headers["Allow"]


def test_a_body_past_the_limit_is_413(client):
    client.application.config["MAX_CONTENT_LENGTH"] = 100
    assert client.post("/borrow", data={**GOOD, "borrower": "x" * 200}).status_code == 413


# The API.


def test_api_lists_the_shelf(client):
    answer = client.get("/api/tools")
    assert answer.mimetype == "application/json"
    assert [tool["slug"] for tool in answer.json] == list(shelf.TOOLS)


def test_api_searches_names_and_uses(client):
    found = client.get("/api/tools?q=WOOD").json
    assert [tool["slug"] for tool in found] == ["saw", "clamp"]


def test_api_shows_one_tool(client):
    assert client.get("/api/tools/saw").json["name"] == "Hand saw"


@pytest.mark.parametrize("address", ["/api/tools/piano", "/api/nothing"])
def test_api_errors_are_json(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.json["status"]) == (404, 404)


# Keys.


def test_key_comes_from_the_environment_or_is_new_at_each_start(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "mine")
    assert create_app().secret_key == "mine"
    monkeypatch.setenv("SECRET_KEY", "")
    first, second = create_app().secret_key, create_app().secret_key
    assert first != second
    assert len(first) == 64


# As a visitor meets it.


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal")
def test_demo_serves_and_stops_at_ctrl_c():
    command = [sys.executable, "-m", "examples.demo", "--bind", "127.0.0.1:0"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert found, line
        wire = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=PATIENCE_S)
        wire.request("GET", "/api/tools?q=wood")
        assert len(json.load(wire.getresponse())) == 2
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        wire.request("POST", "/borrow", urlencode(GOOD), form)
        answer = wire.getresponse()
        answer.read()
        assert answer.status == 303
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        wire.request("GET", "/", headers={"Cookie": cookie})
        assert "Lent to Ada" in wire.getresponse().read().decode()
        wire.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "curl -s 'http://127.0.0.1" in out
