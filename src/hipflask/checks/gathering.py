"""Application -> facts. Reads registries and configuration; calls nothing of the user's."""

from __future__ import annotations

import gc
import importlib.metadata
import inspect
import ipaddress
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..api.details import asks_who_calls, details_of
from ..api.marks import Place
from ..api.model import Signature
from ..api.signatures.signature import signature_of
from ..guards.production import weakness
from ..plain import converted_types
from ..scaffold import OPEN
from ..security.access import access_of
from ..security.stances import ByMethod, authenticated, public
from .facts import (
    UNSAFE,
    Action,
    Extension,
    Facts,
    Host,
    Project,
    Provider,
    Read,
    Route,
    Stored,
    Table,
    Webhook,
)
from .marks import BODY, EXAMPLE

_OWN_FOLDER = str(Path(__file__).resolve().parents[1])
_OWN = "hipflask_"
#: Keys of the configuration that checks read; none of them is secret.
_TOLD = (
    "DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS", "EXPLAIN_TEMPLATE_LOADING", "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "MAX_CONTENT_LENGTH", "MAX_FORM_PARTS",
    "MAX_FORM_MEMORY_SIZE", "REQUEST_BODY_TIMEOUT", "RESPONSE_WRITE_TIMEOUT", "ORIGIN_GUARD",
    "CONTENT_SECURITY_POLICY", "CONTENT_SECURITY_POLICY_REPORT_ONLY", "FRAME_OPTIONS",
    "REFERRER_POLICY", "LOGS", "TYPED_VIEWS", "OPENAPI", "RATE_LIMIT", "TRUSTED_HOSTS",
)  # fmt: skip
_is_database = re.compile(
    r"(sqlite|postgres(ql)?|mysql|mariadb|mssql|oracle|cockroachdb)(\+\w+)?://"
).match
_STORES = ("HIPFLASK_DATABASE_URL", "SQLALCHEMY_DATABASE_URI", "DATABASE_URL", "DATABASE")
_BODIES = {Place.BODY: "model", Place.FORM: "model", Place.FILE: "model", Place.STREAM: "raw"}


def gather(
    app: Any, project: Project, as_flask: bool, reads: dict[str, str], attempts: list[str]
) -> Facts:
    """Everything there is to know of a loaded application."""
    root = project.root
    hooks = app.extensions.get("hipflask.webhooks")
    config = app.config
    return Facts(
        app=app.import_name,
        as_flask=as_flask,
        routes=sorted(_routes(app, root), key=lambda one: (one.rule, one.method, one.endpoint)),
        providers=[_provider(one) for one in app.identities],
        has_sessions=bool(config.get("SECRET_KEY")) or "session_interface" in vars(app),
        ways=_ways(app),
        guards=sorted(app.extensions.get("hipflask.guards", ())),
        after_request=_after_request(app),
        config={key: _plain(config.get(key)) for key in _TOLD},
        weak_keys=dict(_weak_keys(config)),
        settings={
            name: sorted(filter(None, loaded.names.values()))
            for name, loaded in sorted(app.extensions.get("hipflask.settings", {}).items())
        },
        reads=[Read(name=name, place=place) for name, place in sorted(reads.items())],
        webhooks=_webhooks(hooks, root),
        hosts=_hosts(hooks, config, root),
        actions=_actions(app, root),
        tools=len(tools_of(app)),
        tables=_tables(),
        has_metadata=bool(metadatas()),
        stores=_stores(app, hooks),
        extensions=_extensions(),
        ready_checks=_ready_checks(app, hooks),
        jobs=_jobs(app, hooks),
        templates=_templates(app),
        attempts=list(attempts),
        versions={"python": platform.python_version()},
    )


def watch_reads(root: str) -> dict[str, str]:
    """Note which variables of the environment the project's own code reads: name -> place."""
    reads: dict[str, str] = {}
    environ: Any = type(os.environ)
    read = environ.__getitem__

    def noting(self: Any, key: Any) -> Any:
        place = calling_place(root)
        if place and isinstance(key, str):
            reads.setdefault(key, place)
        return read(self, key)

    environ.__getitem__ = noting
    return reads


