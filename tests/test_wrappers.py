import gc
import io
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from werkzeug.test import create_environ
from werkzeug.wrappers import Request as RequestBase
from werkzeug.wrappers import Response as ResponseBase

from hipflask import Blueprint, Flask, Request, Response, request, responses
from hipflask.parts import lazy
from hipflask.responses import TYPES_KEPT
from hipflask.wrappers import KEPT_FORM_BYTES

EFFORT = settings(max_examples=60, deadline=None)


@pytest.fixture
def app():
    return Flask(__name__)


def read(path="/", **options):
    return Request(create_environ(path, **options))


# --- lazy -----------------------------------------------------------------------------------


def test_lazy_part_is_made_once_and_may_be_set():
    made = []

    class Owner:
        @lazy
        def part(self):
            "A part."
            made.append(self)
            return "made"

    owner = Owner()
    assert (owner.part, owner.part) == ("made", "made")
    assert made == [owner]
    owner.part = "set"
    assert owner.part == "set"
    del owner.part
    assert owner.part == "made"
    assert isinstance(Owner.part, lazy)
    assert Owner.part.__doc__ == "A part."


# --- Request against Werkzeug's -------------------------------------------------------------

PARTS = (
    "method", "scheme", "server", "root_path", "path", "query_string", "headers", "remote_addr",
    "args", "full_path", "url", "base_url", "root_url", "host_url", "host", "cookies", "is_secure",
    "content_type", "content_length", "mimetype", "mimetype_params", "access_route", "referrer",
    "user_agent", "authorization", "accept_mimetypes", "is_json", "is_multithread", "script_root",
    "url_root", "want_form_data_parsed", "date", "if_match", "cache_control", "range", "pragma",
)  # fmt: skip


def facts(made, names=PARTS):
    found = {}
    for name in names:
        try:
            found[name] = repr(getattr(made, name))
        except Exception as error:
            found[name] = type(error), str(error)
    return found


latin_1 = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=12)
paths = latin_1 | st.text(max_size=8).map(
    lambda text: text.encode("utf-8", "replace").decode("latin-1")
)
utf_8 = st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace").decode("latin-1"))
environs = st.fixed_dictionaries(
    {"wsgi.url_scheme": st.sampled_from(["http", "https"]), "wsgi.input": st.builds(io.BytesIO)},
    optional={
        "REQUEST_METHOD": st.sampled_from(["GET", "POST", "get", "BREW"]),
        "SCRIPT_NAME": paths,
        "PATH_INFO": paths.map(lambda text: f"/{text}") | paths,
        "QUERY_STRING": utf_8,
        "SERVER_NAME": st.sampled_from(["", "localhost", "::1", "/run/app.sock"]),
        "SERVER_PORT": st.sampled_from(["80", "443", "5000", "", "unix"]),
        "REMOTE_ADDR": st.sampled_from(["127.0.0.1", ""]),
        "HTTP_HOST": st.sampled_from(["a.test", "a.test:80", "é", "bad host", "[::1]:5"]),
        "HTTP_COOKIE": st.sampled_from(["a=1; b=2", "=", ""]),
        "HTTP_USER_AGENT": latin_1,
        "HTTP_X_FORWARDED_FOR": st.sampled_from(["1.1.1.1, 2.2.2.2", ""]),
        "CONTENT_TYPE": st.sampled_from(["", "text/plain; charset=x", "application/json"]),
        "CONTENT_LENGTH": st.sampled_from(["", "0", "5", "-1", "x", "٣"]),
        "HTTP_TRANSFER_ENCODING": st.just("chunked"),
        "wsgi.multithread": st.booleans(),
    },
)


@EFFORT
@given(environ=environs)
def test_parts_of_a_request_equal_werkzeugs(environ):
    environ.setdefault("wsgi.multithread", False)
    ours = Request(dict(environ))
    theirs = RequestBase(dict(environ))
    assert facts(ours) == facts(theirs)
    assert ours.environ["werkzeug.request"] is ours


def test_query_string_that_is_no_utf_8_is_read_with_replacements():
    made = Request({"QUERY_STRING": "a=\xff&b=1"})
    assert made.args.to_dict() == {"a": "\ufffd", "b": "1"}
    assert made.full_path == "/?a=\ufffd&b=1"


