import pytest

from hipflask import Blueprint, Flask, Response, render_template_string, request, url_for
from hipflask.blueprints import BlueprintSetupState, _join_prefixes
from hipflask.scaffold import SetupError


@pytest.fixture
def app():
    return Flask(__name__)


@pytest.fixture
def blueprint():
    return Blueprint("shop", __name__)


def rules_of(app):
    return {
        rule.endpoint: rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"
    }


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, text",
    [
        ("", "A blueprint needs a name; it was given an empty one."),
        ("a.b", "The blueprint name 'a.b' contains a dot, which separates nested names."),
    ],
)
def test_blueprint_name_that_cannot_be_used_is_refused(name, text):
    with pytest.raises(ValueError) as caught:
        Blueprint(name, __name__)
    assert str(caught.value) == text


def test_dots_in_endpoints_and_view_names_are_refused(blueprint):
    def view():
        pass

    with pytest.raises(ValueError) as caught:
        blueprint.add_url_rule("/", "a.b", view)
    assert str(caught.value) == "The endpoint 'a.b' contains a dot; blueprints add their own."
    view.__name__ = "c.d"
    with pytest.raises(ValueError) as caught:
        blueprint.add_url_rule("/", view_func=view)
    assert str(caught.value) == "The view function name 'c.d' contains a dot; name an endpoint."


def test_name_can_be_registered_once(app, blueprint):
    app.register_blueprint(blueprint)
    for other, which in (
        (blueprint, "this very blueprint"),
        (Blueprint("shop", "x"), "another blueprint"),
    ):
        with pytest.raises(ValueError) as caught:
            app.register_blueprint(other)
        assert str(caught.value) == (
            f"The name 'shop' is already registered for {which}. Give one of the registrations a"
            " name of its own: register_blueprint(..., name=...)."
        )


def test_blueprint_cannot_be_registered_on_itself(blueprint):
    with pytest.raises(ValueError) as caught:
        blueprint.register_blueprint(blueprint)
    assert str(caught.value) == "The blueprint 'shop' cannot be registered on itself."


def test_registered_blueprint_takes_no_more_set_up(app, blueprint):
    app.register_blueprint(blueprint)
    for call in (
        lambda: blueprint.add_url_rule("/", "x", len),
        lambda: blueprint.before_request(len),
        lambda: blueprint.record(len),
        lambda: blueprint.register_blueprint(Blueprint("inner", __name__)),
    ):
        with pytest.raises(SetupError) as caught:
            call()
        name = str(caught.value).split("'")[1]
        assert str(caught.value) == (
            f"The setup method '{name}' comes too late: the blueprint 'shop' was registered"
            " before, and the change would not reach that registration. Do all of a blueprint's"
            " set-up first."
        )


# --- rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outer, inner, joined",
    [
        (None, None, None), ("/a", None, "/a"), (None, "/b", "/b"), ("/a", "/b", "/a/b"),
        ("/a/", "/b", "/a/b"), ("/a/", "b", "/a/b"), ("/a", "", "/a/"), ("", "/b", "/b"),
    ],
)  # fmt: skip
def test_prefixes_are_joined_by_one_slash(outer, inner, joined):
    assert _join_prefixes(outer, inner) == joined


@pytest.mark.parametrize(
    "prefix, rule, expected",
    [
        (None, "/x", "/x"), ("/shop", "/x", "/shop/x"), ("/shop/", "/x", "/shop/x"),
        ("/shop", "", "/shop"), ("/shop", "/", "/shop/"), ("/", "/x", "/x"), ("", "/x", "/x"),
    ],
)  # fmt: skip
def test_rule_gets_the_prefix_of_its_registration(app, prefix, rule, expected):
    own = Blueprint("own", __name__, url_prefix=prefix)
    own.add_url_rule(rule, "view", lambda: "x")
    app.register_blueprint(own)
    given = Blueprint("given", __name__, url_prefix="/never")
    given.add_url_rule(rule, "view", lambda: "x")
    if prefix is not None:
        app.register_blueprint(given, url_prefix=prefix)
        assert rules_of(app)["given.view"] == expected
    assert rules_of(app)["own.view"] == expected


