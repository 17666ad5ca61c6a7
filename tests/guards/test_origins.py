"""Forged writes."""

from __future__ import annotations

import logging

import pytest

from hipflask import Blueprint, Flask
from hipflask.guards import cors, guard_origins, takes_any_origin
from hipflask.guards.sites import checked_origins, is_own
from hipflask.scaffold import SetupError

DOORS = ("wsgi", "asgi", "rsgi")
OWN = {"Origin": "http://localhost"}
OTHER = {"Origin": "https://evil.example"}


def make_app(**config):
    app = Flask(__name__)
    app.config.update(config)
    guard_origins(app)
    app.add_url_rule("/w", "w", lambda: "written", methods=["POST", "PUT", "DELETE", "PATCH"])
    app.add_url_rule("/r", "r", lambda: "read")

    @app.post("/a")
    async def a():
        return "written"

    return app


FRIENDLY = [
    {},
    OWN,
    {"Origin": "http://localhost:80"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Origin": "https://partner.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://partner.example"},
]
HOSTILE = [
    OTHER,
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://evil.example/localhost"},
    {"Origin": "http://localhost@evil.example"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "https://partner.example.evil.example"},
    {"Origin": "https://partner.example:8443"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "cross-site", **OWN},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://shop.localhost"},
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/w", "/a"])
def test_writes_of_other_sites_are_refused_and_others_are_not(door, path):
    client = make_app(TRUSTED_ORIGINS=["https://partner.example"]).test_client(door=door)
    for headers in FRIENDLY:
        assert client.post(path, headers=headers).text == "written", headers
    for headers in HOSTILE:
        answer = client.post(path, headers=headers)
        assert answer.status_code == 403, headers
        assert "another site" in answer.text


def test_every_method_that_writes_is_guarded_and_reading_is_not():
    client = make_app().test_client()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.open("/w", method=method, headers=OTHER).status_code == 403
    assert client.get("/r", headers=OTHER).text == "read"
    assert client.options("/w", headers=OTHER).status_code == 200
    # Nobody is told which URLs there are.
    assert client.post("/nothing", headers=OTHER).status_code == 403
    assert client.post("/r", headers=OTHER).status_code == 403


def test_a_route_that_only_reads_does_not_pay_for_it():
    app = make_app()
    client = app.test_client()
    client.get("/r")
    routes = {route.rule.endpoint: route for route in app.sealed._routes.values()}
    assert routes["r"].before == ()


def test_exempt_views_are_named_or_marked():
    app = make_app(ORIGIN_GUARD_EXEMPT=["pay.*", "w"])
    pay = Blueprint("pay", __name__)
    pay.add_url_rule("/back", "back", lambda: "paid", methods=["POST"])
    app.register_blueprint(pay)

    @app.post("/saml")
    @takes_any_origin
    def saml():
        return "in"

    client = app.test_client()
    for path in ("/back", "/w", "/saml"):
        assert client.post(path, headers=OTHER).status_code == 200, path
    assert client.post("/a", headers=OTHER).status_code == 403


def test_webhooks_are_known_by_their_signatures(tmp_path):
    pytest.importorskip("sqlalchemy")
    from hipflask.webhooks import Hooks

    app = Flask(__name__)
    app.config["GITHUB"] = "a secret of the sender's"
    guard_origins(app)
    hooks = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0)
    try:
        hooks.source("/github", scheme="github", secrets="GITHUB")
        answer = app.test_client().post("/github", json={}, headers=OTHER)
        assert answer.status_code != 403 and "another site" not in answer.text
    finally:
        hooks.stop()


def test_origins_of_cors_may_write_where_they_are_declared():
    app = make_app()
    api = Blueprint("api", __name__)
    api.add_url_rule("/api", "put", lambda: "put", methods=["PUT"])
    cors(api, origins=["https://shop.example"], credentials=True)
    app.register_blueprint(api)
    client = app.test_client()
    shop = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}
    assert client.put("/api", headers=shop).text == "put"
    assert client.put("/w", headers=shop).status_code == 403
    assert client.put("/api", headers=OTHER).status_code == 403


def test_everybody_may_read_by_cors_and_not_write():
    app = Flask(__name__)
    guard_origins(app)
    cors(app, origins=["*"])
    app.add_url_rule("/w", "w", lambda: "written", methods=["GET", "POST"])
    client = app.test_client()
    assert client.get("/w", headers=OTHER).headers["Access-Control-Allow-Origin"] == "*"
    assert client.post("/w", headers=OTHER).status_code == 403


def test_a_ported_application_warns_and_lets_in(caplog):
    client = make_app(ORIGIN_GUARD="warn").test_client()
    with caplog.at_level(logging.WARNING):
        assert client.post("/w", headers={"Origin": "https://e.example"}).text == "written"
    assert "would refuse: POST to 'w' from 'https://e.example'" in caplog.text


def test_what_is_logged_is_one_line(caplog):
    client = make_app().test_client()
    with caplog.at_level(logging.INFO):
        client.post("/w", headers={"Origin": "a\x1b[31m\x85" + "b" * 999})
    lines = [record.getMessage() for record in caplog.records]
    assert all(line.isprintable() and len(line) < 400 for line in lines)


@pytest.mark.parametrize(
    "origin", ["*", "shop.example", "https://shop.example/", "https://Shop.example", "null"]
    + ["https://shop.example:443", "ftp://shop.example", "https://", "https://a b", 7],
)  # fmt: skip
def test_what_is_no_origin_is_refused_at_setup(origin):
    with pytest.raises(SetupError, match="no browser sends"):
        checked_origins([origin], "TRUSTED_ORIGINS")


def test_wrong_words_are_told():
    client = make_app(ORIGIN_GUARD="off", PROPAGATE_EXCEPTIONS=True).test_client()
    with pytest.raises(SetupError, match="'refuse' or 'warn'"):
        client.post("/w", headers=OTHER)


def test_is_own_compares_host_and_port():
    assert is_own("https://shop.example", "shop.example")
    assert is_own("https://shop.example", "SHOP.example:443")
    assert is_own("http://[::1]:8000", "[::1]:8000")
    assert not is_own("http://shop.example", "shop.example:443")
    assert not is_own("null", "null")
    assert not is_own("https://shop.example", None)
