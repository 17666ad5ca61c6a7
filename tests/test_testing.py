import importlib.metadata
import subprocess
import sys

import pytest
from werkzeug.test import EnvironBuilder as WerkzeugBuilder

from hipflask import (
    Flask,
    current_app,
    g,
    has_app_context,
    has_request_context,
    jsonify,
    redirect,
    request,
    session,
    testing,
)
from hipflask.cli import ScriptInfo
from hipflask.globals import _cv_request
from hipflask.sessions import SessionInterface
from hipflask.testing import EnvironBuilder, FlaskClient, FlaskCliRunner


@pytest.fixture
def app():
    app = Flask("shop")
    app.secret_key = "for tests"
    app.testing = True

    @app.route("/", methods=["GET", "POST"])
    def index():
        session["seen"] = session.get("seen", 0) + 1
        return request.url

    @app.before_request
    def note_path():
        g.path = request.path

    @app.get("/who")
    def who():
        return f"{request.remote_addr} {request.user_agent.string}"

    @app.get("/there")
    def there():
        return redirect("/who")

    @app.post("/json")
    def echo():
        return jsonify(request.get_json())

    return app


@pytest.fixture
def client(app):
    return app.test_client()


# --- EnvironBuilder ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "config", "url"),
    [
        ({}, {}, "http://localhost/"),
        ({"path": "/a?b=c"}, {}, "http://localhost/a?b=c"),
        ({"path": "https://other.test/a"}, {}, "https://other.test/a"),
        ({"path": "https://other.test/a", "url_scheme": "http"}, {}, "https://other.test/a"),
        ({"path": "//other.test/a"}, {}, "http://other.test/a"),
        ({"subdomain": "x", "url_scheme": "https"}, {}, "https://x.localhost/"),
        ({}, {"SERVER_NAME": "shop.test:81"}, "http://shop.test:81/"),
        ({"subdomain": "x"}, {"SERVER_NAME": "shop.test"}, "http://x.shop.test/"),
        ({"path": "/a"}, {"APPLICATION_ROOT": "/r"}, "http://localhost/r/a"),
        ({}, {"PREFERRED_URL_SCHEME": "https"}, "https://localhost/"),
        (
            {"path": "/a", "base_url": "https://b.test/c"},
            {"SERVER_NAME": "x"},
            "https://b.test/c/a",
        ),
    ],
)
def test_builder_takes_its_url_from_arguments_then_configuration(app, args, config, url):
    app.config.update(config)
    builder = EnvironBuilder(app, **args)
    assert builder.get_request().url == url
    builder.close()


@pytest.mark.parametrize("extra", [{"subdomain": "x"}, {"url_scheme": "https"}])
def test_builder_refuses_arguments_that_base_url_would_hide(app, extra):
    with pytest.raises(AssertionError, match="leave out 'subdomain' and 'url_scheme'"):
        EnvironBuilder(app, base_url="http://b.test", **extra)


def test_builder_writes_json_as_the_application_does(app):
    app.json.ensure_ascii = False
    builder = EnvironBuilder(app, json="é")
    assert builder.input_stream.read() == '"é"'.encode()


# --- requests ----------------------------------------------------------------------------


def test_client_sends_an_address_and_names_werkzeug(app, client):
    version = importlib.metadata.version("werkzeug")
    assert client.get("/who").text == f"127.0.0.1 Werkzeug/{version}"
    client.environ_base["REMOTE_ADDR"] = "10.0.0.1"
    assert client.get("/who", headers={"User-Agent": "x"}).text == "10.0.0.1 x"
    overridden = client.get("/who", environ_base={"REMOTE_ADDR": "10.0.0.2"})
    assert overridden.text.startswith("10.0.0.2 ")


@pytest.mark.parametrize(
    "make",
    [
        lambda app: EnvironBuilder(app, "/who"),
        lambda app: WerkzeugBuilder("/who"),
        lambda app: EnvironBuilder(app, "/who").get_environ(),
        lambda app: EnvironBuilder(app, "/who").get_request(),
    ],
    ids=["builder", "werkzeug", "environ", "request"],
)
def test_client_takes_a_whole_request_and_adds_its_environ(app, client, make):
    client.environ_base["REMOTE_ADDR"] = "10.0.0.1"
    assert client.open(make(app)).text.startswith("10.0.0.1 ")


def test_client_speaks_json_and_follows_redirects(client):
    assert client.post("/json", json={"a": [1]}).json == {"a": [1]}
    response = client.get("/there", follow_redirects=True)
    assert response.request.path == "/who"
    assert [step.status_code for step in response.history] == [302]


def test_response_reads_json_as_the_application_does(app, client):
    class Provider(app.json_provider_class):
        def loads(self, text, **options):
            return "own"

    app.json = Provider(app)
    assert client.post("/json", json=1).get_json() == "own"


# --- contexts ----------------------------------------------------------------------------


def test_context_is_gone_after_a_request_outside_a_with_block(client):
    client.get("/")
    assert not has_request_context() and not has_app_context()


