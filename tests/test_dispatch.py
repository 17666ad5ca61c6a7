import logging
import re

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequestKeyError, HTTPException, NotFound, default_exceptions
from werkzeug.test import create_environ
from werkzeug.wrappers import Response as ResponseBase

from hipflask import (
    Blueprint,
    Flask,
    Response,
    abort,
    appcontext_pushed,
    got_request_exception,
    redirect,
    request,
    request_finished,
    request_started,
    request_tearing_down,
    session,
)
from hipflask.dispatch import make
from hipflask.json.provider import JSONProvider


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "for tests"
    return app


def answering(app, answer, **config):
    """The response to a view that returns `answer`."""
    app.config.update(config)
    app.add_url_rule("/", "view", lambda: answer)
    return app.test_client().get("/")


def message_of(app, answer):
    with pytest.raises(TypeError) as caught:
        answering(app, answer, TESTING=True)
    return re.sub(r"\([^()]*\.py:\d+\)", "(FILE:LINE)", str(caught.value))


# --- answers --------------------------------------------------------------------------------

HTML = "text/html; charset=utf-8"


def wsgi_application(environ, start_response):
    start_response("299 Own", [("Content-Type", "x/y")])
    return [b"from ", environ["PATH_INFO"].encode()]


def pieces(*texts):
    yield from texts


ANSWERS = {
    "text": ("é", 200, "é", HTML),
    "bytes": (b"raw", 200, "raw", HTML),
    "bytearray": (bytearray(b"raw"), 200, "raw", HTML),
    "empty text": ("", 200, "", HTML),
    "dict": ({"b": 1, "a": 2}, 200, '{"a":2,"b":1}\n', "application/json"),
    "list": ([1], 200, "[1]\n", "application/json"),
    "empty dict": ({}, 200, "{}\n", "application/json"),
    "generator of text": (lambda: pieces("a", "b"), 200, "ab", HTML),
    "generator of bytes": (lambda: pieces(b"a", b"b"), 200, "ab", HTML),
    "iterator": (lambda: iter(["a"]), 200, "a", HTML),
    "wsgi application": (lambda: wsgi_application, 299, "from /", "x/y"),
    "werkzeug response": (lambda: ResponseBase("x", 201), 201, "x", "text/plain; charset=utf-8"),
    "response": (lambda: Response("x", 201), 201, "x", HTML),
    "exception": (lambda: NotFound(response=Response("gone", 410)), 410, "gone", HTML),
    "status number": (("x", 201), 201, "x", HTML),
    "status text": (("x", "202 Fine"), 202, "x", HTML),
    "status bytes": (("x", b"202 Fine"), None, None, None),
    "dict and status": (({"a": 1}, 201), 201, '{"a":1}\n', "application/json"),
    "subclass of str": (type("Str", (str,), {})("x"), 200, "x", HTML),
    "subclass of dict": (type("Dict", (dict,), {})(a=1), 200, '{"a":1}\n', "application/json"),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "status bytes"])
def test_answer_becomes_a_response(app, name):
    answer, status, text, content_type = ANSWERS[name]
    app.add_url_rule("/", "view", answer if type(answer) is type(lambda: 0) else lambda: answer)
    response = app.test_client().get("/")
    assert (response.status_code, response.text) == (status, text)
    assert response.content_type == content_type


