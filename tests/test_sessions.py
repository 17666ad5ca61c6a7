"""Sessions: the cookie, its settings, key rotation, caching headers, own interfaces."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import BadSignature, URLSafeTimedSerializer
from markupsafe import Markup
from werkzeug.http import parse_date

from hipflask import Flask, request, session
from hipflask.sessions import (
    NullSession,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionInterface,
    SessionMixin,
    session_json_serializer,
)


def make_app(flask_class=Flask, current_session=session, **config):
    """Return an application whose views do one thing each to the session."""
    app = flask_class("shop")
    app.config.update({"SECRET_KEY": "key", "SESSION_COOKIE_SAMESITE": None, **config})

    @app.get("/set/<int:value>")
    def set_value(value):
        current_session["value"] = value
        return ""

    @app.get("/permanent")
    def permanent():
        current_session.permanent = True
        current_session["value"] = 1
        return ""

    @app.get("/clear")
    def clear():
        current_session.clear()
        return ""

    @app.get("/read")
    def read():
        return dict(current_session)

    @app.get("/contains")
    def contains():
        return str("value" in current_session)

    @app.get("/length")
    def length():
        return str(len(current_session))

    @app.get("/none")
    def none():
        return ""

    return app


def cookie_of(response, name="session"):
    """Return the one Set-Cookie of this name as a Morsel, None if there is none."""
    found = [SimpleCookie(line) for line in response.headers.getlist("Set-Cookie")]
    morsels = [jar[name] for jar in found if name in jar]
    assert len(morsels) <= 1
    return morsels[0] if morsels else None


def itsdangerous_serializer(*keys):
    """Return the signing serializer as ItsDangerous' documentation describes it."""
    return URLSafeTimedSerializer(
        list(keys),
        salt="cookie-session",
        serializer=session_json_serializer,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha1},
    )


# The session itself


def test_a_change_of_items_marks_the_session_modified():
    for change in (
        lambda s: s.__setitem__("b", 1),
        lambda s: s.__delitem__("a"),
        lambda s: s.pop("a"),
        lambda s: s.popitem(),
        lambda s: s.update(b=1),
        lambda s: s.setdefault("b", 1),
        lambda s: s.clear(),
        lambda s: setattr(s, "permanent", True),
        lambda s: s.__ior__({"b": 1}),
    ):
        changed = SecureCookieSession({"a": 1})
        assert not changed.modified
        change(changed)
        assert changed.modified


def test_reading_does_not_mark_the_session_modified():
    read = SecureCookieSession({"a": 1})
    assert (read["a"], read.get("b"), "a" in read, len(read), list(read)) == (
        1,
        None,
        True,
        1,
        ["a"],
    )
    assert read.setdefault("a", 2) == 1
    assert read.pop("b", None) is None
    assert not read.permanent
    assert not read.modified
    assert not read.accessed
    assert not read.new


def test_permanent_is_an_item():
    kept = SecureCookieSession()
    kept.permanent = 1
    assert dict(kept) == {"_permanent": True}
    kept.permanent = 0
    assert dict(kept) == {"_permanent": False}


def test_null_session_reads_as_empty_and_refuses_writes():
    null = NullSession()
    assert null.get("a") is None
    assert not null.permanent
    assert len(null) == 0
    for write in (
        lambda: null.__setitem__("a", 1),
        lambda: null.__delitem__("a"),
        lambda: null.pop("a"),
        lambda: null.popitem(),
        lambda: null.update(a=1),
        lambda: null.setdefault("a", 1),
        lambda: null.clear(),
        lambda: null.__ior__({"a": 1}),
        lambda: setattr(null, "permanent", True),
    ):
        with pytest.raises(RuntimeError, match="session is unavailable because .* no secret key"):
            write()


