"""`Request`: Werkzeug's class with each part made when first asked for.

Extensions ask `isinstance` of Werkzeug's types and call their whole surface, so `Request` and
`Response` derive from them. What differs is when work is done: a request keeps the environ and
reads a header, the path or the query string out of it on first use. `Response` is in
`responses.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from werkzeug.datastructures import Authorization, EnvironHeaders, IfRange
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_date, unquote_etag
from werkzeug.routing import Rule
from werkzeug.wrappers import Request as RequestBase
from werkzeug.wsgi import get_input_stream

from . import json
from . import typing as ft
from .bodies import whole_body
from .globals import _cv_app
from .parts import LONGEST_DATE, current_config, kept, lazy, limit, set_aside
from .queries import FORM, Args, ImmutableMultiDict, empty, media_type_of, read_form
from .responses import Response as Response
from .scaffold import _split_blueprint_path

# A form up to this size is kept as received, so that `get_data` can still answer after
# `form` was read; a signature over the bytes can be checked at any time.
KEPT_FORM_BYTES = 1024 * 1024


def _decode(text: str) -> str:
    """WSGI's text (bytes as Latin-1) as UTF-8; bytes that are not become U+FFFD."""
    return text if text.isascii() else text.encode("latin-1").decode(errors="replace")


def _date(text: str | None) -> Any:
    # No date is longer.
    if text is None or len(text) > LONGEST_DATE:
        return None
    try:
        return parse_date(text)
    except OverflowError:  # a number in it is past what a date, or C, can hold
        return None


# The fields that routing, sessions and traces look at, with their keys in an environ.
_environ_keys = {
    "host": "HTTP_HOST",
    "cookie": "HTTP_COOKIE",
    "upgrade": "HTTP_UPGRADE",
    "traceparent": "HTTP_TRACEPARENT",
    "tracestate": "HTTP_TRACESTATE",
}


