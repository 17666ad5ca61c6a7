"""The peers: frameworks at their current releases, each written as its own documentation does.

`PEERS` lists them; nothing of a peer is imported before `Peer.make`. Each row is one module of
this folder (`Peer.module`) with a function for each application it offers (`Workload.app` of
`benchmarks/workloads.py` names them), which returns the callable of its interface:

- `core()`: `/plaintext`, `/json`, `/users/<int>?limit=`, `/orders`, `/page`, `/file`, `/form`
- `routes(count)`: that many routes, nothing else (`many_routes` is the same with more)
- `visits()`: `/visit`, a session, three hooks before and three after
- `blueprints()`: 30 groups of routes, each with a hook of its own

A module that has `serve(app, port)` runs one of these on the peer's own server. From outside:

    python -m benchmarks.peers.served NAME APP PORT
    BENCH_PEER=NAME BENCH_APP=APP granian --interface wsgi benchmarks.peers.served:app

To add a peer: the module, a row here, a line in `requirements.txt`, its ratios in
`expected.json` (`python -m benchmarks.expected`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module, metadata
from types import ModuleType
from typing import Any

from ..workloads import MANY_ROUTES, ROUTES
from .install import REASONS

#: The defaults that stand in for Flask's.
AS_FLASK = {"HIPFLASK_DEFAULTS": "flask"}
SECURE = {"HIPFLASK_DEFAULTS": "secure"}
#: BlackSheep reads it when it is imported.
SHEEP = {"APP_JINJA_EXTENSION": ".html"}
DJANGO = {"DJANGO_SETTINGS_MODULE": f"{__name__}.django_settings"}


@dataclass(frozen=True)
class Peer:
    """One row: a framework behind one interface.

    `interface` is wsgi, asgi, rsgi, or own for a server without a callable. `packages` are the
    distributions whose versions say what was measured. `environ` must be set before the module
    is imported.
    """

    name: str
    interface: str
    packages: tuple[str, ...]
    workloads: tuple[str, ...]
    module: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.name} {self.interface}"

    def missing(self) -> str:
        """Return which package is not installed, and why; nothing when all are."""
        for package in self.packages:
            try:
                metadata.version(package)
            except metadata.PackageNotFoundError:
                return f"{package} is not installed{_reason(package)}"
        return ""

    def load(self) -> ModuleType:
        """Import the module, and with it the framework."""
        os.environ.update(self.environ)
        return import_module(f"{__name__}.{self.module or self.name}")

    def make(self, app: str) -> Any:
        """Return an application; to be called once in a process for each."""
        module = self.load()
        if app == "routes":
            return module.routes(ROUTES)
        if app == "many_routes":
            return module.routes(MANY_ROUTES)
        return getattr(module, app)()


def _reason(package: str) -> str:
    """Return what pip said, if `install.py` took it down."""
    try:
        reasons: dict[str, str] = json.loads(REASONS.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return f": {reasons[package]}" if package in reasons else ""


WS = ("W1", "W2", "W3", "W4", "W5")
CORE = (*WS, "file", "form")
ROUTED = ("W6", "W6v")
ALL = (*CORE, *ROUTED, "W7", "blueprints")
#: What a server of its own is asked over HTTP.
HTTP = ("W1", "W2", "W3", "W4")

NINJA = ("django-ninja", "django", "pydantic")
HIPFLASK = ("hipflask", "msgspec", "jinja2", "werkzeug")

PEERS: tuple[Peer, ...] = (
    Peer("raw", "wsgi", ("jinja2", "msgspec"), (*ALL, "W6k"), "raw_wsgi"),
    Peer("raw", "asgi", ("jinja2", "msgspec"), ALL, "raw_asgi"),
    Peer("raw", "rsgi", ("jinja2", "msgspec"), ALL, "raw_rsgi"),
    Peer("hipflask", "wsgi", HIPFLASK, (*ALL, "W6k"), "hipflask", AS_FLASK),
    Peer("hipflask", "asgi", HIPFLASK, ALL, "hipflask_async", AS_FLASK),
    Peer("hipflask", "rsgi", HIPFLASK, ALL, "hipflask_async", AS_FLASK),
    Peer("hipflask_async", "wsgi", HIPFLASK, ("W1", "W2"), "hipflask_async", AS_FLASK),
    Peer("hipflask_sync", "asgi", HIPFLASK, ("W1", "W2", "W3"), "hipflask", AS_FLASK),
    Peer("hipflask_sync", "rsgi", HIPFLASK, HTTP, "hipflask", AS_FLASK),
    Peer("hipflask_secure", "wsgi", HIPFLASK, ("W1", "W2", "W7"), "hipflask", SECURE),
    Peer("bottle", "wsgi", ("bottle",), (*CORE, *ROUTED)),
    Peer("django", "wsgi", ("django",), (*CORE, *ROUTED, "W7"), environ=DJANGO),
    Peer("django_ninja", "wsgi", NINJA, (*WS, *ROUTED), environ=DJANGO),
    Peer("falcon", "wsgi", ("falcon",), (*CORE, *ROUTED, "W6k", "W7")),
    Peer("flask", "wsgi", ("flask", "werkzeug"), ALL),
    Peer("flask_async", "wsgi", ("flask", "asgiref"), ("W1", "W2")),
    Peer("flask_pydantic", "wsgi", ("flask", "pydantic"), ("W4",)),
    Peer("blacksheep", "asgi", ("blacksheep", "pydantic"), (*CORE, *ROUTED, "W7"), environ=SHEEP),
    Peer("emmett55", "asgi", ("emmett55",), (*WS, "form", *ROUTED, "W7")),
    Peer("falcon_asgi", "asgi", ("falcon",), (*CORE, *ROUTED, "W7")),
    Peer("fastapi", "asgi", ("fastapi", "starlette", "pydantic"), (*CORE, *ROUTED)),
    Peer("litestar", "asgi", ("litestar", "msgspec"), (*CORE, *ROUTED, "blueprints")),
    Peer("microdot", "asgi", ("microdot",), (*CORE, *ROUTED)),
    Peer("quart", "asgi", ("quart", "werkzeug"), ALL),
    Peer("quart_sync", "asgi", ("quart",), ("W1", "W2")),
    Peer("sanic", "asgi", ("sanic",), (*CORE, *ROUTED, "blueprints")),
    Peer("starlette", "asgi", ("starlette",), ALL),
    Peer("starlette_sync", "asgi", ("starlette",), ("W1", "W2")),
    Peer("aiohttp", "own", ("aiohttp",), HTTP),
    Peer("django_bolt", "own", ("django-bolt", "django"), HTTP),
    Peer("robyn", "own", ("robyn",), HTTP),
    Peer("sanic", "own", ("sanic",), HTTP),
    Peer("socketify", "own", ("socketify",), HTTP),
)


def find(name: str, interface: str = "") -> Peer:
    """Return the row of that name; the interface is needed only where a name has several."""
    for peer in PEERS:
        if peer.name == name and interface in ("", peer.interface):
            return peer
    known = ", ".join(sorted({peer.name for peer in PEERS}))
    raise LookupError(f"no peer {name!r} {interface}; there is {known}")
