"""Multipart forms by Werkzeug's parser, with limits for the fields that stand before a part.

Werkzeug keeps these fields with each part, and limits all of them only by what it reads at once.
"""

from __future__ import annotations

from typing import IO, Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser

from .parts import current_config

#: Fields before one part where their bytes are limited; a browser sends two.
MAX_PART_FIELDS = 8


class PartParser(MultiPartParser):
    """Raises RequestEntityTooLarge (413) for a part with more, or longer, fields than it may have.

    The limit is the application's `MAX_PART_HEAD_BYTES`. Where parsing fails, the files of the
    parts before are closed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._most: int | None = current_config()["MAX_PART_HEAD_BYTES"]
        self._files: list[IO[bytes]] = []

    def parse(self, stream: IO[bytes], boundary: bytes, content_length: int | None) -> Any:
        """Return the fields and the files; ValueError for what is not well-formed."""
        try:
            return super().parse(stream, boundary, content_length)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files, for a form that nobody gets."""
        for file in self._files:
            file.close()

    def check(self, headers: Any) -> None:
        """Judge the fields before a part."""
        if self._most is not None and (
            len(headers) > MAX_PART_FIELDS or sum(len(n) + len(v) for n, v in headers) > self._most
        ):
            raise RequestEntityTooLarge()

    # Called once for each part that is no file, and once for each that is one.

    def get_part_charset(self, headers: Any) -> str:
        """Return the charset of a field."""
        self.check(headers)
        return super().get_part_charset(headers)

    def start_file_streaming(self, event: Any, total_content_length: int | None) -> IO[bytes]:
        """Return the file that a part is written to."""
        self.check(event.headers)
        file = super().start_file_streaming(event, total_content_length)
        self._files.append(file)
        return file


class FormParser(FormDataParser):
    """What an application's requests are parsed with that have no parser of their own."""

    def _parse_multipart(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Any:
        boundary = options.get("boundary", "").encode("ascii")
        if not boundary:
            raise ValueError("a multipart form without a boundary")
        parser = PartParser(
            stream_factory=self.stream_factory,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.cls,
        )
        return stream, *parser.parse(stream, boundary, content_length)
