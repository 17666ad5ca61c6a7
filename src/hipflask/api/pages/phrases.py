"""A JSON Schema in a few words: "list of OrderLine, 1 to 20 items", named types as links."""

from __future__ import annotations

import json
import re
from typing import Any

from markupsafe import Markup, escape

_KINDS = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
    "array": "list",
}
#: keyword -> how it reads; {0} is its value.
_BOUNDS = {
    "minimum": "at least {0}",
    "exclusiveMinimum": "more than {0}",
    "maximum": "at most {0}",
    "exclusiveMaximum": "less than {0}",
    "multipleOf": "a multiple of {0}",
    "pattern": Markup("matching <code>{0}</code>"),
}


def phrase(schema: Any) -> Markup:
    """Return a schema in a few words, named types as links."""
    keywords = keywords_of(schema)
    if "$ref" in keywords:
        name = str(keywords["$ref"]).rpartition("/")[2]
        return Markup('<a href="#type-{}">{}</a>').format(slug(name), name)
    if "const" in keywords:
        return Markup("<code>{}</code>").format(json.dumps(keywords["const"]))
    if "enum" in keywords:
        values = [Markup("<code>{}</code>").format(json.dumps(v)) for v in keywords["enum"]]
        return _either(values)
    for keyword, word in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if keyword in keywords:
            inner = dict.fromkeys(phrase(each) for each in keywords[keyword])
            bounds = _bounds(keywords)
            return Markup(escape(word)).join(inner) + (Markup(", ") + bounds if bounds else "")
    kinds = keywords.get("type", "object" if "properties" in keywords else None)
    if kinds is None:
        return Markup("file") if "contentMediaType" in keywords else Markup("anything")
    if isinstance(kinds, list):
        return _either([_kind(kind, keywords) for kind in kinds])
    return _kind(kinds, keywords)


def _kind(kind: str, keywords: dict[str, Any]) -> Markup:
    said = Markup(escape(_KINDS.get(kind, kind)))
    if kind == "array":
        said = _list(keywords)
    elif kind == "object":
        said = _object(keywords)
    elif kind == "string" and is_file(keywords):
        said = Markup("file")
    elif kind != "null" and "format" in keywords:
        said += Markup(" ({})").format(keywords["format"])
    bounds = _bounds(keywords) if kind != "null" else Markup("")
    return said + Markup(", ") + bounds if bounds else said


def _list(keywords: dict[str, Any]) -> Markup:
    if "prefixItems" in keywords:
        each = Markup(", ").join(phrase(item) for item in keywords["prefixItems"])
        return Markup("list: {}").format(each)
    if "items" in keywords:
        return Markup("list of {}").format(phrase(keywords["items"]))
    return Markup("list")


def _object(keywords: dict[str, Any]) -> Markup:
    values = keywords.get("additionalProperties")
    if "properties" not in keywords and isinstance(values, dict):
        return Markup("object, each value {}").format(phrase(values))
    names = keywords.get("properties", {})
    if not names:
        return Markup("object")
    codes = [Markup("<code>{}</code>").format(name) for name in names]
    return Markup("object with {}").format(Markup(", ").join(codes))


def _bounds(keywords: dict[str, Any]) -> Markup:
    """Return the constraints in words, "" if there are none."""
    said: list[str] = [
        words.format(keywords[key]) for key, words in _BOUNDS.items() if key in keywords
    ]
    counted = "bytes" if is_file(keywords) else "characters"
    said += _length(keywords, "minLength", "maxLength", counted)
    said += _length(keywords, "minItems", "maxItems", "items")
    said += _length(keywords, "minProperties", "maxProperties", "entries")
    if keywords.get("uniqueItems"):
        said.append("no two the same")
    return Markup(", ").join(said)


def _either(parts: list[Markup]) -> Markup:
    """Return "a, b or c"."""
    if len(parts) < 2:
        return Markup("").join(parts)
    return Markup(", ").join(parts[:-1]) + Markup(" or ") + parts[-1]


def _length(keywords: dict[str, Any], low: str, high: str, of: str) -> list[str]:
    least, most = keywords.get(low), keywords.get(high)
    if least is not None and least == most:
        return [f"exactly {least} {of}"]
    if least and most is not None:
        return [f"{least} to {most} {of}"]
    if least:
        return [f"at least {least} {of}"]
    return [] if most is None else [f"at most {most} {of}"]


def slug(text: str) -> str:
    """Return `text` as part of an anchor: letters, digits and dashes."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-") or "root"


def keywords_of(schema: Any) -> dict[str, Any]:
    """Return a schema's keywords; `true` has none."""
    return schema if isinstance(schema, dict) else {}


def is_file(keywords: dict[str, Any]) -> bool:
    binary = keywords.get("format") == "binary"
    return binary or ("contentMediaType" in keywords and "contentEncoding" not in keywords)
