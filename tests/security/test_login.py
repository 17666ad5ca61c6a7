"""Logging in by the session: renewal, limits, logging out, and what a forged cookie gets."""

from __future__ import annotations

import os
import random

import pytest

from hipflask import Flask, g, request, session, websocket
from hipflask.database import open_database
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import (
    Identity,
    SessionLogin,
    authenticated,
    current_identity,
    current_identity_async,
    login,
    logout,
    logout_everywhere,
    public,
    roles,
)
from hipflask.security.ended import Ended, StoreAway
from hipflask.security.sessionlogin import session_login_of

USERS = {"ada": Identity("ada", roles={"admin"}), "bob": Identity("bob")}
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Now:
    """A clock that the test moves."""

    def __init__(self, seconds=1_790_000_000.0):
        self.seconds = seconds

    def __call__(self):
        return self.seconds


def make_app(provider=None, **options):
    app = Flask(__name__)
    app.testing = True
    app.secret_key = "a key of the tests, of some length"
    app.identities = [provider or SessionLogin(USERS.get, **options)]
    app.access = authenticated

    @app.post("/in/<name>", access=public)
    def enter(name):
        login(USERS.get(name, name), keep=request.args.getlist("keep"))
        return current_identity().name

    @app.post("/out", access=public)
    def leave():
        logout()
        return str(current_identity())

    @app.post("/out-everywhere", access=public)
    def leave_everywhere():
        logout_everywhere(request.args.get("user"))
        return "out"

    @app.get("/")
    def index():
        return current_identity().name

    @app.get("/admin", access=roles("admin"))
    async def admin():
        return current_identity().name

    @app.get("/open", access=public)
    def look():
        session["seen"] = session.get("seen", 0) + 1
        return str(session["seen"])

    return app


def cookie_of(client):
    return client.get_cookie("session").value


@pytest.mark.parametrize("kind", ["plain", "async", "none"])
@pytest.mark.parametrize("door", DOORS)
def test_logging_in_and_out(door, kind):
    async def load(name):
        return USERS.get(name)

    load_user = {"plain": USERS.get, "async": load, "none": None}[kind]
    client = make_app(SessionLogin(load_user)).test_client(door=door)
    assert client.get("/").status_code == 401
    assert client.post("/in/ada").text == "ada"
    assert client.get("/").text == client.get("/admin").text == "ada"
    assert client.post("/out").text == "None"
    assert client.get("/").status_code == client.get("/admin").status_code == 401
    client.post("/in/bob")
    assert client.get("/").text == "bob"
    assert client.get("/admin").status_code == 403


def test_nothing_of_the_anonymous_session_stays_but_what_is_kept():
    """Session fixation: what somebody planted before the login is worth nothing after it."""
    app = make_app()

    @app.get("/all", access=public)
    def show():
        return dict(session)

    client = app.test_client()
    with client.session_transaction() as planted:
        planted.update(basket=[1], role="admin", csrf_token="planted", _permanent=True)
    before = cookie_of(client)
    client.post("/in/ada?keep=basket&keep=csrf_token&keep=_login")
    assert cookie_of(client) != before
    now = client.get("/all").json
    assert now.pop("_login")["n"] == "ada"
    assert now == {"basket": [1], "_permanent": True}
    # Another user of the same browser gets nothing of theirs.
    client.post("/in/bob?keep=basket")
    assert client.get("/all").json.keys() == {"_login", "_permanent"}
    # The cookie of before the login is still that of nobody.
    client.set_cookie("session", before)
    assert client.get("/").status_code == 401


def test_the_secret_of_forms_is_a_new_one_in_the_very_request():
    app = make_app()

    @app.post("/with-form", access=public)
    def enter_by_form():
        g.csrf_token = session["csrf_token"] = "before"
        login("ada")
        return str("csrf_token" in g or "csrf_token" in session)

    assert app.test_client().post("/with-form").text == "False"


def test_a_session_kept_on_a_server_gets_a_new_id():
    app = make_app()
    renewed = []
    interface = app.session_interface.__class__
    app.session_interface = type(
        "Stored", (interface,), {"regenerate": lambda self, session: renewed.append(dict(session))}
    )()
    client = app.test_client()
    client.get("/open")
    client.post("/in/ada")
    client.post("/out")
    assert renewed == [{}, {}]


