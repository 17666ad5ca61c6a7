"""What is refused at the start of a production server: each with its cure."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys

import pytest

from hipflask import Flask, session
from hipflask.guards import protect
from hipflask.guards.production import advice, refusals, weakness
from hipflask.security import ProxyHeader

GOOD = secrets.token_hex(32)

# 24 configurations that work and must not, and a word of the cure or the reason.
BAD = [
    ({"SECRET_KEY": "dev"}, "32 are the least"),
    ({"SECRET_KEY": ""}, "32 are the least"),
    ({"SECRET_KEY": b"\x01" * 31}, "32 are the least"),
    ({"SECRET_KEY": "a" * 64}, "is a pattern"),
    ({"SECRET_KEY": "abcdefgh" * 8}, "over and over"),
    ({"SECRET_KEY": "changeme-" + "x1y2z3w4v5" * 3 + "q"}, "documentations"),
    ({"SECRET_KEY": "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"}, "documen"),
    ({"SECRET_KEY": 12345678901234567890}, "is a int"),
    ({"SECRET_KEY": GOOD, "SECRET_KEY_FALLBACKS": GOOD}, "write a list"),
    ({"SECRET_KEY": GOOD, "SECRET_KEY_FALLBACKS": ["old"]}, "drop it"),
    ({"TESTING": True}, "TESTING"),
    ({"PROPAGATE_EXCEPTIONS": True}, "unset it"),
    ({"TRUSTED_HOSTS": "shop.example"}, "write a list"),
    ({"TRUSTED_HOSTS": []}, "name the hosts"),
    ({"TRUSTED_HOSTS": ["https://shop.example"]}, "is no host"),
    ({"TRUSTED_HOSTS": ["*"]}, "is no host"),
    ({"SESSION_COOKIE_SAMESITE": "none"}, "none of"),
    ({"SESSION_COOKIE_SAMESITE": "None"}, "SESSION_COOKIE_SECURE"),
    ({"SESSION_COOKIE_NAME": "__Host-session"}, "browsers drop it"),
    (
        {"SESSION_COOKIE_NAME": "__Host-s", "SESSION_COOKIE_SECURE": True,
         "SESSION_COOKIE_DOMAIN": "shop.example"},
        "browsers drop it",
    ),
    ({"SESSION_COOKIE_DOMAIN": ".com"}, "everybody's"),
    ({"MAX_CONTENT_LENGTH": 0}, "is no limit"),
    ({"MAX_FORM_PARTS": "1000"}, "is no limit"),
    ({"TRUSTED_ORIGINS": ["*"]}, "no browser sends"),
    ({"ORIGIN_GUARD": "off"}, "'refuse' nor 'warn'"),
    ({"CONTENT_SECURITY_POLICY": "default-src 'self'\nSet-Cookie: a=b"}, "end the field"),
    ({"RATE_LIMIT": "often"}, "no rate"),
    ({"RATE_LIMIT_ON_STORE_FAILURE": "open"}, "'allow' nor 'refuse'"),
    ({"PREFERRED_URL_SCHEME": "ftp"}, "no scheme"),
]  # fmt: skip


def make_app(**config):
    app = Flask(__name__)
    app.config.update(config)
    return app


def test_there_are_as_many_as_promised():
    assert len(BAD) >= 24


@pytest.mark.parametrize(("config", "told"), BAD)
def test_each_bad_configuration_is_refused_with_its_cure(config, told):
    found = refusals(make_app(**config))
    assert found and told in " ".join(found)
    assert GOOD not in " ".join(found)


def test_a_configuration_as_it_comes_is_served():
    assert refusals(make_app()) == []
    assert refusals(make_app(SECRET_KEY=GOOD, SECRET_KEY_FALLBACKS=[secrets.token_bytes(32)])) == []
    good = make_app(
        SECRET_KEY=GOOD, TRUSTED_HOSTS=["shop.example", ".shop.example", "[::1]:8000", "a:80"]
    )
    protect(good, https=True)
    assert refusals(good) == []


def test_a_header_login_is_not_served_where_spellings_are_one():
    app = make_app()
    app.identities = [ProxyHeader("X-User", peers=["10.0.0.5"])]
    assert refusals(app, "rsgi") == refusals(app, "asgi") == []
    (found,) = refusals(app, "wsgi")
    assert "<ProxyHeader 'X-User'>" in found and "serve by rsgi or asgi" in found


def test_something_else_than_an_application_of_ours_is_let_in():
    assert refusals(lambda environ, start: None) == []
    assert advice(object()) == []


def test_no_message_has_the_key_in_it():
    for key in ("hunter2", "hunter2" * 10, "changeme hunter2 " + "abcdefgh" * 4):
        (text,) = refusals(make_app(SECRET_KEY=key))
        assert "hunter2" not in text


def test_random_keys_are_never_weak():
    for _ in range(500):
        assert weakness(secrets.token_hex(32)) is None
        assert weakness(secrets.token_bytes(32)) is None
        assert weakness(secrets.token_urlsafe(32)) is None


def test_advice_is_about_what_is_not_wrong():
    told = advice(make_app(SECRET_KEY=GOOD))
    assert len(told) == 3
    good = make_app(SECRET_KEY=GOOD, TRUSTED_HOSTS=["shop.example"])
    protect(good, https=True)
    assert advice(good) == []


APP = """
import os
from hipflask import Flask
app = Flask(__name__)
app.config["SECRET_KEY"] = os.environ["KEY"]
app.config["MAX_CONTENT_LENGTH"] = int(os.environ.get("LIMIT", "1000"))
"""


def serve(tmp_path, *arguments, **environ):
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-m", "hipflask", "--app", "app", "serve", *arguments]
    command += ["--bind", "127.0.0.1:0"]
    env = {**os.environ, **environ}
    return subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("arguments", [(), ("--check",)])
def test_serve_ends_with_78_and_one_line(tmp_path, arguments):
    done = serve(tmp_path, *arguments, KEY="dev")
    assert done.returncode == 78, done.stderr
    assert "SECRET_KEY has 3 bytes" in done.stderr and "secrets.token_hex" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_tells_all_at_once_and_flasks_defaults_only_warn(tmp_path):
    done = serve(tmp_path, "--check", KEY="dev", LIMIT="-1")
    assert "SECRET_KEY" in done.stderr and "MAX_CONTENT_LENGTH" in done.stderr
    ported = serve(tmp_path, "--check", KEY="dev", HIPFLASK_DEFAULTS="flask")
    assert ported.returncode == 0, ported.stderr
    assert "warning: SECRET_KEY has 3 bytes" in ported.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("guards.trust_proxies(app, ['0.0.0.0/0'])", "is everybody"),
        ("guards.trust_proxies(app, ['::/0'])", "is everybody"),
        ("guards.cors(app, origins=['*'], credentials=True)", "act as the visitor"),
    ],
)
def test_what_the_code_itself_declares_ends_with_78_as_well(tmp_path, monkeypatch, line, told):
    monkeypatch.setitem(globals(), "APP", f"{APP}\nfrom hipflask import guards\n{line}\n")
    done = serve(tmp_path, KEY=GOOD)
    assert done.returncode == 78 and told in done.stderr and "Traceback" not in done.stderr


def test_check_gives_advice(tmp_path):
    done = serve(tmp_path, "--check", KEY=GOOD)
    assert done.returncode == 0, done.stderr
    assert "TRUSTED_HOSTS is not set" in done.stdout and "protect(app)" in done.stdout


def test_https_gives_the_cookie_its_prefix_and_flags():
    app = make_app(SECRET_KEY=GOOD)
    protect(app, https=True)

    @app.get("/in")
    def log_in():
        session["user"] = 7
        return "in"

    app.add_url_rule("/who", "who", lambda: str(session.get("user")))
    client = app.test_client()
    cookie = client.get("/in", base_url="https://localhost").headers["Set-Cookie"]
    assert cookie.startswith("__Host-session=")
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
        assert part in cookie
    assert "Domain" not in cookie
    assert client.get("/who", base_url="https://localhost").text == "7"


def test_a_cookie_with_a_domain_gets_the_weaker_prefix_and_a_name_of_ones_own_stays():
    app = make_app(SESSION_COOKIE_DOMAIN="shop.example")
    protect(app, https=True)
    assert app.config["SESSION_COOKIE_NAME"] == "__Secure-session"
    app = make_app(SESSION_COOKIE_NAME="__Host-mine")
    protect(app, https=True)
    assert app.config["SESSION_COOKIE_NAME"] == "__Host-mine"


def test_three_keys_rotate_and_forged_cookies_never_pass():
    keys = [secrets.token_hex(32) for _ in range(3)]

    def client_of(*current):
        app = make_app(SECRET_KEY=current[0], SECRET_KEY_FALLBACKS=list(current[1:]))
        app.add_url_rule("/in", "in", lambda: session.update(user=1) or "in")
        app.add_url_rule("/who", "who", lambda: str(session.get("user")))
        return app.test_client(use_cookies=False)

    cookie = client_of(keys[0]).get("/in").headers["Set-Cookie"].partition(";")[0]

    def who(client, cookie):
        answer = client.get("/who", headers={"Cookie": cookie})
        assert answer.status_code == 200
        return answer.text

    assert who(client_of(keys[1], keys[0]), cookie) == "1"
    assert who(client_of(keys[2], keys[1], keys[0]), cookie) == "1"
    assert who(client_of(keys[2], keys[1]), cookie) == "None"
    name, _, value = cookie.partition("=")
    client = client_of(*keys)
    for number in range(2000):
        at = number % len(value)
        other = "A" if value[at] != "A" else "B"
        forged = value[:at] + other + value[at + 1 :]
        # The last letter of base64 has bits that nothing reads.
        if at not in (len(value) - 1,):
            assert who(client, f"{name}={forged}") == "None", forged
