"""Numbers in a file that another process reads, and that outlive the process that counts.

A worker that is killed has no time to tell what it counted. So it counts in memory that is
mapped from a file: what was counted is there for whoever reads the file, at any time, and costs
the counting process no more than a list would. Two files for each process:

- `NAME.cells`: 8-byte floats in the machine's order, at places that never move.
- `NAME.keys`: a JSON list a line. `[name, kind, text, labels, bounds, across]` describes a metric,
  `[number of that line among its kind, label values, place]` says where its numbers are.
"""

from __future__ import annotations

import json
import logging
import mmap
import threading
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .metrics import Family, Labels

_log = logging.getLogger("hipflask.metrics")
_SIZE = array("d").itemsize
#: Bytes that the file grows by: what `mmap` maps begins at a multiple of it, on Windows too.
PIECE_BYTES = 65536


class FileCells:
    """Cells in the files `stem.cells` and `stem.keys`, made anew. From any thread.

    Where there is no room on the disk numbers are kept in this process alone, and that is logged:
    no request fails for its figures.
    """

    def __init__(self, stem: Path) -> None:
        self._cells = open(f"{stem}.cells", "w+b", buffering=0)  # noqa: SIM115  # lives as we do
        self._keys = open(f"{stem}.keys", "wb", buffering=0)  # noqa: SIM115
        self._lock = threading.Lock()
        self._described: dict[str, int] = {}
        self._view: Any = None
        self._begin = self._used = self._end = 0
        self._failed = False

    def close(self) -> None:
        """Make no more places; the numbers can be changed as before."""
        self._keys.close()
        self._cells.close()

    def allocate(self, metric: Any, values: Labels, width: int) -> tuple[Any, int]:
        """See `metrics.Cells`."""
        with self._lock:
            try:
                return self._allocate(metric, values, width)
            except OSError as error:
                if not self._failed:
                    self._failed = True
                    _log.error("new figures stay in this worker: %s: %s", self._cells.name, error)
                return [0.0] * width, 0

    def _allocate(self, metric: Any, values: Labels, width: int) -> tuple[Any, int]:
        if self._used + width > self._end:
            self._grow(width)
        place = self._used
        lines = b""
        number = self._described.get(metric.name)
        if number is None:
            number = len(self._described)
            about = [metric.name, metric.kind, metric.text, metric.labels, metric.bounds]
            lines = _line([*about, metric.across])
        self._keys.write(lines + _line([number, values, place]))
        self._described[metric.name] = number
        self._used += width
        return self._view, place - self._begin

    def _grow(self, width: int) -> None:
        # Written and not only lengthened: a full disk is an error here, and a signal that kills
        # the process where a page without a place behind it is touched.
        pieces = -(-width * _SIZE // PIECE_BYTES)
        size = pieces * PIECE_BYTES
        start = self._cells.seek(0, 2)
        if start % PIECE_BYTES:
            start = self._cells.truncate(start - start % PIECE_BYTES)
            self._cells.seek(start)
        written = self._cells.write(b"\0" * size)
        if written != size:
            raise OSError(28, "No space left on device")
        mapped = mmap.mmap(self._cells.fileno(), size, offset=start)
        self._view = memoryview(mapped).cast("d")
        self._begin = self._used = start // _SIZE
        self._end = self._begin + size // _SIZE


def _line(value: list[Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def read(stem: Path) -> list[Family]:
    """What a process has counted in those files so far; nothing where it has not begun."""
    try:
        # Keys first: every place they name is in the numbers then.
        keys = Path(f"{stem}.keys").read_bytes()
        data = Path(f"{stem}.cells").read_bytes()
    except OSError:
        return []
    numbers = array("d")
    numbers.frombytes(data[: len(data) - len(data) % _SIZE])
    families: list[Family] = []
    for row in _rows(keys):
        if isinstance(row[0], str):
            name, kind, text, labels, bounds, across = row
            families.append(Family(name, kind, text, tuple(labels), tuple(bounds), across))
            continue
        number, values, place = row
        family = families[number]
        width = len(family.bounds) + 2 if family.kind == "histogram" else 1
        family.series[tuple(values)] = list(numbers[place : place + width])
    return families


def _rows(keys: bytes) -> Iterator[list[Any]]:
    # What comes after the last line's end is being written.
    for line in keys.splitlines()[: keys.count(b"\n")]:
        yield json.loads(line)


def remove(stem: Path) -> None:
    """Remove the files of a process that has ended."""
    for ending in ("cells", "keys"):
        with suppress(OSError):
            Path(f"{stem}.{ending}").unlink()
