"""The ten signals an application sends, in Blinker's words.

Signals without a receiver cost their senders one truth test: the request's path asks
`heard.any` first, and then the signal's own `receivers`.
"""

from __future__ import annotations

from typing import Any

from blinker import NamedSignal, Namespace

from .live import LiveDict


class Heard:
    """Whether any of the signals has a receiver. What each signal's receivers call a cell."""

    __slots__ = ("any",)

    def __init__(self) -> None:
        self.any = False

    def empty(self) -> None:
        """A receiver came or went."""
        self.any = any(signal.receivers for signal in _signals.values())


class _Signals(Namespace):
    def signal(self, name: str, doc: str | None = None) -> NamedSignal:
        """The signal of that name, made at first use."""
        made = super().signal(name, doc)
        cell: Any = heard
        made.receivers = LiveDict.of(cell, made.receivers)
        return made


heard = Heard()
_signals = _Signals()

appcontext_pushed = _signals.signal("appcontext-pushed")
appcontext_popped = _signals.signal("appcontext-popped")
appcontext_tearing_down = _signals.signal("appcontext-tearing-down")

request_started = _signals.signal("request-started")
request_finished = _signals.signal("request-finished")
request_tearing_down = _signals.signal("request-tearing-down")
got_request_exception = _signals.signal("got-request-exception")

before_render_template = _signals.signal("before-render-template")
template_rendered = _signals.signal("template-rendered")
message_flashed = _signals.signal("message-flashed")
