import logging

import pytest
from jinja2 import BaseLoader, DictLoader, FileSystemLoader
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.routing import RequestRedirect

from hipflask import Blueprint, Flask, request
from hipflask.debughelpers import (
    DebugFilesKeyError,
    FormDataRoutingRedirect,
    UnexpectedUnicodeError,
    attach_enctype_error_multidict,
    explain_template_loading_attempts,
)


@pytest.fixture
def app():
    return Flask("shop")


# --- missing files -----------------------------------------------------------------------


def test_file_sent_as_a_field_explains_the_enctype(app):
    with app.test_request_context("/", method="POST", data={"photo": "cat.png", "n": ""}):
        attach_enctype_error_multidict(request)
        with pytest.raises(DebugFilesKeyError) as caught:
            request.files["photo"]
    text = str(caught.value)
    assert "no file contents were transmitted" in text
    assert "sent as 'application/x-www-form-urlencoded'" in text
    assert 'enctype="multipart/form-data"' in text
    assert "This was submitted: 'cat.png'" in text
    assert isinstance(caught.value, KeyError)


def test_names_that_were_not_sent_fail_as_ever(app):
    with app.test_request_context("/", method="POST", data={"photo": "cat.png"}):
        kind = type(request.files)
        attach_enctype_error_multidict(request)
        with pytest.raises(BadRequestKeyError):
            request.files["other"]
        assert request.files.get("photo") is None
        assert "photo" not in request.files
        assert isinstance(request.files, kind)


def test_missing_file_that_came_as_no_field_either_quotes_nothing(app):
    with app.test_request_context("/", method="POST", data={"n": "1"}):
        text = str(DebugFilesKeyError(request._get_current_object(), "photo"))
    assert "request.files has no 'photo'" in text
    assert "submitted" not in text


def test_attaching_twice_changes_the_class_once(app):
    with app.test_request_context("/", method="POST", data={"photo": "cat.png"}):
        attach_enctype_error_multidict(request)
        kind = type(request.files)
        attach_enctype_error_multidict(request)
        assert type(request.files) is kind


def test_missing_file_explains_itself_in_debug_mode_only(app):
    @app.post("/")
    def upload():
        return request.files["photo"].filename

    client = app.test_client()
    assert client.post("/", data={"photo": "cat.png"}).status_code == 400
    app.debug = True
    with pytest.raises(DebugFilesKeyError):
        client.post("/", data={"photo": "cat.png"})


# --- redirects ---------------------------------------------------------------------------


def redirect_error(app, url, target):
    with app.test_request_context(url, method="POST"):
        request.routing_exception = RequestRedirect(target)
        return str(FormDataRoutingRedirect(request._get_current_object()))


def test_redirect_that_loses_a_form_names_both_urls_and_the_slash(app):
    text = redirect_error(app, "/a?b=c", "http://localhost/a/?b=c")
    assert "POST 'http://localhost/a?b=c'" in text
    assert "canonical URL 'http://localhost/a/?b=c'" in text
    assert "The rule ends with a slash" in text
    assert "307 or 308" in text


def test_redirect_elsewhere_does_not_blame_the_slash(app):
    assert "slash" not in redirect_error(app, "/a", "http://localhost/b")


# --- templates ---------------------------------------------------------------------------


class OddLoader(BaseLoader):
    def __init__(self):
        self.folders = ("one", "two")
        self.count = 3
        self.on = True
        self.ignored = object()
        self._private = "hidden"


def explain(app, caplog, attempts):
    caplog.set_level(logging.INFO, "shop")
    explain_template_loading_attempts(app, "page.html", attempts)
    return caplog.records[-1].getMessage().splitlines()


def test_explanation_shows_each_loader_its_settings_and_its_answer(app, caplog):
    part = Blueprint("part", __name__)
    found = ("", "/tmp/page.html", None)
    lines = explain(
        app,
        caplog,
        [
            (FileSystemLoader(["/a", "/b"]), app, None),
            (OddLoader(), part, found),
            (DictLoader({}), "stranger", None),
        ],
    )
    assert lines == [
        "Locating template 'page.html':",
        "    1: trying loader of application 'shop'",
        "       class: jinja2.loaders.FileSystemLoader",
        "       encoding: 'utf-8'",
        "       followlinks: False",
        "       searchpath:",
        "         - /a",
        "         - /b",
        "       -> no match",
        f"    2: trying loader of blueprint 'part' ({__name__})",
        f"       class: {__name__}.OddLoader",
        "       count: 3",
        "       folders:",
        "         - one",
        "         - two",
        "       on: True",
        "       -> found ('/tmp/page.html')",
        "    3: trying loader of 'stranger'",
        "       class: jinja2.loaders.DictLoader",
        "       -> no match",
    ]


def test_explanation_warns_when_several_match(app, caplog):
    found = ("", None, None)
    lines = explain(app, caplog, [(DictLoader({}), app, found), (DictLoader({}), app, found)])
    assert lines[-2] == "       -> found ('<string>')"
    assert lines[-1] == "Warning: 2 loaders have this template; the first one was taken."


def test_explanation_says_so_when_nothing_was_found(app, caplog):
    assert explain(app, caplog, [])[-1] == "Error: the template could not be found."


def test_unicode_error_can_be_caught_as_either_of_its_bases():
    assert issubclass(UnexpectedUnicodeError, AssertionError)
    assert issubclass(UnexpectedUnicodeError, UnicodeError)