def test_nothing_is_made_before_it_is_asked_for():
    made = read("/x?y=1")
    assert set(vars(made)) == {"_environ"}
    assert made.path == "/x"
    assert set(vars(made)) == {"_environ", "path"}


def test_parts_may_be_set():
    made = read("/x", base_url="http://a.test")
    made.path = "/y"
    made.host = "b.test"
    made.method = "PUT"
    assert made.url == "http://b.test/y"
    assert made.method == "PUT"


def test_environ_refers_to_its_request_unless_told_not_to():
    assert "werkzeug.request" not in Request(create_environ(), populate_request=False).environ
    shallow = Request(create_environ(), shallow=True)
    assert "werkzeug.request" not in shallow.environ


def test_shallow_request_does_not_touch_the_body():
    shallow = Request(create_environ(data="abc", method="POST"), shallow=True)
    for take in (lambda: shallow.stream, shallow.get_data, lambda: shallow.form):
        with pytest.raises(RuntimeError) as caught:
            take()
        assert str(caught.value) == (
            "This request was made with shallow=True: its body belongs to somebody else."
        )


def test_request_prints_and_is_werkzeugs():
    assert repr(read("/x")) == "<Request 'http://localhost/x' [GET]>"
    assert isinstance(read(), RequestBase)


# --- what matching found --------------------------------------------------------------------


def test_request_knows_its_rule_endpoint_and_blueprints(app):
    inner = Blueprint("inner", __name__)
    inner.add_url_rule("/x/<int:n>", "view", lambda n: "")
    outer = Blueprint("outer", __name__)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/plain", "plain", lambda: "")
    with app.test_request_context("/x/5"):
        assert request.endpoint == "outer.inner.view"
        assert request.blueprint == "outer.inner"
        assert request.blueprints == ["outer.inner", "outer"]
        assert request.view_args == {"n": 5}
        assert request.url_rule.rule == "/x/<int:n>"
    with app.test_request_context("/plain"):
        assert (request.endpoint, request.blueprint, request.blueprints) == ("plain", None, [])
    with app.test_request_context("/none"):
        assert (request.endpoint, request.blueprint, request.blueprints) == (None, None, [])
        assert request.view_args is None


# --- limits ---------------------------------------------------------------------------------

LIMITS = ["max_content_length", "max_form_memory_size", "max_form_parts"]


@pytest.mark.parametrize("name, otherwise", list(zip(LIMITS, [None, 500_000, 1_000])))
def test_limit_is_the_requests_own_then_the_applications_then_a_default(app, name, otherwise):
    assert getattr(read(), name) == otherwise
    with app.app_context():
        made = read()
        assert getattr(made, name) == app.config[name.upper()]
        app.config[name.upper()] = 7
        assert getattr(made, name) == 7
        setattr(made, name, 9)
        assert getattr(made, name) == 9
        setattr(made, name, None)
        assert getattr(made, name) == 7
    assert type(vars(Request)[name]) is property
    assert name.upper() in vars(Request)[name].__doc__


def test_body_over_the_limit_is_a_413(app):
    app.config["MAX_CONTENT_LENGTH"] = 3
    with app.test_request_context("/", method="POST", data=b"abc"):
        assert request.get_data() == b"abc"
    with app.test_request_context("/", method="POST", data=b"abcd"):
        with pytest.raises(RequestEntityTooLarge):
            request.get_data()
    with app.test_request_context("/", method="POST", data={"a": "bc"}):
        request.max_content_length = 4
        assert request.form["a"] == "bc"


def test_form_over_the_memory_limit_is_a_413(app):
    app.config["MAX_FORM_MEMORY_SIZE"] = 5
    for data, fits in (({"a": "123"}, True), ({"a": "1234"}, False)):
        with app.test_request_context("/", method="POST", data=data):
            if fits:
                assert request.form["a"] == "123"
            else:
                with pytest.raises(RequestEntityTooLarge):
                    request.form  # noqa: B018
    app.config["MAX_FORM_MEMORY_SIZE"] = None
    with app.test_request_context("/", method="POST", data={"a": "x" * 600_000}):
        assert len(request.form["a"]) == 600_000


