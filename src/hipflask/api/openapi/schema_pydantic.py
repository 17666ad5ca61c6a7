"""The part of `schema.py` that is pydantic's, and loads it only where a model is met."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .schema import key_of, short

if TYPE_CHECKING:
    from .schema import Direction, Schema

    Put = Callable[[str, Direction, Callable[[], Schema]], Schema]


builtin_type = type


def schema_of_models(type: Any, direction: Direction, put: Put) -> Schema:
    """The schema of `type` as pydantic gives it, each of its definitions handed to `put`."""
    from pydantic import TypeAdapter  # optional

    made: dict[str, Any] = TypeAdapter(type).json_schema(
        by_alias=True,
        ref_template="{model}",
        schema_generator=_generator(direction),
        mode="validation" if direction == "input" else "serialization",
    )
    definitions = made.pop("$defs", {})

    def place(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("$ref") in definitions:
                key = node["$ref"]
                reference = put(key, direction, lambda: component(key, definitions[key]))
                rest = {name: place(value) for name, value in node.items() if name != "$ref"}
                return reference | rest
            if "mapping" in node and "propertyName" in node:
                mapping = {tag: target(ref) for tag, ref in node["mapping"].items()}
                return node | {"mapping": mapping}
            return {name: place(value) for name, value in node.items()}
        return [place(item) for item in node] if isinstance(node, list) else node

    def target(ref: str) -> Any:
        return put(ref, direction, lambda: component(ref, definitions[ref]))["$ref"]

    def component(key: str, body: Schema) -> Schema:
        if body.get("title") == short(key):
            body = {name: value for name, value in body.items() if name != "title"}
        return place(body)  # type: ignore[no-any-return]

    if "$ref" not in made and isinstance(type, builtin_type):
        # A model that nothing refers to is no definition; here each is a component.
        return put(key_of(type), direction, lambda: component(key_of(type), made))
    return place(made)  # type: ignore[no-any-return]


def _generator(direction: Direction) -> Any:
    from pydantic.json_schema import GenerateJsonSchema  # optional

    class Generator(GenerateJsonSchema):
        """Definitions keep the class's whole name, which `schema.py` shortens for all alike."""

        def get_defs_ref(self, core_mode_ref: Any) -> Any:
            key = core_mode_ref[0]
            self._prioritized_defsref_choices[key] = [key]
            return key

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def field_is_required(self, field: Any, total: bool) -> bool:
            if direction == "output" and field["type"] in _FIELDS:
                return not field.get("serialization_exclude") and not field.get(
                    "serialization_exclude_if"
                )
            return bool(super().field_is_required(field, total))

    return Generator


# Those whose value is always sent, a default or not.
_FIELDS = ("model-field", "dataclass-field")
