"""Logging in at an OpenID provider: a real one over sockets, and what hostile ones may try."""

from __future__ import annotations

import logging
import socket
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from hipflask import Flask, session
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import (
    Identity,
    OIDCLogin,
    add_login,
    authenticated,
    current_identity,
    public,
    roles,
)
from hipflask.security import oidc as module

from .provider import CLIENT, SECRET, Provider, running, visit


@pytest.fixture(autouse=True)
def asked_again_at_once(monkeypatch):
    monkeypatch.setattr(module, "_AGAIN_S", 0.0)


@pytest.fixture
def provider():
    with running(Provider()) as server:
        yield server


def make_app(provider, **options):
    app = Flask(__name__)
    app.testing = True
    app.secret_key = "a key of the tests, of some length"
    app.access = authenticated
    options.setdefault("timeout_s", 30.0)
    given = {"client_secret": SECRET, **options}
    oidc = OIDCLogin(provider.issuer, CLIENT, **given)
    add_login(app, oidc=oidc)
    app.oidc = oidc

    @app.get("/")
    def index():
        identity = current_identity()
        return {"identity": identity.name, "roles": sorted(identity.roles), **identity.claims}

    @app.get("/clerks", access=roles("clerk"))
    async def clerks():
        return current_identity().name

    @app.post("/plant", access=public)
    def plant():
        session["planted"] = True
        return ""

    @app.get("/session", access=public)
    def show():
        return dict(session)

    return app


def begin(client, query=""):
    """Where the provider sends the browser back to, path and query."""
    start = client.get(f"/login/oidc{query}")
    assert start.status_code == 303, start.text
    back = urlsplit(visit(start.headers["Location"]))
    return f"{back.path}?{back.query}"


def log_in(client, query=""):
    return client.get(begin(client, query))


@pytest.mark.parametrize("door", DOORS)
def test_logging_in(provider, door):
    client = make_app(provider).test_client(door=door)
    assert client.get("/").status_code == 401
    client.post("/plant")
    assert client.get("/session").json == {"planted": True}
    page = client.get("/clerks?a=1", headers={"Accept": "text/html"})
    assert page.headers["Location"] == "/login?next=/clerks%3Fa%3D1"
    assert 'href="/login/oidc?next=/clerks?a%3D1"' in client.get(page.headers["Location"]).text
    answer = log_in(client, "?next=/clerks?a%3D1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/clerks?a=1")
    assert client.get("/clerks").text == "u-17"
    kept = {"name": "Ada", "email": "a@b.example"}
    assert client.get("/").json == {"identity": "u-17", "roles": ["clerk"], **kept}
    # Begun anew: neither what was planted, nor what the login needed on its way.
    assert client.get("/session").json.keys() == {"_login", "_oidc_came"}


def test_the_request_is_as_the_standard_has_it(provider):
    client = make_app(provider).test_client()
    location = client.get("/login/oidc").headers["Location"]
    sent = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(f"{provider.issuer}/authorize?")
    assert (sent["response_type"], sent["client_id"]) == ("code", CLIENT)
    assert sent["scope"] == "openid profile email"
    assert sent["redirect_uri"] == "http://localhost/login/oidc/callback"
    assert sent["code_challenge_method"] == "S256" and len(sent["code_challenge"]) == 43
    assert len(sent["state"]) >= 32 and len(sent["nonce"]) >= 32
    again = client.get("/login/oidc").headers["Location"]
    assert all(sent[name] not in again for name in ("state", "nonce", "code_challenge"))


def test_discovery_and_keys_are_asked_for_once(provider):
    client = make_app(provider).test_client()
    for _ in range(3):
        assert log_in(client).status_code == 303
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    assert provider.asked.count("/jwks") == 1


def test_a_public_client_and_a_redirect_of_its_own(provider):
    provider.secret = None
    own = "http://localhost/login/oidc/callback"
    client = make_app(provider, client_secret=None, redirect_uri=own).test_client()
    assert log_in(client).status_code == 303


def test_a_provider_that_takes_the_secret_in_the_body_only(provider):
    provider.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert log_in(make_app(provider).test_client()).status_code == 303


def test_the_identity_may_be_made_of_all_claims(provider):
    def identify(claims):
        if claims["email"].endswith("@b.example"):
            return Identity(claims["email"], roles={"guest"})
        return None

    client = make_app(provider, identify=identify).test_client()
    assert log_in(client).status_code == 303
    assert client.get("/").json == {"identity": "a@b.example", "roles": ["guest"]}
    provider.claims = {"email": "a@other.example"}
    answer = log_in(client)
    assert answer.status_code == 403 and "may not come in" in answer.text


def test_where_somebody_goes_next_is_on_this_site(provider):
    client = make_app(provider).test_client()
    for wanted in ("https://evil.example/", "//evil.example", "/%5Cevil.example", "javascript:x"):
        assert log_in(client, f"?next={wanted}").headers["Location"] == "/"


