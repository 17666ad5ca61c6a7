"""What a type is, and how values of it are read and written, whichever library defined it.

`codec_of(type)` gives all the ways in and out, made once per type. msgspec does the work for
its own Structs and for dataclasses, TypedDicts, named tuples, attrs classes and the standard
library's scalars; pydantic does it for a type in which anything of pydantic occurs. Neither
pydantic nor attrs is imported here: a type that is theirs brings them along.

What is wrong is raised as `Rejected`, its locations relative to the value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from ..model import Flaw, Rejected
from .checks import translated
from .of_msgspec import Msgspec, words_of_refusal
from .shapes import RecordField as RecordField
from .shapes import bare as bare
from .shapes import fields_of as fields_of
from .shapes import hints_of as hints_of
from .shapes import is_scalar as is_scalar
from .shapes import is_scalar_list as is_scalar_list
from .shapes import is_structured as is_structured
from .shapes import library_of as library_of
from .shapes import members_of as members_of
from .shapes import needs_pydantic as needs_pydantic
from .text import text_reader


class Codec:
    """The ways into and out of one type; each is made at its first use and kept.

    All that read raise `Rejected`. Values are never part of what it says.
    """

    def __init__(self, type: Any) -> None:
        self.type = translated(type)

    @cached_property
    def _library(self) -> Any:
        """Who reads and writes: msgspec or pydantic, behind the same six functions."""
        if needs_pydantic(self.type):
            from .of_pydantic import Pydantic  # optional

            return Pydantic(self.type)
        return Msgspec(self.type)

    @cached_property
    def decode_json(self) -> Callable[[bytes], Any]:
        """Read a value from JSON, strictly: "1" is no integer, a key given twice is refused."""
        return self._library.json_decoder()  # type: ignore[no-any-return]

    @cached_property
    def decode_msgpack(self) -> Callable[[bytes], Any]:
        """Read a value from msgpack, as strictly as from JSON."""
        return self._library.msgpack_decoder()  # type: ignore[no-any-return]

    @cached_property
    def encode_json(self) -> Callable[[Any], bytes]:
        """Write a value as JSON."""
        return self._library.json_encoder(False)  # type: ignore[no-any-return]

    @cached_property
    def encode_json_unset(self) -> Callable[[Any], bytes]:
        """Write a value as JSON, without the fields of pydantic models that nobody gave."""
        return self._library.json_encoder(True)  # type: ignore[no-any-return]

    @cached_property
    def encode_msgpack(self) -> Callable[[Any], bytes]:
        """Write a value as msgpack."""
        return self._library.msgpack_encoder(False)  # type: ignore[no-any-return]

    @cached_property
    def encode_msgpack_unset(self) -> Callable[[Any], bytes]:
        """Write a value as msgpack, without the fields of pydantic models that nobody gave."""
        return self._library.msgpack_encoder(True)  # type: ignore[no-any-return]

    @cached_property
    def from_text(self) -> Callable[[list[str]], Any]:
        """Read a scalar from the last of some texts, or a list from all of them.

        Raises TypeError, when made, for a type that is neither. See `text.py`.
        """
        return text_reader(self.type, lambda values: self._convert(values, False))

    @cached_property
    def _convert(self) -> Callable[[Any, bool], Any]:
        return self._library.converter()  # type: ignore[no-any-return]

    def from_builtins(self, value: Any, lax: bool = False) -> Any:
        """Read a value from dicts, lists and scalars; `lax` reads numbers out of text as well.

        A value that is of the type already passes: a UUID that a URL converter made.
        """
        if lax and isinstance(value, str) and (is_scalar(self.type) or is_scalar_list(self.type)):
            return self.from_text([value])
        return self._convert(value, lax)


_codecs: dict[Any, Codec] = {}


def codec_of(type: Any) -> Codec:
    """Return the codec of a type, the same for the same type.

    Its functions, when first asked for, raise TypeError for a type nobody can read.
    """
    try:
        codec = _codecs.get(type)
    except TypeError:  # metadata that cannot be hashed
        return Codec(type)
    if codec is None:
        codec = _codecs.setdefault(type, Codec(type))
    return codec


def build(type: Any, values: dict[str, Any]) -> Any:
    """Make a record of values that were read already, by field name; absent ones get defaults.

    What the class refuses itself (`__post_init__`, a validator) is raised as `Rejected`.
    """
    inner = bare(type)[0]
    library = library_of(inner)
    if library == "typeddict":
        return values
    if library == "pydantic":
        from .of_pydantic import build_model  # optional

        return build_model(inner, values)
    if library == "attrs":
        aliases = {each.name: each.alias for each in inner.__attrs_attrs__}
        values = {aliases[name]: value for name, value in values.items()}
    try:
        return inner(**values)
    except ValueError as error:
        location, expected = words_of_refusal(error)
        raise Rejected([Flaw(location, expected, "other values")]) from None
