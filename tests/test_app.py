import io
import logging
import os

import pytest
from werkzeug.exceptions import SecurityError
from werkzeug.test import create_environ

from hipflask import (
    Flask,
    Request,
    Response,
    appcontext_tearing_down,
    current_app,
    g,
    request,
    url_for,
)
from hipflask.ctx import AppContext, RequestContext
from hipflask.globals import _cv_request
from hipflask.testing import FlaskClient, FlaskCliRunner


@pytest.fixture
def app():
    app = Flask(__name__)
    app.secret_key = "for tests"
    app.add_url_rule("/", "view", lambda: "x")
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    return app


# --- steps called by name -------------------------------------------------------------------

STEPS = {
    "full_dispatch_request": lambda app, *ctx: app.full_dispatch_request(*ctx).get_data(),
    "preprocess_request": lambda app, *ctx: app.preprocess_request(*ctx),
    "dispatch_request": lambda app, *ctx: app.dispatch_request(*ctx),
    "finalize_request": lambda app, *ctx: app.finalize_request(*ctx, "x").status,
    "process_response": lambda app, *ctx: app.process_response(*ctx, Response("x")).status,
    "handle_http_exception": lambda app, *ctx: (
        app.handle_http_exception(*ctx, SecurityError()).code
    ),
    "do_teardown_request": lambda app, *ctx: app.do_teardown_request(*ctx, None),
    "log_exception": lambda app, *ctx: app.log_exception(*ctx, (None, None, None)),
}
RESULTS = {
    "full_dispatch_request": b"x",
    "dispatch_request": "x",
    "finalize_request": "200 OK",
    "process_response": "200 OK",
    "handle_http_exception": 400,
}


@pytest.mark.parametrize("name", STEPS)
def test_step_can_be_called_with_and_without_the_context(app, name):
    with app.test_request_context("/") as ctx:
        assert STEPS[name](app) == RESULTS.get(name)
        assert STEPS[name](app, ctx) == RESULTS.get(name)


@pytest.mark.parametrize("name", STEPS)
def test_step_called_outside_a_request_says_so(app, name):
    with app.app_context(), pytest.raises(RuntimeError, match="Working outside of request context"):
        STEPS[name](app)


def test_errors_may_be_handed_to_the_handling_steps(app):
    app.register_error_handler(KeyError, lambda error: f"handled {error}")
    with app.test_request_context("/") as ctx:
        assert app.handle_user_exception(KeyError("a")) == "handled 'a'"
        assert app.handle_user_exception(ctx, KeyError("a")) == "handled 'a'"
        with pytest.raises(ValueError):
            app.handle_user_exception(ValueError())
        assert app.handle_exception(ctx, ValueError()).status_code == 500


def test_teardown_steps_take_the_exception_being_handled_unless_told(app):
    given = []
    app.teardown_request(given.append)
    app.teardown_appcontext(given.append)
    with app.test_request_context("/") as ctx:
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            app.do_teardown_request()
            app.do_teardown_appcontext()
            app.do_teardown_request(None)
            app.do_teardown_appcontext(ctx, None)
    names = [type(error).__name__ for error in given[:4]]
    assert names == ["ZeroDivisionError", "ZeroDivisionError", "NoneType", "NoneType"]


def test_teardown_of_the_application_is_signalled(app):
    given = []
    error = ZeroDivisionError()
    with (
        app.app_context(),
        appcontext_tearing_down.connected_to(lambda sender, exc: given.append((sender, exc)), app),
    ):
        app.do_teardown_appcontext(error)
    assert given == [(app, error)]


def test_error_of_a_request_is_logged_with_path_and_method(app, caplog):
    app.test_client().put("/fail")
    assert app.test_client().get("/fail").status_code == 500
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "Exception on /fail [GET]")


def test_make_response_needs_a_request(app):
    with pytest.raises(RuntimeError, match="Working outside of request context"):
        app.make_response("x")