def calling_place(root: str) -> str:
    """The project's line that called, "" if somebody else did."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith("<frozen") and os.path.basename(name) not in _PASSED:
            break
        frame = frame.f_back
    if frame is None or not is_own(frame.f_code.co_filename, root):
        return ""
    return f"{os.path.relpath(frame.f_code.co_filename, root)}:{frame.f_lineno}"


_PASSED = {"os.py", "_collections_abc.py", "gathering.py"}


def is_own(filename: str, root: str) -> bool:
    return (
        filename.startswith(root + os.sep)
        and "site-packages" not in filename
        and not filename.startswith(_OWN_FOLDER + os.sep)
    )


def place_of(function: Any, root: str) -> str:
    """ "file:line" of a function or class; within the project, from its root."""
    function = getattr(function, "view_class", function)
    try:
        function = inspect.unwrap(function)
        code = getattr(function, "__code__", None)
        if code is not None:
            file, line = code.co_filename, code.co_firstlineno
        else:
            file, line = inspect.getsourcefile(function) or "", inspect.getsourcelines(function)[1]
    except (TypeError, OSError, ValueError):
        return ""
    return within(f"{file}:{line}", root)


def within(place: str, root: str) -> str:
    """A place as seen from the root, where it is below it."""
    return place.removeprefix(root + os.sep)


def _routes(app: Any, root: str) -> Iterator[Route]:
    hooks = app.extensions.get("hipflask.webhooks")
    receiving = {source.rule for source in hooks.sources.values()} if hooks is not None else set()
    for rule in app.url_map.iter_rules():
        if rule.build_only or rule.alias or rule.redirect_to is not None:
            continue
        view = app.view_functions.get(rule.endpoint)
        if view is None:
            continue
        for method in _methods(rule):
            yield _route(app, rule, method, view, root, receiving)


def _methods(rule: Any) -> list[str]:
    if rule.websocket:
        return ["WEBSOCKET"]
    methods = sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"})
    return methods or (["HEAD"] if "HEAD" in (rule.methods or ()) else [])


def _route(app: Any, rule: Any, method: str, view: Any, root: str, receiving: set[str]) -> Route:
    endpoint = str(rule.endpoint)
    stance = access_of(app, rule, rule.endpoint, method)
    if isinstance(stance, ByMethod):  # of a WebSocket
        stance = stance.for_method(method)
    kind = "websocket" if rule.websocket else "view"
    if getattr(rule, "access", None) is OPEN or endpoint.rpartition(".")[2] == "static":
        kind = "static"
    elif endpoint.startswith(_OWN) or _is_ours(view):
        kind = "webhook" if rule.rule in receiving else "own"
    signature = _signature(app, rule, method, view)
    if stance is None and signature is not None and asks_who_calls(rule, view, method):
        stance = authenticated
    details = details_of(view, method)
    role_sets = stance.role_sets() if stance is not None else ()
    return Route(
        rule=rule.rule,
        method=method,
        endpoint=endpoint,
        place=place_of(view, root),
        kind=kind,
        access=None if stance is None else repr(stance),
        is_public=stance == public,
        roles=sorted(set().union(*role_sets)) if role_sets else [],
        body=_body(rule, method, view, signature),
        has_typed_query=_has(signature, (Place.QUERY, Place.HEADER, Place.COOKIE)),
        has_typed_answer=signature is not None and signature.output is not None,
        documented=bool(signature and signature.is_typed and not details.is_hidden),
        deprecated=_day(details.deprecated),
        sunset=_day(details.sunset),
        takes_any_origin=bool(getattr(view, "takes_any_origin", False)),
        is_catch_all=rule.rule.startswith("/<path:") and rule.rule.count("/") == 1,
    )


def _is_ours(view: Any) -> bool:
    # A bound method of ours, or a function; a class of the user's may derive from ours.
    module = getattr(view, "__module__", None) or type(getattr(view, "__self__", None)).__module__
    return str(module).startswith("hipflask.")


def _signature(app: Any, rule: Any, method: str, view: Any) -> Signature | None:
    if not app.config.get("TYPED_VIEWS") or rule.websocket:
        return None
    return signature_of(view, converted_types(rule), method)


def _has(signature: Signature | None, places: tuple[Place, ...]) -> bool:
    return signature is not None and any(one.place in places for one in signature.inputs)


def _body(rule: Any, method: str, view: Any, signature: Signature | None) -> str | None:
    if method not in UNSAFE:
        return None
    view_class = getattr(view, "view_class", None)
    candidates = [getattr(view_class, method.lower(), None), view_class, view]
    for candidate in filter(None, candidates):
        for each in _unwrapped(candidate):
            if (said := getattr(each, BODY, None)) in ("raw", "none"):
                return str(said)
    if getattr(rule, "stream", False) or getattr(view, "streams_body", False):
        return "raw"
    if signature is None:
        return None
    for one in _all_inputs(signature.inputs):
        if one.place in _BODIES:
            return _BODIES[one.place]
    return "none" if signature.is_typed else None


def _all_inputs(inputs: Any) -> Iterator[Any]:
    for one in inputs:
        yield one
        yield from _all_inputs(one.needs)


def _unwrapped(function: Any) -> Iterator[Any]:
    while function is not None:
        yield function
        function = getattr(function, "__wrapped__", None)


def _day(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return str(value.date()) if hasattr(value, "date") else str(value)


def _provider(one: Any) -> Provider:
    names = {base.__name__ for base in type(one).__mro__}
    networks = getattr(one, "_networks", ())
    scheme = _scheme(one)
    return Provider(
        name=str(one.name),
        kind=type(one).__name__,
        uses_cookies=bool(names & {"SessionLogin", "OIDCLogin"}) or scheme.get("in") == "cookie",
        header=str(getattr(one, "header", "")) if "ProxyHeader" in names else "",
        trusts_any_peer=_is_everybody(networks),
        for_development=bool(getattr(one, "for_development", False)),
    )


def _is_everybody(networks: Any) -> bool:
    """Whether the networks together are all addresses: two halves are, too."""
    for version in (4, 6):
        some = [one for one in networks if one.version == version]
        if any(one.prefixlen == 0 for one in ipaddress.collapse_addresses(some)):
            return True
    return False


def _scheme(one: Any) -> dict[str, Any]:
    try:
        _, scheme = one.scheme()
    except Exception:  # a provider of the user's that needs more than is here
        return {}
    return scheme if isinstance(scheme, dict) else {}


def _ways(app: Any) -> list[str]:
    ways = []
    if hasattr(app, "login_manager"):
        ways.append("login")
    if "csrf" in app.extensions:
        ways.append("csrf")
    return ways


def _after_request(app: Any) -> int:
    return sum(
        1
        for functions in app.after_request_funcs.values()
        for function in functions
        if not _is_ours(function) and not type(function).__module__.startswith("hipflask.")
    )


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)


def _weak_keys(config: Any) -> Iterator[tuple[str, str]]:
    key = config.get("SECRET_KEY")
    if key is not None and (why := weakness(key)):
        yield "SECRET_KEY", why
    former = config.get("SECRET_KEY_FALLBACKS")
    if isinstance(former, (list, tuple)):
        for number, each in enumerate(former):
            if why := weakness(each):
                yield f"SECRET_KEY_FALLBACKS[{number}]", why


def _webhooks(hooks: Any, root: str) -> list[Webhook]:
    if hooks is None:
        return []
    return [
        Webhook(
            name=source.name,
            rule=source.rule,
            scheme=source.scheme.name,
            has_secrets=bool(source.secrets)
            or source.scheme.check is not None
            or source.fetch is not None,
            window_s=source.scheme.tolerance_s if source.tolerance_s is ... else source.tolerance_s,
            has_id=bool(source.id or source.scheme.id_header or source.scheme.body_id),
            place=within(source.place, root),
        )
        for source in sorted(hooks.sources.values(), key=lambda one: str(one.name))
        if not source.is_retired
    ]


def _hosts(hooks: Any, config: Any, root: str) -> list[Host]:
    module = sys.modules.get("hipflask.forward.destination")
    if module is None:
        return []
    found = {}
    for one in gc.get_objects():
        if isinstance(one, module.Destination):
            address = one.url or os.environ.get(one.env or "") or f"${one.env}"
            host = urlsplit(address).netloc.rpartition("@")[2] or address
            found[one.name, host] = Host(
                name=one.name, address=host, timeout_s=one.timeout_s, retries=str(one.retries),
                place=within(one.place, root),
            )  # fmt: skip
    return [found[key] for key in sorted(found)]


def tools_of(app: Any) -> list[Any]:
    """The internal tools of an application."""
    found = app.extensions.get("hipflask.tools", ())
    return list(found.values()) if isinstance(found, dict) else list(found or ())


def _actions(app: Any, root: str) -> list[Action]:
    """The actions of the tools, which are named within theirs."""
    made = []
    for tool in tools_of(app):
        for one in getattr(tool, "actions", {}).values():
            function = getattr(one, "function", None)
            made.append(
                Action(
                    name=f"{tool.name}/{one.name}",
                    has_preview=True,
                    needs_approval=bool(getattr(one, "approve", None)),
                    has_secret=bool(getattr(one, "has_secrets", False)),
                    promises_undo=getattr(one, "undo_for_s", None) is not None,
                    has_example=getattr(function, EXAMPLE, None) is not None,
                    place=place_of(function, root),
                )
            )
    return sorted(made, key=lambda one: one.name)


def metadatas() -> list[Any]:
    """The SQLAlchemy metadata with tables in it that is the application's."""
    sqlalchemy = sys.modules.get("sqlalchemy")
    if sqlalchemy is None:
        return []
    ours = {
        id(value)
        for name, module in list(sys.modules.items())
        # SQLAlchemy describes the catalogue of PostgreSQL so.
        if name.startswith(("hipflask.", "sqlalchemy.", "alembic."))
        for value in list(vars(module).values())
        if isinstance(value, sqlalchemy.MetaData)
    }
    found = [
        one
        for one in gc.get_objects()
        if isinstance(one, sqlalchemy.MetaData) and _has_tables(one) and id(one) not in ours
    ]
    return sorted(found, key=lambda one: sorted(one.tables))


