"""What an operation asks for, as the document has it: parameters and the request body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..kinds.shapes import is_listed
from ..marks import Place
from ..model import NO_DEFAULT, Input, Operation
from .paths import takes_slashes, template_of, variable_schema
from .schema import Schema, Schemas
from .schema_scalars import has_plain, plain

JSON = "application/json"
MSGPACK = "application/vnd.msgpack"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
STREAM = "application/octet-stream"

_PARAMETERS = (Place.PATH, Place.QUERY, Place.HEADER, Place.COOKIE)
# Header fields that OpenAPI describes otherwise, and would have ignored here.
_OTHERWISE_TOLD = ("accept", "content-type", "authorization")


def inputs_of(operation: Operation) -> list[Input]:
    """All that is read for an operation, each once: its providers' inputs too, structs spread."""
    found: dict[tuple[Place, str], Input] = {}
    for each in _spread(operation.signature.inputs):
        found.setdefault((each.place, each.key), each)
    return list(found.values())


def _spread(inputs: tuple[Input, ...]) -> Iterator[Input]:
    for each in inputs:
        if each.place is Place.SUPPLIED:
            continue
        if each.place is Place.PROVIDED:
            yield from _spread(each.needs)
        elif each.fields:
            for field in each.fields:
                if each.is_required or not field.is_required:
                    yield field
                else:
                    # Without any of its fields the struct is not made.
                    yield msgspec.structs.replace(field, default=msgspec.UNSET)
        else:
            yield each


