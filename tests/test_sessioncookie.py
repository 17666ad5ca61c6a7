"""The cookie of an application that overrode nothing, held against the interface's methods.

The methods do it all for a subclass that adds nothing, so that two applications differ in
nothing but who reads and writes the cookie.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.wrappers import Response as WerkzeugResponse

from hipflask import Flask, Response, current_app, session
from hipflask.json.provider import DefaultJSONProvider
from hipflask.json.tag import JSONTag, TaggedJSONSerializer
from hipflask.sessions import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionInterface,
    session_json_serializer,
)

NOW = 1_800_000_000.25


class ByMethods(SecureCookieSessionInterface):
    """Overrides nothing, and is no longer the class whose work is known."""


def make_app(interface: SecureCookieSessionInterface | None = None, **config: Any) -> Flask:
    app = Flask("shop")
    app.config.update({"SECRET_KEY": "key", **config})
    app.session_interface = interface or SecureCookieSessionInterface()
    return app


def make_pair(**config: Any) -> tuple[Flask, Flask]:
    return make_app(**config), make_app(ByMethods(), **config)


def is_kept(app: Flask) -> bool:
    interface: Any = app.session_interface
    return interface._kept_cookie(app) is not None


def opened(app: Flask, cookie: str | None) -> Any:
    """What opening gives: the items, or the error's class."""
    headers = {} if cookie is None else {"Cookie": cookie}
    request = app.test_request_context(headers=headers).request
    with app.app_context():
        try:
            made = app.session_interface.open_session(app, request)
            return None if made is None else dict(made)
        except Exception as error:
            return type(error)


def saved(app: Flask, items: dict[str, Any], vary: str | None = None, **flags: bool) -> Any:
    """What saving gives: the header fields, and what it warned of; or the error's class."""
    response = app.response_class("body")
    if vary is not None:
        response.headers["Vary"] = vary
    made = SecureCookieSession(items)
    for name, value in flags.items():
        setattr(made, name, value)
    with app.app_context(), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            app.session_interface.save_session(app, made, response)
        except Exception as error:
            return type(error)
    return list(response.headers), [str(warning.message) for warning in warned]


