"""pydantic as the library that reads and writes: one TypeAdapter for the whole of a type.

Imported only where a type of pydantic's occurs. Reading is strict, as the schema promises,
unless a model says otherwise itself (`model_config = {"strict": False}`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pydantic

from ..model import NO_DEFAULT, Flaw, Rejected
from .keys import keys_in, refuse_twice
from .numbers import with_whole_numbers
from .of_msgspec import rejected
from .shapes import bare
from .words import got_kind


class Pydantic:
    """Makes the functions of a `Codec`."""

    def __init__(self, type: Any) -> None:
        self.type = type
        try:
            self.adapter: Any = pydantic.TypeAdapter(type)
        except pydantic.errors.PydanticUserError as error:
            raise TypeError(
                f"pydantic cannot read {type!r}: {str(error).partition(chr(10))[0]}"
            ) from None
        config = getattr(bare(type)[0], "model_config", {})
        self.strict: bool | None = None if "strict" in config else True

    def json_decoder(self) -> Callable[[bytes], Any]:
        parse = msgspec.json.Decoder().decode
        validate, strict = self.adapter.validate_json, self.strict

        def decode_json(data: bytes) -> Any:
            # pydantic's parser takes NaN and Infinity: the form is judged as everywhere.
            try:
                parsed = parse(data)
            except _PARSE_ERRORS as error:
                raise _rejected_form(error, "JSON", data) from None
            if data.count(b":") != (keys := keys_in(parsed)):
                refuse_twice(data, keys)
            try:
                return validate(data, strict=strict)
            except pydantic.ValidationError as error:
                if _is_whole_wanted(error) and (text := with_whole_numbers(data)) != data:
                    return decode_json(text)
                raise rejected_model(error, parsed) from None

        return decode_json

    def msgpack_decoder(self) -> Callable[[bytes], Any]:
        parse = msgspec.msgpack.Decoder().decode
        validate, strict = self.adapter.validate_json, self.strict

        def decode_msgpack(data: bytes) -> Any:
            try:
                parsed = parse(data)
                as_json = msgspec.json.encode(parsed)
            except (*_PARSE_ERRORS, TypeError) as error:
                raise _rejected_form(error, "msgpack", data) from None
            try:
                return validate(as_json, strict=strict)
            except pydantic.ValidationError as error:
                raise rejected_model(error, parsed) from None

        return decode_msgpack

    def converter(self) -> Callable[[Any, bool], Any]:
        adapter, strict = self.adapter, self.strict

        def convert(value: Any, lax: bool) -> Any:
            try:
                return adapter.validate_python(value, strict=None if lax else strict)
            except pydantic.ValidationError as error:
                raise rejected_model(error, value) from None

        return convert

    def json_encoder(self, without_unset: bool) -> Callable[[Any], bytes]:
        dump = self.adapter.dump_json

        def encode_json(value: Any) -> bytes:
            return dump(value, by_alias=True, exclude_unset=without_unset, warnings=False)  # type: ignore[no-any-return]

        return encode_json

    def msgpack_encoder(self, without_unset: bool) -> Callable[[Any], bytes]:
        dump, encode = self.adapter.dump_python, msgspec.msgpack.Encoder().encode
        return lambda value: encode(
            dump(value, mode="json", by_alias=True, exclude_unset=without_unset, warnings=False)
        )


def _is_whole_wanted(error: pydantic.ValidationError) -> bool:
    """Return whether a whole number was refused for how it was written."""
    return any(
        isinstance(each["input"], float) and each["input"].is_integer()
        for each in error.errors(include_url=False, include_context=False)
    )


_PARSE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


def _rejected_form(error: BaseException, form: str, data: bytes) -> Rejected:
    found = rejected(error, Any, form, data)
    flaws = [Flaw((), flaw.expected, flaw.got) for flaw in found.flaws]
    return Rejected(flaws, found.is_malformed)


def text_converter(type: Any) -> Callable[[str], Any]:
    """Return a function that reads one text, in pydantic's way for strings."""
    adapter: Any = pydantic.TypeAdapter(type)

    def convert(text: str) -> Any:
        try:
            return adapter.validate_strings(text, strict=True)
        except pydantic.ValidationError as error:
            raise rejected_model(error, text) from None

    return convert


def fields_of_model(model: Any) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield name, name on the wire, type and default of a model's fields."""
    for name, field in model.__pydantic_fields__.items():
        default = NO_DEFAULT
        if field.default_factory is not None:
            # A factory that takes the other fields has nothing to show without them.
            takes_data = field.default_factory_takes_validated_data
            default = msgspec.UNSET if takes_data else field.default_factory()
        elif not field.is_required():
            default = field.default
        yield name, _key_of(name, field), field.rebuild_annotation(), default


