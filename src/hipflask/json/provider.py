"""How an application reads and writes JSON: the provider behind `app.json`.

A `dict` or `list` returned by a view is answered from an encoder made once for the
present settings: the standard library's in C, or msgspec for what both write alike (see
`plain.py`). Measured on Python 3.11 in instructions (callgrind) with `{"id": 7, "n": 12345,
"q": "x"}`: `json.dumps` with these settings 20,000, the kept C encoder 10,400, the writer
that `body_writer` gives 6,200.
"""

from __future__ import annotations

import json
import sys
import typing as t
import weakref
from collections.abc import Callable
from datetime import date
from importlib import import_module
from json import encoder as _stdlib

from werkzeug.http import http_date

from hipflask.json import plain
from hipflask.live import Cell, LiveType

if t.TYPE_CHECKING:
    from hipflask.globals import Response
    from hipflask.typing import Application

# Names that others import from here; each costs milliseconds, so it waits to be asked for.
_ON_DEMAND = ("dataclasses", "decimal", "uuid")

# Layouts: item separator, key separator, indent. Their places in _LAYOUTS and in _encoders.
_LAYOUTS: tuple[tuple[str, str, int | None], ...] = (
    (",", ":", None),
    (",", ": ", 2),
    (", ", ": ", None),
)
_COMPACT, _INDENTED, _SPACED = range(3)


def __getattr__(name: str) -> t.Any:
    if name in _ON_DEMAND:
        return import_module(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _is_instance_of(value: object, module: str, name: str) -> bool:
    # Whoever holds such an object has imported its module; nobody else pays for it.
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None)
    return kind is not None and isinstance(value, kind)


def _default(o: t.Any) -> t.Any:
    if isinstance(o, date):
        return http_date(o)
    if _is_instance_of(o, "uuid", "UUID") or _is_instance_of(o, "decimal", "Decimal"):
        return str(o)
    if hasattr(o if isinstance(o, type) else type(o), "__dataclass_fields__"):
        from dataclasses import asdict  # costly

        return asdict(o)
    as_html = getattr(o, "__html__", None)
    if as_html is not None:
        return str(as_html())
    raise TypeError(f"Object of type {type(o).__name__} is not JSON serializable")


class JSONProvider(metaclass=LiveType):
    """The JSON operations of one application; a subclass gives at least `dumps` and `loads`.

    Set an instance as `app.json`, or the class as `Flask.json_provider_class`. The
    application is held weakly, as it holds the provider.
    """

    _cell: Cell | None = None

    def __init__(self, app: Application) -> None:
        self._app: Application = weakref.proxy(app)
        self._cell = app._cell

    def __setattr__(self, name: str, value: t.Any) -> None:
        object.__setattr__(self, name, value)
        # A method replaced on the instance changes how answers are made.
        if self._cell is not None and name != "_encoders":
            self._cell.empty()

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON text."""
        raise NotImplementedError

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Return the value that the JSON text or UTF-8 bytes `s` stand for."""
        raise NotImplementedError

    def load(self, fp: t.IO[t.AnyStr], **kwargs: t.Any) -> t.Any:
        """Return the value of the JSON in the open file `fp`."""
        content = fp.read()
        return self.loads(content, **kwargs)

    def dump(self, obj: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
        """Write `obj` as JSON text to the open file `fp`."""
        text = self.dumps(obj, **kwargs)
        fp.write(text)

    def _prepare_response_obj(self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]) -> t.Any:
        if not args:
            return kwargs or None
        if kwargs:
            raise TypeError(
                f"A JSON answer cannot be made of {len(args)} positional values and the keywords"
                f" {', '.join(kwargs)} at once. Call app.json.response() with"
                " either args or kwargs, not both, or with one dictionary that holds all of it."
            )
        return args[0] if len(args) == 1 else args

    def response(self, *args: t.Any, **kwargs: t.Any) -> Response:
        """Return a response whose body is one value, a list of several, or an object.

        One positional argument is the value itself, several are an array, keywords an
        object, nothing at all is `null`. Both kinds at once raise `TypeError`.
        """
        body = self.dumps(self._prepare_response_obj(args, kwargs))
        return t.cast("Response", self._app.response_class(body, mimetype="application/json"))

    def answers_plainly(self) -> bool:
        """Return whether `dump_body` may stand for `response` for a dict or list answer."""
        return False

    def dump_body(self, obj: t.Any) -> bytes:
        """Return the bytes of the body that `response(obj)` has."""
        return self.response(obj).get_data()

    def body_writer(self) -> Callable[[t.Any], bytes]:
        """Return `dump_body` for the settings as they are, to be asked for again after a change.

        Any change empties the application's cell, see `live`.
        """
        return self.dump_body


