"""Rooms: what was said in them, and who listens. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

KEPT = 50
MOST_ROOMS = 100
# A listener who does not keep up is dropped rather than kept in memory.
BEHIND = 100
LONGEST_NAME = 30
LONGEST_TEXT = 500
ROOM = re.compile(r"[a-z0-9-]{1,30}")


class Refused(ValueError):
    """Something that cannot be said, with the reason for whoever said it."""


@dataclass(frozen=True)
class Message:
    """Something said. `number` counts over all rooms, from 1."""

    number: int
    room: str
    name: str
    text: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Listener = asyncio.Queue[Message | None]


@dataclass
class Rooms:
    """All rooms. Rooms are made when first spoken in."""

    said: dict[str, deque[Message]] = field(default_factory=dict)
    _last: int = 0
    # A listener's room, or None for one who hears all of them.
    _listeners: dict[Listener, str | None] = field(default_factory=dict)

    def history(self, room: str) -> list[Message]:
        """What was said in a room, oldest first, at most KEPT messages."""
        return list(self.said.get(room, ()))

    def since(self, number: int) -> list[Message]:
        """What was said in any room after the message `number`, oldest first."""
        kept = [one for room in self.said.values() for one in room if one.number > number]
        return sorted(kept, key=lambda one: one.number)[-KEPT:]

    def say(self, room: str, name: object, text: object) -> Message:
        """Say something to everybody who listens; Refused if it is nothing or too long."""
        if not ROOM.fullmatch(room):
            raise Refused("A room's name is 1 to 30 small letters, digits and hyphens.")
        if room not in self.said and len(self.said) >= MOST_ROOMS:
            raise Refused(f"There are {MOST_ROOMS} rooms already; use one of them.")
        name = _clean("name", name, LONGEST_NAME)
        text = _clean("message", text, LONGEST_TEXT)
        self._last += 1
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        message = Message(self._last, room, name, text, now)
        self.said.setdefault(room, deque(maxlen=KEPT)).append(message)
        for listener, wanted in list(self._listeners.items()):
            if wanted in (None, room):
                self._tell(listener, message)
        return message

    def _tell(self, listener: Listener, message: Message) -> None:
        if listener.qsize() < BEHIND:
            listener.put_nowait(message)
        else:
            del self._listeners[listener]
            listener.put_nowait(None)

    @contextmanager
    def listening(self, room: str | None = None) -> Iterator[Listener]:
        """Hear one room, or all; the queue gives None to somebody who fell too far behind."""
        listener: Listener = asyncio.Queue()
        self._listeners[listener] = room
        try:
            yield listener
        finally:
            self._listeners.pop(listener, None)

    def listeners(self, room: str | None = None) -> int:
        """How many listen to a room."""
        return sum(wanted == room for wanted in self._listeners.values())


def _clean(what: str, value: object, longest: int) -> str:
    if not isinstance(value, str) or not (text := " ".join(value.split())):
        raise Refused(f"Give a {what}.")
    if len(text) > longest or not text.isprintable():
        raise Refused(f"A {what} is at most {longest} characters, without control characters.")
    return text