def test_a_login_ends_after_disuse_and_in_any_case():
    now = Now()
    client = make_app(clock=now).test_client()
    client.post("/in/ada")
    now.seconds += 30 * 60
    assert client.get("/").status_code == 200
    now.seconds += 30 * 60 + 1
    answer = client.get("/")
    assert answer.status_code == 401
    assert 'error_description="The session has ended"' in answer.headers["WWW-Authenticate"]
    assert client.get_cookie("session") is None
    client.post("/in/ada")
    begun = now.seconds
    while now.seconds + 29 * 60 <= begun + 12 * 3600:
        now.seconds += 29 * 60
        assert client.get("/").status_code == 200
    now.seconds = begun + 12 * 3600 + 1
    assert client.get("/").status_code == 401


def test_the_cookie_is_written_again_once_a_minute_at_most():
    now = Now()
    client = make_app(clock=now).test_client()
    client.post("/in/ada")
    now.seconds += 60
    assert "Set-Cookie" not in client.get("/").headers
    now.seconds += 1
    assert "Set-Cookie" in client.get("/").headers
    assert "Set-Cookie" not in client.get("/").headers


def test_a_clock_set_back_ends_no_login():
    now = Now()
    client = make_app(clock=now).test_client()
    client.post("/in/ada")
    now.seconds -= 3600
    assert client.get("/").status_code == 200


def test_what_ended_takes_the_rest_of_the_session_with_it():
    now = Now()
    app = make_app(clock=now)
    client = app.test_client()
    client.post("/in/ada")
    client.get("/open")
    now.seconds += 3600
    assert client.get("/").status_code == 401
    assert client.get("/open").text == "1"


def test_who_is_gone_is_out():
    users = dict(USERS)
    client = make_app(SessionLogin(users.get)).test_client()
    client.post("/in/bob")
    del users["bob"]
    assert client.get("/").status_code == 401


@pytest.mark.parametrize(
    "told",
    [1, "x", [], [1], {}, {"n": "ada"}, {"n": ["ada"], "a": 9e9, "t": 9e9, "v": 0, "i": "x"},
     {"n": "ada", "a": "x", "t": 0}, {"n": "ada", "a": None, "t": None, "v": 0, "i": ""}],
    ids=repr,
)  # fmt: skip
def test_what_something_else_put_there_is_no_login(told):
    client = make_app().test_client()
    with client.session_transaction() as planted:
        planted["_login"] = told
    cookie = cookie_of(client)
    assert client.get("/").status_code == 401
    for path in ("/in/bob?keep=x", "/out"):
        client.set_cookie("session", cookie)
        assert client.post(path).status_code == 200


def test_roles_are_those_of_now_with_load_user_and_those_of_the_login_without():
    users = dict(USERS)
    loaded = make_app(SessionLogin(users.get)).test_client()
    kept = make_app(SessionLogin()).test_client()
    loaded.post("/in/ada")
    kept.post("/in/ada")
    users["ada"] = Identity("ada")
    assert loaded.get("/admin").status_code == 403
    assert kept.get("/admin").status_code == 200


def test_a_copy_of_the_cookie_ends_with_logging_out(store):
    app = make_app(store=store)
    client, thief, phone = (app.test_client() for _ in range(3))
    client.post("/in/ada")
    phone.post("/in/ada")
    thief.set_cookie("session", cookie_of(client))
    assert thief.get("/").status_code == 200
    client.post("/out")
    assert [each.get("/").status_code for each in (thief, client, phone)] == [401, 401, 200]


def test_logging_out_everywhere(store):
    app = make_app(store=store)
    laptop, phone, other = (app.test_client() for _ in range(3))
    laptop.post("/in/ada")
    phone.post("/in/ada")
    other.post("/in/bob")
    laptop.post("/out-everywhere")
    assert [each.get("/").status_code for each in (laptop, phone, other)] == [401, 401, 200]
    laptop.post("/in/ada")
    assert laptop.get("/").status_code == 200
    other.post("/out-everywhere?user=ada")
    assert laptop.get("/").status_code == 401
    assert other.get("/").status_code == 200


def test_other_processes_see_it_within_two_seconds(tmp_path):
    url = f"sqlite:///{tmp_path}/login.db"
    here, there = (make_app(store=open_database(url)) for _ in range(2))
    now = Now(0.0)
    session_login_of(there)._ended._clock = now
    client, elsewhere = here.test_client(), there.test_client()
    client.post("/in/ada")
    elsewhere.set_cookie("session", cookie_of(client))
    assert elsewhere.get("/").status_code == 200
    client.post("/out-everywhere")
    assert elsewhere.get("/").status_code == 200
    now.seconds += 2
    assert elsewhere.get("/").status_code == 401


