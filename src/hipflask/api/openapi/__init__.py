"""Routes -> an OpenAPI 3.1 document.

`document(app)` makes it of the sealed application, `describe(app, ...)` says what routes and
types cannot: title, version, servers. The same application gives the same document, byte for
byte, so it can be kept in a repository and compared (`hipflask openapi --check`).

Told are the answers that a view declares and those that reading, access and routing give for
it; not 405, nor 500. Of two rules with the same path and method, on different hosts or told
apart by their converters, the one that a request tries first is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

import msgspec

from ...plain import converted_types
from ...scaffold import SetupError
from ...security.access import schemes_of, security_of
from ..details import details_of, operations
from ..model import Operation
from ..outputs.versions import Versions, joined
from ..signatures.signature import function_of, signature_of
from .parameters import MSGPACK, body_of, parameters_of
from .paths import Template, host_of, template_of
from .responses import answers_of
from .schema import Schemas

OPENAPI = "3.1.1"
_KEY = "hipflask.openapi"


class Description(msgspec.Struct, frozen=True):
    """What `describe` was given."""

    info: dict[str, Any]
    servers: list[dict[str, Any]]
    tags: dict[str, dict[str, Any]]
    webhooks: Mapping[str, Any]
    has_msgpack: bool


def describe(
    app: Any,
    *,
    title: str | None = None,
    version: str = "0",
    summary: str | None = None,
    description: str | None = None,
    terms: str | None = None,
    contact: Mapping[str, str] | None = None,
    licence: str | Mapping[str, str] | None = None,
    servers: Sequence[str | Mapping[str, Any]] = (),
    tags: Mapping[str, str] | None = None,
    webhooks: Mapping[str, Any] | None = None,
    msgpack: bool = False,
) -> None:
    """Say what the document tells of the application as a whole.

        describe(app, title="Orders", version="2", tags={"orders": "What was bought."})

    `title` is the app's name by default, `version` is that of the API. `terms` is a URL,
    `contact` has `name`, `url`, `email`; `licence` is an SPDX identifier, or a mapping with
    `name` and `url`. `servers` are URLs, or OpenAPI's objects. `tags` are descriptions by
    name, in the order they are shown. `webhooks` are what the service sends, by name: the
    type of the body, or OpenAPI's path item. msgpack is spoken in any case, and with `msgpack=True`
    the document lists it beside JSON; generators of clients warn of it. Called again, it
    replaces what was said.
    """
    info: dict[str, Any] = {
        "title": app.name if title is None else title,
        "summary": summary,
        "description": None if description is None else cleandoc(description),
        "termsOfService": terms,
        "contact": None if contact is None else dict(contact),
        "license": _licence(licence),
        "version": str(version),
    }
    app.extensions[_KEY] = Description(
        {name: value for name, value in info.items() if value is not None},
        [{"url": each} if isinstance(each, str) else dict(each) for each in servers],
        {name: {"name": name, "description": text} for name, text in (tags or {}).items()},
        dict(webhooks or {}),
        msgpack,
    )
    cell = getattr(app, "_cell", None)
    if cell is not None:
        cell.empty()  # what was made of the application's document is made again


def _licence(licence: str | Mapping[str, str] | None) -> dict[str, str] | None:
    if isinstance(licence, str):
        return {"name": licence, "identifier": licence}
    return None if licence is None else dict(licence)


def document(app: Any) -> dict[str, Any]:
    """The OpenAPI 3.1.1 document of `app`, as dicts and lists.

    Raises SetupError for two views that claim one operation id.
    """
    if _KEY not in app.extensions:
        describe(app)
    told: Description = app.extensions[_KEY]
    schemas = Schemas()
    paths, tags = _paths(app, schemas)
    webhooks = {name: _webhook(schemas, name, what) for name, what in told.webhooks.items()}
    made: dict[str, Any] = {"openapi": OPENAPI, "info": told.info}
    servers = told.servers or _servers_of(app)
    if servers:
        made["servers"] = servers
    made["paths"] = schemas.resolve(paths)
    if not told.has_msgpack:
        _leave_out_msgpack(made["paths"])
    if webhooks:
        made["webhooks"] = schemas.resolve(webhooks)
    parts = {"schemas": schemas.components(), "securitySchemes": schemes_of(app)}
    components = {name: part for name, part in parts.items() if part}
    if components:
        made["components"] = components
    listed = {**told.tags, **{name: {"name": name} for name in tags if name not in told.tags}}
    if listed:
        made["tags"] = list(listed.values())
    return made


def dump_json(document: Mapping[str, Any]) -> str:
    """A document as indented JSON, with a line end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def dump_yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML. Raises SetupError where PyYAML is not installed."""
    try:
        import yaml  # optional
    except ImportError:
        raise SetupError(
            "YAML needs a package that is not installed: pip install 'hipflask[docs]'. The same"
            " document as JSON needs none."
        ) from None
    # Through JSON: what stands in it twice is written twice, and not as an alias.
    plain = json.loads(json.dumps(document))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
    return text


def _servers_of(app: Any) -> list[dict[str, Any]]:
    root = app.config.get("APPLICATION_ROOT") or "/"
    return [] if root == "/" else [{"url": root}]


def _leave_out_msgpack(paths: Mapping[str, Any]) -> None:
    for item in paths.values():
        for name in item.keys() - {"servers"}:
            operation = item[name]
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                part.get("content", {}).pop(MSGPACK, None)


# Paths.


def _paths(app: Any, schemas: Schemas) -> tuple[dict[str, Any], list[str]]:
    paths: dict[str, dict[str, Any]] = {}
    templates: dict[str, Template] = {}
    names = _Names()
    tags: set[str] = set()
    for operation in operations(app):
        own = template_of(operation.rule)
        # One path, one set of names for its variables.
        shared = templates.setdefault(own.skeleton, own)
        item = paths.setdefault(shared.text, {})
        method = operation.method.lower()
        if method in item:
            continue
        host = host_of(operation.rule, app.url_map.host_matching)
        if host and "servers" not in item:
            item["servers"] = [_server(host)]
        renamed = dict(zip(own.variables, shared.variables, strict=True))
        view = app.view_functions.get(operation.rule.endpoint)
        if isinstance(view, Versions):
            item[method] = _of_versions(app, schemas, operation, view, renamed, names)
        else:
            item[method] = _operation(app, schemas, operation, renamed, names)
        tags.update(item[method].get("tags", ()))
    return {path: _ordered(paths[path]) for path in sorted(paths)}, sorted(tags)


_ORDER = ("servers", "get", "head", "post", "put", "patch", "delete", "trace")


def _ordered(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in _ORDER if name in item}


def _server(host: str) -> dict[str, Any]:
    server: dict[str, Any] = {"url": f"//{host}"}
    variables = re.findall(r"\{(\w+)\}", host)
    if variables:
        server["variables"] = {name: {"default": name} for name in variables}
    return server


def _operation(
    app: Any, schemas: Schemas, operation: Operation, renamed: Mapping[str, str], names: _Names
) -> dict[str, Any]:
    details = operation.details
    summary, description = _told(operation)
    blueprint = operation.endpoint.rpartition(".")[0]
    tags = details.tags if details.tags is not None else ((blueprint,) if blueprint else ())
    made: dict[str, Any] = {
        "operationId": names.of(operation),
        "summary": summary,
        "description": description,
        "tags": list(tags),
        "deprecated": bool(details.deprecated or details.sunset),
        "parameters": parameters_of(schemas, operation, renamed),
        "requestBody": body_of(schemas, operation),
        "responses": answers_of(app, schemas, operation),
        "security": security_of(app, operation.access),
    }
    return {name: value for name, value in made.items() if value}


def _of_versions(
    app: Any,
    schemas: Schemas,
    operation: Operation,
    view: Versions,
    renamed: Mapping[str, str],
    names: _Names,
) -> dict[str, Any]:
    """The operation of a view made by `by_media_type`: those of its versions in one."""
    parts: dict[str, dict[str, Any]] = {}
    is_typed = bool(app.config.get("TYPED_VIEWS"))
    for version, each in view.views.items():
        part = msgspec.structs.replace(
            operation,
            function=function_of(each, operation.method),
            signature=(
                signature_of(each, converted_types(operation.rule), operation.method)
                if is_typed
                else operation.signature
            ),
            details=details_of(each, operation.method),
        )
        # The id is that of the whole.
        parts[version] = _operation(app, schemas, part, renamed, _Names())
    return {**joined(view, parts), "operationId": names.of(operation)}


def _told(operation: Operation) -> tuple[str, str]:
    """Summary and description: what was declared, else the docstring's first line and rest."""
    text = cleandoc(operation.function.__doc__ or "")
    first, _, rest = text.partition("\n")
    if rest and not rest.startswith("\n"):
        # A first sentence of several lines is no summary by itself.
        head, _, rest = text.partition("\n\n")
        first = " ".join(head.split())
    details = operation.details
    summary = first.strip() if details.summary is None else details.summary
    description = rest.strip() if details.description is None else details.description
    return summary, description


