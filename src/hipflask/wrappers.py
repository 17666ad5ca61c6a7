"""`Request` and `Response`: Werkzeug's classes with each part made when first asked for.

Extensions ask `isinstance` of Werkzeug's types and call their whole surface, so these
derive from them. What differs is when work is done: a request keeps the environ and reads
a header, the path or the query string out of it on first use; a response keeps its body
and content type, and a `Headers` object exists only once somebody looks at it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import Authorization, EnvironHeaders, Headers
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_date
from werkzeug.routing import Rule
from werkzeug.utils import get_content_type
from werkzeug.wrappers import Request as RequestBase
from werkzeug.wrappers import Response as ResponseBase
from werkzeug.wsgi import ClosingIterator, get_input_stream

from . import json
from . import typing as ft
from .bridge import AsyncBody
from .globals import _cv_app
from .parts import lazy, limit, looked_at
from .scaffold import _split_blueprint_path

# A form up to this size is kept as received, so that `get_data` can still answer after
# `form` was read; a signature over the bytes can be checked at any time.
KEPT_FORM_BYTES = 1024 * 1024

# Characters of an HTTP date, in the longest of its forms and then some.
LONGEST_DATE = 64


def _decode(text: str) -> str:
    """WSGI's text (bytes as Latin-1) as UTF-8; bytes that are not become U+FFFD."""
    return text if text.isascii() else text.encode("latin-1").decode(errors="replace")


def _date(text: str | None) -> Any:
    # No date is longer; a longer one can hold a zone that overflows.
    return None if text is None or len(text) > LONGEST_DATE else parse_date(text)


# Where an async door, which has no environ at hand, puts its exchange in place of one.
DOOR = "hipflask.exchange"

# The fields that routing, sessions and forms look at, with their keys in an environ.
_environ_keys = {"host": "HTTP_HOST", "cookie": "HTTP_COOKIE", "upgrade": "HTTP_UPGRADE"}


def _part(name: str, of_environ: Callable[[ft.Environ], Any]) -> Any:
    """A part read from the door's exchange, or under WSGI from the environ."""

    def read(request: Request) -> Any:
        exchange = request._exchange
        return of_environ(request.environ) if exchange is None else getattr(exchange, name)

    return lazy(read)


def _path_of(request: Request) -> Any:
    exchange = request._exchange
    return _decode(request.environ.get("PATH_INFO") or "") if exchange is None else exchange.path


def _server_of(environ: ft.Environ) -> tuple[str, int | None] | None:
    """The address of the server as (host, port); (path, None) for a unix socket."""
    name = environ.get("SERVER_NAME")
    if name is None:
        return None
    try:
        return name, int(environ.get("SERVER_PORT"))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return name, None


