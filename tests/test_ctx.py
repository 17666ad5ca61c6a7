import contextvars
import gc
import sys
import threading
import weakref
from contextlib import ExitStack

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.test import create_environ

from hipflask import (
    Flask,
    after_this_request,
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    copy_current_request_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    request,
    request_tearing_down,
    session,
)
from hipflask.ctx import AppContext, RequestContext
from hipflask.globals import _cv_request, app_ctx, request_ctx
from hipflask.sessions import SecureCookieSessionInterface


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "for tests"

    @app.get("/user/<name>")
    def user(name):
        return f"{name} {request.args.get('x')}"

    @app.get("/folder/")
    def folder():
        return "folder"

    return app


def in_thread(function):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(function()))
    thread.start()
    thread.join()
    return outcome[0]


def current():
    """What is current: the application, g, the request."""
    return (
        current_app._get_current_object() if has_app_context() else None,
        g._get_current_object() if has_app_context() else None,
        request._get_current_object() if has_request_context() else None,
    )


# --- g --------------------------------------------------------------------------------------


def test_g_is_a_namespace_of_its_context(app):
    with app.app_context():
        assert g.get("name") is None
        assert g.get("name", 1) == 1
        assert g.setdefault("name", 2) == 2
        assert g.setdefault("name", 3) == g.name == 2
        g.other = 4
        assert "other" in g
        assert list(g) == ["name", "other"]
        assert g.pop("name") == 2
        assert g.pop("name", 5) == 5
        with pytest.raises(KeyError, match="name"):
            g.pop("name")
        del g.other
        assert "other" not in g
    with app.app_context():
        assert list(g) == []


def test_g_names_the_attribute_that_was_not_set(app):
    with app.app_context(), pytest.raises(AttributeError) as caught:
        g.db  # noqa: B018
    assert str(caught.value) == "g.db was not set in this context."
    assert caught.value.name == "db"


def test_g_prints_the_application_it_belongs_to(app):
    with app.app_context():
        namespace = g._get_current_object()
        assert repr(g) == f"<flask.g of '{__name__}'>"
    assert repr(namespace).startswith("<hipflask.ctx._AppCtxGlobals object at ")


def test_class_of_g_is_the_applications(app):
    class Globals:
        name = "own"

    app.app_ctx_globals_class = Globals
    with app.test_request_context():
        assert g.name == "own"


# --- nesting --------------------------------------------------------------------------------


def test_request_pushes_its_application_where_none_is_current(app):
    with app.test_request_context("/") as ctx:
        assert current() == (app, ctx.g, ctx.request)
        assert ctx.app_ctx is ctx
    assert current() == (None, None, None)


def test_request_shares_g_of_its_application_where_that_is_current(app):
    with app.app_context() as outer:
        g.name = "outer"
        with app.test_request_context("/") as ctx:
            assert ctx.app_ctx is outer
            assert current() == (app, outer.g, ctx.request)
            g.name = "from the request"
        assert g.name == "from the request"
        assert current() == (app, outer.g, None)


def test_request_inside_another_applications_context_gets_its_own(app):
    other = Flask("other")
    with other.app_context() as outer, app.test_request_context("/") as ctx:
        assert current() == (app, ctx.g, ctx.request)
        assert ctx.g is not outer.g


def test_request_inside_a_request_of_the_same_application_shares_g(app):
    with app.test_request_context("/a") as outer:
        g.name = "outer"
        with app.test_request_context("/b") as inner:
            assert request.path == "/b"
            assert g.name == "outer"
            assert inner.app_ctx is outer
        assert request.path == "/a"


def test_request_inside_a_request_of_another_application_has_its_own_g(app):
    other = Flask("other")
    with app.test_request_context("/a"), other.test_request_context("/b"):
        assert current_app._get_current_object() is other
        assert request.path == "/b"
        g.only_here = True
        with app.app_context():
            assert "only_here" not in g
            assert current_app._get_current_object() is app
            assert request.path == "/b"  # still the request pushed last
        assert g.only_here


def test_application_context_inside_a_request_has_its_own_g_and_leaves_the_request_current(app):
    with app.test_request_context("/a") as ctx:
        g.name = "request"
        with app.app_context() as inner:
            assert current() == (app, inner.g, ctx.request)
            assert "name" not in g
        assert g.name == "request"