def test_more_form_parts_than_the_limit_are_a_413(app):
    app.config["MAX_FORM_PARTS"] = 1
    data = {"a": "1", "b": "2"}
    kind = {"content_type": "multipart/form-data"}
    with app.test_request_context("/", method="POST", data=data, **kind):
        with pytest.raises(RequestEntityTooLarge):
            request.form  # noqa: B018


# --- bodies ---------------------------------------------------------------------------------


def cut(body, declared, **more):
    environ = create_environ(method="POST", input_stream=io.BytesIO(body), **more)
    environ["CONTENT_LENGTH"] = str(declared)
    return environ


@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/json", "application/x-www-form-urlencoded"]
)
def test_body_shorter_than_its_content_length_is_never_read_as_a_whole(kind, terminated):
    environ = cut(b"[1]", 10, content_type=kind)
    if terminated:
        environ["wsgi.input_terminated"] = True
    for take in (
        lambda made: made.get_data(),
        lambda made: made.stream.read(),
        lambda made: made.form if "form" in kind else made.data,
    ):
        environ["wsgi.input"].seek(0)
        with pytest.raises(ClientDisconnected):
            take(Request(environ))
    if "json" in kind:
        environ["wsgi.input"].seek(0)
        with pytest.raises(ClientDisconnected):
            Request(environ).get_json()


def test_body_of_a_terminated_stream_without_a_length_is_read_to_its_end():
    environ = cut(b"abc", "")
    assert Request(dict(environ)).get_data() == b""
    environ["wsgi.input_terminated"] = True
    assert Request(dict(environ)).get_data() == b"abc"
    # Where both stand in a request the chunks count (RFC 9112, section 6.3).
    environ.update(CONTENT_LENGTH="1", HTTP_TRANSFER_ENCODING="chunked")
    environ["wsgi.input"].seek(0)
    assert Request(environ).get_data() == b"abc"


def test_body_ends_at_its_content_length():
    assert Request(cut(b"abcdef", 3)).get_data() == b"abc"
    environ = cut(b"abcdef", 3)
    environ["wsgi.input_terminated"] = True
    assert Request(environ).get_data() == b"abc"


FORMS = {
    "urlencoded": {"data": "a=1&b=%C3%A9", "content_type": "application/x-www-form-urlencoded"},
    "multipart": {"data": {"a": "1", "b": "é"}},
}


def post(**options):
    """An environ whose body lies in memory."""
    environ = create_environ("/", method="POST", **options)
    with environ["wsgi.input"] as spooled:
        environ["wsgi.input"] = io.BytesIO(spooled.read())
    return environ


@pytest.mark.parametrize("kind", FORMS)
def test_bytes_of_a_form_are_there_before_and_after_it_was_parsed(kind):
    options = dict(FORMS[kind])
    if kind == "multipart":
        options["data"] = {**options["data"], "f": (io.BytesIO(b"file"), "f.txt")}
    environ = post(**options)
    body = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    made = Request(environ)
    assert made.form.to_dict() == {"a": "1", "b": "é"}
    assert made.get_data() == body
    assert made.get_data(as_text=True) == body.decode(errors="replace")
    made.close()
    environ["wsgi.input"].seek(0)
    made = Request(environ)
    assert made.get_data() == body
    assert made.form.to_dict() == {"a": "1", "b": "é"}
    assert made.get_data() == body
    made.close()


def test_data_gives_what_is_left_after_a_form_as_werkzeugs_does():
    made = Request(post(**FORMS["urlencoded"]))
    assert made.data == b""
    assert made.form["a"] == "1"
    assert made.get_data(parse_form_data=True) == b""


def test_multipart_past_the_kept_size_is_parsed_from_the_stream():
    big = b"x" * (KEPT_FORM_BYTES + 1)
    with Request(post(data={"f": (io.BytesIO(big), "f.txt")})) as made:
        assert made.files["f"].read() == big
        assert made.get_data() == b""


def test_multipart_of_unknown_length_is_parsed_from_the_stream():
    environ = post(data={"f": (io.BytesIO(b"abc"), "f.txt")})
    del environ["CONTENT_LENGTH"]
    environ["wsgi.input_terminated"] = True
    with Request(environ) as made:
        assert made.files["f"].read() == b"abc"
        assert made.get_data() == b""