class Request(RequestBase):
    """The HTTP request being handled.

    `environ` is a WSGI environ. With `populate_request` the environ refers back to the
    request as `werkzeug.request`; with `shallow` reading the body raises RuntimeError.

    Differs from Flask: `get_data` returns the bytes of a form also after `form` was read
    (up to 1 MiB for multipart); a body shorter than its Content-Length is a 400.
    """

    json_module: Any = json

    #: The rule that matched, or None. Its `methods` are those the URL takes.
    url_rule: Rule | None = None
    #: The URL's variables, as the view gets them, or None without a match.
    view_args: dict[str, Any] | None = None
    #: What matching raised; raised again when the request is dispatched.
    routing_exception: HTTPException | None = None

    shallow = False
    #: Whether uploaded files were parsed, which `close` closes.
    has_files = False
    _max_content_length: int | None = None
    _max_form_memory_size: int | None = None
    _max_form_parts: int | None = None
    _form_bytes: bytes | None = None

    # Under ASGI and RSGI the front-end's view of the request; None under WSGI, where the
    # environ is all there is.
    _exchange: Any = None

    def __init__(
        self, environ: ft.Environ, populate_request: bool = True, shallow: bool = False
    ) -> None:
        self._environ = environ
        if shallow:
            self.shallow = True
        elif populate_request:
            environ["werkzeug.request"] = self

    # None under ASGI and RSGI until somebody asks for one.
    _environ: Any = None

    @property
    def environ(self) -> ft.Environ:
        """A WSGI environ, on every door; made when first asked for where the door has none."""
        environ: ft.Environ | None = self._environ
        if environ is None:
            environ = self._environ = self._exchange.environ(self)
        return environ

    @environ.setter
    def environ(self, environ: ft.Environ) -> None:
        self._environ = environ

    # The parts Werkzeug's constructor would have made.
    method: Any = _part("method", lambda env: env.get("REQUEST_METHOD", "GET").upper())
    scheme: Any = _part("scheme", lambda env: env.get("wsgi.url_scheme", "http"))
    root_path: Any = _part(
        "root_path", lambda env: _decode(env.get("SCRIPT_NAME") or "").rstrip("/")
    )
    path: Any = lazy(lambda self: "/" + _path_of(self).lstrip("/"))
    query_string: Any = _part(
        "query_string", lambda env: env.get("QUERY_STRING", "").encode("latin-1")
    )
    headers: Any = _part("joined_headers", lambda env: EnvironHeaders(env))
    remote_addr: Any = _part("remote_addr", lambda env: env.get("REMOTE_ADDR"))
    server: Any = _part("server", _server_of)

    def header(self, name: str) -> str | None:
        """The field "host", "cookie" or "upgrade" as sent; no other part is made for it."""
        if self._exchange is not None:
            value: str | None = self._exchange.header(name)
        else:
            value = self._environ.get(_environ_keys[name])
        return value

    max_content_length: Any = limit("MAX_CONTENT_LENGTH", None)
    max_form_memory_size: Any = limit("MAX_FORM_MEMORY_SIZE", 500_000)
    max_form_parts: Any = limit("MAX_FORM_PARTS", 1_000)

    @property
    def endpoint(self) -> Any:
        """The endpoint of the rule that matched, or None."""
        return None if self.url_rule is None else self.url_rule.endpoint

    @property
    def blueprint(self) -> str | None:
        """The dotted name of the blueprint the endpoint is registered on, or None."""
        endpoint = self.endpoint
        if endpoint is None or "." not in endpoint:
            return None
        return endpoint.rpartition(".")[0]  # type: ignore[no-any-return]  # Werkzeug takes any

    @property
    def blueprints(self) -> list[str]:
        """The dotted names of the endpoint's blueprint and of those around it, inmost first."""
        name = self.blueprint
        return [] if name is None else _split_blueprint_path(name)

    @lazy
    def args(self) -> Any:
        """The query string's parameters; bytes that are no UTF-8 become U+FFFD."""
        query = self.query_string.decode(errors="replace")
        pairs = parse_qsl(query, keep_blank_values=True, errors="werkzeug.url_quote")
        return self.parameter_storage_class(pairs)

    @lazy
    def full_path(self) -> str:
        """The path with a question mark and the query string, which may be empty."""
        return f"{self.path}?{self.query_string.decode(errors='replace')}"

    @lazy
    def authorization(self) -> Authorization | None:
        """What the Authorization field holds; None without one or for one out of form."""
        try:
            return Authorization.from_header(self.headers.get("Authorization"))
        except ValueError:
            return None

    @lazy
    def if_modified_since(self) -> Any:
        """The date of If-Modified-Since, with its zone; None without one or for no date."""
        return _date(self.headers.get("If-Modified-Since"))

    @lazy
    def if_unmodified_since(self) -> Any:
        """The date of If-Unmodified-Since, with its zone; None without one or for no date."""
        return _date(self.headers.get("If-Unmodified-Since"))

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Parse the body as JSON; see `on_json_loading_failed` for a body that is none.

        `force` takes any content type, `silent` returns None for what fails, `cache` keeps
        the value.
        """
        try:
            return super().get_json(force, silent, cache)
        except RecursionError:
            if silent:
                return None
            return self.on_json_loading_failed(ValueError("The JSON is nested too deeply."))

    @lazy
    def stream(self) -> Any:
        """The body to read in pieces; ends at Content-Length.

        Raises ClientDisconnected (400) where the body ends before its Content-Length, and
        RequestEntityTooLarge (413) past `max_content_length`.
        """
        if self.shallow:
            raise RuntimeError(
                "This request was made with shallow=True: its body belongs to somebody else."
            )
        if self._exchange is not None:
            return self._exchange.stream(self)
        environ = self.environ
        if (
            "wsgi.input_terminated" in environ
            and environ.get("CONTENT_LENGTH")
            and self.content_length is not None
        ):
            # A server's word that the stream ends is true of a cut body as well.
            environ = dict(environ)
            del environ["wsgi.input_terminated"]
        elif "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH"):
            from .streaming import ChunkedInput  # no usual request needs it

            environ = {**environ, "wsgi.input": ChunkedInput(environ)}
        return get_input_stream(environ, max_content_length=self.max_content_length)

    @lazy
    def body_stream(self) -> Any:
        """The body in chunks: `async for` in an async view, `for` in a plain one.

        In a view marked `@streams_body` they come as the client sends them.
        """
        from .streams import BodyStream  # who takes the body whole does not pay for it

        return BodyStream(self)

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event that an EventSource got, when it comes back; else None."""
        return self.headers.get("Last-Event-ID")  # type: ignore[no-any-return]

    @property
    def want_form_data_parsed(self) -> bool:
        """Whether the request says what its body is."""
        if self._exchange is not None:
            return bool(self._exchange.header("content-type"))
        return bool(self.environ.get("CONTENT_TYPE"))

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        """Read the body as bytes, or as text with `as_text`.

        With `parse_form_data` a form is parsed first and its bytes are then gone, as
        `data` does it.
        """
        if self._form_bytes is not None and not parse_form_data:
            body = self._form_bytes
            return body.decode(errors="replace") if as_text else body
        return super().get_data(cache, as_text, parse_form_data)  # type: ignore[call-overload]

    def _load_form_data(self) -> None:
        if "form" not in self.__dict__ and not self.shallow:
            self._keep_form_bytes()
        super()._load_form_data()
        self.has_files = True
        if (
            (ctx := _cv_app.get(None)) is not None
            and ctx.app.debug
            and not self.files
            and self.mimetype != "multipart/form-data"
        ):
            from .debughelpers import attach_enctype_error_multidict  # debug mode only

            attach_enctype_error_multidict(self)

    def _keep_form_bytes(self) -> None:
        """Take a form of moderate size off the stream and parse it from memory."""
        length = self.content_length
        if self.mimetype == "application/x-www-form-urlencoded":
            limit = self.max_form_memory_size
            if limit is not None and length is not None and length > limit:
                raise RequestEntityTooLarge()
        elif self.mimetype != "multipart/form-data" or (length or KEPT_FORM_BYTES + 1) > (
            KEPT_FORM_BYTES
        ):
            return
        if "_cached_data" in self.__dict__:
            return
        from io import BytesIO

        self._form_bytes = self.stream.read()
        self.__dict__["stream"] = BytesIO(self._form_bytes)

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Raise the 400 or 415 for a body that is no JSON; in debug mode it says why."""
        try:
            return super().on_json_loading_failed(e)
        except BadRequest as error:
            ctx = _cv_app.get(None)
            if ctx is not None and ctx.app.debug:
                raise
            raise BadRequest() from error

    def close(self) -> None:
        """Close the uploaded files, if any were parsed."""
        if "files" in self.__dict__:
            super().close()


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


class Response(ResponseBase):
    """What a view's return value becomes: body, status and headers.

    `response` is text, bytes, or an iterable of either; `mimetype` gets a charset where it
    is a text type, `content_type` is used as it is.
    """

    default_mimetype: str | None = "text/html"
    json_module: Any = json
    autocorrect_location_header = False

    # What the constructor would set on every instance.
    _status = "200 OK"
    _status_code = 200
    direct_passthrough = False
    _own_type: str | None = None
    # The Content-Type field of a response that was made without the constructor, as long as
    # nobody has looked at its headers, or given it a status.
    _ready_type: tuple[str, str] | None = None
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
            if "headers" in self.__dict__ and (field := self._type()) is not None:
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

    @looked_at
    def headers(self) -> Headers:
        """The header fields; made from the body and its type when first asked for."""
        headers = Headers()
        kind = self._type()
        if kind is not None:
            headers["Content-Type"] = kind
        body: Any = self.__dict__.get("response")
        if self._measures and self.automatically_set_content_length and _is_one_piece(body):
            headers["Content-Length"] = str(len(body[0]))
        return headers

    _on_close: Any = looked_at(lambda self: [])

    def set_data(self, value: bytes | str) -> None:
        """Replace the body; text is sent as UTF-8."""
        piece = value.encode() if isinstance(value, str) else bytes(value)
        self.response = [piece]
        self.__dict__.pop("_measures", None)
        if "headers" in self.__dict__ and self.automatically_set_content_length:
            self.headers["Content-Length"] = str(len(piece))

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
        return super().make_conditional(environ, accept_ranges, complete_length)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._sends_plainly = _sends_plainly(cls)

    #: Whether the class leaves Werkzeug's sending methods alone; see `parts`.
    _sends_plainly = True

    def parts(self, environ: ft.Environ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """What a front-end sends: body, status line and header fields.

        Equal to `get_wsgi_response(environ)`, without its cost in the usual cases: a body in
        one piece, and headers that nobody looked at or that need no rewriting.
        """
        body: Any = self.response
        made = self.__dict__
        if not self._sends_plainly or not _is_one_piece(body):
            return self._parts_of_a_kind(environ, body)
        code = self._status_code
        if "headers" in made or "_on_close" in made or code < 200 or code == 204 or code == 304:
            return self._looked_at_parts(environ, body)
        length = len(body[0])
        fields = [self._type_field(), _length_fields.get(length) or _length_field(length)]
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
                if self.__dict__.get("_on_close"):
                    sent = ClosingIterator(sent, self.close)
                return sent, self._status, fields
        return self.get_wsgi_response(environ)

    def __call__(self, environ: ft.Environ, start_response: ft.StartResponse) -> ft.WSGIBody:
        """Send as a WSGI application does. Raises Unsendable for a status like 1000."""
        body: Any = self.response
        ready = self._ready_type
        if ready is not None and body.__class__ is list and len(body) == 1:
            # `parts` of nearly every response, without the calls.
            piece = body[0]
            if piece.__class__ is bytes:
                length = len(piece)
                known = _length_fields.get(length) or _length_field(length)
                start_response("200 OK", [ready, known])
                return body if environ["REQUEST_METHOD"] != "HEAD" else []
        if not 99 < self._status_code < 1000:
            # Granian's own WSGI worker ends with the process for it.
            raise Unsendable(f"{self._status!r} is no status code (100 to 999)")
        body, status, fields = self.parts(environ)
        start_response(status, fields)
        return body  # type: ignore[no-any-return]


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
    for name, value in fields:
        known = _field_names.get(name)
        if known is None:
            known = _field_name(name)
            is_clean = is_clean and known not in _NOT_OURS
        if not (value.isascii() and value.isprintable()) and re.search(_BAD_IN_VALUE, value):
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


def _ready_fields(headers: Headers, length: int) -> list[tuple[str, str]] | None:
    """The fields as they are, with a length; None if one of them needs rewriting."""
    fields: list[tuple[str, str]] = []
    has_length = False
    for field in headers:
        name = field[0].lower()
        if name == "location" or name == "content-location":
            return None
        if name == "content-length":
            has_length = True
        fields.append(field)
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
