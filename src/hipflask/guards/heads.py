"""How large a request's head may be, and how many things it may list.

Servers have limits of their own, each its own ones: these hold under all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from werkzeug.exceptions import (
    BadRequest,
    RequestedRangeNotSatisfiable,
    RequestHeaderFieldsTooLarge,
    RequestURITooLarge,
)

from ..ctx import RequestContext
from .fields import current, set_up

# Fields that list things.
_LISTS = frozenset(
    ("accept", "accept-charset", "accept-encoding", "accept-language", "if-match",
     "if-none-match", "range")
)  # fmt: skip
_HOSTS = "The request names several hosts."
_LENGTHS = "The request has a length and chunks, or two lengths."

# Heads with the same names come again and again: of so many, and no longer ones, it is kept what
# the names say. To look at each name of each head took three times as long: 4.6 us of a request.
_KEPT = 256
_LONGEST_KEPT = 4096


def limit_heads(app: Any) -> HeadLimits:
    """Refuse heads past the limits of the configuration at the first request.

    414 for the URL (`MAX_URL_BYTES`); 431 for all fields together (`MAX_HEAD_BYTES`,
    `MAX_HEAD_FIELDS`) and for cookies (`MAX_COOKIES`, `MAX_COOKIE_BYTES` each); 400 for pairs of
    the query (`MAX_QUERY_PAIRS`), for items of an Accept or If-Match field
    (`MAX_ACCEPT_ITEMS`), for two Host fields, and for a body with both a length and chunks; 416
    for ranges (`MAX_RANGES`). None is no limit.
    """
    made = HeadLimits(app)
    known: HeadLimits = set_up(app, "heads", made)
    if known is made:
        app.before_request_funcs[None].insert(0, made)
    return known


class HeadLimits:
    """What stands before the views; made by `limit_heads`."""

    is_quick = True

    def __init__(self, app: Any) -> None:
        self._app = app
        self._limits: tuple[float, ...] | None = None
        # Ranges and items of a field that lists things; `_limits` end with the lesser one.
        self._lists: tuple[float, float] = (0, 0)

    def __call__(self) -> None:
        """Raise for a head past the limits."""
        self.guard(current())

    def guard(self, ctx: RequestContext) -> None:
        """The same for a context."""
        url, size, number, pairs, cookies, cookie_size, least = self._limits or self._read()
        if ctx._exchange is None:
            length, ands, names, values = _measure_environ(ctx)
        else:
            length, ands, names, values = _measure_exchange(ctx)
        if length > url:
            raise RequestURITooLarge()
        # To add up their lengths takes three times as long.
        together = names.nothing.join(values)
        if names.size + len(together) > size or names.count > number:
            raise RequestHeaderFieldsTooLarge()
        if names.problem:
            raise BadRequest(names.problem)
        if ands >= pairs:
            raise BadRequest("The query has too many pairs.")
        cookie = ctx.cookie
        if cookie is not None and (len(cookie) > cookies or len(cookie) > cookie_size):
            _check_cookie(cookie, cookies, cookie_size)
        if together.count(names.comma) + names.repeated >= least:
            self._check_lists(names, values)

    def _check_lists(self, names: _Names, values: Sequence[Any]) -> None:
        ranges, items = self._lists
        for places, is_range in names.lists:
            most = ranges if is_range else items
            if len(places) == 1 and len(values[places[0]]) < most:
                continue
            commas = len(places) - 1  # each line but the first goes on after a comma
            for place in places:
                commas += values[place].count(names.comma)
            if commas >= most:
                if is_range:
                    raise RequestedRangeNotSatisfiable()
                raise BadRequest("A field of the request lists too many items.")

    def _read(self) -> tuple[float, ...]:
        config = self._app.config
        *limits, ranges, items = (
            sys.maxsize if config[key] is None else config[key]
            for key in (
                "MAX_URL_BYTES", "MAX_HEAD_BYTES", "MAX_HEAD_FIELDS", "MAX_QUERY_PAIRS",
                "MAX_COOKIES", "MAX_COOKIE_BYTES", "MAX_RANGES", "MAX_ACCEPT_ITEMS",
            )
        )  # fmt: skip
        self._lists = ranges, items
        self._limits = made = *limits, min(ranges, items)
        return made


class _Names:
    """What the names of a head's fields say, as a door has them: text or bytes in lower case."""

    def __init__(self, names: tuple[Any, ...], per_field: int) -> None:
        told = [name.decode("latin-1") if name.__class__ is bytes else name for name in names]
        # HTTP/2 sends each cookie in a field of its own: they have their limits.
        self.count = len(told) - told.count("cookie")
        self.size = sum(map(len, told)) + per_field * len(told)
        is_raw = bool(names) and names[0].__class__ is bytes
        self.comma: Any = b"," if is_raw else ","
        self.nothing: Any = b"" if is_raw else ""
        self.lists = [
            ([at for at, name in enumerate(told) if name == wanted], wanted == "range")
            for wanted in _LISTS.intersection(told)
        ]
        # Each line but a field's first goes on after a comma.
        self.repeated = sum(len(places) - 1 for places, _ in self.lists)
        self.problem = ""
        # RFC 9112, 3.2 and 6.1: what a proxy and a server may read in two ways.
        if told.count("host") > 1:
            self.problem = _HOSTS
        elif told.count("content-length") + told.count("transfer-encoding") > 1:
            self.problem = _LENGTHS