class Broken:
    """A store that may be away."""

    def __init__(self):
        self.records, self.is_away = {}, False

    def get(self, name):
        if self.is_away:
            raise OSError("away")
        return self.records.get(name, {})

    def update(self, name, change):
        self.records[name] = change(dict(self.get(name)))
        return self.records[name]


def test_a_store_that_is_away_closes_after_half_a_minute():
    store, now = Broken(), Now(0.0)
    app = make_app(store=store)
    session_login_of(app)._ended._clock = now
    client = app.test_client()
    client.post("/in/ada")
    store.is_away = True
    now.seconds += 29
    assert client.get("/").status_code == 200
    now.seconds += 2
    answer = client.get("/")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    assert client.post("/in/bob").status_code == 503
    # Logging out empties the session whatever the store says.
    assert client.post("/out").status_code == 503
    assert client.get_cookie("session") is None
    store.is_away = False
    assert client.get("/").status_code == 401


def test_too_many_sessions_that_ended_end_all():
    ended = Ended(None)
    for number in range(60):
        ended.end("ada", f"s{number}", 2000, 1000)
    assert ended.read("ada")["v"] == 1 and len(ended.read("ada").get("out", ())) < 50
    ended.end("bob", "old", 900, 100)
    ended.end("bob", "new", 2000, 1000)
    assert ended.read("bob")["out"] == {"new": 2000}


def test_the_applications_own_version_of_a_user():
    versions = {"ada": 1}
    app = make_app(version=lambda name: versions.get(name, 0))
    client = app.test_client()
    client.post("/in/ada")
    assert client.get("/").status_code == 200
    versions["ada"] = 2
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("door", DOORS)
def test_answers_of_one_person_are_kept_from_caches(door):
    app = make_app()

    @app.get("/own", access=authenticated)
    def own():
        return "x", {"Cache-Control": "private, max-age=60"}

    @app.get("/asks", access=public)
    async def asks():
        return str(await current_identity_async())

    app.add_url_rule("/plain", "plain", lambda: "x", access=public)
    client = app.test_client(door=door)
    answer = client.get("/asks")
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("private", "Cookie")
    assert "Cache-Control" not in client.get("/plain").headers
    assert client.post("/in/ada").headers["Cache-Control"] == "no-store"
    for path in ("/", "/admin", "/asks"):
        answer = client.get(path)
        assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Cookie")
    assert client.get("/own").headers["Cache-Control"] == "private, max-age=60"
    assert client.post("/out").headers["Cache-Control"] == "no-store"


def test_a_page_is_redirected_and_a_client_gets_a_401():
    app = make_app(login_url="/login")
    app.add_url_rule("/form", "form", lambda: "x", methods=["POST"])
    client = app.test_client()

    def asked(accept, path="/", method="GET"):
        return client.open(path, method=method, headers={"Accept": accept} if accept else {})

    page = asked(PAGE["Accept"], "/admin?a=1&b=%20%C3%A4")
    assert page.status_code == 303
    assert page.headers["Location"] == "/login?next=/admin%3Fa%3D1%26b%3D%2520%25C3%25A4"
    assert page.headers["Cache-Control"] == "no-store" and "Accept" in page.headers["Vary"]
    for accept in ("", "*/*", "application/json", "application/json, text/html;q=0.5"):
        answer = asked(accept)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Session realm="pages"'
        is_json = "json" in accept
        assert (answer.mimetype == "application/problem+json") == is_json
        assert not is_json or answer.json["status"] == 401
    answer = asked(PAGE["Accept"], "/form", "POST")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert asked(PAGE["Accept"], "/" + "?x=" + "y" * 2000).headers["Location"] == "/login"


def test_an_error_handler_of_the_application_comes_first():
    app = make_app(login_url="/login")
    app.register_error_handler(401, lambda error: ("mine", 401))
    answer = app.test_client().get("/", headers=PAGE)
    assert (answer.status_code, answer.text) == (401, "mine")


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(SetupError, match="idle_s"):
        SessionLogin(idle_s=0)
    with pytest.raises(SetupError, match="idle_s"):
        SessionLogin(idle_s=100, absolute_s=10)
    with pytest.raises(SetupError, match="login_url"):
        SessionLogin(login_url="//evil.example")
    with pytest.raises(SetupError, match="store"):
        SessionLogin(store={})
    app = Flask(__name__)
    with app.test_request_context(), pytest.raises(RuntimeError, match="SessionLogin"):
        login("ada")
    with pytest.raises(RuntimeError, match="request"):
        logout()
    app = make_app()
    with app.test_request_context(), pytest.raises(ValueError, match="name"):
        login("")
    app.secret_key = None
    with app.test_request_context(), pytest.raises(RuntimeError, match="secret key"):
        login("ada")


