"""A call to be made: what is sent where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..scaffold import SetupError
from .answers import find_field

Fields = tuple[tuple[str, str], ...]

#: The field that says which calls are one and the same.
IDEMPOTENCY_KEY = "Idempotency-Key"
#: Methods that mean the same however often they are sent. RFC 9110, 9.2.2
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
#: Methods that change nothing. RFC 9110, 9.2.1
SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")


@dataclass(frozen=True)
class Request:
    """One call: method, whole address, header fields in their order, body.

    `Host`, `Content-Length` and `Transfer-Encoding` are set when it is sent, whatever stands here.
    Raises ValueError for a method, name or value that would not stay one in HTTP: a line break in
    a field is refused, never sent, and so is what is not Latin-1.
    """

    method: str
    url: str
    headers: Fields = ()
    body: bytes = b""
    #: Which addresses it may go to: see `reach.py`.
    reach: str = "named"

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.method):
            raise ValueError(f"{self.method!r} is no method of HTTP.")
        for name, value in self.headers:
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header field.")
            if _UNSENDABLE.search(value):
                raise ValueError(f"The value of {name} has a character that no field can have.")

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case; None without one."""
        return find_field(self.headers, name)

    def with_headers(self, added: Iterable[tuple[str, str]]) -> Request:
        """The same with these fields, each in place of those of its name."""
        fields = tuple(added)
        names = {name.lower() for name, _ in fields}
        kept = tuple(pair for pair in self.headers if pair[0].lower() not in names)
        return replace(self, headers=kept + fields)

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again though it may have arrived: by method, or by its key."""
        return self.method in IDEMPOTENT or self.header(IDEMPOTENCY_KEY) is not None


def list_fields(headers: Mapping[str, str] | Iterable[tuple[str, str]], where: str) -> Fields:
    """Header fields as pairs; raises SetupError for those that HTTP cannot carry."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields = tuple((str(name), str(value)) for name, value in pairs)
    try:
        Request("GET", "", fields)
    except ValueError as error:
        raise SetupError(f"{where}: {error}") from None
    return fields
