import copy

import pytest
from werkzeug.local import LocalProxy

from hipflask import Flask, current_app, g, request, session
from hipflask.ctx import AppContext, RequestContext
from hipflask.globals import _cv_app, _cv_request, app_ctx, request_ctx

NO_APP = """\
Working outside of application context.

This needs to know which application it is for, and no application is current here.
Wrap the call in `with app.app_context():`, or run it while a request is handled."""

NO_REQUEST = """\
Working outside of request context.

This reads the HTTP request being handled, and none is being handled here. In a test,
wrap the call in `with app.test_request_context():`; in a thread of your own, hand over
what you need or use `copy_current_request_context`."""


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "for tests"
    return app


@pytest.mark.parametrize(
    "read",
    [
        lambda: current_app.name,
        lambda: current_app._get_current_object(),
        lambda: g.name,
        lambda: setattr(g, "name", 1),
        lambda: app_ctx.app,
    ],
)
def test_reading_application_proxies_without_a_context_says_what_to_do(read):
    with pytest.raises(RuntimeError) as caught:
        read()
    assert str(caught.value) == NO_APP


READS_OF_THE_REQUEST = [
    lambda: request.path,
    lambda: request._get_current_object(),
    lambda: setattr(request, "mark", 1),
    lambda: session["name"],
    lambda: session._get_current_object(),
    lambda: request_ctx.request,
]


@pytest.mark.parametrize("read", READS_OF_THE_REQUEST)
def test_reading_request_proxies_without_a_context_says_what_to_do(read):
    with pytest.raises(RuntimeError) as caught:
        read()
    assert str(caught.value) == NO_REQUEST


@pytest.mark.parametrize("read", READS_OF_THE_REQUEST)
def test_reading_request_proxies_in_an_application_context_says_what_to_do(app, read):
    with app.app_context(), pytest.raises(RuntimeError) as caught:
        read()
    assert str(caught.value) == NO_REQUEST


def test_proxies_are_false_and_print_as_unbound_without_a_context():
    for proxy in (current_app, g, request, session, app_ctx, request_ctx):
        assert isinstance(proxy, LocalProxy)
        assert not proxy
        assert "unbound" in repr(proxy)


def test_proxies_stand_for_the_current_objects(app):
    with app.test_request_context("/there") as ctx:
        assert current_app._get_current_object() is app
        assert g._get_current_object() is ctx.g
        assert request._get_current_object() is ctx.request
        assert session._get_current_object() is ctx.session
        assert request_ctx._get_current_object() is ctx
        assert app_ctx._get_current_object() is ctx.app_ctx


def test_request_proxy_reads_writes_and_deletes_attributes_of_the_request(app):
    with app.test_request_context("/there?x=1") as ctx:
        assert request.path == "/there"
        request.mark = "set"
        assert ctx.request.mark == "set"
        del request.mark
        with pytest.raises(AttributeError):
            request.mark  # noqa: B018
        assert request == ctx.request
        assert isinstance(request, app.request_class)
        assert copy.copy(request).environ is request.environ


def test_request_proxy_raises_what_the_request_raises(app):
    class Request(app.request_class):
        @property
        def account(self):
            raise LookupError("no account")

    app.request_class = Request
    with app.test_request_context(), pytest.raises(LookupError, match="no account"):
        request.account  # noqa: B018


def test_reading_the_session_through_its_proxy_counts_as_access(app):
    with app.test_request_context() as ctx:
        assert not ctx._session.accessed
        session.get("name")
        assert ctx._session.accessed


@pytest.mark.parametrize("variable", [_cv_app, _cv_request])
def test_context_variables_are_empty_outside(variable):
    assert variable.get(None) is None
    assert variable.get("other") == "other"
    with pytest.raises(LookupError, match=variable.name):
        variable.get()


def test_context_variables_give_the_context_of_their_kind(app):
    with app.app_context() as outer:
        assert _cv_app.get() is _cv_app.get(None) is outer
        assert _cv_request.get(None) is None
        with app.test_request_context() as ctx:
            assert _cv_app.get() is outer
            assert _cv_request.get() is ctx
    assert _cv_app.get(None) is None


def test_context_variables_can_be_set_and_reset(app):
    with app.app_context() as ctx:
        token = _cv_app.set(None)
        assert _cv_app.get(None) is None
        _cv_app.reset(token)
        assert _cv_app.get(None) is ctx
    assert isinstance(ctx, AppContext) and not isinstance(ctx, RequestContext)


def test_an_unbound_proxy_shows_werkzeugs_name():
    for proxy in (current_app, g, request, session):
        assert repr(proxy) == "<LocalProxy unbound>"
