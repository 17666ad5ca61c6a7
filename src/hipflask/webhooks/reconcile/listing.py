"""What a provider's list of events is: what to ask it, and what it answered. No I/O here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import msgspec

T = TypeVar("T")


class NotUnderstood(Exception):
    """What a provider answered is not of the form its documentation has; the text says where."""


@dataclass(frozen=True)
class Ask:
    """One request to a provider's API. Its headers hold the token: never log them."""

    url: str
    headers: tuple[tuple[str, str], ...]
    method: str = "GET"
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Ask {self.method} {self.url}>"


@dataclass(frozen=True)
class Answered:
    """What the provider answered; `headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Found:
    """An event as the provider's list has it, in the form in which it would have come.

    `headers` are those of the delivery, as far as the list tells. The bytes are those that were
    sent only if their signature says so: most lists have the event's members and not its bytes.
    """

    event_id: str
    event_type: str
    #: Seconds since 1970.
    at: float
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    #: What the provider calls it, where the body must be asked for by itself.
    number: str = ""


@dataclass(frozen=True)
class Listed:
    """One page of the list, newest first; `cursor` leads to the next, None is the end."""

    events: Sequence[Found]
    cursor: str | None


class Provider(Protocol):
    """A list API. Each of its methods is a function of its arguments."""

    #: The scheme of the sources it is for.
    schemes: tuple[str, ...]
    #: Where the list is unless settings say otherwise; "" where only they can know.
    url: str
    #: What a setting for the URL looks like.
    example: str

    def ask(self, url: str, token: str, since: float, cursor: str | None) -> Ask:
        """The request for a page: the newest, or the one that `cursor` leads to."""
        ...

    def read(self, answered: Answered) -> Listed:
        """The page in an answer with status 200; NotUnderstood for what is none."""
        ...

    def ask_whole(self, url: str, token: str, found: Found) -> Ask | None:
        """The request for an event's headers and body; None where the list has them."""
        ...

    def read_whole(self, answered: Answered, found: Found) -> Found:
        """The event with headers and body; NotUnderstood for what is none."""
        ...


def decode(body: bytes, form: type[T], what: str) -> T:
    """The answer as `form`; NotUnderstood with the place in it where it is not."""
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotUnderstood(f"{what} is not as documented: {error}") from None


def to_seconds(moment: datetime) -> float:
    """Seconds since 1970; a time without a zone is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
