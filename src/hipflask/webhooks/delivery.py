"""What a sender delivered: method, query, header fields in their order, the bytes of the body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..wrappers import Request

Fields = Iterable[tuple[str | bytes, str | bytes]]


def _to_bytes(text: str | bytes) -> bytes:
    """The bytes of a field as they were on the wire, where servers read them as Latin-1."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # made by hand, in a test or from a stored text
        return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, init=False, repr=False)
class Delivery:
    """One delivery, kept as it came, so that its signature can be checked again at any time.

    `headers` are (name, value) pairs in the order they came, a repeated field as often as it
    came; text is taken as Latin-1, as WSGI has it. `body` is what was on the wire, `query` what
    stood behind the "?" of the URL. Comparing, hashing and printing never show a value: a field
    may be a secret itself, as GitLab's token is.

        Delivery([("X-Hub-Signature-256", "sha256=...")], b"Hello, World!")
    """

    method: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    _by_name: dict[bytes, list[bytes]] = field(compare=False)

    def __init__(
        self,
        headers: Fields | Mapping[str, str],
        body: bytes,
        *,
        method: str = "POST",
        query: str | bytes = b"",
    ) -> None:
        pairs: Fields = headers.items() if isinstance(headers, Mapping) else headers
        kept = tuple((_to_bytes(name), _to_bytes(value)) for name, value in pairs)
        by_name: dict[bytes, list[bytes]] = {}
        for name, value in kept:
            by_name.setdefault(name.lower(), []).append(value)
        put = object.__setattr__
        put(self, "method", method)
        put(self, "query", _to_bytes(query))
        put(self, "headers", kept)
        put(self, "body", bytes(body))
        put(self, "_by_name", by_name)

    @classmethod
    def of(cls, request: Request) -> Delivery:
        """The delivery that a request is; reads the body, also after `request.form` was read.

        Raises what reading a body raises: 413 where it is too large, 400 where it was cut.
        WSGI joins a repeated field with commas; no scheme takes the result for one signature.
        """
        return cls(
            list(request.headers),
            request.get_data(),
            method=request.method,
            query=request.query_string,
        )

    def values(self, name: str) -> list[bytes]:
        """The values of a header field, in order; the name in any case."""
        return self._by_name.get(name.lower().encode("latin-1", "replace"), [])

    def __repr__(self) -> str:
        return f"<Delivery {len(self.headers)} fields, {len(self.body)} bytes>"