def test_mixin_of_an_own_class_is_always_saved():
    class Own(dict, SessionMixin):
        pass

    own = Own()
    assert (own.new, own.modified, own.accessed, own.permanent) == (False, True, False, False)
    own.permanent = True
    assert own == {"_permanent": True}


# Through an application


def test_session_is_kept_from_request_to_request():
    client = make_app().test_client()
    assert client.get("/read").json == {}
    client.get("/set/5")
    assert client.get("/read").json == {"value": 5}


def test_cookie_carries_the_session_as_signed_json():
    response = make_app().test_client().get("/set/5")
    assert itsdangerous_serializer("key").loads(cookie_of(response).value) == {"value": 5}


def test_cookie_is_not_sent_for_an_unchanged_session():
    client = make_app().test_client()
    client.get("/set/5")
    assert cookie_of(client.get("/read")) is None
    assert cookie_of(client.get("/none")) is None


def test_emptied_session_deletes_the_cookie():
    client = make_app(SESSION_COOKIE_PATH="/", SESSION_COOKIE_SECURE=False).test_client()
    client.get("/set/5")
    response = client.get("/clear")
    assert cookie_of(response).value == ""
    assert cookie_of(response)["max-age"] == "0"
    assert response.headers.getlist("Vary") == ["Cookie"]
    assert client.get_cookie("session") is None


@pytest.mark.parametrize("value", ["", "abc", "a.b.c", "ünïcode", "." * 3000, "e30.AAAA.AAAA"])
def test_unreadable_cookie_is_an_empty_session(value):
    client = make_app().test_client()
    client.set_cookie("session", value)
    assert client.get("/read").json == {}


def test_cookie_signed_otherwise_is_an_empty_session():
    app = make_app()
    for forged in (
        itsdangerous_serializer("other key").dumps({"value": 1}),
        URLSafeTimedSerializer("key", salt="other salt").dumps({"value": 1}),
        URLSafeTimedSerializer(
            "key", salt="cookie-session", signer_kwargs={"key_derivation": "concat"}
        ).dumps({"value": 1}),
    ):
        client = app.test_client()
        client.set_cookie("session", forged)
        assert client.get("/read").json == {}


def test_changed_cookie_is_an_empty_session():
    app = make_app()
    good = cookie_of(app.test_client().get("/set/5")).value
    for position in (0, len(good) // 2, len(good) - 2):
        letter = "A" if good[position] != "A" else "B"
        client = app.test_client()
        client.set_cookie("session", good[:position] + letter + good[position + 1 :])
        assert client.get("/read").json == {}


def test_cookie_older_than_the_lifetime_is_an_empty_session():
    app = make_app(PERMANENT_SESSION_LIFETIME=60)
    signing = app.session_interface.get_signing_serializer(app)
    signer = signing.make_signer()

    def signed(age_s):
        class Past(type(signer)):
            def get_timestamp(self):
                return super().get_timestamp() - age_s

        past = Past("key", salt="cookie-session", key_derivation="hmac")
        return past.sign(signing.dump_payload({"value": 1})).decode()

    for age_s, expected in ((30, {"value": 1}), (120, {}), (-120, {})):
        client = app.test_client()
        client.set_cookie("session", signed(age_s))
        assert client.get("/read").json == expected


def test_without_a_key_the_session_is_null():
    app = make_app(SECRET_KEY=None, PROPAGATE_EXCEPTIONS=True)
    client = app.test_client()
    assert client.get("/read").json == {}
    with pytest.raises(RuntimeError, match="session is unavailable"):
        client.get("/set/1")


def test_session_changed_in_after_request_is_saved():
    app = make_app()

    @app.after_request
    def change(response):
        session["late"] = True
        return response

    client = app.test_client()
    client.get("/none")
    assert client.get("/read").json == {"late": True}


# Key rotation (CVE-2025-47278: a fallback must never sign)


def test_current_key_signs_and_former_keys_are_read():
    app = make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old", "older"])
    for key in ("new", "old", "older"):
        client = app.test_client()
        client.set_cookie("session", itsdangerous_serializer(key).dumps({"value": 7}))
        assert client.get("/read").json == {"value": 7}
        value = cookie_of(client.get("/set/8")).value
        assert itsdangerous_serializer("new").loads(value) == {"value": 8}
        for former in ("old", "older"):
            with pytest.raises(BadSignature):
                itsdangerous_serializer(former).loads(value)


def test_dropped_key_is_no_longer_read():
    app = make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    client = app.test_client()
    client.set_cookie("session", itsdangerous_serializer("old").dumps({"value": 7}))
    assert client.get("/read").json == {"value": 7}
    app.config["SECRET_KEY_FALLBACKS"] = []
    assert client.get("/read").json == {}


def test_changing_the_key_or_its_fallbacks_in_place_is_noticed():
    app = make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[])
    client = app.test_client()
    client.set_cookie("session", itsdangerous_serializer("old").dumps({"value": 7}))
    assert client.get("/read").json == {}
    app.config["SECRET_KEY_FALLBACKS"].append("old")
    assert client.get("/read").json == {"value": 7}
    app.secret_key = b"bytes"
    value = cookie_of(client.get("/set/1")).value
    assert itsdangerous_serializer(b"bytes").loads(value) == {"value": 1}


