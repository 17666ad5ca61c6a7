"""Values as pages show them: characters that do nothing, numbers, states, names of anchors."""

from __future__ import annotations

import re

# C0 and C1 without tab and line feed, line separators, and what changes direction or hides.
_steering = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_not_in_an_anchor = re.compile(r"[^A-Za-z0-9_-]")
_TONES = {
    "good": ("done", "approved", "published", "posted", "paid", "active", "open", "ok", "yes"),
    "busy": ("received", "queued", "running", "waiting", "planned", "new", "checked"),
    "bad": ("dead", "failed", "rejected", "refused", "error", "overdue"),
    "odd": ("parked", "conflict", "awaiting_approval", "interrupted", "expired", "warning", "held"),
    "soft": ("filtered", "drafted", "draft", "cancelled", "undone", "closed", "archived"),
}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}


def visible(text: str) -> str:
    r"""The text with characters that are not seen, or do something, as escapes: `\u202e`."""
    return _steering.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def dump_number(value: int) -> str:
    """With narrow no-break spaces between thousands: 1 234 567."""
    return f"{value:,}".replace(",", "\u202f")


def tone_of(state: object) -> str:
    """What colour a state has besides its word: good, busy, bad, odd, soft, or none."""
    return _TONE_OF.get(str(state).strip().lower().replace(" ", "_").replace("-", "_"), "")


def anchor(name: object) -> str:
    """An `id` made of a name of anybody's: what may not stand in one is written as its code."""
    return _not_in_an_anchor.sub(lambda found: f"_{ord(found[0]):x}_", str(name))