def test_request_without_a_form_parses_none():
    made = Request(post(data=b"abc", content_type="text/plain"))
    assert not made.form
    assert made.get_data() == b"abc"
    assert made.form is made.form


def test_close_closes_uploaded_files_once_they_were_parsed():
    made = Request(post(data={"f": (io.BytesIO(b"abc"), "f.txt")}))
    made.close()
    assert "files" not in vars(made)
    file = made.files["f"]
    made.close()
    assert file.closed


def test_uploaded_files_are_closed_with_the_request(app):
    kept = []

    @app.post("/")
    def view():
        kept.append(request.files["f"])
        return ""

    app.test_client().post("/", data={"f": (io.BytesIO(b"abc"), "f.txt")})
    assert kept[0].closed


def test_debug_mode_explains_a_file_sent_as_a_plain_form(app):
    kind = "application/x-www-form-urlencoded"
    options = {"method": "POST", "data": "f=name.txt", "content_type": kind}
    with app.test_request_context("/", **options), pytest.raises(KeyError) as plain:
        request.files["f"]
    assert "enctype" not in str(plain.value)
    app.debug = True
    with app.test_request_context("/", **options), pytest.raises(KeyError, match="enctype"):
        request.files["f"]


# --- JSON -----------------------------------------------------------------------------------


def test_json_is_read_by_the_applications_provider(app):
    class Provider(app.json_provider_class):
        def loads(self, text, **options):
            return "loaded", super().loads(text, **options)

    app.json = Provider(app)
    with app.test_request_context("/", method="POST", json=[1]):
        assert request.json == ("loaded", [1])


def test_bad_json_says_why_in_debug_mode_only(app):
    options = {"method": "POST", "data": "{", "content_type": "application/json"}
    with app.test_request_context("/", **options), pytest.raises(BadRequest) as caught:
        request.get_json()
    assert caught.value.description == BadRequest.description
    assert isinstance(caught.value.__cause__, BadRequest)
    app.debug = True
    with app.test_request_context("/", **options), pytest.raises(BadRequest) as caught:
        request.get_json()
    assert caught.value.description.startswith("Failed to decode JSON object")


def test_bad_json_outside_an_application_says_little():
    made = Request(post(data="{", content_type="application/json"))
    with pytest.raises(BadRequest) as caught:
        made.get_json()
    assert caught.value.description == BadRequest.description
    assert made.get_json(silent=True) is None


def test_json_nested_too_deeply_is_a_bad_request():
    environ = post(data="[" * 100_000, content_type="application/json")
    with pytest.raises(BadRequest):
        Request(environ).get_json()
    environ["wsgi.input"].seek(0)
    assert Request(environ).get_json(silent=True) is None


@pytest.mark.parametrize("name", ["if_modified_since", "if_unmodified_since"])
def test_dates_of_conditions_are_read_unless_they_are_none(name):
    field = f"HTTP_{name.upper()}"
    date = "Mon, 02 Jan 2023 03:04:05 GMT"
    for text in (date, "nonsense", "x" * 1000):
        environ = {**create_environ(), field: text}
        expected = getattr(RequestBase(dict(environ)), name) if len(text) < 100 else None
        assert getattr(Request(environ), name) == expected
    assert getattr(read(), name) is None


# A second past what C's integers hold, and a text longer than any date.
@pytest.mark.parametrize(
    "text", [f"Sun, 03 Nov 1994 08:49:{'9' * 25}", "Sun, 03 Nov 1994 " * 90], ids=["second", "long"]
)
def test_dates_past_all_dates_are_none(text):
    made = Request({**create_environ(), "HTTP_DATE": text, "HTTP_IF_RANGE": text})
    assert made.date is None
    assert (made.if_range.date, made.if_range.etag) == (None, text)


def test_date_and_if_range_are_read_as_werkzeug_reads_them():
    assert (read().date, read().if_range.date, read().if_range.etag) == (None, None, None)
    for text in ("Mon, 02 Jan 2023 03:04:05 GMT", "nonsense", '"tag"', 'W/"tag"', ""):
        environ = {**create_environ(), "HTTP_DATE": text, "HTTP_IF_RANGE": text}
        ours, theirs = Request(environ), RequestBase(dict(environ))
        assert ours.date == theirs.date
        assert (ours.if_range.date, ours.if_range.etag) == (
            theirs.if_range.date,
            theirs.if_range.etag,
        )


