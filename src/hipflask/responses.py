"""`Response`: Werkzeug's class with each part made when first asked for, and what may be sent.

A response keeps its body and its content type; a `Headers` object exists only once somebody
looks at it, and most are sent without one.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.utils import get_content_type
from werkzeug.wrappers import Response as ResponseBase
from werkzeug.wsgi import ClosingIterator

from . import json
from . import typing as ft
from .bridge import AsyncBody
from .globals import _cv_app
from .parts import LONGEST_DATE, set_aside

# Where an async door, which has no environ at hand, puts its exchange in place of one.
DOOR = "hipflask.exchange"
# Where a WSGI environ has what those who observe requests are told of this one.
SEEN = "hipflask.seen"

_new: Any = object.__new__

_CONDITION_DATES = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE")

# Content types remembered; past this number each is made anew. A type may hold a random
# boundary, or be the client's own sent back.
TYPES_KEPT = 256

# "text/html" -> the ready header field, filled once for each content type in use.
_content_type_fields: dict[str, tuple[str, str]] = {}
_content_types: dict[str, str] = {}
# 12 -> the ready header field, for as many lengths.
_length_fields: dict[int, tuple[str, str]] = {}
LENGTHS_KEPT = 4096


def _one_line(kind: Any) -> str:
    """The content type as text; ValueError for one that would end its header field."""
    text = kind if isinstance(kind, str) else str(kind)
    if "\n" in text or "\r" in text:
        raise ValueError(f"The content type {text!r} contains a newline, which ends a field.")
    return text


def _content_type(mimetype: str) -> str:
    found = _content_types.get(mimetype)
    if found is None:
        found = get_content_type(mimetype, "utf-8")
        if len(_content_types) < TYPES_KEPT:
            _content_types[mimetype] = found
    return found


def type_field(kind: str) -> tuple[str, str]:
    """The header field for a content type."""
    field = _content_type_fields.get(kind)
    if field is None:
        field = ("Content-Type", kind)
        if len(_content_type_fields) < TYPES_KEPT:
            _content_type_fields[kind] = field
    return field


def _length_field(length: int) -> tuple[str, str]:
    field = ("Content-Length", str(length))
    if len(_length_fields) < LENGTHS_KEPT:
        _length_fields[length] = field
    return field


class ResponseHeaders(Headers):
    """Werkzeug's headers, which take a new field in a quarter of the time."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if key.__class__ is str and value.__class__ is str and value.isprintable():
            wanted, size = key.lower(), len(key)
            for name, _ in self._list:
                if len(name) == size and name.lower() == wanted:
                    break
            else:
                self._list.append((key, value))
                return
        super().__setitem__(key, value)