def test_context_stays_until_the_next_request_or_the_end_of_the_block(app, client):
    with client:
        client.get("/?n=1")
        assert request.args["n"] == "1"
        g.kept = True
        client.get("/?n=2")
        assert request.args["n"] == "2"
        assert "kept" not in g
        assert session["seen"] == 2
    assert not has_request_context() and not has_app_context()


def test_context_of_the_last_redirect_is_the_current_one(client):
    with client:
        client.get("/there", follow_redirects=True)
        assert request.path == "/who"
        assert g.path == "/who"
    assert not has_app_context()


def test_context_that_was_current_before_the_block_is_current_after_it(app, client):
    with app.test_request_context("/before") as ctx:
        with client:
            client.get("/who")
            assert request.path == "/who"
        assert _cv_request.get() is ctx
        # A request shares the g of an application context that is current already.
        assert g.path == "/who"
    with app.app_context():
        with client:
            client.get("/there", follow_redirects=True)
            assert request.path == g.path == "/who"
        assert not has_request_context()
        assert g.path == "/who"
    assert not has_app_context()


def test_client_can_be_used_again_but_not_nested(client):
    with client:
        client.get("/")
        with pytest.raises(RuntimeError, match="Cannot nest client invocations"):
            client.__enter__()
    with client as same:
        assert same is client
        client.get("/")
        assert request.path == "/"


def test_block_that_raises_ends_the_context(client):
    with pytest.raises(ZeroDivisionError):
        with client:
            client.get("/")
            raise ZeroDivisionError
    assert not has_app_context()
    assert client.preserve_context is False


# --- sessions ----------------------------------------------------------------------------


def test_session_transaction_reads_and_writes_what_the_views_see(client):
    with client.session_transaction() as stored:
        assert not stored
        stored["seen"] = 41
    client.get("/")
    with client.session_transaction() as stored:
        assert stored["seen"] == 42


def test_session_transaction_leaves_contexts_as_they_were(client):
    with client.session_transaction():
        assert not has_request_context()
    assert not has_request_context()
    with client:
        client.get("/who")
        before = _cv_request.get()
        with client.session_transaction():
            assert _cv_request.get() is before
        assert _cv_request.get() is before


def test_session_transaction_saves_nothing_if_the_block_raises(client):
    with pytest.raises(ZeroDivisionError):
        with client.session_transaction() as stored:
            stored["seen"] = 41
            raise ZeroDivisionError
    with client.session_transaction() as stored:
        assert "seen" not in stored


def test_session_transaction_belongs_to_the_url_it_is_given(app, client):
    with client.session_transaction("/", base_url="https://other.test") as stored:
        stored["seen"] = 41
    with client.session_transaction() as stored:
        assert "seen" not in stored
    with client.session_transaction(base_url="https://other.test") as stored:
        assert stored["seen"] == 41


def test_session_transaction_without_cookies_key_or_session_is_refused(app):
    with pytest.raises(TypeError, match="Cookies are disabled"):
        with app.test_client(use_cookies=False).session_transaction():
            pass
    with pytest.raises(RuntimeError, match="did not open a session"):
        with Flask("keyless").test_client().session_transaction():
            pass


def test_session_transaction_does_not_save_a_null_session(app, client):
    class Null(SessionInterface):
        def open_session(self, app, request):
            return self.make_null_session(app)

        def save_session(self, app, session, response):
            if self.is_null_session(session):
                raise AssertionError("a null session was saved")

    app.session_interface = Null()
    with client.session_transaction() as stored:
        assert not stored


# --- the runner --------------------------------------------------------------------------


@pytest.fixture
def hello(app):
    import click

    @app.cli.command("hello")
    @click.option("--name", default="World")
    def hello(name):
        click.echo(f"Hello, {name} from {current_app.name}!")

    return hello


def test_runner_runs_a_command_by_name_or_object(app, hello):
    runner = app.test_cli_runner()
    assert isinstance(runner, FlaskCliRunner)
    assert runner.app is app
    assert runner.invoke(args=["hello"]).output == "Hello, World from shop!\n"
    assert runner.invoke(args="hello --name Ada").output == "Hello, Ada from shop!\n"
    assert runner.invoke(hello, ["--name", "Ada"]).output == "Hello, Ada from shop!\n"


def test_runner_takes_an_object_of_the_callers(app, hello):
    made = []

    def create_app():
        made.append(True)
        return app

    info = ScriptInfo(create_app=create_app)
    app.test_cli_runner().invoke(hello, obj=info)
    assert made == [True]


def test_runner_class_can_be_replaced(app):
    class Own(FlaskCliRunner):
        pass

    app.test_cli_runner_class = Own
    assert type(app.test_cli_runner()) is Own


def test_client_class_can_be_replaced_and_takes_further_arguments(app):
    class Own(FlaskClient):
        def __init__(self, *args, token=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.token = token

    app.test_client_class = Own
    assert app.test_client(token="t").token == "t"


# --- what importing costs ----------------------------------------------------------------


def test_module_imports_click_only_for_the_runner():
    code = (
        "import sys, hipflask.testing as t\n"
        "before = 'click' in sys.modules\n"
        "t.FlaskCliRunner\n"
        "print(before, 'click' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "True"]


def test_module_answers_for_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        testing.missing  # noqa: B018