def test_one_text_as_fallbacks_is_one_key():
    app = make_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS="old")
    signing = app.session_interface.get_signing_serializer(app)
    assert signing.secret_keys == [b"old", b"new"]


# The signing serializer


def test_signing_serializer_is_itsdangerous_and_kept():
    app = make_app()
    interface = app.session_interface
    signing = interface.get_signing_serializer(app)
    assert isinstance(signing, URLSafeTimedSerializer)
    assert interface.get_signing_serializer(app) is signing


@pytest.mark.parametrize("key", [None, "", b""])
def test_signing_serializer_needs_a_key(key):
    app = make_app(SECRET_KEY=key)
    assert app.session_interface.get_signing_serializer(app) is None


def test_each_application_of_one_interface_has_its_own():
    interface = SecureCookieSessionInterface()
    apps = [make_app(SECRET_KEY=f"key {n}") for n in range(40)]
    for app in (*apps, *apps):
        dumped = interface.get_signing_serializer(app).dumps({"a": 1})
        assert itsdangerous_serializer(app.secret_key).loads(dumped) == {"a": 1}


def test_another_salt_is_signed_as_itsdangerous_does():
    app = make_app()
    signing = app.session_interface.get_signing_serializer(app)
    plain = itsdangerous_serializer("key")
    assert plain.loads(signing.dumps([1], salt="x"), salt="x") == [1]
    assert signing.loads(plain.dumps([1], salt="x"), salt="x") == [1]
    with pytest.raises(BadSignature):
        signing.loads(plain.dumps([1], salt="x"))


def test_salt_digest_derivation_and_serializer_may_be_overridden():
    class Own(SecureCookieSessionInterface):
        salt = "own"
        digest_method = staticmethod(hashlib.sha256)
        key_derivation = "concat"
        serializer = json

    app = make_app()
    app.session_interface = Own()
    value = cookie_of(app.test_client().get("/set/5")).value
    assert URLSafeTimedSerializer(
        "key",
        salt="own",
        signer_kwargs={"key_derivation": "concat", "digest_method": hashlib.sha256},
    ).loads(value) == {"value": 5}
    app.session_interface.salt = "changed later"
    value = cookie_of(app.test_client().get("/set/5")).value
    with pytest.raises(BadSignature):
        URLSafeTimedSerializer("key", salt="own").loads(value)


