import datetime
import io
from pathlib import Path

import pytest
from werkzeug.exceptions import Aborter, HTTPException, NotFound, Unauthorized
from werkzeug.routing import BuildError

from hipflask import (
    Blueprint,
    Flask,
    abort,
    flash,
    get_flashed_messages,
    get_template_attribute,
    make_response,
    message_flashed,
    redirect,
    send_file,
    send_from_directory,
    session,
    url_for,
)
from hipflask.helpers import _split_blueprint_path, get_debug_flag, get_load_dotenv


@pytest.fixture
def app(tmp_path):
    app = Flask("shop", root_path=str(tmp_path), instance_path=str(tmp_path / "instance"))
    app.secret_key = "for tests"
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/item/<int:number>", "item", lambda number: str(number))
    return app


def read(response):
    response.direct_passthrough = False
    try:
        return response.data
    finally:
        response.close()


# --- environment variables ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "on"),
    [(None, False), ("", False), ("0", False), ("False", False), ("NO", False)]
    + [("1", True), ("yes", True), ("off", True), ("n", True)],
)
def test_debug_flag_is_on_unless_empty_zero_false_or_no(monkeypatch, text, on):
    monkeypatch.delenv("FLASK_DEBUG", raising=False)
    if text is not None:
        monkeypatch.setenv("FLASK_DEBUG", text)
    assert get_debug_flag() is on


@pytest.mark.parametrize("default", [True, False])
def test_dotenv_loads_unless_skipped_and_follows_the_default_if_silent(monkeypatch, default):
    monkeypatch.delenv("FLASK_SKIP_DOTENV", raising=False)
    assert get_load_dotenv(default) is default
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "")
    assert get_load_dotenv(default) is default
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "no")
    assert get_load_dotenv(default) is True
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")
    assert get_load_dotenv(default) is False


# --- make_response, redirect, abort ------------------------------------------------------


def test_make_response_takes_what_a_view_may_return(app):
    with app.test_request_context():
        assert make_response().data == b""
        assert make_response("text").data == b"text"
        assert make_response({"a": 1}).json == {"a": 1}
        response = make_response("text", 201, {"X-Part": "1"})
    assert response.status_code == 201
    assert response.headers["X-Part"] == "1"


def test_redirect_asks_the_current_application(app):
    app.redirect = lambda location, code: (location, code)
    with app.app_context():
        assert redirect("/there", 307) == ("/there", 307)


def test_redirect_works_without_an_application():
    response = redirect("/there", 308)
    assert (response.status_code, response.location) == (308, "/there")


def test_abort_asks_the_applications_aborter_and_does_without_one(app):
    class Odd(HTTPException):
        code = 900

    app.aborter = Aborter(extra={900: Odd})
    with app.app_context(), pytest.raises(Odd):
        abort(900)
    with pytest.raises(LookupError):
        abort(900)
    with pytest.raises(Unauthorized):
        abort(401)


# --- url_for -----------------------------------------------------------------------------


def test_url_is_relative_in_a_request_and_external_when_asked(app):
    with app.test_request_context(base_url="https://shop.test/below/"):
        assert url_for("item", number=7) == "/below/item/7"
        assert url_for("item", number=7, tag="a b") == "/below/item/7?tag=a+b"
        assert url_for("index", _external=True) == "https://shop.test/below/"
        assert url_for("index", _scheme="http") == "http://shop.test/below/"


def test_url_outside_a_request_is_external_and_needs_server_name(app):
    with app.app_context(), pytest.raises(RuntimeError, match="Set SERVER_NAME"):
        url_for("index")
    with pytest.raises(RuntimeError, match="Set SERVER_NAME"):
        app.url_for("index")
    app.config.update(SERVER_NAME="shop.test", APPLICATION_ROOT="/r", PREFERRED_URL_SCHEME="https")
    with app.app_context():
        assert url_for("index") == "https://shop.test/r/"
        assert url_for("index", _external=False) == "/r/"
    assert app.url_for("item", number=1) == "https://shop.test/r/item/1"


def test_url_in_a_request_whose_host_was_refused_says_so(app):
    app.config["TRUSTED_HOSTS"] = ["shop.test"]
    with app.test_request_context(base_url="http://other.test"):
        with pytest.raises(RuntimeError, match="see TRUSTED_HOSTS"):
            url_for("index")