@pytest.mark.parametrize(
    "given",
    [
        {"X-A": "1"}, [("X-A", "1")], (("X-A", "1"),), Headers({"X-A": "1"}), {"X-A": ["1"]},
        {"X-A": ("1",)},
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [str, bytes, dict, list, Response, ResponseBase])
def test_headers_of_an_answer_in_every_form(given, kind):
    for form in ((kind(), given), (kind(), 201, given)):
        app = Flask(__name__)
        response = answering(app, form)
        assert response.headers["X-A"] == "1"
        assert response.status_code == (201 if len(form) == 3 else 200)


def test_parts_of_a_tuple_that_are_none_or_empty_change_nothing(app):
    for form in (("x", None), ("x", None, None), ("x", {}), ("x", 200, [])):
        response = answering(Flask(__name__), form)
        assert (response.status_code, response.text) == (200, "x")
        assert response.content_type == HTML


def test_headers_of_an_answer_replace_those_of_its_response(app):
    made = Response("x", headers={"X-A": "old", "X-B": "kept"}, mimetype="text/plain")
    response = answering(app, (made, 202, {"X-A": "new", "Content-Type": "a/b"}))
    assert response.headers.getlist("X-A") == ["new"]
    assert response.headers["X-B"] == "kept"
    assert response.content_type == "a/b"
    assert response.status_code == 202


def test_content_type_of_an_answers_headers_counts_for_text(app):
    response = answering(app, ("x", {"Content-Type": "text/csv"}))
    assert response.headers.getlist("Content-Type") == ["text/csv"]


def test_status_of_a_response_given_as_bytes_or_text(app):
    for status in ("418 Tea", "418"):
        response = answering(Flask(__name__), (Response("x"), status))
        assert response.status_code == 418


def test_http_exception_given_as_an_answer_is_the_response_it_stands_for(app):
    response = answering(app, (NotFound("nowhere"), {"X-A": "1"}))
    assert response.status_code == 404
    assert "nowhere" in response.text
    assert response.headers["X-A"] == "1"


def test_http_exception_that_answers_in_its_own_way_is_called(app):
    class Own(NotFound):
        def __call__(self, environ, start_response):
            start_response("299 Own", [])
            return [b"own"]

    response = answering(app, Own())
    assert (response.status_code, response.text) == (299, "own")


def test_answers_are_of_the_applications_response_class(app):
    class Own(Response):
        pass

    app.response_class = Own
    with app.test_request_context("/"):
        for answer in (
            "x", b"x", {}, [], iter("x"), ("x", 201), Response("x"), ResponseBase("x"), NotFound(),
            wsgi_application,
        ):  # fmt: skip
            assert type(app.make_response(answer)) is Own
        own = Own("x")
        assert app.make_response(own) is own


def test_json_of_a_replaced_mimetype(app):
    app.json.mimetype = "application/vnd.test+json"
    assert answering(app, {"a": 1}).content_type == "application/vnd.test+json"


def test_json_of_a_provider_of_the_applications_own(app):
    class Loud(JSONProvider):
        def dumps(self, value, **options):
            return f"LOUD {value}"

    app.json = Loud(app)
    assert answering(app, {"a": 1}).text == "LOUD {'a': 1}"


# --- refusals -------------------------------------------------------------------------------


def test_answer_none_names_the_view_and_the_likely_reason(app):
    expected = (
        "The view function for 'view' (FILE:LINE) returned None instead of an answer. It may"
        " have ended without a return statement."
    )
    assert message_of(app, None) == expected
    assert message_of(Flask(__name__), (None, 200)) == expected


@pytest.mark.parametrize("length", [0, 1, 4])
def test_answer_in_a_tuple_of_another_length_names_the_forms(app, length):
    assert message_of(app, ("x",) * length) == (
        f"The view function returned a tuple of {length}. A view's tuple must have the form"
        " (body, status, headers), (body, status) or (body, headers)."
    )


WRONG = (
    "The view function for 'view' (FILE:LINE) returned something that makes no response: it was a"
    " {}. A view returns text, bytes, a dict, a list, an iterator of text or bytes, a response or"
    " a WSGI application, or one of these in a tuple with a status, headers or both."
)


@pytest.mark.parametrize("answer", [5, True, 1.5, {1}, object(), range(3)])
def test_answer_of_another_type_names_it(app, answer):
    assert message_of(app, answer) == WRONG.format(type(answer).__name__)


def test_callable_that_is_no_wsgi_application_says_both(app):
    text = message_of(app, lambda: "x")
    first, second = text.split("\n")
    assert "takes 0 positional arguments but 2 were given" in first
    assert second == WRONG.format("function")


def test_view_without_code_of_its_own_is_named_by_its_endpoint(app):
    class View:
        def __call__(self):
            return None

    app.testing = True
    app.add_url_rule("/", "own", View())
    with pytest.raises(TypeError, match=re.escape("The view function for 'own' returned None")):
        app.test_client().get("/")


# --- the order of things --------------------------------------------------------------------


def test_everything_happens_in_the_documented_order(app):
    log = []
    app.secret_key = "x"

    @app.before_request
    def before():
        log.append("before")

    @app.get("/")
    def view():
        session["x"] = 1
        log.append("view")
        return "x"

    @app.after_request
    def after(response):
        log.append("after")
        assert "Set-Cookie" not in response.headers
        return response

    app.teardown_request(lambda error: log.append("teardown"))

    def note(name):
        return lambda sender, **more: log.append(name)

    with (
        request_started.connected_to(note("started"), app),
        request_finished.connected_to(
            lambda sender, response, **more: log.append(
                ("finished", "Set-Cookie" in response.headers)
            ),
            app,
        ),
        request_tearing_down.connected_to(note("tearing down"), app),
    ):
        app.test_client().get("/")
    assert log == [
        "started", "before", "view", "after", ("finished", True), "teardown", "tearing down",
    ]  # fmt: skip


def test_answer_before_the_view_takes_its_place(app):
    log = []
    app.before_request(lambda: "early")
    app.before_request(lambda: log.append("never"))
    app.add_url_rule("/", "view", lambda: log.append("never"))
    app.after_request(lambda response: log.append("after") or response)
    assert app.test_client().get("/").text == "early"
    assert log == ["after"]


def test_functions_before_the_view_run_for_paths_nobody_takes(app):
    app.before_request(lambda: f"{request.endpoint} {request.path}")
    assert app.test_client().get("/none").text == "None /none"


def test_value_preprocessor_may_change_the_views_arguments(app):
    @app.url_value_preprocessor
    def pull(endpoint, values):
        if values:
            request.lang = values.pop("lang")

    app.add_url_rule("/<lang>/<x>", "view", lambda x: f"{request.lang} {x}")
    assert app.test_client().get("/en/1").text == "en 1"


def test_hook_may_send_the_request_to_another_rule(app):
    app.add_url_rule("/a", "a", lambda: "a")
    app.add_url_rule("/b", "b", lambda: "b")

    @app.before_request
    def elsewhere():
        request.url_rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == "b")

    assert app.test_client().get("/a").text == "b"


