"""The document and its page: /openapi.json, /openapi.yaml, /docs.

`/docs` is Swagger UI when the package that carries it is installed (`pip install
'hipflask[docs]'`), a plain list of endpoints otherwise; `/docs?plain` is the list always. Both
are made of the document alone, nothing on them is inline, and nothing comes from another host.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect

from ...globals import current_app, request
from ...helpers import url_for
from ...wrappers import Response
from ..details import operations

JSON_PATH, YAML_PATH, DOCS_PATH = "/openapi.json", "/openapi.yaml", "/docs"
# With the beginning by which `details.py` knows them.
JSON, YAML, DOCS, ASSET = (
    "hipflask_openapi_json",
    "hipflask_openapi_yaml",
    "hipflask_docs",
    "hipflask_docs_asset",
)
#: The package that carries Swagger UI, and where each file is in it.
CARRIER = "offapi"
CARRIED = {"swagger-ui.js": "swagger_bundle.js", "swagger-ui.css": "swagger_style.css"}
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
YEAR_S = 365 * 24 * 60 * 60

_HERE = os.path.dirname(__file__)
# What both pages may load. Swagger UI adds <style> elements and shows pictures out of its
# stylesheet, and calls the service from the page.
_PLAIN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_INTERACTIVE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'{servers}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d+)?|https?://\[[0-9A-Fa-f:]+\](:\d+)?")


def add_pages(app: Any) -> None:
    """Give `app` the document and its page, where config OPENAPI is true.

    Called once, before the plan is made, and does nothing for an application without a typed
    view. A path that a rule of the application's own answers is left to it, and so is all of
    it where the host is part of routing. YAML needs PyYAML. The routes take the application's
    access stance like any other.
    """
    if not app.config.get("OPENAPI") or app.url_map.host_matching or JSON in app.view_functions:
        return
    if not any(operation.signature.is_typed for operation in operations(app)):
        return
    pages = Pages(app)
    wanted = [(JSON_PATH, JSON, pages.show_json), (DOCS_PATH, DOCS, pages.show_docs)]
    if importlib.util.find_spec("yaml"):
        wanted.append((YAML_PATH, YAML, pages.show_yaml))
    for path, endpoint, view in wanted:
        if not _is_taken(app, path):
            app.add_url_rule(path, endpoint, view)
    if DOCS in app.view_functions:
        app.add_url_rule(f"{DOCS_PATH}/assets/<name>", ASSET, pages.show_asset)


def _is_taken(app: Any, path: str) -> bool:
    """Whether a rule of the application answers GET `path`, a catch-all too.

    Not the static files: with `static_url_path=""` they would take every path.
    """
    try:
        endpoint, _ = app.url_map.bind("localhost").match(path, method="GET")
    except (NotFound, MethodNotAllowed):
        return False
    except RequestRedirect:
        return True
    return bool(endpoint != "static")


class Pages:
    """What the routes of one application answer; made anew when the application changed."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._made_for: Any = None
        self._parts: dict[str, Any] = {}
        self._environment: Any = None

    def part(self, name: str, make: Callable[[dict[str, Any]], Any]) -> Any:
        """Return what `make` makes of the document, kept until the application changes."""
        plan = self._app.sealed
        if plan is not self._made_for:
            self._parts, self._made_for = {}, plan
        parts = self._parts
        if name not in parts:
            if "document" not in parts:
                from ..openapi import document  # only who reads the document pays for it

                parts["document"] = document(self._app)
            parts[name] = make(parts["document"])
        return parts[name]

    def show_json(self) -> Response:
        """The document as JSON."""
        from ..openapi import dump_json

        return _known_by_its_bytes(self.part("json", dump_json), "application/json")

    def show_yaml(self) -> Response:
        """The document as YAML."""
        from ..openapi import dump_yaml

        return _known_by_its_bytes(self.part("yaml", dump_yaml), "application/yaml")

    def show_docs(self) -> Response:
        """The page."""
        is_plain = "plain" in request.args or not self.has_interactive()
        response: Response = self.plain() if is_plain else self.interactive()
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def has_interactive(self) -> bool:
        """Whether Swagger UI can be shown: it is installed, and may load the document."""
        return JSON in self._app.view_functions and carrier() is not None

    def plain(self) -> Response:
        """The list of endpoints."""
        from .listing import list_endpoints

        text = self.render(
            "endpoints.html", listing=self.part("listing", list_endpoints), root=_root()
        )
        return Response(
            text, mimetype="text/html", headers={"Content-Security-Policy": _PLAIN_POLICY}
        )

    def interactive(self) -> Response:
        """Swagger UI."""
        title = self.part("title", lambda document: document["info"]["title"])
        policy = self.part("policy", _interactive_policy)
        return Response(
            self.render("interactive.html", title=title),
            mimetype="text/html",
            headers={"Content-Security-Policy": policy},
        )

    def show_asset(self, name: str) -> Response:
        """A stylesheet or script; its address changes with its bytes, so it is kept for a year."""
        asset = _asset(name)
        if asset is None:
            raise NotFound()
        response = Response(asset.data, content_type=TYPES[_suffix(name)])
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.accept_encodings["gzip"] > 0:
            response.data = asset.packed
            response.headers["Content-Encoding"] = "gzip"
        response.set_etag(asset.digest, weak=True)
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_S
        response.cache_control.immutable = True
        response.make_conditional(request)
        return response

    def render(self, template: str, **names: Any) -> str:
        """Render one of our own templates; the application's environment is not asked."""
        if self._environment is None:
            self._environment = _make_environment()
        app = current_app
        links = {
            "json": url_for(JSON) if JSON in app.view_functions else "",
            "yaml": url_for(YAML) if YAML in app.view_functions else "",
            "plain": url_for(DOCS, plain=""),
            "interactive": url_for(DOCS) if self.has_interactive() else "",
        }
        text: str = self._environment.get_template(template).render(
            links=links, asset=_asset_url, **names
        )
        return text