def test_request_inside_an_application_context_inside_a_request(app):
    with ExitStack() as stack:
        first = stack.enter_context(app.test_request_context("/1"))
        middle = stack.enter_context(app.app_context())
        second = stack.enter_context(app.test_request_context("/2"))
        assert second.app_ctx is middle
        assert app_ctx._get_current_object() is middle
        assert request_ctx._get_current_object() is second
        second.pop()
        assert request.path == "/1"
        assert app_ctx._get_current_object() is middle
        second.push()
        assert first.request_ctx is first


def test_contexts_are_apart_in_threads(app):
    with app.test_request_context("/"):
        assert in_thread(current) == (None, None, None)
        assert in_thread(has_app_context) is False


# --- repeated pushes ------------------------------------------------------------------------


def test_application_context_pushed_again_is_torn_down_with_the_first_push(app):
    torn_down = []
    app.teardown_appcontext(torn_down.append)
    ctx = app.app_context()
    ctx.push()
    g.name = "kept"
    ctx.push()
    ctx.push()
    assert g.name == "kept"
    ctx.pop()
    ctx.pop()
    assert torn_down == []
    assert ctx.is_pushed
    assert g.name == "kept"
    ctx.pop()
    assert torn_down == [None]


def test_request_context_pushed_again_is_torn_down_with_the_first_push(app):
    log = []
    app.teardown_request(lambda error: log.append("request"))
    app.teardown_appcontext(lambda error: log.append("app"))
    ctx = app.test_request_context("/user/ada")
    with ctx:
        with ctx:
            assert request.view_args == {"name": "ada"}
        assert log == []
        assert request.path == "/user/ada"
    assert log == ["request", "app"]


def test_context_pushed_again_over_another_one_returns_to_it(app):
    ctx = app.app_context()
    with ctx:
        with app.test_request_context("/between"):
            with ctx:
                assert app_ctx._get_current_object() is ctx
                assert request.path == "/between"
            assert request.path == "/between"
        assert not has_request_context()


def test_context_may_be_pushed_anew_after_its_last_pop(app):
    torn_down = []
    app.teardown_appcontext(torn_down.append)
    for ctx in (app.app_context(), app.test_request_context("/user/ada")):
        for _ in range(2):
            with ctx:
                assert current_app._get_current_object() is app
    assert torn_down == [None] * 4


# --- wrong pops -----------------------------------------------------------------------------


def test_popping_a_context_that_is_not_on_top_is_refused(app):
    with app.app_context() as outer, app.test_request_context("/x") as inner:
        with pytest.raises(AssertionError) as caught:
            outer.pop()
        assert str(caught.value) == (
            f"Popped {outer!r}, but the context on top is <RequestContext 'http://localhost/x'"
            f" [GET] of '{__name__}'>. Contexts are popped in the reverse order of their pushes,"
            " in the thread or task that pushed them."
        ).replace(f"'{__name__}'", __name__)
        assert request_ctx._get_current_object() is inner


@pytest.mark.parametrize("kind", ["app_context", "test_request_context"])
def test_popping_a_context_that_was_never_pushed_is_refused(app, kind):
    ctx = getattr(app, kind)()
    with pytest.raises(AssertionError, match="but the context on top is None"):
        ctx.pop()


def test_popping_in_another_thread_is_refused(app):
    def pop():
        with pytest.raises(AssertionError, match="in the thread or task that pushed them"):
            ctx.pop()

    with app.app_context() as ctx:
        in_thread(pop)


def test_refused_pop_leaves_the_contexts_to_be_popped_in_order(app):
    torn_down = []
    app.teardown_appcontext(torn_down.append)
    outer, inner = app.test_request_context("/1"), app.test_request_context("/2")
    outer.push()
    inner.push()
    with pytest.raises(AssertionError):
        outer.pop()
    assert torn_down == []
    inner.pop()
    outer.pop()
    assert torn_down == [None]


# --- teardown -------------------------------------------------------------------------------


def test_teardown_goes_request_first_each_last_registered_first(app):
    log = []
    for name in ("first", "second"):
        app.teardown_request(lambda error, name=name: log.append(f"request {name}"))
        app.teardown_appcontext(lambda error, name=name: log.append(f"app {name}"))
    with app.test_request_context("/"):
        pass
    assert log == ["request second", "request first", "app second", "app first"]


def test_request_is_current_in_its_teardown_and_not_in_the_applications(app):
    seen = []

    def look(error):
        seen.append((has_request_context(), has_app_context(), g.get("name")))

    app.teardown_request(look)
    app.teardown_appcontext(look)
    with app.test_request_context("/"):
        g.name = "kept"
    assert seen == [(True, True, "kept"), (False, True, "kept")]


