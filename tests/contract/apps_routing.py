"""Apps about which view a request reaches, and about the way back from a view to its URL."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from werkzeug.routing import BaseConverter, Rule, ValidationError

from .catalog import get, part, subject
from .harness import Call

UUID = "8a1c2f34-5b6d-4e7f-8091-a2b3c4d5e6f7"


def seen(fl: ModuleType, **arguments: Any) -> str:
    """What the router found, as text."""
    shown = sorted((k, type(v).__name__, str(v)) for k, v in arguments.items())
    return f"{fl.request.endpoint} {fl.request.method} {fl.request.url_rule} {shown}"


@subject(
    "methods",
    paths=("/", "/get", "/post", "/both", "/required", "/quiet", "/own-options", "/patch", "/two"),
)
def methods(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_methods", static_folder=None)

    @app.get("/get")
    def only_get() -> str:
        return seen(fl)

    @app.post("/post")
    def only_post() -> str:
        return seen(fl)

    @app.route("/both", methods=["get", "Post"])
    def both() -> str:
        return seen(fl)

    @app.patch("/patch")
    @app.delete("/patch")
    @app.put("/patch")
    def three() -> str:
        return seen(fl)

    def required() -> str:
        return seen(fl)

    required.methods = ["PUT"]  # type: ignore[attr-defined]
    required.required_methods = ["DELETE"]  # type: ignore[attr-defined]
    app.add_url_rule("/required", view_func=required)

    @app.route("/quiet", provide_automatic_options=False)
    def quiet() -> str:
        return seen(fl)

    @app.route("/own-options", methods=["GET", "OPTIONS"])
    def own_options() -> str:
        return seen(fl)

    app.add_url_rule("/two", "two_get", lambda: seen(fl), methods=["GET"])
    app.add_url_rule("/two", "two_put", lambda: seen(fl), methods=["PUT"])
    app.add_url_rule("/nothing", "nothing")
    return app


@subject("no_automatic_options", paths=("/", "/forced"))
def no_automatic_options(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_no_options", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/forced", "forced", lambda: "forced", provide_automatic_options=True)
    return app


@subject(
    "converters",
    paths=(
        "/s/a", "/s/abcdef", "/exact/ab", "/exact/abc", "/i/7", "/i/007", "/i/-7", "/i/7.0",
        "/i/99999999999999999999", "/signed/-7", "/signed/7", "/range/3", "/range/10", "/range/11",
        "/fixed/007", "/fixed/7", "/f/1.5", "/f/1", "/f/-1.5", "/sf/-1.5", "/p/a/b/c", "/p/",
        "/p/a//b", "/p2/a/b/edit", "/p2/edit", "/any/left", "/any/right", "/any/up", f"/u/{UUID}",
        f"/u/{UUID.upper()}", "/u/x", "/list/a+b+c", "/list/none", "/seg/1-2", "/seg/1-b",
        "/file/report.pdf", "/file/.pdf", "/v1.2/x", "/page/", "/page/1", "/page/2", "/s/%C3%A9",
        "/s/%FF", "/s/a%2Fb", "/s/a%20b", "/mix/5", "/mix/five", "/mix/static", "/up/abc",
    ),
)  # fmt: skip
def converters(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_converters", static_folder=None)

    class ListConverter(BaseConverter):
        def to_python(self, value: str) -> Any:
            log.append(("to_python", value, fl.has_request_context(), fl.has_app_context()))
            if value == "none":
                raise ValidationError
            return value.split("+")

        def to_url(self, value: Any) -> str:
            return "+".join(super(ListConverter, self).to_url(v) for v in value)

    class UpperConverter(BaseConverter):
        regex = "[a-z]+"

        def to_python(self, value: str) -> Any:
            return value.upper()

    app.url_map.converters["list"] = ListConverter
    app.url_map.converters["up"] = UpperConverter
    rules = {
        "/s/<x>": "s",
        "/exact/<string(length=2):x>": "exact",
        "/i/<int:x>": "i",
        "/signed/<int(signed=True):x>": "signed",
        "/range/<int(min=3, max=10):x>": "range",
        "/fixed/<int(fixed_digits=3):x>": "fixed",
        "/f/<float:x>": "f",
        "/sf/<float(signed=True):x>": "sf",
        "/p/<path:x>": "p",
        "/p2/<path:x>/edit": "p2",
        '/any/<any(left, "right"):x>': "any",
        "/u/<uuid:x>": "u",
        "/list/<list:x>": "list",
        "/seg/<int:x>-<int:y>": "seg",
        "/file/<x>.pdf": "file",
        "/v<int:x>.<int:y>/x": "version",
        "/mix/<int:x>": "mix_int",
        "/mix/<x>": "mix_text",
        "/mix/static": "mix_static",
        "/up/<up:x>": "up",
    }
    for rule, endpoint in rules.items():
        app.add_url_rule(rule, endpoint, lambda **k: seen(fl, **k))
    app.add_url_rule("/page/", "page", lambda **k: seen(fl, **k), defaults={"n": 1})
    app.add_url_rule("/page/<int:n>", "page")
    return app


SLASHES = ("/", "/leaf", "/branch/", "/loose/", "/deep/a/b/", "/deep/a", "/files/a/b")


def _slashes(fl: ModuleType, merge: bool) -> Any:
    app = fl.Flask("contract_slashes", static_folder=None)
    app.url_map.merge_slashes = merge
    app.add_url_rule("/", "root", lambda **k: seen(fl, **k))
    app.add_url_rule("/leaf", "leaf", lambda **k: seen(fl, **k))
    app.add_url_rule("/branch/", "branch", lambda **k: seen(fl, **k), methods=["GET", "POST"])
    app.add_url_rule("/loose/", "loose", lambda **k: seen(fl, **k), strict_slashes=False)
    app.add_url_rule("/deep/<x>/<y>/", "deep", lambda **k: seen(fl, **k))
    app.add_url_rule("/files/<path:x>", "files", lambda **k: seen(fl, **k))
    app.add_url_rule("/keep/<x>", "keep", lambda **k: seen(fl, **k), merge_slashes=False)
    return app


SLASH_PATHS = tuple(
    f"{start}{path.rstrip('/')}{end}"
    for start in ("", "/")
    for path in (*SLASHES, "/keep/a", "//branch", "/deep//a//b")
    for end in ("", "/", "//")
)
SLASH_QUERIES = ("", "a=1", "a=%20b&c", "next=//evil.example/x", "é")


@subject("slashes", paths=SLASH_PATHS, queries=SLASH_QUERIES)
def slashes(fl: ModuleType, log: list[Any]) -> Any:
    return _slashes(fl, True)


@subject("slashes_unmerged", paths=SLASH_PATHS, queries=SLASH_QUERIES)
def slashes_unmerged(fl: ModuleType, log: list[Any]) -> Any:
    return _slashes(fl, False)


@subject("not_strict", paths=SLASH_PATHS, queries=SLASH_QUERIES)
def not_strict(fl: ModuleType, log: list[Any]) -> Any:
    app = _slashes(fl, True)
    app.url_map.strict_slashes = False
    app.add_url_rule("/late/", "late", lambda **k: seen(fl, **k))
    return app


@subject(
    "redirecting",
    paths=(
        "/old/1", "/old/x", "/gone/a/b", "/alias/1", "/canonical/1", "/build/1", "/ws", "/both-ws",
        "/lang/", "/lang/en", "/lang/de", "/root-relative", "/to/login",
    ),
    queries=("", "q=1&r=%C3%A9"),
)  # fmt: skip
def redirecting(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_redirecting", static_folder=None)
    app.add_url_rule("/old/<int:n>", "old", redirect_to="canonical/<n>")
    app.add_url_rule(
        "/gone/<a>/<b>", "gone", redirect_to=lambda adapter, a, b: f"{b}/{a}?from=gone"
    )
    app.add_url_rule("/canonical/<int:n>", "canonical", lambda **k: seen(fl, **k))
    app.add_url_rule("/alias/<int:n>", "canonical", alias=True)
    app.add_url_rule("/build/<int:n>", "build", lambda **k: seen(fl, **k), build_only=True)
    app.add_url_rule("/ws", "ws", lambda **k: seen(fl, **k), websocket=True)
    app.add_url_rule("/both-ws", "both_ws", lambda **k: seen(fl, **k), websocket=True)
    app.add_url_rule("/both-ws", "both_http", lambda **k: seen(fl, **k))
    app.add_url_rule("/lang/", "lang", lambda **k: seen(fl, **k), defaults={"code": "en"})
    app.add_url_rule("/lang/<code>", "lang")
    app.add_url_rule("/to/login", "to_login", lambda: fl.redirect(fl.url_for("lang", code="de")))
    app.url_map.add(Rule("/root-relative", endpoint="direct"))

    @app.endpoint("direct")
    def direct() -> str:
        return seen(fl)

    return app


HOSTS = ("localhost", "a.example", "b.example", "x.b.example", "A.example", "a.example:8080", "")


@subject("hosts", paths=("/", "/static/hello.txt", "/only-b", "/branch"), hosts=HOSTS)
def hosts(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask(
        "contract_hosts",
        host_matching=True,
        static_host="a.example",
        root_path=str(part_root()),
    )
    app.add_url_rule("/", "a", lambda **k: seen(fl, **k), host="a.example")
    app.add_url_rule("/", "b", lambda **k: seen(fl, **k), host="<sub>.b.example")
    app.add_url_rule("/only-b", "only_b", lambda **k: seen(fl, **k), host="b.example")
    app.add_url_rule("/branch/", "branch", lambda **k: seen(fl, **k), host="b.example")
    return app


def part_root() -> Any:
    """The folder that carries the suite's own `static` and `templates`."""
    from .harness import HERE

    return HERE