def _has_tables(metadata: Any) -> bool:
    """Whether it has tables beside PostgreSQL's own, which SQLAlchemy's dialect declares."""
    schemas = {table.schema for table in metadata.tables.values()}
    return bool(schemas - {"pg_catalog", "information_schema"})


def _tables() -> list[Table]:
    tables = {}
    for metadata in metadatas():
        for table in metadata.tables.values():
            more = [
                one for one in table.constraints if type(one).__name__ != "PrimaryKeyConstraint"
            ]
            name = f"{table.fullname}"  # of a class of its own in SQLAlchemy
            tables[name] = Table(name=name, columns=len(table.columns), constraints=len(more))
    return [tables[name] for name in sorted(tables)]


def _stores(app: Any, hooks: Any) -> list[Stored]:
    given = {key: app.config.get(key) or os.environ.get(key) for key in _STORES}
    if hooks is not None and hooks.url:
        given["Hooks(inbox=)"] = hooks.url
    # A tool's or an application's own, under whatever name.
    given |= {
        key: value
        for key, value in sorted(app.config.items())
        if isinstance(value, str) and _is_database(value)
    }
    stores = []
    for source, url in given.items():
        if isinstance(url, (str, os.PathLike)) and (text := os.fspath(url)):
            stores.append(_store(app, source, text))
    if not stores and hooks is not None:
        stores.append(_store(app, "default", "sqlite:///hipflask.db"))
    return stores


