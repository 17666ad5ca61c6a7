"""Keeps what a list tells, newest first, and gives it back oldest first; large ones on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import msgspec

from .listing import Found

#: Bytes in memory, past which the pile is a file without a name.
IN_MEMORY = 8 * 1024 * 1024


class Pile:
    """Events without the memory that their bodies take; a context manager, which drops them."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._places: list[tuple[int, int]] = []
        self._end = 0

    def __enter__(self) -> Pile:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, found: Found) -> None:
        """Put an event on top."""
        packed = msgspec.msgpack.encode(found)
        self._file.seek(self._end)
        self._file.write(packed)
        self._places.append((self._end, len(packed)))
        self._end += len(packed)

    def __reversed__(self) -> Iterator[Found]:
        """From the last that was added to the first."""
        for start, size in reversed(self._places):
            self._file.seek(start)
            yield msgspec.msgpack.decode(self._file.read(size), type=Found)
