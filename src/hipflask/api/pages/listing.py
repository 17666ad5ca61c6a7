"""What the plain list of endpoints shows, made of an OpenAPI document. Sans-IO.

`list_endpoints(document)` gives groups of endpoints and the named types they speak of; the
template only lays them out. A type that has a name is linked to, so that it may contain itself.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from markupsafe import Markup, escape

from .phrases import is_file, keywords_of, phrase, slug

METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
#: Where an example is cut short: a type that contains itself has no end.
DEEPEST = 6

_SAMPLES: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:30:00Z",
    "time": "09:30:00",
    "duration": "PT15M",
    "uuid": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "decimal": "9.90",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "byte": "aGVsbG8=",
}


class Field(msgspec.Struct, frozen=True):
    """A parameter, a header, or a property of a type."""

    name: str
    type: Markup
    place: str = ""
    is_required: bool = False
    is_deprecated: bool = False
    default: str = ""
    text: str = ""


class Content(msgspec.Struct, frozen=True):
    """A body in one or more media types that carry the same."""

    media: str
    type: Markup
    fields: tuple[Field, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What may come back: a status and what it carries."""

    status: str
    text: str
    contents: tuple[Content, ...] = ()
    headers: tuple[Field, ...] = ()


class Endpoint(msgspec.Struct, frozen=True):
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    is_deprecated: bool
    access: str
    parameters: tuple[Field, ...]
    body: tuple[Content, ...]
    is_body_required: bool
    body_text: str
    answers: tuple[Answer, ...]
    #: A command for a shell; `{root}` stands for where the service is.
    curl: str


class Group(msgspec.Struct, frozen=True):
    """The endpoints of one tag; "" for those without."""

    id: str
    name: str
    text: str
    endpoints: tuple[Endpoint, ...]


class NamedType(msgspec.Struct, frozen=True):
    """A schema with a name of its own."""

    id: str
    name: str
    text: str
    type: Markup
    fields: tuple[Field, ...]


class Listing(msgspec.Struct, frozen=True):
    """The whole page."""

    title: str
    version: str
    text: str
    groups: tuple[Group, ...]
    types: tuple[NamedType, ...]
    schemes: tuple[Field, ...]

    @property
    def count(self) -> int:
        return sum(len(group.endpoints) for group in self.groups)


def list_endpoints(document: dict[str, Any]) -> Listing:
    """Return what the plain page shows of an OpenAPI 3.1 document."""
    return _Lister(document).listing()