SUB_HOSTS = (
    "example.test",
    "api.example.test",
    "x.api.example.test",
    "other.test",
    "example.test:81",
)


@subject("subdomains", paths=("/", "/user", "/bp/x", "/branch"), hosts=SUB_HOSTS)
def subdomains(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_subdomains", subdomain_matching=True, static_folder=None)
    app.config["SERVER_NAME"] = "example.test"
    bp = fl.Blueprint("bp", "contract_bp", subdomain="api", url_prefix="/bp")
    inner = fl.Blueprint("inner", "contract_inner", subdomain="x")
    app.add_url_rule("/", "index", lambda **k: seen(fl, **k))
    app.add_url_rule("/", "tenant", lambda **k: seen(fl, **k), subdomain="<tenant>")
    app.add_url_rule("/user", "user", lambda **k: fl.url_for("tenant", tenant="q"), subdomain="api")
    app.add_url_rule("/branch/", "branch", lambda **k: seen(fl, **k), subdomain="api")
    bp.add_url_rule("/x", "x", lambda **k: seen(fl, **k))
    inner.add_url_rule("/x", "x", lambda **k: fl.url_for(".x") + fl.url_for("index"))
    bp.register_blueprint(inner)
    app.register_blueprint(bp)
    return app


@subject("server_name_alone", paths=("/", "/url", "/branch"), hosts=SUB_HOSTS)
def server_name_alone(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_server_name", static_folder=None)
    app.config.update(SERVER_NAME="example.test:8443", PREFERRED_URL_SCHEME="https")
    app.add_url_rule("/", "index", lambda **k: seen(fl, **k))
    app.add_url_rule("/branch/", "branch", lambda **k: seen(fl, **k))
    app.add_url_rule("/url", "url", lambda: fl.url_for("index", _external=True))
    return app


@subject(
    "trusted_hosts",
    paths=("/", "/nowhere", "/branch"),
    hosts=("good.test", "sub.dot.test", "dot.test", "bad.test", "good.test:80", "good.test@x",
           "[::1]", ""),
)  # fmt: skip
def trusted_hosts(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_trusted", static_folder=None)
    app.config["TRUSTED_HOSTS"] = ["good.test", ".dot.test"]
    app.add_url_rule("/", "index", lambda: fl.request.host)
    app.add_url_rule("/branch/", "branch", lambda: fl.request.host)

    @app.errorhandler(400)
    def refused(error: Any) -> Any:
        log.append(type(error).__name__)
        return "refused", 400

    return app


BUILDS = (
    "index", "item?n=3", "item", "item?n=x", "bp.local", "missing", ".local",
    "item?n=1&extra=2&extra=3",
    "static?filename=a b.css", "index?_anchor=x y", "index?_scheme=https", "index?_external=1",
    "posted?_method=POST", "lang?code=de", "p?x=a/b c", "rescued",
)  # fmt: skip


@subject(
    "urls",
    paths=("/build", "/bp/build", "/de/lang", "/item/3"),
    queries=tuple("to=" + b.replace("&", "%26").replace("?", "&args=", 1) for b in BUILDS),
    probes=tuple(
        (get(p, "to=" + b.replace("&", "%26").replace("?", "&args=", 1), root="/mount"),)
        for b in BUILDS
        for p in ("/build", "/bp/build")
    ),
)
def urls(fl: ModuleType, log: list[Any]) -> Any:
    from urllib.parse import parse_qs

    routing = __import__("werkzeug.routing", fromlist=["BuildError"])
    app = fl.Flask("contract_urls", static_folder=None)
    bp = fl.Blueprint("bp", "contract_urls_bp", url_prefix="/bp")

    def build(**kwargs: Any) -> Any:
        wanted = parse_qs(fl.request.args.get("args", ""), keep_blank_values=True)
        values = {k: v if len(v) > 1 else v[0] for k, v in wanted.items()}
        if "_external" in values:
            values["_external"] = True
        try:
            return fl.url_for(fl.request.args.get("to", ""), **values)
        except (routing.BuildError, ValueError) as error:
            return f"{type(error).__name__}", 422

    app.add_url_rule("/", "index", build)
    app.add_url_rule("/build", "build", build)
    app.add_url_rule("/static/<path:filename>", "static", build)
    app.add_url_rule("/item/<int:n>", "item", build)
    app.add_url_rule("/posted", "posted", build, methods=["POST"])
    app.add_url_rule("/posted-get", "posted", build, methods=["GET"])
    app.add_url_rule("/p/<path:x>", "p", build)
    app.add_url_rule("/<code>/lang", "lang", lambda **k: fl.url_for("lang") + repr(k))
    bp.add_url_rule("/build", "build", build)
    bp.add_url_rule("/local/<token>", "local", build)

    @app.url_value_preprocessor
    def pull(endpoint: Any, values: Any) -> None:
        log.append(("pull", endpoint, dict(values) if values else values))
        if values:
            fl.g.code = values.pop("code", None)

    @app.url_defaults
    def push(endpoint: Any, values: Any) -> None:
        log.append(("push", endpoint))
        if app.url_map.is_endpoint_expecting(endpoint, "code"):
            values.setdefault("code", fl.g.get("code") or "en")

    @bp.url_defaults
    def push_token(endpoint: Any, values: Any) -> None:
        log.append(("push_token", endpoint))
        values.setdefault("token", "t0")

    @bp.url_value_preprocessor
    def pull_bp(endpoint: Any, values: Any) -> None:
        log.append(("pull_bp", endpoint))

    def rescue(error: Any, endpoint: str, values: Any) -> str:
        log.append(("rescue", endpoint, sorted(values)))
        if endpoint == "rescued":
            return "/rescued/here"
        raise error

    app.url_build_error_handlers.append(rescue)
    app.register_blueprint(bp)
    return app


@subject("debug_redirects", paths=("/branch", "/branch/", "/lang/en"))
def debug_redirects(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_debug_redirects", static_folder=None)
    app.debug = True
    view: dict[str, Any] = {"methods": ["GET", "POST", "PUT"]}
    app.add_url_rule("/branch/", "branch", lambda **k: seen(fl, **k), **view)
    app.add_url_rule("/lang/", "lang", lambda **k: seen(fl, **k), defaults={"code": "en"}, **view)
    app.add_url_rule("/lang/<code>", "lang", **view)
    return app


@subject(
    "class_views",
    paths=("/plain", "/items/", "/items/3", "/shared", "/decorated", "/headless"),
    probes=((get("/shared"), get("/shared"), Call("HEAD", "/items/3"), Call("PUT", "/items/3")),),
)
def class_views(fl: ModuleType, log: list[Any]) -> Any:
    views = part(fl, "views")
    app = fl.Flask("contract_class_views", static_folder=None)

    class Plain(views.View):
        methods = ["GET", "POST"]

        def dispatch_request(self, **kwargs: Any) -> Any:
            return seen(fl, **kwargs)

    class Items(views.MethodView):
        def __init__(self, label: str) -> None:
            log.append("init")
            self.label = label

        def get(self, n: int | None = None) -> Any:
            return f"{self.label} get {n}"

        def post(self, n: int | None = None) -> Any:
            return {"n": n}, 201

    class Shared(views.MethodView):
        init_every_request = False

        def __init__(self) -> None:
            self.count = 0

        def get(self) -> Any:
            self.count += 1
            return str(self.count)

    class Child(Items):
        def delete(self, n: int | None = None) -> Any:
            return f"gone {n}"

        def head(self, n: int | None = None) -> Any:
            return "", 204

    def note(view: Any) -> Any:
        def inner(*args: Any, **kwargs: Any) -> Any:
            log.append("decorated")
            return view(*args, **kwargs)

        return inner

    class Decorated(Plain):
        decorators = [note]

    app.add_url_rule("/plain", view_func=Plain.as_view("plain"))
    view = Items.as_view("items", "L")
    app.add_url_rule("/items/", view_func=view, defaults={"n": None})
    app.add_url_rule("/items/<int:n>", view_func=view)
    app.add_url_rule("/shared", view_func=Shared.as_view("shared"))
    app.add_url_rule("/decorated", view_func=Decorated.as_view("decorated"))
    app.add_url_rule("/headless", view_func=Child.as_view("headless", label="C"))
    return app
