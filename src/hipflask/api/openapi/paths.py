"""Werkzeug's rules -> what OpenAPI says of a path: template, parameters, host."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from werkzeug.routing import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    PathConverter,
    Rule,
    UnicodeConverter,
    UUIDConverter,
)

_VARIABLE = re.compile(r"<(?:[a-zA-Z_]\w*(?:\(.*?\))?:)?(?P<name>[a-zA-Z_]\w*)>")
_LENGTH = re.compile(r"\[\^/\]\{(?P<least>\d+)(?P<several>,)?(?P<most>\d+)?\}")


class Template(NamedTuple):
    """A rule's path: `text` is "/orders/{number}", `variables` the names in it, in order."""

    text: str
    variables: tuple[str, ...]

    @property
    def skeleton(self) -> str:
        """The template without its variables' names: two rules may differ in those alone."""
        return re.sub(r"\{\w+\}", "{}", self.text)


def template_of(rule: Rule) -> Template:
    """The path of a rule as OpenAPI writes it."""
    names: list[str] = []

    def variable(found: re.Match[str]) -> str:
        names.append(found["name"])
        return f"\0{found['name']}\1"

    text = _VARIABLE.sub(variable, rule.rule)
    text = text.replace("{", "%7B").replace("}", "%7D")
    return Template(text.replace("\0", "{").replace("\1", "}"), tuple(names))


def host_of(rule: Rule, host_matching: bool) -> str:
    """The host or subdomain that the rule is for, variables as `{name}`; "" for any."""
    place = (rule.host if host_matching else rule.subdomain) or ""
    return _VARIABLE.sub(lambda found: f"{{{found['name']}}}", place)


def variable_schema(rule: Rule, name: str) -> dict[str, Any]:
    """What a variable of a rule may be, by its converter."""
    converter = rule._converters[name]
    if isinstance(converter, IntegerConverter):
        if converter.fixed_digits:
            return {"type": "string", "pattern": f"^[0-9]{{{converter.fixed_digits}}}$"}
        return {"type": "integer"} | _range(converter)
    if isinstance(converter, FloatConverter):
        return {"type": "number"} | _range(converter)
    if isinstance(converter, UUIDConverter):
        return {"type": "string", "format": "uuid"}
    if isinstance(converter, AnyConverter):
        return {"type": "string", "enum": sorted(converter.items)}
    if isinstance(converter, PathConverter):
        return {"type": "string", "minLength": 1}
    if isinstance(converter, UnicodeConverter):
        return {"type": "string"} | _length(converter.regex)
    return {"type": "string"} | _pattern(converter)


def refuses(rule: Rule) -> bool:
    """Whether a value of one of the path's variables can lead to no view at all, and so to 404."""
    return any(
        variable_schema(rule, name) != {"type": "string", "minLength": 1}
        for name in template_of(rule).variables
    )


def takes_slashes(rule: Rule, name: str) -> bool:
    """Whether a variable may span several segments, which OpenAPI has no way to say."""
    return not rule._converters[name].part_isolating


def _range(converter: Any) -> dict[str, Any]:
    least = converter.min
    if least is None and not converter.signed:
        least = 0
    limits = {"minimum": least, "maximum": converter.max}
    return {word: limit for word, limit in limits.items() if limit is not None}


def _length(regex: str) -> dict[str, Any]:
    found = _LENGTH.fullmatch(regex)
    if found is None:
        return {}
    limits: dict[str, Any] = {"minLength": int(found["least"])}
    if found["most"]:
        limits["maxLength"] = int(found["most"])
    elif not found["several"]:
        limits["maxLength"] = limits["minLength"]
    return limits


def _pattern(converter: BaseConverter) -> dict[str, Any]:
    # What only Python's expressions have is left out: readers of the document use ECMA's.
    if converter.regex == BaseConverter.regex or "(?" in converter.regex.replace("(?:", ""):
        return {}
    return {"pattern": f"^(?:{converter.regex})$"}
