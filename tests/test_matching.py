"""What of a WSGI environ is matched, and that paths found as they were sent are the right ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from hipflask import Flask
from hipflask.routing import NOT_FOUND

EFFORT = settings(max_examples=150, deadline=None)

paths = st.text(st.sampled_from("/ab\u00c3\u00a9\u00ff."), max_size=6)
environs = st.fixed_dictionaries(
    {"REQUEST_METHOD": st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "get", "BREW"])},
    optional={"PATH_INFO": paths.map(lambda text: f"/{text}") | paths},
)


def context(app, environ):
    environ = {"SERVER_NAME": "a", "SERVER_PORT": "80", "HTTP_HOST": "a.test", **environ}
    environ["wsgi.url_scheme"] = "http"
    return app.request_context(environ)


def line(environ):
    """The method and path that an application without literal paths matches."""
    app = Flask("test_app", static_folder=None)
    plan = app.sealed
    seen = []

    def match(method, path):
        seen.append((method, path))
        return NOT_FOUND, None

    plan.match = match
    context(app, environ).match_request()
    return seen[0]


@EFFORT
@given(environ=environs)
def test_matched_is_what_a_map_adapter_of_werkzeug_matches(environ):
    full = {"SERVER_NAME": "a", "SERVER_PORT": "80", "HTTP_HOST": "a.test", **environ}
    adapter = Map().bind_to_environ({"wsgi.url_scheme": "http", **full})
    method, path = line(environ)
    assert method == adapter.default_method.upper()
    info = adapter.path_info
    assert path == (f"/{info.lstrip('/')}" if info else "")


@pytest.mark.parametrize(
    "info, path",
    [
        ("", ""), ("/", "/"), ("a", "/a"), ("//a", "/a"), ("/a//b", "/a//b"), ("/a/", "/a/"),
        ("/\u00c3\u00a9", "/é"), ("/\u00ff", "/\ufffd"),
    ],
)  # fmt: skip
def test_path_is_decoded_and_rooted(info, path):
    assert line({"REQUEST_METHOD": "get", "PATH_INFO": info}) == ("GET", path)


def test_environ_without_a_path_asks_for_the_root():
    assert line({"REQUEST_METHOD": "GET"}) == ("GET", "/")


RULES = ["/", "/a", "/a/", "/a/b", "/b", "/é", "/\u00ff", "/a.", "/b/<x>", "/<int:n>/a"]


def make_app():
    app = Flask("test_app", static_folder=None)
    for at, rule in enumerate(RULES):
        methods = ["GET", "POST"] if at % 2 else ["GET"]
        if rule == "/b":
            app.add_url_rule(rule, "b", str, methods=["POST"], defaults={"x": 1})
        elif rule == "/a/":
            continue
        else:
            app.add_url_rule(rule, f"view{at}", lambda **values: "", methods=methods)
    return app


APP = make_app()


@EFFORT
@given(environ=environs)
def test_rule_is_the_one_that_werkzeug_finds(environ):
    ours = context(APP, environ)
    ours.match_request()
    found = ours.request.url_rule, ours.request.view_args
    theirs = context(APP, environ)
    try:
        expected = theirs.url_adapter.match(return_rule=True)
    except HTTPException as error:
        assert type(ours.request.routing_exception) is type(error)
        assert found == (None, None)
    else:
        assert found == expected


def test_arguments_are_the_request_s_own():
    app = Flask("test_app", static_folder=None)
    app.add_url_rule("/x", "x", str, defaults={"a": 1})
    first, second = (context(app, {"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}) for _ in "12")
    first.match_request()
    first.request.view_args["a"] = 2
    second.match_request()
    assert second.request.view_args == {"a": 1}