def _store(app: Any, source: str, url: str) -> Stored:
    if "://" not in url:  # Flask's tutorial: a file by its path
        return Stored(source=source, kind="sqlite", file=url, is_wal=_is_wal(url))
    kind, _, rest = url.partition("://")
    kind = kind.partition("+")[0]
    if kind != "sqlite":
        return Stored(source=source, kind=kind)
    file = rest.partition("?")[0].removeprefix("/")
    if not file or file == ":memory:":
        return Stored(source=source, kind="memory")
    if not os.path.isabs(file):
        file = os.path.join(getattr(app, "instance_path", "") or os.getcwd(), file)
    return Stored(source=source, kind="sqlite", file=file, is_wal=_is_wal(file))


def _is_wal(file: str) -> bool | None:
    """What the head of the file says (sqlite.org/fileformat.html, 1.3.3); None without one."""
    try:
        with open(file, "rb") as opened:
            head = opened.read(20)
    except OSError:
        return None
    return head[18:20] == b"\x02\x02" if head.startswith(b"SQLite format 3\0") else None


def _extensions() -> list[Extension]:
    tops = {name.partition(".")[0] for name in list(sys.modules)}
    found = []
    for name in sorted(top for top in tops if top.startswith(("flask_", "hipflask_"))):
        distribution = name.replace("_", "-").lower()
        try:
            version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue  # a module of the project that is named so
        found.append(Extension(name=distribution, version=version))
    return found


def _ready_checks(app: Any, hooks: Any) -> list[str]:
    names = set(app.extensions.get("hipflask.ready_checks", ()))
    if hooks is not None:
        names.add("inbox")  # registered by the hooks when the application is served
    return sorted(names)


def _jobs(app: Any, hooks: Any) -> int:
    handlers = sum(len(one.handlers) for one in hooks.sources.values()) if hooks is not None else 0
    return handlers + len(app.cli.commands)


def _templates(app: Any) -> int:
    loaders = [app.jinja_loader, *(one.jinja_loader for one in app.blueprints.values())]
    names: set[str] = set()
    for loader in filter(None, loaders):
        try:
            names.update(loader.list_templates())
        except (OSError, TypeError):
            continue
    return len(names)