def test_authorization_is_read_or_none():
    good = {**create_environ(), "HTTP_AUTHORIZATION": "Basic YTpi"}
    assert Request(good).authorization.username == "a"
    assert read().authorization is None


def test_body_of_another_type_is_a_415_unless_forced(app):
    options = {"method": "POST", "data": "[1]", "content_type": "text/plain"}
    with app.test_request_context("/", **options):
        with pytest.raises(UnsupportedMediaType):
            request.get_json()
        assert request.get_json(force=True) == [1]


# --- Response: constructor ------------------------------------------------------------------

bodies = st.sampled_from(
    [None, "", "text é", b"", b"bytes", bytearray(b"array"), ["a", "b"], [b"one"], [], ("t",), [""]]
)
statuses = st.sampled_from(
    [None, 200, 201, 204, 304, 404, "200 OK", "404", "418 Tea", "299 New", 100]
)
field_names = st.sampled_from(
    [
        "X-A",
        "content-type",
        "Content-Type",
        "Content-Length",
        "Location",
        "Content-Location",
        "Vary",
    ]
)
field_values = st.sampled_from(["a", "text/plain", "3", "/there", "http://é.test/ü", "b c"])
fields = st.lists(st.tuples(field_names, field_values), max_size=4)
headers = (
    st.none()
    | fields
    | fields.map(dict)
    | fields.map(Headers)
    | st.fixed_dictionaries({"X-Many": st.just(["1", "2"])})
)
mimetypes = st.sampled_from([None, "text/plain", "application/json", "image/svg+xml", "a/b+xml"])
content_types = st.sampled_from([None, "text/plain", "text/csv; charset=latin-1"])
arguments = st.fixed_dictionaries(
    {},
    optional={
        "response": bodies,
        "status": statuses,
        "headers": headers,
        "mimetype": mimetypes,
        "content_type": content_types,
        "direct_passthrough": st.booleans(),
    },
)


class Theirs(ResponseBase):
    """Werkzeug's response with the two defaults that Flask sets."""

    default_mimetype = "text/html"
    autocorrect_location_header = False


def own(arguments):
    """Arguments whose headers no other response shares."""
    if isinstance(arguments.get("headers"), Headers):
        return {**arguments, "headers": Headers(arguments["headers"])}
    return arguments


def look(response):
    return {
        "headers": sorted(response.headers),
        "status": (response.status, response.status_code),
        "data": response.get_data() if not response.direct_passthrough else response.response,
        "type": (response.content_type, response.mimetype, response.mimetype_params),
        "length": response.content_length,
        "passthrough": response.direct_passthrough,
    }


@EFFORT
@given(arguments=arguments)
def test_response_made_equals_werkzeugs(arguments):
    assert look(Response(**own(arguments))) == look(Theirs(**own(arguments)))


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("name", ["content_type", "mimetype"])
@pytest.mark.parametrize("headers", [None, {"X-A": "1"}, Headers()])
def test_content_type_that_would_end_its_header_field_is_refused(name, end, headers):
    for kind in (Response, Theirs):
        with pytest.raises(ValueError, match="newline"):
            kind("x", headers=headers, **{name: f"text/x{end}X-Evil: 1"})


def test_content_type_that_is_no_text_is_made_one():
    class Kind:
        def __str__(self):
            return "a/b"

    assert Response("x", content_type=Kind()).parts(create_environ())[2][0] == (
        "Content-Type",
        "a/b",
    )


def test_headers_object_given_is_the_responses_own():
    for given_headers in (Headers(), Headers([("X-A", "1")])):
        response = Response("x", headers=given_headers)
        assert response.headers is given_headers
        assert given_headers["Content-Type"] == "text/html; charset=utf-8"


def test_response_without_a_default_type_has_none():
    class Untyped(Response):
        default_mimetype = None

    class TheirsUntyped(Theirs):
        default_mimetype = None

    for options in ({}, {"headers": {"X-A": "1"}}, {"headers": Headers()}, {"mimetype": "a/b"}):
        assert look(Untyped("x", **own(options))) == look(TheirsUntyped("x", **own(options)))
    assert Untyped("x").parts(create_environ())[2] == [("Content-Length", "1")]


