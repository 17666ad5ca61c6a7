"""Types -> JSON Schema 2020-12, as the document has them.

`Schemas` is given one type after the other, in the direction in which its values travel, and
hands back a schema each; classes become components, which `resolve` names once all are known.

A schema is what the reader accepts (`kinds/`), not what a type's name suggests: a `Decimal`
is read from text and from numbers and written as text, a `timedelta` knows no months, bytes
are base64 with padding. Where a reader is more lenient than JSON Schema can say, the schema is
the stricter of the two: a `datetime` without a zone is read, a repeated member of a set counts
once. It is the more lenient one in two places: a key given twice, which JSON Schema does not
know of, and whole numbers from 2**53 on that are written as 1e16.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import inspect as kind

from ..kinds import bare, hints_of, library_of, members_of, needs_pydantic
from ..kinds.checks import limits_of, translated
from .schema_scalars import (
    SIMPLE,
    UNTOLD,
    docstring,
    enum_schema,
    key_schema,
    length_limits,
    limited,
    plain,
    type_of_values,
)
from .schema_scalars import Direction as Direction
from .schema_scalars import Schema as Schema

# How a class is called where its shape differs by direction.
_SUFFIXES: dict[str, str] = {"output": "", "input": "Input", "partial": "Partial"}


class Ref(NamedTuple):
    """A component not named yet: a class (by module, name and identity) in a direction."""

    key: str
    direction: Direction


class Schemas:
    """The schemas of a document, and the components they share.

        schemas = Schemas()
        body = schemas.of(Item, "input")
        components = schemas.components()
        body = schemas.resolve(body)

    A component is called as its class; classes of one name in different modules are called
    by module and name, and where one class has two shapes the one we send keeps the name and
    the one we read has `Input` behind it. What that gives depends on the types alone, and on
    their order only where two classes agree in module and name as well.
    """

    def __init__(self, prefix: str = "#/components/schemas/") -> None:
        self._prefix = prefix
        self._bodies: dict[Ref, Schema] = {}
        # Tagged structs that stand in a union somewhere: there the tag cannot be left out.
        self._told_apart: set[str] = set()
        self._tags: dict[str, str] = {}
        self._fixed: dict[str, Ref] = {}
        self._names: dict[Ref, str] | None = None

    def of(self, type: Any, direction: Direction) -> Schema:
        """The schema of `type`, with references that `resolve` makes whole.

        Raises TypeError for a type that no reader or writer knows.
        """
        if needs_pydantic(type):
            return self._of_pydantic(type, direction)
        return self._of_annotation(translated(type), direction)

    def _of_annotation(self, type: Any, direction: Direction) -> Schema:
        """The schema of what `type_info` alone would lose limits of: see `kinds/checks.py`."""
        if not _is_limited(type):
            return self._schema(kind.type_info(type), direction)
        inner, metadata = bare(type)
        schema: Schema = {}
        parts = [part for part in members_of(inner) if part is not msgspec.UnsetType]
        if len(parts) > 1:
            schema["anyOf"] = [self._of_annotation(part, direction) for part in parts]
        elif is_limited_inside(inner):
            schema = self._of_container(inner, direction)
        else:
            schema = self._schema(kind.type_info(parts[0]), direction)
        for mark in metadata:
            if isinstance(mark, msgspec.Meta):
                schema |= {
                    word: value for word in _TOLD if (value := getattr(mark, word)) is not None
                } | (mark.extra_json_schema or {})
        return limited(schema, limits_of(metadata))

    def _of_container(self, inner: Any, direction: Direction) -> Schema:
        schema = self._schema(kind.type_info(inner), direction)
        parts = [part for part in get_args(inner) if part is not ...]
        if "prefixItems" in schema:
            schema["prefixItems"] = [self._of_annotation(part, direction) for part in parts]
        elif schema.get("type") == "array":
            schema["items"] = self._of_annotation(parts[0], direction)
        else:
            schema["additionalProperties"] = self._of_annotation(parts[1], direction)
        return schema

    def _of_pydantic(self, type: Any, direction: Direction) -> Schema:
        from .schema_pydantic import schema_of_models  # pydantic is loaded only where it is used

        return schema_of_models(type, direction, self.put)

    def put(self, key: str, direction: Direction, make: Callable[[], Schema]) -> Schema:
        """A reference to the component `key`, whose body `make` gives when it is first met."""
        ref = Ref(key, direction)
        if ref not in self._bodies:
            self._bodies[ref] = {}  # for types that hold themselves
            self._bodies[ref] = make()
            self._names = None
        return {"$ref": ref}

    def fixed(self, name: str, body: Schema) -> Schema:
        """A reference to a component that is called `name`, whoever else wants to be."""
        ref = self._fixed.setdefault(name, Ref(name, "output"))
        self._bodies.setdefault(ref, body)
        return {"$ref": ref}

    def components(self) -> dict[str, Schema]:
        """All components by name, sorted."""
        names = self._named()
        bodies = {names[ref]: self.resolve(self._body(ref)) for ref in self._bodies}
        return dict(sorted(bodies.items()))

    def resolve(self, tree: Any) -> Any:
        """`tree` with its references by name."""
        names = self._named()

        def walk(node: Any) -> Any:
            if isinstance(node, Ref):
                return self._prefix + names[node]
            if isinstance(node, dict):
                return {name: walk(value) for name, value in node.items()}
            return [walk(value) for value in node] if isinstance(node, list) else node

        return walk(tree)

    # Naming.

    def _body(self, ref: Ref) -> Schema:
        body = self._bodies[ref]
        tag = self._tags.get(ref.key)
        if tag is not None and (ref.direction != "input" or ref.key in self._told_apart):
            body = {**body, "required": [tag, *body.get("required", ())]}
        return body

    def _named(self) -> dict[Ref, str]:
        if self._names is None:
            self._names = self._name_all()
        return self._names

    def _name_all(self) -> dict[Ref, str]:
        shapes = self._shapes()
        calls = _calls_of([ref.key for ref in self._bodies if ref.key not in self._fixed])
        taken = set(self._fixed)
        names: dict[Ref, str] = {ref: name for name, ref in self._fixed.items()}
        by_shape: dict[tuple[str, int], list[Ref]] = {}
        for ref in self._bodies:
            if ref not in names:
                by_shape.setdefault((ref.key, shapes[ref]), []).append(ref)
        several = {key for key, _ in by_shape if sum(key == other for other, _ in by_shape) > 1}
        for (key, _), refs in by_shape.items():
            directions = {ref.direction for ref in refs}
            suffix = next(text for name, text in _SUFFIXES.items() if name in directions)
            wanted = calls[key] + (suffix if key in several else "")
            name, count = wanted, 2
            while name in taken:
                name, count = f"{wanted}{count}", count + 1
            taken.add(name)
            names.update(dict.fromkeys(refs, name))
        return names

    def _shapes(self) -> dict[Ref, int]:
        """A number for each component, the same for directions of a class that look the same.

        Two of them look the same if they do so with all that they refer to; so all count as
        the same at first, and differences spread until nothing changes.
        """
        shapes = dict.fromkeys(self._bodies, 0)
        while True:
            texts = {ref: _text_of(self._body(ref), shapes) for ref in self._bodies}
            numbers: dict[tuple[str, str], int] = {}
            seen: dict[str, int] = {}
            for ref, text in texts.items():
                if (ref.key, text) not in numbers:
                    seen[ref.key] = seen.get(ref.key, -1) + 1
                    numbers[ref.key, text] = seen[ref.key]
            fresh = {ref: numbers[ref.key, text] for ref, text in texts.items()}
            if fresh == shapes:
                return shapes
            shapes = fresh

    # One type.

    def _schema(self, info: Any, direction: Direction) -> Schema:
        if isinstance(info, kind.Metadata):
            schema = self._schema(info.type, direction)
            return {**schema, **(info.extra_json_schema or {})}
        simple = SIMPLE.get(type(info))
        if simple is not None:
            return simple(info, direction)
        if isinstance(info, kind.EnumType):
            return self.put(key_of(info.cls), direction, lambda: enum_schema(info))
        if isinstance(info, kind.UnionType):
            return self._union(info, direction)
        if isinstance(info, kind.DictType):
            return self._mapping(info, direction)
        if isinstance(info, kind.TupleType):
            return self._tuple(info.item_types, direction)
        if isinstance(info, _COLLECTIONS):
            return self._collection(info, direction)
        if isinstance(info, _RECORDS):
            return self.put(key_of(info.cls), direction, lambda: self._record(info, direction))
        if isinstance(info, kind.CustomType):
            return self._custom(info, direction)
        return {}  # Any, Raw and what may come: anything

    def _custom(self, info: kind.CustomType, direction: Direction) -> Schema:
        if info.cls is object:
            return {}
        if needs_pydantic(info.cls):
            return self._of_pydantic(info.cls, direction)
        raise TypeError(f"{info.cls!r} has no JSON Schema: nothing reads or writes it.")

    def _union(self, info: kind.UnionType, direction: Direction) -> Schema:
        options = [self._schema(option, direction) for option in info.types]
        # Null last, where readers expect it.
        options.sort(key=lambda option: option == {"type": "null"})
        tagged = [option for option in info.types if getattr(option, "tag_field", None)]
        schema: Schema = {"anyOf": options}
        if len(tagged) < 2:
            return schema
        self._told_apart.update(key_of(option.cls) for option in tagged)  # type: ignore[attr-defined]
        self._names = None
        if len(tagged) == len(options) and not any(_is_array(option) for option in tagged):
            schema["discriminator"] = {
                "propertyName": tagged[0].tag_field,  # type: ignore[attr-defined]
                "mapping": {
                    str(option.tag): Ref(key_of(option.cls), direction)  # type: ignore[attr-defined]
                    for option in tagged
                },
            }
        return schema

    def _mapping(self, info: kind.DictType, direction: Direction) -> Schema:
        schema: Schema = {"type": "object"}
        keys = key_schema(self._schema(info.key_type, direction), info.key_type)
        if keys:
            schema["propertyNames"] = keys
        values = self._schema(info.value_type, direction)
        if values:
            schema["additionalProperties"] = values
        return schema | length_limits(info, "minProperties", "maxProperties")

    def _collection(self, info: Any, direction: Direction) -> Schema:
        schema: Schema = {"type": "array"}
        items = self._schema(info.item_type, direction)
        if items:
            schema["items"] = items
        schema |= length_limits(info, "minItems", "maxItems")
        if isinstance(info, _SETS) and (info.min_length or 0) > 1:
            schema["uniqueItems"] = True  # the length is that of the set
        return schema

    def _tuple(self, items: Iterable[Any], direction: Direction) -> Schema:
        schemas = [self._schema(item, direction) for item in items]
        schema: Schema = {"type": "array", "minItems": len(schemas), "maxItems": len(schemas)}
        if schemas:
            schema |= {"prefixItems": schemas, "items": False}
        return schema

    def _record(self, info: Any, direction: Direction) -> Schema:
        cls = getattr(info.cls, "__origin__", info.cls)
        schema: Schema = {}
        if text := docstring(cls):
            schema["description"] = text
        if _is_array(info):
            return schema | self._array_record(info, direction)
        tag = getattr(info, "tag_field", None)
        properties: dict[str, Schema] = {}
        if tag is not None:
            self._tags[key_of(info.cls)] = tag
            properties[tag] = {"const": info.tag} | type_of_values([info.tag])
        hints = hints_of(info.cls)
        for field in info.fields:
            hint = hints.get(field.name)
            properties[field.encode_name] = self._field(field, direction, hint)
        schema |= {"type": "object", "properties": properties}
        required = [
            field.encode_name
            for field in info.fields
            if field.required
            or (direction != "input" and _has_default(field) and not _is_left_out(cls, field))
        ]
        if required:
            schema["required"] = required
        if getattr(info, "forbid_unknown_fields", False):
            schema["additionalProperties"] = False
        return schema

    def _array_record(self, info: Any, direction: Direction) -> Schema:
        tag = getattr(info, "tag_field", None)
        items = [] if tag is None else [{"const": info.tag}]
        items += [self._field(field, direction) for field in info.fields]
        needed = len(items) - len(info.fields) + sum(field.required for field in info.fields)
        schema: Schema = {"type": "array", "prefixItems": items, "minItems": needed}
        if isinstance(info, kind.NamedTupleType) or info.forbid_unknown_fields:
            schema |= {"items": False, "maxItems": len(items)}
        return schema

    def _field(self, field: kind.Field, direction: Direction, hint: Any = None) -> Schema:
        if _is_limited(hint):
            schema = self._of_annotation(hint, direction)
        else:
            schema = self._schema(field.type, direction)
        default = field.default
        if field.default_factory in (list, dict, set, frozenset, tuple):
            default = field.default_factory()
        value = plain(default) if default is not msgspec.NODEFAULT else UNTOLD
        return schema if value is UNTOLD else {**schema, "default": value}


_TOLD = ("title", "description", "examples")


def _is_limited(annotation: Any) -> bool:
    """Whether limits that msgspec does not know of stand in an annotation."""
    inner, metadata = bare(annotation)
    others = tuple(mark for mark in metadata if not isinstance(mark, msgspec.Meta))
    return bool(limits_of(others)) or is_limited_inside(inner)


def is_limited_inside(inner: Any) -> bool:
    """Whether they stand in its arguments: in `list[Annotated[int, Ge(1)]]`."""
    if get_origin(inner) is Literal or library_of(inner):
        return False
    return any(_is_limited(part) for part in get_args(inner) if part is not ...)


_RECORDS = (kind.StructType, kind.DataclassType, kind.TypedDictType, kind.NamedTupleType)
_SETS = (kind.SetType, kind.FrozenSetType)
_COLLECTIONS = (kind.CollectionType, kind.ListType, kind.VarTupleType, *_SETS)


def _is_left_out(cls: Any, field: kind.Field) -> bool:
    """Whether a field may be missing in what is written because it has its default."""
    if hasattr(cls, "__struct_config__"):
        return bool(cls.__struct_config__.omit_defaults)
    # The default of a dataclass is the class's, and msgspec writes what the instance has.
    return (
        hasattr(cls, "__dataclass_fields__")
        and field.default is not msgspec.NODEFAULT
        and "__slots__" not in vars(cls)
    )


def _is_array(info: Any) -> bool:
    return isinstance(info, kind.NamedTupleType) or getattr(info, "array_like", False)


def _has_default(field: kind.Field) -> bool:
    # A field that may be UNSET has none by msgspec's account.
    return field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT


# Names.


def key_of(cls: Any) -> str:
    """What tells a class from all others: module, name, identity, and those of its arguments.

    Written as pydantic writes it, so that one class has one component wherever it stands.
    """
    origin = getattr(cls, "__origin__", None)
    if origin is not None:
        arguments = ", ".join(map(key_of, cls.__args__))
        return f"{key_of(origin)}[{arguments}]"
    if isinstance(cls, type):
        return f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"
    return repr(cls)


def short(key: str) -> str:
    """A class's name without module and identity, of what `key_of` gives."""
    return re.sub(r"[\w.<>]*\.", "", _long(key))


def _long(key: str) -> str:
    return re.sub(r":[0-9]+", "", key)


def _calls_of(keys: list[str]) -> dict[str, str]:
    """How each class is called: by its name, or by module and name where others share that."""
    keys = list(dict.fromkeys(keys))
    brief = {key: _word(short(key)) for key in keys}
    counts: dict[str, int] = {}
    for name in brief.values():
        counts[name] = counts.get(name, 0) + 1
    return {
        key: name if counts[name] == 1 else _word(_long(key).replace("<locals>.", ""))
        for key, name in brief.items()
    }


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "_"


def _text_of(body: Schema, shapes: Mapping[Ref, int]) -> str:
    def walk(node: Any) -> Any:
        if isinstance(node, Ref):
            return [node.key, shapes.get(node, 0)]
        if isinstance(node, dict):
            return {str(name): walk(value) for name, value in node.items()}
        return [walk(value) for value in node] if isinstance(node, list) else node

    return msgspec.json.encode(walk(body)).decode()
