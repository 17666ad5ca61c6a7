"""The body of a request as bytes, and what kind of body it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.http import parse_options_header

from ...bodies import whole_body
from ...ctx import RequestContext
from ...json import nesting
from ...wrappers import Request
from ..kinds.nesting import ends
from ..marks import Place
from ..model import Flaw
from ..problems import Malformed

JSON, MSGPACK, FORM, MULTIPART, OTHER = "json", "msgpack", "form", "multipart", ""
_TYPES = {
    "application/json": JSON,
    "application/msgpack": MSGPACK,
    "application/x-msgpack": MSGPACK,
    "application/vnd.msgpack": MSGPACK,
    "application/x-www-form-urlencoded": FORM,
    "multipart/form-data": MULTIPART,
}
# Content types remembered; each multipart one has a boundary of its own, and is not.
TYPES_KEPT = 256

_kinds: dict[str, str] = {}


def body_kind(content_type: str | None) -> str:
    """Which of the kinds a body of that Content-Type is; "" for any other."""
    if content_type is None:
        return OTHER
    kind = _kinds.get(content_type)
    if kind is not None:
        return kind
    media_type = parse_options_header(content_type)[0].strip().lower()
    kind = _TYPES.get(media_type, OTHER)
    if kind is OTHER and media_type.startswith("application/") and media_type.endswith("+json"):
        kind = JSON
    if kind is not MULTIPART and len(_kinds) < TYPES_KEPT:
        _kinds[content_type] = kind
    return kind


def content_type_of(request: Request) -> str | None:
    exchange = request._exchange
    if exchange is None:
        return request._environ.get("CONTENT_TYPE")  # type: ignore[no-any-return]
    return exchange.header("content-type")  # type: ignore[no-any-return]


def body_reader(app: Any) -> Callable[[RequestContext], bytes]:
    """What reads the whole body as bytes, for requests of the application's class."""
    kind = app.request_class
    names = ("get_data", "stream", "max_content_length", "shallow")
    is_own = all(getattr(kind, name) is getattr(Request, name) for name in names)
    return body_of if is_own else _data_of


def _data_of(ctx: RequestContext) -> bytes:
    return ctx.request.get_data()  # type: ignore[no-any-return]


def body_of(ctx: RequestContext) -> bytes:
    """The whole body, within its limits; `request.get_data()` still answers afterwards.

    Raises ClientDisconnected (400) for a body shorter than its Content-Length, and
    RequestEntityTooLarge (413).
    """
    request: Any = ctx.request
    data = whole_body(request, ctx.app.config)
    if data is None:
        return request.get_data()  # type: ignore[no-any-return]
    request._cached_data = data
    return data


def within_depth(app: Any, kind: Any, decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """`decode`, for JSON nested no deeper than `MAX_JSON_DEPTH`: else it raises Malformed (400).

    It is `decode` itself for a type whose values have an end, as most models have: what a text has
    beyond it is passed over, and nothing of it is kept.
    """
    most: int | None = app.config["MAX_JSON_DEPTH"]
    if most is None or ends(kind):
        return decode

    def decode_within(data: bytes) -> Any:
        if data.count(b"[") + data.count(b"{") > most and nesting.depth_of(data) > most:
            raise Malformed([Flaw((Place.BODY.value,), f"at most {most} levels", "more")])
        return decode(data)

    return decode_within