def test_endpoint_is_the_views_name_below_the_blueprints(app, blueprint):
    @blueprint.get("/x")
    def page():
        return f"{request.endpoint} {request.blueprint} {url_for('.page')}"

    app.register_blueprint(blueprint, url_prefix="/p")
    assert app.test_client().get("/p/x").text == "shop.page shop /p/x"


def test_rule_without_endpoint_and_view_is_refused_at_registration(app, blueprint):
    blueprint.add_url_rule("/x")
    with pytest.raises(SetupError, match="A rule without an endpoint needs a view"):
        app.register_blueprint(blueprint)


def test_defaults_come_from_blueprint_registration_and_rule(app):
    blueprint = Blueprint("shop", __name__, url_defaults={"a": 1, "b": 1, "c": 1})
    blueprint.add_url_rule("/x", "view", lambda a, b, c: f"{a}{b}{c}", defaults={"c": 3})
    app.register_blueprint(blueprint, url_defaults={"b": 2})
    assert app.test_client().get("/x").text == "123"


def test_automatic_options_can_be_switched_off_for_a_rule(app, blueprint):
    blueprint.add_url_rule("/x", "view", lambda: "x", provide_automatic_options=False)
    app.register_blueprint(blueprint)
    assert app.test_client().options("/x").status_code == 405


def test_subdomain_is_the_blueprints_or_the_registrations():
    app = Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "test"
    blueprint = Blueprint("shop", __name__, subdomain="shop")
    blueprint.add_url_rule("/", "view", lambda: request.host)
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="other", subdomain="other")
    client = app.test_client()
    assert client.get("/", subdomain="shop").text == "shop.test"
    assert client.get("/", subdomain="other").text == "other.test"
    assert client.get("/").status_code == 404


def test_blueprint_may_be_registered_twice_under_two_names(app, blueprint):
    once = []
    blueprint.add_url_rule("/x", "view", lambda: request.endpoint)
    blueprint.record_once(lambda state: once.append(state.name))
    app.register_blueprint(blueprint, url_prefix="/1")
    app.register_blueprint(blueprint, url_prefix="/2", name="second")
    client = app.test_client()
    assert [client.get(path).text for path in ("/1/x", "/2/x")] == ["shop.view", "second.view"]
    assert once == ["shop"]
    assert list(app.blueprints) == ["shop", "second"]


# --- states ---------------------------------------------------------------------------------


def test_recorded_functions_get_the_state_of_each_registration(app, blueprint):
    states = []
    blueprint.record(states.append)
    app.register_blueprint(blueprint, url_prefix="/p", own_option=1)
    app.register_blueprint(blueprint, name="second")
    first, second = states
    assert type(first) is BlueprintSetupState
    assert (first.app, first.blueprint) == (app, blueprint)
    assert (first.url_prefix, first.options["own_option"]) == ("/p", 1)
    assert (first.first_registration, second.first_registration) == (True, False)
    assert (first.name, first.name_prefix, second.name) == ("shop", "", "second")


def test_state_of_an_own_class_may_be_made(app):
    class State(BlueprintSetupState):
        def add_url_rule(self, rule, endpoint=None, view_func=None, **options):
            super().add_url_rule(f"/own{rule}", endpoint, view_func, **options)

    class Own(Blueprint):
        def make_setup_state(self, app, options, first_registration=False):
            return State(self, app, options, first_registration)

    blueprint = Own("own", __name__)
    blueprint.add_url_rule("/x", "view", lambda: "x")
    app.register_blueprint(blueprint)
    assert rules_of(app) == {"own.view": "/own/x"}


