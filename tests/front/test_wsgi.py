import io
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import create_environ

from hipflask import (
    Flask,
    Response,
    abort,
    g,
    has_app_context,
    has_request_context,
    redirect,
    request,
    session,
    stream_with_context,
)
from hipflask.front.wsgi import wsgi_app
from hipflask.globals import _cv_app, _cv_request


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "for tests"
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    return app


def ring(app, path="/", method="GET", body=b"", **more):
    """Status line, headers and body of a plain WSGI call."""
    started = []
    environ = {
        "QUERY_STRING": "",
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        **more,
    }
    if body:
        environ.update({"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)})
    setup_testing_defaults(environ)

    def start_response(status, headers, exc_info=None):
        started.append((status, headers))
        return lambda data: None

    answer = app(environ, start_response)
    try:
        text = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    [(status, headers)] = started
    return status, dict(headers), text


# --- apps held against wsgiref's validator --------------------------------------------------


def many_views(app):
    @app.get("/stream")
    def stream():
        return stream_with_context(part for part in ("a", "b"))

    @app.post("/echo")
    def echo():
        return request.get_data(), {"X-Form": "no"}

    @app.post("/form")
    def form():
        return {"a": request.form["a"], "size": len(request.get_data())}

    @app.get("/session")
    def use_session():
        session["n"] = 1
        return ["json"]

    @app.get("/cookies")
    def cookies():
        response = Response("x")
        response.set_cookie("a", "1")
        response.set_cookie("é", "ü")
        return response

    @app.get("/own")
    def own():
        def application(environ, start_response):
            write = start_response("200 OK", [("Content-Type", "text/plain")])
            write(b"written ")
            return [b"and given"]

        return application

    @app.get("/item/<path:rest>")
    def item(rest):
        return rest

    app.add_url_rule("/text", "text", lambda: "é")
    app.add_url_rule("/empty", "empty", lambda: ("", 204))
    app.add_url_rule("/unchanged", "unchanged", lambda: ("", 304))
    app.add_url_rule("/away", "away", lambda: redirect("/ü?x=y"))
    app.add_url_rule("/abort", "abort", lambda: abort(403))
    app.add_url_rule("/folder/", "folder", lambda: "")
    app.add_url_rule("/async", "async", a_coroutine)
    app.after_request(lambda response: response)


async def a_coroutine():
    return {"async": request.path}


CASES = {
    "/stream": ("200 OK", b"ab"),
    "/session": ("200 OK", b'["json"]\n'),
    "/cookies": ("200 OK", b"x"),
    "/own": ("200 OK", b"written and given"),
    "/item/a/b": ("200 OK", b"a/b"),
    "/text": ("200 OK", "é".encode()),
    "/empty": ("204 NO CONTENT", b""),
    "/unchanged": ("304 NOT MODIFIED", b""),
    "/away": ("302 FOUND", None),
    "/abort": ("403 FORBIDDEN", None),
    "/folder": ("308 PERMANENT REDIRECT", None),
    "/none": ("404 NOT FOUND", None),
    "/fail": ("500 INTERNAL SERVER ERROR", None),
    "/async": ("200 OK", b'{"async":"/async"}\n'),
    "/static/none": ("404 NOT FOUND", None),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", CASES)
def test_server_that_is_strict_finds_nothing_to_object_to(app, path, method):
    many_views(app)
    status, text = CASES[path]
    # Werkzeug leaves the type on an answer without a body; the validator minds.
    strict = app if path == "/empty" else validator(app)
    for _ in range(2):
        sent_status, _, sent_text = ring(strict, path, method)
        if method == "GET":
            assert sent_status == status
            assert text is None or sent_text == text
        elif method == "HEAD":
            assert sent_status == status
            assert sent_text == b"" or path == "/own"


@pytest.mark.parametrize("body", [b"a=1", b"a=1&b=%C3%A9"])
def test_strict_server_may_send_a_body(app, body):
    many_views(app)
    strict = validator(app)
    kind = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
    # Read in one piece with a size: what PEP 3333 lets an application do.
    assert ring(strict, "/echo", "POST", body, CONTENT_TYPE="text/plain")[2] == body
    assert ring(strict, "/form", "POST", body, **kind)[2] == b'{"a":"1","size":%d}\n' % len(body)


# --- contexts -------------------------------------------------------------------------------


def test_nothing_is_current_after_the_call(app):
    many_views(app)
    for path in CASES:
        ring(app, path)
        assert not has_app_context()
        assert not has_request_context()


def test_request_is_torn_down_once_the_response_was_begun(app):
    log = []
    app.add_url_rule("/", "view", lambda: "x")
    app.teardown_request(lambda error: log.append(("teardown", error)))

    def start_response(status, headers, exc_info=None):
        log.append((status, has_request_context()))

    app.wsgi_app(create_environ("/"), start_response)
    assert log == [("200 OK", True), ("teardown", None)]


def test_teardown_hears_of_the_error_that_nothing_handled(app):
    errors = []
    app.teardown_request(errors.append)
    ring(app, "/fail")
    assert [type(error) for error in errors] == [ZeroDivisionError]
    app.error_handler_spec[None][None][ZeroDivisionError] = lambda error: "handled"
    ring(app, "/fail")
    assert errors[1:] == [None]


def test_error_that_the_application_ignores_is_kept_from_teardown(app):
    errors, asked = [], []

    class Ignoring(Flask):
        def should_ignore_error(self, error):
            asked.append(type(error))
            return True

    app = Ignoring(__name__)
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    app.add_url_rule("/", "view", lambda: "x")
    app.teardown_request(errors.append)
    ring(app, "/fail")
    ring(app, "/")
    assert errors == [None, None]
    assert asked == [ZeroDivisionError]


def test_error_raised_again_still_ends_the_context(app):
    errors = []
    app.testing = True
    app.teardown_appcontext(errors.append)
    with pytest.raises(ZeroDivisionError) as caught:
        ring(app, "/fail")
    assert errors == [caught.value]
    assert not has_app_context()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_goes_through_to_the_server(app, error):
    errors = []

    def view():
        raise error

    app.add_url_rule("/", "view", view)
    app.register_error_handler(Exception, lambda error: "never")
    app.teardown_request(errors.append)
    with pytest.raises(error):
        ring(app)
    assert [type(given) for given in errors] == [error]
    assert not has_request_context()


def test_error_of_the_servers_start_response_reaches_the_server(app):
    app.add_url_rule("/", "view", lambda: "x")

    def start_response(status, headers, exc_info=None):
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        app(create_environ("/"), start_response)
    assert not has_app_context()


def test_debuggers_and_test_clients_are_given_the_contexts(app):
    kept = []

    @app.get("/")
    def view():
        g.name = "ada"
        return "x"

    def keep(ctx):
        kept.append((ctx, _cv_request.get() is ctx, _cv_app.get() is ctx))

    environ = create_environ("/")
    environ["werkzeug.debug.preserve_context"] = keep
    app(environ, lambda *args: None)
    [(ctx, is_request, is_app)] = kept
    assert (is_request, is_app) == (True, True)
    assert ctx.g.name == "ada"

    del kept[:]
    environ = create_environ("/")
    environ["werkzeug.debug.preserve_context"] = keep
    with app.app_context() as outer:
        app(environ, lambda *args: None)
    assert [ctx is outer for ctx, _, _ in kept] == [True, False]  # in the order of the pushes


# --- doors ----------------------------------------------------------------------------------


def test_wsgi_app_is_this_function_and_may_be_wrapped(app):
    app.add_url_rule("/", "view", lambda: request.remote_addr or "nobody")
    assert Flask.wsgi_app is wsgi_app
    assert ring(app, HTTP_X_FORWARDED_FOR="1.2.3.4")[2] == b"nobody"
    app.wsgi_app = ProxyFix(app.wsgi_app)
    assert ring(app, HTTP_X_FORWARDED_FOR="1.2.3.4")[2] == b"1.2.3.4"


def test_request_context_of_a_subclass_is_used(app):
    made = []

    class Own(Flask):
        def request_context(self, environ):
            made.append(environ["PATH_INFO"])
            return super().request_context(environ)

    ring(Own(__name__), "/x")
    assert made == ["/x"]


def test_application_mounted_below_a_prefix_builds_urls_with_it(app):
    from hipflask import url_for

    app.add_url_rule("/a", "a", lambda: url_for("a"))
    assert ring(app, "/a", SCRIPT_NAME="/mounted")[2] == b"/mounted/a"