def parameters_of(
    schemas: Schemas, operation: Operation, renamed: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The Parameter Objects: the path's variables in order, then query, header, cookie.

    `renamed` gives the names of the path's variables in the document.
    """
    inputs = inputs_of(operation)
    typed = {each.key: each for each in inputs if each.place is Place.PATH}
    examples = operation.details.examples
    parameters = [
        _variable(schemas, operation, name, typed.get(name), renamed)
        for name in template_of(operation.rule).variables
    ]
    for place in _PARAMETERS[1:]:
        for each in inputs:
            if each.place is not place:
                continue
            if place is Place.HEADER and each.key.lower() in _OTHERWISE_TOLD:
                continue
            parameters.append(_parameter(schemas, each))
    options = idempotency_of(operation)
    if options is not None:
        parameters.append(_idempotency_key(options))
    for parameter in parameters:
        for name in (parameter["name"], parameter["name"].replace("-", "_").lower()):
            if name in examples and has_plain(examples[name]):
                parameter["example"] = plain(examples[name])
    return parameters


def idempotency_of(operation: Operation) -> Any:
    """The options of `idempotent=...` where they hold for the operation's method, else None."""
    # The draft's methods; `state.options` has them too, which this must not load.
    has_key = operation.method in ("POST", "PATCH")
    return getattr(operation.rule, "idempotent", None) if has_key else None


def _idempotency_key(options: Any) -> dict[str, Any]:
    parameter: dict[str, Any] = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": (
            "A text of your own, a UUID say, new for each new request. Sent again with the same"
            " request, the request is done once, and the first answer is repeated for"
            f" {options.keep_s / 3600:g} hours."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
    return parameter | {"required": True} if options.required else parameter


def _variable(
    schemas: Schemas,
    operation: Operation,
    name: str,
    typed: Input | None,
    renamed: Mapping[str, str],
) -> dict[str, Any]:
    schema: Schema = variable_schema(operation.rule, name)
    if typed is not None:
        own = without_null(schemas.of(typed.type, "input"))
        same = own.get("type") == schema.get("type") and "format" not in own
        schema = schema | own if same else own
    parameter: dict[str, Any] = {"name": renamed.get(name, name), "in": "path", "required": True}
    if takes_slashes(operation.rule, name):
        parameter["description"] = "May contain slashes."
    return _lifted(parameter, schema)


def _parameter(schemas: Schemas, each: Input) -> dict[str, Any]:
    schema = without_null(schemas.of(each.type, "input"))
    if _is_told(each.default) and each.default is not None:
        schema = schema | {"default": plain(each.default)}
    parameter: dict[str, Any] = {"name": each.key, "in": each.place.value}
    if each.is_required:
        parameter["required"] = True
    if schema.get("type") == "array" and each.place in (Place.QUERY, Place.COOKIE):
        parameter |= {"style": "form", "explode": True}
    return _lifted(parameter, schema)


def _lifted(parameter: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """A parameter with its schema, whose description and deprecation are the parameter's."""
    schema = dict(schema)
    for word in ("description", "deprecated"):
        if word in schema and "$ref" not in schema:
            parameter.setdefault(word, schema.pop(word))
    return parameter | {"schema": schema}


def without_null(schema: Schema) -> Schema:
    """`schema` without null, which a parameter has no way to be: it is there or it is not."""
    if None in schema.get("enum", ()):
        return schema | {"enum": [value for value in schema["enum"] if value is not None]}
    options = schema.get("anyOf")
    if options is None:
        return schema
    kept = [option for option in options if option.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return kept[0] | rest if len(kept) == 1 else rest | {"anyOf": kept}


def _is_told(default: Any) -> bool:
    return default is not NO_DEFAULT and default is not msgspec.UNSET and has_plain(default)


# The body.


def body_of(schemas: Schemas, operation: Operation) -> dict[str, Any] | None:
    """The Request Body Object, or None where nothing reads the body."""
    inputs = inputs_of(operation)
    parts = [each for each in inputs if each.place in (Place.FORM, Place.FILE)]
    for each in inputs:
        if each.place is Place.BODY:
            return _structured(schemas, operation, each)
        if each.place is Place.STREAM:
            binary = {"type": "string", "format": "binary"}
            return {"required": True, "content": {STREAM: {"schema": binary}}}
    return _form(schemas, operation, parts) if parts else None


def _structured(schemas: Schemas, operation: Operation, each: Input) -> dict[str, Any]:
    schema = schemas.of(each.type, "input")
    media: dict[str, Any] = {"schema": schema}
    example = operation.details.examples.get("body", msgspec.UNSET)
    content = {JSON: media, MSGPACK: dict(media)}
    if has_plain(example):
        content[JSON]["example"] = plain(example)
    return {"required": each.is_required, "content": content}


def _form(schemas: Schemas, operation: Operation, parts: list[Input]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    encoding: dict[str, Any] = {}
    for part in parts:
        if part.place is Place.FILE:
            properties[part.key] = _file(part)
            if part.accepts is not None and part.accepts.types:
                encoding[part.key] = {"contentType": ", ".join(part.accepts.types)}
        else:
            schema = without_null(schemas.of(part.type, "input"))
            if _is_told(part.default) and part.default is not None:
                schema = schema | {"default": plain(part.default)}
            properties[part.key] = schema
    schema = {"type": "object", "properties": properties}
    required = [part.key for part in parts if part.is_required]
    if required:
        schema["required"] = required
    media: dict[str, Any] = {"schema": schema}
    example = operation.details.examples.get("body", msgspec.UNSET)
    if has_plain(example):
        media["example"] = plain(example)
    multipart = media | ({"encoding": encoding} if encoding else {})
    content = {MULTIPART: multipart}
    if not any(part.place is Place.FILE for part in parts):
        content = {URLENCODED: media, MULTIPART: multipart}
    return {"required": bool(required), "content": content}


def _file(part: Input) -> Schema:
    # What OpenAPI 3.0 called a file: 3.1 takes any word there, and clients know this one.
    schema: Schema = {"type": "string", "format": "binary"}
    if part.accepts is not None and part.accepts.max_bytes is not None:
        schema["maxLength"] = part.accepts.max_bytes
    if is_listed(part.type):
        return {"type": "array", "items": schema}
    return schema
