"""Apps about what happens when something goes wrong, and under which settings."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

from werkzeug import exceptions
from werkzeug.wrappers import Response

from .catalog import get, post, subject
from .harness import Call

FAILURES = (
    "value", "key", "lookup", "own", "child", "abort403", "abort404", "abort418", "abort500",
    "abort302",
    "abort_response", "abort_text", "abort_unknown", "raise404", "raise405", "retry", "badkey",
    "form_key",
    "none", "proxy", "redirect", "ok", "own_http", "base",
)  # fmt: skip


class Own(Exception):
    """An application's own error."""


class Child(Own):
    """A more special one."""


class Teapot(exceptions.HTTPException):
    """An HTTP error with a code that few handle."""

    code = 418
    description = "short and stout"


def fail(fl: ModuleType, kind: str) -> Any:
    """Go wrong in the named way."""
    if kind.startswith("abort") and kind[5:].isdigit():
        code = int(kind[5:])
        return fl.abort(code) if code != 302 else fl.abort(fl.redirect("/elsewhere"))
    raised: dict[str, Any] = {
        "value": ValueError("v"),
        "key": KeyError("k"),
        "lookup": LookupError("l"),
        "own": Own("o"),
        "child": Child("c"),
        "raise404": exceptions.NotFound("not here"),
        "raise405": exceptions.MethodNotAllowed(["PUT", "GET"]),
        "retry": exceptions.TooManyRequests("slow down", retry_after=7),
        "proxy": exceptions.HTTPException(response=Response("carried", 409)),
        "own_http": Teapot(),
    }
    if kind in raised:
        raise raised[kind]
    if kind == "abort_response":
        fl.abort(fl.Response("stop", 402, headers={"X-Why": "paid"}))
    if kind == "abort_text":
        fl.abort(400, "own <words>")
    if kind == "abort_unknown":
        fl.abort(999)
    if kind == "badkey":
        return fl.request.args["absent"]
    if kind == "form_key":
        return fl.request.form["absent"]
    if kind == "redirect":
        return fl.redirect("/elsewhere", 307)
    if kind == "base":
        raise exceptions.InternalServerError("by hand")
    return None if kind == "none" else "fine"


def add_views(fl: ModuleType, app: Any, log: list[Any]) -> None:
    """Views that fail on demand, in the view, before it, after it and in a handler."""

    @app.route("/fail/<kind>", methods=["GET", "POST"])
    def failing(kind: str) -> Any:
        return fail(fl, kind)

    @app.before_request
    def before() -> Any:
        log.append("before")
        kind = fl.request.args.get("before")
        return fail(fl, kind) if kind else None

    @app.after_request
    def after(response: Any) -> Any:
        log.append(("after", response.status_code))
        kind = fl.request.args.get("after")
        if kind:
            fail(fl, kind)
        return response

    @app.teardown_request
    def torn(error: Any) -> None:
        log.append(("teardown", type(error).__name__))

    @app.teardown_appcontext
    def torn_app(error: Any) -> None:
        log.append(("teardown_app", type(error).__name__))

    def report(sender: Any, exception: Any, **rest: Any) -> None:
        log.append(("signal", type(exception).__name__))

    fl.got_request_exception.connect(report, app, weak=False)


PATHS = (*(f"/fail/{k}" for k in FAILURES), "/fail", "/nowhere")
QUERIES = ("", *(f"before={k}" for k in FAILURES), *(f"after={k}" for k in ("value", "abort404")))
PROBES = tuple((get(p, q),) for p in PATHS for q in ("", "before=child", "after=value")) + tuple(
    (post(p, b"a=1", "application/x-www-form-urlencoded"),) for p in PATHS
)


def bare(fl: ModuleType, log: list[Any], **config: Any) -> Any:
    """The failing views without any handler, under some settings."""
    app = fl.Flask("contract_errors", static_folder=None)
    app.config.update(config)
    add_views(fl, app, log)
    return app


SETTINGS: dict[str, dict[str, Any]] = {
    "errors_bare": {},
    "errors_testing": {"TESTING": True},
    "errors_debug": {"DEBUG": True},
    "errors_propagate": {"PROPAGATE_EXCEPTIONS": True},
    "errors_debug_kept": {"DEBUG": True, "PROPAGATE_EXCEPTIONS": False},
    "errors_testing_kept": {"TESTING": True, "PROPAGATE_EXCEPTIONS": False},
    "errors_trap_http": {"TRAP_HTTP_EXCEPTIONS": True},
    "errors_trap_bad": {"TRAP_BAD_REQUEST_ERRORS": True},
    "errors_trap_bad_off": {"TRAP_BAD_REQUEST_ERRORS": False, "DEBUG": True},
}


def _register() -> None:
    for name, config in SETTINGS.items():
        subject(name, paths=PATHS, queries=QUERIES, probes=PROBES)(
            lambda fl, log, config=config: bare(fl, log, **config)
        )


_register()