def test_serializer_and_key_may_be_unhashable():
    class Unhashable:
        __hash__ = None
        dumps = staticmethod(json.dumps)
        loads = staticmethod(json.loads)

    app = make_app()
    app.session_interface = SecureCookieSessionInterface()
    app.session_interface.serializer = Unhashable()
    for key in ("key", bytearray(b"key")):
        app.secret_key = key
        client = app.test_client()
        value = cookie_of(client.get("/set/5")).value
        assert itsdangerous_serializer("key").loads(value) == {"value": 5}
        assert client.get("/read").json == {"value": 5}


def test_own_signing_serializer_is_honoured():
    class Own(SecureCookieSessionInterface):
        def get_signing_serializer(self, app):
            return URLSafeTimedSerializer("mine", salt="mine")

    app = make_app(SECRET_KEY=None)
    app.session_interface = Own()
    client = app.test_client()
    value = cookie_of(client.get("/set/5")).value
    assert URLSafeTimedSerializer("mine", salt="mine").loads(value) == {"value": 5}
    assert client.get("/read").json == {"value": 5}


@settings(deadline=None)
@given(
    keys=st.lists(st.text(min_size=1) | st.binary(min_size=1), min_size=1, max_size=3, unique=True),
    value=st.dictionaries(st.text(), st.integers() | st.text(), max_size=5),
)
def test_signing_agrees_with_itsdangerous(keys, value):
    app = make_app(SECRET_KEY=keys[-1], SECRET_KEY_FALLBACKS=keys[:-1])
    signing = app.session_interface.get_signing_serializer(app)
    assert itsdangerous_serializer(keys[-1]).loads(signing.dumps(value)) == value
    for key in keys:
        assert signing.loads(itsdangerous_serializer(key).dumps(value)) == value


# Vary: Cookie (CVE-2023-30861, CVE-2026-27205)


@pytest.mark.parametrize("path", ["/read", "/contains", "/length", "/set/1", "/clear"])
def test_answer_varies_by_cookie_however_the_session_was_used(path):
    assert make_app().test_client().get(path).headers.getlist("Vary") == ["Cookie"]


def test_answer_that_ignores_the_session_does_not_vary():
    client = make_app().test_client()
    assert "Vary" not in client.get("/none").headers
    client.get("/set/1")
    assert "Vary" not in client.get("/none").headers


def test_refreshed_cookie_varies_though_the_session_was_ignored():
    client = make_app().test_client()
    client.get("/permanent")
    response = client.get("/none")
    assert cookie_of(response) is not None
    assert response.headers.getlist("Vary") == ["Cookie"]


def test_vary_is_added_to_what_the_view_said():
    app = make_app()

    @app.get("/language")
    def language():
        session["value"] = 1
        return "", 200, {"Vary": "Accept-Language"}

    @app.get("/cookie")
    def cookie():
        session["value"] = 1
        return "", 200, {"Vary": "cookie"}

    client = app.test_client()
    assert client.get("/language").headers.getlist("Vary") == ["Accept-Language, Cookie"]
    assert client.get("/cookie").headers.getlist("Vary") == ["cookie"]


# Expiry and refresh


def test_permanent_session_expires_after_the_lifetime():
    app = make_app(PERMANENT_SESSION_LIFETIME=timedelta(hours=1))
    before = datetime.now(UTC).replace(microsecond=0)
    expires = parse_date(cookie_of(app.test_client().get("/permanent"))["expires"])
    assert before <= expires - timedelta(hours=1) <= datetime.now(UTC)


def test_other_session_ends_with_the_browser():
    assert cookie_of(make_app().test_client().get("/set/1"))["expires"] == ""


@pytest.mark.parametrize(
    ("refresh", "path", "sent"),
    [
        (True, "/permanent", True),
        (False, "/permanent", False),
        (True, "/set/1", False),
        (False, "/set/1", False),
    ],
)
def test_only_permanent_sessions_are_refreshed(refresh, path, sent):
    client = make_app(SESSION_REFRESH_EACH_REQUEST=refresh).test_client()
    client.get(path)
    assert (cookie_of(client.get("/none")) is not None) == sent


# The cookie's attributes


