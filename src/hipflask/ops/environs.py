"""A WSGI request and its response, as observers see them: the head, and a body that ends."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from werkzeug.wsgi import FileWrapper


class EnvironHead:
    """The head of a WSGI request, as an exchange has it."""

    #: Set by who makes one, which is quicker than a constructor.
    environ: dict[str, Any]

    method = property(lambda self: self.environ["REQUEST_METHOD"])
    scheme = property(lambda self: self.environ.get("wsgi.url_scheme", "http"))
    query_string = property(lambda self: self.environ.get("QUERY_STRING", "").encode("latin-1"))

    @property
    def path(self) -> str:
        given: str = self.environ.get("PATH_INFO") or ""
        return given if given.isascii() else given.encode("latin-1").decode(errors="replace")

    @property
    def http_version(self) -> str:
        protocol: str = self.environ.get("SERVER_PROTOCOL", "HTTP/1.1")
        return protocol.partition("/")[2]

    @property
    def remote_addr(self) -> str | None:
        return self.environ.get("REMOTE_ADDR") or None

    @property
    def client(self) -> tuple[str, int] | None:
        address = self.environ.get("REMOTE_ADDR")
        port = str(self.environ.get("REMOTE_PORT") or "0")
        return (address, int(port) if port.isdigit() else 0) if address else None

    def header(self, name: str) -> str | None:
        """The field's value, by its name in lower case; None without it."""
        value: str | None = self.environ.get(_keys.get(name) or _key_of(name))
        return value

    def trace_fields(self) -> tuple[str | None, str | None]:
        """The fields traceparent and tracestate."""
        get = self.environ.get
        return get("HTTP_TRACEPARENT"), get("HTTP_TRACESTATE")

    def line_of_log(self) -> tuple[str, str, str | None]:
        """Method, path and the client's address: what a line in a log begins with."""
        environ = self.environ
        path: str = environ.get("PATH_INFO") or ""
        if not path.isascii():
            path = self.path
        return environ["REQUEST_METHOD"], path, environ.get("REMOTE_ADDR")


# Fields' keys in an environ, of names that the code asks for.
_keys: dict[str, str] = {}


def _key_of(name: str) -> str:
    """A field's key in an environ."""
    key = name.upper().replace("-", "_")
    key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
    if len(_keys) < 1000:
        _keys[name] = key
    return key


@lru_cache(1000)
def code_of(status: str) -> int:
    """The number in a status line; 0 for none, which is answered 500 by who finds that out."""
    code = status.partition(" ")[0]
    return int(code) if len(code) == 3 and code.isdigit() else 0


def watched(body: Any, seen: Any, environ: dict[str, Any]) -> Any:
    """The body of a WSGI response, whose end is the request's."""
    wrapper = environ.get("wsgi.file_wrapper")
    file_types: Any = (FileWrapper, wrapper) if isinstance(wrapper, type) else FileWrapper
    if isinstance(body, file_types):
        # The server sends the file itself, if it gets what it gave.
        close = getattr(body, "close", None)

        def ended() -> None:
            try:
                if close is not None:
                    close()
            finally:
                seen.end()

        try:
            body.close = ended
        except AttributeError:
            seen.end()
        return body
    if not hasattr(body, "__iter__"):
        seen.end()
        return body
    return _Body(body, seen)


class _Body:
    """A WSGI response's pieces."""

    def __init__(self, body: Any, seen: Any) -> None:
        self._body = body
        self._next: Any = None
        self._seen = seen
        self._is_whole = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._next is None:
                self._next = iter(self._body).__next__
            piece: bytes = self._next()
        except StopIteration:
            self._is_whole = True
            raise
        except BaseException as error:
            self._seen.error = error
            self._is_whole = True
            raise
        self._seen.size += len(piece)
        return piece

    def close(self) -> None:
        """Close the body: nothing more is asked for."""
        try:
            if (close := getattr(self._body, "close", None)) is not None:
                close()
        finally:
            self._seen.is_gone = not self._is_whole and self._seen.method != "HEAD"
            self._seen.end()

    def __del__(self) -> None:
        self._seen.end()  # a server must close it; a test's client may forget