class Response(ResponseBase):
    """What a view's return value becomes: body, status and headers.

    `response` is text, bytes, or an iterable of either; `mimetype` gets a charset where it
    is a text type, `content_type` is used as it is.
    """

    default_mimetype: str | None = "text/html"
    json_module: Any = json
    autocorrect_location_header = False

    # What the constructor would set on every instance.
    response: Any = None
    _status = "200 OK"
    _status_code = 200
    direct_passthrough = False
    _own_type: str | None = None
    # The Content-Type field of a response that was made without the constructor, as long as
    # nobody has looked at its headers, or given it a status.
    _ready_type: tuple[str, str] | None = None
    # The header fields once somebody looked at them, and what is called when it is closed.
    _headers: Headers | None = None
    _closers: list[Any] | None = None
    # Whether new headers get the length of a body in one piece; a list that the application
    # made is its own, and may still grow.
    _measures = True

    def __init__(
        self,
        response: Any = None,
        status: Any = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        if headers:
            self.headers = headers if isinstance(headers, Headers) else Headers(headers)
            if content_type is None and (mimetype or "Content-Type" not in self.headers):
                mimetype = mimetype or self.default_mimetype
                content_type = _content_type(mimetype) if mimetype else None
            if content_type is not None:
                self.headers["Content-Type"] = content_type
        else:
            if isinstance(headers, Headers):
                self.headers = headers
            if content_type is not None:
                self._own_type = _one_line(content_type)
            elif mimetype is not None:
                self._own_type = _one_line(_content_type(mimetype))
            if self._headers is not None and (field := self._type()) is not None:
                self.headers["Content-Type"] = field
        if status is None:
            status = self.default_status
        if status != 200:
            self.status = status
        if direct_passthrough:
            self.direct_passthrough = True
        if isinstance(response, (str, bytes, bytearray)):
            self.set_data(response)  # type: ignore[arg-type]
        else:
            if hasattr(response, "__aiter__") and not hasattr(response, "__iter__"):
                response = AsyncBody(response)
            self.response = [] if response is None else response
            self._measures = False

    def _look_at(self) -> None:
        field = self._ready_type
        if field is not None:
            self._own_type = field[1]
            self._ready_type = None

    @property
    def headers(self) -> Headers:
        """The header fields; made from the body and its type when first asked for."""
        headers = self._headers
        return self._make_headers() if headers is None else headers

    @headers.setter
    def headers(self, headers: Headers) -> None:
        self._look_at()
        self._headers = headers

    def _make_headers(self) -> Headers:
        self._look_at()
        # Past Werkzeug's checks, which these fields pass: a fourteenth of a request with a session.
        headers: Headers = _new(ResponseHeaders)
        self._headers = headers
        headers._list = fields = []
        kind = self._own_type or self._type()
        if kind is not None:
            fields.append(_content_type_fields.get(kind) or type_field(kind))
        body = self.response
        if self._measures and self.automatically_set_content_length and _is_one_piece(body):
            length = len(body[0])
            fields.append(_length_fields.get(length) or _length_field(length))
        return headers

    @property
    def _on_close(self) -> list[Any]:
        if self._closers is None:
            self._look_at()
            self._closers = []
        return self._closers

    @_on_close.setter
    def _on_close(self, functions: list[Any]) -> None:
        self._look_at()
        self._closers = functions

    @classmethod
    def force_type(cls, response: Any, environ: Any = None) -> Any:
        """Return the response, or what a WSGI application answers, as one of this class."""
        forced: Any = super().force_type(response, environ)
        made = vars(forced)
        for name in ("headers", "_on_close"):
            if name in made:  # of Werkzeug's own class until now
                setattr(forced, name, made.pop(name))
        return forced

    @property
    def status(self) -> str:
        """The status line, "200 OK"; set to a number, or to a number and a reason."""
        return self._status

    @status.setter
    def status(self, value: Any) -> None:
        self._look_at()
        self._status, self._status_code = self._clean_status(value)

    def _type(self) -> str | None:
        if self._own_type is not None:
            return self._own_type
        return _content_type(self.default_mimetype) if self.default_mimetype else None

    def set_data(self, value: bytes | str) -> None:
        """Replace the body; text is sent as UTF-8."""
        piece = value.encode() if isinstance(value, str) else bytes(value)
        self.response = [piece]
        self._measures = True
        if self._headers is not None and self.automatically_set_content_length:
            self._headers["Content-Length"] = str(len(piece))

    data = property(ResponseBase.get_data, set_data, doc="The body as bytes; may be set.")

    @property
    def max_cookie_size(self) -> int:  # type: ignore[override]
        """Bytes of a Set-Cookie field past which a warning is given; `MAX_COOKIE_SIZE`."""
        ctx = _cv_app.get(None)
        if ctx is None:
            return ResponseBase.max_cookie_size
        size: int = ctx.app.config["MAX_COOKIE_SIZE"]
        return size

    def make_conditional(
        self,
        request_or_environ: Any,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Any:
        """Answer 304 or a part, if the request's conditions or ranges ask for it (RFC 9110)."""
        environ = getattr(request_or_environ, "environ", request_or_environ)
        for key in _CONDITION_DATES:
            if len(environ.get(key, "")) > LONGEST_DATE:
                environ = {k: v for k, v in environ.items() if k not in _CONDITION_DATES}
        try:
            return super().make_conditional(environ, accept_ranges, complete_length)
        except OverflowError:  # a number in a date is past what a date, or C, can hold
            dateless = {k: v for k, v in environ.items() if k not in _CONDITION_DATES}
            return super().make_conditional(dateless, accept_ranges, complete_length)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._sends_plainly = _sends_plainly(cls)
        set_aside(cls, _PARTS)

    #: Whether the class leaves Werkzeug's sending methods alone; see `parts`.
    _sends_plainly = True

    def parts(self, environ: ft.Environ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """What a front-end sends: body, status line and header fields.

        Equal to `get_wsgi_response(environ)`, without its cost in the usual cases: a body in
        one piece, and headers that nobody looked at or that need no rewriting.
        """
        body: Any = self.response
        if (
            not self._sends_plainly
            or body.__class__ is not list
            or len(body) != 1
            or body[0].__class__ is not bytes
        ):
            return self._parts_of_a_kind(environ, body)
        code = self._status_code
        if self._closers is not None or code < 200 or code == 204 or code == 304:
            return self._looked_at_parts(environ, body)
        length = len(body[0])
        headers = self._headers
        fields: list[tuple[str, str]] | None
        if headers is None:
            fields = [self._type_field(), _length_fields.get(length) or _length_field(length)]
        elif (
            not self.automatically_set_content_length
            or (fields := _ready_fields(headers, length)) is None
        ):
            return self.get_wsgi_response(environ)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body, self._status, fields

    def _parts_of_a_kind(
        self, environ: ft.Environ, body: Any
    ) -> tuple[Any, str, list[tuple[str, str]]]:
        """`parts` of a class with methods of its own, or of a body in several pieces.

        Async doors iterate over an async body; WSGI servers do as over any other.
        """
        sent: Any
        exchange: Any = environ.get(DOOR)
        if exchange is not None and type(self).__call__ is not Response.__call__:
            return exchange.call(self)  # type: ignore[no-any-return]  # of the front-end's
        sent, status, fields = self.get_wsgi_response(environ)
        has_body = environ["REQUEST_METHOD"] != "HEAD" and self._status_code not in (204, 304)
        if exchange is not None and has_body and type(body) is AsyncBody:
            body.closing = self._on_close
            sent = body
        return sent, status, fields

    def _type_field(self) -> tuple[str, str]:
        if self._ready_type is not None:
            return self._ready_type
        return type_field(self._own_type or _content_type(self.default_mimetype or ""))

    def _looked_at_parts(
        self, environ: ft.Environ, body: list[bytes]
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """`parts` of a response whose headers somebody read or set, or that has no body."""
        code = self._status_code
        headers = self.headers
        if code >= 200 and code != 204 and code != 304 and self.automatically_set_content_length:
            fields = _ready_fields(headers, len(body[0]))
            if fields is not None:
                sent: Iterable[bytes] = [] if environ["REQUEST_METHOD"] == "HEAD" else body
                if self._closers:
                    sent = ClosingIterator(sent, self.close)
                return sent, self._status, fields
        return self.get_wsgi_response(environ)

    def __call__(self, environ: ft.Environ, start_response: ft.StartResponse) -> ft.WSGIBody:
        """Send as a WSGI application does. Raises Unsendable for a status like 1000."""
        if not 99 < self._status_code < 1000:
            # Granian's own WSGI worker ends with the process for it.
            raise Unsendable(f"{self._status!r} is no status code (100 to 999)")
        body, status, fields = self.parts(environ)
        start_response(status, fields)
        return body


_PARTS = (
    "response", "_ready_type", "_own_type", "_headers", "_closers", "_measures", "_status",
    "_status_code", "direct_passthrough",
)  # fmt: skip
set_aside(Response, _PARTS)


_Fields = tuple[tuple[str, str], ...]


class Plain(tuple[tuple[str, str], bytes, _Fields]):
    """The Content-Type field, the body and further fields of an answer.

    A subclass for each set of fields that are always the same: `more`. All of them were found to
    be well-formed, or made so. The front-ends take it much as they take the bare tuple.
    """

    __slots__ = ()
    more: _Fields = ()
    #: The same as ASGI has them: in bytes, the names in lower case.
    more_encoded: tuple[tuple[bytes, bytes], ...] = ()

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        """Answer a WSGI server."""
        field, piece, own = self
        length = len(piece)
        known = _length_fields.get(length) or _length_field(length)
        start_response("200 OK", [field, known, *own, *self.more])
        return [piece] if environ["REQUEST_METHOD"] != "HEAD" else []


def with_fields(fields: _Fields) -> type[Plain]:
    """Return the class of plain answers with these fields more; Unsendable where one is none."""
    checked_fields("GET", "200 OK", [*fields], [])
    encoded = tuple((k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in fields)
    return type("Plain", (Plain,), {"__slots__": (), "more": fields, "more_encoded": encoded})


def response_of_plain(made: tuple[tuple[str, str], bytes] | Plain) -> Response:
    """The response that `dispatch.plain` put its field and body in place of."""
    response: Response = _new(Response)
    response._ready_type = made[0]
    response.response = [made[1]]
    if isinstance(made, Plain):
        response.headers._list.extend((*made[2], *made.more))
    return response


class Fixed:
    """An answer that is always the same, made and checked once, at setup; a view returns it.

    Where hooks go through the response, each gets one of its own. Raises Unsendable for what HTTP
    cannot carry.
    """

    __slots__ = ("body", "code", "fields", "raw_fields", "status")

    def __init__(self, body: bytes, code: int, content_type: str) -> None:
        response = Response(body, code, content_type=content_type)
        pieces, self.status, fields = response.parts({"REQUEST_METHOD": "POST"})
        self.body = body
        self.code, self.fields, _ = checked_fields("POST", self.status, fields, pieces)
        self.raw_fields = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in fields]

    def response(self, kind: Any) -> Response:
        """A response that can be changed, of the class `kind`."""
        made: Response = kind(self.body, self.code, dict(self.fields))
        return made

    def __call__(self, environ: ft.Environ, start_response: ft.StartResponse) -> ft.WSGIBody:
        """Send it as a WSGI application does."""
        start_response(self.status, [*self.fields])
        return [self.body] if self.body and environ["REQUEST_METHOD"] != "HEAD" else []


class Unsendable(Exception):
    """The response is not one that HTTP can carry as the view made it."""


# RFC 9110, 5.6.2 and 5.5
_TOKEN = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)
_BAD_IN_VALUE = r"[^\t\x20-\x7e\x80-\xff]"
# Names of fields found to be well-formed, as spelled: which are in use is soon known.
_field_names: dict[str, str] = {}
# The server's own business: what it finds in a response it would believe.
_NOT_OURS = frozenset(("transfer-encoding", "keep-alive", "upgrade", "te", "proxy-connection"))


def checked_fields(
    method: str, status: str, fields: list[tuple[str, str]], body: Any
) -> tuple[int, list[tuple[str, str]], int | None]:
    """The status code, the fields and the length of the body that may be sent.

    The length is None where nothing is to be compared with it. Raises Unsendable for what a
    server might choke on: a status, a name or a value out of form, a body of another length
    than declared.
    """
    digits, _, _ = status.partition(" ")
    if not (len(digits) == 3 and digits.isascii() and digits.isdigit() and digits >= "200"):
        raise Unsendable(f"{status!r} is no final status code (200 to 999)")
    declared: int | None = None
    is_clean = True
    # All of them at once: which one it is matters only where one is bad.
    values = "".join([value for _, value in fields])
    is_plain = values.isascii() and values.isprintable()
    for name, value in fields:
        known = _field_names.get(name)
        if known is None:
            known = _field_name(name)
            is_clean = is_clean and known not in _NOT_OURS
        if not is_plain and re.search(_BAD_IN_VALUE, value):
            raise Unsendable(f"the header field {name!r} has the value {value!r}")
        if known == "content-length":
            if not (value.isascii() and value.isdigit() and len(value) < 19) or (
                declared is not None and declared != int(value)
            ):
                raise Unsendable(f"the header field {name!r} has the value {value!r}")
            declared = int(value)
    if not is_clean:
        fields = [field for field in fields if field[0].lower() not in _NOT_OURS]
    code = int(digits)
    if method == "HEAD" or code == 204 or code == 304:
        return code, fields, None
    is_left_out = declared is not None and (type(body) is not list or not any(body))
    if is_left_out and any(name.lower() == "x-sendfile" for name, _ in fields):
        # The proxy in front sends the file, and says its length itself.
        return code, [f for f in fields if f[0].lower() != "content-length"], None
    if declared is not None and type(body) is list and sum(map(len, body)) != declared:
        raise Unsendable(
            f"the body has {sum(map(len, body))} bytes and a Content-Length of {declared}"
        )
    return code, fields, declared


def _field_name(name: str) -> str:
    if not name or not _TOKEN.issuperset(name):
        raise Unsendable(f"{name!r} is no name of a header field")
    known = name.lower()
    if known not in _NOT_OURS and len(_field_names) < TYPES_KEPT:
        _field_names[name] = known
    return known


def _is_one_piece(body: Any) -> bool:
    return type(body) is list and len(body) == 1 and type(body[0]) is bytes


# Of the names that `_ready_fields` looks for.
_SIZES = frozenset(map(len, ("location", "content-location", "content-length")))


def _ready_fields(headers: Headers, length: int) -> list[tuple[str, str]] | None:
    """The fields as they are, with a length; None if one of them needs rewriting."""
    fields = list(headers._list if headers.__class__ is ResponseHeaders else headers)
    has_length = False
    for name, _ in fields:
        if len(name) in _SIZES:
            name = name.lower()
            if name == "location" or name == "content-location":
                return None
            if name == "content-length":
                has_length = True
    if not has_length:
        fields.append(("Content-Length", str(length)))
    return fields


_SENDING = (
    "get_wsgi_response", "get_wsgi_headers", "get_app_iter", "iter_encoded", "close", "status",
    "status_code", "_ensure_sequence", "is_sequence",
)  # fmt: skip


def _sends_plainly(cls: type[ResponseBase]) -> bool:
    """Whether the class has a default type and status and Werkzeug's way of sending."""
    return (
        bool(cls.default_mimetype)
        and cls.default_status == 200
        and cls.automatically_set_content_length
        and all(getattr(cls, name) is getattr(Response, name) for name in _SENDING)
        and cls.__call__ is Response.__call__
    )