def at(moment: float) -> Any:
    """Stop both clocks that are read."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(moment, tz)

    clock = patch("hipflask.sessions.datetime", Stopped)
    return patch("time.time", lambda: moment), clock


keys = st.text(max_size=5) | st.sampled_from([" t", " di", " u__", "_permanent", "_flashes"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.text(max_size=8).map(Markup)
    | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=6,
)
sessions = st.dictionaries(keys, values, max_size=4)
configs = st.fixed_dictionaries(
    {},
    optional={
        "SECRET_KEY": st.sampled_from(["key", b"bytes", "", None, 7, "k" * 100]),
        "SECRET_KEY_FALLBACKS": st.sampled_from([None, [], (), ["old"], "old"]),
        "PERMANENT_SESSION_LIFETIME": st.sampled_from(
            [60, timedelta(days=31), timedelta(seconds=1.5), timedelta.max, timedelta(0)]
        ),
        "SESSION_REFRESH_EACH_REQUEST": st.booleans(),
        "SESSION_COOKIE_NAME": st.sampled_from(["session", "__Host-s", "a b", "é", ""]),
        "SESSION_COOKIE_DOMAIN": st.sampled_from([None, "example.com", ".bücher.example", "a;b"]),
        "SESSION_COOKIE_PATH": st.sampled_from([None, "/", "/x y", 5]),
        "SESSION_COOKIE_HTTPONLY": st.sampled_from([True, False, 1]),
        "SESSION_COOKIE_SECURE": st.sampled_from([True, False, 1, None]),
        "SESSION_COOKIE_SAMESITE": st.sampled_from([None, "Lax", "none", "wrong"]),
        "SESSION_COOKIE_PARTITIONED": st.booleans(),
        "MAX_COOKIE_SIZE": st.sampled_from([4093, 0, 100, 10_000]),
        "APPLICATION_ROOT": st.sampled_from(["/", "/shop"]),
    },
)


@given(
    configs,
    sessions,
    st.sampled_from([None, "Accept", "cookie, Accept", "*", ""]),
    st.booleans(),
    st.booleans(),
)
def test_saves_as_the_methods_do(
    config: dict[str, Any], items: dict[str, Any], vary: str | None, modified: bool, accessed: bool
) -> None:
    ours, theirs = make_pair(**config)
    clock, date = at(NOW)
    flags = {"modified": modified, "accessed": accessed}
    with clock, date:
        expected = saved(theirs, items, vary, **flags)
        assert saved(ours, items, vary, **flags) == expected
        assert saved(ours, items, vary, **flags) == expected


@given(
    sessions,
    st.sampled_from(
        ["{}", "a=1; {}; b=2", "{};x", '{}; q="1;2"', " {} ", "{}; é=1", "session; {}"]
    ),
    st.sampled_from([0, 30, 31, -1]),
    st.integers(min_value=-1, max_value=150),
)
def test_opens_as_the_methods_do(
    items: dict[str, Any], field: str, age_s: int, broken_at: int
) -> None:
    ours, theirs = make_pair(PERMANENT_SESSION_LIFETIME=30)
    clock, date = at(NOW - age_s)
    signing = theirs.session_interface.get_signing_serializer(theirs)  # type: ignore[attr-defined]
    with clock, date, theirs.app_context():
        cookie = "session=" + signing.dumps(items)
    if 8 <= broken_at < len(cookie):
        cookie = (
            cookie[:broken_at]
            + ("A" if cookie[broken_at] != "A" else "B")
            + (cookie[broken_at + 1 :])
        )
    elif broken_at < 8 and broken_at >= 0:
        cookie = cookie[:-broken_at]
    header = field.format(cookie).encode().decode("latin-1")
    clock, date = at(NOW)
    with clock, date:
        assert opened(ours, header) == opened(theirs, header)
        assert is_kept(ours) and not is_kept(theirs)


@pytest.mark.parametrize(
    "payload", [b"[1]", b"7", b"null", b"not json", b"\xff\xfe", b'{" t":[1]}', b'{"a":{" b":"!"}}']
)
def test_signed_by_the_key_and_no_session(payload: bytes) -> None:
    ours, theirs = make_pair()
    signing = theirs.session_interface.get_signing_serializer(theirs)  # type: ignore[attr-defined]
    with theirs.app_context():
        cookie = signing.make_signer().sign(_packed(payload)).decode()
    assert opened(ours, f"session={cookie}") == opened(theirs, f"session={cookie}")


def _packed(payload: bytes) -> bytes:
    from hipflask.signing import pack

    return pack(payload)


def test_usual_applications_are_kept_and_others_are_not() -> None:
    assert is_kept(make_app())
    for config in (
        {"SECRET_KEY": None},
        {"SECRET_KEY_FALLBACKS": ["old"]},
        {"SESSION_COOKIE_NAME": "é"},
        {"SESSION_COOKIE_SAMESITE": "wrong"},
        {"PERMANENT_SESSION_LIFETIME": None},
    ):
        assert not is_kept(make_app(**config))


# Whatever is changed later is seen


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("salt", "other"),
        ("key_derivation", "django-concat"),
        ("digest_method", lambda data=b"": __import__("hashlib").sha256(data)),
        ("serializer", TaggedJSONSerializer()),
        ("session_class", type("Own", (SecureCookieSession,), {})),
        ("get_cookie_name", lambda *_: "basket"),
        ("should_set_cookie", lambda *_: True),
        ("get_expiration_time", lambda *_: datetime(2030, 1, 1, tzinfo=UTC)),
        ("get_signing_serializer", lambda *_: None),
    ],
)
@pytest.mark.parametrize("where", ["instance", "class", "subclass"])
def test_an_override_is_called(
    name: str, value: Any, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    assert is_kept(app)
    if where == "instance":
        setattr(app.session_interface, name, value)
    elif where == "class":
        monkeypatch.setattr(SecureCookieSessionInterface, name, value)
    else:
        app.session_interface = type("Sub", (SecureCookieSessionInterface,), {name: value})()
    assert not is_kept(app)
    if where != "subclass":
        if where == "instance":
            delattr(app.session_interface, name)
        monkeypatch.undo()
        assert is_kept(app)


@pytest.mark.parametrize("name", ["get_cookie_name", "should_set_cookie", "get_expiration_time"])
def test_an_override_on_the_base_class_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    assert is_kept(app)
    monkeypatch.setattr(SessionInterface, name, lambda *_: None)
    assert not is_kept(app)


def test_a_changed_setting_is_seen_at_once() -> None:
    app = make_app()
    app.get("/")(lambda: session.update(n=1) or "")
    client = app.test_client()
    steps: list[tuple[str, Any, str]] = [
        ("SESSION_COOKIE_NAME", "basket", "basket="),
        ("SESSION_COOKIE_PATH", "/x", "; Path=/x"),
        ("SESSION_COOKIE_SECURE", True, "; Secure;"),
        ("SESSION_COOKIE_SECURE", 1, "; Secure=1;"),
        ("SESSION_COOKIE_DOMAIN", "example.com", "; Domain=example.com"),
        ("SESSION_COOKIE_SAMESITE", "Strict", "; SameSite=Strict"),
        ("SESSION_COOKIE_PARTITIONED", True, "; Partitioned"),
    ]
    for key, value, text in steps:
        assert text not in client.get("/").headers["Set-Cookie"]
        app.config[key] = value
        assert text in client.get("/").headers["Set-Cookie"]


def test_a_new_key_signs_and_the_old_one_is_refused() -> None:
    app = make_app()
    old = saved(app, {"n": 1}, modified=True)[0][-1][1]
    assert opened(app, old) == {"n": 1}
    app.secret_key = b"new"
    assert opened(app, old) == {}
    new = saved(app, {"n": 2}, modified=True)[0][-1][1]
    assert opened(app, new) == {"n": 2}
    app.config["SECRET_KEY_FALLBACKS"] = ["key"]
    assert opened(app, old) == {"n": 1}
    assert opened(app, new) == {"n": 2}


def test_a_fallback_key_added_to_the_list_is_seen() -> None:
    app = make_app(SECRET_KEY_FALLBACKS=[])
    assert is_kept(app)
    old = saved(make_app(SECRET_KEY="old"), {"n": 1}, modified=True)[0][-1][1]
    assert opened(app, old) == {}
    app.config["SECRET_KEY_FALLBACKS"].append("old")
    assert opened(app, old) == {"n": 1}


def test_a_shorter_lifetime_holds_for_cookies_signed_before() -> None:
    app = make_app()
    with patch("time.time", lambda: NOW - 100):
        cookie = saved(app, {"n": 1}, modified=True)[0][-1][1]
    with patch("time.time", lambda: NOW):
        assert opened(app, cookie) == {"n": 1}
        app.permanent_session_lifetime = timedelta(seconds=99)
        assert opened(app, cookie) == {}


def test_the_date_of_a_permanent_session_moves_on() -> None:
    app = make_app(PERMANENT_SESSION_LIFETIME=60)
    dates = []
    for moment in (NOW, NOW + 0.5, NOW + 1):
        with patch("time.time", lambda now=moment: now):
            fields, _ = saved(app, {"_permanent": True}, accessed=False)
        dates.append(fields[-1][1].partition("; Expires=")[2].partition(";")[0])
    assert dates == ["Fri, 15 Jan 2027 08:01:00 GMT"] * 2 + ["Fri, 15 Jan 2027 08:01:01 GMT"]


def test_an_application_class_that_computes_its_key_is_asked() -> None:
    class Rotating(Flask):
        secret_key = property(lambda self: "key")  # type: ignore[assignment]

    app = Rotating("shop")
    assert not is_kept(app)


class OwnResponse(Response):
    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        self.headers["X-Cookie"] = "own"


def test_the_response_class_is_asked_to_set_the_cookie() -> None:
    app = make_app()
    app.response_class = OwnResponse
    assert ("X-Cookie", "own") in saved(app, {"n": 1}, modified=True)[0]


def test_a_response_of_another_class_gets_its_cookie() -> None:
    app = make_app()
    response = WerkzeugResponse("body")
    made = SecureCookieSession()
    made["n"] = 1
    with app.app_context():
        app.session_interface.save_session(app, made, response)  # type: ignore[arg-type]
    assert response.headers["Set-Cookie"].startswith("session=")
    assert is_kept(app)


def test_cookies_put_on_the_request_are_read() -> None:
    app = make_app()
    signed = saved(app, {"n": 1}, modified=True)[0][-1][1].partition("=")[2].partition(";")[0]
    with app.test_request_context() as ctx:
        ctx.request.cookies = {"session": signed}
        assert dict(session) == {"n": 1}


class Shouting(DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **kwargs).upper()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return super().loads(s.lower(), **kwargs)


@pytest.mark.parametrize("items", [{"ab": "c"}, {"ab": (1, "x")}])
def test_another_json_provider_writes_and_reads_the_session(items: dict[str, Any]) -> None:
    ours, theirs = make_pair()
    for app in (ours, theirs):
        app.json = Shouting(app)
    clock, date = at(NOW)
    with clock, date:
        fields, _ = saved(ours, items, modified=True)
        assert fields == saved(theirs, items, modified=True)[0]
        assert opened(ours, fields[-1][1]) == opened(theirs, fields[-1][1])


def test_settings_of_the_json_provider_hold_for_the_session() -> None:
    ours, theirs = make_pair()
    clock, date = at(NOW)
    with clock, date:
        for name, value in (("sort_keys", False), ("ensure_ascii", False)):
            before = saved(ours, {"é": 1, "a": 2}, modified=True)
            for app in (ours, theirs):
                setattr(app.json, name, value)
            after = saved(ours, {"é": 1, "a": 2}, modified=True)
            assert before != after == saved(theirs, {"é": 1, "a": 2}, modified=True)


def test_a_tag_registered_later_is_used() -> None:
    class TagText(JSONTag):
        __slots__ = ()
        key = " x"

        def check(self, value: Any) -> bool:
            return isinstance(value, str)

        def to_json(self, value: Any) -> Any:
            return value[::-1]

        def to_python(self, value: Any) -> Any:
            return value[::-1]

    ours, theirs = make_pair()
    saved(ours, {"a": "bc"}, modified=True)
    kept = session_json_serializer.order.copy(), session_json_serializer.tags.copy()
    try:
        session_json_serializer.register(TagText, index=0)
        clock, date = at(NOW)
        with clock, date:
            fields, _ = saved(ours, {"a": "bc"}, modified=True)
            assert fields == saved(theirs, {"a": "bc"}, modified=True)[0]
            assert opened(ours, fields[-1][1]) == {"a": "bc"}
    finally:
        session_json_serializer.order[:] = kept[0]
        session_json_serializer.tags.clear()
        session_json_serializer.tags.update(kept[1])


def test_outside_a_context_keys_are_not_sorted_either_way() -> None:
    ours, theirs = make_pair()
    fields = []
    clock, date = at(NOW)
    with clock, date:
        for app in (ours, theirs):
            made = SecureCookieSession()
            made.update(b=1, a=2)
            response = Response("body")
            app.session_interface.save_session(app, made, response)
            fields.append(list(response.headers))
    assert fields[0] == fields[1]


def test_the_application_may_be_given_as_a_proxy() -> None:
    app = make_app()
    with app.test_request_context() as ctx:
        interface: Any = app.session_interface
        assert interface.open_session(current_app, ctx.request) == {}
        assert interface.open_session(current_app._get_current_object(), ctx.request) == {}


def test_one_interface_serves_several_applications() -> None:
    shared = SecureCookieSessionInterface()
    one, two = make_app(shared, SECRET_KEY="one"), make_app(shared, SECRET_KEY="two")
    cookie = saved(one, {"n": 1}, modified=True)[0][-1][1]
    assert opened(one, cookie) == {"n": 1}
    assert opened(two, cookie) == {}
    assert opened(one, cookie) == {"n": 1}


def test_on_update_of_a_session_may_be_replaced() -> None:
    noted = []
    made = SecureCookieSession({"a": 1})
    made.on_update = noted.append
    made["b"] = 2
    assert (noted, made.modified) == ([made], False)
    made.on_update = None
    made["c"] = 3
    assert len(noted) == 1
