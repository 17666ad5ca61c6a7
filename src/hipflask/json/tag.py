"""JSON that keeps more types: each is written as an object of one reserved key, its tag.

    {" t": [1, 2]}        stands for the tuple (1, 2)

The session cookie is written this way, so the format is Flask's to the byte. A dictionary
whose only key looks like a tag is written as ` di` with `__` after that key, and is given
back its own key when read.
"""

from __future__ import annotations

import sys
import typing as t
from base64 import b64decode, b64encode
from datetime import datetime

from markupsafe import Markup
from werkzeug.http import http_date, parse_date

from hipflask.globals import _cv_current
from hipflask.json import dumps, loads
from hipflask.json.plain import loads as _loads_plain
from hipflask.json.provider import _COMPACT, DefaultJSONProvider

# Values of exactly these types are their own JSON; no tag of ours looks at them.
_OWN_JSON = frozenset({str, int, float, bool, type(None)})
_are_own = _OWN_JSON.issuperset

_WITHOUT_SPACES: dict[str, t.Any] = {"separators": (",", ":")}

_provider_dumps = DefaultJSONProvider.dumps
_provider_loads = DefaultJSONProvider.loads


def __getattr__(name: str) -> t.Any:
    if name == "UUID":  # costly
        from uuid import UUID

        return UUID
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class JSONTag:
    """How values of one type are written and read; subclass and `register` it.

    A tag without `key` only prepares what is inside a value, as for lists.
    """

    __slots__ = ("serializer",)

    key: str = ""
    """What marks such a value; a leading space keeps it apart from keys of real data."""

    def __init__(self, serializer: TaggedJSONSerializer) -> None:
        self.serializer = serializer

    def tag(self, value: t.Any) -> dict[str, t.Any]:
        """Return the object of one key that is written for `value`."""
        return {self.key: self.to_json(value)}

    def check(self, value: t.Any) -> bool:
        """Return whether this tag writes `value`."""
        raise NotImplementedError

    def to_json(self, value: t.Any) -> t.Any:
        """Return a form of `value` that JSON has; values inside it must be tagged already."""
        raise NotImplementedError

    def to_python(self, value: t.Any) -> t.Any:
        """Return the value that `to_json` gave this form; values inside are read already."""
        raise NotImplementedError


class _Untagged(JSONTag):
    """A container written as itself, with what is inside it tagged."""

    __slots__ = ()

    def tag(self, value: t.Any) -> t.Any:
        return self.to_json(value)


class PassList(_Untagged):
    """Lists."""

    __slots__ = ()

    def check(self, value: t.Any) -> bool:
        return isinstance(value, list)

    def to_json(self, value: t.Any) -> t.Any:
        return list(map(self.serializer.tag, value))


class PassDict(_Untagged):
    """All other dictionaries."""

    __slots__ = ()

    def check(self, value: t.Any) -> bool:
        return isinstance(value, dict)

    def to_json(self, value: t.Any) -> t.Any:
        # Keys stay as they are: JSON turns them into text.
        tag, tagged = self.serializer.tag, dict(value)
        for key, inner in value.items():
            tagged[key] = tag(inner)
        return tagged


class TagDict(JSONTag):
    """Dictionaries that would be taken for a tag: one key, and it is a registered one."""

    __slots__ = ()
    key = " di"

    def check(self, value: t.Any) -> bool:
        if not isinstance(value, dict) or len(value) != 1:
            return False
        return next(iter(value)) in self.serializer.tags

    def to_json(self, value: t.Any) -> t.Any:
        [(key, inner)] = value.items()
        return {f"{key}__": self.serializer.tag(inner)}

    def to_python(self, value: t.Any) -> t.Any:
        [key] = value
        return {key.removesuffix("__"): value[key]}


class TagTuple(JSONTag):
    """Tuples, as arrays."""

    __slots__ = ()
    key = " t"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, tuple)

    def to_json(self, value: t.Any) -> t.Any:
        return list(map(self.serializer.tag, value))

    def to_python(self, value: t.Any) -> t.Any:
        return tuple(value)


class TagDateTime(JSONTag):
    """Datetimes, as HTTP dates: whole seconds in UTC; a naive one is taken for UTC."""

    __slots__ = ()
    key = " d"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, datetime)

    def to_json(self, value: t.Any) -> t.Any:
        return http_date(value)

    def to_python(self, value: t.Any) -> t.Any:
        try:
            return parse_date(value)
        except OverflowError:  # a number in it is past what a date, or C, can hold
            return None


class TagUUID(JSONTag):
    """UUIDs, as 32 hexadecimal digits."""

    __slots__ = ()
    key = " u"

    def check(self, value: t.Any) -> bool:
        # Whoever holds a UUID has imported its module; nobody else pays for it.
        loaded = sys.modules.get("uuid")
        return loaded is not None and isinstance(value, loaded.UUID)

    def to_json(self, value: t.Any) -> t.Any:
        return value.hex

    def to_python(self, value: t.Any) -> t.Any:
        from uuid import UUID  # costly

        return UUID(hex=value)