class _Lister:
    """Reads one document; knows its components."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.components: dict[str, Any] = document.get("components", {})

    def listing(self) -> Listing:
        info = self.document.get("info", {})
        return Listing(
            title=str(info.get("title", "API")),
            version=str(info.get("version", "")),
            text=str(info.get("description") or info.get("summary") or ""),
            groups=tuple(self.groups()),
            types=tuple(
                self.named(name, schema)
                for name, schema in sorted(self.components.get("schemas", {}).items())
            ),
            schemes=tuple(
                Field(name, Markup(escape(_scheme(scheme))), text=scheme.get("description", ""))
                for name, scheme in self.components.get("securitySchemes", {}).items()
            ),
        )

    def groups(self) -> Iterator[Group]:
        """Yield the tags in the document's order, endpoints without one first."""
        found: dict[str, list[Endpoint]] = {"": []}
        texts = {tag["name"]: tag.get("description", "") for tag in self.document.get("tags", ())}
        found.update({name: [] for name in texts})
        sources = [("", self.document.get("paths", {})), ("webhook", self.webhooks())]
        for place, paths in sources:
            for path, item in paths.items():
                for method in METHODS:
                    if method in item:
                        operation = item[method]
                        tag = "Webhooks" if place else next(iter(operation.get("tags", ())), "")
                        made = self.endpoint(method, path, item, operation)
                        found.setdefault(tag, []).append(made)
        for name, endpoints in found.items():
            if endpoints:
                yield Group(f"tag-{slug(name)}", name, texts.get(name, ""), tuple(endpoints))

    def webhooks(self) -> dict[str, Any]:
        return self.document.get("webhooks") or {}

    def endpoint(
        self, method: str, path: str, item: dict[str, Any], operation: dict[str, Any]
    ) -> Endpoint:
        parameters = [
            self.resolve(each)
            for each in (*item.get("parameters", ()), *operation.get("parameters", ()))
        ]
        body = self.resolve(operation.get("requestBody") or {})
        summary, text = operation.get("summary") or "", operation.get("description") or ""
        return Endpoint(
            id=slug(operation.get("operationId") or f"{method}-{path}"),
            method=method.upper(),
            path=path,
            summary=str(summary),
            text="" if text == summary else str(text),
            is_deprecated=bool(operation.get("deprecated")),
            access=_needs(operation.get("security", self.document.get("security"))),
            parameters=tuple(self.parameter(each) for each in parameters),
            body=tuple(self.contents(body)),
            is_body_required=bool(body.get("required")),
            body_text=body.get("description", ""),
            answers=tuple(
                self.answer(str(status), self.resolve(answer))
                for status, answer in operation.get("responses", {}).items()
            ),
            curl=self.curl(method, path, parameters, body, operation),
        )

    def parameter(self, parameter: dict[str, Any]) -> Field:
        schema = parameter.get("schema")
        if schema is None:
            contents: dict[str, Any] = parameter.get("content", {})
            schema = next((each.get("schema") for each in contents.values()), None)
        return Field(
            name=parameter.get("name", ""),
            type=phrase(schema),
            place=parameter.get("in", "header"),
            is_required=bool(parameter.get("required")),
            is_deprecated=bool(parameter.get("deprecated")),
            default=_default(schema),
            text=parameter.get("description") or _text(schema),
        )

    def answer(self, status: str, answer: dict[str, Any]) -> Answer:
        return Answer(
            status=status,
            text=answer.get("description", ""),
            contents=tuple(self.contents(answer)),
            headers=tuple(
                self.parameter({**self.resolve(header), "name": name})
                for name, header in answer.get("headers", {}).items()
            ),
        )

    def contents(self, holder: dict[str, Any]) -> Iterator[Content]:
        """Yield what a body may be; media types with the same schema together."""
        together: dict[str, tuple[list[str], Any]] = {}
        for media, content in holder.get("content", {}).items():
            schema = content.get("schema", content.get("itemSchema", True))
            together.setdefault(json.dumps(schema, sort_keys=True), ([], schema))[0].append(media)
        for media_types, schema in together.values():
            fields = self.fields(schema) if "$ref" not in keywords_of(schema) else ()
            yield Content(", ".join(media_types), phrase(schema), tuple(fields))

    def named(self, name: str, schema: Any) -> NamedType:
        fields = tuple(self.fields(schema))
        said = Markup("") if fields else phrase(schema)
        return NamedType(f"type-{slug(name)}", name, _text(schema), said, fields)

    def fields(self, schema: Any) -> Iterator[Field]:
        """Yield a field for each property of an object."""
        required = set(keywords_of(schema).get("required", ()))
        for name, inner in keywords_of(schema).get("properties", {}).items():
            yield Field(
                name=name,
                type=phrase(inner),
                is_required=name in required,
                is_deprecated=bool(keywords_of(inner).get("deprecated")),
                default=_default(inner),
                text=_text(inner),
            )

    def resolve(self, holder: dict[str, Any]) -> dict[str, Any]:
        """Return `holder`, or what its `$ref` names inside this document."""
        for _ in range(DEEPEST):
            if "$ref" not in holder:
                break
            found: Any = self.document
            for step in str(holder["$ref"]).removeprefix("#/").split("/"):
                key = step.replace("~1", "/").replace("~0", "~")
                found = found.get(key, {}) if isinstance(found, dict) else {}
            holder = found
        return holder

    # An example of a request.

    def sample(self, schema: Any, depth: int = 0) -> Any:
        """Return a value that shows what `schema` wants; declared examples go first."""
        keywords = keywords_of(schema)
        if "$ref" in keywords:
            return self.sample(self.resolve(keywords), depth + 1)
        for key in ("example", "default", "const"):
            if keywords.get(key) is not None:
                return keywords[key]
        for key in ("examples", "enum"):
            if keywords.get(key):
                return keywords[key][0]
        for key in ("anyOf", "oneOf", "allOf"):
            if keywords.get(key):
                return self.sample(keywords[key][0], depth + 1)
        kind = keywords.get("type", "object" if "properties" in keywords else "string")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            inner = keywords.get("properties", {})
            wanted = keywords.get("required", ())
            chosen = [name for name in wanted if name in inner and depth < DEEPEST]
            return {name: self.sample(inner[name], depth + 1) for name in chosen}
        if kind == "array":
            few = depth >= DEEPEST or "items" not in keywords
            return [] if few else [self.sample(keywords["items"], depth + 1)]
        return _scalar_sample(kind, keywords)

    def curl(
        self,
        method: str,
        path: str,
        parameters: Iterable[dict[str, Any]],
        body: dict[str, Any],
        operation: dict[str, Any],
    ) -> str:
        """Return a command that calls the endpoint: what must be sent, and no more."""
        query: list[tuple[str, str]] = []
        options: list[str] = []
        for parameter in parameters:
            name, place = parameter.get("name", ""), parameter.get("in")
            example = parameter.get("example", self.sample(parameter.get("schema", True)))
            text = _plain(example)
            if place == "path":
                path = path.replace("{" + name + "}", quote(text, safe="/"))
            elif not parameter.get("required"):
                continue
            elif place == "query":
                query.append((name, text))
            elif place == "header":
                options += ["-H", f"{name}: {text}"]
            elif place == "cookie":
                options += ["-b", f"{name}={text}"]
        for name in _first_needs(operation.get("security", self.document.get("security"))):
            scheme = self.resolve(self.components.get("securitySchemes", {}).get(name, {}))
            options += _credential(scheme, query)
        options += self.curl_body(body)
        url = "{root}" + path + ("?" + urlencode(query) if query else "")
        verb = [] if method == "get" or (method == "post" and body) else ["-X", method.upper()]
        return shlex.join(["curl", *verb, *options, url])

    def curl_body(self, body: dict[str, Any]) -> list[str]:
        contents = body.get("content", {})
        for media, content in contents.items():
            if media == JSON or media.endswith("+json"):
                example = content.get("example", self.sample(content.get("schema", True)))
                text = json.dumps(example, ensure_ascii=False)
                return ["-H", f"Content-Type: {media}", "-d", text]
        for media in (MULTIPART, URLENCODED):
            if media in contents:
                schema = self.resolve(keywords_of(contents[media].get("schema", True)))
                return list(self.curl_form(media, schema))
        if contents:
            return ["-H", f"Content-Type: {next(iter(contents))}", "--data-binary", "@file"]
        return []

    def curl_form(self, media: str, schema: dict[str, Any]) -> Iterator[str]:
        for name, inner in schema.get("properties", {}).items():
            keywords = self.resolve(keywords_of(inner))
            if media == URLENCODED:
                yield from ("--data-urlencode", f"{name}={_plain(self.sample(keywords))}")
            elif is_file(keywords):
                yield from ("-F", f"{name}=@file")
            else:
                yield from ("-F", f"{name}={_plain(self.sample(keywords))}")