def test_default_state_is_made_for_anything(blueprint, app):
    assert blueprint.make_setup_state(app, {}).first_registration is False


# --- nesting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outer, inner, given, expected",
    [
        ("/o", "/i", None, "/o/i/x"), ("/o", None, None, "/o/x"), (None, "/i", None, "/i/x"),
        (None, None, None, "/x"), ("/o", "/i", "/g", "/o/g/x"), (None, None, "/g", "/g/x"),
        ("/o/", "/i/", None, "/o/i/x"),
    ],
)  # fmt: skip
def test_nested_prefixes_are_joined(app, outer, inner, given, expected):
    child = Blueprint("child", __name__, url_prefix=inner)
    child.add_url_rule("/x", "view", lambda: "x")
    parent = Blueprint("parent", __name__, url_prefix=outer)
    parent.register_blueprint(child, **({} if given is None else {"url_prefix": given}))
    app.register_blueprint(parent)
    assert rules_of(app) == {"parent.child.view": expected}
    assert list(app.blueprints) == ["parent", "parent.child"]


@pytest.mark.parametrize(
    "outer, inner, given, expected",
    [
        ("o", "i", None, "i.o"), ("o", None, None, "o"), (None, "i", None, "i"),
        (None, None, None, ""), ("o", "i", "g", "g.o"),
    ],
)  # fmt: skip
def test_nested_subdomains_are_joined(outer, inner, given, expected):
    app = Flask(__name__, subdomain_matching=True)
    child = Blueprint("child", __name__, subdomain=inner)
    child.add_url_rule("/x", "view", lambda: "x")
    parent = Blueprint("parent", __name__, subdomain=outer)
    parent.register_blueprint(child, **({} if given is None else {"subdomain": given}))
    app.register_blueprint(parent)
    [rule] = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    assert rule.subdomain == expected


def test_nested_registration_may_have_a_name_of_its_own(app):
    child = Blueprint("child", __name__)
    child.add_url_rule("/x", "view", lambda: request.endpoint)
    parent = Blueprint("parent", __name__)
    parent.register_blueprint(child, name="one", url_prefix="/1")
    parent.register_blueprint(child, name="two", url_prefix="/2")
    app.register_blueprint(parent)
    client = app.test_client()
    assert client.get("/1/x").text == "parent.one.view"
    assert client.get("/2/x").text == "parent.two.view"


# --- hooks ----------------------------------------------------------------------------------


def test_hooks_of_a_blueprint_hold_for_its_own_requests(app, blueprint):
    log = []
    blueprint.add_url_rule("/in", "view", lambda: "in")
    app.add_url_rule("/out", "out", lambda: "out")
    blueprint.before_request(lambda: log.append("before"))
    blueprint.after_request(lambda response: log.append("after") or response)
    blueprint.teardown_request(lambda error: log.append("teardown"))
    blueprint.url_value_preprocessor(lambda endpoint, values: log.append("values"))
    app.register_blueprint(blueprint)
    client = app.test_client()
    client.get("/out")
    assert log == []
    client.get("/in")
    assert log == ["values", "before", "after", "teardown"]


def test_hooks_put_into_a_blueprints_own_dictionaries_go_below_its_name(app, blueprint):
    blueprint.before_request_funcs["inner"].append(len)
    blueprint.before_request_funcs["empty"].clear()
    blueprint.error_handler_spec["inner"][404][Exception] = len
    blueprint.view_functions["anything"] = len
    app.register_blueprint(blueprint)
    assert app.before_request_funcs["shop.inner"] == [len]
    assert "shop.empty" not in app.before_request_funcs
    assert app.error_handler_spec["shop.inner"][404] == {Exception: len}
    assert app.view_functions["anything"] is len