@pytest.mark.parametrize("status", ["", True, 99.5])
def test_status_that_is_none_is_refused_as_werkzeugs_does(status):
    outcomes = []
    for kind in (Response, Theirs):
        try:
            outcomes.append(kind("x", status=status).status)
        except Exception as error:
            outcomes.append((type(error), str(error)))
    assert outcomes[0] == outcomes[1]


def test_setting_the_body_keeps_the_length_of_the_headers_in_step():
    response = Response("abc")
    response.data = "é"
    assert response.headers["Content-Length"] == "2"
    response.set_data(b"12345")
    assert response.content_length == 5
    assert response.data == b"12345"


def test_list_given_as_a_body_may_grow_until_it_is_sent():
    for kind in (Response, Theirs):
        response = kind([b"one"])
        response.headers["X-A"] = "1"
        response.response.append(b"two")
        body, _, fields = response.get_wsgi_response(create_environ())
        assert (pieces(body), dict(fields)["Content-Length"]) == (b"onetwo", "6")
    response.set_data("three")
    assert response.content_length == 5


def test_response_that_sets_no_length_leaves_it_out():
    class Unmeasured(Response):
        automatically_set_content_length = False

    response = Unmeasured("abc")
    response.data = "abcd"
    assert "Content-Length" not in response.headers
    response.data = "abcde"
    assert "Content-Length" not in response.headers
    assert dict(response.parts(create_environ())[2]).keys() == {"Content-Type"}


def test_response_reads_json_with_hipflasks_module():
    assert Response('{"a": 1}', mimetype="application/json").json == {"a": 1}
    assert Response("a").is_json is False


def test_largest_cookie_before_a_warning_is_the_applications(app):
    assert Response().max_cookie_size == ResponseBase.max_cookie_size
    app.config["MAX_COOKIE_SIZE"] = 20
    with app.app_context():
        assert Response().max_cookie_size == 20
        with pytest.warns(UserWarning, match="cookie is too large"):
            Response().set_cookie("name", "x" * 30)
        app.config["MAX_COOKIE_SIZE"] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Response().set_cookie("name", "x" * 9000)


# --- Response: sending ----------------------------------------------------------------------


def sent(response, environ):
    """What a front-end gets from `parts`."""
    body, status, fields = response.parts(environ)
    return pieces(body), status, sorted(fields)


def sent_by_werkzeug(response, environ):
    body, status, fields = response.get_wsgi_response(environ)
    return pieces(body), status, sorted(fields)


def pieces(body):
    try:
        return b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()


environs_to_send_to = st.builds(
    create_environ, path=st.just("/a/b"), method=st.sampled_from(["GET", "HEAD", "POST"])
)


@EFFORT
@given(arguments=arguments, environ=environs_to_send_to, touch=st.booleans(), closing=st.booleans())
def test_parts_equal_werkzeugs_response(arguments, environ, touch, closing):
    results = []
    for kind, send in ((Response, sent), (Response, sent_by_werkzeug), (Theirs, sent_by_werkzeug)):
        response = kind(**own({**arguments, "direct_passthrough": False}))
        closed = []
        if touch:
            response.headers.add("X-Touched", "1")
        if closing:
            response.call_on_close(lambda: closed.append(True))
        results.append((send(response, environ), closed))
    assert results[0] == results[1] == results[2]


def test_body_that_is_streamed_is_sent_in_pieces():
    def numbers():
        yield "1"
        yield b"2"

    body, status, fields = Response(numbers()).parts(create_environ())
    assert list(body) == [b"1", b"2"]
    assert status == "200 OK"
    assert fields == [("Content-Type", "text/html; charset=utf-8")]


def test_head_sends_the_length_and_no_body():
    body, _, fields = Response("abc").parts(create_environ(method="HEAD"))
    assert list(body) == []
    assert ("Content-Length", "3") in fields


def test_length_set_by_hand_is_sent_as_it_is():
    response = Response("abc", headers={"Content-Length": "5"})
    assert dict(response.parts(create_environ())[2])["Content-Length"] == "3"
    response.headers["Content-Length"] = "5"
    assert dict(response.parts(create_environ())[2])["Content-Length"] == "5"
    del response.headers["Content-Length"]
    assert dict(response.parts(create_environ())[2])["Content-Length"] == "3"


