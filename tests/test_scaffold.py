import os
import re

import pytest
from werkzeug.exceptions import Forbidden, HTTPException, NotFound

from hipflask import Blueprint, Flask
from hipflask.scaffold import Scaffold, SetupError, _endpoint_from_view_func, setupmethod


@pytest.fixture(params=["app", "blueprint"])
def scaffold(request):
    """An application, and a blueprint: both are scaffolds."""
    if request.param == "app":
        return Flask(__name__, root_path="/srv/shop")
    return Blueprint("shop", __name__, root_path="/srv/shop")


def client_of(scaffold):
    if isinstance(scaffold, Flask):
        return scaffold.test_client()
    app = Flask(__name__)
    app.register_blueprint(scaffold)
    return app.test_client()


# --- folders --------------------------------------------------------------------------------


def test_folders_are_relative_to_the_root_path(scaffold):
    for folder in ("assets", "assets/", os.path.join("assets", "")):
        scaffold.static_folder = folder
        assert scaffold.static_folder == os.path.join("/srv/shop", "assets")
        assert scaffold.has_static_folder
        assert scaffold.static_url_path.endswith("assets")


def test_absolute_folder_stays_where_it_is(scaffold, tmp_path):
    scaffold.static_folder = tmp_path
    assert scaffold.static_folder == str(tmp_path)


def test_scaffold_without_a_static_folder_has_no_url_for_it():
    blueprint = Blueprint("shop", __name__)
    assert blueprint.static_folder is None
    assert blueprint.static_url_path is None
    assert not blueprint.has_static_folder
    blueprint.static_url_path = "/own/"
    assert blueprint.static_url_path == "/own"
    blueprint.static_url_path = None
    assert blueprint.static_url_path is None
    blueprint.static_folder = "assets"
    blueprint.static_folder = None
    assert blueprint.static_folder is None


def test_root_path_is_found_from_the_import_name():
    assert Blueprint("shop", __name__).root_path == os.path.dirname(os.path.abspath(__file__))


def test_template_loader_looks_in_the_template_folder(tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a.html").write_text("a")
    blueprint = Blueprint("shop", __name__, template_folder="pages", root_path=str(tmp_path))
    assert blueprint.jinja_loader.list_templates() == ["a.html"]
    assert blueprint.jinja_loader is blueprint.jinja_loader
    assert Blueprint("shop", __name__).jinja_loader is None


# --- routes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch"])
def test_shortcut_registers_for_its_method_alone(scaffold, method):
    @getattr(scaffold, method)("/x", defaults={"a": method})
    def view(a):
        return a

    assert view.__name__ == "view"
    client = client_of(scaffold)
    for other in ("get", "post", "put", "delete", "patch"):
        response = getattr(client, other)("/x")
        assert response.status_code == (200 if other == method else 405)
        assert other != method or response.text == method


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch"])
def test_shortcut_with_methods_is_refused_with_the_way_out(scaffold, method):
    with pytest.raises(TypeError) as caught:
        getattr(scaffold, method)("/x", methods=["GET"])
    assert str(caught.value) == (
        f"{method}() registers for {method.upper()} alone, yet was given methods=['GET']. Use"
        " route() to name several."
    )


def test_route_takes_an_endpoint_and_methods(scaffold):
    @scaffold.route("/x", endpoint="named", methods=["POST"])
    def view():
        return "x"

    assert view() == "x"
    client = client_of(scaffold)
    assert client.post("/x").text == "x"
    assert client.get("/x").status_code == 405
    prefix = "" if isinstance(scaffold, Flask) else "shop."
    assert f"{prefix}named" in client.application.view_functions


def test_endpoint_names_the_view_of_a_rule_added_without_one(scaffold):
    scaffold.add_url_rule("/x", endpoint="later")
    name = "later" if isinstance(scaffold, Flask) else "shop.later"

    @scaffold.endpoint(name)
    def view():
        return "later"

    assert view() == "later"
    assert client_of(scaffold).get("/x").text == "later"


def test_rule_without_endpoint_and_view_is_refused():
    app = Flask(__name__)
    with pytest.raises(SetupError) as caught:
        app.add_url_rule("/x")
    assert str(caught.value) == (
        "A rule without an endpoint needs a view function to be named after."
    )
    assert _endpoint_from_view_func(len) == "len"


# --- hooks ----------------------------------------------------------------------------------


def test_hooks_are_kept_in_the_order_of_registration_and_given_back(scaffold):
    def one(*args):
        pass

    def two(*args):
        pass

    for register, kept in (
        ("before_request", "before_request_funcs"),
        ("after_request", "after_request_funcs"),
        ("teardown_request", "teardown_request_funcs"),
        ("context_processor", "template_context_processors"),
        ("url_value_preprocessor", "url_value_preprocessors"),
        ("url_defaults", "url_default_functions"),
    ):
        for hook in (one, two):
            assert getattr(scaffold, register)(hook) is hook
        assert getattr(scaffold, kept)[None][-2:] == [one, two]


# --- error handlers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, code, exception",
    [
        (404, 404, NotFound),
        (NotFound, 404, NotFound),
        (HTTPException, None, HTTPException),
        (ValueError, None, ValueError),
        (type("Own", (Forbidden,), {"code": 499}), 499, None),
    ],
)
def test_handlers_are_kept_by_code_and_class(scaffold, given, code, exception):
    def handler(error):
        return "x"

    assert scaffold.errorhandler(given)(handler) is handler
    assert scaffold.error_handler_spec[None][code][exception or given] is handler
    scaffold.register_error_handler(given, len)
    assert scaffold.error_handler_spec[None][code][exception or given] is len