class DefaultJSONProvider(JSONProvider):
    """JSON by the standard library, with a few more types and settings to change.

    Dates and datetimes become HTTP dates, UUIDs and decimals text, dataclasses objects, and
    whatever has `__html__` its markup. Each setting may be set on a subclass or on the
    instance, at any time.
    """

    default: Callable[[t.Any], t.Any] = staticmethod(_default)
    """Called with a value JSON has no form for; returns one that it has, or raises TypeError."""

    ensure_ascii = True
    """Escape everything outside ASCII."""

    sort_keys = True
    """Write the keys of each object in sorted order."""

    compact: bool | None = None
    """Answers without spaces (True), indented (False), or indented in debug mode (None)."""

    mimetype = "application/json"
    """The Content-Type of `response`."""

    # An encoder per layout, then the settings they are for. Replaced whole: threads share it.
    _encoders: tuple[t.Any, ...] = (None,)

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON text; `kwargs` are those of `json.dumps`.

        Raises `TypeError` for a value of a type without JSON form.
        """
        if not kwargs:
            return self._encode(obj, _SPACED)
        if kwargs == _TIGHT_KWARGS:
            return self._encode(obj, _COMPACT)
        settings = {
            "default": self.default,
            "ensure_ascii": self.ensure_ascii,
            "sort_keys": self.sort_keys,
        }
        return json.dumps(obj, **{**settings, **kwargs})

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Return the value of JSON text or bytes; `kwargs` are those of `json.loads`.

        Raises `ValueError` for text that is no JSON and bytes that are no Unicode.
        """
        return json.loads(s, **kwargs) if kwargs else plain.loads(s)

    def response(self, *args: t.Any, **kwargs: t.Any) -> Response:
        """Return a response with the arguments as JSON and a line end; see `JSONProvider`.

        Indented in debug mode or if `compact` is False, else without spaces.
        """
        obj = self._prepare_response_obj(args, kwargs)
        text = self.dumps(obj, **_LAYOUT_KWARGS[self._body_layout()])
        answer = self._app.response_class(f"{text}\n", mimetype=self.mimetype)
        return t.cast("Response", answer)

    def answers_plainly(self) -> bool:
        """Return whether `dump_body` may stand for `response` for a dict or list answer.

        It may not once `dumps`, `response` or `_prepare_response_obj` is overridden, by a
        subclass or on the class or instance, or where a property of a subclass says anew each
        time what a setting is. The Content-Type is `mimetype` in any case.
        """
        cls, own = type(self), self.__dict__
        if any(isinstance(_declared(cls, name), property) for name in _SETTINGS):
            return False
        return (
            cls.response is _response
            and cls.dumps is _dumps
            and cls._prepare_response_obj is _prepare
            and "response" not in own
            and "dumps" not in own
            and "_prepare_response_obj" not in own
        )

    def dump_body(self, obj: t.Any) -> bytes:
        """Return the bytes of the body that `response(obj)` has, without making one.

        Only while `answers_plainly()`: this calls neither `dumps` nor `response`.
        """
        return f"{self._encode(obj, self._body_layout())}\n".encode()

    def body_writer(self) -> Callable[[t.Any], bytes]:
        """Return `dump_body` for the settings as they are, to be asked for again after a change.

        Any change empties the application's cell, see `live`.
        """
        layout = self._body_layout()
        encode = _make_encode(self.default, self.ensure_ascii, self.sort_keys, *_LAYOUTS[layout])
        if layout != _COMPACT:
            return lambda obj: f"{encode(obj)}\n".encode()
        encode_plain = plain.encoder_of(self.sort_keys, self.ensure_ascii)

        def write(obj: t.Any) -> bytes:
            text = encode_plain(obj)
            return f"{encode(obj)}\n".encode() if text is None else text + b"\n"

        return write

    def _body_layout(self) -> int:
        compact = self.compact
        if compact is None:
            return _INDENTED if self._app.debug else _COMPACT
        return _INDENTED if compact is False else _COMPACT

    def _encode(self, obj: t.Any, layout: int) -> str:
        settings = (self.default, self.ensure_ascii, self.sort_keys)
        kept = self._encoders
        if kept[-1] != settings:
            compact, *others = (_make_encode(*settings, *choice) for choice in _LAYOUTS)
            kept = self._encoders = (_with_plain(compact, *settings[1:]), *others, settings)
        return t.cast(str, kept[layout](obj))


_response = DefaultJSONProvider.response
_dumps = DefaultJSONProvider.dumps
_prepare = DefaultJSONProvider._prepare_response_obj

_SETTINGS = ("default", "ensure_ascii", "sort_keys", "compact", "mimetype")
_TIGHT_KWARGS: dict[str, t.Any] = {"separators": (",", ":")}
_LAYOUT_KWARGS: dict[int, dict[str, t.Any]] = {_COMPACT: _TIGHT_KWARGS, _INDENTED: {"indent": 2}}


def _make_encode(
    default: Callable[[t.Any], t.Any],
    ensure_ascii: bool,
    sort_keys: bool,
    item_separator: str,
    key_separator: str,
    indent: int | None,
) -> Callable[[t.Any], str]:
    """Return what `json.JSONEncoder(...).encode` of these settings is, or a quicker equal."""
    documented = json.JSONEncoder(
        default=default,
        ensure_ascii=ensure_ascii,
        sort_keys=sort_keys,
        indent=indent,
        separators=(item_separator, key_separator),
    ).encode
    make = getattr(_stdlib, "c_make_encoder", None)
    if make is None or indent is not None:
        return documented
    quote = _stdlib.encode_basestring_ascii if ensure_ascii else _stdlib.encode_basestring
    try:
        # No table of open containers (the first None), so that one encoder serves all threads.
        chunks = make(
            None, default, quote, None, key_separator, item_separator, bool(sort_keys), False, True
        )
    except TypeError:  # pragma: no cover  # an interpreter whose encoder takes other arguments
        return documented
    join = "".join

    def encode(obj: t.Any) -> str:
        try:
            return join(chunks(obj, 0))
        except RecursionError:
            # Either too deep or a circle; the documented encoder tells which.
            return documented(obj)

    return encode


def _with_plain(
    encode: Callable[[t.Any], str], ensure_ascii: bool, sort_keys: bool
) -> Callable[[t.Any], str]:
    """Return `encode`, which writes no spaces, with a quicker way for plain values."""
    encode_plain = plain.encoder_of(sort_keys, ensure_ascii)

    def encode_any(obj: t.Any) -> str:
        text = encode_plain(obj)
        return encode(obj) if text is None else text.decode()

    return encode_any


def _declared(cls: type, name: str) -> t.Any:
    """Return what the class or the nearest of its bases has under the name, as it stands there."""
    return next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), None)
