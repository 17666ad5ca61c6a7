"""The login page: what it takes, what it refuses, and where it leads."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask, session
from hipflask.api.openapi import document
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import (
    ApiKey,
    Identity,
    OIDCLogin,
    Refused,
    SessionLogin,
    Throttle,
    add_login,
    authenticated,
    current_identity,
    hash_key,
    hash_password,
    hashed_keys,
    hashed_passwords,
    public,
    schemes_of,
)
from hipflask.security.passwords import PasswordsBusy

HASHED = hash_password("right")
CHECK = hashed_passwords({"ada": (HASHED, Identity("ada", roles={"clerk"}))})
PAGE = {"Accept": "text/html,*/*;q=0.8"}


def make_app(check=CHECK, **options):
    app = Flask(__name__)
    app.testing = True
    app.secret_key = "a key of the tests, of some length"
    app.access = authenticated
    add_login(app, check, **options)

    @app.get("/")
    def index():
        return current_identity().name

    @app.get("/orders")
    async def orders():
        return current_identity().name

    @app.get("/session", access=public)
    def show():
        return dict(session)

    return app


def post(client, password="right", name="ada", headers=None, **fields):
    data = {"name": name, "password": password, **fields}
    return client.post("/login", data=data, headers=headers)


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("door", DOORS)
def test_from_a_page_to_the_login_and_back(door, kind):
    async def check_async(name, password):
        return CHECK(name, password)

    client = make_app(CHECK if kind == "plain" else check_async).test_client(door=door)
    kept_from = client.get("/orders?page=2", headers=PAGE)
    assert kept_from.status_code == 303
    page = client.get(kept_from.headers["Location"])
    assert page.status_code == 200
    wanted = re.search('name="next" value="([^"]*)"', page.text)[1]
    wrong = post(client, "wrong", next=wanted)
    assert wrong.status_code == 401 and "do not belong together" in wrong.text
    assert wrong.headers["WWW-Authenticate"] == 'Session realm="pages"'
    assert 'value="ada"' in wrong.text and "wrong" not in wrong.text
    answer = post(client, next=wanted)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/orders?page=2")
    assert client.get("/orders").text == "ada"
    assert "You are <strong>ada</strong>" in client.get("/login").text
    out = client.post("/login/out")
    assert (out.status_code, out.headers["Location"]) == (303, "/login?out=")
    assert "You are logged out." in client.get(out.headers["Location"]).text
    assert client.get("/orders").status_code == 401


def test_on_all_devices():
    app = make_app()
    laptop, phone = app.test_client(), app.test_client()
    post(laptop)
    post(phone)
    laptop.post("/login/out", data={"everywhere": "1"})
    assert phone.get("/").status_code == 401


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\t//evil.example", "/\n/e", ""],
)
def test_where_it_leads_is_on_this_site(wanted):
    client = make_app(after="/orders").test_client()
    page = client.get("/login", query_string={"next": wanted})
    assert "evil" not in page.text
    assert post(client, next=wanted).headers["Location"] == "/orders"
    assert "evil" not in client.get("/login", query_string={"next": wanted}).text


def test_a_password_is_typed_unseen_and_may_be_filled_in():
    page = make_app().test_client().get("/login").text
    field = re.search(r"<input[^>]+name=.password.[^>]*>", page)[0]
    assert 'type="password"' in field and 'autocomplete="current-password"' in field
    assert "onpaste" not in page and "<script" not in page


def test_what_stood_in_the_form_is_text():
    client = make_app().test_client()
    page = post(client, "wrong", name='"><script>alert(1)</script>', next='/"><b>')
    assert page.status_code == 401 and "<script>" not in page.text and "<b>" not in page.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({}, 303),
    ],
)
def test_forms_of_other_sites_are_refused(headers, status):
    client = make_app().test_client()
    assert post(client, headers=headers).status_code == status
    assert client.post("/login/out", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        ("", "x", 400),
        ("x", "", 400),
        ("x" * 257, "x", 400),
        ("x", "x" * 1025, 400),
        ("é", "☃", 401),
    ],
)
def test_fields_have_bounds(name, password, status):
    answer = post(make_app().test_client(), password, name)
    assert answer.status_code == status and "x" * 257 not in answer.text


def test_who_guesses_waits_and_the_check_is_not_asked():
    asked = []

    def check(name, password):
        asked.append(name)
        if password == "refused":
            raise Refused("told to nobody")
        return Identity(name) if password == "right" else None

    client = make_app(check, throttle=Throttle(account_free=2, first_s=90)).test_client()
    for password in ("wrong", "refused", "wrong"):
        answer = post(client, password)
        assert answer.status_code == 401 and "told to nobody" not in answer.text
    asked.clear()
    answer = post(client)
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "90"
    assert "Too many failed attempts" in answer.text and "Wait 90 seconds." in answer.text
    assert asked == [] and client.get("/").status_code == 401
    assert post(client, name="bob").status_code == 303


def test_what_goes_wrong_in_the_check_is_not_counted_as_a_guess():
    problems = [RuntimeError(), PasswordsBusy()]

    def check(name, password):
        raise problems[0]

    app = make_app(check, throttle=Throttle(account_free=0, first_s=90))
    app.testing = False
    client = app.test_client()
    assert [post(client).status_code for _ in range(3)] == [500] * 3
    problems.reverse()
    answer = post(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "Wait 1 second." in answer.text


class Away:
    def get(self, name):
        raise OSError("away")

    update = get


def test_a_store_that_is_away_closes_the_login():
    client = make_app(throttle=Throttle(Away())).test_client()
    answer = post(client)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Logging in is not possible" in answer.text


def test_the_pages_are_guarded_and_load_nothing_from_elsewhere():
    client = make_app().test_client()
    for answer in (client.get("/login"), post(client, "wrong"), post(client, "")):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "form-action 'self';" in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "<script" not in answer.text and " style=" not in answer.text
    style = re.search('href="(/login/static/look.css[^"]*)"', client.get("/login").text)[1]
    assert client.get(style, buffered=True).status_code == 200


def test_a_key_in_a_header_is_no_login():
    key = "k" * 43
    app = make_app(check=CHECK)
    app.identities = [ApiKey(hashed_keys({hash_key(key): Identity("bot")})), *app.identities]
    client = app.test_client()
    sent = {"X-API-Key": key}
    assert client.get("/", headers=sent).text == "bot"
    assert "Password" in client.get("/login", headers=sent).text
    answer = client.get("/")
    assert len(answer.headers.getlist("WWW-Authenticate")) == 2


def test_what_is_kept_of_the_session():
    app = make_app(keep=["basket"])
    client = app.test_client()
    with client.session_transaction() as before:
        before.update(basket=[1], other=2)
    post(client)
    assert client.get("/session").json.keys() == {"basket", "_login"}


def test_another_path_and_a_provider_of_ones_own():
    provider = SessionLogin(lambda name: Identity(name), realm="shop")
    app = Flask(__name__)
    app.secret_key = "a key of the tests, of some length"
    app.config["SESSION_COOKIE_NAME"] = "shop_session"
    app.access = authenticated
    app.identities = [provider]
    assert (
        add_login(app, CHECK, path="/account/login", title="Shop", name_label="E-mail") is provider
    )
    app.add_url_rule("/", "index", lambda: "in")
    client = app.test_client()
    answer = client.get("/", headers=PAGE)
    assert answer.headers["Location"] == "/account/login?next=/"
    text = client.get("/account/login").text
    assert "<h1>Shop</h1>" in text and ">E-mail</label>" in text
    assert schemes_of(app) == {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "shop_session",
            "description": "Set by logging in at /account/login.",
        }
    }


def test_all_providers_stand_in_the_document():
    import msgspec

    from hipflask.security import Basic, Bearer, ProxyHeader

    class Item(msgspec.Struct):
        name: str

    app = make_app()
    app.config["TYPED_VIEWS"] = True
    check = hashed_keys({hash_key("k" * 43): Identity("bot")})
    app.identities = [
        *app.identities, ApiKey(check), Bearer(check, token_format="JWT"), Basic(CHECK),
        ProxyHeader(peers=["127.0.0.1"]),
    ]  # fmt: skip

    @app.get("/item")
    def item() -> Item:
        return Item("x")

    made = document(app)
    names = {"session", "api_key", "bearer", "basic", "proxy"}
    assert made["components"]["securitySchemes"].keys() == names
    told = made["paths"]["/item"]["get"]["security"]
    assert {name for each in told for name in each} == names
    assert not any(path.startswith("/login") for path in made["paths"])


def test_a_typed_view_sends_a_browser_to_the_page_and_a_client_a_problem():
    import msgspec

    class Item(msgspec.Struct):
        name: str

    app = make_app()
    app.config["TYPED_VIEWS"] = True

    @app.get("/item")
    async def item() -> Item:
        return Item("x")

    client = app.test_client()
    assert client.get("/item", headers=PAGE).status_code == 303
    answer = client.get("/item")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == 'Session realm="pages"'


def test_flask_wtf_asks_for_no_token_of_its_own():
    app = Flask(__name__)
    app.secret_key = "a key of the tests, of some length"
    exempt = []
    app.extensions["csrf"] = type(
        "Csrf", (), {"exempt": lambda self, blueprint: exempt.append(1)}
    )()
    add_login(app, CHECK)
    assert exempt == [1]


def test_what_cannot_be_meant_is_refused():
    app = Flask(__name__)
    with pytest.raises(SetupError, match="no way to log in"):
        add_login(app)
    for path in ("login", "/login/", "/<x>", "//x"):
        with pytest.raises(SetupError, match="path"):
            add_login(app, CHECK, path=path)
    app.identities = [SessionLogin()]
    with pytest.raises(SetupError, match="already"):
        add_login(app, CHECK, session=SessionLogin())
    add_login(app, CHECK)
    with pytest.raises(SetupError, match="already"):
        add_login(app, CHECK)


def test_below_a_prefix_the_page_is_found():
    app = make_app()
    environ = {"SCRIPT_NAME": "/shop"}
    client = app.test_client()
    answer = client.get("/orders", headers=PAGE, environ_overrides=environ)
    assert answer.headers["Location"] == "/shop/login?next=/shop/orders"


def test_the_button_of_another_service_stands_beside_the_form():
    oidc = OIDCLogin("https://id.example.org", "shop", title="Log in with Example")
    both = make_app(oidc=oidc).test_client().get("/login?next=/orders").text
    assert "Password" in both and ">Log in with Example</a>" in both
    alone = make_app(None, oidc=oidc)
    assert "Password" not in alone.test_client().get("/login").text
    assert alone.test_client().post("/login").status_code == 405


def test_logins_are_told_without_what_was_typed(caplog):
    from hipflask.ops import metrics

    def counted():
        counter = metrics.counter("hipflask_logins_total", "", ["outcome"])
        return {name: counter.value(name) for name in ("right", "wrong", "slowed", "closed")}

    caplog.set_level("INFO", "hipflask.security")
    before = counted()
    client = make_app(throttle=Throttle(account_free=0, first_s=90)).test_client()
    post(client)
    post(client, "the wrong one", name="a\r\nlogin right: root\u2028" + "x" * 99)
    post(client, "the wrong one", name="bob")
    post(client, "the wrong one", name="bob")
    client.post("/login/out", data={"everywhere": "1"})
    post(make_app(throttle=Throttle(Away())).test_client())
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "login right: 'ada' from 127.0.0.1"
    assert lines[1].startswith("login wrong: 'a\\r\\nlogin right: ") and len(lines[1]) < 160
    assert "\u2028" not in lines[1]
    assert lines[2:5] == [
        "login wrong: 'bob' from 127.0.0.1",
        "login slowed: 'bob' from 127.0.0.1",
        "logout everywhere: 'ada' from 127.0.0.1",
    ]
    assert lines[-1] == "login closed: 'ada' from 127.0.0.1"
    assert "the wrong one" not in caplog.text
    assert {name: counted()[name] - before[name] for name in before} == {
        "right": 1, "wrong": 2, "slowed": 1, "closed": 1,
    }  # fmt: skip


_app = make_app(
    lambda name, password: None, throttle=Throttle(account_free=10**9, address_free=10**9)
)
_app.testing = False
_app.config["PROPAGATE_EXCEPTIONS"] = False


@given(
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.one_of(
        st.text(max_size=40), st.sampled_from(["text/html", "*/*", "a/b;q=x", "text/html;q=9"])
    ),
)
def test_nothing_that_is_sent_is_an_error_of_ours(form, query, accept):
    client = _app.test_client()
    accept = accept.encode("utf-8", "replace").decode("latin-1").translate({10: 32, 13: 32, 0: 32})
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/login", data=form, headers=kind).status_code in (400, 401)
    fields = {"name": form, "password": query, "next": query + form}
    assert client.post("/login", data=fields).status_code in (400, 401)
    text = query.decode("latin-1")
    assert client.get("/login", query_string={"next": text}).status_code == 200
    assert client.get("/orders", query_string=text, headers={"Accept": accept}).status_code in (
        303,
        401,
    )