def test_outer_request_is_not_current_in_the_teardown_of_an_inner_ones_application(app):
    other = Flask("other")
    seen = []
    other.teardown_appcontext(lambda error: seen.append(has_request_context()))
    with app.test_request_context("/a"), other.test_request_context("/b"):
        pass
    assert seen == [False]


@pytest.mark.parametrize("kind", ["app_context", "test_request_context"])
def test_teardown_gets_the_exception_that_ended_the_block(app, kind):
    given = []
    app.teardown_appcontext(given.append)
    app.teardown_request(given.append)
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError), getattr(app, kind)():
        raise error
    assert set(given) == {error}


@pytest.mark.parametrize("kind", ["app_context", "test_request_context"])
def test_pop_without_an_argument_takes_the_exception_being_handled(app, kind):
    given = []
    app.teardown_appcontext(given.append)
    for failing in (True, False):
        ctx = getattr(app, kind)()
        ctx.push()
        try:
            if failing:
                raise ZeroDivisionError
        except ZeroDivisionError:
            ctx.pop()
        else:
            ctx.pop()
    assert [type(error) for error in given] == [ZeroDivisionError, type(None)]


@pytest.mark.parametrize("kind", ["app_context", "test_request_context"])
def test_pop_is_told_of_no_exception_by_none(app, kind):
    given = []
    app.teardown_appcontext(given.append)
    ctx = getattr(app, kind)()
    ctx.push()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        ctx.pop(None)
    assert given == [None]


def test_failing_teardown_of_the_request_still_tears_the_application_down(app):
    log = []
    app.teardown_appcontext(lambda error: log.append("app"))

    @app.teardown_request
    def fail(error):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), app.test_request_context("/") as ctx:
        pass
    assert log == ["app"]
    assert not has_app_context()
    assert not ctx.is_pushed


@pytest.mark.parametrize("kind", ["app_context", "test_request_context"])
def test_failing_teardown_of_the_application_still_pops_the_context(app, kind):
    @app.teardown_appcontext
    def fail(error):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), getattr(app, kind)():
        pass
    assert not has_app_context()


def test_first_failing_teardown_keeps_the_others_of_its_kind_from_running(app):
    log = []
    app.teardown_request(lambda error: log.append("never"))

    @app.teardown_request
    def fail(error):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), app.test_request_context("/"):
        pass
    assert log == []


def test_teardown_registered_during_the_request_runs_with_it(app):
    log = []
    with app.test_request_context("/"):
        app.teardown_request_funcs[None].append(lambda error: log.append("request"))
        app.teardown_appcontext_funcs.append(lambda error: log.append("app"))
    assert log == ["request", "app"]


def test_request_is_closed_and_forgotten_by_its_environ(app):
    closed = []

    class Request(app.request_class):
        def close(self):
            closed.append(self.path)

    app.request_class = Request
    with app.test_request_context("/x") as ctx:
        assert ctx.request.environ["werkzeug.request"] is ctx.request
        assert closed == []
    assert closed == ["/x"]
    assert ctx.request.environ["werkzeug.request"] is None


def test_request_is_made_when_first_used_and_knows_its_rule(app):
    @app.get("/<name>")
    def view(name):
        ctx = _cv_request.get()
        before = ctx._request
        found = request.url_rule.rule, request.view_args
        kept = request._get_current_object() is ctx.request
        return repr((before, found, kept, request.environ["werkzeug.request"] is ctx.request))

    @app.get("/none/at/all")
    def unasked():
        return repr(_cv_request.get()._request)

    client = app.test_client()
    client.get("/Ada")  # whose host is looked at
    assert client.get("/Ada").text == repr((None, ("/<name>", {"name": "Ada"}), True, True))
    assert client.get("/none/at/all").text == "None"


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_hook_sends_a_request_made_late_elsewhere(app, door):
    rules = {}

    @app.get("/<name>")
    def one(name):
        return f"one {name}"

    @app.get("/other/<name>")
    def other(name):
        return f"other {name}"

    @app.before_request
    def redirect():
        if request.view_args["name"] == "Eve":
            request.url_rule = rules["other"]
            request.view_args = {"name": "Adam"}

    rules.update((rule.endpoint, rule) for rule in app.url_map.iter_rules())
    client = app.test_client(door=door)
    assert client.get("/Ada").text == "one Ada"
    assert client.get("/Eve").text == "other Adam"


