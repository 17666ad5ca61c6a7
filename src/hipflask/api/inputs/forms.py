"""The form of a typed view: read as Flask reads it, but refused where it is not well-formed.

Flask takes U+FFFD for what is no UTF-8, and an empty form for one that it cannot parse; a typed
view would then be told of fields that are missing though they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO, Any
from urllib.parse import parse_qsl

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from ...multipart import PartParser
from ...parts import current_config
from ...queries import read_form
from ...wrappers import Request
from ..marks import Place
from ..model import Flaw
from ..problems import Malformed


def form_of(request: Request) -> Any:
    """Return the request's form; `request.files` is then read as well.

    Raises Malformed (400) for what is no UTF-8 and for parts that are not well-formed. Where
    something has asked for `request.form` before, it is what that got; where the application's
    request class has a parser of its own, it is what that makes of it.
    """
    made: Any = request.__dict__
    if "form" in made or request.form_data_parser_class is not FormDataParser:
        return request.form
    # `__class__`, as views may hand over the proxy.
    if request.__class__.make_form_data_parser is not Request.make_form_data_parser:
        return request.form
    try:
        if request._reads_plainly and read_form(request, current_config(), "strict"):
            return made["form"]
        made["form_data_parser_class"] = _Parser
        return request.form
    except ValueError as error:
        # Whoever asks again, an error handler, gets what Flask makes of such a form.
        made["form"] = request.parameter_storage_class()
        made["files"] = request.parameter_storage_class()
        if isinstance(error, UnicodeDecodeError):
            flaw = Flaw((Place.FORM.value,), "UTF-8", "other bytes")
        else:
            flaw = Flaw((Place.FORM.value,), "a well-formed form", "another")
        raise Malformed([flaw]) from None
    finally:
        made.pop("form_data_parser_class", None)


class _Parser(FormDataParser):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.silent = False

    def _parse_urlencoded(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Any:
        text = stream.read().decode()
        fields = parse_qsl(text, keep_blank_values=True, errors="strict")
        return stream, self.cls(fields), self.cls()

    def _parse_multipart(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Any:
        parts = _Parts(self)
        source: Any = _Source(stream)
        boundary = options.get("boundary", "").encode("ascii")
        if not boundary:
            raise ValueError("no boundary")
        try:
            fields: Any
            fields, files = parts.parse(source, boundary, content_length)
        except ValueError:
            if source.is_empty:
                return stream, self.cls(), self.cls()
            raise
        return stream, self.cls(parts.decoded(fields)), self.cls(files)


class _Source:
    """A stream that knows whether there was anything in it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.is_empty = True

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if data:
            self.is_empty = False
        return data


_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class _Parts(PartParser):
    """The parser of multipart, whose fields' bytes are kept to be decoded strictly."""

    def __init__(self, parser: FormDataParser) -> None:
        super().__init__(
            stream_factory=parser.stream_factory,
            max_form_memory_size=parser.max_form_memory_size,
            max_form_parts=parser.max_form_parts,
            cls=list,  # the pairs as they came
        )
        self._charsets: list[str] = []

    def get_part_charset(self, headers: Any) -> str:
        self._charsets.append(super().get_part_charset(headers))
        return "latin-1"  # a letter for each byte

    def check(self, headers: Any) -> None:
        """Raise ValueError, too, for a field that is none, and for a part that has no name."""
        super().check(headers)
        if not all(_FIELD_NAME.fullmatch(name) for name, _ in headers):
            raise ValueError("a header field without a name")
        kind, options = parse_options_header(headers["content-disposition"])
        if kind != "form-data" or "name" not in options:
            raise ValueError("a part without a name")

    def decoded(self, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the fields in the encoding that their parts name, by default UTF-8."""
        try:
            return [
                (name, text.encode("latin-1").decode(charset))
                for (name, text), charset in zip(fields, self._charsets, strict=True)
            ]
        except UnicodeDecodeError:
            self.close()
            raise
