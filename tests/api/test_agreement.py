"""What the schema says and what the reader accepts agree, for types that nobody thought of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hipflask.api.kinds import codec_of
from hipflask.api.model import Rejected
from hipflask.api.openapi.schema import Schemas

from .schemagen import instances, mutants, types

jsonschema = pytest.importorskip("jsonschema")

HURRY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def schema_of(kind: Any, direction: Any = "input") -> tuple[dict[str, Any], dict[str, Any]]:
    schemas = Schemas("#/$defs/")
    schema = schemas.of(kind, direction)
    components = schemas.components()
    return schemas.resolve(schema) | {"$defs": components}, components


def judge_of(schema: Any) -> Any:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def is_read(kind: Any, value: Any) -> bool:
    try:
        codec_of(kind).decode_json(msgspec.json.encode(value))
    except Rejected:
        return False
    return True


def with_points(value: Any) -> Any:
    """The same value, its integers written as 43.0."""
    if isinstance(value, dict):
        return {name: with_points(part) for name, part in value.items()}
    if isinstance(value, list):
        return [with_points(part) for part in value]
    is_small = type(value) is int and abs(value) < 2**53
    return float(value) if is_small else value


def check(kind: Any, data: Any) -> None:
    schema, components = schema_of(kind)
    judge = judge_of(schema)
    bare = {name: part for name, part in schema.items() if name != "$defs"}
    value = data.draw(instances(bare, components), label="instance")
    assert judge.is_valid(value), list(judge.iter_errors(value))
    assert is_read(kind, value), (bare, components)
    assert is_read(kind, with_points(value)), (bare, components)
    mutant = data.draw(mutants(value), label="mutant")
    assert is_read(kind, mutant) == judge.is_valid(mutant), (bare, components)


@given(types(), st.data())
@HURRY
def test_reader_and_schema_agree(kind, data):
    pytest.importorskip("attrs")
    check(kind, data)


def _models() -> Any:
    """pydantic models of plain fields: what pydantic reads strictly, as JSON."""
    import datetime
    import uuid
    from typing import Annotated, Literal

    import pydantic

    from .schemagen import Colour, Level

    scalars = [
        int,
        float,
        str,
        bool,
        datetime.date,
        uuid.UUID,
        Annotated[int, pydantic.Field(ge=1, le=9)],
        Annotated[str, pydantic.Field(min_length=1, max_length=3)],
        Annotated[str, pydantic.Field(pattern="^[a-c]+$")],
        Literal["a", "b"],
        Colour,
        Level,
    ]

    def model(kinds: list[Any], optional: list[Any], forbids: bool) -> Any:
        fields: dict[str, Any] = {f"f{index}": (kind, ...) for index, kind in enumerate(kinds)}
        fields |= {f"o{index}": (kind | None, None) for index, kind in enumerate(optional)}
        config = pydantic.ConfigDict(extra="forbid" if forbids else "ignore")
        return pydantic.create_model("Model", __config__=config, **fields)

    def larger(children: Any) -> Any:
        return st.one_of(
            children.map(lambda kind: list[kind]),
            children.map(lambda kind: dict[str, kind]),
            st.builds(
                model,
                st.lists(children, min_size=1, max_size=3),
                st.lists(children, max_size=2),
                st.booleans(),
            ),
        )

    inner = st.recursive(st.sampled_from(scalars), larger, max_leaves=4)
    return st.builds(
        model,
        st.lists(inner, min_size=1, max_size=3),
        st.lists(inner, max_size=2),
        st.booleans(),
    )


@given(st.data())
@HURRY
def test_reader_and_schema_agree_for_pydantic(data):
    pytest.importorskip("pydantic")
    check(data.draw(_models()), data)


@given(types(), st.data())
@HURRY
def test_what_is_written_is_as_the_schema_says(kind, data):
    pytest.importorskip("attrs")
    schema, components = schema_of(kind)
    bare = {name: part for name, part in schema.items() if name != "$defs"}
    value = data.draw(instances(bare, components), label="instance")
    codec = codec_of(kind)
    written = msgspec.json.decode(codec.encode_json(codec.decode_json(msgspec.json.encode(value))))
    judge = judge_of(schema_of(kind, "output")[0])
    assert judge.is_valid(written), (written, list(judge.iter_errors(written)))