class _NamesInEnviron(_Names):
    """The same of an environ's keys, and what gets the values of those that are fields."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        fields = [key for key in keys if key[:5] == "HTTP_"]
        super().__init__(tuple(key[5:].lower().replace("_", "-") for key in fields), len("HTTP_"))
        self.count = len(fields)
        self.has_host = "HTTP_HOST" in fields
        self.has_coding = "HTTP_TRANSFER_ENCODING" in fields
        self.values: Callable[[Any], Sequence[Any]] = (
            itemgetter(*fields)
            if len(fields) > 1
            else lambda environ: [environ[key] for key in fields]
        )


_known: dict[tuple[Any, ...], Any] = {}


def _kept(names: tuple[Any, ...], made: Any) -> Any:
    if len(_known) < _KEPT and made.size <= _LONGEST_KEPT:
        _known[names] = made
    return made


def _measure_environ(ctx: RequestContext) -> tuple[int, int, _Names, Sequence[Any]]:
    """The bytes of path and query, its "&" (-1: no query), and the fields' names and values."""
    environ = ctx._environ
    keys = (*environ,)
    names: _NamesInEnviron = _known.get(keys) or _kept(keys, _NamesInEnviron(keys))
    # A server joins what was sent twice.
    if names.has_host and "," in environ["HTTP_HOST"]:
        raise BadRequest(_HOSTS)
    if names.has_coding and environ.get("CONTENT_LENGTH"):
        raise BadRequest(_LENGTHS)
    length, ands = len(environ.get("PATH_INFO", "")), -1
    if query := environ.get("QUERY_STRING"):
        length += len(query)
        ands = query.count("&")
    return length, ands, names, names.values(environ)


def _measure_exchange(ctx: RequestContext) -> tuple[int, int, _Names, Sequence[Any]]:
    exchange = ctx._exchange
    sent = exchange.raw_fields
    sent_names = (*[name for name, _ in sent],)
    values = [value for _, value in sent]
    names: _Names = _known.get(sent_names) or _kept(sent_names, _Names(sent_names, 4))
    length, ands = len(exchange.line[1]), -1
    if query := exchange.query_string:
        length += len(query)
        ands = query.count(b"&")
    return length, ands, names, values


def _check_cookie(cookie: str, most: float, longest: float) -> None:
    if cookie.count(";") >= most or (
        len(cookie) > longest and any(len(part) > longest for part in cookie.split(";"))
    ):
        raise RequestHeaderFieldsTooLarge()
