"""Two JSON Schemas: where the second accepts less than the first, and where more. Sans-IO.

Not a proof: patterns and formats that differ count as narrower and wider at once, and a union
is followed option by option. That is right for schemas made of types, as ours are, and says
too much rather than too little for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]


class Finding(NamedTuple):
    """A difference at one place, `where` below the schema's top: ".items[].price"."""

    where: str
    was: str
    now: str
    #: Whether something that was accepted is not any more.
    narrows: bool
    #: Whether something is accepted that was not.
    widens: bool
    #: Whether it is a field that came or went, which by itself does neither.
    is_field: bool = False


class Side(NamedTuple):
    """A schema, and the document in which its references lead somewhere."""

    document: Mapping[str, Any]
    schema: Any

    def resolved(self) -> Any:
        """The schema with a reference at its top followed, what stands beside it kept."""
        schema = self.schema
        seen = set()
        while isinstance(schema, Mapping) and "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            found = self._at(schema["$ref"])
            schema = {**found, **beside} if isinstance(found, Mapping) else found
        if schema is True:
            return {}
        if isinstance(schema, Mapping) and "allOf" in schema:
            return self._merged(schema)
        return schema

    def at(self, schema: Any) -> Side:
        return self._replace(schema=schema)

    def _at(self, reference: str) -> Any:
        node: Any = self.document
        for part in reference.removeprefix("#/").split("/"):
            node = node.get(part.replace("~1", "/").replace("~0", "~"), {})
        return node

    def _merged(self, schema: Schema) -> Schema:
        whole: dict[str, Any] = {name: part for name, part in schema.items() if name != "allOf"}
        for part in schema["allOf"]:
            for name, value in self.at(part).resolved().items():
                if name == "properties":
                    whole[name] = {**value, **whole.get(name, {})}
                elif name == "required":
                    whole[name] = [*whole.get(name, ()), *value]
                else:
                    whole.setdefault(name, value)
        return whole


def differences(old: Side, new: Side) -> list[Finding]:
    """All differences, each once: narrower, wider, and fields that came and went."""
    found: dict[tuple[str, str, str], Finding] = {}

    def add(finding: Finding) -> None:
        key = finding[:3]
        other = found.get(key)
        if other is not None:
            finding = finding._replace(
                narrows=finding.narrows or other.narrows, widens=finding.widens or other.widens
            )
        found[key] = finding

    for where, wide, narrow in _narrowings(old, new, "", set()):
        add(Finding(where, wide, narrow, True, False))
    for where, wide, narrow in _narrowings(new, old, "", set()):
        add(Finding(where, narrow, wide, False, True))
    told = {where for where, *_ in found}
    for finding in _fields(old, new, "", set()):
        if finding.where not in told:
            add(finding)
    return list(found.values())


# What the wider of two accepts and the narrower does not: (where, wider's word, narrower's).
_Narrowing = tuple[str, str, str]


def _narrowings(wide: Side, narrow: Side, where: str, seen: set[Any]) -> Iterator[_Narrowing]:
    pair = _name_of(wide), _name_of(narrow)
    if None not in pair:
        if pair in seen:
            return
        seen = seen | {pair}
    a, b = wide.resolved(), narrow.resolved()
    if b in ({}, a) and wide.document is narrow.document:
        return
    if a is False:
        return
    if b is False:
        yield where, "allowed", "not allowed"
        return
    options, others = _options(wide), _options(narrow)
    if len(options) > 1 or len(others) > 1:
        yield from _union(options, others, where, seen)
        return
    yield from _one(options[0], others[0], where, seen)


def _union(
    wide: list[Side], narrow: list[Side], where: str, seen: set[Any]
) -> Iterator[_Narrowing]:
    for option in wide:
        tries = [list(_one(option, other, where, seen)) for other in narrow]
        if not all(tries):
            continue
        # The one that it resembles most, if it resembles any: there the difference is.
        near = [
            found
            for found, other in zip(tries, narrow, strict=True)
            if _kind(option) == _kind(other) and _tag(option) == _tag(other)
        ]
        if near:
            yield from min(near, key=len)
        else:
            accepted = " or ".join(dict.fromkeys(_word(other) for other in narrow))
            yield where, f"{_word(option)} too", accepted