def test_cookie_attributes_by_default():
    cookie = cookie_of(make_app().test_client().get("/set/1"))
    assert cookie["path"] == "/"
    assert cookie["httponly"] is True
    assert not any(cookie[name] for name in ("domain", "secure", "samesite", "expires"))


@pytest.mark.parametrize("path", ["/set/1", "/clear"])
def test_cookie_attributes_follow_the_configuration(path):
    client = make_app(
        SESSION_COOKIE_NAME="basket",
        SESSION_COOKIE_DOMAIN="example.com",
        SESSION_COOKIE_PATH="/shop",
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_PARTITIONED=True,
    ).test_client()
    header = client.get(path).headers["Set-Cookie"]
    assert header.startswith("basket=")
    assert set(header.split("; ")[1:]) >= {
        "Domain=example.com",
        "Path=/shop",
        "Secure",
        "SameSite=Strict",
        "Partitioned",
    }
    assert "HttpOnly" not in header


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"APPLICATION_ROOT": "/shop"}, "/shop"),
        ({"APPLICATION_ROOT": "/shop", "SESSION_COOKIE_PATH": "/other"}, "/other"),
        ({"APPLICATION_ROOT": "/shop", "SESSION_COOKIE_PATH": ""}, "/shop"),
    ],
)
def test_cookie_path_is_the_application_root_unless_set(config, path):
    app = make_app(**config)
    assert app.session_interface.get_cookie_path(app) == path


def test_server_name_does_not_become_the_domain():
    client = make_app(SERVER_NAME="example.com:5000").test_client()
    assert cookie_of(client.get("/set/1"))["domain"] == ""


def test_wrong_samesite_is_an_error():
    app = make_app(SESSION_COOKIE_SAMESITE="sometimes", PROPAGATE_EXCEPTIONS=True)
    with pytest.raises(ValueError):
        app.test_client().get("/set/1")


# Interfaces of one's own


def test_base_interface_leaves_open_and_save_open():
    app = make_app()
    interface = SessionInterface()
    with pytest.raises(NotImplementedError):
        interface.open_session(app, None)
    with pytest.raises(NotImplementedError):
        interface.save_session(app, None, None)
    null = interface.make_null_session(app)
    assert type(null) is NullSession
    assert interface.is_null_session(null)
    assert not interface.is_null_session(SecureCookieSession())
    assert interface.pickle_based is False


def test_sessions_kept_on_the_server():
    store = {}

    class Stored(dict, SessionMixin):
        pass

    class Interface(SessionInterface):
        def open_session(self, app, request):
            return store.setdefault(request.headers["User"], Stored())

        def save_session(self, app, session, response):
            response.headers["X-Saved"] = ",".join(sorted(session))

    app = make_app()
    app.session_interface = Interface()
    client = app.test_client()
    assert client.get("/set/3", headers={"User": "a"}).headers["X-Saved"] == "value"
    assert client.get("/read", headers={"User": "a"}).json == {"value": 3}
    assert client.get("/read", headers={"User": "b"}).json == {}


def test_interface_that_opens_nothing_gives_a_null_session():
    class Interface(SessionInterface):
        def open_session(self, app, request):
            return None

        def save_session(self, app, session, response):
            raise AssertionError("a null session is not saved")

    app = make_app()
    app.session_interface = Interface()
    assert app.test_client().get("/read").json == {}


def test_interface_may_match_the_url_first():
    from hipflask.globals import request_ctx

    seen = []

    class Interface(SecureCookieSessionInterface):
        def open_session(self, app, request):
            request_ctx.match_request()
            seen.append(request.endpoint)
            return super().open_session(app, request)

    app = make_app()
    app.session_interface = Interface()
    assert app.test_client().get("/none").status_code == 200
    assert seen == ["none"]


