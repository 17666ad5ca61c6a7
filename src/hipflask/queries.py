"""Query strings and urlencoded forms: `a=1&b=2` as the multidict that Werkzeug makes of it.

Werkzeug goes through `urllib.parse.parse_qsl`, a list of pairs and three constructors; here the
dict is filled as the text is read. Measured on Python 3.11 in instructions (callgrind): the
first `request.args` of `q=x` 30,800 and 8,900, `.get("q")` of it 3,400 and 1,200, `.get` of a
name that was not sent 10,600 and 1,100.
"""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from werkzeug import datastructures
from werkzeug.exceptions import BadRequestKeyError, RequestEntityTooLarge

from .bodies import LONGEST_LENGTH, whole_body

# Werkzeug's handler for escapes that are no UTF-8: they stay as they are.
ERRORS = "werkzeug.url_quote"

_new: Callable[..., Any] = dict.__new__
_texts_of = dict.get
_setdefault = dict.setdefault


class ImmutableMultiDict(datastructures.ImmutableMultiDict[str, str]):
    """Werkzeug's class, whose usual reads are one look-up and raise nothing on the way."""

    def __getitem__(self, key: str) -> str:
        """Return the first of the key's values; `BadRequestKeyError` (400) without one."""
        texts: Any = _texts_of(self, key)
        if texts:
            return texts[0]  # type: ignore[no-any-return]
        raise BadRequestKeyError(key)

    def get(  # type: ignore[override]  # one signature for all of its overloads
        self, key: str, default: Any = None, type: Callable[[str], Any] | None = None
    ) -> Any:
        """Return the first of the key's values, or `default` without one.

        With `type` it is what that makes of the value, `default` where it raises `ValueError`
        or `TypeError`.
        """
        texts: Any = _texts_of(self, key)
        if not texts:
            return default
        if type is None:
            return texts[0]
        try:
            return type(texts[0])
        except (ValueError, TypeError):
            return default


# Filled without their constructors being called. A subclass may have one of its own.
_FILLED = (
    ImmutableMultiDict,
    datastructures.ImmutableMultiDict,
    datastructures.MultiDict,
)


def read_fields(text: str, kind: Any = ImmutableMultiDict, errors: str = ERRORS) -> Any:
    """Return the names and values of a query or an urlencoded form as a multidict of class `kind`.

    Equal to `kind(urllib.parse.parse_qsl(text, keep_blank_values=True, errors=errors))`.
    """
    if kind not in _FILLED:
        return kind(parse_qsl(text, keep_blank_values=True, errors=errors))
    if "+" in text:
        text = text.replace("+", " ")
    is_escaped = "%" in text
    fields = _new(kind)
    for field in text.split("&"):
        if field:
            name, _, value = field.partition("=")
            if is_escaped and "%" in field:
                name, value = unescaped(name, errors), unescaped(value, errors)
            _setdefault(fields, name, []).append(value)
    return fields


def unescaped(text: str, errors: str = ERRORS) -> str:
    """Return `urllib.parse.unquote(text, errors=errors)`, in half the time for ASCII."""
    if "%" not in text:
        return text
    global _has_other_percents
    if _has_other_percents is None:
        _has_other_percents = re.compile("%(?![0-9A-Fa-f]{2})").search  # not at import
    if not text.isascii() or _has_other_percents(text):
        return unquote(text, errors=errors)
    # Quoted-printable is the same but for the sign, and Python has it in C.
    return a2b_qp(text.replace("=", "=3D").replace("%", "=")).decode("utf-8", errors)


_has_other_percents: Any = None


class Args:
    """A request's `args`: the parameters of its query, made at first use and kept.

    Bytes that are no UTF-8 become U+FFFD. All in one call: through the parts that a request
    makes otherwise it would be 5,000 instructions more.
    """

    def __get__(self, request: Any, owner: type) -> Any:
        if request is None:
            return self
        if request._reads_plainly and request._query_string is None:
            exchange = request._exchange
            if exchange is None:
                query = request._environ.get("QUERY_STRING", "")
                if not query.isascii():
                    query = query.encode("latin-1").decode(errors="replace")
            else:
                query = exchange.query_string.decode(errors="replace")
        else:
            query = request.query_string.decode(errors="replace")
        request.args = args = read_fields(query, request.parameter_storage_class)
        return args


def empty(kind: Any) -> Any:
    """Return `kind()`, a multidict without entries."""
    return _new(kind) if kind in _FILLED else kind()


FORM = "application/x-www-form-urlencoded"
_KEYS = ("CONTENT_TYPE", "CONTENT_LENGTH")
_NAMES = ("content-type", "content-length")


def media_type_of(content_type: str | None) -> str:
    """Return what a Content-Type says without its parameters, in lower case."""
    if content_type == FORM:
        return FORM
    return (content_type or "").partition(";")[0].strip().lower()


def read_form(request: Any, config: Mapping[str, Any], errors: str = ERRORS) -> bool:
    """Read an urlencoded body into the request's `form` and `files`.

    Returns False where that is Werkzeug's to do: another type of body, or one that
    `bodies.whole_body` does not give. The result is the same and so are the limits, of which
    `config` holds those that the request has not of its own.

    A form that is no UTF-8 is empty; with `errors="strict"` it is a UnicodeDecodeError.
    """
    exchange = request._exchange
    if exchange is None:
        content_type, length = map(request._environ.get, _KEYS)
    else:
        content_type, length = map(exchange.header, _NAMES)
    if media_type_of(content_type) != FORM:
        return False
    limit = request._max_form_memory_size
    if limit is None:
        limit = config["MAX_FORM_MEMORY_SIZE"]
    if limit is not None and length:
        if len(length) > LONGEST_LENGTH or not (length.isdigit() and length.isascii()):
            return False
        if int(length) > limit:
            raise RequestEntityTooLarge()
    data = whole_body(request, config)
    if data is None:
        return False
    kind = request.parameter_storage_class
    if request._cached_data is None:
        request._form_bytes = data
    try:
        request.form = read_fields(data.decode(), kind, errors)
    except UnicodeDecodeError:
        if errors == "strict":
            raise
        request.form = empty(kind)
    request.files = empty(kind)
    return True
