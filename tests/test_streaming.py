import contextvars
import gc
import threading

import pytest

from hipflask import (
    Flask,
    g,
    has_app_context,
    has_request_context,
    request,
    session,
    stream_with_context,
)


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "for tests"
    return app


def start(app, path):
    """Return the body's iterator and its close, as a WSGI server gets them."""
    body = app.wsgi_app(environ(path), lambda status, headers, exc_info=None: None)
    return iter(body), body.close


def environ(path):
    from werkzeug.test import create_environ

    return create_environ(path)


def run_in_thread(function):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(function()))
    thread.start()
    thread.join()
    return outcome[0]


def test_stream_reads_request_session_and_g_of_its_view(app):
    @app.get("/")
    def view():
        session["name"] = "ada"
        g.greeting = "hello"

        def parts():
            yield g.greeting
            yield session["name"]
            yield request.args["mark"]

        return stream_with_context(parts())

    assert app.test_client().get("/?mark=!").text == "helloada!"


def test_decorated_generator_function_takes_arguments_and_keeps_its_name(app):
    with app.test_request_context("/?name=ada"):

        @stream_with_context
        def parts(first, *, last):
            yield first
            yield request.args["name"]
            yield last

        assert parts.__name__ == "parts"
        assert list(parts("<", last=">")) == ["<", "ada", ">"]


def test_stream_made_in_an_async_view_has_its_context(app):
    @app.get("/")
    async def view():
        @stream_with_context
        def parts():
            yield request.path

        return parts()

    assert app.test_client().get("/").text == "/"


def test_stream_outside_a_request_is_refused(app):
    with pytest.raises(RuntimeError, match="while no request context is active"):
        stream_with_context(iter("ab"))
    with app.app_context(), pytest.raises(RuntimeError, match="while no request context"):
        stream_with_context(iter("ab"))


def test_what_is_neither_iterable_nor_callable_is_refused_by_name(app):
    with pytest.raises(TypeError, match="not int"):
        stream_with_context(5)


def counting_app(app, log):
    @app.get("/")
    def view():
        def parts():
            try:
                for number in range(3):
                    yield f"{number} {request.path} "
            finally:
                log.append(("source ends", has_request_context()))

        return stream_with_context(parts())

    @app.teardown_request
    def end_request(error):
        log.append(("request ends", type(error).__name__))

    @app.teardown_appcontext
    def end_app(error):
        log.append(("app ends", type(error).__name__))


def test_nothing_is_current_on_the_servers_thread_between_steps(app):
    counting_app(app, [])
    steps, close = start(app, "/")
    assert not has_app_context()
    for _ in range(3):
        assert next(steps).endswith(b" / ")
        assert not has_request_context() and not has_app_context()
    close()
    assert not has_app_context()


def test_teardown_runs_after_the_view_and_again_after_the_stream(app):
    log = []
    counting_app(app, log)
    steps, close = start(app, "/")
    after_view = [("request ends", "NoneType"), ("app ends", "NoneType")]
    assert log == after_view
    assert b"".join(steps) == b"0 / 1 / 2 / "
    close()
    assert log == [*after_view, ("source ends", True), *after_view]


def test_stream_closed_in_the_middle_ends_its_source_and_tears_down(app):
    log = []
    counting_app(app, log)
    steps, close = start(app, "/")
    next(steps)
    del log[:]
    close()
    expected = [
        ("source ends", True),
        ("request ends", "GeneratorExit"),
        ("app ends", "GeneratorExit"),
    ]
    assert log == expected
    close()
    assert log == expected


def test_stream_closed_before_its_first_step_closes_its_source_only(app):
    log = []

    class Rows:
        def __iter__(self):
            return self

        def __next__(self):
            raise AssertionError("never asked")

        def close(self):
            log.append("closed")

    app.teardown_request(lambda error: log.append("request ends"))
    app.add_url_rule("/", "rows", lambda: stream_with_context(Rows()))
    _steps, close = start(app, "/")
    assert log == ["request ends"]
    close()
    close()
    assert log == ["request ends", "closed"]


def test_finished_stream_closes_its_source_once_and_stays_finished(app):
    closed = []

    class Rows:
        left = 2

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return request.path

        def close(self):
            closed.append(has_request_context())

    with app.test_request_context("/x"):
        stream = stream_with_context(Rows())
    assert list(stream) == ["/x", "/x"]
    assert list(stream) == []
    stream.close()
    assert closed == [True]