def test_url_refuses_a_scheme_it_would_not_show(app):
    with app.test_request_context(), pytest.raises(ValueError, match="shows no scheme"):
        url_for("index", _scheme="https", _external=False)


def test_url_with_a_dot_belongs_to_the_current_blueprint(app):
    part = Blueprint("part", __name__, url_prefix="/part")
    part.add_url_rule("/", "index", lambda: url_for(".index"))
    app.register_blueprint(part)
    app.add_url_rule("/own", "own", lambda: url_for(".index"))
    client = app.test_client()
    assert client.get("/part/").text == "/part/"
    assert client.get("/own").text == "/"


def test_url_anchor_is_quoted_and_may_be_empty(app):
    with app.test_request_context():
        assert url_for("index", _anchor="x y/ä?&#%") == "/#x%20y/%C3%A4?&#%"
        assert url_for("index", _anchor="") == "/#"


def test_url_follows_the_method_and_the_url_defaults(app):
    app.add_url_rule("/make", "both", methods=["POST"])
    app.add_url_rule("/list", "both", methods=["GET"])
    app.url_defaults(lambda endpoint, values: values.setdefault("lang", "de"))
    with app.test_request_context():
        assert url_for("both", _method="POST") == "/make?lang=de"
        assert url_for("both", _method="GET", lang="en") == "/list?lang=en"


def test_url_values_may_be_called_self_app_or_endpoint_like(app):
    app.add_url_rule("/<self>", "named", lambda self: self)
    with app.test_request_context():
        assert url_for("named", self="me") == "/me"
        assert app.url_for("named", self="me") == "/me"


def test_url_build_error_handlers_get_the_arguments_and_may_answer(app):
    seen = []

    def answer(error, endpoint, values):
        seen.append((type(error), endpoint, values))
        return "/elsewhere"

    with app.test_request_context():
        with pytest.raises(BuildError):
            url_for("missing")
        app.url_build_error_handlers.append(answer)
        assert url_for("missing", number=1, _anchor="a") == "/elsewhere"
    expected = {"number": 1, "_anchor": "a", "_method": None, "_scheme": None, "_external": False}
    assert seen == [(BuildError, "missing", expected)]


# --- flashes -----------------------------------------------------------------------------


def test_flashed_messages_are_shown_once_but_again_in_the_same_request(app):
    with app.test_request_context():
        flash("saved")
        flash("broken", "error")
        assert session["_flashes"] == [("message", "saved"), ("error", "broken")]
        assert get_flashed_messages() == ["saved", "broken"]
        assert "_flashes" not in session
        assert get_flashed_messages(with_categories=True) == [
            ("message", "saved"),
            ("error", "broken"),
        ]
        assert get_flashed_messages(category_filter=["error"]) == ["broken"]
        assert get_flashed_messages(True, ("error",)) == [("error", "broken")]


def test_flashed_messages_reach_the_next_request_only(app):
    app.add_url_rule("/flash", "flash", lambda: flash("saved") or "")
    app.add_url_rule("/show", "show", lambda: ",".join(get_flashed_messages()))
    client = app.test_client()
    client.get("/flash")
    client.get("/flash")
    assert [client.get("/show").text, client.get("/show").text] == ["saved,saved", ""]


def test_asking_for_messages_without_any_leaves_the_session_unmodified(app):
    with app.test_request_context():
        assert get_flashed_messages() == []
        assert not session.modified


def test_flash_sends_its_signal_with_the_application(app):
    seen = []

    def note(sender, message, category, **extra):
        seen.append((sender, message, category))

    with message_flashed.connected_to(note), app.test_request_context():
        flash("saved", "info")
    assert seen == [(app, "saved", "info")]


@pytest.mark.parametrize("call", [lambda: flash("x"), get_flashed_messages])
def test_flashes_need_a_request(app, call):
    with app.app_context(), pytest.raises(RuntimeError, match="outside of request context"):
        call()


# --- files -------------------------------------------------------------------------------


@pytest.fixture
def files(app):
    folder = Path(app.root_path)
    (folder / "static").mkdir()
    (folder / "static" / "note.txt").write_bytes(b"note")
    (folder / "secret.txt").write_bytes(b"secret")
    return folder


def test_send_file_starts_at_the_root_path_and_guesses_the_type(app, files):
    with app.test_request_context():
        response = send_file("static/note.txt")
        assert response.mimetype == "text/plain"
        assert response.headers["ETag"]
        assert read(response) == b"note"


