"""Fields that tell browsers what a page may do."""

from __future__ import annotations

import re

import pytest

from hipflask import Flask, abort, render_template_string
from hipflask.guards import csp_nonce, protect, secure_headers
from hipflask.guards.headers import with_nonce
from hipflask.responses import Fixed

DOORS = ("wsgi", "asgi", "rsgi")
CSP = "Content-Security-Policy"
PLAIN = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(tmp_path, **config):
    (tmp_path / "a.css").write_text("a {}")
    app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    app.config.update(config)
    secure_headers(app)
    page = "<script nonce='{{ csp_nonce() }}'></script><style nonce='{{ csp_nonce() }}'></style>"
    app.add_url_rule("/", "index", lambda: "hello")
    app.add_url_rule("/nonce", "nonce", lambda: render_template_string(page))
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    app.add_url_rule("/broken", "broken", lambda: 1 / 0)
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    app.add_url_rule("/fixed", "fixed", lambda: Fixed(b"stored", 202, "text/plain"))
    app.add_url_rule("/stream", "stream", lambda: iter(["a", "b"]))
    app.add_url_rule(
        "/own", "own", lambda: ("x", {CSP: "default-src 'none'", "x-frame-options": "SAMEORIGIN"})
    )

    @app.get("/later")
    async def later():
        return "later"

    return app


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "path", ["/", "/gone", "/broken", "/nothing", "/json", "/stream", "/later", "/fixed"]
    + ["/static/a.css", "/static/nothing", "/static"],
)  # fmt: skip
def test_each_answer_has_them_errors_and_files_too(tmp_path, door, path):
    answer = make_app(tmp_path).test_client(door=door).get(path, buffered=True)
    assert {name: answer.headers.get(name) for name in PLAIN} == PLAIN
    policy = answer.headers[CSP]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "Strict-Transport-Security" not in answer.headers
    if answer.status_code >= 400:
        assert answer.headers["Cache-Control"] == "no-store"
    assert len({name.lower() for name, _ in answer.headers}) == len(list(answer.headers))


@pytest.mark.parametrize("door", DOORS)
def test_hsts_is_sent_over_https_alone(tmp_path, door):
    client = make_app(tmp_path).test_client(door=door)
    over_https = client.get("/", base_url="https://localhost").headers
    assert over_https["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client.get("/").headers
    wider = make_app(tmp_path, HSTS_SUBDOMAINS=True, HSTS_SECONDS=7).test_client(door=door)
    told = wider.get("/gone", base_url="https://localhost").headers["Strict-Transport-Security"]
    assert told == "max-age=7; includeSubDomains"


@pytest.mark.parametrize("door", DOORS)
def test_a_nonce_is_new_each_time_and_stands_in_the_policy(tmp_path, door):
    client = make_app(tmp_path).test_client(door=door)
    seen = set()
    for _ in range(5):
        answer = client.get("/nonce")
        nonces = set(re.findall(r"nonce='([^']+)'", answer.text))
        assert len(nonces) == 1
        (nonce,) = nonces
        assert len(nonce) >= 22
        assert answer.headers[CSP].count(f"'nonce-{nonce}'") == 2
        seen.add(nonce)
    assert len(seen) == 5
    assert "nonce" not in client.get("/").headers[CSP]


def test_what_a_view_sets_stays(tmp_path):
    headers = make_app(tmp_path).test_client().get("/own").headers
    assert headers[CSP] == "default-src 'none'" and headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_values_are_the_configurations_and_none_leaves_out(tmp_path):
    app = make_app(tmp_path, FRAME_OPTIONS=None, REFERRER_POLICY="no-referrer",
                   CONTENT_SECURITY_POLICY_REPORT_ONLY=True)  # fmt: skip
    headers = app.test_client().get("/nonce").headers
    assert "X-Frame-Options" not in headers and headers["Referrer-Policy"] == "no-referrer"
    assert CSP not in headers and "'nonce-" in headers[f"{CSP}-Report-Only"]
    bare = make_app(tmp_path, CONTENT_SECURITY_POLICY=None)
    assert CSP not in bare.test_client().get("/nonce").headers


def test_hooks_of_the_application_run_before_it(tmp_path):
    app = make_app(tmp_path)

    @app.after_request
    def own(response):
        response.headers["Referrer-Policy"] = "origin"
        return response

    assert app.test_client().get("/").headers["Referrer-Policy"] == "origin"


@pytest.mark.parametrize("door", DOORS)
def test_an_answer_to_a_broken_hook_has_them_too(tmp_path, door):
    app = make_app(tmp_path)

    @app.after_request
    def broken(response):
        raise ZeroDivisionError

    for path in ("/", "/later"):
        answer = app.test_client(door=door).get(path)
        assert answer.status_code == 500
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and CSP in answer.headers


def test_a_nonce_without_a_request_is_told():
    with pytest.raises(RuntimeError):
        csp_nonce()


NONCE = "'nonce-{nonce}'"


@pytest.mark.parametrize(
    ("policy", "made"),
    [
        (
            "default-src 'self'",
            f"default-src 'self'; script-src 'self' {NONCE}; style-src 'self' {NONCE}",
        ),
        ("script-src 'none'; style-src x", f"script-src {NONCE}; style-src x {NONCE}"),
        ("Script-Src a ;; style-src b;", f"script-src a {NONCE}; style-src b {NONCE}"),
    ],
)
def test_with_nonce(policy, made):
    assert with_nonce(policy) == made


def test_our_own_pages_keep_their_policies():
    app = Flask(__name__)
    app.config.update(TYPED_VIEWS=True, OPENAPI=True)
    protect(app)

    @app.get("/items")
    def items(number: int = 1) -> list[int]:
        return [number]

    client = app.test_client()
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers.getlist(CSP) != [] and len(page.headers.getlist(CSP)) == 1
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert client.get("/openapi.json").status_code == 200


def with_signal(app):
    from hipflask import request_finished

    def note(sender, response, **more):
        assert response.status_code

    app.extensions["note"] = note  # signals hold their receivers weakly
    request_finished.connect(note, app)


def with_hook(app):
    @app.after_request
    def more(response):
        response.headers["X-More"] = "1"
        return response


def with_own_making(app):
    made = app.make_response
    app.make_response = lambda answer: made(answer)


def with_own_processing(app):
    process = app.process_response
    app.process_response = lambda response: process(response)


WAYS = {
    "plainly": lambda app: None,
    "heard by a signal": with_signal,
    "through a hook": with_hook,
    "made by a replaced method": with_own_making,
    "processed by a replaced method": with_own_processing,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("way", WAYS)
def test_whichever_way_an_answer_takes_it_has_them_once(tmp_path, door, way):
    app = make_app(tmp_path)
    WAYS[way](app)
    client = app.test_client(door=door)
    for base in ("http://localhost", "https://localhost", "http://localhost"):
        for method in ("GET", "HEAD"):
            for path in ("/", "/json", "/later", "/own", "/nonce", "/gone", "/stream", "/fixed"):
                answer = client.open(path, method=method, base_url=base, buffered=True)
                names = sorted(name.lower() for name, _ in answer.headers)
                assert len(set(names)) == len(names), (path, names)
                assert answer.headers["X-Content-Type-Options"] == "nosniff", path
                assert ("Strict-Transport-Security" in answer.headers) == base.startswith("https")
                assert answer.headers[CSP].startswith("default-src"), path
                if method == "HEAD":
                    assert answer.data == b""
                elif path in ("/", "/later"):
                    assert answer.headers["Content-Length"] == str(len(answer.data))