def test_default_answer_to_options_names_the_methods(app):
    with app.test_request_context("/") as ctx:
        response = app.make_default_options_response()
        assert type(response) is app.response_class
        assert set(response.allow) == {"GET", "HEAD", "OPTIONS"}
        assert ctx is _cv_request.get()


# --- contexts -------------------------------------------------------------------------------


def test_contexts_are_made_by_the_application(app):
    assert type(app.app_context()) is AppContext
    ctx = app.request_context(create_environ("/x"))
    assert type(ctx) is RequestContext
    assert type(ctx.request) is Request
    assert ctx.request.json_module is app.json


def test_made_up_request_takes_what_an_environ_builder_takes(app):
    with app.test_request_context("/x?y=1", method="POST", json={"a": 1}) as ctx:
        assert ctx.request.args["y"] == "1"
        assert request.json == {"a": 1}
        assert current_app._get_current_object() is app
    with pytest.raises(TypeError):
        app.test_request_context("/", no_such_option=1)


# --- URLs -----------------------------------------------------------------------------------


def test_url_adapter_outside_a_request_is_bound_to_the_server_name(app):
    assert app.create_url_adapter(None) is None
    app.config.update(
        SERVER_NAME="shop.test", APPLICATION_ROOT="/app", PREFERRED_URL_SCHEME="https"
    )
    adapter = app.create_url_adapter(None)
    assert adapter.build("view", force_external=True) == "https://shop.test/app/"


def test_url_adapter_of_a_request_has_its_host_and_path(app):
    made = Request(create_environ("/x", "http://a.test:81/root"))
    adapter = app.create_url_adapter(made)
    assert (adapter.server_name, adapter.script_name) == ("a.test:81", "/root/")
    assert (adapter.path_info, adapter.subdomain) == ("/x", "")
    assert made.host == "a.test:81"


def test_host_must_be_trusted_where_that_is_configured(app):
    app.config["TRUSTED_HOSTS"] = ["a.test", ".b.test"]
    for host in ("a.test", "x.b.test"):
        app.create_url_adapter(Request(create_environ("/", f"http://{host}")))
    with pytest.raises(SecurityError):
        app.create_url_adapter(Request(create_environ("/", "http://c.test")))
    assert app.test_client().get("/", base_url="http://c.test").status_code == 400


def test_request_may_bring_the_hosts_it_trusts(app):
    class Own(Request):
        trusted_hosts = ["a.test"]

    app.request_class = Own
    client = app.test_client()
    assert client.get("/", base_url="http://a.test").status_code == 200
    assert client.get("/", base_url="http://c.test").status_code == 400


def test_server_name_alone_restricts_no_host(app):
    app.config["SERVER_NAME"] = "shop.test"
    client = app.test_client()
    assert client.get("/", base_url="http://other.test").status_code == 200


def test_subdomains_are_matched_below_the_server_name():
    app = Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "shop.test"
    app.add_url_rule("/", "sub", lambda: "a", subdomain="a")
    app.add_url_rule("/", "main", lambda: "main")
    client = app.test_client()
    assert client.get("/", base_url="http://a.shop.test").text == "a"
    assert client.get("/", base_url="http://shop.test").text == "main"
    with pytest.warns(UserWarning, match="Current server name"):
        assert client.get("/", base_url="http://other.test").status_code == 404


def test_hosts_are_matched_whatever_the_server_name():
    app = Flask(__name__, host_matching=True, static_folder=None)
    app.config["SERVER_NAME"] = "shop.test"
    app.add_url_rule("/", "a", lambda: "a", host="a.test")
    client = app.test_client()
    assert client.get("/", base_url="http://a.test").text == "a"
    assert client.get("/", base_url="http://b.test").status_code == 404


def test_default_subdomain_of_the_map_is_matched_where_subdomains_are_not(app):
    app.url_map.default_subdomain = "www"
    app.add_url_rule("/www", "www", lambda: "www")
    for _ in range(2):
        assert app.test_client().get("/www").text == "www"


