"""What an operation answers, as the document has it: the Responses Object."""

from __future__ import annotations

from http import HTTPStatus
from types import NoneType
from typing import Any, get_args, get_origin

from werkzeug.exceptions import NotFound

from ...security.access import security_of
from ...security.stances import authenticated
from ..details import headers_of
from ..kinds import bare
from ..marks import Place
from ..model import Operation, Output
from ..outputs.paging import Page
from ..problems import MEDIA_TYPE, Problem
from .parameters import JSON, MSGPACK, idempotency_of, inputs_of
from .paths import refuses
from .schema import Schema, Schemas
from .schema_scalars import docstring, has_plain, plain

LINES = "application/x-ndjson"

_BODIES = (Place.BODY, Place.FORM, Place.FILE)

_PROBLEM: Schema = {
    "description": "What went wrong (RFC 9457). Further members may be there.",
    "type": "object",
    "properties": {
        "type": {
            "description": "A URI reference that names the kind of problem.",
            "type": "string",
            "format": "uri-reference",
            "default": "about:blank",
        },
        "title": {"description": "The kind of problem in short.", "type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"description": "What happened this time.", "type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "errors": {
            "description": "What was wrong with the values that were sent, one by one.",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": {
                        "description": 'Such as ["body", "items", 3, "price"].',
                        "type": "array",
                        "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                    },
                    "expected": {"type": "string"},
                    "got": {"type": "string"},
                },
                "required": ["location", "expected", "got"],
            },
        },
    },
    "required": ["title", "status"],
}


def answers_of(app: Any, schemas: Schemas, operation: Operation) -> dict[str, Any]:
    """The Responses Object: the usual answer, those declared, and those given before the view."""
    found: dict[str, dict[str, Any]] = {}
    output = operation.signature.output
    if output is None:
        if not any(status < 400 for status in operation.details.responses):
            found["default"] = {"description": "What the view answers."}
    else:
        found[str(output.status)] = _usual(schemas, operation, output)
        if output.conditional:
            found["304"] = {"description": HTTPStatus.NOT_MODIFIED.phrase}
    for status, text in _given(app, operation).items():
        found[str(status)] = _problem(schemas, operation, text)
    for status, answer in operation.details.responses.items():
        declared = _declared(schemas, operation, status, answer)
        usual = found.get(str(status), {}) if status < 400 else {}
        found[str(status)] = usual | declared
    if refuses(operation.rule):
        _add_unmatched(app, found)
    return dict(sorted(found.items()))


def _usual(schemas: Schemas, operation: Operation, output: Output) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _phrase(output.status)}
    headers = _headers(operation, output)
    if headers:
        answer["headers"] = headers
    inner = bare(output.type)[0]
    if inner in (None, NoneType) or output.status in (204, 205):
        return answer
    direction: Any = "partial" if output.exclude_unset else "output"
    if get_origin(inner) is Page or inner is Page:
        parts = get_args(inner)
        items = schemas.of(parts[0], direction) if parts else {}
        schema: Schema = {"type": "array", "items": items}
    else:
        schema = schemas.of(output.type, direction)
    media: dict[str, Any] = {"schema": schema}
    example = operation.details.examples.get("response", _NONE)
    if example is not _NONE and has_plain(example):
        media["example"] = plain(example)
    if output.is_lines:
        answer["description"] += ": one JSON value a line, each as the schema says"
        answer["content"] = {LINES: media}
    else:
        answer["content"] = {JSON: media, MSGPACK: {"schema": schema}}
    return answer


_NONE: Any = object()


def _headers(operation: Operation, output: Output) -> dict[str, Any]:
    headers = {}
    inner = bare(output.type)[0]
    if get_origin(inner) is Page or inner is Page:
        headers["Link"] = _header("Where the other pages are (RFC 8288).", "string")
        headers["X-Total-Count"] = _header("How many items there are, where known.", "integer")
    if output.conditional:
        headers["ETag"] = _header("For If-None-Match (RFC 9110, 8.8.3).", "string")
    texts = {
        "Deprecation": "Since when this is deprecated (RFC 9745).",
        "Sunset": "When this ends (RFC 8594).",
    }
    for name, value in headers_of(operation.details):
        headers[name] = _header(texts[name], "string") | {"example": value}
    return headers


def _header(text: str, type: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": type}}


def _given(app: Any, operation: Operation) -> dict[int, str]:
    """What is answered before the view is called, by status."""
    given = {}
    if security_of(app, operation.access):
        given[401] = "Credentials are missing or not accepted"
        if operation.access != authenticated:
            given[403] = "The credentials do not suffice"
    places = {each.place for each in inputs_of(operation)}
    if places.intersection(_BODIES):
        given[400] = "The body is malformed"
        given[413] = "The body is too large"
        given[415] = "The body has another media type"
    elif Place.STREAM in places:
        given[413] = "The body is too large"
    if places - {Place.STREAM}:
        given[422] = "What was sent is not what is expected"
    if idempotency_of(operation) is not None:
        given.setdefault(400, "The Idempotency-Key is missing or malformed")
        given[409] = "A request with this Idempotency-Key is being worked on"
        given[422] = (
            "What was sent is not what is expected, or not what the key was first sent with"
        )
        given[503] = "The request cannot be noted at the moment"
    return given


def _problem(schemas: Schemas, operation: Operation, text: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text}
    if operation.signature.is_typed:
        answer["content"] = {MEDIA_TYPE: {"schema": schemas.fixed("Problem", _PROBLEM)}}
    return answer


def _declared(schemas: Schemas, operation: Operation, status: int, answer: Any) -> dict[str, Any]:
    kind, text = answer if isinstance(answer, tuple) else (answer, None)
    if isinstance(kind, str):
        return _problem(schemas, operation, kind) if status >= 400 else {"description": kind}
    if isinstance(kind, type) and issubclass(kind, Problem):
        text = text or docstring(kind) or kind.title or _phrase(status)
        return _problem(schemas, operation, text)
    if text is None:
        text = (docstring(kind) if isinstance(kind, type) else None) or _phrase(status)
    if kind in (None, NoneType):
        return {"description": text}
    schema = schemas.of(kind, "output")
    return {"description": text, "content": {JSON: {"schema": schema}}}


def _add_unmatched(app: Any, found: dict[str, dict[str, Any]]) -> None:
    """Tell of the 404 for a URL whose variables no rule takes: routing answers it, not the view.

    With Flask's page, unless somebody handles it (`problems.everywhere`).
    """
    text = {"schema": {"type": "string"}}
    answer = found.setdefault("404", {"description": "There is nothing at this URL"})
    content = answer.get("content")
    if content is not None and app._find_error_handler(NotFound(), ()) is None:
        answer["content"] = {**content, "text/html": text}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