def _part(name: str, of_environ: Callable[[ft.Environ], Any], kind: Any = lazy) -> Any:
    """A part read from the door's exchange, or under WSGI from the environ."""

    def read(request: Request) -> Any:
        exchange = request._exchange
        return of_environ(request.environ) if exchange is None else getattr(exchange, name)

    return kind(read)


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

    # Werkzeug's, read sooner.
    parameter_storage_class: Any = ImmutableMultiDict
    dict_storage_class: Any = ImmutableMultiDict

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
    _max_json_depth: int | None = None
    _form_bytes: bytes | None = None
    _query_string: bytes | None = None
    _cookies: Any = None
    _stream: Any = None
    _cached_data: Any = None
    # Whether the body was taken past `stream`, which is then at its end.
    _is_read = False
    # Whether the body was taken as one that is no form.
    _has_no_form = False
    # Whether no subclass replaced how its query and its body are read.
    _reads_plainly = True

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
        "query_string", lambda env: env.get("QUERY_STRING", "").encode("latin-1"), kept
    )
    headers: Any = _part("joined_headers", lambda env: EnvironHeaders(env))
    remote_addr: Any = _part("remote_addr", lambda env: env.get("REMOTE_ADDR"))
    server: Any = _part("server", _server_of)

    def header(self, name: str) -> str | None:
        """A field of `_environ_keys` as sent; no other part is made for it."""
        if self._exchange is not None:
            value: str | None = self._exchange.header(name)
        else:
            value = self._environ.get(_environ_keys[name])
        return value

    max_content_length: Any = limit("MAX_CONTENT_LENGTH")
    max_form_memory_size: Any = limit("MAX_FORM_MEMORY_SIZE")
    max_form_parts: Any = limit("MAX_FORM_PARTS")
    max_json_depth: Any = limit("MAX_JSON_DEPTH")

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

    args: Any = Args()
    cookies: Any = kept(lambda self: RequestBase.cookies.fget(self))  # type: ignore[attr-defined]

    @lazy
    def form(self) -> Any:
        """The fields of a form; empty for another body."""
        self._load_form_data()
        return self.__dict__["form"]

    @lazy
    def files(self) -> Any:
        """The uploaded files of a form; empty for another body."""
        self._load_form_data()
        return self.__dict__["files"]

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
    def date(self) -> Any:
        """The date of Date, with its zone; None without one or for no date."""
        return _date(self.headers.get("Date"))

    @lazy
    def if_range(self) -> Any:
        """What If-Range holds: an ETag or a date, or neither."""
        text = self.headers.get("If-Range")
        date = _date(text)
        return IfRange(date=date) if date is not None else IfRange(unquote_etag(text)[0])

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
        the value. JSON nested deeper than `max_json_depth` is as none.
        """
        known: Any = self._cached_json[silent]
        if cache and known is not ...:
            return known
        if not (force or self.is_json):
            return None if silent else self.on_json_loading_failed(None)
        data = self.get_data(cache)
        try:
            most = self.max_json_depth
            if most is not None and data.count(b"[") + data.count(b"{") > most:
                from .json.nesting import refuse_deep  # few texts have so many brackets

                refuse_deep(data, most)
            value = other = self.json_module.loads(data)
        except (ValueError, RecursionError) as error:
            if isinstance(error, RecursionError):
                error = ValueError("The JSON is nested too deeply.")
            value = None if silent else self.on_json_loading_failed(error)
            other = self._cached_json[not silent]
        if cache:  # what is asked for without `silent`, and with it
            self._cached_json = (other, value) if silent else (value, other)
        return value

    @kept
    def stream(self) -> Any:
        """The body to read in pieces; ends at Content-Length.

        Raises ClientDisconnected (400) where the body ends before its Content-Length, and
        RequestEntityTooLarge (413) past `max_content_length`.

        Differs from Flask: a chunked body under WSGI that is longer than the limit is a 413 when
        it is read as a whole, too, and one of just that length is none.
        """
        if self.shallow:
            raise RuntimeError(
                "This request was made with shallow=True: its body belongs to somebody else."
            )
        if self._is_read:
            return BytesIO()
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
        limit = self.max_content_length
        if (
            limit is not None
            and "wsgi.input_terminated" in environ
            and not environ.get("CONTENT_LENGTH")
        ):
            from .streaming import AtMost  # as above

            return AtMost(environ["wsgi.input"], limit)
        return get_input_stream(environ, max_content_length=limit)

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
        return bool(self._type_sent())

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        """Read the body as bytes, or as text with `as_text`.

        With `parse_form_data` a form is parsed first and its bytes are then gone, as
        `data` does it.
        """
        if parse_form_data and self._cached_data is None:
            if self._may_be_form():
                self._load_form_data()
            else:
                self._has_no_form = True
        body = None if parse_form_data else self._form_bytes
        if body is None and self._reads_plainly:
            body = whole_body(self, current_config())
            if body is not None and cache:
                self._cached_data = body
        if body is None:
            return super().get_data(cache, as_text)  # type: ignore[call-overload]
        return body.decode(errors="replace") if as_text else body

    def _may_be_form(self) -> bool:
        return not self._reads_plainly or media_type_of(self._type_sent()) in _FORMS

    def _type_sent(self) -> str | None:
        exchange = self._exchange
        if exchange is None:
            return self._environ.get("CONTENT_TYPE")  # type: ignore[no-any-return]
        return exchange.header("content-type")  # type: ignore[no-any-return]

    @property
    def is_json(self) -> bool:
        """Whether the Content-Type is one of JSON's."""
        return self._type_sent() == "application/json" or super().is_json

    def _load_form_data(self) -> None:
        if "form" in self.__dict__:
            return
        config = current_config()
        is_replaced = not self._reads_plainly or self.form_data_parser_class is not FormDataParser
        if self._has_no_form:
            self.form = empty(self.parameter_storage_class)
            self.files = empty(self.parameter_storage_class)
        elif is_replaced or not read_form(self, config):
            if not self.shallow:
                self._keep_form_bytes()
            super()._load_form_data()
            self.stream = self.__dict__.pop("stream", self._stream)
            self.has_files = True
        if config["DEBUG"] and not self.files and self.mimetype != "multipart/form-data":
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
        if self._cached_data is not None:
            return
        self._form_bytes = self.stream.read()
        self.stream = BytesIO(self._form_bytes)

    def make_form_data_parser(self) -> FormDataParser:
        """What parses a form; `FormParser`, whose parts have limits, in place of Werkzeug's."""
        if (
            self.form_data_parser_class is not FormDataParser
            or current_config()["MAX_PART_HEAD_BYTES"] is None
        ):
            return super().make_form_data_parser()
        from .multipart import FormParser  # who gets no files does not pay for it

        return FormParser(
            stream_factory=self._get_file_stream,
            max_form_memory_size=self.max_form_memory_size,
            max_content_length=self.max_content_length,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
        )

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Raise the 400 or 415 for a body that is no JSON; in debug mode it says why."""
        try:
            return super().on_json_loading_failed(e)
        except BadRequest as error:
            ctx = _cv_app.get(None)
            if ctx is not None and ctx.app.debug:
                raise
            from .json.nesting import TooDeep  # who sends JSON that is none may wait for it

            raise BadRequest(str(e) if isinstance(e, TooDeep) else None) from error

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._reads_plainly = all(getattr(cls, name) is _declared[name] for name in _READING)
        set_aside(cls, _PARTS)

    def close(self) -> None:
        """Close the uploaded files, if any were parsed."""
        if "files" in self.__dict__:
            super().close()


_FORMS = (FORM, "multipart/form-data")
# What reading the query and the body rests on.
_READING = (
    "environ", "query_string", "stream", "shallow", "max_content_length", "max_form_memory_size",
    "want_form_data_parsed", "make_form_data_parser", "_get_stream_for_parsing",
)  # fmt: skip
_declared = {name: getattr(Request, name) for name in _READING}
_PARTS = (
    "json_module", "_exchange", "_environ", "routing_exception", "has_files", "url_rule",
    "view_args", "method", "path", "headers", "args", "_query_string", "_cookies", "form", "files",
    "_is_read", "_cached_data", "_cached_json", "_form_bytes", "_stream", "remote_addr", "scheme",
)  # fmt: skip
set_aside(Request, _PARTS)