@subject("errors_handled", paths=PATHS, queries=QUERIES, probes=PROBES)
def errors_handled(fl: ModuleType, log: list[Any]) -> Any:
    app = bare(fl, log)

    def handler(name: str, code: Any = 200) -> Any:
        def handle(error: Any) -> Any:
            log.append((name, type(error).__name__))
            original = getattr(error, "original_exception", None)
            return f"{name} {type(error).__name__} {type(original).__name__}", code

        return handle

    app.register_error_handler(404, handler("404", 404))
    app.register_error_handler(exceptions.HTTPException, handler("http", 499))
    app.register_error_handler(exceptions.Forbidden, handler("forbidden", 403))
    app.register_error_handler(418, lambda error: error)
    app.register_error_handler(Own, handler("own"))
    app.register_error_handler(LookupError, handler("lookup"))
    app.register_error_handler(500, handler("500", 500))
    return app


@subject("errors_catch_all", paths=PATHS, queries=QUERIES, probes=PROBES)
def errors_catch_all(fl: ModuleType, log: list[Any]) -> Any:
    app = bare(fl, log)

    @app.errorhandler(Exception)
    def everything(error: Exception) -> Any:
        log.append(("all", type(error).__name__))
        if fl.request.args.get("again"):
            raise RuntimeError("from the handler") from error
        return {"caught": type(error).__name__}, getattr(error, "code", None) or 500

    return app


@subject("errors_500_class", paths=PATHS, queries=QUERIES, probes=PROBES)
def errors_500_class(fl: ModuleType, log: list[Any]) -> Any:
    app = bare(fl, log)

    @app.errorhandler(exceptions.InternalServerError)
    def broken(error: Any) -> Any:
        log.append(("ise", type(error.original_exception).__name__))
        return "broken", 500, {"X-Handled": "yes"}

    @app.errorhandler(404)
    def raising(error: Any) -> Any:
        raise Child("from the 404 handler")

    return app


NESTED = ("/", "/outer/", "/outer/inner/", "/other/")
NESTED_PATHS = tuple(
    f"{base}{kind}"
    for base in NESTED
    for kind in ("abort404", "abort403", "abort418", "own", "child", "value", "lookup", "abort500",
                 "key")
) + ("/nowhere", "/outer/nowhere", "/outer/inner/deep/nowhere")  # fmt: skip


@subject(
    "errors_nested",
    paths=NESTED_PATHS,
    probes=tuple((Call(m, p),) for p in NESTED_PATHS for m in ("GET", "POST")),
)
def errors_nested(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_errors_nested", static_folder=None)
    outer = fl.Blueprint("outer", "contract_outer", url_prefix="/outer")
    inner = fl.Blueprint("inner", "contract_inner", url_prefix="/inner")
    other = fl.Blueprint("other", "contract_other", url_prefix="/other")

    def handler(name: str) -> Any:
        return lambda error: f"{name}:{type(error).__name__}"

    app.register_error_handler(404, handler("app404"))
    app.register_error_handler(Exception, handler("appException"))
    outer.register_error_handler(404, handler("outer404"))
    outer.register_error_handler(exceptions.HTTPException, handler("outerHTTP"))
    outer.register_error_handler(Own, handler("outerOwn"))
    inner.register_error_handler(403, handler("inner403"))
    inner.register_error_handler(LookupError, handler("innerLookup"))
    inner.register_error_handler(Exception, handler("innerException"))
    other.app_errorhandler(405)(handler("other405app"))
    other.register_error_handler(Child, handler("otherChild"))
    for scaffold, endpoint in ((app, "top"), (outer, "o"), (inner, "i"), (other, "x")):
        scaffold.add_url_rule("/<kind>", endpoint, lambda kind: fail(fl, kind) or "none")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(other)
    return app


@subject(
    "teardown_raising",
    paths=("/", "/fail", "/quiet"),
    queries=("", "request=1", "app=1", "signal=1", "stream=1"),
    probes=tuple((get(p, q),) for p in ("/", "/fail") for q in ("request=1", "app=1", "stream=1")),
)
def teardown_raising(fl: ModuleType, log: list[Any]) -> Any:
    app = fl.Flask("contract_teardown", static_folder=None)
    bp = fl.Blueprint("bp", "contract_teardown_bp")

    def ok() -> Any:
        if fl.request.args.get("stream"):
            return fl.Response(fl.stream_with_context(c for c in ("a", fl.request.path)))
        return "ok"

    app.add_url_rule("/", "index", ok)
    bp.add_url_rule("/fail", "fail", lambda: fail(fl, "value"))
    bp.add_url_rule("/quiet", "quiet", ok)

    def note(name: str, raising: str | None = None) -> Any:
        def teardown(error: Any) -> None:
            current = fl.has_request_context(), fl.has_app_context()
            log.append((name, type(error).__name__, current))
            if raising and fl.request.args.get(raising):
                raise Own(name)

        return teardown

    app.teardown_request(note("first"))
    app.teardown_request(note("second", "request"))
    app.teardown_request(note("third"))
    bp.teardown_request(note("bp"))
    bp.teardown_app_request(note("bp_app"))
    app.teardown_appcontext(note("app_first"))

    def app_second(error: Any) -> None:
        log.append(("app_second", type(error).__name__, fl.has_request_context()))

    app.teardown_appcontext(app_second)
    app.register_blueprint(bp)
    return app


def dumps(value: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(value).encode()