def test_options_are_answered_for_the_view_unless_it_does(app):
    app.add_url_rule("/a", "a", lambda: "a", methods=["GET", "PUT"])
    app.add_url_rule("/b", "b", lambda: "b", methods=["GET", "OPTIONS"])
    client = app.test_client()
    assert client.options("/a").allow.as_set() == {"get", "head", "options", "put"}
    assert client.options("/b").text == "b"


def test_after_this_request_comes_before_the_registered_functions(app):
    from hipflask import after_this_request

    log = []

    @app.get("/")
    def view():
        after_this_request(lambda response: log.append("this 1") or response)
        after_this_request(lambda response: log.append("this 2") or response)
        return ""

    app.after_request(lambda response: log.append("all") or response)
    app.test_client().get("/")
    assert log == ["this 1", "this 2", "all"]


def test_after_function_may_give_another_response(app):
    app.add_url_rule("/", "view", lambda: "x")
    app.after_request(lambda response: Response(response.get_data() + b", replaced"))
    assert app.test_client().get("/").text == "x, replaced"


def test_session_is_saved_after_the_functions_after_the_view(app):
    @app.after_request
    def late(response):
        session["late"] = True
        return response

    app.add_url_rule("/", "view", lambda: str(dict(session)))
    client = app.test_client()
    client.get("/")
    assert client.get("/").text == "{'late': True}"


def test_session_that_nobody_touched_is_saved_only_to_refresh_it(app):
    @app.get("/in")
    def log_in():
        session.permanent = True
        session["x"] = 1
        return ""

    app.add_url_rule("/", "view", lambda: "x")
    client = app.test_client()
    assert "Set-Cookie" not in client.get("/").headers
    client.get("/in")
    assert "Set-Cookie" in client.get("/").headers
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    assert "Set-Cookie" not in client.get("/").headers


