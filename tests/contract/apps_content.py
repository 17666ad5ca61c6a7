"""Apps about what goes in and what comes out: bodies, JSON, templates, files, streams, limits."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from types import ModuleType
from typing import Any

from .catalog import get, post, subject
from .harness import Call

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
    (f"{FORM}; charset=latin-1", "a=é".encode("latin-1")),
    (FORM, b"&".join(b"k=v" for _ in range(40))),
    (MULTIPART, multipart((FIELD, b"1"), (UPLOAD, b"content"))),
    (MULTIPART, multipart((FIELD, b"z" * 400))),
    (MULTIPART, multipart((UPLOAD, b"\r" * 200))), (MULTIPART, multipart((FIELD, b"1"), end=b"")),
    (MULTIPART, b"--b0--"), ("multipart/form-data", multipart((FIELD, b"1"))), (MULTIPART, b"junk"),
    (MULTIPART, multipart(*[(FIELD, b"1")] * 12)), (MULTIPART, b"--b0\r\n" + b"X: y\r\n" * 30),
    ("application/json", b'{"a": [1, 2.5, null, "\xc3\xa9"]}'), ("application/json", b"{"),
    ("application/json", b""), ("application/json", b"\xff\xfe{}"),
    ("application/problem+json", b"[1]"),
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
        files = [
            (k, f.filename, f.content_type, f.read(), sorted(f.headers))
            for k, f in r.files.items(True)
        ]
        return {
            "args": r.args.to_dict(flat=False),
            "form": r.form.to_dict(flat=False),
            "values": r.values.to_dict(flat=False),
            "files": repr(files),
            "cookies": r.cookies.to_dict(flat=False),
            "urls": [
                r.url,
                r.base_url,
                r.root_url,
                r.host_url,
                r.full_path,
                r.path,
                r.root_path,
                r.script_root,
            ],
            "host": [r.host, r.scheme, r.is_secure, r.remote_addr, r.access_route],
            "type": [r.content_type, r.mimetype, r.mimetype_params, r.content_length, r.is_json],
            "accept": [str(r.accept_mimetypes), str(r.accept_languages), r.accept_mimetypes.best],
            "auth": repr(r.authorization),
            "ranges": [
                repr(r.range),
                repr(r.if_range),
                repr(r.if_none_match),
                str(r.if_modified_since),
            ],
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
    ("Cookie", 'a=1; b="x y"; c; =d; a=2; e=\xe9'), ("Cookie", ";;;="),
    ("Accept", "text/html;q=0.3, */*;q=x"),
    ("Accept-Language", "de, en;q=0.5"), ("Authorization", "Basic dTpw"),
    ("Authorization", "Basic !!"),
    ("Authorization", "Bearer t"), ("Authorization", 'Digest username="u", nonce=x'),
    ("Range", "bytes=0-3"),
    ("Range", "bytes=x"), ("If-Range", "x"), ("If-None-Match", '"a", W/"b"'),
    ("Cache-Control", "max-age=x, no-cache"),
    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("If-Modified-Since", "never"),
    ("Origin", "null"),
    ("Referer", "http://x/\xe9"), ("User-Agent", "a\xff"), ("X-Forwarded-For", "1.2.3.4, x"),
    ("Content-Length", "x"),
    ("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Content-Encoding", "gzip"),
    ("Expect", "x"),
)  # fmt: skip
QUERIES = ("", "a=1&b=2&a=3", "a=%FF&%C3%A9=%00", "&&=&a", "a+b=c%20d", "é=1", "a=b=c;d=e")
BODY_SETTINGS: dict[str, dict[str, Any]] = {
    "bodies": {},
    "bodies_debug": {"DEBUG": True},
    "bodies_limited": {"MAX_CONTENT_LENGTH": 350, "MAX_FORM_MEMORY_SIZE": 300, "MAX_FORM_PARTS": 5},
    "bodies_unlimited": {
        "MAX_CONTENT_LENGTH": None,
        "MAX_FORM_MEMORY_SIZE": None,
        "MAX_FORM_PARTS": None,
    },
    "bodies_trap": {"TRAP_BAD_REQUEST_ERRORS": True, "MAX_CONTENT_LENGTH": 20},
}


def _register() -> None:
    for name, config in BODY_SETTINGS.items():
        subject(
            name,
            paths=BODY_PATHS,
            queries=QUERIES,
            headers=HEADERS,
            bodies=BODIES,
            probes=BODY_PROBES,
        )(lambda fl, log, config=config: body_app(fl, log, **config))


_register()


@subject(
    "form_helper",
    paths=("/",),
    bodies=((FORM, b"f=name.txt"), (FORM, b"a=1"), (MULTIPART, b"--b0--")),
)
def form_helper(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_form_helper", static_folder=None)
    app.debug = True
    app.add_url_rule("/", "upload", lambda: str(fl.request.files["f"]), methods=["GET", "POST"])
    return app


RETURNS = (
    "str", "bytes", "bytearray", "dict", "list", "generator", "status", "headers", "both",
    "header_list", "status_text",
    "response", "response_status", "wsgi", "werkzeug", "none", "int", "one", "four", "none_status",
    "tuple_none", "set",
    "empty", "head_dict", "bad_status", "type_in_tuple", "nested", "exception", "json_status",
    "class_status", "false",
    "iter", "location",
)  # fmt: skip


@subject(
    "returns",
    paths=tuple(f"/{r}" for r in RETURNS),
    queries=("", "made=1"),
    probes=tuple(
        (Call(m, f"/{r}", q),) for r in RETURNS for q in ("", "made=1") for m in ("GET", "HEAD")
    ),
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
        "head_dict": dict,
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
                return (
                    fl.make_response(*value)
                    if isinstance(value, tuple)
                    else fl.make_response(value)
                )
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
    "json_plain": {
        "sort_keys": False,
        "ensure_ascii": False,
        "compact": True,
        "mimetype": "x/json",
    },
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
