"""Log lines of handlers name their event."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from hipflask.webhooks.working.telling import About, about, name_events

EVENT = About("stripe", "evt_1", 17, 2)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


def logger_to(stream: io.StringIO) -> logging.Logger:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.Logger("somebody's")
    logger.addHandler(handler)
    name_events(handler)
    name_events(handler)
    return logger


def test_a_line_in_a_handler_ends_with_its_event() -> None:
    stream = io.StringIO()
    logger = logger_to(stream)
    with about(EVENT):
        logger.warning("100%% of %s", "it")
    logger.warning("elsewhere")
    assert stream.getvalue() == (
        "WARNING 100% of it [source=stripe id=evt_1 seq=17 attempt=2]\nWARNING elsewhere\n"
    )


def test_a_traceback_stays_below_the_line() -> None:
    stream = io.StringIO()
    logger = logger_to(stream)
    with about(EVENT):
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("failed")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "ERROR failed [source=stripe id=evt_1 seq=17 attempt=2]"
    assert lines[-1] == "ValueError: no"


def test_records_have_the_event_for_other_formatters() -> None:
    logger_to(io.StringIO())
    seen: list[logging.LogRecord] = []
    logger = logging.Logger("another")
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]  # a list will do
    logger.addHandler(handler)
    with about(EVENT):
        logger.error("x", extra={"source": "the user's own"})
    assert (seen[0].hook_source, seen[0].hook_id) == ("stripe", "evt_1")
    assert (seen[0].hook_seq, seen[0].hook_attempt) == (17, 2)
