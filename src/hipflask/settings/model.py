"""What settings are made of: values that stay hidden, where a value came from, what is wrong."""

from __future__ import annotations

import hmac
from typing import Any

import msgspec

from ..scaffold import SetupError


class Secret:
    """A text that is never shown: not printed, not formatted, not pickled, not sent as JSON.

    `reveal()` gives the text to the one place that needs it. Compared in constant time.

        key = Secret("sk_live_...")
        stripe.api_key = key.reveal()
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(...)"

    # What `str()` and an f-string show: no secret, and no hint of its length.
    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("A Secret is not pickled: it would be written in the clear.")


class Origin(msgspec.Struct, frozen=True):
    """Where a value came from: `kind` is "default", "file", ".env", "environment" or "secret".

    `name` is the key there, `place` the file it stood in ("" for the environment).
    """

    kind: str
    name: str = ""
    place: str = ""

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        if self.kind == "environment":
            return f"environment, {self.name}"
        return f"{self.place}, {self.name}" if self.kind != "secret" else self.place


class SettingsError(SetupError):
    """Settings are missing or wrong; `flaws` has a line for each, none with a value in it."""

    #: What `serve` ends with: sysexits' EX_CONFIG.
    exit_code = 78

    def __init__(self, name: str, flaws: list[str]) -> None:
        self.flaws = flaws
        one = len(flaws) == 1
        head = f"{len(flaws)} setting{'' if one else 's'} of {name} {'is' if one else 'are'} wrong"
        super().__init__("\n".join([f"{head}:", *(f"  {flaw}" for flaw in flaws)]))
