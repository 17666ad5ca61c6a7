"""From what a view returns to the response, by its return annotation.

`writer_of` makes one function per view, when the application is sealed. The usual answer, a
value of the annotated type and nothing else to say, is encoded by an encoder made once and
put in a response without its constructor being called; everything else goes through
`_Writer.write`, at the speed of a Flask view.

JSON or msgpack is the client's choice (`Accept`, RFC 9110, 12.5.1); JSON where it has none,
and rather than 406 where it wants neither. An answer says `Vary: Accept` if the request
named msgpack, or if it has other header fields: an answer without any has nothing by which
a cache would keep it (RFC 9111, 4.2.2), and if one does, what a msgpack client may then get
is JSON, never the other way round.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from types import NoneType
from typing import Any, get_origin

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as ResponseBase

from ...dispatch import _unpack
from ...responses import type_field
from ...streaming import stream_with_context
from ..kinds import Codec, codec_of
from ..kinds.shapes import bare, library_of, members_of, needs_pydantic
from ..model import Flaw, Output, Rejected
from ..problems import path_text
from .conditions import conditional_answer, digest_of
from .negotiation import JSON, accept_of, preferred_msgpack
from .paging import Page

Writer = Callable[[Any, Any], Any]

LINES = "application/x-ndjson"
_new = object.__new__


def writer_of(output: Output, app: Any, view: Any = None) -> Writer:
    """What makes a response of a view's answer: `write(ctx, value) -> response`.

    `view` is named in errors; the one of the request's endpoint if left out. In debug and
    testing mode every answer is held against the annotation, and TypeError raised for one
    that does not fit; otherwise for one that cannot be encoded. Sync, for async views too.
    """
    writer = _Writer(output, bool(app.debug or app.testing), view)
    if output.is_lines:
        return writer.write_lines
    if writer.is_checked or output.conditional or writer.page is not None:
        return writer.write
    return _quick(writer, app)


def _quick(writer: _Writer, app: Any) -> Writer:
    """The writer of the usual answer; what is not one is left to `writer`."""
    encode = writer.encode
    ready = _classes_of(writer.output.type)
    fields: dict[str, Any] | None = None
    if writer.output.status != 200:
        model = app.response_class(status=writer.output.status)
        fields = {"_status": model.status, "_status_code": model.status_code, "_own_type": JSON}
    careful = writer.write
    ready_type = type_field(JSON)

    def write(ctx: Any, value: Any) -> Any:
        kind = ctx.plan.bare
        if kind is None or value.__class__ not in ready:
            return careful(ctx, value)
        exchange = ctx._exchange  # `accept_of`, without the call
        accept = ctx._environ.get("HTTP_ACCEPT") if exchange is None else exchange.header("accept")
        if accept is not None and "msgpack" in accept.lower():
            return careful(ctx, value)
        try:
            body = encode(value)
        except (TypeError, ValueError):
            return careful(ctx, value)  # which says whose answer it is
        response = _new(kind)
        response.response = [body]
        if fields is None:
            response._ready_type = ready_type
        else:
            response.__dict__.update(fields)
        return response

    return write


def _classes_of(type: Any) -> frozenset[type]:
    """The classes a value of the type has, as far as they are told by looking at the value."""
    classes = set()
    for member in members_of(type):
        inner = bare(member)[0]
        origin = get_origin(inner)
        if inner is None or inner is NoneType:
            continue  # whether that is `null` or no body depends on the status
        cls = dict if library_of(inner) == "typeddict" else origin or inner
        if isinstance(cls, builtin_type) and cls is not tuple and not issubclass(cls, _RESPONSES):
            classes.add(cls)
    return frozenset(classes)


builtin_type = type
_RESPONSES = (ResponseBase, HTTPException)


class _Writer:
    """The careful way from an answer to its response."""

    def __init__(self, output: Output, is_checked: bool, view: Any) -> None:
        self.output = output
        self.is_checked = is_checked
        self.view = view
        type = output.type
        #: The type of a page's items, None for anything but a page.
        self.page: Any = None
        if get_origin(type) is Page or type is Page:
            self.page = getattr(type, "__args__", (Any,))[0]
            type = list[self.page]  # type: ignore[name-defined]  # made here, not declared
        self.type = type
        self.codec = codec = codec_of(type)
        is_short = output.exclude_unset
        self.encode = codec.encode_json_unset if is_short else codec.encode_json
        self.has_tuples = any(get_origin(bare(each)[0]) is tuple for each in members_of(type))
        self.has_no_body = bare(type)[0] in (None, NoneType)
        self.check = _check_of(codec) if is_checked else None

    def write(self, ctx: Any, value: Any) -> Any:
        """The response to a value, alone or in a tuple with a status, headers or both."""
        answer, status, headers = value, None, None
        if value.__class__ is tuple and not self._is_body(value):
            answer, status, headers = _unpack(value)
        if isinstance(answer, _RESPONSES):
            return ctx.plan.make(ctx, value)
        output = self.output
        if status is None:
            status = output.status
        make = ctx.app.response_class
        if answer is None and (self.has_no_body or _has_no_body(status)):
            response = make(b"", status)
            del response.headers["Content-Type"]
            if headers:
                response.headers.update(headers)
            return response
        page = None
        if self.page is not None:
            if not isinstance(answer, Page):
                raise TypeError(self._complaint(ctx, answer, "make it with page_of(...)."))
            page, answer = answer, answer.items
        accept = accept_of(ctx.request)
        names_msgpack = accept is not None and "msgpack" in accept.lower()
        name = None
        if names_msgpack and not _names_type(headers):
            name = preferred_msgpack(accept)
        try:
            body, tag = self._encode(ctx, answer, name is not None)
        except OverflowError:  # an integer beyond 64 bits, which msgpack has no form for
            name = None
            body, tag = self._encode(ctx, answer, False)
        response = make(body, status, content_type=name or JSON)
        if page is not None:
            response.headers.extend(page.fields(ctx.request.query_string))
        if headers:
            response.headers.update(headers)
        if names_msgpack or output.conditional or page is not None or headers:
            if "Vary" in response.headers:
                response.vary.add("Accept")
            else:
                response.headers["Vary"] = "Accept"
        if output.conditional:
            return conditional_answer(ctx.request, response, tag, name is not None)
        return response

    def _is_body(self, value: tuple[Any, ...]) -> bool:
        """Whether a tuple is the body itself: by its type, unless its first one is a body."""
        if not self.has_tuples:
            return False
        return not value or not isinstance(value[0], (tuple, *_RESPONSES))

    def _encode(self, ctx: Any, answer: Any, is_packed: bool) -> tuple[bytes, str]:
        """The body, and the tag of the state it shows where one is wanted."""
        try:
            if self.check is not None:
                self.check(answer)
            body = plain = b""
            if self.output.conditional or not is_packed:
                body = plain = self.encode(answer)
            if is_packed:
                codec = self.codec
                is_short = self.output.exclude_unset
                body = (codec.encode_msgpack_unset if is_short else codec.encode_msgpack)(answer)
            return body, digest_of(plain) if self.output.conditional else ""
        except Rejected as error:
            flaw = error.flaws[0]
            where = path_text(flaw.location) if flaw.location else "it"
            what = f"{where} is {flaw.got} and should be {flaw.expected}."
            raise TypeError(self._complaint(ctx, answer, what)) from error
        except (TypeError, ValueError) as error:
            what = f"{error}."
            if library_of(bare(self.type)[0]) == "struct" and hasattr(answer, "__dict__"):
                name = type_text(self.type)
                what += f" From its attributes: msgspec.convert(..., {name}, from_attributes=True)."
            raise TypeError(self._complaint(ctx, answer, what)) from error

    def write_lines(self, ctx: Any, value: Any) -> Any:
        """The response that sends each item as a line of JSON, as they come.

        The request stays current while they are made. An exception midway cuts the
        connection, as the status is sent by then; the door that sends logs it.
        """
        answer, status, headers = value, None, None
        if value.__class__ is tuple:
            answer, status, headers = _unpack(value)
        if isinstance(answer, _RESPONSES):
            return ctx.plan.make(ctx, value)
        body: Any
        if hasattr(answer, "__aiter__"):
            body = self._lines_async(ctx, answer)
        elif hasattr(answer, "__iter__") and not isinstance(answer, (str, bytes, dict)):
            body = self._lines(ctx, answer)
        else:
            raise TypeError(self._complaint(ctx, answer, "an iterator was expected."))
        code = self.output.status if status is None else status
        response = ctx.app.response_class(stream_with_context(body), code, mimetype=LINES)
        response.headers["Cache-Control"] = "no-cache"
        # Else nginx collects it.
        response.headers["X-Accel-Buffering"] = "no"
        if headers:
            response.headers.update(headers)
        return response

    def _line(self, ctx: Any, item: Any) -> bytes:
        return self._encode(ctx, item, False)[0] + b"\n"

    def _lines(self, ctx: Any, items: Any) -> Iterator[bytes]:
        try:
            for item in items:
                yield self._line(ctx, item)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    async def _lines_async(self, ctx: Any, items: Any) -> AsyncIterator[bytes]:
        try:
            async for item in items:
                yield self._line(ctx, item)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    def _complaint(self, ctx: Any, answer: Any, why: str) -> str:
        view = self.view or ctx.app.view_functions.get(ctx.request.endpoint)
        expected = type_text(self.output.type)
        if self.output.is_lines:
            expected = f"an iterator of {expected}"
        return (
            f"The view function {_place_of(view, ctx.request)} returns {expected} by its"
            f" annotation, and returned a value of type {type_text(builtin_type(answer))}: {why}"
            " Return what the annotation says, a tuple of it with a status or headers, or a"
            " response; or change the annotation."
        )


def _has_no_body(status: Any) -> bool:
    """Whether an answer of that status, a number or a line, has none (RFC 9110, 6.4.1)."""
    line = status if isinstance(status, str) else str(int(status))
    return line[:3] in ("204", "205", "304")


def _names_type(headers: Any) -> bool:
    """Whether a view's headers give a content type, by which the answer is then JSON."""
    if not headers:
        return False
    names = headers.keys() if hasattr(headers, "keys") else (field[0] for field in headers)
    return any(name.lower() == "content-type" for name in names)


