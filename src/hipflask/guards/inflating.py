"""Request bodies that are sent compressed: refused, or unpacked within limits.

A few kB of gzip can be a gigabyte. Flask and most servers leave such a body as it is, so that
each program unpacks it in a way of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, TypeVar

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from ..ctx import RequestContext
from ..queries import FORM
from .fields import Field, before_view, current, set_up

F = TypeVar("F", bound=Callable[..., Any])

_CODING = Field("Content-Encoding")
# zlib's words for the two (RFC 9110, 8.4.1): with a gzip head, with a zlib head.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_PIECE = 64 * 1024
# Below this nobody counts the ratio: 100 zeros pack well.
_SMALL_BYTES = 64 * 1024


def refuse_encoded(app: Any) -> None:
    """Answer 415 to each request whose body has a Content-Encoding.

    Views marked `@inflates_body` take gzip and deflate, unpacked before they see it. To be
    called once; again it does nothing.
    """
    guard = _EncodingGuard(app)
    if set_up(app, "encodings", guard) is guard:
        app.before_request_funcs[None].insert(0, guard)


def inflates_body(view: F) -> F:
    """Mark a view that takes a body sent as gzip or deflate; it sees the body unpacked.

    One layer of it; past `MAX_INFLATED_BYTES`, or past `MAX_INFLATE_RATIO` times what was sent
    and 64 KiB, the request is answered 413. Needs `refuse_encoded`, which `protect` calls.
    """
    view.inflates_body = True  # type: ignore[attr-defined]
    return before_view(view, unpack)


class _EncodingGuard:
    is_quick = True
    for_unsafe = True

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self) -> None:
        self.guard(current())

    def guard(self, ctx: RequestContext) -> None:
        coding = _CODING.of(ctx)
        if coding is None or coding.strip().lower() in ("", "identity"):
            return
        view = self._app.view_functions.get(ctx.request.endpoint)
        if not getattr(view, "inflates_body", False):
            raise UnsupportedMediaType("A body with a Content-Encoding is not taken here.")


def unpack() -> None:
    """Put the unpacked body in the place of the one that was sent. Runs in a thread of the pool."""
    ctx = current()
    coding = (_CODING.of(ctx) or "").strip().lower()
    if coding in ("", "identity"):
        return
    window = _WINDOWS.get(coding)
    if window is None:
        raise UnsupportedMediaType("Of Content-Encoding only gzip or deflate is taken.")
    request = ctx.request
    config = ctx.app.config
    most, ratio = config["MAX_INFLATED_BYTES"], config["MAX_INFLATE_RATIO"]
    fields = request.max_form_memory_size
    if fields is not None and request.mimetype == FORM:
        most = min(most, fields)  # by then nobody compares it with what was sent
    body = inflate(request.get_data(), window, most, ratio)
    request._cached_data = body
    request.stream = BytesIO(body)


def inflate(packed: bytes, window: int, most: int, ratio: int) -> bytes:
    """The body unpacked; raises 413 past the limits, 400 for what is damaged or goes on after."""
    allowed = min(most, max(_SMALL_BYTES, ratio * len(packed)))
    unpacker = zlib.decompressobj(window)
    pieces: list[bytes] = []
    size = 0
    rest = packed
    try:
        while rest and not unpacker.eof:
            piece = unpacker.decompress(rest, min(_PIECE, allowed - size + 1))
            rest = unpacker.unconsumed_tail
            size += len(piece)
            if size > allowed:
                raise RequestEntityTooLarge()
            pieces.append(piece)
    except zlib.error as error:
        raise BadRequest("The body is not what its Content-Encoding says.") from error
    if not unpacker.eof or unpacker.unused_data:
        raise BadRequest("The body is not what its Content-Encoding says.")
    return b"".join(pieces)
