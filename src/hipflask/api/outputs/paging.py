"""Lists in pages: what a client asks for, and the `Link` fields (RFC 8288) that lead on.

    @app.get("/orders")
    def orders(paging: Query[Paging]) -> Page[Order]:
        rows = read_orders(paging.limit, paging.offset)
        return page_of(rows, paging)

The body is the array and nothing around it; `Link` says where the first, previous, next and
last page are, `X-Total-Count` how many items there are in all, where that is known. The
targets are queries alone (`<?page=3>; rel="next"`): such a reference is resolved against the
URL the client used, so it holds behind any proxy, prefix and host name, and none of them is
believed for it. Clients join it with the URL, as RFC 8288 has them do with any.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote, unquote_plus

import msgspec

from ..model import Flaw
from ..problems import Invalid

T = TypeVar("T")
V = TypeVar("V")

# Beyond lies no page that anybody reads, but numbers that overflow a database's.
MAX_PAGE = 1_000_000
MAX_PER_PAGE = 100
MAX_CURSOR_CHARACTERS = 1_024

# Proxies give up on a response whose head is longer than a few kilobytes (nginx: 4 or 8).
MAX_LINK_CHARACTERS = 2_000

# What may stand in a URL's query as it is; the rest of what a client sent is escaped, so that
# it can end neither the reference nor the header field.
_QUERY_SAFE = "%!$&'()*+,;=:@/?-._~"


class Paging(msgspec.Struct, frozen=True):
    """A page asked for by its number: `?page=2&per_page=50`, as `paging: Query[Paging]`.

    Pages count from 1. For other limits declare the fields anew in a subclass.
    """

    page: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_PAGE, description="The number of the page, from 1.")
    ] = 1
    per_page: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_PER_PAGE, description="How many items a page has.")
    ] = 20

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return (self.page - 1) * self.per_page

    @property
    def limit(self) -> int:
        """How many items to read: one more than the page has, which tells of a next page."""
        return self.per_page + 1


class CursorPaging(msgspec.Struct, frozen=True):
    """A page asked for by where the one before it ended: `?cursor=...&per_page=50`.

    Stays right while items are added, and is as quick for the last page as for the first.

        after = paging.after(tuple[datetime, int])  # None for the first page
        rows = read_orders_after(after, paging.limit)
        return page_of(rows, paging, key=lambda row: (row.created, row.id))
    """

    cursor: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=MAX_CURSOR_CHARACTERS,
                description="Where the page before ended, as its Link field says.",
            ),
        ]
        | None
    ) = None
    per_page: Annotated[
        int, msgspec.Meta(ge=1, le=MAX_PER_PAGE, description="How many items a page has.")
    ] = 20

    @property
    def limit(self) -> int:
        """How many items to read: one more than the page has, which tells of a next page."""
        return self.per_page + 1

    def after(self, type: type[V]) -> V | None:
        """The key of the last item of the page before, or None for the first page.

        A cursor is no secret and not signed: it is read as input of that type. Raises
        Invalid (422) for one that is not.
        """
        if self.cursor is None:
            return None
        try:
            return parse_cursor(self.cursor, type)
        except ValueError:
            name = _wire_name(self, "cursor")
            flaw = Flaw(("query", name), "a cursor from a Link field of this list", "text")
            raise Invalid([flaw]) from None


def dump_cursor(key: Any) -> str:
    """An item's key as text that a URL can hold: its JSON, in base64url without padding."""
    return urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def parse_cursor(text: str, type: type[V]) -> V:
    """The key in a cursor. Raises ValueError for text that holds none of that type."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        # The plain alphabet is let through by the decoder, and makes two cursors of one.
        if b"+" in padded or b"/" in padded:
            raise ValueError("a character that is not of base64url")
        return msgspec.json.decode(urlsafe_b64decode(padded), type=type)
    except (ValueError, RecursionError, binascii.Error) as error:
        raise ValueError(f"This is no cursor: {error}") from error


class Page(Generic[T]):
    """One page of a list, made by `page_of`; as a return type (`-> Page[Order]`) an array.

    `links` are (relation, query parameter, its value or None to leave it out).
    """

    __slots__ = ("items", "links", "total")

    def __init__(
        self,
        items: Sequence[T],
        links: Sequence[tuple[str, str, str | None]] = (),
        total: int | None = None,
    ) -> None:
        self.items = items
        self.links = links
        self.total = total

    def fields(self, query: bytes) -> list[tuple[str, str]]:
        """The header fields of the page, for a request whose query string is `query`."""
        fields = []
        if self.links:
            links = {
                relation: f'<{query_with(query, name, value)}>; rel="{relation}"'
                for relation, name, value in self.links
            }
            if sum(map(len, links.values())) > MAX_LINK_CHARACTERS:
                # Of a long query; without "next" this would seem to be the last page.
                links = {name: link for name, link in links.items() if name in ("prev", "next")}
            if links:
                fields.append(("Link", ", ".join(links.values())))
        if self.total is not None:
            fields.append(("X-Total-Count", str(self.total)))
        return fields


def page_of(
    items: Sequence[T],
    paging: Paging | CursorPaging,
    total: int | None = None,
    *,
    key: Callable[[T], Any] | None = None,
) -> Page[T]:
    """The page that `paging` asked for, of the `items` read for it.

    Read `paging.limit` items: the one too many is left out and tells that there is a next
    page. Where `total`, the number of items in all, is known, `per_page` of them suffice. A
    `CursorPaging` needs `key`: what of an item the next page begins after, made of what JSON
    has. Raises TypeError without it.
    """
    kept = items if len(items) <= paging.per_page else items[: paging.per_page]
    has_next = len(items) > paging.per_page
    links: list[tuple[str, str, str | None]]
    if isinstance(paging, CursorPaging):
        if key is None:
            raise TypeError(
                "page_of() got a CursorPaging without key=. The next page begins after the last"
                " item of this one: give what to remember of it, key=lambda item: item.id."
            )
        name = _wire_name(paging, "cursor")
        links = [("first", name, None)]
        if has_next:
            links.append(("next", name, dump_cursor(key(kept[-1]))))
        return Page(kept, links, total)
    name = _wire_name(paging, "page")
    links = [("first", name, "1")]
    last = None if total is None else max(1, -(-total // paging.per_page))
    if paging.page > 1:
        before = paging.page - 1 if last is None else min(paging.page - 1, last)
        links.append(("prev", name, str(before)))
    if paging.page < MAX_PAGE and (has_next if last is None else paging.page < last):
        links.append(("next", name, str(paging.page + 1)))
    if last is not None and last <= MAX_PAGE:
        links.append(("last", name, str(last)))
    return Page(kept, links, total)


def query_with(query: bytes, name: str, value: str | None) -> str:
    """`?` and the query with the parameter `name` set to `value`, or left out for None.

    The others stay as they were sent, and in their order; what a URL may not hold is escaped.
    """
    pieces = [
        quote(piece, safe=_QUERY_SAFE)
        for piece in query.split(b"&")
        if piece and unquote_plus(piece.split(b"=", 1)[0].decode("latin-1")) != name
    ]
    if value is not None:
        pieces.append(f"{quote(name, safe='')}={quote(value, safe='')}")
    return "?" + "&".join(pieces)


def _wire_name(struct: msgspec.Struct, name: str) -> str:
    """A field's name on the wire, which a subclass may have renamed."""
    kind = type(struct)
    return kind.__struct_encode_fields__[kind.__struct_fields__.index(name)]
