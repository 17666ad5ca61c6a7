"""What a verified delivery is: its id, its ordering key and the type of its event.

One bounded decode of the body finds what is in it: only the members on the way are read.
Whatever the body holds, there is an answer: without an id it is the SHA-256 of the bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ..scaffold import SetupError
from .delivery import Delivery
from .events import FORM, bare_type, read_form
from .failures import Permanent
from .scheme import Scheme
from .verdict import Verdict

#: A member of the body by its path, "header:" and the name of a field, or a function.
Where = str | Callable[[Delivery], str | None]

#: Longer ordering keys are kept as their SHA-256, and those that do not print: PostgreSQL takes
#: no NUL and neither store half a surrogate pair. A longer type is none.
LONGEST_KEY = 256
LONGEST_TYPE = 128

_is_id = re.compile(r"[!-~]{1,256}\Z").match
_is_header = re.compile(r"header:([A-Za-z0-9-]+)\Z").match
_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What a delivery is known by. `digest` is the SHA-256 of the body."""

    id: str
    is_id_signed: bool
    key: str | None
    type: str | None
    digest: bytes


class Identifier:
    """Finds what a source's deliveries are known by; made at setup, shared between threads.

    `id`, `key` and `type` replace the places that the scheme names.
    """

    def __init__(
        self,
        scheme: Scheme,
        *,
        id: Where | None = None,
        key: Where | None = None,
        type: Where | None = None,
        where: str = "",
    ) -> None:
        self._scheme = scheme
        self._is_token = scheme.algorithm == "token" and scheme.check is None
        self._picker = picker = _Picker()
        self._own_id = id is not None
        self._is_id_in_body = isinstance(id, str) and _is_header(id) is None
        self._find_id = _finder(picker, id or scheme.body_id or None, where)
        self._find_with = _finder(picker, scheme.body_id_with or None, where)
        self._find_key = _finder(picker, key, where)
        types = scheme.body_type if type is None else (type,)
        found = [_finder(picker, one, where) for one in types]
        self._find_types = [find for find in found if find is not None]
        self._type_header = scheme.type_header.lower() if type is None else ""
        self._find_detail = _finder(picker, scheme.type_detail or None, where)
        self._id_with = scheme.id_with.lower()
        picker.make()

    def identify(self, delivery: Delivery, verdict: Verdict) -> Identity:
        """What the delivery is known by; never raises for what it holds.

        A key of the application's own function that raises is told of by the caller: what it
        raises is passed on.
        """
        values = self._picker.pick(delivery) if self._picker.paths else ()
        digest = hashlib.sha256(delivery.body).digest()
        found, is_signed = self._id(delivery, verdict, values, digest)
        key = None if self._find_key is None else self._find_key(delivery, values)
        if key and (len(key) > LONGEST_KEY or not key.isprintable()):
            key = f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
        return Identity(found, is_signed, key or None, self._type(delivery, values), digest)

    def _id(
        self, delivery: Delivery, verdict: Verdict, values: Values, digest: bytes
    ) -> tuple[str, bool]:
        # Who has the token can make up any delivery, so an unsigned id is as good as the rest.
        is_signed = self._is_token or verdict.is_body_signed
        found = beside = None
        if not self._own_id and (found := verdict.id) is not None:
            if self._id_with:
                beside = delivery.text_of(self._id_with)
            is_signed = self._is_token or verdict.is_id_signed
        else:
            if self._find_id is not None:
                found = self._find_id(delivery, values)
            if self._find_with is not None:
                beside = self._find_with(delivery, values)
            if self._own_id and not self._is_id_in_body:
                is_signed = self._is_token
        if found is not None and _is_id(found) is not None:
            if beside is None:
                return found, is_signed
            if _is_id(beside) is not None:
                return f"{beside} {found}", is_signed
        if delivery.query:
            digest = hashlib.sha256(digest + delivery.query).digest()
        return f"sha256:{digest.hex()}", True

    def _type(self, delivery: Delivery, values: Values) -> str | None:
        found = delivery.text_of(self._type_header) if self._type_header else None
        if found is None:
            for find in self._find_types:
                if found := find(delivery, values):
                    break
        if not found:
            return None
        if self._find_detail is not None and (detail := self._find_detail(delivery, values)):
            found = f"{found}.{detail}"
        return found if len(found) <= LONGEST_TYPE and found.isprintable() else None


