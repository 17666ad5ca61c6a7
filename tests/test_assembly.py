import os
import sys
import types
from datetime import timedelta

import pytest
from werkzeug.exceptions import Aborter, BadRequest, BadRequestKeyError, HTTPException, NotFound
from werkzeug.routing import BuildError, Map, Rule

from hipflask import Blueprint, Flask, Response, redirect, render_template_string, request, url_for
from hipflask.assembly import App
from hipflask.config import Config
from hipflask.environment import Environment
from hipflask.scaffold import SetupError


@pytest.fixture
def app():
    return Flask(__name__)


# --- construction ---------------------------------------------------------------------------


def test_relative_instance_path_is_refused_with_the_way_out():
    with pytest.raises(ValueError) as caught:
        Flask(__name__, instance_path="instance")
    assert str(caught.value) == (
        "instance_path='instance' must be absolute: nothing says what a relative one would be"
        " relative to. Use os.path.abspath or pathlib.Path.absolute."
    )


def test_instance_path_is_as_given_or_found(tmp_path):
    assert Flask(__name__, instance_path=str(tmp_path)).instance_path == str(tmp_path)
    found = Flask(__name__).instance_path
    assert os.path.isabs(found) and found.endswith("instance")


def test_configuration_files_are_relative_to_the_root_or_the_instance(tmp_path):
    options = {"root_path": str(tmp_path / "root"), "instance_path": str(tmp_path / "instance")}
    for relative, folder in ((False, "root"), (True, "instance")):
        app = Flask(__name__, instance_relative_config=relative, **options)
        assert app.config.root_path == str(tmp_path / folder)


@pytest.mark.parametrize("host, matching", [("a.test", False), (None, True)])
def test_static_host_and_host_matching_go_together(host, matching):
    with pytest.raises(SetupError) as caught:
        Flask(__name__, static_host=host, host_matching=matching)
    assert str(caught.value) == (
        "static_host and host_matching go together: with host matching each rule needs a host,"
        f" without it a host means nothing (static_host={host!r}, host_matching={matching!r})."
    )
    Flask(__name__, static_host=host, host_matching=matching, static_folder=None)