def test_several_tabs_log_in_side_by_side(provider):
    client = make_app(provider).test_client()
    first, second = begin(client), begin(client)
    # The session begins anew at the first login, and with it everything else does.
    assert client.get(second).status_code == 303
    assert client.get(first).status_code == 403
    for _ in range(9):
        begin(client)
    assert len(client.get("/session").json["_oidc"]) == 3


# --- answers that are not what they should be -----------------------------------------------------


def refused(answer):
    return answer.status_code == 403 and answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("state", ["", "x", "é", "x" * 5000])
def test_a_wrong_state(provider, state):
    client = make_app(provider).test_client()
    begin(client)
    assert refused(client.get("/login/oidc/callback", query_string={"state": state, "code": "x"}))
    assert refused(client.get("/login/oidc/callback?code=x"))
    assert "/token" not in provider.asked


def test_an_answer_counts_once_and_in_the_browser_that_asked(provider):
    app = make_app(provider)
    client, other = app.test_client(), app.test_client()
    back = begin(client)
    assert refused(other.get(back))
    begin(other)
    assert refused(other.get(back))
    assert client.get(back).status_code == 303
    assert refused(client.get(back))


def test_a_code_that_was_used(provider):
    client = make_app(provider).test_client()
    used = parse_qs(urlsplit(begin(client)).query)["code"][0]
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    provider.codes.pop(used)
    answer = client.get(
        "/login/oidc/callback",
        query_string={"state": state, "code": used, "iss": provider.issuer},
    )
    assert refused(answer) and client.get("/").status_code == 401


def test_a_code_of_somebody_elses_login(provider):
    """Injected: the attacker's code in the victim's login is refused by PKCE."""
    app = make_app(provider)
    victim, attacker = app.test_client(), app.test_client()
    theirs = parse_qs(urlsplit(begin(attacker)).query)["code"][0]
    state = parse_qs(urlsplit(begin(victim)).query)["state"][0]
    query = {"state": state, "code": theirs, "iss": provider.issuer}
    assert refused(victim.get("/login/oidc/callback", query_string=query))


def test_an_answer_of_another_service(provider):
    client = make_app(provider).test_client()
    provider.sends_iss = False
    back = begin(client)
    assert refused(client.get(f"{back}&iss=https://other.example"))
    assert refused(log_in(client))
    provider.document = {"authorization_response_iss_parameter_supported": False}
    assert log_in(make_app(provider).test_client()).status_code == 303


@pytest.mark.parametrize("query", ["error=access_denied", "code=", "code=" + "x" * 20_000, "a=b"])
def test_an_answer_without_a_code(provider, query):
    client = make_app(provider).test_client()
    state = parse_qs(urlsplit(begin(client)).query)["state"][0]
    url = f"/login/oidc/callback?state={state}&iss={provider.issuer}&{query}"
    assert refused(client.get(url)) and "/token" not in provider.asked


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": None},
        {"iat": 2**40},
        {"aud": "another"},
        {"aud": None},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://other.example"},
        {"iss": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"nbf": 2**40},
        {"sub": None},
        {"sub": ""},
        {"sub": 17},
        {"sub": "x" * 300},
        {"amr": "pwd"},
    ],
    ids=repr,
)
def test_claims_that_are_not_right(provider, claims):
    client = make_app(provider).test_client()
    provider.claims = claims
    assert refused(log_in(client))
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("how", ["unsigned", "signed_with_secret", "signed_by_another"])
def test_signatures_that_are_not_the_providers(provider, how):
    client = make_app(provider).test_client()
    provider.sign = getattr(provider, how)
    assert refused(log_in(client))
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 10, 17, None, "x" * 20_000])
def test_tokens_that_are_none(provider, token):
    client = make_app(provider).test_client()
    provider.sign = lambda claims: token
    assert refused(log_in(client))


def test_keys_that_change(provider):
    client = make_app(provider).test_client()
    assert log_in(client).status_code == 303
    provider.rotate("two")
    assert log_in(client).status_code == 303
    # What was signed with a key that is gone is refused once the new ones are known.
    old = provider.keys
    provider.rotate("three")
    assert log_in(client).status_code == 303
    provider.sign = lambda claims: Provider.signed(type("P", (), {"keys": old}), claims)
    assert refused(log_in(client))


# --- a provider that is down, slow, or leads elsewhere --------------------------------------------


def away(answer):
    return answer.status_code == 503 and answer.headers["Retry-After"] == "5"


def never_answers(handler):
    threading.Event().wait(60)