class TagMarkup(JSONTag):
    """Whatever offers `__html__`, read back as `markupsafe.Markup`."""

    __slots__ = ()
    key = " m"

    def check(self, value: t.Any) -> bool:
        as_html = getattr(value, "__html__", None)
        return callable(as_html)

    def to_json(self, value: t.Any) -> t.Any:
        return str(value.__html__())

    def to_python(self, value: t.Any) -> t.Any:
        return Markup(value)


class TagBytes(JSONTag):
    """Bytes, in base 64."""

    __slots__ = ()
    key = " b"

    def check(self, value: t.Any) -> bool:
        return isinstance(value, bytes)

    def to_json(self, value: t.Any) -> t.Any:
        return str(b64encode(value), "ascii")

    def to_python(self, value: t.Any) -> t.Any:
        return b64decode(value)


class TaggedJSONSerializer:
    """Writes and reads compact JSON with tags; `dumps` and `loads` are inverse to each other.

    Beyond JSON it keeps tuples, bytes, `Markup`, UUIDs and datetimes (to the second).
    """

    __slots__ = ("_stock", "order", "tags")

    default_tags: t.ClassVar[list[type[JSONTag]]] = [
        TagDict,
        PassDict,
        TagTuple,
        PassList,
        TagBytes,
        TagMarkup,
        TagUUID,
        TagDateTime,
    ]
    """The tags of every new serializer, in the order in which a value is offered to them."""

    def __init__(self) -> None:
        self.order: list[JSONTag] = []
        self.tags: dict[str, JSONTag] = {}
        for tag_class in self.default_tags:
            self.register(tag_class)
        # While the order holds our tags and no other, _OWN_JSON need not be offered to any.
        ours = all(tag_class.__module__ == __name__ for tag_class in self.default_tags)
        self._stock = self.order.copy() if ours else None

    def register(
        self, tag_class: type[JSONTag], force: bool = False, index: int | None = None
    ) -> None:
        """Add a tag, before position `index` of `order` or at its end.

        A special case of a type must come before the general one, as a tag for
        `OrderedDict` at index 0 does. Raises `KeyError` if the key is taken, unless `force`.
        """
        tag = tag_class(self)
        if tag.key:
            if not force and tag.key in self.tags:
                raise KeyError(
                    f"The tag {tag.key!r} of {tag_class.__qualname__} is taken by"
                    f" {type(self.tags[tag.key]).__qualname__}: choose another key, or pass"
                    " force=True to replace it."
                )
            self.tags[tag.key] = tag
        self.order.insert(len(self.order) if index is None else index, tag)

    def dumps(self, value: t.Any) -> str:
        """Return `value` as compact, tagged JSON text."""
        return _dump_compact(value if self.is_plain(value) else self.tag(value))

    def is_plain(self, value: t.Any) -> bool:
        """Return whether `tag` would only copy `value`: an object of JSON's own values."""
        return (
            isinstance(value, dict)
            and _are_own(map(type, value.values()))
            and (len(value) != 1 or next(iter(value)) not in self.tags)
            and self.order == self._stock
            and type(self).tag is _stock_tag
        )

    def tag(self, value: t.Any) -> t.Any:
        """Return `value` in types that JSON has, tagged where needed, at every depth."""
        if type(value) in _OWN_JSON and self.order == self._stock:
            return value
        for writer in self.order:
            if writer.check(value):
                break
        else:
            return value
        return writer.tag(value)

    def loads(self, value: str) -> t.Any:
        """Return the value that `dumps` wrote; raises `ValueError` for text that is no JSON."""
        plain = _load(value)
        return plain if type(plain) in _OWN_JSON else self.read(plain)

    def read(self, plain: t.Any) -> t.Any:
        """Return what a value of JSON stands for, with all that is inside it: `tag` undone."""
        # Inside out, and without json's object_hook, which another provider may not have.
        if isinstance(plain, list):
            return list(map(self.read, plain))
        if not isinstance(plain, dict):
            return plain
        if not _are_own(map(type, plain.values())):
            restored = dict(plain)
            for key, inner in plain.items():
                if type(inner) not in _OWN_JSON:
                    restored[key] = self.read(inner)
            plain = restored
        return self.untag(plain)

    def untag(self, value: dict[str, t.Any]) -> t.Any:
        """Return what an object of JSON stands for, if its only key is a tag; else itself."""
        if len(value) == 1:
            [(key, inner)] = value.items()
            if key in self.tags:
                return self.tags[key].to_python(inner)
        return value


_stock_tag = TaggedJSONSerializer.tag


# `dumps` and `loads` of this package, past the keyword arguments where nobody overrode the
# provider's: 1.6 us less for the two of them on Python 3.11.


def _dump_compact(plain: t.Any) -> str:
    ctx = _cv_current.get()
    if ctx is not None:
        provider = ctx.app.json
        if type(provider).dumps is _provider_dumps and "dumps" not in provider.__dict__:
            return provider._encode(plain, _COMPACT)  # type: ignore[no-any-return]
    return dumps(plain, **_WITHOUT_SPACES)


def _load(text: str) -> t.Any:
    ctx = _cv_current.get()
    if ctx is not None:
        provider = ctx.app.json
        if type(provider).loads is _provider_loads and "loads" not in provider.__dict__:
            return _loads_plain(text)
    return loads(text)