class Asset:
    """A file of the page, in memory, as it is and packed."""

    def __init__(self, data: bytes) -> None:
        import gzip  # who looks at the page pays for it

        self.data = data
        self.packed = gzip.compress(data, 6, mtime=0)
        self.digest = hashlib.sha256(data).hexdigest()[:16]


_assets: dict[str, Asset | None] = {}


def _asset(name: str) -> Asset | None:
    """Return an asset, read when first asked for; None for a name that is none."""
    if name not in _assets:
        file = _file_of(name)
        if file is None:
            return None
        with open(file, "rb") as opened:
            _assets[name] = Asset(opened.read())
    return _assets[name]


def _file_of(name: str) -> str | None:
    if name in CARRIED:
        folder, inner = carrier(), CARRIED[name]
    else:
        folder, inner = os.path.join(_HERE, "static"), name
        # Only the names of files that are there: nothing of the request makes a path.
        if name not in os.listdir(folder):
            return None
    if folder is None or _suffix(inner) not in TYPES:
        return None
    file = os.path.join(folder, inner)
    return file if os.path.isfile(file) else None


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1]


def _asset_url(name: str) -> str:
    asset = _asset(name)
    return url_for(ASSET, name=name, v=asset.digest if asset else None)


def carrier() -> str | None:
    """Return the folder of the package that carries Swagger UI; None if it is not installed.

    The package is found and not imported: importing it builds pages that we do not use.
    """
    spec = importlib.util.find_spec(CARRIER)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if all(os.path.isfile(os.path.join(place, file)) for file in CARRIED.values()):
            return place
    return None


def _known_by_its_bytes(data: str | bytes, content_type: str) -> Response:
    """Return an answer that a client may ask for again with If-None-Match."""
    response = Response(data, content_type=content_type)
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def _interactive_policy(document: dict[str, Any]) -> str:
    """Return the policy of Swagger UI's page: it may call the servers that were declared."""
    origins: list[str] = []
    for server in document.get("servers", ()):
        scheme, host, *_ = urlsplit(str(server.get("url", "")))
        origin = f"{scheme}://{host}"
        if _ORIGIN.fullmatch(origin):
            origins.append(origin)
    return _INTERACTIVE_POLICY.format(servers="".join(f" {each}" for each in origins))


def _root() -> str:
    """Return where the service is, as the commands on the page say it."""
    root = request.url_root.rstrip("/")
    # It stands inside quotes of a shell; the host came with the request.
    return root if re.fullmatch(r"[\w.:/\[\]%~-]+", root, re.ASCII) else "http://localhost"


def _make_environment() -> Any:
    from jinja2 import Environment, FileSystemLoader  # only who looks at the page pays for it

    environment = Environment(
        loader=FileSystemLoader(os.path.join(_HERE, "templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(path: str) -> Markup:
    """Return a path that a narrow page may break after a slash."""
    return Markup(Markup("/<wbr>").join(escape(part) for part in path.split("/")))