def _text(schema: Any) -> str:
    keywords = keywords_of(schema)
    return str(keywords.get("description") or "")


def _default(schema: Any) -> str:
    keywords = keywords_of(schema)
    if keywords.get("default") in (None, ""):
        return ""
    return json.dumps(keywords["default"], ensure_ascii=False)


def _scalar_sample(kind: str, keywords: dict[str, Any]) -> Any:
    if kind in ("integer", "number"):
        for key, step in (("minimum", 0), ("exclusiveMinimum", 1)):
            if key in keywords:
                return keywords[key] + step
    if kind in _SAMPLES:
        return _SAMPLES[kind]
    text = _FORMATS.get(keywords.get("format", ""), "text")
    return text.ljust(keywords.get("minLength", 0), "t")[: keywords.get("maxLength")]


def _plain(value: Any) -> str:
    """Return a value as it stands in a URL or a header field."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(_plain(each) for each in value)
    return json.dumps(value, ensure_ascii=False)


def _scheme(scheme: dict[str, Any]) -> str:
    """Return a security scheme in words."""
    kind = scheme.get("type")
    if kind == "apiKey":
        return f"a key in the {scheme.get('in')} {scheme.get('name')}"
    if kind == "http":
        return f"the header Authorization: {str(scheme.get('scheme', '')).capitalize()} ..."
    return str(kind)


def _needs(security: Any) -> str:
    """Return which schemes open an endpoint: "ApiKey or Bearer"; "" if it is open."""
    if not security:
        return ""
    ways = [" and ".join(_with_scopes(way)) for way in security]
    return " or ".join(way or "nothing" for way in ways)


def _with_scopes(way: dict[str, list[str]]) -> Iterator[str]:
    for name, scopes in way.items():
        yield f"{name} ({', '.join(scopes)})" if scopes else name


def _first_needs(security: Any) -> Iterable[str]:
    return next((way for way in security or () if way), {})


def _credential(scheme: dict[str, Any], query: list[tuple[str, str]]) -> list[str]:
    if scheme.get("type") == "apiKey":
        name, place = scheme.get("name", ""), scheme.get("in")
        if place == "query":
            query.append((name, "KEY"))
            return []
        return ["-b", f"{name}=KEY"] if place == "cookie" else ["-H", f"{name}: KEY"]
    if scheme.get("type") == "http" and scheme.get("scheme") == "basic":
        return ["-u", "NAME:PASSWORD"]
    return ["-H", "Authorization: Bearer TOKEN"] if scheme else []
