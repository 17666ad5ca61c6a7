"""Apps about what lasts: hooks round a request, sessions between requests, contexts, signals."""

from __future__ import annotations

import datetime
import uuid
from types import ModuleType
from typing import Any

from markupsafe import Markup

from .apps_errors import fail
from .catalog import get, post, subject
from .harness import Call

HOOK_PATHS = ("/", "/outer/", "/outer/inner/", "/outer/second/", "/nowhere", "/outer/nowhere")
STOPS = ("", *(f"stop={w}" for w in ("app1", "app2", "outer", "inner", "bp_app", "none")))


@subject(
    "hooks",
    paths=HOOK_PATHS,
    queries=(*STOPS, "after=app1", "add=1", "fail=value", "fail=abort403"),
)
def hooks(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_hooks", static_folder=None)
    outer = fl.Blueprint("outer", "contract_hooks_outer", url_prefix="/outer")
    inner = fl.Blueprint("inner", "contract_hooks_inner", url_prefix="/inner")

    def before(name: str) -> Any:
        def hook() -> Any:
            log.append(("before", name, fl.request.endpoint, fl.request.blueprints))
            if fl.request.args.get("stop") == name:
                return f"stopped by {name}"
            return None

        return hook

    def after(name: str) -> Any:
        def hook(response: Any) -> Any:
            log.append(("after", name))
            response.headers.add("X-After", name)
            if fl.request.args.get("after") == name:
                return fl.make_response(("replaced", 202))
            return response

        return hook

    def torn(name: str) -> Any:
        return lambda error: log.append(("teardown", name, type(error).__name__))

    def value(name: str) -> Any:
        return lambda endpoint, values: log.append(("values", name, endpoint, values))

    def view() -> Any:
        log.append("view")
        if fl.request.args.get("add"):

            @fl.after_this_request
            def once(response: Any) -> Any:
                log.append("once")
                response.headers["X-Once"] = "1"
                return response

            @fl.after_this_request
            def twice(response: Any) -> Any:
                log.append("twice")
                return response

        if fl.request.args.get("fail"):
            return fail(fl, fl.request.args["fail"])
        return f"{fl.request.blueprint} {fl.request.blueprints}"

    for name, scaffold in (("app1", app), ("outer", outer), ("inner", inner), ("app2", app)):
        scaffold.before_request(before(name))
        scaffold.after_request(after(name))
        scaffold.teardown_request(torn(name))
        scaffold.url_value_preprocessor(value(name))
        scaffold.add_url_rule("/", name, view, methods=["GET", "POST"])
    inner.before_app_request(before("bp_app"))
    inner.after_app_request(after("bp_app"))
    inner.teardown_app_request(torn("bp_app"))
    inner.app_url_value_preprocessor(value("bp_app"))
    outer.register_blueprint(inner)
    outer.register_blueprint(inner, url_prefix="/second", name="again")
    app.teardown_appcontext(torn("appcontext"))
    app.register_blueprint(outer)
    return app


SESSION_PATHS = (
    "/read", "/set", "/set/none", "/has", "/len", "/iter", "/pop", "/clear", "/nested",
    "/nested-marked",
    "/permanent", "/types", "/new", "/untouched", "/before", "/broken", "/delete", "/big",
)  # fmt: skip
ROUND = tuple(get(p) for p in SESSION_PATHS)
SESSION_PROBES = (
    ROUND,
    tuple(reversed(ROUND)),
    (get("/permanent"), get("/untouched"), get("/read"), get("/clear"), get("/read")),
    (get("/types"), get("/read"), get("/types")),
    (get("/read", headers=(("Cookie", "session=junk"),)),),
    (get("/read", headers=(("Cookie", "session=eyJhIjoxfQ.Zm9v.YmFy"),)),),
    (get("/read", headers=(("Cookie", 'session=""; session=x; session'),)),),
)


def session_app(fl: ModuleType, log: list[Any], **config: Any) -> Any:
    """Views that touch the session in every way, under some settings."""
    app = fl.Flask("contract_session", static_folder=None)
    app.secret_key = "a key"
    app.config.update(config)
    session = fl.session

    def view(rule: str, result: Any) -> None:
        app.add_url_rule(rule, rule.strip("/").replace("/", "_"), lambda: str(result()))

    view("/read", lambda: sorted(session.items(), key=str))
    view("/set", lambda: session.update(a=1, b="é<>") or "set")
    view("/set/none", lambda: session.__setitem__("n", None) or "none")
    view("/has", lambda: "a" in session)
    view("/len", lambda: len(session))
    view("/iter", lambda: sorted(session))
    view("/pop", lambda: session.pop("a", "absent"))
    view("/clear", lambda: session.clear() or "cleared")
    view("/new", lambda: (session.new, session.modified, session.permanent))
    view("/untouched", lambda: "nothing")
    view("/broken", lambda: fail(fl, "value") if session.update(x=1) is None else None)

    @app.route("/nested")
    def nested() -> str:
        session.setdefault("list", []).append(1)
        return str(session["list"])

    @app.route("/nested-marked")
    def nested_marked() -> str:
        session.setdefault("list", [])
        session["list"].append(2)
        session.modified = True
        return str((session["list"], session.modified, session.accessed))

    @app.route("/permanent")
    def permanent() -> str:
        session.permanent = True
        return str(session.permanent)

    @app.route("/types")
    def types() -> str:
        before = repr(sorted(session.items(), key=str))
        session["tuple"] = (1, ("x", b"y"))
        session["bytes"] = b"\x00\xff"
        session["markup"] = Markup("<b>&amp;</b>")
        session["uuid"] = uuid.UUID(int=7)
        session["when"] = datetime.datetime(2020, 5, 17, 1, 2, 3, tzinfo=datetime.UTC)
        session["tagged"] = {" t": [1]}
        session["deep"] = {"a": [{"b": (1,)}]}
        return before

    @app.route("/delete")
    def delete() -> Any:
        session.pop("a", None)
        response = fl.make_response("deleted")
        response.set_cookie("other", "v w", max_age=9, samesite="Lax")
        return response

    @app.route("/big")
    def big() -> str:
        session["big"] = "x" * 900
        return "big"

    @app.after_request
    def last(response: Any) -> Any:
        if fl.request.args.get("after"):
            session["after"] = fl.request.args["after"]
        return response

    @app.route("/before")
    def plain() -> str:
        return str(fl.g.get("count"))

    @app.before_request
    def count() -> None:
        if fl.request.path == "/before":
            session["count"] = fl.g.count = session.get("count", 0) + 1

    return app


SESSION_SETTINGS: dict[str, dict[str, Any]] = {
    "session_default": {},
    "session_strict": {
        "SESSION_COOKIE_NAME": "sid",
        "SESSION_COOKIE_DOMAIN": "localhost.test",
        "SESSION_COOKIE_PATH": "/app",
        "SESSION_COOKIE_HTTPONLY": False,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_PARTITIONED": True,
    },
    "session_no_refresh": {
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": 120,
        "SESSION_COOKIE_SAMESITE": "Lax",
    },
    "session_root": {
        "APPLICATION_ROOT": "/mounted",
        "PERMANENT_SESSION_LIFETIME": datetime.timedelta(days=2),
    },
    "session_null": {"SECRET_KEY": None},
    "session_null_kept": {"SECRET_KEY": None, "PROPAGATE_EXCEPTIONS": True},
    "session_fallbacks": {"SECRET_KEY": "new key", "SECRET_KEY_FALLBACKS": ["older", "a key"]},
    "session_samesite_none": {
        "SESSION_COOKIE_SAMESITE": "None",
        "SESSION_COOKIE_DOMAIN": ".x.test",
    },
    "session_tiny_cookie": {"MAX_COOKIE_SIZE": 0, "SECRET_KEY": b"bytes key"},
}


def _register() -> None:
    for name, config in SESSION_SETTINGS.items():
        subject(
            name,
            paths=SESSION_PATHS,
            queries=("", "", "after=1"),
            headers=(("Cookie", "session=x"), ("Cookie", "sid=.x.y.z")),
            probes=SESSION_PROBES,
        )(lambda fl, log, config=config: session_app(fl, log, **config))


_register()


@subject(
    "flashing",
    paths=("/put", "/put/error", "/show", "/show/error", "/pairs", "/twice", "/silent"),
    probes=(
        tuple(get(p) for p in ("/put", "/put/error", "/silent", "/pairs", "/pairs")),
        tuple(get(p) for p in ("/put", "/put/error", "/show/error", "/show")),
        tuple(get(p) for p in ("/put", "/put", "/twice", "/twice")),
    ),
)
def flashing(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_flashing", static_folder=None)
    app.secret_key = "k"
    fl.message_flashed.connect(
        lambda sender, message, category, **rest: log.append((message, category)), app, weak=False
    )
    app.add_url_rule("/silent", "silent", lambda: "quiet")
    app.add_url_rule("/show", "show_all", lambda: repr(fl.get_flashed_messages()))
    app.add_url_rule("/pairs", "pairs", lambda: repr(fl.get_flashed_messages(with_categories=True)))

    @app.route("/put")
    @app.route("/put/<category>")
    def put(category: str | None = None) -> str:
        if category:
            fl.flash(Markup("<i>m</i>"), category)
        else:
            fl.flash("plain é")
        return "flashed"

    @app.route("/show/<category>")
    def show(category: str) -> str:
        return repr(fl.get_flashed_messages(True, [category]))

    @app.route("/twice")
    def twice() -> str:
        return repr((fl.get_flashed_messages(), fl.get_flashed_messages()))

    return app


@subject("signals", paths=("/", "/render", "/fail", "/nowhere", "/stream"), queries=("", "stop=1"))
def signals(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_signals", static_folder=None)
    names = (
        "appcontext_popped", "appcontext_pushed", "appcontext_tearing_down",
        "before_render_template",
        "got_request_exception", "request_finished", "request_started", "request_tearing_down",
        "template_rendered",
    )  # fmt: skip

    def listener(name: str) -> Any:
        def receive(sender: Any, **rest: Any) -> None:
            current = fl.has_request_context(), fl.has_app_context()
            log.append((name, sender is app, sorted(rest), current))

        return receive

    for name in names:
        getattr(fl, name).connect(listener(name), app, weak=False)
    app.before_request(
        lambda: log.append("before") or ("s" if fl.request.args.get("stop") else None)
    )
    app.after_request(lambda response: log.append("after") or response)
    app.teardown_request(lambda error: log.append("teardown"))
    app.teardown_appcontext(lambda error: log.append("teardown_app"))
    app.context_processor(lambda: log.append("context") or {})
    app.add_url_rule("/", "index", lambda: log.append("view") or "v")
    app.add_url_rule("/fail", "fail", lambda: fail(fl, "value"))
    app.add_url_rule("/render", "render", lambda: fl.render_template_string("{{ 1 + 1 }}"))
    app.add_url_rule("/stream", "stream", lambda: fl.stream_template_string("{{ request.path }}"))
    return app


@subject(
    "contexts",
    paths=("/g", "/push", "/copy", "/nested-app", "/nested-request", "/test-context", "/endpoint"),
    queries=("", "a=1"),
)
def contexts(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_contexts", static_folder=None)
    other = fl.Flask("contract_contexts_other", static_folder=None)
    other.add_url_rule("/inside", "inside", lambda: f"inside {fl.current_app.name} {'x' in fl.g}")

    @app.route("/g")
    def use_g() -> str:
        fl.g.x = 1
        fl.g.setdefault("y", 2)
        popped = fl.g.pop("x"), fl.g.pop("x", "gone")
        return str((sorted(fl.g), "y" in fl.g, fl.g.get("z"), popped))

    @app.route("/push")
    def push() -> str:
        fl.g.x = 1
        with app.app_context():
            inside = fl.g.get("x"), fl.has_request_context(), fl.request.path
        return str((inside, fl.g.x))

    @app.route("/copy")
    def copy() -> str:
        @fl.copy_current_request_context
        def later(y: int) -> Any:
            return fl.request.args.get("a"), fl.current_app.name, y

        import threading

        found: list[Any] = []

        def run() -> None:
            try:
                found.append(later(3))
            except UnicodeDecodeError as error:
                found.append(type(error).__name__)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return str(found)

    @app.route("/nested-app")
    def nested_app() -> str:
        fl.g.x = 1
        with other.app_context():
            inside = fl.current_app.name, "x" in fl.g, fl.request.path
        return str((inside, fl.current_app.name))

    @app.route("/nested-request")
    def nested_request() -> str:
        fl.g.x = 1
        inside = other.test_client().get("/inside").get_data(as_text=True)
        return str((inside, fl.current_app.name, fl.g.x, fl.request.path))

    @app.route("/test-context")
    def test_context() -> str:
        with app.test_request_context("/endpoint?b=2", method="PUT"):
            inside = fl.request.method, fl.request.endpoint, dict(fl.request.args)
        return str((inside, fl.request.path))

    @app.route("/endpoint", methods=["GET", "PUT"])
    def endpoint() -> str:
        kept = fl.request._get_current_object(), fl.current_app._get_current_object() is app
        return str((type(kept[0]).__name__, kept[1], fl.request.routing_exception))

    app.teardown_appcontext(lambda error: log.append("app down"))
    other.teardown_appcontext(lambda error: log.append("other down"))
    return app


@subject(
    "before_and_body",
    paths=("/echo",),
    probes=((post("/echo", b"x" * 9), Call("POST", "/echo", "stop=1", body=b"y" * 70000)),),
)
def before_and_body(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_before_body", static_folder=None)

    @app.before_request
    def stop() -> Any:
        return {"stopped": True} if fl.request.args.get("stop") else None

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> Any:
        return str(len(fl.request.get_data()))

    return app