def test_null_session_is_not_saved(app):
    app.secret_key = None
    app.add_url_rule("/", "view", lambda: str(session.get("x")))
    response = app.test_client().get("/")
    assert response.text == "None"
    assert "Set-Cookie" not in response.headers


def test_first_request_ends_the_set_up(app):
    app.add_url_rule("/", "view", lambda: "x")
    assert not app._got_first_request
    app.test_client().get("/")
    assert app._got_first_request


def test_hook_that_registers_for_the_very_request_is_heard(app):
    log = []

    @app.get("/")
    def view():
        app.after_request_funcs[None].append(lambda response: log.append("after") or response)
        app.teardown_request_funcs[None].append(lambda error: log.append("teardown"))
        return ""

    app.test_client().get("/")
    assert log == ["after", "teardown"]


# --- errors ---------------------------------------------------------------------------------


class Trouble(Exception):
    pass


class WorseTrouble(Trouble):
    pass


def fail_with(app, error):
    def view():
        raise error

    app.add_url_rule("/", "view", view)
    return app.test_client()


def test_handler_of_the_nearest_class_answers(app):
    app.register_error_handler(Exception, lambda error: "exception")
    app.register_error_handler(Trouble, lambda error: ("trouble", 400))
    response = fail_with(app, WorseTrouble()).get("/")
    assert (response.status_code, response.text) == (400, "trouble")


def test_handlers_answer_runs_through_the_functions_after_the_view(app):
    app.register_error_handler(Trouble, lambda error: "handled")
    app.after_request(lambda response: Response(f"{response.status_code}"))
    assert fail_with(app, Trouble()).get("/").text == "200"


def test_error_before_the_view_is_handled_like_one_of_the_view(app):
    @app.before_request
    def before():
        raise Trouble

    app.register_error_handler(Trouble, lambda error: "handled")
    assert app.test_client().get("/none").text == "handled"


@pytest.mark.parametrize("raised", [True, False], ids=["raised", "redirect"])
def test_http_exception_is_answered_by_its_handler_or_by_itself(app, raised):
    client = fail_with(app, NotFound("nowhere"))
    response = client.get("/")
    assert response.status_code == 404 and "nowhere" in response.text
    app.error_handler_spec[None][404][NotFound] = lambda error: (f"own {error.code}", 404)
    assert client.get("/").text == "own 404"
    assert client.get("/none").text == "own 404"


@pytest.mark.parametrize("code", sorted(default_exceptions))
def test_page_of_an_http_exception_is_werkzeugs_however_often_it_is_made(app, code):
    error = default_exceptions[code]
    expected = error().get_response(create_environ("/"))
    app.add_url_rule("/", "view", lambda: abort(code))
    app.after_request(lambda response: response.headers.add("X-Added", "1") or response)
    for _ in range(2):
        response = app.test_client().get("/")
        assert response.status == expected.status
        assert response.get_data() == (b"" if code in (304,) else expected.get_data())
        assert response.content_type == expected.content_type
        assert response.headers.getlist("X-Added") == ["1"]


def test_exception_that_was_told_more_has_a_page_of_its_own(app):
    for error, text in (
        (NotFound("nowhere"), "nowhere"),
        (NotFound(), NotFound.description),
        (type("Own", (NotFound,), {"description": "own"})(), "own"),
    ):
        app = Flask(__name__)
        assert text in fail_with(app, error).get("/").text


def test_exception_with_a_response_of_its_own_is_not_handled(app):
    app.register_error_handler(HTTPException, lambda error: "handled")
    client = fail_with(app, HTTPException(response=Response("own", 299)))
    assert client.get("/").status_code == 299


def test_redirects_of_the_router_are_not_handled(app):
    app.register_error_handler(HTTPException, lambda error: "handled")
    app.add_url_rule("/folder/", "folder", lambda: "")
    client = app.test_client()
    for _ in range(2):
        response = client.get("/folder")
        assert (response.status_code, response.headers["Location"]) == (
            308,
            "http://localhost/folder/",
        )


