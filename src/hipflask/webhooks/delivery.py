"""What a sender delivered: method, query, header fields in their order, the bytes of the body."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..wrappers import Request
from .fields import dump_headers, join_fields, pairs_of

_new = object.__new__

Fields = Iterable[tuple[str | bytes, str | bytes]]


def _to_bytes(text: str | bytes) -> bytes:
    """The bytes of a field as they were on the wire, where servers read them as Latin-1."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # made by hand, in a test or from a stored text
        return text.encode("utf-8", "surrogatepass")


class Delivery:
    """One delivery, kept as it came, so that its signature can be checked again at any time.

    `headers` are (name, value) pairs in the order they came, a repeated field as often as it
    came; text is taken as Latin-1, as WSGI has it. `body` is what was on the wire, `query` what
    stood behind the "?" of the URL. Comparing, hashing and printing never show a value: a field
    may be a secret itself, as GitLab's token is.

        Delivery([("X-Hub-Signature-256", "sha256=...")], b"Hello, World!")
    """

    __slots__ = ("_by_name", "_dump", "_headers", "body", "method", "query", "single")

    method: str
    query: bytes
    body: bytes
    #: The fields by their names in lower case, where each is there once, and named so. Else empty.
    single: dict[str, str]
    _headers: tuple[tuple[bytes, bytes], ...] | None
    _by_name: dict[bytes, list[bytes]] | None
    _dump: bytes | None

    def __init__(
        self,
        headers: Fields | Mapping[str, str],
        body: bytes,
        *,
        method: str = "POST",
        query: str | bytes = b"",
    ) -> None:
        pairs: Any = headers
        if pairs.__class__ is not list:
            pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        # As servers give them: in text, each once, in lower case. Encoded in one piece, and taken
        # apart only where somebody asks, which most never do.
        single = dict(pairs)
        kept = None
        dump = join_fields(pairs)
        if dump is None:
            kept = tuple((_to_bytes(name), _to_bytes(value)) for name, value in pairs)
        by_name: dict[bytes, list[bytes]] | None = None
        if dump is None or len(single) != len(pairs) or not "".join(single).islower():
            single = {}
            by_name = {}
            for name, value in pairs_of(dump or b"") if kept is None else kept:
                by_name.setdefault(name.lower(), []).append(value)
        self.method = method
        self.query = _to_bytes(query)
        self.body = bytes(body)
        self._headers = kept
        self._dump = dump
        # One of them is empty.
        self.single = single
        self._by_name = by_name

    @classmethod
    def served(
        cls,
        fields: list[tuple[str, str]],
        single: dict[str, str],
        body: bytes,
        method: str,
        query: bytes,
    ) -> Delivery:
        """The same in a third of the time, of fields as Granian gives them.

        `single` is `dict(fields)`, all of it text and the names in lower case; empty, where one
        is repeated or nothing is known of them.
        """
        dump = join_fields(fields) if single else None
        if dump is None:
            return cls(fields, body, method=method, query=query)
        made = _new(cls)
        made.method = method
        made.query = query
        made.body = body
        made._headers = made._by_name = None
        made._dump = dump
        made.single = single
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delivery) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    @property
    def _all(self) -> tuple[Any, ...]:
        return self.method, self.query, self.headers, self.body

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields in their order, names and values as bytes."""
        if self._headers is None:
            assert self._dump is not None  # one of them is there
            self._headers = pairs_of(self._dump)
        return self._headers

    def dump_headers(self) -> bytes:
        """The fields as `dump_headers` writes them, without taking them apart."""
        return dump_headers(self.headers) if self._dump is None else self._dump

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
        if self._by_name is None:
            value = self.single.get(name) or self.single.get(name.lower())
            return [] if value is None else [value.encode("latin-1")]
        return self._by_name.get(name.lower().encode("latin-1", "replace"), [])

    def text_of(self, name: str) -> str | None:
        """The value of the field that is there once by this name, in lower case; as text."""
        if self._by_name is None:
            return self.single.get(name)
        found = self._by_name.get(name.encode("latin-1", "replace"), ())
        return found[0].decode("latin-1") if len(found) == 1 else None

    def __repr__(self) -> str:
        return f"<Delivery {len(self.headers)} fields, {len(self.body)} bytes>"