def _one(wide: Side, narrow: Side, where: str, seen: set[Any]) -> Iterator[_Narrowing]:
    a, b = wide.resolved(), narrow.resolved()
    wanted, allowed = _types(a), _types(b)
    if allowed and not (wanted and all(_is_within(each, allowed) for each in wanted)):
        yield where, _word(wide), _word(narrow)
        return
    yield from _values(a, b, where)
    yield from _limits(a, b, where)
    for name in ("pattern", "format", "contentEncoding", "multipleOf"):
        if name in b and a.get(name) != b[name]:
            yield (
                where,
                f"{name} {a[name]}" if name in a else f"without {name}",
                f"{name} {b[name]}",
            )
    if b.get("uniqueItems") and not a.get("uniqueItems"):
        yield where, "with repetitions", "without repetitions"
    yield from _object(wide, narrow, where, seen)
    yield from _array(wide, narrow, where, seen)


def _values(a: Schema, b: Schema, where: str) -> Iterator[_Narrowing]:
    kept = _enum(b)
    if kept is None:
        return
    given = _enum(a)
    if given is None:
        yield where, "any value", _listed(kept)
    elif any(value not in kept for value in given):
        yield where, _listed(given), _listed(kept)


def _enum(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def _limits(a: Schema, b: Schema, where: str) -> Iterator[_Narrowing]:
    for names, is_least in ((_LEAST, True), (_MOST, False)):
        for name in names:
            limit = b.get(name)
            if limit is None or (limit == 0 and _counts(name)):
                continue
            if not _implied(a, name, limit, is_least):
                was = a.get(name)
                yield (
                    where,
                    f"without {name}" if was is None else f"{name} {was}",
                    f"{name} {limit}",
                )


def _counts(name: str) -> bool:
    return name in ("minLength", "minItems", "minProperties")


def _implied(a: Schema, name: str, limit: Any, is_least: bool) -> bool:
    """Whether what `a` says keeps the limit; an inclusive one and its exclusive twin are one."""
    own = a.get(name)
    if own is not None and (own >= limit if is_least else own <= limit):
        return True
    twin = {
        "minimum": "exclusiveMinimum",
        "maximum": "exclusiveMaximum",
        "exclusiveMinimum": "minimum",
        "exclusiveMaximum": "maximum",
    }.get(name)
    other = a.get(twin) if twin else None
    if other is None:
        return False
    if name.startswith("exclusive"):
        return bool(other > limit if is_least else other < limit)
    return bool(other >= limit if is_least else other <= limit)


def _object(wide: Side, narrow: Side, where: str, seen: set[Any]) -> Iterator[_Narrowing]:
    a, b = wide.resolved(), narrow.resolved()
    known, wanted = a.get("properties", {}), b.get("properties", {})
    for name in b.get("required", ()):
        if name not in a.get("required", ()):
            yield f"{where}.{name}", "optional" if name in known else "absent", "required"
    for name, schema in wanted.items():
        if name in known:
            yield from _narrowings(wide.at(known[name]), narrow.at(schema), f"{where}.{name}", seen)
    rest, others = a.get("additionalProperties", True), b.get("additionalProperties", True)
    if others is False:
        for name in known:
            if name not in wanted:
                yield f"{where}.{name}", "allowed", "not allowed"
        if rest is not False:
            yield where, "with further fields", "without further fields"
    elif others is not True and rest is not False:
        yield from _narrowings(
            wide.at({} if rest is True else rest), narrow.at(others), f"{where}.*", seen
        )
    if "propertyNames" in b:
        yield from _narrowings(
            wide.at({"type": "string", **a.get("propertyNames", {})}),
            narrow.at({"type": "string", **b["propertyNames"]}),
            f"{where}, names",
            seen,
        )


def _array(wide: Side, narrow: Side, where: str, seen: set[Any]) -> Iterator[_Narrowing]:
    a, b = wide.resolved(), narrow.resolved()
    ours, theirs = a.get("prefixItems", ()), b.get("prefixItems", ())
    for index, schema in enumerate(theirs):
        own = ours[index] if index < len(ours) else a.get("items", {})
        yield from _narrowings(wide.at(own), narrow.at(schema), f"{where}[{index}]", seen)
    if b.get("items") not in (None, True, False, {}):
        own = a.get("items", {})
        yield from _narrowings(wide.at(own), narrow.at(b["items"]), f"{where}[]", seen)


# Fields that came and went.


def _fields(old: Side, new: Side, where: str, seen: set[Any]) -> Iterator[Finding]:
    pair = _name_of(old), _name_of(new)
    if None not in pair:
        if pair in seen:
            return
        seen = seen | {pair}
    for was, now in _matched(_options(old), _options(new)):
        a, b = was.resolved(), now.resolved()
        if not isinstance(a, Mapping) or not isinstance(b, Mapping):
            continue
        before, after = a.get("properties", {}), b.get("properties", {})
        for name in before:
            if name not in after:
                yield Finding(f"{where}.{name}", "there", "gone", False, False, True)
            else:
                yield from _fields(
                    was.at(before[name]), now.at(after[name]), f"{where}.{name}", seen
                )
        for name in after:
            if name not in before:
                yield Finding(f"{where}.{name}", "absent", "new", False, False, True)
        for name, step in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(a.get(name), Mapping) and isinstance(b.get(name), Mapping):
                yield from _fields(was.at(a[name]), now.at(b[name]), where + step, seen)


def _matched(old: list[Side], new: list[Side]) -> Iterator[tuple[Side, Side]]:
    for was in old:
        for now in new:
            if _kind(was) == _kind(now) and _tag(was) == _tag(now):
                yield was, now
                break


# Words and pieces.


def _options(side: Side) -> list[Side]:
    """The schemas of a union, one for each type of a list of them; others are their only one."""
    schema = side.resolved()
    if not isinstance(schema, Mapping):
        return [side]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return [found for option in schema[name] for found in _options(side.at(option))]
    types = schema.get("type")
    if isinstance(types, list):
        return [side.at({**schema, "type": each}) for each in types]
    return [side]


def _types(schema: Schema) -> list[str]:
    given = schema.get("type")
    if isinstance(given, str):
        return [given]
    if given:
        return list(given)
    names = {bool: "boolean", int: "integer", str: "string", type(None): "null"}
    values = _enum(schema) or []
    found = dict.fromkeys(names.get(type(value), "number") for value in values)
    return list(found)


def _is_within(kind: str, allowed: list[str]) -> bool:
    return kind in allowed or (kind == "integer" and "number" in allowed)


def _kind(side: Side) -> tuple[str, ...]:
    schema = side.resolved()
    return tuple(_types(schema)) if isinstance(schema, Mapping) else ()


def _tag(side: Side) -> tuple[Any, ...]:
    """What tells a record of a union from the others: its fields of one value only."""
    schema = side.resolved()
    properties = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
    return tuple(
        (name, field["const"])
        for name, field in properties.items()
        if isinstance(field, Mapping) and "const" in field
    )


def _name_of(side: Side) -> str | None:
    return side.schema.get("$ref") if isinstance(side.schema, Mapping) else None


def _word(side: Side) -> str:
    schema = side.resolved()
    if not isinstance(schema, Mapping):
        return "anything" if schema else "nothing"
    types = [_word(option) for option in _options(side)] if _is_union(schema) else _types(schema)
    word = " or ".join(dict.fromkeys(types)) or "anything"
    if "format" in schema:
        word = f"{word} ({schema['format']})"
    tag = _tag(side)
    return f"{word} {tag[0][1]!r}" if tag else word


def _is_union(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema or isinstance(schema.get("type"), list)


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values))