def test_middleware_finds_the_request_in_the_environ(app):
    found = []

    @app.get("/")
    def view():
        return "hello"

    class Middleware:
        def __init__(self, inner):
            self.inner = inner

        def __call__(self, environ, start_response):
            def start(*args):
                found.append(environ["werkzeug.request"].path)
                return start_response(*args)

            return self.inner(environ, start)

    app.wsgi_app = Middleware(app.wsgi_app)
    assert app.test_client().get("/").text == "hello"
    assert found == ["/"]


@pytest.mark.parametrize("answer", ["text", b"bytes", {"a": 1}, [1]])
def test_full_dispatch_gives_a_response_where_nobody_goes_through_it(app, answer):
    app.add_url_rule("/", "view", lambda: answer)
    with app.test_request_context("/"):
        assert app.full_dispatch_request().status_code == 200


def test_signals_tell_of_push_teardown_and_pop(app):
    log = []
    with ExitStack() as stack:
        for signal in (
            appcontext_pushed, appcontext_popped, appcontext_tearing_down, request_tearing_down
        ):  # fmt: skip
            stack.enter_context(
                signal.connected_to(
                    lambda sender, name=signal.name, **more: log.append(
                        (name, more.get("exc"), has_app_context())
                    ),
                    app,
                )
            )
        with app.app_context():
            with app.test_request_context("/"):
                pass
            assert [name for name, _, _ in log] == ["appcontext-pushed", "request-tearing-down"]
        del log[:]
        error = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError), app.test_request_context("/"):
            raise error
    assert log == [
        ("appcontext-pushed", None, True),
        ("request-tearing-down", error, True),
        ("appcontext-tearing-down", error, True),
        ("appcontext-popped", None, False),
    ]


def test_method_that_tears_down_may_be_replaced(app):
    log = []
    app.do_teardown_appcontext = lambda exc=None: log.append(("app", exc))
    app.do_teardown_request = lambda exc=None: log.append(("request", exc))
    with app.test_request_context("/"):
        pass
    with app.app_context():
        pass
    assert log == [("request", None), ("app", None), ("app", None)]


# --- matching -------------------------------------------------------------------------------


def test_push_matches_the_url(app):
    with app.test_request_context("/user/ada") as ctx:
        assert ctx.request.endpoint == "user"
        assert ctx.request.view_args == {"name": "ada"}
        assert ctx.request.routing_exception is None


@pytest.mark.parametrize("path, error", [("/none", NotFound), ("/folder", RequestRedirect)])
@pytest.mark.parametrize("times", [1, 2])
def test_failed_match_is_kept_until_the_request_is_dispatched(app, path, error, times):
    for _ in range(times):  # the second time the host is known
        with app.test_request_context(path) as ctx:
            assert type(ctx.request.routing_exception) is error
            assert ctx.request.url_rule is None


def test_match_request_may_be_called_before_the_push(app):
    for _ in range(2):
        ctx = app.test_request_context("/user/ada")
        ctx.match_request()
        assert ctx.request.view_args == {"name": "ada"}
        with ctx:
            assert request.endpoint == "user"


def test_refused_host_is_kept_as_a_routing_exception(app):
    app.config["TRUSTED_HOSTS"] = ["good.test"]
    with app.test_request_context("/user/ada", base_url="http://good.test") as ctx:
        assert ctx.request.endpoint == "user"
    with app.test_request_context("/user/ada", base_url="http://evil.test") as ctx:
        assert ctx.url_adapter is None
        assert ctx.request.routing_exception.code == 400
        assert ctx.request.url_rule is None


def test_url_adapter_outside_a_request_needs_a_server_name(app):
    with app.app_context() as ctx:
        assert ctx.url_adapter is None
    app.config["SERVER_NAME"] = "shop.test"
    with app.app_context() as ctx:
        assert ctx.url_adapter.build("folder", force_external=True) == "http://shop.test/folder/"


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="the idna codec decodes this label since Python 3.13"
)
def test_host_that_makes_no_url_is_kept_as_a_routing_exception(app):
    for _ in range(2):
        ctx = app.request_context({**create_environ("/folder/"), "HTTP_HOST": "xn--"})
        with ctx:
            assert ctx.request.routing_exception.code == 400
            assert ctx.request.url_rule is None