def _check_of(codec: Codec) -> Callable[[Any], Any]:
    """What raises Rejected for a value that is not of the type.

    Pydantic knows its instances; of msgspec's kinds the JSON is read again, as a Struct or
    dataclass is made without its fields being looked at. A union that can be written and not
    read, being without tags, is told apart by the values' classes.
    """
    if needs_pydantic(codec.type):
        return codec.from_builtins
    try:
        encode, decode = codec.encode_json, codec.decode_json
    except TypeError:
        members = members_of(codec.type)
        if len(members) == 1:
            return lambda value: None
        checks: dict[type, Callable[[Any], Any]] = {
            cls: _check_of(codec_of(part)) for part in members for cls in _classes_of(part)
        }
        if NoneType in members or None in members:
            checks[NoneType] = lambda value: None

        def check(value: Any) -> Any:
            known: Callable[[Any], Any] = checks.get(value.__class__, _refuse)
            return known(value)

        return check
    return lambda value: decode(encode(value))


def _refuse(value: Any) -> None:
    raise Rejected([Flaw((), "one of the types of the union", "of another type")])


def type_text(type: Any) -> str:
    """A type as one would write it."""
    if type is None or type is NoneType:
        return "None"
    members = members_of(type)
    if len(members) > 1:
        return " | ".join(map(type_text, members))
    if isinstance(type, builtin_type) and get_origin(type) is None:
        return type.__name__
    if get_origin(type) is not None and isinstance(get_origin(type), builtin_type):
        parts = ", ".join(type_text(part) for part in getattr(type, "__args__", ()))
        if parts and not hasattr(type, "__metadata__"):
            return f"{get_origin(type).__name__}[{parts}]"
    return str(type).replace("typing.", "")


def _place_of(view: Any, request: Any) -> str:
    """A view's name with its file and line."""
    view_class = getattr(view, "view_class", None)
    if view_class is not None:
        name = request.method.lower()
        view = getattr(view_class, name, None) or getattr(view_class, "get", None) or view
    view = inspect.unwrap(view) if callable(view) else view
    code = getattr(view, "__code__", None)
    name = repr(getattr(view, "__qualname__", None) or request.endpoint)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
