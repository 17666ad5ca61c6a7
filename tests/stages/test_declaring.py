"""What an application does because of its stage: whom it answers, what it tells, when it ends."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from hipflask import Flask, Response
from hipflask.guards import trust_proxies
from hipflask.security import ApiKey, Identity, hash_key, hashed_keys, public
from hipflask.stages import Overdue, RecordError, StageRecord, declare, stage_of

PROTOTYPE = """
[tool.hipflask]
stage = "prototype"
owner = "ada"
question = "Is it < 5 % wrong?"
decide_by = 2027-01-15
"""
SUNSET = """
[tool.hipflask]
stage = "sunset"
[tool.hipflask.sunset]
deprecated = 2026-11-01
ends = 2027-02-01
link = "https://example.org/why"
"""
PAGE = "<!doctype html><html lang=en><title>x</title><body class=a><p>Hello</p></body></html>"


def at(year: int, month: int, day: int) -> float:
    return datetime(year, month, day, 12, tzinfo=UTC).timestamp()


def make(folder: Path, text: str, *, now: float = at(2026, 12, 1), before=None) -> Flask:
    (folder / "pyproject.toml").write_text(text)
    app = Flask("staged", root_path=str(folder))
    if before is not None:
        before(app)
    declare(app, clock=lambda: now)

    @app.get("/page", access=public)
    def page() -> str:
        return PAGE

    @app.get("/data", access=public)
    def data() -> dict[str, int]:
        return {"a": 1}

    return app


# Reach.


def status(app: Flask, headers: dict[str, str] | None = None, **environ: str) -> int:
    return app.test_client().get("/data", headers=headers, environ_overrides=environ).status_code


def test_a_prototype_answers_its_own_machine(tmp_path):
    app = make(tmp_path, PROTOTYPE)
    assert status(app) == 200
    assert status(app, REMOTE_ADDR="::1") == 200
    assert status(app, REMOTE_ADDR="::ffff:127.0.0.1") == 200
    assert status(app, HTTP_HOST="127.0.0.1:8000", HTTP_ORIGIN="http://[::1]:8000") == 200


@pytest.mark.parametrize("peer", ["192.0.2.7", "10.0.0.1", "", "unix:", "nonsense"])
def test_a_prototype_answers_nobody_else(tmp_path, peer):
    assert status(make(tmp_path, PROTOTYPE), REMOTE_ADDR=peer) == 403


@pytest.mark.parametrize(
    "field",
    ["X-Forwarded-For", "x_forwarded_for", "Forwarded", "X-Forwarded-Host", "X-Real-IP", "Via",
     "CF-Connecting-IP", "X-Forwarded-Anything"],
)  # fmt: skip
def test_a_proxy_on_this_machine_is_no_local_user(tmp_path, field):
    assert status(make(tmp_path, PROTOTYPE), {field: "127.0.0.1"}) == 403


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_HOST": "shop.example"},
        {"HTTP_HOST": "127.0.0.1.example"},
        {"HTTP_ORIGIN": "https://shop.example"},
        {"HTTP_REFERER": "https://shop.example/x"},
        {"HTTP_REFERER": "https://[broken"},
        {"SERVER_PROTOCOL": "HTTP/1.0"},
    ],
)
def test_a_proxy_that_adds_no_field_shows_by_what_it_passes(tmp_path, environ):
    assert status(make(tmp_path, PROTOTYPE), **environ) == 403


def test_proxyfix_declares_nobody(tmp_path):
    from werkzeug.middleware.proxy_fix import ProxyFix

    app = make(tmp_path, PROTOTYPE)
    app.wsgi_app = ProxyFix(app.wsgi_app)
    assert status(app) == 200
    assert status(app, {"X-Forwarded-For": "127.0.0.1"}, REMOTE_ADDR="192.0.2.7") == 403
    assert status(app, {"X-Forwarded-For": "127.0.0.1"}) == 403


def test_a_declared_proxy_says_who_calls(tmp_path):
    reach = PROTOTYPE + '[tool.hipflask.reach]\npeers = ["192.0.2.0/24"]\n'
    app = make(tmp_path, reach, before=lambda app: trust_proxies(app, ["127.0.0.1"]))
    assert status(app, {"X-Forwarded-For": "192.0.2.7"}) == 200
    assert status(app, {"X-Forwarded-For": "192.0.2.7", "Host": "shop.example"}) == 200
    assert status(app, {"X-Forwarded-For": "198.51.100.1"}) == 403
    # Without a word of whom it forwards, and from somebody who claims to be it.
    assert status(app) == 403
    assert status(app, {"X-Forwarded-For": "192.0.2.7"}, REMOTE_ADDR="::1") == 403
    assert status(app, REMOTE_ADDR="192.0.2.9", HTTP_HOST="shop.example") == 200


def test_a_proxy_that_names_this_machine_is_not_believed_for_it(tmp_path):
    app = make(tmp_path, PROTOTYPE, before=lambda app: trust_proxies(app, ["127.0.0.1"]))
    assert status(app, {"X-Forwarded-For": "127.0.0.1"}) == 403


def test_allow_listed_peers_are_answered(tmp_path):
    app = make(tmp_path, PROTOTYPE + '[tool.hipflask.reach]\npeers = ["10.0.0.0/8"]\n')
    assert status(app, REMOTE_ADDR="10.1.2.3") == 200
    assert status(app, REMOTE_ADDR="11.1.2.3") == 403
    assert status(app, {"X-Forwarded-For": "10.1.2.3"}, REMOTE_ADDR="10.1.2.3") == 403


def test_with_a_login_everybody_may_knock(tmp_path):
    def log_in(app):
        app.identities = [ApiKey(hashed_keys({hash_key("k" * 24): Identity("ada")}))]

    app = make(tmp_path, PROTOTYPE, before=log_in)
    assert status(app, {"X-Forwarded-For": "192.0.2.7"}, REMOTE_ADDR="192.0.2.1") == 200


def test_a_url_that_leads_nowhere_tells_a_stranger_nothing(tmp_path):
    client = make(tmp_path, PROTOTYPE).test_client()
    assert client.get("/nowhere", environ_overrides={"REMOTE_ADDR": "192.0.2.7"}).status_code == 403
    assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize("peers", ['["0.0.0.0/0"]', '["here"]', '"10.0.0.1"'])
def test_a_wrong_allow_list_is_refused(tmp_path, peers):
    with pytest.raises(RecordError, match=r"pyproject.toml, tool.hipflask.reach"):
        make(tmp_path, PROTOTYPE + f"[tool.hipflask.reach]\npeers = {peers}\n")


# What is told.


def test_a_prototype_says_so(tmp_path):
    client = make(tmp_path, PROTOTYPE).test_client()
    assert client.get("/data").headers["Hipflask-Stage"] == "prototype"
    assert client.get("/data").data == b'{"a":1}\n'
    page = client.get("/page")
    banner = page.text[page.text.index("<body class=a>") + 14 :]
    assert banner.startswith('<div role="note" class="hipflask-stage"><p>This is a prototype')
    assert "Is it &lt; 5 % wrong?" in banner
    assert int(page.headers["Content-Length"]) == len(page.data)
    assert client.head("/page").headers["Content-Length"] == page.headers["Content-Length"]


def test_a_stream_or_an_encoded_page_is_left_alone(tmp_path):
    app = make(tmp_path, PROTOTYPE)

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter([PAGE]), mimetype="text/html")

    @app.get("/packed")
    def packed() -> Response:
        return Response(PAGE, mimetype="text/html", headers={"Content-Encoding": "x"})

    client = app.test_client()
    assert client.get("/stream").text == client.get("/packed").text == PAGE


def test_past_its_day_a_pilot_says_so(tmp_path):
    text = PROTOTYPE.replace("prototype", "pilot")
    assert make(tmp_path, text).test_client().get("/page").text == PAGE
    late = make(tmp_path, text, now=at(2027, 1, 16)).test_client().get("/page").text
    assert "to be decided by 2027-01-15" in late
    # The day itself is in time.
    assert make(tmp_path, text, now=at(2027, 1, 15)).test_client().get("/page").text == PAGE


def test_a_start_past_the_day_warns_and_goes_on(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        app = make(tmp_path, PROTOTYPE, now=at(2027, 2, 1))
    assert "was to be decided on by 2027-01-15" in caplog.text
    assert status(app) == 200


def test_a_start_past_the_day_is_refused_where_the_record_says_so(tmp_path):
    text = PROTOTYPE + 'on_expiry = "refuse-start"\n'
    assert status(make(tmp_path, text)) == 200
    with pytest.raises(Overdue, match="2027-01-15") as caught:
        make(tmp_path, text, now=at(2027, 2, 1))
    assert caught.value.exit_code == 78


def test_a_service_tells_nobody(tmp_path):
    client = make(tmp_path, '[tool.hipflask]\nstage = "service"\n').test_client()
    assert "Hipflask-Stage" not in client.get("/data").headers
    assert client.get("/page").text == PAGE


# The end.


def test_a_sunset_is_told_in_fields_that_parse(tmp_path):
    headers = make(tmp_path, SUNSET).test_client().get("/data").headers
    deprecated = headers["Deprecation"]
    assert deprecated.startswith("@")  # RFC 9745: a structured date
    sunset = parsedate_to_datetime(headers["Sunset"])
    assert datetime.fromtimestamp(int(deprecated[1:]), UTC) == datetime(2026, 11, 1, tzinfo=UTC)
    assert sunset == datetime(2027, 2, 1, tzinfo=UTC)
    assert headers["Sunset"] == "Mon, 01 Feb 2027 00:00:00 GMT"
    assert headers.getlist("Link") == [
        '<https://example.org/why>; rel="deprecation"',
        '<https://example.org/why>; rel="sunset"',
    ]


def test_after_the_day_all_is_gone(tmp_path):
    client = make(tmp_path, SUNSET, now=at(2027, 2, 1)).test_client()
    for path in ("/data", "/page", "/nowhere", "/static/x"):
        answer = client.get(path)
        assert answer.status_code == 410
        assert "Sunset" in answer.headers
        assert "https://example.org/why" in answer.text
    day_before = at(2027, 1, 31)
    assert make(tmp_path, SUNSET, now=day_before).test_client().get("/data").status_code == 200


def test_what_is_retired_is_gone(tmp_path):
    app = make(tmp_path, '[tool.hipflask]\nstage = "retired"\n')
    assert app.test_client().get("/data").status_code == 410


def test_an_end_before_it_was_told_is_refused(tmp_path):
    with pytest.raises(RecordError, match="RFC 9745"):
        make(tmp_path, SUNSET.replace("2027-02-01", "2026-10-01"))
    with pytest.raises(RecordError, match="sunset"):
        make(tmp_path, SUNSET.replace("ends", "end"))
    with pytest.raises(RecordError, match="link"):
        make(tmp_path, SUNSET.replace("/why", "/why>; rel=x"))


# Off until declared.


def test_without_a_record_nothing_is_added(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    app = Flask("staged", root_path=str(tmp_path))
    before = {name: list(app.before_request_funcs[name]) for name in app.before_request_funcs}
    assert declare(app) is None
    assert stage_of(app) is None
    after = {name: list(app.before_request_funcs[name]) for name in app.before_request_funcs}
    assert (after, list(app.after_request_funcs.get(None, []))) == (before, [])


def test_declared_twice_is_declared_once(tmp_path):
    app = make(tmp_path, PROTOTYPE)
    assert isinstance(declare(app), StageRecord)
    assert app.test_client().get("/data").headers.getlist("Hipflask-Stage") == ["prototype"]