def test_application_context_of_the_applications_own_is_pushed_below_the_request(app):
    made = []

    class Own(Flask):
        def app_context(self):
            made.append(super().app_context())
            return made[-1]

    own = Own(__name__)
    torn_down = []
    own.teardown_appcontext(torn_down.append)
    with own.test_request_context("/") as ctx:
        assert ctx.app_ctx is made[0]
        assert g._get_current_object() is made[0].g
        assert torn_down == []
    assert torn_down == [None]
    assert len(made) == 1


def test_upgrade_to_a_websocket_is_not_taken_for_a_plain_request(app):
    upgrade = {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"}
    for _ in range(2):
        with app.test_request_context("/folder/", environ_overrides=upgrade) as ctx:
            assert ctx.request.routing_exception.code == 400
    with app.test_request_context("/folder/", environ_overrides={"HTTP_UPGRADE": "h2c"}) as ctx:
        assert ctx.request.endpoint == "folder"


# --- sessions -------------------------------------------------------------------------------


def test_own_session_is_opened_when_touched(app):
    with app.test_request_context("/") as ctx:
        assert not ctx.has_opened_session
        session["name"] = "ada"
        assert ctx.has_opened_session
        assert ctx.session["name"] == "ada"


def test_replaced_session_interface_opens_before_the_url_is_matched(app):
    seen = []

    class Interface(SecureCookieSessionInterface):
        def open_session(self, app, request):
            seen.append(request.endpoint)
            return super().open_session(app, request)

    app.session_interface = Interface()
    ctx = app.test_request_context("/folder/")
    with ctx:
        assert seen == [None]
        assert request.endpoint == "folder"


def test_interface_that_opens_nothing_gives_a_null_session(app):
    app.secret_key = None
    with app.test_request_context("/"):
        assert session.get("name") is None
        with pytest.raises(RuntimeError, match="secret key"):
            session["name"] = "ada"


def test_context_takes_a_request_and_a_session_made_elsewhere(app):
    environ = create_environ("/user/ada")
    made = app.request_class(environ)
    ctx = RequestContext(app, environ, request=made, session={"name": "ada"})
    assert ctx.request is made
    assert ctx._session == {"name": "ada"}


# --- copies ---------------------------------------------------------------------------------


def test_copy_is_a_context_of_the_same_request_and_session(app):
    with app.test_request_context("/user/ada?x=1") as ctx:
        session["name"] = "ada"
        copied = ctx.copy()
        assert type(copied) is RequestContext
        assert copied.request is ctx.request
        assert copied.session is ctx.session

        def look():
            with copied:
                return request.args["x"], session["name"], request.endpoint

        assert in_thread(look) == ("1", "ada", "user")
        assert request.path == "/user/ada"


def test_copied_context_runs_a_function_in_threads_after_the_request(app):
    started = []

    @app.get("/start")
    def start():
        g.name = "of the request"

        @copy_current_request_context
        def later(prefix, *, suffix):
            "Run later."
            return f"{prefix}{request.args['x']}{suffix}", "name" in g, has_app_context()

        started.append(later)
        return ""

    app.test_client().get("/start?x=1")
    later = started[0]
    assert (later.__name__, later.__doc__) == ("later", "Run later.")
    for _ in range(2):
        assert in_thread(lambda: later("<", suffix=">")) == ("<1>", False, True)


def test_coroutine_function_may_be_run_with_a_copied_context(app):
    with app.test_request_context("/here"):

        @copy_current_request_context
        async def later():
            return request.path

        assert in_thread(later) == "/here"


def test_context_copied_by_contextvars_keeps_what_was_current_after_the_pop(app):
    # A task started in an async view, a thread that inherits its context variables.
    with app.app_context():
        g.name = "outer"
        with app.test_request_context("/here"):
            session["name"] = "ada"
            nested = contextvars.copy_context()
    with app.test_request_context("/here"):
        g.name = "own"
        session["name"] = "bob"
        alone = contextvars.copy_context()
        later = copy_current_request_context(lambda: request.path)
    with app.app_context():
        plain = contextvars.copy_context()

    def look():
        return current_app._get_current_object() is app, g.name, request.path, session["name"]

    assert nested.run(look) == (True, "outer", "/here", "ada")
    assert alone.run(look) == (True, "own", "/here", "bob")
    assert alone.run(later) == "/here"
    assert plain.run(has_app_context) and not plain.run(has_request_context)
    assert in_thread(lambda: alone.run(look)) == (True, "own", "/here", "bob")


def test_context_may_be_pushed_where_a_popped_one_is_current(app):
    with app.test_request_context("/popped"):
        g.name = "popped"
        space = contextvars.copy_context()

    def look():
        with app.test_request_context("/new"):
            inner = request.path, g.name
        with app.app_context():
            return inner, "name" in g, request.path

    assert space.run(look) == (("/new", "popped"), False, "/popped")


def test_copying_outside_a_request_is_refused_with_the_way_out():
    with pytest.raises(RuntimeError) as caught:
        copy_current_request_context(len)
    assert str(caught.value) == (
        "copy_current_request_context copies the request being handled, and none is being"
        " handled here. Decorate the function inside a view or hook."
    )


# --- after_this_request ---------------------------------------------------------------------


def test_function_after_this_request_changes_this_response_only(app):
    @app.get("/mark")
    def mark():
        if "x" in request.args:

            @after_this_request
            def add(response):
                response.headers["X-Mark"] = request.args["x"]
                return response

            assert add.__name__ == "add"
        return ""

    client = app.test_client()
    assert client.get("/mark?x=1").headers["X-Mark"] == "1"
    assert "X-Mark" not in client.get("/mark").headers


def test_after_this_request_outside_a_request_is_refused_with_the_way_out(app):
    with app.app_context(), pytest.raises(RuntimeError) as caught:
        after_this_request(lambda response: response)
    assert str(caught.value) == (
        "after_this_request is about the request being handled, and none is being handled"
        " here. Call it in a view or hook, or use app.after_request for all requests."
    )


def test_has_context_functions_tell_what_is_current(app):
    assert (has_app_context(), has_request_context()) == (False, False)
    with app.app_context() as ctx:
        assert (has_app_context(), has_request_context()) == (True, False)
        assert isinstance(ctx, AppContext)
    with app.test_request_context():
        assert (has_app_context(), has_request_context()) == (True, True)


def test_request_context_prints_url_method_and_application(app):
    ctx = app.test_request_context("/x?y=1", method="POST")
    assert repr(ctx) == f"<RequestContext 'http://localhost/x?y=1' [POST] of {__name__}>"


# --- memory ---------------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def freed_without_collector(run):
    """Whether all requests made during `run` are gone by reference counts alone."""
    references = []
    original = Flask.request_class.__init__

    class Request(Flask.request_class):
        def __init__(self, *args, **kwargs):
            original(self, *args, **kwargs)
            references.append(weakref.ref(self))

    run(Request)
    assert references
    return all(reference() is None for reference in references)


def ring(app, path, **extra):
    body = app.wsgi_app(create_environ(path, **extra), lambda *args: None)
    try:
        return b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()


@pytest.mark.parametrize(
    "path",
    ["/user/ada", "/folder", "/none", "/user/ada?session", "/abort", "/handled", "/stream"],
)
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="about reference counts")
def test_answered_request_is_freed_without_the_garbage_collector(app, no_collector, path):
    from hipflask import abort, stream_with_context

    @app.before_request
    def touch():
        if "session" in request.args:
            session["name"] = "ada"

    app.add_url_rule("/abort", "abort", lambda: abort(403))
    app.add_url_rule("/handled", "handled", lambda: 1 / 0)
    app.add_url_rule("/stream", "stream", lambda: stream_with_context(iter("abc")))
    app.register_error_handler(ZeroDivisionError, lambda error: "handled")

    def run(request_class):
        app.request_class = request_class
        for _ in range(2):
            ring(app, path)

    assert freed_without_collector(run)


def test_failed_request_is_freed_without_the_garbage_collector(app, no_collector):
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    app.log_exception = lambda exc_info: None  # pytest would keep the record

    def run(request_class):
        app.request_class = request_class
        assert b"Internal Server Error" in ring(app, "/fail")

    assert freed_without_collector(run)


def test_contexts_refer_to_nothing_that_refers_to_them_after_their_pop(app, no_collector):
    contexts = [app.app_context(), app.test_request_context("/user/ada")]
    for ctx in contexts:
        with ctx, ctx:
            g.ctx = "set"
            with app.test_request_context("/"):
                session.get("x")
    references = [weakref.ref(ctx) for ctx in contexts]
    del ctx, contexts
    assert [reference() for reference in references] == [None, None]


def test_application_is_freed_when_nobody_uses_it():
    def make():
        app = Flask(__name__)
        ring(app, "/none")
        return weakref.ref(app)

    reference = make()
    gc.collect()
    assert reference() is None