# --- forged cookies, and keys that change ---------------------------------------------------------


def test_thousands_of_forged_cookies():
    """Each one byte, one piece or one signature away from one that counts."""
    app = make_app()
    app.testing = False
    client = app.test_client()
    client.post("/in/ada")
    right = cookie_of(client)
    client.delete_cookie("session")
    chance = random.Random(7)
    letters = 'abcXYZ019-_.="; ~%\\\x80é'
    payload, stamp, signature = right.rsplit(".", 2)
    other = Flask("other")
    other.secret_key = "another key"
    serializer = other.session_interface.get_signing_serializer(other)
    foreign = serializer.dumps({"_login": {"n": "ada", "a": 0, "t": 0, "v": 0, "i": "x"}})
    stranger = foreign.rsplit(".", 2)

    def forged():
        kind = chance.randrange(6)
        if kind == 0:
            at = chance.randrange(len(right))
            return right[:at] + chance.choice(letters) + right[at + 1 :]
        if kind == 1:
            return right[: chance.randrange(len(right))]
        if kind == 2:
            parts = [chance.choice(pair) for pair in zip((payload, stamp, signature), stranger)]
            return ".".join(parts)
        if kind == 3:
            return "".join(chance.choice(letters) for _ in range(chance.randrange(200)))
        if kind == 4:
            return f"{payload}.{stamp}." + "".join(chance.sample(signature, len(signature)))
        return f".{payload}" + "." * chance.randrange(4) + signature

    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "wsgi.url_scheme": "http",
    }  # fmt: skip
    statuses = {}

    def note(status, fields, error=None):
        statuses[status] = statuses.get(status, 0) + 1

    tried = 0
    # FORGED=100000 tries so many, in some minutes where branches are counted.
    wanted = int(os.environ.get("FORGED", "5000"))
    while tried < wanted:
        cookie = forged()
        # The last character of a signature has bits that count for nothing.
        if cookie[:-1] == right[:-1]:
            continue
        tried += 1
        sent = cookie.encode("utf-8").decode("latin-1")
        b"".join(app({**environ, "HTTP_COOKIE": f"session={sent}"}, note))
    assert statuses == {"401 UNAUTHORIZED": wanted}
    b"".join(app({**environ, "HTTP_COOKIE": f"session={right}"}, note))
    assert statuses["200 OK"] == 1


def test_three_secret_keys_in_turn():
    keys = ["the first key of three", "the second key of three", "the third key of three"]
    app = make_app()
    app.secret_key = keys[0]
    first = app.test_client()
    first.post("/in/ada")
    app.secret_key, app.config["SECRET_KEY_FALLBACKS"] = keys[1], keys[:1]
    second = app.test_client()
    second.post("/in/bob")
    app.secret_key, app.config["SECRET_KEY_FALLBACKS"] = keys[2], keys[:2]
    assert [first.get("/").text, second.get("/").text] == ["ada", "bob"]
    # The oldest key goes: what was signed with it counts no more.
    app.config["SECRET_KEY_FALLBACKS"] = [keys[1]]
    assert [first.get("/").status_code, second.get("/").status_code] == [401, 200]
    app.config["SECRET_KEY_FALLBACKS"] = None
    assert second.get("/").status_code == 401
    second.post("/in/bob")
    assert second.get("/").status_code == 200


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
@pytest.mark.parametrize("kind", ["plain", "async", "none"])
def test_a_websocket_knows_who_has_logged_in(door, kind):
    async def load(name):
        return USERS.get(name)

    app = make_app(SessionLogin({"plain": USERS.get, "async": load, "none": None}[kind]))

    @app.websocket("/talk", access=roles("admin"))
    async def talk():
        await websocket.send((await current_identity_async()).name)

    client = app.test_client(door=door)
    with pytest.raises(Exception, match="401"):
        client.websocket("/talk").__enter__()
    client.post("/in/ada")
    with client.websocket("/talk") as connection:
        assert connection.receive() == "ada"


def test_store_away_is_a_503():
    assert StoreAway().code == 503