def test_application_wide_hooks_hold_for_every_request(app, blueprint):
    log = []
    app.add_url_rule("/", "out", lambda: url_for("out"))
    blueprint.before_app_request(lambda: log.append("before"))
    blueprint.after_app_request(lambda response: log.append("after") or response)
    blueprint.teardown_app_request(lambda error: log.append("teardown"))
    blueprint.app_url_value_preprocessor(lambda endpoint, values: log.append("values"))
    blueprint.app_url_defaults(lambda endpoint, values: values.setdefault("x", "1"))
    blueprint.app_errorhandler(404)(lambda error: ("own 404", 404))
    blueprint.app_context_processor(lambda: {"name": "ada"})
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="second")  # once is enough
    client = app.test_client()
    assert client.get("/").text == "/?x=1"
    assert log == ["values", "before", "after", "teardown"]
    assert client.get("/none").text == "own 404"
    with app.test_request_context():
        assert render_template_string("{{ name }}") == "ada"


def test_template_helpers_are_the_whole_applications(app, blueprint):
    @blueprint.app_template_filter()
    def shout(text):
        return text.upper()

    @blueprint.app_template_test("loud")
    def is_loud(text):
        return text.isupper()

    @blueprint.app_template_global()
    def greeting():
        return "hi"

    blueprint.add_app_template_filter(len, "size")
    blueprint.add_app_template_test(str.islower, "quiet")
    blueprint.add_app_template_global(max)
    app.register_blueprint(blueprint)
    with app.test_request_context():
        text = "{{ greeting()|shout }} {{ 'A' is loud }} {{ 'a' is quiet }} {{ 'abc'|size }}"
        assert render_template_string(text) == "HI True True 3"
        assert render_template_string("{{ max(1, 2) }}") == "2"
    assert (shout("a"), is_loud("a"), greeting()) == ("A", False, "hi")


# --- files, commands ------------------------------------------------------------------------


def test_static_files_resources_and_their_age(app, tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a.txt").write_text("a")
    blueprint = Blueprint(
        "shop", __name__, static_folder="assets", url_prefix="/shop", root_path=str(tmp_path)
    )
    app.register_blueprint(blueprint)
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 60
    with app.test_client().get("/shop/assets/a.txt") as response:
        assert response.text == "a"
        assert response.cache_control.max_age == 60
    with app.test_request_context():
        assert url_for("shop.static", filename="a.txt") == "/shop/assets/a.txt"
        assert blueprint.get_send_file_max_age("a.txt") == 60
    with blueprint.open_resource("assets/a.txt", "r") as file:
        assert file.read() == "a"


@pytest.mark.parametrize(
    "given, registered, expected",
    [
        ({}, {}, ["shop"]),
        ({"cli_group": "own"}, {}, ["own"]),
        ({"cli_group": None}, {}, ["sell"]),
        ({"cli_group": "own"}, {"cli_group": "registered"}, ["registered"]),
        ({}, {"cli_group": None}, ["sell"]),
        ({}, {"name": "second"}, ["second"]),
    ],
)
def test_commands_go_into_the_blueprints_group(app, given, registered, expected):
    blueprint = Blueprint("shop", __name__, **given)

    @blueprint.cli.command("sell")
    def sell():
        print("sold")

    app.register_blueprint(blueprint, **registered)
    assert list(app.cli.commands) == expected
    arguments = expected if expected == ["sell"] else [*expected, "sell"]
    assert app.test_cli_runner().invoke(args=arguments).output == "sold\n"


def test_blueprint_without_commands_adds_no_group(app, blueprint):
    assert blueprint.cli is blueprint.cli
    app.register_blueprint(blueprint)
    assert not app.cli.commands
    blueprint.cli = group = type(blueprint.cli)()
    assert blueprint.cli is group


def test_own_response_class_of_the_application_serves_blueprints(app, blueprint):
    class Own(Response):
        default_mimetype = "text/plain"

    app.response_class = Own
    blueprint.add_url_rule("/", "view", lambda: "x")
    app.register_blueprint(blueprint)
    assert app.test_client().get("/").mimetype == "text/plain"
