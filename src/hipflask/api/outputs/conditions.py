"""Conditional requests: a state has a tag, and a request may hang on it (RFC 9110, 13)."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_etags

from ...globals import _cv_request
from ..kinds import codec_of
from ..problems import Problem
from .negotiation import accept_of, preferred_msgpack

_type = type

# What an ETag of the msgpack form has in addition: both forms are of one state.
PACKED = "-m"


def digest_of(body: bytes) -> str:
    return blake2b(body, digest_size=16).hexdigest()


def etag_of(value: Any, type: Any = None, *, exclude_unset: bool = False) -> str:
    """The tag that a `conditional` answer with this value has, without quotes.

    `type` is that of the answer's annotation where the value's class does not tell.
    """
    codec = codec_of(_type(value) if type is None else type)
    return digest_of((codec.encode_json_unset if exclude_unset else codec.encode_json)(value))


def conditional_answer(request: Any, response: Any, tag: str, is_packed: bool) -> Any:
    """The response with its ETag, which may be the view's; 304 if the client has it already.

    A PUT gets none of ours: by RFC 9110, 9.3.4 it would mean that the body was kept as sent.
    """
    method = request.method
    if not 200 <= response.status_code < 300:
        return response
    own, is_weak = response.get_etag() if "ETag" in response.headers else (None, False)
    if own is None and method != "PUT":
        own = tag
    if own is None:
        return response
    own += PACKED if is_packed else ""
    response.headers["ETag"] = f'W/"{own}"' if is_weak else f'"{own}"'
    if method not in ("GET", "HEAD") or response.status_code != 200:
        return response
    known = request.headers.get("If-None-Match")
    if known is not None and parse_etags(known).contains_weak(own):
        response.set_data(b"")
        response.status_code = 304
        for name in ("Content-Type", "Content-Length"):
            response.headers.pop(name, None)
    return response


def check_preconditions(etag: str | None, *, required: bool = False) -> None:
    """Go on only if the request's If-Match and If-None-Match hold for the present state.

    `etag` is the state's tag without quotes, as `etag_of(value)` or the view's own; None for
    what does not exist. Called in a view, before it changes anything:

        @app.put("/orders/<int:number>")
        def replace_order(number: int, order: Order) -> Annotated[Order, conditional]:
            check_preconditions(etag_of(read_order(number)))

    Raises Problem 412 if they do not hold, 428 with `required` if there is no condition, and
    for GET and HEAD answers 304 if the client has that state. A tag that a client got with
    the msgpack form stands for the same state as that of the JSON form.
    """
    ctx = _cv_request.get()
    request = ctx.request
    match = request.headers.get("If-Match")
    none_match = request.headers.get("If-None-Match")
    is_safe = request.method in ("GET", "HEAD")
    if required and not is_safe and match is None and none_match is None:
        raise Problem(428, "Say with If-Match which state this request is meant for.")
    forms = [] if etag is None else [etag, etag + PACKED]
    if match is not None and not any(map(parse_etags(match).contains, forms)):
        raise Problem(412, "The state is not, or no longer, the one that If-Match names.")
    if none_match is None:
        return
    if is_safe and forms:
        # Here one form was asked for, and having the other is no help.
        forms = [forms[preferred_msgpack(accept_of(request)) is not None]]
    if not any(map(parse_etags(none_match).contains_weak, forms)):
        return
    if not is_safe:
        raise Problem(412, "The state is one that If-None-Match excludes.")
    response = ctx.app.response_class(status=304)
    del response.headers["Content-Type"]
    response.set_etag(forms[0])
    response.vary.add("Accept")
    raise HTTPException(response=response)