Values = tuple[str | None, ...]
Find = Callable[[Delivery, Values], str | None]


def _finder(picker: _Picker, place: Where | None, where: str) -> Find | None:
    """What finds a value in a delivery, or among the values that were picked from its body."""
    if place is None or place == "":
        return None
    if not isinstance(place, str):
        function = place

        def ask(delivery: Delivery, values: Values) -> str | None:
            found = function(delivery)
            return None if found is None else str(found)

        return ask
    header = _is_header(place)
    if header is not None:
        name = header[1].lower()
        return lambda delivery, values: delivery.text_of(name)
    parts = place.split(".")
    if not all(parts) or ":" in place:
        raise SetupError(
            f"{where}: {place!r} is no place in a delivery. Write the path of a member, like"
            " 'data.object.customer', or 'header:X-Name', or give a function of the delivery."
        )
    number = picker.add(place)
    return lambda delivery, values: values[number]


class _Picker:
    """Picks members out of a JSON body or a form by their paths, in one go."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._decode: Callable[[bytes], Any] | None = None
        self._leaves: list[tuple[str, ...]] = []

    def add(self, path: str) -> int:
        """The number of the path among the values that `pick` returns."""
        if path not in self.paths:
            self.paths.append(path)
        return self.paths.index(path)

    def make(self) -> None:
        """Make the decoder; after the last `add`."""
        split = [tuple(path.split(".")) for path in self.paths]
        is_nested = any(
            one != other and other[: len(one)] == one for one in split for other in split
        )
        if split and not is_nested:
            struct, self._leaves = _struct_of(split)
            self._decode = msgspec.json.Decoder(struct).decode

    def pick(self, delivery: Delivery) -> Values:
        """The values at the paths, as text; None for what is not there or no text or number."""
        kind = delivery.single.get("content-type")
        if kind is None and (types := delivery.values("content-type")):
            kind = types[0].decode("latin-1")
        if kind is None or not _is_form(kind):
            return self._pick_json(delivery.body)
        try:
            form = read_form(delivery.body)
        except Permanent:
            return (None,) * len(self.paths)
        values: Values = tuple(map(form.get, self.paths))
        if "payload" in form:
            inner = self._pick_json(form["payload"].encode())
            values = tuple(a if a is not None else b for a, b in zip(inner, values, strict=True))
        return values

    def _pick_json(self, body: bytes) -> Values:
        if self._decode is not None:
            try:
                root = self._decode(body)
            except _DECODE_ERRORS:
                # Not JSON, or a member is no text or number, or one on the way no object: look for
                # each by itself.
                pass
            else:
                return tuple([_leaf(root, names) for names in self._leaves])
        return tuple(_walk(body, path.split(".")) for path in self.paths)


@lru_cache(maxsize=64)
def _is_form(content_type: str) -> bool:
    return bare_type(content_type.encode("latin-1")) == FORM


def _struct_of(paths: list[tuple[str, ...]]) -> tuple[Any, list[tuple[str, ...]]]:
    """A Struct that reads just these members, and the names of the fields down to each."""
    names: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        names.setdefault(path[0], []).append(path[1:])
    fields: list[Any] = []
    rename: dict[str, str] = {}
    leaves: dict[tuple[str, ...], tuple[str, ...]] = {}
    for number, (member, rests) in enumerate(names.items()):
        name = f"m{number}"
        rename[name] = member
        if rests == [()]:
            fields.append((name, str | int | None, None))
            leaves[(member,)] = (name,)
            continue
        inner, below = _struct_of(rests)
        fields.append((name, inner | None, None))
        for rest, found in zip(rests, below, strict=True):
            leaves[(member, *rest)] = (name, *found)
    return msgspec.defstruct("Members", fields, rename=rename), [leaves[path] for path in paths]


_read_text = msgspec.json.Decoder(str | int).decode


def _leaf(root: Any, names: tuple[str, ...]) -> str | None:
    for name in names:
        root = getattr(root, name)
        if root is None:
            return None
    return root if root.__class__ is str else str(root)


def _walk(body: bytes, parts: list[str]) -> str | None:
    raw: Any = body
    try:
        for part in parts:
            raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])[part]
    except (*_DECODE_ERRORS, KeyError):
        return None
    return _as_text(raw)


def _as_text(raw: Any) -> str | None:
    if not raw or raw == b"null":
        return None
    try:
        return str(_read_text(raw))
    except _DECODE_ERRORS:
        return None
