"""The end of a service, as its clients are told: since when it is deprecated, and until when it is.

    [tool.hipflask.sunset]
    deprecated = 2026-11-23
    ends = 2027-02-01
    link = "https://example.org/why"

`Deprecation` is RFC 9745's field, `Sunset` RFC 8594's. Days begin at midnight UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec

from .record import TABLE, RecordError, read_tables

KEY = "sunset"


class Sunset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the end was told, when it is, and the page that says more ("" for none)."""

    deprecated: date
    ends: date
    link: str = ""

    def fields(self) -> list[tuple[str, str]]:
        """The header fields of every answer."""
        began, ends = _midnight(self.deprecated), _midnight(self.ends)
        found = [
            ("Deprecation", f"@{int(began.timestamp())}"),
            ("Sunset", format_datetime(ends, usegmt=True)),
        ]
        if self.link:
            found += [("Link", f'<{self.link}>; rel="{rel}"') for rel in ("deprecation", "sunset")]
        return found

    def is_over(self, now: float) -> bool:
        """Whether the end has come, `now` in seconds since 1970."""
        return now >= _midnight(self.ends).timestamp()


def read_sunset(path: Path) -> Sunset | None:
    """`[tool.hipflask.sunset]` of a pyproject.toml, None without one.

    Raises RecordError, naming the file and the key, for what cannot be, among it an end before
    the day on which it was told.
    """
    table: Any = read_tables(path).get(KEY)
    if table is None:
        return None
    where = f"{path}, {TABLE}.{KEY}"
    try:
        found = msgspec.convert(table, Sunset)
    except msgspec.ValidationError as error:
        raise RecordError(
            f"{where}: {error}. Write deprecated = 2026-11-23, ends = 2027-02-01 and"
            ' link = "https://...", the page that says why.'
        ) from None
    if found.ends < found.deprecated:
        raise RecordError(
            f"{where}: ends ({found.ends}) is before deprecated ({found.deprecated}), which"
            " RFC 9745 does not allow. Set ends to a later day."
        )
    # It becomes a header field: nothing in it may end the field, or the address.
    if not found.link.isascii() or set(found.link) & set('<>"\r\n\t '):
        raise RecordError(f"{where}.link: {found.link!r} is no address that a field can hold.")
    return found


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
