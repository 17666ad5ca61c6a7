"""Apps about what goes in and what comes out: bodies, JSON, templates, files, streams, limits."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import io
import os
import uuid
from types import ModuleType
from typing import Any

from .catalog import get, part, post, subject
from .harness import HERE, Call

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b0"


def multipart(*parts: tuple[str, bytes], end: bytes = b"--\r\n") -> bytes:
    """A multipart body with the boundary `b0`; each part is its raw header text and content."""
    chunks = [b"--b0\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, body in parts]
    return b"".join(chunks) + b"--b0" + end


FIELD = 'Content-Disposition: form-data; name="a"'
UPLOAD = 'Content-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain'
BODIES: tuple[tuple[str, bytes], ...] = (
    (FORM, b"a=1&b=2&a=3"), (FORM, b"a=%FF%20+&&=x&b"), (FORM, b""), (FORM, b"a=" + b"x" * 400),
    (f"{FORM}; charset=latin-1", "a=é".encode("latin-1")), (FORM, b"&".join(b"k=v" for _ in range(40))),
    (MULTIPART, multipart((FIELD, b"1"), (UPLOAD, b"content"))), (MULTIPART, multipart((FIELD, b"z" * 400))),
    (MULTIPART, multipart((UPLOAD, b"\r" * 200))), (MULTIPART, multipart((FIELD, b"1"), end=b"")),
    (MULTIPART, b"--b0--"), ("multipart/form-data", multipart((FIELD, b"1"))), (MULTIPART, b"junk"),
    (MULTIPART, multipart(*[(FIELD, b"1")] * 12)), (MULTIPART, b"--b0\r\n" + b"X: y\r\n" * 30),
    ("application/json", b'{"a": [1, 2.5, null, "\xc3\xa9"]}'), ("application/json", b"{"),
    ("application/json", b""), ("application/json", b"\xff\xfe{}"), ("application/problem+json", b"[1]"),
    ("application/json; charset=utf-16", '{"a":1}'.encode("utf-16")), ("text/json", b"{}"),
    ("application/json", b"NaN"), ("application/json", b'{"a":1} x'), ("text/plain", b"text \xff"),
    ("application/json", b"1" * 5000), ("application/json", b'"\\ud800"'),
    ("", b"no type"), ("APPLICATION/JSON", b"true"), ("x", b"\0"),
)  # fmt: skip
BODY_PROBES = tuple(
    (post(p, body, kind),)
    for p in ("/echo", "/json", "/json/force", "/json/silent", "/limited", "/key", "/data")
    for kind, body in BODIES
)
BODY_PATHS = (
    "/echo", "/json", "/json/force", "/json/silent", "/json/cached", "/limited", "/key", "/data",
    "/after-form",
)  # fmt: skip


def body_app(fl: ModuleType, log: list[Any], **config: Any) -> Any:
    """Views that read the request in every way, under some settings."""
    app = fl.Flask("contract_bodies", static_folder=None)
    app.config.update(config)
    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]

    @app.route("/echo", methods=every)
    def echo() -> Any:
        r = fl.request
        files = [(k, f.filename, f.content_type, f.read(), sorted(f.headers)) for k, f in r.files.items(True)]
        return {
            "args": r.args.to_dict(flat=False),
            "form": r.form.to_dict(flat=False),
            "values": r.values.to_dict(flat=False),
            "files": repr(files),
            "cookies": r.cookies.to_dict(flat=False),
            "urls": [r.url, r.base_url, r.root_url, r.host_url, r.full_path, r.path, r.root_path, r.script_root],
            "host": [r.host, r.scheme, r.is_secure, r.remote_addr, r.access_route],
            "type": [r.content_type, r.mimetype, r.mimetype_params, r.content_length, r.is_json],
            "accept": [str(r.accept_mimetypes), str(r.accept_languages), r.accept_mimetypes.best],
            "auth": repr(r.authorization),
            "ranges": [repr(r.range), repr(r.if_range), repr(r.if_none_match), str(r.if_modified_since)],
            "cache": str(r.cache_control),
            "agent": [r.user_agent.string, r.referrer, r.origin],
            "found": [r.endpoint, r.blueprint, r.blueprints, str(r.url_rule), r.view_args],
            "headers": sorted(r.headers.items()),
            "method": r.method,
        }

    @app.route("/data", methods=every)
    def data() -> Any:
        return repr((fl.request.get_data(cache=False), fl.request.get_data(), fl.request.form))

    @app.route("/after-form", methods=every)
    def after_form() -> Any:
        return repr((sorted(fl.request.form.items(True)), fl.request.get_data()))

    @app.route("/key", methods=every)
    def key() -> Any:
        return fl.request.form["missing"]

    @app.route("/json", methods=every)
    def strict() -> Any:
        return {"json": fl.request.json}

    @app.route("/json/force", methods=every)
    def force() -> Any:
        return {"json": fl.request.get_json(force=True)}

    @app.route("/json/silent", methods=every)
    def silent() -> Any:
        first = fl.request.get_json(silent=True)
        return {"json": first, "again": fl.request.get_json(silent=True)}

    @app.route("/json/cached", methods=every)
    def cached() -> Any:
        silent = fl.request.get_json(force=True, silent=True)
        try:
            return {"silent": silent, "again": fl.request.get_json(force=True)}
        except Exception as error:
            return {"silent": silent, "error": type(error).__name__}

    @app.route("/limited", methods=every)
    def limited() -> Any:
        fl.request.max_content_length = 300
        fl.request.max_form_memory_size = 100
        fl.request.max_form_parts = 10
        r = fl.request
        limits = [r.max_content_length, r.max_form_memory_size, r.max_form_parts]
        return {"form": r.form.to_dict(flat=False), "files": sorted(r.files), "limits": limits}

    return app


HEADERS = (
    ("Cookie", 'a=1; b="x y"; c; =d; a=2; e=\xe9'), ("Cookie", ";;;="), ("Accept", "text/html;q=0.3, */*;q=x"),
    ("Accept-Language", "de, en;q=0.5"), ("Authorization", "Basic dTpw"), ("Authorization", "Basic !!"),
    ("Authorization", "Bearer t"), ("Authorization", 'Digest username="u", nonce=x'), ("Range", "bytes=0-3"),
    ("Range", "bytes=x"), ("If-Range", "x"), ("If-None-Match", '"a", W/"b"'), ("Cache-Control", "max-age=x, no-cache"),
    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("If-Modified-Since", "never"), ("Origin", "null"),
    ("Referer", "http://x/\xe9"), ("User-Agent", "a\xff"), ("X-Forwarded-For", "1.2.3.4, x"), ("Content-Length", "x"),
    ("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip"), ("Expect", "x"),
)  # fmt: skip
QUERIES = ("", "a=1&b=2&a=3", "a=%FF&%C3%A9=%00", "&&=&a", "a+b=c%20d", "é=1", "a=b=c;d=e")
BODY_SETTINGS: dict[str, dict[str, Any]] = {
    "bodies": {},
    "bodies_debug": {"DEBUG": True},
    "bodies_limited": {"MAX_CONTENT_LENGTH": 350, "MAX_FORM_MEMORY_SIZE": 300, "MAX_FORM_PARTS": 5},
    "bodies_unlimited": {"MAX_CONTENT_LENGTH": None, "MAX_FORM_MEMORY_SIZE": None, "MAX_FORM_PARTS": None},
    "bodies_trap": {"TRAP_BAD_REQUEST_ERRORS": True, "MAX_CONTENT_LENGTH": 20},
}


def _register() -> None:
    for name, config in BODY_SETTINGS.items():
        subject(
            name, paths=BODY_PATHS, queries=QUERIES, headers=HEADERS, bodies=BODIES, probes=BODY_PROBES
        )(lambda fl, log, config=config: body_app(fl, log, **config))


_register()


@subject("form_helper", paths=("/",), bodies=((FORM, b"f=name.txt"), (FORM, b"a=1"), (MULTIPART, b"--b0--")))
def form_helper(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_form_helper", static_folder=None)
    app.debug = True
    app.add_url_rule("/", "upload", lambda: str(fl.request.files["f"]), methods=["GET", "POST"])
    return app


RETURNS = (
    "str", "bytes", "bytearray", "dict", "list", "generator", "status", "headers", "both", "header_list", "status_text",
    "response", "response_status", "wsgi", "werkzeug", "none", "int", "one", "four", "none_status", "tuple_none", "set",
    "empty", "head_dict", "bad_status", "type_in_tuple", "nested", "exception", "json_status", "class_status", "false",
    "iter", "location",
)  # fmt: skip


@subject(
    "returns",
    paths=tuple(f"/{r}" for r in RETURNS),
    queries=("", "made=1"),
    probes=tuple((Call(m, f"/{r}", q),) for r in RETURNS for q in ("", "made=1") for m in ("GET", "HEAD")),
)
def returns(fl: ModuleType, log: list[Any]) -> Any:
    from http import HTTPStatus

    from werkzeug import exceptions
    from werkzeug.wrappers import Response

    app = fl.Flask("contract_returns", static_folder=None)
    headers = {"X-A": "1", "Content-Type": "text/x-a"}

    def wsgi(environ: Any, start_response: Any) -> Any:
        start_response("203 Own", [("Content-Type", "x/y"), ("X-From", environ["PATH_INFO"])])
        return [b"raw"]

    makers: dict[str, Any] = {
        "str": lambda: "é",
        "bytes": lambda: b"\xff",
        "bytearray": lambda: bytearray(b"ba"),
        "dict": lambda: {"b": 1, "a": "é"},
        "list": lambda: [1, None],
        "generator": lambda: (c for c in "abc"),
        "iter": lambda: iter([b"x", b"y"]),
        "status": lambda: ("s", 201),
        "status_text": lambda: ("s", "202 Odd"),
        "class_status": lambda: ("s", HTTPStatus.CREATED),
        "headers": lambda: ("s", headers),
        "header_list": lambda: ("s", [("X-A", "1"), ("X-A", "2")]),
        "both": lambda: ("s", 203, headers),
        "json_status": lambda: ({"a": 1}, 422, {"X-B": "2"}),
        "response": lambda: fl.Response("r", 206),
        "response_status": lambda: (fl.Response("r", headers={"X-A": "0"}), 207, [("X-A", "1")]),
        "wsgi": lambda: wsgi,
        "werkzeug": lambda: Response("w", 208),
        "none": lambda: None,
        "int": lambda: 7,
        "false": lambda: False,
        "one": lambda: ("s",),
        "four": lambda: ("s", 200, {}, 1),
        "none_status": lambda: ("s", None),
        "tuple_none": lambda: (None, 200),
        "set": lambda: {1},
        "empty": lambda: ("", 204),
        "head_dict": lambda: {},
        "bad_status": lambda: ("s", "what"),
        "type_in_tuple": lambda: ("s", 200, 5),
        "nested": lambda: (("s", 201), 202),
        "exception": lambda: exceptions.Gone(),
        "location": lambda: ("", 303, {"Location": "/x?é"}),
    }
    for name, make in makers.items():

        def view(make: Any = make) -> Any:
            value = make()
            if fl.request.args.get("made"):
                return fl.make_response(*value) if isinstance(value, tuple) else fl.make_response(value)
            return value

        app.add_url_rule(f"/{name}", name, view)
    app.add_url_rule("/empty_made", "empty_made", lambda: fl.make_response())
    return app


@dataclasses.dataclass
class Point:
    """A value the JSON provider knows how to write."""

    x: int
    label: str


class Html:
    """A value with an HTML face."""

    def __html__(self) -> str:
        return "<b>"


JSON_VALUES: dict[str, Any] = {
    "sorted": {"b": 1, "a": [1.5, True, None]},
    "text": "é \u2028 </script> \U0001f600",
    "date": datetime.date(2020, 2, 29),
    "datetime": datetime.datetime(2020, 2, 29, 1, 2, 3, 4),
    "aware": datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=5))),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID(int=1),
    "dataclass": Point(1, "p"),
    "html": Html(),
    "nan": float("nan"),
    "tuple": (1, (2,)),
    "keys": {1: "a", 2: "b"},
    "mixed_keys": {1: "a", "b": 2},
    "object": object(),
    "bytes": b"x",
    "deep": {"z": {"y": {"x": []}}},
    "lazy": {"when": datetime.datetime(1999, 12, 31), "who": Point(2, "<")},
}
JSON_SETTINGS: dict[str, dict[str, Any]] = {
    "json": {},
    "json_debug": {"debug": True},
    "json_plain": {"sort_keys": False, "ensure_ascii": False, "compact": True, "mimetype": "x/json"},
    "json_pretty": {"compact": False},
}


def json_app(fl: ModuleType, log: list[Any], debug: bool = False, **settings: Any) -> Any:
    """Views that answer with JSON, under some provider settings."""
    app = fl.Flask("contract_json", static_folder=None)
    app.debug = debug
    for name, value in settings.items():
        setattr(app.json, name, value)

    @app.route("/value/<name>")
    def value(name: str) -> Any:
        return fl.jsonify(JSON_VALUES[name])

    @app.route("/returned/<name>")
    def returned(name: str) -> Any:
        found = JSON_VALUES[name]
        return found if isinstance(found, dict | list) else [found]

    @app.route("/dumps/<name>")
    def dumps(name: str) -> Any:
        return fl.json.dumps(JSON_VALUES[name])

    @app.route("/template/<name>")
    def template(name: str) -> Any:
        return fl.render_template_string("{{ v|tojson }}", v=JSON_VALUES[name])

    @app.route("/args")
    def args() -> Any:
        both = fl.request.args.get("both")
        return fl.jsonify(1, 2) if both == "no" else fl.jsonify(a=1, b=2) if both else fl.jsonify()

    @app.route("/refused")
    def refused() -> Any:
        return fl.jsonify(1, a=2)

    return app


JSON_PATHS = tuple(
    f"/{kind}/{name}" for kind in ("value", "returned", "dumps", "template") for name in JSON_VALUES
)


def _register_json() -> None:
    for name, config in JSON_SETTINGS.items():
        subject(
            name,
            paths=(*JSON_PATHS, "/args", "/refused"),
            queries=("", "both=no", "both=1"),
            probes=tuple((get(p),) for p in JSON_PATHS),
        )(lambda fl, log, config=config: json_app(fl, log, **config))


_register_json()
TEMPLATES = (
    "page.html", "plain.txt", "picture.svg", "feed.xml", "UPPER.HTML", "both.html", "only_bp.html", "broken.html",
    "syntax.html", "absent.html",
)  # fmt: skip


@subject(
    "templates",
    paths=tuple(
        f"/{kind}/{t}" for kind in ("render", "stream", "bp/render") for t in TEMPLATES
    ) + ("/string", "/stream-string", "/choice", "/attribute", "/", "/override", "/no-escape"),
    queries=("", "value=<x>&title=t"),
)  # fmt: skip
def templates(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_templates", static_folder=None, root_path=str(HERE))
    app.config.update(KEY="<key>", SECRET_KEY="k")
    bp = fl.Blueprint(
        "bp", "contract_templates_bp", url_prefix="/bp", template_folder="bp_templates", root_path=str(HERE)
    )

    def values() -> dict[str, str]:
        fl.g.kept = "<g>"
        return {"value": fl.request.args.get("value", "<v>")}

    @app.route("/")
    def index() -> str:
        fl.session["s"] = "<s>"
        fl.flash("<f>")
        return "index"

    def render(name: str) -> Any:
        return fl.render_template(name, **values())

    app.add_url_rule("/render/<name>", "render", render)
    bp.add_url_rule("/render/<name>", "render", render)

    @app.route("/stream/<name>")
    def stream(name: str) -> Any:
        return fl.stream_template(name, **values())

    @app.route("/string")
    def string() -> Any:
        return fl.render_template_string("{{ value }} {{ request.path }} {{ g.kept }}", **values())

    @app.route("/stream-string")
    def stream_string() -> Any:
        return fl.stream_template_string("{{ value }} {{ request.path }} {{ g.kept }}", **values())

    @app.route("/choice")
    def choice() -> Any:
        return fl.render_template(["absent.html", "plain.txt"], **values())

    @app.route("/attribute")
    def attribute() -> Any:
        macro = fl.get_template_attribute("macro.html", "raw")
        return macro()

    @app.route("/override")
    def override() -> Any:
        return fl.render_template_string("{{ from_processor }}{{ g }}", from_processor="mine", g="mine")

    @app.route("/no-escape")
    def no_escape() -> Any:
        return fl.render_template_string("{% autoescape false %}{{ value }}{% endautoescape %}", **values())

    app.template_filter("shout")(lambda s: s.upper() + "!")
    app.template_test("even_number")(lambda n: n % 2 == 0)
    app.template_global("twice")(lambda n: n * 2)
    app.context_processor(lambda: {"from_processor": fl.request.endpoint, "bp_value": "app"})
    bp.context_processor(lambda: {"bp_value": "<bp>"})
    app.register_blueprint(bp)
    return app


RANGES = tuple(
    ("Range", r)
    for r in ("bytes=0-4", "bytes=5-", "bytes=-5", "bytes=0-4,6-7", "bytes=900-", "bytes=4-2", "items=0-1", "bytes=a-b")
)
CONDITIONS = (
    ("If-None-Match", "*"), ("If-None-Match", '"x"'), ("If-Match", '"x"'), ("If-Match", "*"),
    ("If-Modified-Since", "Sun, 06 Nov 2094 08:49:37 GMT"), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("If-Range", '"x"'), ("If-None-Match", "W/\"x"),
)  # fmt: skip
FILES = (
    "/static/hello.txt", "/static/style.css", "/static/blob.bin", "/static/", "/static/none", "/static/../harness.py",
    "/static/%2e%2e/harness.py", "/static/hello.txt/", "/static//hello.txt", "/static/%00", "/bp/own/note.txt",
    "/sent/path", "/sent/handle", "/sent/named", "/sent/etag", "/sent/nothing", "/sent/plain", "/from/hello.txt",
    "/from/../harness.py", "/from/none", "/static/h%C3%A9llo.txt", "/sent/age",
)  # fmt: skip


def file_app(fl: ModuleType, log: list[Any], **config: Any) -> Any:
    """Static files and sent files under some settings."""
    app = fl.Flask("contract_files", root_path=str(HERE))
    app.config.update(config)
    if config.get("USE_X_SENDFILE"):
        app.use_x_sendfile = True
    bp = fl.Blueprint(
        "bp", "contract_files_bp", url_prefix="/bp", static_folder="bp_static", static_url_path="/own",
        root_path=str(HERE),
    )  # fmt: skip
    moment = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    hello = os.path.join("static", "hello.txt")
    sends: dict[str, Any] = {
        "path": lambda: fl.send_file(hello),
        "handle": lambda: fl.send_file(io.BytesIO(b"in memory"), mimetype="text/x-m"),
        "named": lambda: fl.send_file(hello, as_attachment=True, download_name="é name.txt"),
        "etag": lambda: fl.send_file(hello, etag="tag", last_modified=moment, max_age=60),
        "plain": lambda: fl.send_file(hello, conditional=False, etag=False),
        "nothing": lambda: fl.send_file(io.BytesIO(b"no name")),
        "age": lambda: fl.send_file(hello, max_age=lambda path: 99),
    }

    @app.route("/sent/<how>")
    def sent(how: str) -> Any:
        return sends[how]()

    @app.route("/from/<path:name>")
    def sent_from(name: str) -> Any:
        return fl.send_from_directory("static", name, as_attachment=bool(fl.request.args))

    app.register_blueprint(bp)
    return app


def _register_files() -> None:
    settings: dict[str, dict[str, Any]] = {
        "files": {},
        "files_aged": {"SEND_FILE_MAX_AGE_DEFAULT": datetime.timedelta(hours=1)},
        "files_xsendfile": {"USE_X_SENDFILE": True, "SEND_FILE_MAX_AGE_DEFAULT": 10},
    }
    probes = tuple(
        (Call("GET", p, headers=(h,)),)
        for p in ("/static/hello.txt", "/sent/handle", "/sent/etag")
        for h in (*RANGES, *CONDITIONS)
    )
    for name, config in settings.items():
        subject(name, paths=FILES, headers=(*RANGES, *CONDITIONS), probes=probes)(
            lambda fl, log, config=config: file_app(fl, log, **config)
        )


_register_files()


@subject(
    "streams",
    paths=("/plain", "/context", "/decorated", "/session", "/raise-late", "/raise-first", "/empty", "/direct"),
    queries=("", "a=1"),
)  # fmt: skip
def streams(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_streams", static_folder=None)
    app.secret_key = "k"
    app.teardown_request(lambda error: log.append(("teardown", type(error).__name__)))
    app.after_request(lambda response: log.append("after") or response)

    @app.route("/plain")
    def plain() -> Any:
        def chunks() -> Any:
            log.append(("context", fl.has_request_context()))
            yield "a"
            yield "b"

        return chunks()

    @app.route("/context")
    def context() -> Any:
        def chunks() -> Any:
            try:
                yield "x"
                yield fl.request.args.get("a", "-")
                yield str(fl.current_app.name)
            finally:
                log.append("generator closed")

        return fl.Response(fl.stream_with_context(chunks()))

    @app.route("/decorated")
    def decorated() -> Any:
        @fl.stream_with_context
        def chunks(word: str) -> Any:
            yield word
            yield fl.request.path

        return fl.Response(chunks("w"), 201)

    @app.route("/session")
    def sessions() -> Any:
        fl.session["before"] = 1

        @fl.stream_with_context
        def chunks() -> Any:
            yield str(sorted(fl.session))
            fl.session["late"] = 1

        return chunks()

    @app.route("/raise-late")
    def raise_late() -> Any:
        def chunks() -> Any:
            yield "a"
            raise ValueError("late")

        return fl.Response(fl.stream_with_context(chunks()))

    @app.route("/raise-first")
    def raise_first() -> Any:
        @fl.stream_with_context
        def chunks() -> Any:
            raise ValueError("first")
            yield "never"

        return chunks()

    @app.route("/empty")
    def empty() -> Any:
        return fl.Response(fl.stream_with_context(iter(())))

    @app.route("/direct")
    def direct() -> Any:
        response = fl.Response((c for c in (b"p", b"q")), direct_passthrough=True)
        response.call_on_close(lambda: log.append("closed"))
        return response

    return app


@subject("async", paths=("/", "/error", "/caught", "/class", "/method", "/bp/", "/stop", "/stream"), needs="asgiref")
def asynchronous(fl: ModuleType, log: list[Any]) -> Any:
    import asyncio

    views = part(fl, "views")
    app = fl.Flask("contract_async", static_folder=None)
    bp = fl.Blueprint("bp", "contract_async_bp", url_prefix="/bp")

    @app.route("/", methods=["GET", "POST"])
    async def index() -> Any:
        await asyncio.sleep(0)
        return {"path": fl.request.path, "g": fl.g.get("set")}

    @bp.route("/")
    async def inside() -> Any:
        return fl.request.endpoint, 201

    @app.route("/error")
    async def error() -> Any:
        raise ValueError("in a coroutine")

    @app.route("/caught")
    async def caught() -> Any:
        raise LookupError("caught")

    @app.route("/stop")
    async def stopped() -> Any:
        return "never"

    @app.route("/stream")
    async def stream() -> Any:
        @fl.stream_with_context
        def chunks() -> Any:
            yield fl.request.path

        return chunks()

    @app.errorhandler(LookupError)
    async def handle(found: LookupError) -> Any:
        await asyncio.sleep(0)
        return f"handled {found.args}", 409

    @app.before_request
    async def before() -> Any:
        fl.g.set = "before"
        log.append("before")
        return "stopped" if fl.request.path == "/stop" else None

    @app.after_request
    async def after(response: Any) -> Any:
        log.append("after")
        response.headers["X-After"] = "1"
        return response

    @app.teardown_request
    async def torn(error: Any) -> None:
        log.append(("teardown", type(error).__name__))

    @app.teardown_appcontext
    async def torn_app(error: Any) -> None:
        log.append("teardown_app")

    class Plain(views.View):
        async def dispatch_request(self) -> Any:
            return "class"

    class Methods(views.MethodView):
        async def get(self) -> Any:
            return "get"

        async def post(self) -> Any:
            return "post"

    app.add_url_rule("/class", view_func=Plain.as_view("plain"))
    app.add_url_rule("/method", view_func=Methods.as_view("method"))
    app.register_blueprint(bp)
    return app


COOKIE_HEADERS = (("Cookie", "keep=1; theme=dark"),)


@subject("cookies", paths=("/set", "/delete", "/read", "/partitioned", "/odd"), headers=COOKIE_HEADERS)
def cookies(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_cookies", static_folder=None)

    @app.route("/set")
    def set_cookies() -> Any:
        response = fl.make_response("set")
        response.set_cookie("theme", "dark", max_age=datetime.timedelta(days=1), httponly=True)
        response.set_cookie("keep", "a b;c,\xe9", path="/x", secure=True, samesite="strict")
        return response

    @app.route("/delete")
    def delete() -> Any:
        response = fl.make_response("deleted")
        response.delete_cookie("theme", path="/", domain="d.test")
        return response

    @app.route("/partitioned")
    def partitioned() -> Any:
        response = fl.make_response("p")
        response.set_cookie("p", "1", partitioned=True)
        return response

    @app.route("/odd")
    def odd() -> Any:
        response = fl.make_response("odd")
        response.headers.add("Set-Cookie", "raw=1; Path=/")
        response.vary.add("Cookie")
        response.cache_control.no_store = True
        response.last_modified = datetime.datetime(2020, 1, 1)
        response.add_etag()
        return response.make_conditional(fl.request)

    app.add_url_rule("/read", "read", lambda: fl.request.cookies.to_dict(flat=False))
    return app
