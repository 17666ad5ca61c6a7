"""Apps about what answers are made of: templates, files, streams, coroutines, cookies."""

from __future__ import annotations

import datetime
import io
import os
from types import ModuleType
from typing import Any

from .catalog import part, subject
from .harness import HERE, Call

TEMPLATES = (
    "page.html", "plain.txt", "picture.svg", "feed.xml", "UPPER.HTML", "both.html", "only_bp.html",
    "broken.html",
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
        "bp",
        "contract_templates_bp",
        url_prefix="/bp",
        template_folder="bp_templates",
        root_path=str(HERE),
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
        return fl.render_template_string(
            "{{ from_processor }}{{ g }}", from_processor="mine", g="mine"
        )

    @app.route("/no-escape")
    def no_escape() -> Any:
        return fl.render_template_string(
            "{% autoescape false %}{{ value }}{% endautoescape %}", **values()
        )

    app.template_filter("shout")(lambda s: s.upper() + "!")
    app.template_test("even_number")(lambda n: n % 2 == 0)
    app.template_global("twice")(lambda n: n * 2)
    app.context_processor(lambda: {"from_processor": fl.request.endpoint, "bp_value": "app"})
    bp.context_processor(lambda: {"bp_value": "<bp>"})
    app.register_blueprint(bp)
    return app


RANGES = tuple(
    ("Range", r)
    for r in (
        "bytes=0-4",
        "bytes=5-",
        "bytes=-5",
        "bytes=0-4,6-7",
        "bytes=900-",
        "bytes=4-2",
        "items=0-1",
        "bytes=a-b",
    )
)
CONDITIONS = (
    ("If-None-Match", "*"), ("If-None-Match", '"x"'), ("If-Match", '"x"'), ("If-Match", "*"),
    ("If-Modified-Since", "Sun, 06 Nov 2094 08:49:37 GMT"),
    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("If-Range", '"x"'),
    ("If-None-Match", "W/\"x"),
)  # fmt: skip
FILES = (
    "/static/hello.txt", "/static/style.css", "/static/blob.bin", "/static/", "/static/none",
    "/static/../harness.py",
    "/static/%2e%2e/harness.py", "/static/hello.txt/", "/static//hello.txt", "/static/%00",
    "/bp/own/note.txt",
    "/sent/path", "/sent/handle", "/sent/named", "/sent/etag", "/sent/nothing", "/sent/plain",
    "/from/hello.txt",
    "/from/../harness.py", "/from/none", "/static/h%C3%A9llo.txt", "/sent/age",
)  # fmt: skip


def file_app(fl: ModuleType, log: list[Any], **config: Any) -> Any:
    """Static files and sent files under some settings."""
    app = fl.Flask("contract_files", root_path=str(HERE))
    app.config.update(config)
    if config.get("USE_X_SENDFILE"):
        app.use_x_sendfile = True
    bp = fl.Blueprint(
        "bp", "contract_files_bp", url_prefix="/bp", static_folder="bp_static",
        static_url_path="/own", root_path=str(HERE),
    )  # fmt: skip
    moment = datetime.datetime(2001, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
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
    paths=("/plain", "/context", "/decorated", "/session", "/raise-late", "/raise-first",
           "/empty", "/direct"),
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


@subject(
    "async",
    paths=("/", "/error", "/caught", "/class", "/method", "/bp/", "/stop", "/stream"),
    needs="asgiref",
)
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


@subject(
    "cookies", paths=("/set", "/delete", "/read", "/partitioned", "/odd"), headers=COOKIE_HEADERS
)
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