def test_send_file_answers_ranges_conditions_and_downloads(app, files):
    with app.test_request_context(headers={"Range": "bytes=1-2"}):
        response = send_file("static/note.txt")
        assert (response.status_code, read(response)) == (206, b"ot")
    with app.test_request_context():
        response = send_file(
            io.BytesIO(b"data"), as_attachment=True, download_name="a.bin", etag="tag"
        )
        assert response.headers["Content-Disposition"] == "attachment; filename=a.bin"
        assert read(response) == b"data"
    with app.test_request_context(headers={"If-None-Match": '"tag"'}):
        assert send_file(io.BytesIO(b"data"), "text/plain", etag="tag").status_code == 304


def test_send_file_uses_the_applications_class_and_x_sendfile(app, files):
    class Answer(app.response_class):
        pass

    app.response_class = Answer
    app.config["USE_X_SENDFILE"] = True
    with app.test_request_context():
        response = send_file("static/note.txt")
        assert type(response) is Answer
        assert response.headers["X-Sendfile"] == str(files / "static" / "note.txt")
        response.close()


def test_send_from_directory_does_not_leave_its_directory(app, files):
    with app.test_request_context():
        assert read(send_from_directory("static", "note.txt")) == b"note"
        for path in ("../secret.txt", "missing.txt", ".", "/etc/passwd"):
            with pytest.raises(NotFound):
                send_from_directory("static", path)


@pytest.mark.parametrize(
    ("setting", "seconds"),
    [(None, None), (60, 60), (datetime.timedelta(minutes=2, milliseconds=700), 120)],
)
def test_max_age_comes_from_the_configuration(app, files, setting, seconds):
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = setting
    with app.test_request_context():
        for response in (send_file("static/note.txt"), app.send_static_file("note.txt")):
            assert response.cache_control.max_age == seconds
            response.close()
        assert app.get_send_file_max_age("note.txt") == seconds


def test_max_age_of_an_argument_or_a_method_wins(app, files):
    app.get_send_file_max_age = len
    with app.test_request_context():
        for options, seconds in (({}, len(str(files / "static/note.txt"))), ({"max_age": 0}, 0)):
            response = send_file("static/note.txt", **options)
            assert response.cache_control.max_age == seconds
            response.close()
        response = app.send_static_file("note.txt")
        assert response.cache_control.max_age == len("note.txt")
        response.close()


def test_static_file_without_a_static_folder_is_refused_by_name():
    app = Flask("shop", static_folder=None)
    part = Blueprint("part", __name__)
    for scaffold in (app, part):
        with app.test_request_context(), pytest.raises(RuntimeError, match="no static folder"):
            scaffold.send_static_file("note.txt")


def test_open_resource_of_app_and_blueprint_starts_at_their_root_paths(app, files):
    part = Blueprint("part", __name__, root_path=str(files / "static"))
    with app.open_resource("static/note.txt") as file:
        assert file.read() == b"note"
    with part.open_resource("note.txt", "r") as file:
        assert file.read() == "note"
    (files / "instance").mkdir()
    with app.open_instance_resource("kept.txt", "w") as file:
        file.write("é")
    assert (files / "instance" / "kept.txt").read_bytes() == "é".encode()


# --- the rest ----------------------------------------------------------------------------


def test_template_attribute_is_a_macro_or_a_variable(app):
    folder = Path(app.root_path) / "templates"
    folder.mkdir()
    (folder / "_macros.html").write_text(
        "{% macro hello(name) %}Hello {{ name }}{% endmacro %}{% set n = 3 %}"
    )
    with app.app_context():
        assert get_template_attribute("_macros.html", "hello")("<ada>") == "Hello &lt;ada&gt;"
        assert get_template_attribute("_macros.html", "n") == 3
        with pytest.raises(AttributeError):
            get_template_attribute("_macros.html", "missing")


def test_blueprint_names_are_listed_innermost_first():
    assert _split_blueprint_path("a.b.c") == ["a.b.c", "a.b", "a"]
    assert _split_blueprint_path("a") == ["a"]


@pytest.mark.parametrize(
    "call",
    [make_response, lambda: url_for("x"), lambda: send_file("x")]
    + [lambda: send_from_directory("x", "y"), lambda: get_template_attribute("x", "y")],
)
def test_what_needs_an_application_says_so(call):
    with pytest.raises(RuntimeError, match="outside of application context"):
        call()