def test_abandoned_stream_leaves_no_context_and_is_torn_down_when_freed(app):
    # pallets/flask#6123: a server that drops the iterator without closing it.
    log = []
    counting_app(app, log)
    steps, close = start(app, "/")
    next(steps)
    assert not has_request_context()
    del log[:]
    del steps, close
    gc.collect()
    assert [name for name, _ in log] == ["source ends", "request ends", "app ends"]

    later = []
    app2 = Flask("later")
    app2.teardown_appcontext(lambda error: later.append(error))
    app2.add_url_rule("/", "index", lambda: "plain")
    assert app2.test_client().get("/").text == "plain"
    assert later == [None]


def test_steps_and_close_may_come_from_different_threads(app):
    log = []
    counting_app(app, log)
    steps, close = start(app, "/")
    assert next(steps) == b"0 / "
    assert run_in_thread(lambda: next(steps)) == b"1 / "
    run_in_thread(close)
    assert ("source ends", True) in log
    assert log[-1] == ("app ends", "GeneratorExit")
    assert not has_app_context()


def test_error_in_the_source_reaches_the_server_and_teardown(app):
    log = []

    @app.get("/")
    def view():
        def parts():
            yield "a"
            raise ZeroDivisionError

        return stream_with_context(parts())

    app.teardown_request(lambda error: log.append(type(error).__name__))
    steps, close = start(app, "/")
    next(steps)
    with pytest.raises(ZeroDivisionError):
        next(steps)
    close()
    assert log == ["NoneType", "ZeroDivisionError"]


def test_error_while_closing_the_source_still_tears_down(app):
    log = []

    @app.get("/")
    def view():
        def parts():
            try:
                yield "a"
            finally:
                raise ZeroDivisionError

        return stream_with_context(parts())

    app.teardown_request(lambda error: log.append(type(error).__name__))
    steps, close = start(app, "/")
    next(steps)
    with pytest.raises(ZeroDivisionError):
        close()
    assert log == ["NoneType", "ZeroDivisionError"]


def test_stream_used_up_inside_its_view_does_not_tear_the_request_down(app):
    log = []
    app.teardown_request(lambda error: log.append("request ends"))

    @app.get("/")
    def view():
        text = "".join(stream_with_context(iter("abc")))
        assert log == []
        assert request.path == "/"
        return text

    assert app.test_client().get("/").text == "abc"
    assert log == ["request ends"]


def test_stream_shares_an_application_context_that_outlives_it(app):
    log = []
    counting_app(app, log)
    with app.app_context():
        steps, close = start(app, "/")
        b"".join(steps)
        close()
        assert [name for name, _ in log] == ["request ends", "source ends", "request ends"]
    assert log[-1] == ("app ends", "NoneType")


def test_stream_made_under_an_inner_application_context_keeps_its_g(app):
    ended = []
    app.teardown_appcontext(lambda error: ended.append(getattr(g, "where", None)))

    @app.get("/")
    def view():
        g.where = "request"
        with app.app_context():
            g.where = "inner"

            @stream_with_context
            def parts():
                yield g.where
                yield request.path

            return parts()

    steps, close = start(app, "/")
    assert ended == ["inner", "request"]
    assert b"".join(steps) == b"inner/"
    close()
    assert ended == ["inner", "request", "inner"]


def test_client_that_keeps_the_context_can_close_the_stream_early_or_late(app):
    counting_app(app, [])
    client = app.test_client()
    with client:
        response = client.get("/")
        assert request.path == "/"
        response.close()
        assert request.path == "/"
    assert not has_app_context()
    with client:
        response = client.get("/")
    response.close()
    assert not has_app_context()


def test_context_variables_set_by_a_stream_stay_in_it(app):
    variable = contextvars.ContextVar("variable", default="outside")

    @app.get("/")
    def view():
        def parts():
            variable.set("inside")
            yield variable.get()
            yield variable.get()

        return stream_with_context(parts())

    steps, close = start(app, "/")
    assert next(steps) == b"inside"
    assert variable.get() == "outside"
    assert next(steps) == b"inside"
    close()
