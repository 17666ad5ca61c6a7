"""Asks a provider's API, patiently: it may be busy, or away for a moment."""

from __future__ import annotations

from collections.abc import Callable

from ...scaffold import SetupError
from .listing import Answered, Ask, NotUnderstood

Send = Callable[[Ask], Answered]

#: How often one request is tried.
TRIES = 6
#: The longest pause between two tries, in seconds, whatever Retry-After says.
LONGEST_PAUSE_S = 60.0
_BUSY = {429, 500, 502, 503, 504}


class Missing(SetupError):
    """The provider has nothing at a URL (404): it is wrong, or what was there is gone by now."""


class Unreachable(Exception):
    """The provider does not answer, or answers that it cannot. What was stored stays stored."""


class Asker:
    """Sends requests one after the other.

    `send` raises OSError where nothing answers; `pause` waits that many seconds.
    """

    def __init__(self, send: Send, pause: Callable[[float], None], name: str) -> None:
        self._send = send
        self._pause = pause
        self._name = name

    def ask(self, ask: Ask) -> Answered:
        """The answer with status 200.

        Raises SetupError where the settings are wrong (401, 403, and Missing for 404),
        NotUnderstood for another refusal, Unreachable after the last try.
        """
        said = ""
        for number in range(TRIES):
            wait_s = min(2.0**number, LONGEST_PAUSE_S)
            try:
                answered = self._send(ask)
            except OSError as error:
                said = f"{type(error).__name__}: {error}"
            else:
                if answered.status == 200:
                    return answered
                said = f"status {answered.status}"
                # GitHub limits with a 403, too.
                is_limited = answered.status == 403 and "retry-after" in answered.headers
                if answered.status not in _BUSY and not is_limited:
                    raise self._refused(answered, ask)
                wait_s = min(_retry_after(answered) or wait_s, LONGEST_PAUSE_S)
            if number + 1 < TRIES:
                self._pause(wait_s)
        raise Unreachable(f"{self._name} did not answer in {TRIES} tries; the last: {said}.")

    def _refused(self, answered: Answered, ask: Ask) -> Exception:
        place = ask.url.partition("?")[0]
        if answered.status in (401, 403):
            return SetupError(
                f"{self._name} refused the token ({answered.status}) for {place}. It must be valid"
                " and allowed to read the list."
            )
        if answered.status == 404:
            return Missing(
                f"{self._name} has nothing at {place} (404). The URL is wrong, or the token may"
                " not see it."
            )
        return NotUnderstood(f"{self._name} answered {answered.status} to {ask.method} {place}.")


def _retry_after(answered: Answered) -> float | None:
    text = answered.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