def drips(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    gone = threading.Event()
    while not gone.wait(0.05):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return


def redirects(handler):
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def hangs_up(handler):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


BROKEN = {
    "500": lambda handler: handler.send({}, 500),
    "404": lambda handler: handler.send({}, 404),
    "no JSON": lambda handler: handler.send(b"<html>"),
    "a list": lambda handler: handler.send([]),
    "deep": lambda handler: handler.send(b"[" * 100_000),
    "endless": lambda handler: handler.send(b'{"expires_in": 1e400}'),
    "huge": lambda handler: handler.send(b" " * 300_000 + b"{}"),
    "redirects": redirects,
    "hangs up": hangs_up,
    "never answers": never_answers,
    "drips": drips,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_provider_that_is_down(provider, how):
    slow = how in ("never answers", "drips")
    client = make_app(provider, timeout_s=0.5 if slow else 30.0).test_client()
    provider.instead["/.well-known/openid-configuration"] = BROKEN[how]
    answer = client.get("/login/oidc")
    assert away(answer) and "does not answer" in answer.text
    assert client.get("/login").status_code == 200
    provider.instead.clear()
    if not slow:
        assert log_in(client).status_code == 303


@pytest.mark.parametrize("how", BROKEN)
def test_a_token_endpoint_that_is_down(provider, how, caplog):
    caplog.set_level(logging.CRITICAL, "hipflask.security")
    slow = how in ("never answers", "drips")
    client = make_app(provider, timeout_s=3.0 if slow else 30.0).test_client()
    provider.instead["/token"] = BROKEN[how]
    answer = log_in(client)
    assert away(answer) or refused(answer)
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("how", ["500", "no JSON", "a list", "deep", "huge", "hangs up"])
def test_keys_that_cannot_be_had(provider, how):
    client = make_app(provider).test_client()
    provider.instead["/jwks"] = BROKEN[how]
    assert away(log_in(client))
    provider.instead.clear()
    assert log_in(client).status_code == 303
    # Known once, they count on while they cannot be asked for.
    provider.instead["/jwks"] = BROKEN[how]
    assert log_in(client).status_code == 303


def test_a_provider_that_is_gone(provider):
    app = make_app(provider)
    client = app.test_client()
    assert log_in(client).status_code == 303
    provider.instead["/.well-known/openid-configuration"] = BROKEN["500"]
    app.oidc._fresh_until = float("-inf")
    # What was discovered counts for a day.
    assert log_in(client).status_code == 303
    app.oidc._stale_until = float("-inf")
    assert away(client.get("/login/oidc"))


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://id.example.org/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://id.example.org/\r\nX: y"},
        {"end_session_endpoint": "ftp://id.example.org"},
        {"jwks_uri": "https://user:pass@id.example.org/"},
        {"jwks_uri": "https://[::1"},
    ],
    ids=repr,
)
def test_documents_that_lead_elsewhere(provider, document):
    provider.document = document
    assert away(make_app(provider).test_client().get("/login/oidc"))


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("host", ["localhost", "[::1]", "169.254.169.254", "10.0.0.1"])
def test_endpoints_inside_the_network_are_not_asked(provider, name, host):
    """Only the issuer's own host may be private; nobody connects to another."""
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.setblocking(False)
        scheme = "http" if host in ("localhost", "[::1]") else "https"
        provider.document = {name: f"{scheme}://{host}:{trap.getsockname()[1]}/x"}
        client = make_app(provider, timeout_s=5.0).test_client()
        assert away(log_in(client))
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_as_many_logins_wait_for_a_provider_as_there_is_room_for(provider):
    app = make_app(provider)
    for _ in range(module._AT_ONCE):
        app.oidc._free.acquire()
    assert away(app.test_client().get("/login/oidc"))


def test_logging_out_ends_the_providers_session_too(provider):
    client = make_app(provider).test_client()
    log_in(client)
    page = client.get("/login")
    origin = provider.issuer.removesuffix("/realm")
    assert f"form-action 'self' {origin};" in page.headers["Content-Security-Policy"]
    answer = client.post("/login/out")
    parts = urlsplit(answer.headers["Location"])
    assert answer.headers["Location"].startswith(f"{provider.issuer}/logout?realm=shop&")
    sent = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert sent["client_id"] == CLIENT
    assert sent["post_logout_redirect_uri"] == "http://localhost/login?out="
    assert client.get("/").status_code == 401
    provider.document = {"end_session_endpoint": None}
    client = make_app(provider).test_client()
    log_in(client)
    assert client.post("/login/out").headers["Location"] == "/login?out="


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"issuer": "http://id.example.org"}, "issuer"),
        ({"issuer": "id.example.org"}, "issuer"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["RS256", "HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"scopes": ["email"]}, "openid"),
    ],
)
def test_settings_that_cannot_be_meant(options, text):
    given = {"issuer": "https://id.example.org", "client_id": CLIENT, **options}
    with pytest.raises(SetupError, match=text):
        OIDCLogin(**given)


def test_without_authlib_the_way_out_is_told(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *given):
        if name.startswith("authlib"):
            raise ImportError(name)
        return real(name, *given)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SetupError, match="hipflask\\[oidc\\]"):
        OIDCLogin("https://id.example.org", CLIENT)
