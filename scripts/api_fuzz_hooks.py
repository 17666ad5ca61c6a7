"""What schemathesis has to be told to fuzz examples/orders; loaded by `scripts/api_fuzz.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import schemathesis

from examples.orders.shapes import Order

FORM = "multipart/form-data"
MSGPACK = "application/vnd.msgpack"
NDJSON = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """List msgpack beside JSON: the service speaks it, its document does not say so."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                content = part.get("content", {})
                if "application/json" in content:
                    content[MSGPACK] = {"schema": content["application/json"]["schema"]}


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out a form with a field that the client writes as `name="\\"`, a quote without end."""
    names = case.body if case.media_type == FORM and isinstance(case.body, dict) else ()
    return not any("\\" in name for name in names)


@schemathesis.serializer("application/json")
def dump_json(context: Any, value: Any) -> bytes:
    # Bytes stand in a body that was made up for a form.
    return json.dumps(value, default=repr).encode()


@schemathesis.serializer(MSGPACK)
def dump_msgpack(context: Any, value: Any) -> bytes:
    return msgspec.msgpack.encode(_fitting(value, _packable), enc_hook=repr)


@schemathesis.deserializer(MSGPACK)
def parse_msgpack(context: Any, response: Any) -> Any:
    return msgspec.msgpack.decode(response.content)


@schemathesis.check
def lines_conform(context: Any, response: Any, case: Any) -> None:
    """Each line of an export is an order."""
    if response.headers.get("content-type", [""])[0] == NDJSON:
        for line in response.content.splitlines():
            msgspec.json.decode(line, type=Order)


def _fitting(value: Any, fit: Callable[[Any], Any]) -> Any:
    """Return a body with `fit` called on each of its numbers."""
    if isinstance(value, dict):
        return {key: _fitting(each, fit) for key, each in value.items()}
    if isinstance(value, list):
        return [_fitting(each, fit) for each in value]
    return fit(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _whole(number: int | float) -> int | float:
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _packable(number: int | float) -> int | float:
    """Return a number that msgpack has a form for."""
    number = _whole(number)
    if isinstance(number, float) or -(2**63) <= number < 2**64:
        return number
    return 1e300