def test_url_for_passes_all_options_on(app):
    with app.test_request_context("/"):
        assert app.url_for("view") == "/"
        url = app.url_for(
            "view", _external=True, _scheme="https", _anchor="a b", _method="GET", q=1
        )
        assert url == "https://localhost/?q=1#a%20b"
        assert url_for("view", self="s", app="a") == app.url_for("view", self="s", app="a")
        assert app.url_for("view", self="s") == "/?self=s"


# --- files ----------------------------------------------------------------------------------


def test_resources_are_read_from_the_root_and_the_instance_folder(tmp_path):
    app = Flask(__name__, root_path=str(tmp_path), instance_path=str(tmp_path / "instance"))
    os.mkdir(app.instance_path)
    (tmp_path / "a.txt").write_bytes("é".encode())
    with app.open_resource("a.txt") as file:
        assert file.read() == "é".encode()
    with app.open_resource("a.txt", "r", encoding="utf-8") as file:
        assert file.read() == "é"
    with app.open_instance_resource("b.txt", "w") as file:
        file.write("é")
    with app.open_instance_resource("b.txt") as file:
        assert file.read() == "é".encode()


def test_static_files_are_served_with_their_age(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    app = Flask(__name__, static_folder=str(tmp_path))
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 60
    with app.test_request_context():
        assert app.get_send_file_max_age("a.txt") == 60
        with app.send_static_file("a.txt") as response:
            response.direct_passthrough = False
            assert response.get_data() == b"a"
            assert response.cache_control.max_age == 60


def test_template_context_is_filled_with_and_without_the_context(app):
    app.context_processor(lambda: {"name": "ada", "given": "not taken"})
    with app.test_request_context() as ctx:
        for leading in ((), (ctx,)):
            context = {"given": 1}
            app.update_template_context(*leading, context)
            assert (context["name"], context["given"]) == ("ada", 1)
            assert context["request"] is ctx.request


# --- shells, tests, commands ----------------------------------------------------------------


def test_shell_has_the_application_g_and_what_processors_add(app):
    app.shell_context_processor(lambda: {"x": 1, "g": "replaced"})
    assert app.make_shell_context() == {"app": app, "g": "replaced", "x": 1}
    del app.shell_context_processors[:]
    assert app.make_shell_context() == {"app": app, "g": None}
    with app.app_context():
        assert app.make_shell_context()["g"] is g._get_current_object()


def test_client_and_runner_are_of_the_applications_classes(app):
    class OwnClient(FlaskClient):
        def __init__(self, *args, mark=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.mark = mark

    class OwnRunner(FlaskCliRunner):
        pass

    assert type(app.test_client()) is FlaskClient
    assert type(app.test_cli_runner()) is FlaskCliRunner
    app.test_client_class, app.test_cli_runner_class = OwnClient, OwnRunner
    assert app.test_client(mark=5).mark == 5
    assert type(app.test_cli_runner()) is OwnRunner


def test_commands_group_is_made_once_and_may_be_replaced(app):
    assert app.cli is app.cli
    assert app.cli.name == app.name
    own = type(app.cli)("own")
    app.cli = own
    assert app.cli is own


def test_run_does_nothing_while_a_command_line_runs_the_application(app, monkeypatch):
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    assert app.run(port=0) is None


# --- async ----------------------------------------------------------------------------------


def test_coroutine_functions_are_made_plain_and_others_left_alone(app):
    async def give(value):
        return value

    assert app.ensure_sync(len) is len
    assert app.ensure_sync(give)(5) == 5
    assert app.async_to_sync(give)(6) == 6


def test_application_may_be_made_in_many_ways_and_keeps_to_itself():
    one, two = Flask("one"), Flask("two")
    one.add_url_rule("/", "x", lambda: "one")
    assert two.test_client().get("/").status_code == 404
    assert one.test_client().get("/").text == "one"
    body = one(create_environ("/", input_stream=io.BytesIO()), lambda *args: None)
    assert b"".join(body) == b"one"