class _Names:
    """Operation ids: unique, and the same each time."""

    def __init__(self) -> None:
        self._taken: dict[str, Operation] = {}

    def of(self, operation: Operation) -> str:
        given = operation.details.operation_id
        if given is not None:
            return self._claim(given, operation)
        return next(
            self._claim(name, operation)
            for name in self._candidates(operation)
            if name not in self._taken
        )

    def _candidates(self, operation: Operation) -> Iterator[str]:
        name = _word(operation.endpoint)
        others = (operation.rule.methods or set()) - {"HEAD", "OPTIONS", operation.method}
        if others:
            name = f"{name}_{operation.method.lower()}"
        yield name
        # A second rule of the endpoint is called by its path as well.
        name = f"{name}_{_word(template_of(operation.rule).text)}"
        yield name
        count = 2
        while True:
            yield f"{name}_{count}"
            count += 1

    def _claim(self, name: str, operation: Operation) -> str:
        other = self._taken.setdefault(name, operation)
        if other is not operation:
            raise SetupError(
                f"Two operations have the id {name!r}: {_place_of(other)} and"
                f" {_place_of(operation)}. Ids name a client's functions, so each is used once;"
                " see @operation(operation_id=...)."
            )
        return name


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "root"


def _place_of(operation: Operation) -> str:
    code = getattr(operation.function, "__code__", None)
    where = "" if code is None else f" ({code.co_filename}:{code.co_firstlineno})"
    return f"{operation.method} {operation.rule.rule}{where}"


def _webhook(schemas: Schemas, name: str, what: Any) -> dict[str, Any]:
    """A path item of what the service sends: given as one, or made of the body's type."""
    if isinstance(what, Mapping):
        return dict(what)
    from .schema_scalars import docstring  # only where there is a webhook

    schema = schemas.of(what, "output")
    text = docstring(what) if isinstance(what, type) else None
    summary, _, rest = (text or "").partition("\n")
    post = {
        "operationId": f"webhook_{_word(name)}",
        "summary": summary,
        "description": rest.strip(),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"2XX": {"description": HTTPStatus.OK.phrase}},
    }
    return {"post": {key: value for key, value in post.items() if value}}