def _key_of(name: str, field: Any) -> str:
    alias = field.validation_alias
    choices = getattr(alias, "choices", [alias])
    return next((each for each in choices if isinstance(each, str)), field.alias or name)


def build_model(model: Any, values: dict[str, Any]) -> Any:
    """Make a model of values by field name, aliases or not."""
    fields = model.__pydantic_fields__
    keyed = {_key_of(name, fields[name]): value for name, value in values.items()}
    try:
        return model.model_validate(keyed) if hasattr(model, "model_validate") else model(**keyed)
    except pydantic.ValidationError as error:
        raise rejected_model(error, keyed) from None


def rejected_model(error: pydantic.ValidationError, data: Any) -> Rejected:
    """Return all that pydantic found wrong with `data`; its values go no further than here."""
    errors: list[Any] = error.errors(include_url=False)
    is_malformed = any(each["type"] == "json_invalid" and not each["loc"] for each in errors)
    flaws = [_flaw(each, data) for each in errors]
    return Rejected(list(dict.fromkeys(flaws)), is_malformed)


def _flaw(error: Any, data: Any) -> Flaw:
    kind = error["type"]
    expected = _expected(kind, error.get("ctx", {}), error["msg"])
    return Flaw(_location(error["loc"], data), expected, _got(kind, error["input"]))


def _location(path: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """Return pydantic's path without what is not in the data: names of union members and tags.

    Keys of the client's are cut at 100 characters.
    """
    found: list[str | int] = []
    for depth, step in enumerate(path, 1):
        if isinstance(data, dict) and (step in data or depth == len(path)):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step] if step < len(data) else None
        else:
            continue
        found.append(step if isinstance(step, int) else step[:100])
    return tuple(found)


_BEYOND = {
    "greater_than": "a smaller one",
    "greater_than_equal": "a smaller one",
    "less_than": "a greater one",
    "less_than_equal": "a greater one",
    "too_short": "a shorter one",
    "string_too_short": "a shorter one",
    "bytes_too_short": "a shorter one",
    "too_long": "a longer one",
    "string_too_long": "a longer one",
    "bytes_too_long": "a longer one",
    "extra_forbidden": "one",
    "value_error": "another one",
    "assertion_error": "another one",
}


def _got(kind: str, value: Any) -> str:
    if kind == "missing":
        return "nothing"
    if kind in _BEYOND:
        return _BEYOND[kind]
    is_told = kind.endswith(("_type", "_sub_type", "_from_float")) or kind == "none_required"
    got = got_kind(value)
    return got if is_told else "other text" if got == "text" else f"another {got}"


_WORDS = {
    "missing": "a field of this name",
    "extra_forbidden": "no field of this name",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "string_sub_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "none_required": "null",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dataclass_type": "an object",
    "dataclass_exact_type": "an object",
    "bytes_type": "bytes",
    "uuid_type": "a UUID",
    "uuid_parsing": "a UUID",
    "date_type": "a date (RFC 3339)",
    "date_parsing": "a date (RFC 3339)",
    "date_from_datetime_parsing": "a date (RFC 3339)",
    "datetime_type": "a date and time (RFC 3339)",
    "datetime_parsing": "a date and time (RFC 3339)",
    "datetime_from_date_parsing": "a date and time (RFC 3339)",
    "time_type": "a time of day (RFC 3339)",
    "time_parsing": "a time of day (RFC 3339)",
    "time_delta_type": "a duration (ISO 8601)",
    "time_delta_parsing": "a duration (ISO 8601)",
    "decimal_type": "a decimal number",
    "decimal_parsing": "a decimal number",
    "url_parsing": "a URL",
    "url_type": "a URL",
    "json_invalid": "text that is JSON",
    "recursion_loop": "data that does not hold itself",
}


def _expected(kind: str, told: dict[str, Any], message: str) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if kind.startswith("union_tag"):
        # The message repeats the tag that came.
        tags = told.get("expected_tags")
        return f"one of {tags}" if tags else f"a field {told['discriminator']} that tells the type"
    if kind in ("value_error", "assertion_error"):
        # As with msgspec: the text of a class's own error is meant for whoever sent the value;
        # those of libraries (email-validator) repeat it.
        own = told.get("error")
        if type(own) in (ValueError, AssertionError) and str(own):
            return str(own)[:200]
        is_email = message.startswith("value is not a valid email address")
        return "an email address" if is_email else "a value that its validator accepts"
    # "Input should be greater than 5", "String should have at least 3 characters"
    for start, words in (("Input should be ", ""), ("String should ", "text that should ")):
        if message.startswith(start):
            return words + message[len(start) :]
    return message
