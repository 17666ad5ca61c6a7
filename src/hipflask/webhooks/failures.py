"""What a handler raises to say whether trying again can help."""

from __future__ import annotations


class Permanent(Exception):
    """The event can never be handled: it goes to the dead letters at once, without retries.

    if event.version > 3:
        raise Permanent(f"version {event.version} is not known here")
    """


class Transient(Exception):
    """The event cannot be handled now: try again, as for any other exception.

    `retry_after_s` is how long to wait at least; the schedule decides where that is None.
    """

    def __init__(self, message: str = "", *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        if retry_after_s is not None and not retry_after_s >= 0:
            raise ValueError(f"retry_after_s={retry_after_s!r}: give 0 or more, or None.")
        self.retry_after_s = retry_after_s