def test_location_is_written_for_the_wire():
    response = Response("x", 302, {"Location": "/é"})
    assert dict(response.parts(create_environ())[2])["Location"] == "/%C3%A9"


SENDING_OVERRIDES = {
    "get_wsgi_headers": lambda self, environ: Headers([("X-Own", "1")]),
    "get_wsgi_response": lambda self, environ: ([b"own"], "299 OWN", [("X-Own", "1")]),
    "get_app_iter": lambda self, environ: [b"own"],
    "iter_encoded": lambda self: iter([b"own"]),
    "status": property(
        lambda self: "299 OWN", lambda self, value: setattr(self, "_status_code", 299)
    ),
    "is_sequence": property(lambda self: False),
}


@pytest.mark.parametrize("name", SENDING_OVERRIDES)
@pytest.mark.parametrize("later", [False, True], ids=["subclass", "subclass of it"])
def test_subclass_that_sends_in_its_own_way_is_heard(name, later):
    if name == "get_app_iter" or name == "iter_encoded":
        expected = b"own"
    else:
        expected = None
    own_class = type("Own", (Response,), {name: SENDING_OVERRIDES[name]})
    their_class = type("Own", (Theirs,), {name: SENDING_OVERRIDES[name]})
    if later:
        own_class = type("Later", (own_class,), {})
    environ = create_environ()
    result = sent(own_class("abc"), environ)
    assert result == sent_by_werkzeug(their_class("abc"), environ)
    assert result != sent(Response("abc"), environ) or name == "is_sequence"
    if expected:
        assert result[0] == expected


def test_closing_calls_what_was_asked_for_and_a_closed_over_method():
    log = []

    class Closing(Response):
        def close(self):
            log.append("closed")
            super().close()

    for kind in (Closing, Response):
        response = kind("abc")
        response.call_on_close(lambda: log.append("asked"))
        body, _, _ = response.parts(create_environ())
        assert log == []
        assert pieces(body) == b"abc"
        assert log == (["closed", "asked"] if kind is Closing else ["asked"])
        del log[:]
    pieces(Closing("abc").parts(create_environ())[0])
    assert log == ["closed"]


def test_calling_a_response_sends_it():
    calls = []
    body = Response("abc", 201)(create_environ(), lambda *given: calls.append(given))
    assert list(body) == [b"abc"]
    [(status, fields)] = calls
    assert status == "201 CREATED"
    assert ("Content-Length", "3") in fields


def test_content_types_are_remembered_up_to_a_number(monkeypatch):
    fields, types = {}, {}
    monkeypatch.setattr(responses, "_content_type_fields", fields)
    monkeypatch.setattr(responses, "_content_types", types)
    for number in range(TYPES_KEPT + 5):
        for response, kind in (
            (Response("x", content_type=f"multipart/x; boundary={number}"), None),
            (Response("x", mimetype=f"text/x-{number}"), f"text/x-{number}; charset=utf-8"),
        ):
            [(_, sent_kind), _] = response.parts(create_environ())[2]
            assert sent_kind == kind or "boundary" in sent_kind
    assert len(fields) == len(types) == TYPES_KEPT


def test_every_call_gives_fields_of_its_own():
    response = Response("abc")
    first = response.parts(create_environ())[2]
    first.append(("X-Added", "1"))
    assert response.parts(create_environ())[2] != first


def test_response_is_werkzeugs_and_can_be_forced_from_it():
    theirs = ResponseBase("x", 404)
    forced = Response.force_type(theirs)
    assert type(forced) is Response
    assert forced.get_data() == b"x"
    assert (forced.status_code, forced.mimetype) == (404, "text/plain")
    assert sent(forced, create_environ())[0] == b"x"
    gc.collect()


def test_response_can_be_made_from_a_wsgi_application():
    def application(environ, start_response):
        start_response("299 Own", [("X-Own", "1")])
        return [b"a", b"b"]

    response = Response.from_app(application, create_environ())
    assert (response.status, response.get_data()) == ("299 Own", b"ab")
    assert response.headers["X-Own"] == "1"
