"""What senders ask before, or instead of, delivering. Functions of a delivery; no I/O.

Each returns the answer, or None where the delivery asks nothing. Slack and Discord sign what
they ask: check the signature first.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from .delivery import Delivery

_is_challenge = re.compile(r"[!-~]{1,1024}\Z").match
# A DNS name, as the specification has it; lower and upper case are the same.
_is_origin = re.compile(rb"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,15}\Z").match
_is_rate = re.compile(rb"[0-9]{1,9}\Z").match


class Reply(NamedTuple):
    """An answer; a view can return it as it is."""

    body: str
    status: int
    headers: dict[str, str]


class _SlackQuestion(msgspec.Struct):
    type: str = ""
    challenge: str = ""


class _DiscordQuestion(msgspec.Struct):
    type: int = 0


def slack_challenge(delivery: Delivery) -> Reply | None:
    """The answer to `url_verification`: the challenge, as plain text.

    Slack: "Events API, Request URL configuration and verification". The challenge must be
    visible ASCII, at most 1,024 characters.
    """
    try:
        asked = msgspec.json.decode(delivery.body, type=_SlackQuestion)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if asked.type != "url_verification" or _is_challenge(asked.challenge) is None:
        return None
    # Text that a browser would not take for a page, whatever it says.
    headers = {"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"}
    return Reply(asked.challenge, 200, headers)


def discord_ping(delivery: Delivery) -> Reply | None:
    """The answer to a PING, type 1 (Discord: "Interactions, Acknowledging PING requests")."""
    try:
        asked = msgspec.json.decode(delivery.body, type=_DiscordQuestion)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if asked.type != 1:
        return None
    return Reply('{"type":1}', 200, {"Content-Type": "application/json"})


def cloudevents_options(
    delivery: Delivery, *, origins: Collection[str], rate_per_minute: int | None = None
) -> Reply | None:
    """The answer to OPTIONS with WebHook-Request-Origin: whether that origin may deliver.

    CloudEvents: "HTTP 1.1 Web Hooks for event delivery", section 4. `origins` are DNS names
    that may deliver, or "*" for any. A rate is told if one was asked for: the smaller of that
    and `rate_per_minute`, which is without limit ("*") if None. Others are answered 403,
    without the fields that would allow them. WebHook-Request-Callback is never called.
    """
    asked = delivery.values("WebHook-Request-Origin")
    if delivery.method != "OPTIONS" or not asked:
        return None
    headers = {"Allow": "POST"}
    origin = asked[0]
    if len(asked) > 1 or _is_origin(origin) is None:
        return Reply("", 400, headers)
    allowed = {name.lower() for name in origins}
    if "*" not in allowed and origin.decode().lower() not in allowed:
        return Reply("", 403, headers)
    rates = delivery.values("WebHook-Request-Rate")
    if rates:
        if len(rates) > 1 or not (rates[0] == b"*" or _is_rate(rates[0])) or rates[0] == b"0":
            return Reply("", 400, headers)
        wanted = None if rates[0] == b"*" else int(rates[0])
        limits = [rate for rate in (wanted, rate_per_minute) if rate is not None]
        headers["WebHook-Allowed-Rate"] = str(min(limits)) if limits else "*"
    headers["WebHook-Allowed-Origin"] = origin.decode()
    return Reply("", 200, headers)
