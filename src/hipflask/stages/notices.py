"""What a stage tells those who use the application: fields of each answer, a line on each page."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import escape

from .record import StageRecord
from .sunset import Sunset

STAGE_FIELD = "Hipflask-Stage"
_body_tag = re.compile(rb"<body\b[^>]*>", re.IGNORECASE).search


class Notices:
    """Goes through each answer; `is_overdue` is asked each time, as its day may come."""

    #: It never waits: no thread is taken for it.
    is_quick = True

    def __init__(self, record: StageRecord, sunset: Sunset | None, is_overdue: Any) -> None:
        self._stage = record.stage
        self._fields: list[tuple[str, str]] = []
        if record.stage != "service":
            self._fields.append((STAGE_FIELD, record.stage))
        self._fields += sunset.fields() if sunset else []
        self._is_overdue = is_overdue
        # Made once each: in time, and past the day.
        self._banners = [_banner(record, sunset, late) for late in (False, True)]

    def __call__(self, response: Any) -> Any:
        """Add the fields, and the banner to a page that is not streamed or encoded."""
        response.headers._list.extend(self._fields)
        if response.mimetype == "text/html" and response.status_code != 206:
            banner = self._banners[self._is_overdue()]
            if banner and not (response.is_streamed or response.content_encoding):
                _put(response, banner)
        return response


def _put(response: Any, banner: bytes) -> None:
    body = response.get_data()
    found = _body_tag(body)
    if found is not None:
        response.set_data(body[: found.end()] + banner + body[found.end() :])


def _banner(record: StageRecord, sunset: Sunset | None, is_late: bool) -> bytes:
    """The line, b"" for none. Without a style, which a strict policy would refuse."""
    if sunset is not None:
        told = f"This service ends on {sunset.ends}."
    elif record.stage == "prototype":
        told = "This is a prototype: it may change or end at any time."
    elif is_late:
        told = f"This is a {record.stage}."
    else:
        return b""
    words = [told]
    if record.stage == "prototype" and record.question:
        words.append(f"It is to find out: {record.question}")
    if is_late:
        words.append(f"Whether it goes on was to be decided by {record.decide_by}.")
    elif record.stage == "prototype" and record.decide_by:
        words.append(f"That is decided by {record.decide_by}.")
    text = escape(" ".join(words))
    return f'<div role="note" class="hipflask-stage"><p>{text}</p></div>'.encode()