def test_blueprint_handlers_answer_for_their_own_requests_only(app):
    blueprint = Blueprint("bp", __name__, url_prefix="/bp")
    blueprint.add_url_rule("/", "view", lambda: abort(404))
    blueprint.register_error_handler(404, lambda error: "blueprint")
    app.register_blueprint(blueprint)
    app.register_error_handler(404, lambda error: "application")
    client = app.test_client()
    assert client.get("/bp/").text == "blueprint"
    assert client.get("/bp/none").text == "application"


def test_error_of_a_handler_is_a_server_error(app, caplog):
    app.register_error_handler(Trouble, lambda error: 1 / 0)
    assert fail_with(app, Trouble()).get("/").status_code == 500
    assert "ZeroDivisionError" in caplog.text


def test_trapped_http_exceptions_count_as_errors(app):
    app.config["TRAP_HTTP_EXCEPTIONS"] = True
    app.testing = True
    client = fail_with(app, NotFound())
    with pytest.raises(NotFound):
        client.get("/")
    app.error_handler_spec[None][None][HTTPException] = lambda error: "by class"
    assert client.get("/").text == "by class"


@pytest.mark.parametrize("config", [{"DEBUG": True}, {"TRAP_BAD_REQUEST_ERRORS": True}, {}])
def test_missing_form_field_is_named_where_errors_are_trapped(app, config):
    app.config.update(config, PROPAGATE_EXCEPTIONS=True)
    app.add_url_rule("/", "view", lambda: request.form["name"], methods=["POST"])
    client = app.test_client()
    if not config:
        response = client.post("/")
        assert response.status_code == 400
        assert "name" not in response.text
    else:
        with pytest.raises(BadRequestKeyError, match="KeyError: 'name'"):
            client.post("/")


def test_unhandled_error_is_logged_signalled_and_answered_with_500(app, caplog):
    seen = []
    client = fail_with(app, Trouble("deep"))
    with got_request_exception.connected_to(
        lambda sender, exception, **more: seen.append(exception), app
    ):
        response = client.get("/")
    assert response.status_code == 500
    assert "deep" not in response.text
    assert [type(error) for error in seen] == [Trouble]
    [record] = caplog.records
    assert record.getMessage() == "Exception on / [GET]"
    assert record.exc_info[1] is seen[0]


def test_handler_of_500_gets_the_original(app):
    app.register_error_handler(500, lambda error: (repr(error.original_exception), 500))
    assert fail_with(app, Trouble("deep")).get("/").text == "Trouble('deep')"


@pytest.mark.parametrize(
    "config, raises",
    [
        ({}, False),
        ({"TESTING": True}, True),
        ({"DEBUG": True}, True),
        ({"TESTING": True, "PROPAGATE_EXCEPTIONS": False}, False),
        ({"PROPAGATE_EXCEPTIONS": True}, True),
    ],
)
def test_unhandled_error_is_raised_again_where_the_configuration_says_so(app, config, raises):
    app.config.update(config)
    client = fail_with(app, Trouble("deep"))
    if raises:
        with pytest.raises(Trouble, match="deep") as caught:
            client.get("/")
        assert caught.value.__context__ is None
    else:
        assert client.get("/").status_code == 500


def test_failing_function_after_an_error_is_logged_and_the_error_answered(app, caplog):
    @app.after_request
    def fail(response):
        raise ZeroDivisionError

    response = fail_with(app, Trouble()).get("/")
    assert response.status_code == 500
    assert caplog.records[-1].getMessage() == (
        "The answer to an error could not be finished: a function after the request failed."
    )


def test_failing_function_after_the_view_is_a_server_error(app, caplog):
    @app.after_request
    def fail(response):
        raise Trouble

    app.add_url_rule("/", "view", lambda: "x")
    assert app.test_client().get("/").status_code == 500


def test_error_given_from_outside_its_handler_is_logged_with_its_own_traceback(app, caplog):
    try:
        raise Trouble("earlier")
    except Trouble as caught:
        error = caught
    with app.test_request_context("/"):
        assert app.handle_exception(error).status_code == 500
    assert caplog.records[0].exc_info == (Trouble, error, error.__traceback__)