def test_static_rule_stands_where_the_folder_or_the_url_says(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    for options, path in (
        ({"static_folder": str(tmp_path)}, f"/{tmp_path.name}/a.txt"),
        ({"static_folder": str(tmp_path), "static_url_path": "/files/"}, "/files/a.txt"),
        ({"static_folder": str(tmp_path), "static_url_path": ""}, "/a.txt"),
    ):
        with Flask(__name__, **options).test_client().get(path) as response:
            assert response.text == "a"
    bare = Flask(__name__, static_folder=None)
    assert list(bare.url_map.iter_rules()) == []


def test_static_files_of_a_host(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    app = Flask(
        __name__, static_folder=str(tmp_path), static_url_path="/s", static_host="files.test",
        host_matching=True,
    )  # fmt: skip
    client = app.test_client()
    with client.get("/s/a.txt", base_url="http://files.test") as response:
        assert response.text == "a"
    assert client.get("/s/a.txt", base_url="http://other.test").status_code == 404


def test_app_alone_serves_nothing_and_makes_no_environment():
    class Bare(App):
        default_config = {"DEBUG": None, "PROVIDE_AUTOMATIC_OPTIONS": True}
        response_class = Response

    bare = Bare("bare")
    for call in (lambda: bare.send_static_file("x"), bare.create_jinja_environment):
        with pytest.raises(NotImplementedError):
            call()


def test_classes_of_the_parts_may_be_replaced():
    class OwnMap(Map):
        pass

    class OwnRule(Rule):
        pass

    class OwnConfig(Config):
        pass

    class OwnAborter(Aborter):
        pass

    class Own(Flask):
        url_map_class = OwnMap
        url_rule_class = OwnRule
        config_class = OwnConfig
        aborter_class = OwnAborter

    app = Own(__name__)
    assert type(app.url_map) is OwnMap
    assert type(app.config) is OwnConfig
    assert type(app.aborter) is OwnAborter
    assert {type(rule) for rule in app.url_map.iter_rules()} == {OwnRule}
    app.add_url_rule("/<x>", "x", lambda x: x)
    assert app.test_client().get("/y").text == "y"


def test_environment_class_is_imported_when_asked_for(app):
    assert Flask.jinja_environment is Environment
    assert type(app.jinja_env) is Environment

    class Own(Flask):
        class jinja_environment(Environment):
            pass

    assert type(Own(__name__).jinja_env) is Own.jinja_environment


# --- names and settings ---------------------------------------------------------------------


def test_name_is_the_import_name_or_that_of_the_script(monkeypatch):
    assert Flask("shop.web").name == "shop.web"
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert Flask("__main__", root_path="/srv").name == "__main__"
    main.__file__ = "/srv/serve.py"
    assert Flask("__main__", root_path="/srv").name == "serve"


def test_settings_can_be_read_and_set_as_attributes(app):
    assert (app.testing, app.debug, app.secret_key) == (False, False, None)
    app.testing, app.secret_key = True, "x"
    assert (app.config["TESTING"], app.config["SECRET_KEY"]) == (True, "x")
    assert app.permanent_session_lifetime == timedelta(days=31)
    app.permanent_session_lifetime = 60
    assert app.permanent_session_lifetime == timedelta(minutes=1)
    app.permanent_session_lifetime = None
    assert app.permanent_session_lifetime is None


@pytest.mark.parametrize("setting, reloads", [(None, True), (False, False)])
def test_debug_mode_set_later_reaches_the_templates(app, setting, reloads):
    app.config["TEMPLATES_AUTO_RELOAD"] = setting
    app.debug = False
    assert app.jinja_env.auto_reload is False
    app.debug = True
    assert (app.debug, app.jinja_env.auto_reload) == (True, reloads)


def test_logger_is_made_once(app):
    assert app.logger is app.logger
    assert app.logger.name == __name__


def test_templates_of_files_are_escaped_by_their_kind(app):
    assert app.select_jinja_autoescape(None) is True
    assert app.select_jinja_autoescape("a.html") is True
    assert app.select_jinja_autoescape("a.txt") is False
    assert type(app.create_global_jinja_loader()).__name__ == "DispatchingJinjaLoader"


# --- rules ----------------------------------------------------------------------------------


def methods_of(app, endpoint):
    [rule] = [rule for rule in app.url_map.iter_rules() if rule.endpoint == endpoint]
    return rule.methods


def test_methods_are_the_arguments_the_views_or_get(app):
    def view():
        return "x"

    def own():
        return "x"

    own.methods = ["delete"]
    own.required_methods = ["lock"]
    app.add_url_rule("/1", "default", view)
    app.add_url_rule("/2", "given", view, methods=["post"])
    app.add_url_rule("/3", "own", own)
    app.add_url_rule("/4", "given over own", own, methods=("PUT",))
    app.add_url_rule("/5", "none")
    assert methods_of(app, "default") == {"GET", "HEAD", "OPTIONS"}
    assert methods_of(app, "given") == {"POST", "OPTIONS"}
    assert methods_of(app, "own") == {"DELETE", "LOCK", "OPTIONS"}
    assert methods_of(app, "given over own") == {"PUT", "LOCK", "OPTIONS"}
    assert methods_of(app, "none") == {"GET", "HEAD", "OPTIONS"}


def test_methods_given_as_a_text_are_refused(app):
    with pytest.raises(TypeError) as caught:
        app.add_url_rule("/", "x", len, methods="GET")
    assert str(caught.value) == (
        "methods='GET' is a text, and each of its letters would count as a method. Write"
        " methods=['GET']."
    )


@pytest.mark.parametrize(
    "given, own, config, methods, automatic",
    [
        (None, None, True, ["GET"], True),
        (None, None, False, ["GET"], False),
        (None, None, True, ["GET", "OPTIONS"], False),
        (False, True, True, ["GET"], False),
        (None, False, True, ["GET"], False),
        (None, True, False, ["OPTIONS"], True),
        (True, None, False, ["OPTIONS"], True),
    ],
)
def test_options_are_answered_as_argument_view_or_configuration_says(
    app, given, own, config, methods, automatic
):
    def view():
        return "by the view"

    if own is not None:
        view.provide_automatic_options = own
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = config
    app.add_url_rule("/", "view", view, provide_automatic_options=given, methods=methods)
    response = app.test_client().options("/")
    assert (response.status_code == 200 and response.text == "") is automatic


def test_endpoint_with_another_view_is_refused_with_both_places(app):
    def one():
        return "1"

    class Two:
        def __repr__(self):
            return "<two>"

        def __call__(self):
            return "2"

    app.add_url_rule("/1", "same", one)
    app.add_url_rule("/2", "same", one)
    with pytest.raises(SetupError) as caught:
        app.add_url_rule("/3", "same", Two())
    line = one.__code__.co_firstlineno
    assert str(caught.value) == (
        "The rule '/3' is overwriting an existing endpoint function: 'same' leads to"
        f" one ({__file__}:{line}), and would lead to <two>. Name one of them with endpoint=...,"
        " or use functools.wraps in the decorator around the view."
    )
    assert len([rule for rule in app.url_map.iter_rules() if rule.endpoint == "same"]) == 2


def test_methods_of_equal_bound_views_are_one_view(app):
    class Views:
        def view(self):
            return "x"

    views = Views()
    app.add_url_rule("/1", "view", views.view)
    app.add_url_rule("/2", "view", views.view)


def test_set_up_after_the_first_request_is_refused_with_the_reason(app):
    app.test_client().get("/")
    for name, call in (
        ("add_url_rule", lambda: app.add_url_rule("/", "x", len)),
        ("register_blueprint", lambda: app.register_blueprint(Blueprint("x", __name__))),
        ("teardown_appcontext", lambda: app.teardown_appcontext(len)),
        ("template_filter", lambda: app.template_filter()),
        ("get", lambda: app.get("/")),
    ):
        with pytest.raises(SetupError) as caught:
            call()
        assert str(caught.value) == (
            f"The setup method '{name}' comes too late: the application has answered its first"
            " request, and what is registered now would hold for some requests only. Import,"
            " decorate and register everything before it serves."
        )


# --- parts ----------------------------------------------------------------------------------


def test_blueprints_are_kept_in_order(app):
    one, two = Blueprint("one", __name__), Blueprint("two", __name__)
    app.register_blueprint(one)
    app.register_blueprint(two)
    assert list(app.iter_blueprints()) == [one, two]


def test_template_helpers_are_registered_under_a_name_or_their_own(app):
    @app.template_filter()
    def shout(text):
        return text.upper()

    @app.template_test("loud")
    def is_loud(text):
        return text.isupper()

    @app.template_global()
    def greeting():
        return "hi"

    app.add_template_filter(len, "size")
    app.add_template_test(str.islower)
    app.add_template_global(max, name="largest")
    with app.test_request_context():
        text = "{{ greeting()|shout }} {{ 'A' is loud }} {{ 'a' is islower }} {{ 'ab'|size }}"
        assert render_template_string(text) == "HI True True 2"
        assert render_template_string("{{ largest(1, 2) }}") == "2"
    assert (shout("a"), is_loud("a"), greeting()) == ("A", False, "hi")


def test_shell_and_teardown_functions_are_given_back(app):
    def function(*args):
        return {}

    assert app.teardown_appcontext(function) is function
    assert app.shell_context_processor(function) is function
    assert app.teardown_appcontext_funcs == app.shell_context_processors == [function]


# --- errors ---------------------------------------------------------------------------------


class Trouble(Exception):
    pass


class WorseTrouble(Trouble):
    pass


def find(app, error, *blueprints):
    handler = app._find_error_handler(error, blueprints)
    return handler and handler(None)


def test_handlers_are_found_by_code_then_class_inmost_blueprint_first(app):
    assert find(app, Trouble()) is None
    spec = app.error_handler_spec
    spec[None][None][Exception] = lambda error: "app exception"
    assert find(app, NotFound(), "a.b", "a") == "app exception"
    spec["a"][None][HTTPException] = lambda error: "a http"
    assert find(app, NotFound(), "a.b", "a") == "a http"
    spec[None][404][NotFound] = lambda error: "app 404"
    assert find(app, NotFound(), "a.b", "a") == "app 404"
    spec["a"][404][NotFound] = lambda error: "a 404"
    assert find(app, NotFound(), "a.b", "a") == "a 404"
    assert find(app, NotFound(), "x") == "app 404"
    assert find(app, Trouble(), "a.b", "a") == "app exception"
    spec[None][None][Trouble] = lambda error: "app trouble"
    assert find(app, WorseTrouble(), "a.b", "a") == "app trouble"
    assert set(app.error_handler_spec) == {None, "a"}  # looking makes no entries


def test_handler_of_another_class_with_the_same_code_is_not_taken(app):
    class Own(NotFound):
        pass

    app.error_handler_spec[None][404][Own] = lambda error: "own"
    assert find(app, NotFound()) is None
    assert find(app, Own()) == "own"


@pytest.mark.parametrize(
    "config, error, traps",
    [
        ({}, NotFound(), False),
        ({}, BadRequestKeyError(), False),
        ({"DEBUG": True}, BadRequestKeyError(), True),
        ({"DEBUG": True}, BadRequest(), False),
        ({"DEBUG": True, "TRAP_BAD_REQUEST_ERRORS": False}, BadRequestKeyError(), False),
        ({"TRAP_BAD_REQUEST_ERRORS": True}, BadRequest(), True),
        ({"TRAP_BAD_REQUEST_ERRORS": True}, NotFound(), False),
        ({"TRAP_HTTP_EXCEPTIONS": True}, NotFound(), True),
    ],
)
def test_http_exceptions_are_trapped_as_configured(app, config, error, traps):
    app.config.update(config)
    assert app.trap_http_exception(error) is traps


def test_no_error_is_ignored_by_default(app):
    assert app.should_ignore_error(Trouble()) is False
    assert app.should_ignore_error(None) is False


# --- URLs -----------------------------------------------------------------------------------


def test_redirect_is_of_the_applications_response_class(app):
    class Own(Response):
        pass

    app.response_class = Own
    response = app.redirect("/there", 307)
    assert type(response) is Own
    assert (response.status_code, response.headers["Location"]) == (307, "/there")
    with app.app_context():
        assert type(redirect("/there")) is Own


def test_url_defaults_come_from_the_application_then_inwards(app):
    seen = []
    for scope in ("a.b", "a", None, "other"):
        app.url_default_functions[scope].append(
            lambda endpoint, values, scope=scope: seen.append(scope)
        )
    app.inject_url_defaults("a.b.view", {})
    app.inject_url_defaults("view", {})
    assert seen == [None, "a", "a.b", None]


def test_url_that_cannot_be_built_is_asked_of_the_handlers_in_turn(app):
    log = []

    def decline(error, endpoint, values):
        log.append((type(error), endpoint, values["x"]))

    def replace(error, endpoint, values):
        raise BuildError("other", {}, "GET")

    def answer(error, endpoint, values):
        log.append(error.endpoint)
        return "/answered"

    with app.test_request_context():
        app.url_build_error_handlers[:] = [decline, replace, answer]
        assert url_for("none", x=1) == "/answered"
        assert log == [(BuildError, "none", 1), "other"]
        app.url_build_error_handlers[:] = [decline]
        with pytest.raises(BuildError, match="none"):
            url_for("none", x=1)
        app.url_build_error_handlers[:] = [replace]
        with pytest.raises(BuildError, match="other"):
            url_for("none", x=1)


def test_json_provider_and_its_class_belong_to_the_application(app):
    assert type(app.json) is app.json_provider_class
    app.add_url_rule("/", "view", lambda: request.json, methods=["POST"])
    assert app.test_client().post("/", json={"a": [1]}).json == {"a": [1]}