REFUSED_HANDLERS = [
    (
        799,
        ValueError,
        "799 is no status code with an exception of its own. Use a subclass of HTTPException with"
        " that code.",
    ),
    (
        NotFound(),
        TypeError,
        "<NotFound '404: Not Found'> is an instance, not a class. A handler is registered for an"
        " exception class or a status code.",
    ),
    (int, ValueError, "'int' is not a subclass of Exception."),
    (KeyboardInterrupt, ValueError, "'KeyboardInterrupt' is not a subclass of Exception."),
    ("404", ValueError, "''404'' is not a subclass of Exception."),
]


@pytest.mark.parametrize("given, error, text", REFUSED_HANDLERS)
def test_handler_for_what_cannot_be_raised_is_refused(scaffold, given, error, text):
    with pytest.raises(error) as caught:
        scaffold.register_error_handler(given, len)
    assert str(caught.value) == text
    with pytest.raises(error):
        scaffold.errorhandler(given)(len)


# --- set-up ---------------------------------------------------------------------------------


def test_scaffold_itself_is_no_application():
    bare = Scaffold(__name__)
    with pytest.raises(NotImplementedError):
        bare.add_url_rule("/")
    bare.name = "bare"
    assert repr(bare) == "<Scaffold 'bare'>"


def test_setup_method_keeps_name_and_docstring():
    assert Scaffold.get.__name__ == "get"
    assert Scaffold.get.__doc__.startswith("Decorate a view for GET")
    assert issubclass(SetupError, AssertionError)


def test_own_setup_method_is_refused_once_requests_are_handled():
    class Own(Flask):
        @setupmethod
        def add_page(self, name):
            "Add a page."
            return name

    app = Own(__name__)
    assert app.add_page("x") == "x"
    app.test_client().get("/")
    with pytest.raises(SetupError, match=re.escape("The setup method 'add_page' comes too late")):
        app.add_page("x")


def test_subclass_may_set_attributes_before_our_constructor_runs():
    class Own(Flask):
        def __init__(self):
            self.response_class = self.response_class
            self.early = True
            super().__init__(__name__)
            del self.early, self.response_class

    app = Own()
    assert not hasattr(app, "early")
    app.add_url_rule("/", "view", lambda: "x")
    assert app.test_client().get("/").text == "x"


def test_scaffold_prints_its_class_and_name(scaffold):
    assert repr(scaffold) in (f"<Flask {__name__!r}>", "<Blueprint 'shop'>")