def test_error_while_the_context_is_pushed_is_answered(app, caplog):
    def refuse(sender, **more):
        raise Trouble

    app.add_url_rule("/", "view", lambda: "x")
    client = app.test_client()
    with appcontext_pushed.connected_to(refuse, app):
        assert client.get("/").status_code == 500
    app.session_interface = type("Broken", (), {"open_session": lambda self, app, request: 1 / 0})()
    assert client.get("/").status_code == 500
    assert [type(record.exc_info[1]) for record in caplog.records] == [Trouble, ZeroDivisionError]


def test_debug_mode_explains_a_redirect_that_loses_a_form(app):
    app.debug = True
    app.add_url_rule("/new", "new", lambda: "", methods=["POST"])
    app.add_url_rule("/old", "old", redirect_to="new", methods=["POST", "GET"])
    app.add_url_rule("/folder/", "folder", lambda: "", methods=["POST"])
    client = app.test_client()
    assert client.get("/old").status_code == 308
    assert client.post("/folder").status_code == 308  # keeps the body
    assert client.post("/old").status_code == 308
    with app.test_request_context("/old", method="POST") as ctx:
        ctx.request.routing_exception.code = 302
        with pytest.raises(AssertionError, match="redirect"):
            app.raise_routing_exception(ctx.request)
        app.debug = False
        with pytest.raises(type(ctx.request.routing_exception)):
            app.raise_routing_exception(ctx.request)


def test_failing_teardown_ends_the_ones_after_it(app):
    log = []
    app.testing = True
    app.teardown_request(lambda error: log.append("never"))
    app.teardown_request(lambda error: 1 / 0)
    app.teardown_request(lambda error: log.append("first"))
    app.add_url_rule("/", "view", lambda: "x")
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/")
    assert log == ["first"]


def test_coroutines_may_be_anything_that_is_called(app):
    log = []
    app.secret_key = "x"

    async def note(*args):
        log.append(len(args))

    @app.after_request
    async def after(response):
        response.headers["X-After"] = "1"
        return response

    @app.get("/")
    async def view():
        raise Trouble

    @app.errorhandler(Trouble)
    async def handle(error):
        return "handled"

    app.errorhandler(404)(lambda error: "none")
    app.before_request(note)
    app.teardown_request(note)
    app.teardown_appcontext(note)
    response = app.test_client().get("/")
    assert (response.text, response.headers["X-After"]) == ("handled", "1")
    assert log == [0, 1, 1]


def test_make_is_what_make_response_does(app):
    with app.test_request_context("/") as ctx:
        assert make(ctx, ("x", 201)).status == "201 CREATED"
        assert app.make_response(redirect("/")).status_code == 302
    assert logging.getLogger(__name__).name == app.logger.name


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_a_request_on_an_async_door_is_the_same_where_a_signal_is_heard(door):
    app = Flask(__name__)

    @app.get("/")
    async def index():
        return {"provider": request.json_module is app.json}

    client = app.test_client(door=door)
    for _ in range(2):
        assert client.get("/").json == {"provider": True}
    with request_started.connected_to(lambda *args, **kwargs: None):
        assert client.get("/").json == {"provider": True}


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_what_an_async_view_brings_about_counts_for_its_own_response(door):
    app = Flask(__name__)
    heard = []

    def hear(sender, response, **extra):
        heard.append(response.status_code)

    @app.get("/")
    async def index():
        if "late" in request.args:
            request_finished.connect(hear, app)
        return "late"

    client = app.test_client(door=door)
    try:
        for _ in range(2):
            assert client.get("/").text == "late"
        assert heard == []
        assert client.get("/?late").text == "late"
        assert heard == [200]
    finally:
        request_finished.disconnect(hear, app)


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_an_error_of_an_async_view_is_handled_by_the_second_request_as_by_the_first(door):
    app = Flask(__name__)
    ended = []
    app.teardown_request(ended.append)

    @app.get("/")
    async def index():
        raise KeyError("lost")

    @app.errorhandler(KeyError)
    async def handle(error):
        return f"handled {error}", 418

    client = app.test_client(door=door)
    for _ in range(3):
        answer = client.get("/")
        assert (answer.status_code, answer.text) == (418, "handled 'lost'")
    assert ended == [None] * 3