def test_session_class_of_a_subclass_is_used():
    class Own(SecureCookieSession):
        pass

    class Interface(SecureCookieSessionInterface):
        session_class = Own

    app = make_app()
    app.session_interface = Interface()
    app.add_url_rule("/type", view_func=lambda: type(session._get_current_object()).__name__)
    client = app.test_client()
    assert client.get("/type").text == "Own"
    client.get("/set/1")
    assert client.get("/type").text == "Own"


def test_key_unset_while_a_request_runs_is_explained():
    app = make_app(PROPAGATE_EXCEPTIONS=True)

    @app.get("/unset")
    def unset():
        session["value"] = request.path
        app.secret_key = None
        return ""

    with pytest.raises(RuntimeError, match="the secret key was there"):
        app.test_client().get("/unset")


def test_names_of_itsdangerous_are_there_for_importers():
    from hipflask import sessions

    assert sessions.timezone.utc is UTC
    assert sessions.BadSignature is BadSignature
    assert sessions.URLSafeTimedSerializer is URLSafeTimedSerializer
    with pytest.raises(AttributeError, match="no_such_name"):
        sessions.no_such_name


# Cookies shared with the real Flask


@pytest.fixture(scope="module")
def flask():
    return pytest.importorskip("flask", reason="reads and writes cookies with the real Flask")


keys = st.text() | st.sampled_from([" t", " di", " t__", "_permanent", "_flashes"])
nested = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.uuids()
    | st.text().map(Markup)
    | st.datetimes(min_value=datetime(1000, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(items=st.dictionaries(keys, nested, max_size=4))
def test_cookie_values_agree_with_flask_both_ways(flask, items):
    ours, theirs = make_app(), make_app(flask.Flask, flask.session)
    our_signing = ours.session_interface.get_signing_serializer(ours)
    their_signing = theirs.session_interface.get_signing_serializer(theirs)
    with ours.app_context():
        written = our_signing.dumps(items)
    with theirs.app_context():
        assert their_signing.loads(written) == items
        written = their_signing.dumps(items)
        payload = their_signing.dump_payload(items)
    with ours.app_context():
        assert our_signing.loads(written) == items
        assert our_signing.dump_payload(items) == payload


@pytest.mark.parametrize("former", [[], ["old"], ["older", "old"]])
def test_cookie_moves_between_the_frameworks_and_back(flask, former):
    config = {"SECRET_KEY_FALLBACKS": former}
    ours, theirs = make_app(**config), make_app(flask.Flask, flask.session, **config)
    for writer, reader in ((ours, theirs), (theirs, ours)):
        value = cookie_of(writer.test_client().get("/set/9")).value
        client = reader.test_client()
        client.set_cookie("session", value)
        assert client.get("/read").json == {"value": 9}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"SESSION_COOKIE_DOMAIN": "example.com", "SESSION_COOKIE_SECURE": True},
        {"APPLICATION_ROOT": "/shop", "SESSION_COOKIE_HTTPONLY": False},
        {"SESSION_COOKIE_SAMESITE": "Lax", "SESSION_COOKIE_PARTITIONED": True},
        {"SESSION_REFRESH_EACH_REQUEST": False},
        {"SESSION_COOKIE_NAME": "basket", "SESSION_COOKIE_PATH": "/x"},
    ],
)
def test_headers_agree_with_flask_step_by_step(flask, config):
    # The moment of signing differs, so signatures and dates are cut off.
    def headers(app):
        client = app.test_client()
        for path in ("/none", "/read", "/set/5", "/none", "/permanent", "/none", "/clear"):
            response = client.get(path)
            lines = []
            for line in response.headers.getlist("Set-Cookie"):
                value, *attributes = line.split("; ")
                kept = [a for a in attributes if not a.startswith("Expires")]
                lines.append((value.split(".")[0], kept, len(attributes)))
            yield path, lines, response.headers.getlist("Vary")

    theirs = make_app(flask.Flask, flask.session, **config)
    assert list(headers(make_app(**config))) == list(headers(theirs))
